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
use crate::relay::client::core::{Action, Link};
use crate::relay::client::dial::{Dial, DialError};
use crate::relay::client::shared::{Shared, State};
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
    connecting: JoinSet<Result<WebSocket, DialError>>,
    /// Callbacks that were asked, and for which subscription and round.
    tokens: JoinSet<Result<String, String>>,
    asked: HashMap<Id, (u64, u64)>,
    closing: JoinSet<()>,
    timer: Pin<Box<Sleep>>,
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

    fn connected(&mut self, opened: Result<Result<WebSocket, DialError>, JoinError>) {
        let ending = match opened {
            Ok(Ok(socket)) => {
                let is_wanted = self.tell(|state, now| {
                    state.core.opened(now);
                    matches!(state.core.link(), Link::Open { .. })
                });
                let socket = Socket::new(socket);
                if is_wanted {
                    self.socket = Some(socket);
                } else {
                    self.close(socket);
                }
                return;
            }
            Ok(Err(error)) => error.ending(),
            Err(_) => Ending::Failed("the callback panicked".to_owned()),
        };
        self.tell(|state, now| state.core.lost(now, &ending));
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
                self.connecting.spawn(self.dial.clone().open());
            }
            Action::Close => {
                self.connecting.abort_all();
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
