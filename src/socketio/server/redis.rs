//! A server that shares its rooms over Redis.

use super::SocketIo;
use crate::resource::redis::RedisError;
use crate::socketio::adapter::RedisAdapter;

impl SocketIo {
    /// A server with the usual settings that is one with all others at a Redis, those of npm with `@socket.io/redis-adapter` among them:
    /// [`set_adapter`](Self::set_adapter) with a [`RedisAdapter`]. It does not wait for a connection.
    ///
    /// # Errors
    ///
    /// [`RedisError`] for what is no URL of Redis.
    ///
    /// ```
    /// use wireline::socketio::server::SocketIo;
    ///
    /// let io = SocketIo::with_redis("redis://127.0.0.1:6379")?;
    /// assert_eq!(io.adapter().map(|adapter| adapter.name()), Some("redis"));
    /// # Ok::<(), wireline::resource::redis::RedisError>(())
    /// ```
    pub fn with_redis(url: &str) -> Result<Self, RedisError> {
        let (io, adapter) = (Self::new(), RedisAdapter::new(url)?);
        io.set_adapter(adapter);
        Ok(io)
    }
}
