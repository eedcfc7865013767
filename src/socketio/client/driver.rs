//! The task of a client: its connection, its timer, the callbacks that are asked, and the beginnings of its handlers.
//!
//! It is one `poll` over all of them. It ends when the core has ended and the last connection was closed, or had its time.

use crate::resource::panic::{forget, guarded};
use crate::socketio::client::core::{Action, Link as Wish, Lost, Terms};
use crate::socketio::client::error::DialError;
use crate::socketio::client::handle::SocketIoClient;
use crate::socketio::client::handler::{Ack, Call, Handling};
use crate::socketio::client::handlers::Running;
use crate::socketio::client::link::dial::Dial;
use crate::socketio::client::link::{Heard, Link};
use crate::socketio::client::shared::{Happening, Shared, State};
use crate::socketio::client::{BoxError, TransportName};
use crate::socketio::engine::Data;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, Sleep, timeout};

pub(super) struct Driver {
    shared: Arc<Shared>,
    dial: Dial,
    link: Option<Link>,
    dialing: JoinSet<Result<(Link, Terms, TransportName), DialError>>,
    /// Callbacks that were asked, and for which namespace and round.
    signing: JoinSet<Result<Map<String, Value>, String>>,
    asked: HashMap<Id, (u32, u64)>,
    /// Handlers that wait for something.
    handlers: JoinSet<()>,
    most_handlers: usize,
    closing: JoinSet<()>,
    timer: Pin<Box<Sleep>>,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, dial: Dial, most_handlers: usize) -> Self {
        Self {
            shared,
            dial,
            link: None,
            dialing: JoinSet::new(),
            signing: JoinSet::new(),
            asked: HashMap::new(),
            handlers: JoinSet::new(),
            most_handlers: most_handlers.max(1),
            closing: JoinSet::new(),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
        }
    }

    /// Runs until the client has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.unpark();
        for _ in 0..TURNS {
            let mut moved = self.join_tasks(cx);
            moved |= self.receive(cx);
            moved |= self.handle();
            moved |= self.transmit(cx);
            let now = Instant::now().into_std();
            let (timeout, ended, version) = self.shared.look(|state| {
                let ended = *state.core.link() == Wish::Ended;
                (state.core.poll_timeout(), ended, state.version)
            });
            while let Some(action) = self.shared.next_action() {
                moved = true;
                self.act(action);
            }
            if moved {
                continue;
            }
            if ended && self.link.is_none() && self.closing.is_empty() {
                return Poll::Ready(());
            }
            if let Some(at) = timeout {
                self.timer.as_mut().reset(Instant::from_std(at));
                if at <= now || self.timer.as_mut().poll(cx).is_ready() {
                    // Timers count in milliseconds: it may be a moment early.
                    self.overdue(now.max(at));
                    continue;
                }
            }
            if self.shared.park(version, cx) {
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
        if let Poll::Ready(Some(opened)) = self.dialing.poll_join_next(cx) {
            moved = true;
            self.opened(opened);
        }
        while let Poll::Ready(Some(joined)) = self.signing.poll_join_next_with_id(cx) {
            moved = true;
            let (id, with) = match joined {
                Ok((id, with)) => (id, with),
                Err(error) => (error.id(), Err("the callback panicked".to_owned())),
            };
            if let Some(asked) = self.asked.remove(&id) {
                self.tell(|state, now| state.signed_in(now, asked, with));
            }
        }
        while let Poll::Ready(Some(joined)) = self.handlers.poll_join_next(cx) {
            moved = true;
            if joined.is_err_and(|error| error.is_panic()) {
                self.tell(|state, _| state.panics += 1);
            }
        }
        while let Poll::Ready(Some(_)) = self.closing.poll_join_next(cx) {
            moved = true;
        }
        moved
    }

    fn opened(
        &mut self,
        opened: Result<Result<(Link, Terms, TransportName), DialError>, JoinError>,
    ) {
        match opened {
            Ok(Ok((link, terms, transport))) => {
                let is_wanted = self.tell(|state, now| {
                    let is_wanted = *state.core.link() == Wish::Opening;
                    if is_wanted {
                        state.core.opened(now, terms);
                        state.transport = Some(transport);
                    }
                    is_wanted
                });
                if is_wanted {
                    self.link = Some(link);
                } else {
                    self.closing.spawn(link.close(Vec::new()));
                }
            }
            Ok(Err(error)) => self.tell(|state, now| state.dial_failed(now, error)),
            // It was given up.
            Err(_) => {}
        }
    }

    /// Receives what is there, up to a bound; says whether there was anything.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        for count in 0..PACKETS {
            let Some(link) = &mut self.link else {
                return count > 0;
            };
            if !self.shared.look(|state| state.has_room(INBOX)) {
                return count > 0;
            }
            let Poll::Ready(heard) = link.poll_receive(cx) else {
                return count > 0;
            };
            let outcome = self.tell(|state, now| match heard {
                Heard::Ping => {
                    state.core.pinged(now);
                    Ok(())
                }
                Heard::Message(Data::Text(text)) => state.core.text(text),
                Heard::Message(Data::Binary(octets)) => state.core.binary(octets),
                Heard::Upgraded => {
                    state.core.upgraded();
                    state.transport = Some(TransportName::WebSocket);
                    Ok(())
                }
                Heard::Ended(lost) => Err(lost),
            });
            if let Err(lost) = outcome {
                self.lose(lost);
            }
        }
        true
    }

    /// The connection is over, or of no use.
    fn lose(&mut self, lost: Lost) {
        if let Some(link) = self.link.take()
            && lost != Lost::Broken
        {
            self.closing.spawn(link.close(Vec::new()));
        }
        self.tell(|state, now| {
            state.transport = None;
            state.core.lost(now, lost);
        });
    }

    fn overdue(&mut self, now: std::time::Instant) {
        if let Err(lost) = self.tell(|state, _| state.core.handle_timeout(now)) {
            self.lose(lost);
        }
    }

    /// Sends what waits, as far as there is room; says whether anything was sent.
    fn transmit(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(link) = &mut self.link else {
            return false;
        };
        let shared = &self.shared;
        link.poll_transmit(cx, &mut || shared.next_frame())
    }

    /// Starts handlers for what has happened, in its order; says whether there was anything.
    fn handle(&mut self) -> bool {
        let mut moved = false;
        while self.handlers.len() < self.most_handlers
            && let Some((space, happening)) = self.shared.next_happening()
        {
            moved = true;
            let found = self.shared.look(|state| {
                let seat = state.spaces.get(&space)?;
                Some((seat.handle.clone(), seat.handlers.clone()))
            });
            // Nobody is there any more.
            let Some((handle, handlers)) = found else {
                continue;
            };
            let Some(client) = handle.upgrade().map(SocketIoClient::new) else {
                continue;
            };
            match happening {
                Happening::Connected => {
                    for run in handlers.of_connect() {
                        self.start(|| run(client.clone(), ()));
                    }
                }
                Happening::NotConnected(error) => {
                    for run in handlers.of_connect_error() {
                        self.start(|| run(client.clone(), error.clone()));
                    }
                }
                Happening::Disconnected(reason) => {
                    for run in handlers.of_disconnect() {
                        self.start(|| run(client.clone(), reason));
                    }
                }
                Happening::Event {
                    connection,
                    name,
                    id,
                    args,
                } => {
                    let all = handlers.take(&name);
                    let shared = self.shared.clone();
                    let ack = Ack {
                        client: client.clone(),
                        connection,
                        id,
                        is_sent: Arc::new(AtomicBool::new(false)),
                    };
                    let call = Call {
                        client,
                        name,
                        args,
                        ack,
                    };
                    for handler in all {
                        let (shared, ack) = (shared.clone(), call.ack.clone());
                        self.start(|| answer(handler(&call), ack, shared));
                    }
                }
            }
        }
        moved
    }

    /// Runs a handler up to where it waits for something for the first time; a task of its own has the rest.
    fn start(&mut self, begin: impl FnOnce() -> Running) {
        let begun = guarded(|| {
            let mut running = begin();
            // The task polls it again, and says then whom to wake.
            let mut cx = Context::from_waker(Waker::noop());
            (running.as_mut().poll(&mut cx).is_pending()).then_some(running)
        });
        match begun {
            Ok(None) => {}
            Ok(Some(running)) => {
                self.handlers.spawn(running);
            }
            Err(payload) => {
                forget(payload);
                self.tell(|state, _| state.panics += 1);
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial => {
                self.dialing.spawn(self.dial.clone().open());
            }
            Action::Close => {
                self.dialing.abort_all();
                self.signing.abort_all();
                // Goodbyes, and what was sent before them.
                let frames = std::iter::from_fn(|| self.shared.next_frame()).collect();
                if let Some(link) = self.link.take() {
                    self.closing.spawn(link.close(frames));
                }
                self.tell(|state, _| state.transport = None);
            }
            Action::SignIn { space, round } => {
                let asking = |state: &State| state.spaces.get(&space)?.asking.clone();
                let Some(asking) = self.shared.look(asking) else {
                    return;
                };
                let limit = self.dial.timeout();
                let asked = self.signing.spawn(async move {
                    let asked = timeout(limit, asking()).await;
                    asked.unwrap_or_else(|_| Err("nothing in time".to_owned()))
                });
                self.asked.insert(asked.id(), (space, round));
            }
            // They were given out before.
            Action::Event { .. } | Action::Answer { .. } => {}
        }
    }

    fn tell<T>(&self, change: impl FnOnce(&mut State, std::time::Instant) -> T) -> T {
        self.shared.with(Instant::now().into_std(), change)
    }
}

impl Drop for Driver {
    /// The client has ended, or the runtime has under it: nobody waits for ever. Handlers go on.
    fn drop(&mut self) {
        self.handlers.detach_all();
        self.tell(|state, now| state.core.shut_down(now));
        self.shared.finish();
    }
}

/// Runs a handler of an event, and answers with what it gives back.
fn answer(handling: Result<Handling, BoxError>, ack: Ack, shared: Arc<Shared>) -> Running {
    Box::pin(async move {
        let answer = match handling {
            Ok(handling) => handling.await,
            Err(error) => Err(error),
        };
        let answered = answer.and_then(|args| args.map_or(Ok(false), |args| ack.send(args)));
        if answered.is_err() {
            shared.with(Instant::now().into_std(), |state, _| state.rejected += 1);
        }
    })
}

/// The turns before others have theirs.
const TURNS: usize = 16;

/// The packets of a turn.
const PACKETS: usize = 64;

/// The events that wait for handlers before nothing more is read.
const INBOX: usize = 1024;
