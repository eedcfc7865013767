//! Without the feature `tracing` there is no log.

use crate::resource::redis::RedisError;

pub(super) const fn connected() {}

pub(super) const fn lost(_: &RedisError, _: bool) {}
