//! Handlers of one message at a time, or of some; what they may do wrong, and how often they are called.

use crate::resource::counters::Counter;
use crate::service::error::Error;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::message::Message;
use crate::ws::socket::rate::{Limiter, RateLimit};
use crate::ws::socket::{SocketError, WebSocket, WsSender, ending};
use http::StatusCode;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How a handler of messages is called.
///
/// ```
/// use wireline::ws::socket::each::Each;
/// use wireline::ws::socket::rate::RateLimit;
///
/// let each = Each { rate: Some(RateLimit::default()), ..Each::default() };
/// assert_eq!(each.errors, 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Each {
    /// So many errors of the handler, one after the other, end the socket with 1011; before that each is
    /// answered with the text `Error: ` and its message, or `Error: internal server error` when it is the
    /// server's fault. A success starts the count anew. Default 5; 0 is without end.
    pub errors: u32,
    /// How many messages are taken; one too many is answered with the text `Rate limit exceeded` and not
    /// handed on. Default: all.
    pub rate: Option<RateLimit>,
}

impl Default for Each {
    fn default() -> Self {
        Self {
            errors: 5,
            rate: None,
        }
    }
}

/// When a batch is full.
///
/// ```
/// use std::time::Duration;
/// use wireline::ws::socket::each::Batch;
///
/// let batch = Batch { messages: 500, time: Duration::from_millis(20), ..Batch::default() };
/// # let _ = batch;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// With this many messages. Default 50.
    pub messages: usize,
    /// With this many octets of payload, or with the message that passes them. Default 1 MiB.
    pub octets: usize,
    /// This long after its first message. Default 100 ms.
    pub time: Duration,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            messages: 50,
            octets: 1024 * 1024,
            time: Duration::from_millis(100),
        }
    }
}

/// What a handler of messages may return: nothing, or a `Result` whose error has a status and a message. What
/// becomes of an error: [`Each::errors`]. It is counted, and goes to the log, as that of a handler of sockets,
/// see [`IntoClose`](crate::ws::socket::IntoClose).
///
/// ```
/// use http::StatusCode;
/// use wireline::test::TestClient;
/// use wireline::ws::prelude::*;
/// use wireline::{Error, Router};
///
/// async fn shout(sender: WsSender, message: Message) -> Result<(), Error> {
///     let text = message.as_text().ok_or((StatusCode::BAD_REQUEST, "text, please"))?;
///     sender.send(text.to_uppercase()).await?;
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let routes = Router::new().websocket_messages("/shout", Each::default(), shout).build().unwrap();
/// let client = TestClient::new(routes);
/// let mut socket = client.websocket("/shout").await;
/// socket.send(vec![0xff]).await.unwrap();
/// let answer = socket.recv().await.unwrap().unwrap();
/// assert_eq!(answer.as_text(), Some("Error: text, please"));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a handler of messages returns",
    note = "`()` and a `Result` are, if the error of the `Result` becomes a `wireline::Error`: a `StatusCode`, `(StatusCode, &'static str)`, a `SocketError`, an `io::Error` do; an `HttpError` by `.map_err(Error::from_http)`, any other by `.map_err(Error::internal)`"
)]
pub trait IntoOutcome {
    /// The error, if it is one.
    ///
    /// # Errors
    ///
    /// What the handler failed with.
    fn into_outcome(self) -> Result<(), Error>;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Result<(), Error> {
        Ok(())
    }
}

impl<T, E: Into<Error>> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Result<(), Error> {
        self.map(drop).map_err(Into::into)
    }
}

impl WebSocket {
    /// Calls `handler` with every text and binary message, one after the other, until the socket ends;
    /// gives how to close it. Whatever else the handler needs it brings along.
    ///
    /// Giving it up drops the socket, and the handler where it is.
    ///
    /// ```no_run
    /// use wireline::ws::close::CloseFrame;
    /// use wireline::ws::socket::WebSocket;
    /// use wireline::ws::socket::each::Each;
    ///
    /// async fn shout(socket: WebSocket) -> CloseFrame {
    ///     socket
    ///         .for_each(Each::default(), |sender, message| async move {
    ///             sender.send(message.as_text().unwrap_or("what?").to_uppercase()).await
    ///         })
    ///         .await
    /// }
    /// ```
    pub async fn for_each<F, Fut>(mut self, each: Each, mut handler: F) -> CloseFrame
    where
        F: FnMut(WsSender, Message) -> Fut,
        Fut: Future,
        Fut::Output: IntoOutcome,
    {
        let mut budget = Budget::new(&each);
        while let Some(message) = self.next_data(&mut budget.limiter).await {
            let outcome = handler(self.sender(), message).await.into_outcome();
            if let Some(close) = budget.spend(outcome, &self).await {
                return close;
            }
        }
        CloseCode::NORMAL.into()
    }

