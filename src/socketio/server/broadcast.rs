//! Several sockets of a namespace at once.

use super::ack::{BroadcastAnswers, after};
use super::error::{AckError, EmitError};
use super::socket::{Socket, check_event};
use super::space::{Space, Target};
use crate::socketio::adapter::{self, Adapter, Event};
use crate::socketio::packet::{Packet, ToArgs};
use bytestring::ByteString;
use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout_at;

/// Several sockets of a namespace: those in some rooms, or all; but for some.
///
/// ```
/// use wireline::socketio::server::{EmitError, SocketIo};
///
/// fn announce(io: &SocketIo) -> Result<(), EmitError> {
///     io.to("news").to("sports").except("muted").emit("goal", (1, 0))
/// }
/// ```
#[derive(Clone)]
#[must_use = "it does nothing by itself"]
pub struct Broadcast {
    space: Arc<Space>,
    target: Target,
    is_local: bool,
    wait: Duration,
}

impl Broadcast {
    pub(super) fn new(space: Arc<Space>) -> Self {
        let wait = space.core.config.ack_timeout;
        Self {
            space,
            target: Target::default(),
            is_local: false,
            wait,
        }
    }

    pub(super) fn but(mut self, socket: &Socket) -> Self {
        self.target.except.push(socket.id().into());
        self
    }

    /// Those in this room as well: each socket once, however many of the rooms it is in. A socket's id is a room that it is in.
    pub fn to(mut self, room: impl Into<ByteString>) -> Self {
        self.target.rooms.push(room.into());
        self
    }

    /// But for those in this room.
    pub fn except(mut self, room: impl Into<ByteString>) -> Self {
        self.target.except.push(room.into());
        self
    }

    /// Those of this node only.
    pub const fn local(mut self) -> Self {
        self.is_local = true;
        self
    }

    /// Those it can be written to at once.
    pub const fn volatile(mut self) -> Self {
        self.target.is_volatile = true;
        self
    }

    /// Whether what is sent may be compressed, as everything may: once, for all clients that take it so, where the server is set to do it.
    pub const fn compress(mut self, compress: bool) -> Self {
        self.target.is_plain = !compress;
        self
    }

    /// Waits for answers for so long; otherwise for as long as the server is set to.
    pub const fn timeout(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sends an event. It is framed once, however many sockets there are.
    ///
    /// # Errors
    ///
    /// [`EmitError`] says why it is not sent.
    pub fn emit(&self, event: &str, data: impl ToArgs) -> Result<(), EmitError> {
        let args = data.to_args()?;
        check_event(event)?;
        if let Some((others, target)) = self.others() {
            let (name, args) = (event.into(), args.clone());
            others.broadcast(&target, &Event { name, args });
        }
        let packet = Packet::event(self.space.name.clone(), None, event.into(), args);
        self.space.broadcast(&self.target, packet);
        Ok(())
    }

    /// Sends an event, and waits for the answers of all with `.await`: until all have come, or the time is over.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wireline::socketio::server::{AckError, SocketIo};
    ///
    /// async fn vote(io: &SocketIo) -> Result<usize, AckError> {
    ///     let ballot = io.to("members").timeout(Duration::from_secs(10));
    ///     let answers = ballot.emit_with_ack("vote", "shall we?").await?;
    ///     Ok(answers.answers.iter().filter(|(_, args)| args.to().unwrap_or(false)).count())
    /// }
    /// ```
    pub fn emit_with_ack(&self, event: &str, data: impl ToArgs) -> BroadcastAnswer {
        let asked = data.to_args().map_err(EmitError::from).and_then(|args| {
            check_event(event)?;
            let asked = self.space.broadcast_with_acks(&self.target, event, &args);
            let elsewhere = self.others().map(|(others, target)| {
                let name = event.into();
                others.broadcast_with_acks(&target, &Event { name, args }, self.wait)
            });
            Ok((asked, elsewhere))
        });
        let ((sockets, refused, id, mut receiver), elsewhere) = match asked {
            Ok(asked) => asked,
            Err(error) => return BroadcastAnswer(Box::pin(async { Err(error.into()) })),
        };
        let until = after(self.wait);
        let asked = Asked { sockets, id };
        BroadcastAnswer(Box::pin(async move {
            let mut answers = BroadcastAnswers::default();
            while answers.answers.len() < asked.sockets.len() {
                match timeout_at(until, receiver.recv()).await {
                    Ok(Some(answer)) => answers.answers.push(answer),
                    // All others were disconnected, or it is too late.
                    Ok(None) | Err(_) => break,
                }
            }
            let answered: HashSet<&str> = answers.answers.iter().map(|(id, _)| &**id).collect();
            let missing = (asked.sockets.iter())
                .filter(|socket| !answered.contains(socket.id()))
                .chain(&refused)
                .map(|socket| socket.id().into());
            answers.missing = missing.collect();
            if let Some(elsewhere) = elsewhere {
                // It was asked at the same time, and waits no longer.
                let elsewhere = elsewhere.await;
                let others = elsewhere.answers.into_iter();
                answers
                    .answers
                    .extend(others.map(|args| (ByteString::new(), args)));
                answers.missing_elsewhere = elsewhere.missing;
            }
            Ok(answers)
        }))
    }

    /// The sockets of this node.
    pub fn sockets(&self) -> Vec<Socket> {
        self.space.choose(&self.target)
    }

    /// Has all of them join a room.
    pub fn join(&self, room: impl Into<ByteString>) {
        let rooms = [room.into()];
        if let Some((others, target)) = self.others() {
            others.join(&target, &rooms);
        }
        self.space.join(&self.target, &rooms);
    }

    /// Has all of them leave a room.
    pub fn leave(&self, room: impl Into<ByteString>) {
        let rooms = [room.into()];
        if let Some((others, target)) = self.others() {
            others.leave(&target, &rooms);
        }
        self.space.leave(&self.target, &rooms);
    }

    /// Takes all of them out of the namespace; with `close` their sessions end.
    pub fn disconnect(&self, close: bool) {
        if let Some((others, target)) = self.others() {
            others.disconnect(&target, close);
        }
        self.space.disconnect(&self.target, close);
    }

    /// The way to other nodes, if it is to be gone, and whom it means there.
    pub(super) fn others(&self) -> Option<(&Arc<dyn Adapter>, adapter::Target)> {
        let adapter = self.space.core.adapter.get().filter(|_| !self.is_local)?;
        Some((adapter, self.target.of(&self.space.name)))
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("target", &self.target)
            .field("is_local", &self.is_local)
            .finish_non_exhaustive()
    }
}

/// Who was asked. Nobody waits for their answers any more when this is dropped.
struct Asked {
    sockets: Vec<Socket>,
    id: u64,
}

impl Drop for Asked {
    fn drop(&mut self) {
        for socket in &self.sockets {
            socket.forget_waiter(self.id);
        }
    }
}

/// The answers of several sockets to come.
///
/// Giving it up gives up the answers: the event was sent.
///
/// ```
/// use wireline::socketio::server::SocketIo;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let io = SocketIo::new();
/// let answers = io.to("members").emit_with_ack("vote", "shall we?").await.unwrap();
/// assert!(answers.is_complete() && answers.answers.is_empty(), "nobody was asked");
/// # }
/// ```
#[must_use = "it is waited for with `.await`"]
pub struct BroadcastAnswer(
    Pin<Box<dyn Future<Output = Result<BroadcastAnswers, AckError>> + Send>>,
);

impl Future for BroadcastAnswer {
    type Output = Result<BroadcastAnswers, AckError>;

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for BroadcastAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BroadcastAnswer")
    }
}
