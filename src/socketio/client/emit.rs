//! Events that are answered.

use crate::socketio::client::core::emit::Emit;
use crate::socketio::client::error::{AckError, EmitError};
use crate::socketio::client::handle::SocketIoClient;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

/// An event that is sent when this is awaited, and then its answer. See
/// [`emit_with_ack`](SocketIoClient::emit_with_ack).
///
/// ```no_run
/// use std::time::Duration;
///
/// # async fn run(client: wireline::socketio::client::SocketIoClient) -> Result<(), Box<dyn std::error::Error>> {
/// let sum: i64 = client.emit_with_ack("sum", (1, 2)).timeout(Duration::from_secs(1)).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "it is sent when it is awaited"]
pub struct EmitWithAck<T> {
    client: SocketIoClient,
    emit: Result<Emit, EmitError>,
    retries: u32,
    answer: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> EmitWithAck<T> {
    pub(super) const fn new(
        client: SocketIoClient,
        emit: Result<Emit, EmitError>,
        retries: u32,
    ) -> Self {
        Self {
            client,
            emit,
            retries,
            answer: PhantomData,
        }
    }

    /// How long the answer may take, and a connection before. Default is the builder's.
    pub fn timeout(mut self, limit: Duration) -> Self {
        if let Ok(emit) = &mut self.emit {
            emit.ack = Some(limit);
        }
        self
    }

    /// How often the event is sent again when there was no answer in time, or the connection was lost before it. The server may
    /// have it several times then. Default is the builder's.
    pub const fn retries(mut self, count: u32) -> Self {
        self.retries = count;
        self
    }

    async fn run(self) -> Result<T, AckError> {
        let emit = self.emit?;
        let mut left = self.retries;
        let answer = loop {
            let again = Emit {
                name: emit.name.clone(),
                args: emit.args.clone(),
                ..emit
            };
            match self.client.ask(again).await {
                Err(AckError::Timeout | AckError::Disconnected) if left > 0 => left -= 1,
                answer => break answer?,
            }
        };
        answer
            .to()
            .map_err(|error| AckError::Payload(error.to_string()))
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for EmitWithAck<T> {
    type Output = Result<T, AckError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<T> fmt::Debug for EmitWithAck<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmitWithAck")
            .field("emit", &self.emit)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}
