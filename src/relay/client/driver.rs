//! The task of a client: its socket, its timer, and the callbacks that are asked.
//!
//! ```text
//!            +-- connecting ----+
//!   core --> |   socket         | --> core --> inboxes, answers
//!            |   tokens, timer  |
//!            +------------------+
//! ```
//!
//! It is one `poll` over all of them. It ends when the core has ended and the last Close was answered, or had its time.

use crate::relay::client::core::pace::Ending;
use crate::relay::client::core::stream::{Listed, Way};
use crate::relay::client::core::{Action, Link};
use crate::relay::client::dial::{Dial, DialError};
use crate::relay::client::shared::{Shared, State};
use crate::relay::client::stream::{EventStream, NoStream};
use crate::ws::close::CloseCode;
use crate::ws::message::Message;
use crate::ws::socket::{SocketError, WebSocket, WsReceiver, WsSender};
use futures_core::Stream;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, Sleep, timeout};

pub(crate) struct Driver {
    shared: Arc<Shared>,
    dial: Dial,
    socket: Option<Socket>,
    /// In place of a socket.
    stream: Option<Box<EventStream>>,
    /// A socket or a stream that is being opened: one at a time.
    connecting: JoinSet<Result<Opened, Unopened>>,
    /// Callbacks that were asked, and for which subscription and round.
    tokens: JoinSet<Result<String, String>>,
    asked: HashMap<Id, (u64, u64)>,
    closing: JoinSet<()>,
    timer: Pin<Box<Sleep>>,
}

enum Opened {
    Socket(WebSocket),
    Stream(Box<EventStream>),
}

enum Unopened {
    Socket(DialError),
    Stream(NoStream),
}

struct Socket {
    sender: WsSender,
    receiver: WsReceiver,
    /// Until there is room to send again.
    drained: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    ending: Option<Ending>,
}

impl Driver {
    /// With a connection that was opened already, or without.
    pub(crate) fn new(shared: Arc<Shared>, dial: Dial, socket: Option<WebSocket>) -> Self {
        Self {
            shared,
            dial,
            socket: socket.map(Socket::new),
            stream: None,
            connecting: JoinSet::new(),
            tokens: JoinSet::new(),
            asked: HashMap::new(),
            closing: JoinSet::new(),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
        }
    }

    /// Runs until the client has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.unpark();
        for _ in 0..TURNS {
            let mut moved = self.join_tasks(cx);
            moved |= self.receive(cx);
            moved |= self.read_stream(cx);
            moved |= self.transmit(cx);
            let now = Instant::now().into_std();
            let turn = self.shared.with(now, |state, now| {
                let is_due = state.core.poll_timeout().is_some_and(|at| at <= now);
                if is_due {
                    state.core.handle_timeout(now);
                }
                moved |= is_due;
                Turn {
                    timeout: state.core.poll_timeout(),
                    ended: matches!(state.core.link(), Link::Ended(_)),
                    version: state.version,
                }
            });
            while let Some(action) = self.shared.next_action() {
                moved = true;
                self.act(action);
            }
            if moved {
                continue;
            }
            if turn.ended && self.socket.is_none() && self.closing.is_empty() {
                return Poll::Ready(());
            }
            if let Some(at) = turn.timeout {
                self.timer.as_mut().reset(Instant::from_std(at));
                if self.timer.as_mut().poll(cx).is_ready() {
                    // Timers count in milliseconds: it may be a moment early.
                    self.tell(|state, now| state.core.handle_timeout(now.max(at)));
                    continue;
                }
            }
            if self.shared.park(turn.version, cx) {
                return Poll::Pending;
            }
        }
        // Others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes what the tasks of this one have come to; says whether there was anything.
    fn join_tasks(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        if let Poll::Ready(Some(opened)) = self.connecting.poll_join_next(cx) {
            moved = true;
            self.connected(opened);
        }
        while let Poll::Ready(Some(joined)) = self.tokens.poll_join_next_with_id(cx) {
            moved = true;
            let (id, token) = match joined {
                Ok((id, token)) => (id, token),
                Err(error) => (error.id(), Err("the token callback panicked".to_owned())),
            };
            if let Some((seat, round)) = self.asked.remove(&id) {
                self.tell(|state, now| state.core.token(now, seat, round, token));
            }
        }
        while let Poll::Ready(Some(_)) = self.closing.poll_join_next(cx) {
            moved = true;
        }
        moved
    }

