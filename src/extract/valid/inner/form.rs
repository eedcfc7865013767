//! Forms and queries.

use crate::extract::form::Form;
use crate::extract::query::Query;
use crate::extract::valid::inner::Inner;

impl<T> Inner for Form<T> {
    type Value = T;

    fn value(&self) -> &T {
        &self.0
    }
}

impl<T> Inner for Query<T> {
    type Value = T;

    fn value(&self) -> &T {
        &self.0
    }
}
