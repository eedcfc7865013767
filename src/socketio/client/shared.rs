//! What the handles and the task of a client share: one lock around the core and those who wait for it.

use crate::socketio::client::core::frame::Frame;
use crate::socketio::client::core::{Action, Core, Event, Left, Link, Lost, NoAnswer};
use crate::socketio::client::error::{AckError, ConnectError, DialError, DisconnectReason};
use crate::socketio::client::handle::Handle;
use crate::socketio::client::handlers::Handlers;
use crate::socketio::client::{Asking, Status, TransportName};
use crate::socketio::packet::Args;
use bytestring::ByteString;
use serde_json::{Map, Value};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Instant;
use tokio::sync::{oneshot, watch};

pub(super) struct Shared {
    state: Mutex<State>,
    /// Whether the task is over.
    finished: watch::Sender<bool>,
}

/// Everything under the lock, which is never held across a wait.
pub(super) struct State {
    pub(super) core: Core,
    pub(super) spaces: HashMap<u32, Seat>,
    pub(super) waiters: HashMap<(u32, u64), oneshot::Sender<Result<Args, AckError>>>,
    /// What is left for the task.
    todo: VecDeque<Action>,
    /// What waits for handlers.
    inbox: VecDeque<(u32, Happening)>,
    /// The octets of what has come and waits there.
    inbox_octets: usize,
    pub(super) transport: Option<TransportName>,
    /// Why there was no connection the last time.
    why: Option<Arc<DialError>>,
    pub(super) rejected: u64,
    pub(super) panics: u64,
    /// How often something was changed.
    pub(super) version: u64,
    /// The task, while it waits.
    task: Option<Waker>,
}

/// What a namespace has beside its place in the core.
pub(super) struct Seat {
    pub(super) handle: Weak<Handle>,
    pub(super) handlers: Arc<Handlers>,
    pub(super) asking: Option<Asking>,
    pub(super) status: watch::Sender<Status>,
    pub(super) sid: Option<ByteString>,
    pub(super) recovered: bool,
    /// Told of the first outcome of connecting.
    pub(super) openers: Vec<oneshot::Sender<Result<(), ConnectError>>>,
    /// Why signing in did not work.
    pub(super) no_auth: Option<String>,
}

/// Something for the handlers of a namespace.
#[derive(Debug)]
pub(super) enum Happening {
    Connected,
    NotConnected(ConnectError),
    Disconnected(DisconnectReason),
    Event {
        connection: u64,
        name: ByteString,
        id: Option<u64>,
        args: Args,
    },
}

impl Happening {
    /// What of it has come.
    fn octets(&self) -> usize {
        match self {
            Self::Event { name, args, .. } => name.len() + args.octets(),
            Self::Connected | Self::NotConnected(_) | Self::Disconnected(_) => 0,
        }
    }
}

impl Shared {
    pub(super) fn new(core: Core) -> Self {
        Self {
            state: Mutex::new(State {
                core,
                spaces: HashMap::new(),
                waiters: HashMap::new(),
                todo: VecDeque::new(),
                inbox: VecDeque::new(),
                inbox_octets: 0,
                transport: None,
                why: None,
                rejected: 0,
                panics: 0,
                version: 0,
                task: None,
            }),
            finished: watch::Sender::new(false),
        }
    }

    /// Changes something, gives everybody what follows from it, and wakes the task.
    pub(super) fn with<T>(&self, now: Instant, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        state.version = state.version.wrapping_add(1);
        let outcome = change(&mut state, now);
        state.settle();
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        outcome
    }

    /// Looks at something.
    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Has the task woken by the next change. `false` when there was one since this version.
    pub(super) fn park(&self, version: u64, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        let is_same = state.version == version;
        if is_same {
            state.task = Some(cx.waker().clone());
        }
        is_same
    }

    /// The task runs: it need not be woken, least of all by itself.
    pub(super) fn unpark(&self) {
        self.lock().task = None;
    }

    /// The next thing that is left for the task.
    pub(super) fn next_action(&self) -> Option<Action> {
        self.lock().todo.pop_front()
    }

    /// The next packet to send.
    pub(super) fn next_frame(&self) -> Option<Frame> {
        self.lock().core.poll_transmit()
    }

    /// The next thing for the handlers of a namespace.
    pub(super) fn next_happening(&self) -> Option<(u32, Happening)> {
        let mut state = self.lock();
        let next = state.inbox.pop_front();
        let octets = (next.as_ref()).map_or(0, |(_, happening)| happening.octets());
        state.inbox_octets = state.inbox_octets.saturating_sub(octets);
        next
    }

    /// The task is over.
    pub(super) fn finish(&self) {
        self.finished.send_replace(true);
    }

