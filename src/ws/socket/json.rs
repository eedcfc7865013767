//! Values as JSON.

use crate::ws::message::Message;
use crate::ws::socket::{Sent, SocketError, WebSocket, WsSender};
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Message {
    /// Reads the payload as JSON, whether it is text or octets.
    ///
    /// # Errors
    ///
    /// When it is not the JSON that `T` expects; with `?` that becomes a 400, which closes the socket with 1008.
    ///
    /// ```
    /// use wireline::ws::message::Message;
    ///
    /// let message = Message::from("[1, 2, 3]");
    /// assert_eq!(message.json::<Vec<u8>>().unwrap(), [1, 2, 3]);
    /// assert!(message.json::<String>().is_err());
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.as_bytes())
    }
}

impl WebSocket {
    /// Sends a value as JSON in a text message.
    ///
    /// Cancel safe.
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
    /// Cancel safe.
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
