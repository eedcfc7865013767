//! Values as JSON.

use crate::ws::socket::{Sent, SocketError, WebSocket, WsSender};
use serde::Serialize;

impl WebSocket {
    /// Sends a value as JSON in a text message.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SocketError::Json`].
    pub async fn send_json<T: Serialize + Sync + ?Sized>(
        &self,
        value: &T,
    ) -> Result<Sent, SocketError> {
        self.send(text(value)?).await
    }
}

impl WsSender {
    /// Sends a value as JSON in a text message.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SocketError::Json`].
    pub async fn send_json<T: Serialize + Sync + ?Sized>(
        &self,
        value: &T,
    ) -> Result<Sent, SocketError> {
        self.send(text(value)?).await
    }
}

fn text<T: Serialize + ?Sized>(value: &T) -> Result<String, SocketError> {
    serde_json::to_string(value).map_err(|error| SocketError::Json(error.to_string()))
}
