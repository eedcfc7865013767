//! Without the feature `tls` there is no TLS.

use crate::resource::io::Io;
use crate::resource::redis::RedisError;

/// Nobody has one.
#[derive(Clone, Debug)]
pub(super) enum Trust {}

impl Trust {
    pub(super) fn system() -> Result<Self, RedisError> {
        Err(RedisError::new("TLS to Redis needs the feature `tls`"))
    }

    pub(super) async fn secure(&self, _: Io, _: &str) -> Result<Io, RedisError> {
        match *self {}
    }
}
