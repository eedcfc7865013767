//! Without the feature `attack` there is nothing besides.

use crate::Told;
use wireline::router::Router;

pub(crate) fn routes(_told: Told) -> Router {
    Router::new()
}
