//! Without compression of responses.

use crate::router::Router;
use crate::service::response::Response;

pub(super) const fn around(routes: Router, _: usize) -> Router {
    routes
}

pub(super) const fn spare(response: Response) -> Response {
    response
}