    /// Calls `handler` with batches of text and binary messages, until the socket ends; gives how to close
    /// it. No batch is empty, and what came before the end is handed on.
    ///
    /// Giving it up drops the socket, the handler where it is, and a batch that is not full.
    pub async fn for_each_batch<F, Fut>(
        mut self,
        each: Each,
        batch: Batch,
        mut handler: F,
    ) -> CloseFrame
    where
        F: FnMut(WsSender, Vec<Message>) -> Fut,
        Fut: Future,
        Fut::Output: IntoOutcome,
    {
        let mut budget = Budget::new(&each);
        let mut open = true;
        while open && let Some(first) = self.next_data(&mut budget.limiter).await {
            let full = Instant::now() + batch.time;
            let mut octets = first.as_bytes().len();
            let mut messages = vec![first];
            while messages.len() < batch.messages && octets < batch.octets {
                match timeout_at(full, self.next_data(&mut budget.limiter)).await {
                    Ok(Some(message)) => {
                        octets += message.as_bytes().len();
                        messages.push(message);
                    }
                    Ok(None) => {
                        open = false;
                        break;
                    }
                    Err(_) => break,
                }
            }
            let outcome = handler(self.sender(), messages).await.into_outcome();
            if let Some(close) = budget.spend(outcome, &self).await {
                return close;
            }
        }
        CloseCode::NORMAL.into()
    }

    /// The first text or binary message, which has to come within `deadline`: for a token that cannot come
    /// with the request.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// 401 when none came in time; else as [`recv`](Self::recv), and [`SocketError::Closed`] when the peer left
    /// before. As the error of a handler the first closes the socket with 1008.
    ///
    /// ```
    /// use http::StatusCode;
    /// use std::time::Duration;
    /// use wireline::ws::socket::WebSocket;
    /// use wireline::{Error, Router};
    ///
    /// async fn members(mut socket: WebSocket) -> Result<(), Error> {
    ///     let token = socket.first_message(Duration::from_secs(5)).await?;
    ///     if token.as_text() != Some("open-sesame") {
    ///         return Err(Error::new(StatusCode::FORBIDDEN, "members only"));
    ///     }
    ///     socket.send("welcome").await?;
    ///     Ok(())
    /// }
    /// assert!(Router::new().websocket("/members", members).build().is_ok());
    /// ```
    pub async fn first_message(&mut self, deadline: Duration) -> Result<Message, Error> {
        match timeout(deadline, self.recv_data()).await {
            Ok(Some(first)) => Ok(first?),
            Ok(None) => Err(SocketError::Closed.into()),
            Err(_) => Err(Error::new(
                StatusCode::UNAUTHORIZED,
                "no first message in time",
            )),
        }
    }

    /// The next text or binary message. Cancel safe.
    async fn recv_data(&mut self) -> Option<Result<Message, SocketError>> {
        loop {
            let message = self.recv().await?;
            if !matches!(&message, Ok(other) if !other.is_text() && !other.is_binary()) {
                return Some(message);
            }
        }
    }

    /// Cancel safe.
    async fn next_data(&mut self, limiter: &mut Option<Limiter>) -> Option<Message> {
        loop {
            let message = self.recv_data().await?.ok()?;
            if limiter.as_mut().is_none_or(Limiter::allows) {
                return Some(message);
            }
            self.sender.count(Counter::WebSocketRateLimited);
            // Nothing that waits: a peer that does not read is not told.
            match self.try_send(RATE_LIMITED) {
                Ok(_) | Err(SocketError::Full) => {}
                Err(_) => return None,
            }
        }
    }
}

/// What is left of the patience with a handler, and with its peer.
struct Budget {
    errors: u32,
    /// Errors one after the other.
    failed: u32,
    limiter: Option<Limiter>,
}

impl Budget {
    fn new(each: &Each) -> Self {
        Self {
            errors: each.errors,
            failed: 0,
            limiter: each.rate.map(RateLimit::limiter),
        }
    }

    /// How to close, if it is spent.
    async fn spend(
        &mut self,
        outcome: Result<(), Error>,
        socket: &WebSocket,
    ) -> Option<CloseFrame> {
        let Err(error) = outcome else {
            self.failed = 0;
            return None;
        };
        if ending::tell(&error) {
            socket.sender.count(Counter::WebSocketHandlerErrors);
        }
        self.failed = self.failed.saturating_add(1);
        if self.failed == self.errors {
            return Some(CloseFrame::new(CloseCode::INTERNAL, "Too many errors"));
        }
        // The words of a fault of the server may say what is inside, and are for a log.
        let words = if error.status().is_server_error() {
            "internal server error"
        } else {
            error.message()
        };
        let told = socket.send(format!("Error: {words}")).await;
        told.is_err().then(|| CloseCode::INTERNAL.into())
    }
}

const RATE_LIMITED: &str = "Rate limit exceeded";