    fn connected(&mut self, opened: Result<Result<Opened, Unopened>, JoinError>) {
        let ending = match opened {
            Ok(Ok(Opened::Socket(socket))) => {
                let is_wanted = self.tell(|state, now| {
                    state.core.opened(now, Way::Socket);
                    state.core.is_writable()
                });
                let socket = Socket::new(socket);
                if is_wanted {
                    self.stream = None;
                    self.socket = Some(socket);
                } else {
                    self.close(socket);
                }
                return;
            }
            Ok(Ok(Opened::Stream(stream))) => {
                let is_wanted = self.tell(|state, now| {
                    state.core.opened(now, Way::Stream);
                    state.core.is_streaming()
                });
                self.stream = is_wanted.then_some(stream);
                return;
            }
            Ok(Err(Unopened::Socket(error))) => error.ending(),
            Ok(Err(Unopened::Stream(NoStream::Ending(ending)))) => ending,
            Ok(Err(Unopened::Stream(NoStream::Token { seat, message }))) => {
                self.tell(|state, now| state.core.stream_token_failed(now, seat, message));
                return;
            }
            Ok(Err(Unopened::Stream(NoStream::Refused { seats, refusal }))) => {
                self.tell(|state, now| state.core.stream_refused(now, &seats, &refusal));
                return;
            }
            Err(_) => Ending::Failed("the callback panicked".to_owned()),
        };
        self.tell(|state, now| {
            if state.core.is_streaming() {
                // What failed was tried beside the stream.
                state.core.probe_failed(now);
            } else {
                state.core.lost(now, &ending);
            }
        });
    }

    /// Reads what has come over a stream, up to a bound; says whether there was anything.
    fn read_stream(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        for _ in 0..MESSAGES {
            let Some(stream) = &mut self.stream else {
                return moved;
            };
            let Poll::Ready(received) = stream.poll_next(cx) else {
                return moved;
            };
            moved = true;
            match received {
                Ok(event) => self.tell(|state, now| {
                    state.core.streamed(now, &event.data, event.id.as_deref());
                }),
                Err(why) => {
                    self.stream = None;
                    self.tell(|state, now| state.core.lost(now, &Ending::Failed(why)));
                }
            }
        }
        moved
    }

