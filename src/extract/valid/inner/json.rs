//! JSON.

use crate::extract::json::Json;
use crate::extract::valid::inner::Inner;

impl<T> Inner for Json<T> {
    type Value = T;

    fn value(&self) -> &T {
        &self.0
    }
}