    /// Waits until the task is over.
    pub(super) async fn finished(&self) {
        // The sender is here: this ends when it says so.
        let _ = self.finished.subscribe().wait_for(|over| *over).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether more may be read.
    pub(super) fn has_room(&self, inbox: usize) -> bool {
        self.inbox.len() < inbox && self.core.has_room(self.inbox_octets)
    }

    /// There was no connection.
    pub(super) fn dial_failed(&mut self, now: Instant, error: DialError) {
        let is_final = error.is_final();
        self.why = Some(Arc::new(error));
        self.core.dial_failed(now, is_final);
    }

    /// The callback of a namespace has said what to sign in with.
    pub(super) fn signed_in(
        &mut self,
        now: Instant,
        (space, round): (u32, u64),
        with: Result<Map<String, Value>, String>,
    ) {
        let with = match with {
            Ok(with) => Some(with),
            Err(reason) => {
                if let Some(seat) = self.spaces.get_mut(&space) {
                    seat.no_auth = Some(reason);
                }
                None
            }
        };
        self.core.signed_in(now, space, round, with);
    }

    fn settle(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Event { space, event } => self.tell(space, event),
                Action::Answer { space, id, outcome } => {
                    if let Some(waiter) = self.waiters.remove(&(space, id)) {
                        // Who does not wait any more does not mind.
                        let _ = waiter.send(outcome.map_err(AckError::from));
                    }
                }
                action @ (Action::Dial | Action::Close | Action::SignIn { .. }) => {
                    self.todo.push_back(action);
                }
            }
        }
        if *self.core.link() == Link::Ended {
            for seat in self.spaces.values_mut() {
                seat.settle(Err(ConnectError::Ended));
            }
        }
    }

    fn tell(&mut self, space: u32, event: Event) {
        let connection = self.core.connections();
        let Some(seat) = self.spaces.get_mut(&space) else {
            return;
        };
        let happening = match event {
            Event::Connected { sid, recovered } => {
                seat.sid = Some(sid);
                seat.recovered = recovered;
                seat.status.send_replace(Status::Connected);
                seat.settle(Ok(()));
                Happening::Connected
            }
            Event::Message { name, id, args } => Happening::Event {
                connection,
                name,
                id,
                args,
            },
            Event::Disconnected(left) => {
                let reason = DisconnectReason::from(left);
                seat.sid = None;
                seat.status.send_replace(match reason.comes_back() {
                    true => Status::Connecting,
                    false => Status::Disconnected(reason),
                });
                seat.settle(Err(ConnectError::Lost(reason)));
                Happening::Disconnected(reason)
            }
            Event::Refused { message, data } => {
                seat.not_connected(ConnectError::Refused { message, data }, true)
            }
            Event::NoAuth => {
                let reason = seat.no_auth.take().unwrap_or_default();
                seat.not_connected(ConnectError::Auth(reason), true)
            }
            Event::Unanswered(None) => seat.not_connected(ConnectError::Timeout, false),
            Event::Unanswered(Some(lost)) => {
                let reason = DisconnectReason::from(Left::Lost(lost));
                seat.not_connected(ConnectError::Lost(reason), false)
            }
            Event::NoConnection { last } => {
                let error = self
                    .why
                    .clone()
                    .map_or(ConnectError::Timeout, ConnectError::Dial);
                seat.not_connected(error, last)
            }
        };
        self.inbox_octets += happening.octets();
        self.inbox.push_back((space, happening));
    }
}

impl Seat {
    /// This side has disconnected it.
    pub(super) fn left(&mut self) {
        self.sid = None;
        self.status.send_if_modified(|status| {
            let was_wanted = matches!(status, Status::Connecting);
            if was_wanted {
                *status = Status::Disconnected(DisconnectReason::Client);
            }
            was_wanted
        });
        self.settle(Err(ConnectError::Lost(DisconnectReason::Client)));
    }

    fn not_connected(&mut self, error: ConnectError, is_last: bool) -> Happening {
        if is_last {
            self.status.send_replace(Status::Failed(error.clone()));
        }
        self.settle(Err(error.clone()));
        Happening::NotConnected(error)
    }

    fn settle(&mut self, outcome: Result<(), ConnectError>) {
        for opener in self.openers.drain(..) {
            // Who does not wait any more does not mind.
            let _ = opener.send(outcome.clone());
        }
    }
}

impl From<Left> for DisconnectReason {
    fn from(left: Left) -> Self {
        match left {
            Left::Server => Self::Server,
            Left::Client => Self::Client,
            Left::Lost(Lost::PingTimeout) => Self::PingTimeout,
            Left::Lost(Lost::Close) => Self::TransportClose,
            Left::Lost(Lost::Broken) => Self::TransportError,
            Left::Lost(Lost::Parse) => Self::ParseError,
        }
    }
}

impl From<NoAnswer> for AckError {
    fn from(no: NoAnswer) -> Self {
        match no {
            NoAnswer::Timeout => Self::Timeout,
            NoAnswer::Disconnected => Self::Disconnected,
            NoAnswer::TooLarge => Self::Emit(crate::socketio::client::error::EmitError::TooLarge),
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lock().core.fmt(f)
    }
}