    /// Receives what is there, up to a bound; says whether there was anything.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        for _ in 0..MESSAGES {
            let Some(socket) = &mut self.socket else {
                return moved;
            };
            let Poll::Ready(received) = Pin::new(&mut socket.receiver).poll_next(cx) else {
                return moved;
            };
            moved = true;
            match received {
                Some(Ok(Message::Text(text))) => {
                    self.tell(|state, now| state.core.received(now, &text));
                }
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                        (frame.code.get(), frame.reason.as_str().to_owned())
                    });
                    socket.ending = Some(Ending::Closed { code, reason });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => socket.fail(&error),
                None => {
                    let ending = socket.ending.take().unwrap_or(Ending::Closed {
                        code: 1006,
                        reason: String::new(),
                    });
                    self.socket = None;
                    self.tell(|state, now| state.core.lost(now, &ending));
                }
            }
        }
        moved
    }

    /// Sends what waits, as far as there is room; says whether anything was sent.
    fn transmit(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        let Some(socket) = &mut self.socket else {
            return false;
        };
        loop {
            if let Some(drained) = &mut socket.drained {
                if drained.as_mut().poll(cx).is_pending() {
                    return moved;
                }
                socket.drained = None;
            }
            let Some(frame) = self.shared.next_frame() else {
                return moved;
            };
            match socket.sender.try_send(frame.as_str()) {
                Ok(_) => moved = true,
                Err(SocketError::Full) => {
                    self.shared.put_back(frame);
                    let sender = socket.sender.clone();
                    socket.drained = Some(Box::pin(async move { sender.drained().await }));
                }
                // The receiving half says how it ended.
                Err(error) => {
                    socket.fail(&error);
                    return moved;
                }
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect => {
                let dial = self.dial.clone();
                self.attempt(async move {
                    let opened = dial.open().await;
                    opened.map(Opened::Socket).map_err(Unopened::Socket)
                });
            }
            Action::Stream => {
                let dial = self.dial.clone();
                let wanted = self.tell(|state, _| {
                    let listed = state.core.listed().into_iter();
                    let with_token = |one: Listed| {
                        let callback = state.tokens.get(&one.seat).cloned();
                        (one, callback)
                    };
                    listed.map(with_token).collect()
                });
                self.attempt(async move {
                    let opened = dial.open_stream(wanted).await;
                    opened
                        .map(|stream| Opened::Stream(Box::new(stream)))
                        .map_err(Unopened::Stream)
                });
            }
            Action::Close => {
                self.connecting = JoinSet::new();
                self.stream = None;
                self.tokens.abort_all();
                if let Some(socket) = self.socket.take() {
                    self.close(socket);
                }
            }
            Action::Token { seat, round } => {
                let callback = self.tell(|state, _| state.tokens.get(&seat).cloned());
                let Some(callback) = callback else {
                    return;
                };
                let limit = self.dial.limit;
                let asked = self.tokens.spawn(async move {
                    match timeout(limit, callback()).await {
                        Ok(token) => token.map_err(|error| error.to_string()),
                        Err(_) => Err("no token in time".to_owned()),
                    }
                });
                self.asked.insert(asked.id(), (seat, round));
            }
            // They were given out before.
            Action::Event { .. } | Action::End { .. } | Action::Answer { .. } => {}
        }
    }

    /// Opens something. What was being opened before is void.
    fn attempt(&mut self, open: impl Future<Output = Result<Opened, Unopened>> + Send + 'static) {
        self.connecting = JoinSet::new();
        self.connecting.spawn(open);
    }

    /// Closes a socket in peace, beside everything else.
    fn close(&mut self, mut socket: Socket) {
        self.closing.spawn(async move {
            // It may be closing already.
            let _ = socket.sender.close(CloseCode::NORMAL);
            let answered = async {
                while let Some(Ok(message)) = socket.receiver.recv().await {
                    if message.is_close() {
                        return;
                    }
                }
            };
            // The socket's own task waits for the end of the transport.
            let _ = timeout(CLOSING, answered).await;
        });
    }

    fn tell<T>(&self, change: impl FnOnce(&mut State, std::time::Instant) -> T) -> T {
        self.shared.with(Instant::now().into_std(), change)
    }
}

impl Drop for Driver {
    /// The client has ended, or the runtime has under it: nobody waits for ever.
    fn drop(&mut self) {
        self.tell(|state, _| state.core.shut_down());
        self.shared.finish();
    }
}

impl Socket {
    fn new(socket: WebSocket) -> Self {
        let (sender, receiver) = socket.split();
        Self {
            sender,
            receiver,
            drained: None,
            ending: None,
        }
    }

    /// The first word on how it ended counts.
    fn fail(&mut self, error: &SocketError) {
        self.ending
            .get_or_insert_with(|| Ending::Failed(error.to_string()));
    }
}

/// What a turn leaves.
struct Turn {
    timeout: Option<std::time::Instant>,
    ended: bool,
    version: u64,
}

/// The turns before others have theirs.
const TURNS: usize = 16;

/// The messages of a turn.
const MESSAGES: usize = 64;

/// What a Close may take; the socket's own deadline is shorter.
const CLOSING: Duration = Duration::from_secs(10);
