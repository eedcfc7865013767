//! Answers: to events of clients, and those that are waited for.

use super::counters::add;
use super::error::{AckError, EmitError};
use super::socket::Socket;
use super::space::Core;
use crate::socketio::packet::{Args, Packet, ToArgs};
use bytestring::ByteString;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// When so much time is over; a time without end is long.
pub(super) fn after(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or_else(|| now + FAR)
}

/// As good as never.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Who is to be answered: the client's callback behind an event. What a handler gives back does the same; this is for who answers
/// before its end, or elsewhere.
///
/// ```
/// use wireline::socketio::server::{Ack, SocketIo};
///
/// let io = SocketIo::new();
/// io.on("order", async |ack: Ack| {
///     let _ = ack.send("we have it");
///     // and now the work
/// });
/// ```
#[derive(Clone)]
pub struct Ack(Arc<Inner>);

struct Inner {
    socket: Socket,
    id: u64,
    is_sent: AtomicBool,
}

impl Ack {
    pub(super) fn new(socket: Socket, id: u64) -> Self {
        Self(Arc::new(Inner {
            socket,
            id,
            is_sent: AtomicBool::new(false),
        }))
    }

    /// Answers; `false` when that was done already.
    ///
    /// # Errors
    ///
    /// [`EmitError`] says why it is not sent.
    pub fn send(&self, data: impl ToArgs) -> Result<bool, EmitError> {
        let args = data.to_args()?;
        if self.0.is_sent.swap(true, Ordering::Relaxed) {
            return Ok(false);
        }
        let namespace = self.0.socket.namespace_name().clone();
        let packet = Packet::ack(namespace, self.0.id, args);
        self.0.socket.send(&packet, false, false)?;
        Ok(true)
    }

    /// Whether an answer was sent.
    pub fn is_sent(&self) -> bool {
        self.0.is_sent.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack")
            .field("id", &self.0.id)
            .field("is_sent", &self.is_sent())
            .finish_non_exhaustive()
    }
}

/// Who waits for the answers of a socket.
#[derive(Default)]
pub(super) struct Waiting(BTreeMap<u64, (Waiter, Counted)>);

/// One that is waited for is counted for as long as it is.
struct Counted(Arc<Core>);

impl Counted {
    fn new(core: &Arc<Core>) -> Self {
        add(&core.counters.acks);
        Self(core.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.counters.acks.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) enum Waiter {
    One(oneshot::Sender<Args>),
    /// One of many sockets that were asked.
    Many(ByteString, mpsc::Sender<(ByteString, Args)>),
}

impl Waiting {
    pub(super) fn insert(
        &mut self,
        id: u64,
        waiter: Waiter,
        core: &Arc<Core>,
    ) -> Result<(), AckError> {
        if self.0.len() >= core.config.max_acks {
            return Err(AckError::TooMany);
        }
        self.0.insert(id, (waiter, Counted::new(core)));
        Ok(())
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Waiter> {
        self.0.remove(&id).map(|(waiter, _)| waiter)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Waiter {
    pub(super) fn take(self, args: Args) {
        match self {
            // Who no longer waits is not told.
            Self::One(sender) => drop(sender.send(args)),
            // There is room for an answer of each.
            Self::Many(id, sender) => drop(sender.try_send((id, args))),
        }
    }
}

/// An answer to come; the event has been sent. It is waited for with `.await`; when this is dropped nobody waits any more.
///
/// ```
/// use std::time::Duration;
/// use wireline::socketio::server::Socket;
///
/// async fn name_of(socket: Socket) -> String {
///     let answer = socket.emit_with_ack("name?", ()).timeout(Duration::from_secs(5)).await;
///     answer.ok().and_then(|args| args.to().ok()).unwrap_or_else(|| "somebody".to_owned())
/// }
/// # let _ = name_of;
/// ```
#[must_use = "it is waited for with `.await`"]
pub struct Answer {
    state: Result<Pending, AckError>,
    wait: Duration,
}

struct Pending {
    receiver: oneshot::Receiver<Args>,
    held: Held,
}

/// A place among those who wait.
pub(super) struct Held {
    pub(super) socket: Socket,
    pub(super) id: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.socket.forget_waiter(self.id);
    }
}

impl Answer {
    pub(super) fn new(socket: &Socket, send: impl FnOnce(u64) -> Result<(), EmitError>) -> Self {
        let wait = socket.settings().ack_timeout;
        let (sender, receiver) = oneshot::channel();
        let id = socket.next_ack();
        // Before it is sent: the answer may be faster than this.
        let state = socket.wait_for(id, Waiter::One(sender)).and_then(|()| {
            let held = Held {
                socket: socket.clone(),
                id,
            };
            send(id)?;
            Ok(Pending { receiver, held })
        });
        Self { state, wait }
    }

    pub(super) fn failed(error: impl Into<AckError>) -> Self {
        Self {
            state: Err(error.into()),
            wait: Duration::ZERO,
        }
    }

    /// Waits for so long; otherwise for as long as the server is set to.
    pub fn timeout(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

impl IntoFuture for Answer {
    type Output = Result<Args, AckError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Pending { receiver, held } = self.state?;
            let answer = timeout(self.wait, receiver).await;
            drop(held);
            match answer {
                Ok(Ok(args)) => Ok(args),
                Ok(Err(_)) => Err(AckError::Disconnected),
                Err(_) => Err(AckError::Timeout),
            }
        })
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// What several sockets answered.
///
/// ```
/// use wireline::socketio::server::BroadcastAnswers;
///
/// let answers = BroadcastAnswers::default();
/// assert!(answers.is_complete());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct BroadcastAnswers {
    /// The sockets that answered, and what, in the order in which it came. Sockets of other nodes have no id here.
    pub answers: Vec<(ByteString, Args)>,
    /// The sockets of this node that have not answered in time, or were disconnected before.
    pub missing: Vec<ByteString>,
    /// How many others have not: nodes, or sockets of other nodes.
    pub missing_elsewhere: usize,
}

impl BroadcastAnswers {
    /// Whether everybody has answered.
    pub const fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.missing_elsewhere == 0
    }
}
