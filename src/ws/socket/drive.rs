//! What runs in the connection's task: the handler, and around it all that it need not think of.
//!
//! ```text
//!   wake --> deadlines --> handler (receives, queues) --> one write of all that it queued --> rest
//! ```
//!
//! Whatever a handler sends in one poll leaves in one write. When it has ended, the closing handshake follows.
//!
//! A client's socket has a task like this, too, without a handler: whoever uses the socket reads, and writes
//! what the transport takes at once, while this task meets the deadlines, writes the rest, answers when
//! nobody reads any more, and ends the connection when nobody holds the socket.

use crate::resource::counters::Counter;
use crate::resource::panic;
use crate::service::upgrade::Watch;
use crate::ws::close::CloseCode;
use crate::ws::socket::core::{Core, Shared};
use crate::ws::socket::{IntoClose, ending, log};
use crate::ws::state::State;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

/// Runs `handler` with its socket until both have ended. The handler gives the Close to end with.
pub(super) fn drive<Fut>(
    shared: Arc<Shared>,
    mut handler: Pin<Box<Fut>>,
) -> impl Future<Output = ()> + use<Fut>
where
    Fut: Future<Output: IntoClose>,
{
    let mut running = true;
    let watch = shared.lock().home.watch();
    poll_fn(move |cx| {
        if watch.as_ref().is_none_or(Watch::calls) {
            let mut core = shared.lock();
            core.home.set_waker(cx.waker());
            if core.home.is_cut() || !core.keep_time(cx, &shared.config) {
                core.end();
            }
        }
        if running {
            shared.turn.begin();
            let polled = panic::guarded(|| handler.as_mut().poll(cx));
            let settled = shared.turn.end();
            let close = match polled {
                Ok(Poll::Pending) if settled => return Poll::Pending,
                Ok(Poll::Pending) => None,
                Ok(Poll::Ready(ended)) => Some(ended.into_close().unwrap_or_else(|error| {
                    if ending::tell(&error) {
                        let watch = watch.iter();
                        watch.for_each(|watch| watch.count(Counter::WebSocketHandlerErrors));
                    }
                    ending::close_for(&error)
                })),
                Err(payload) => {
                    // The socket may have ended, and left the server, before.
                    match &watch {
                        Some(watch) => watch.count_panic(payload),
                        None => panic::forget(payload),
                    }
                    Some(CloseCode::INTERNAL.into())
                }
            };
            if let Some(close) = close {
                running = false;
                let mut core = shared.lock();
                // A keeper's task may run for the first time when the receiving half is gone already.
                if core.deaf && core.driven && core.state().is_open() {
                    core.close(Some(close));
                }
            }
        }
        let mut core = shared.lock();
        let abandoned = !running && core.deaf && shared.senders.load(Ordering::SeqCst) == 0;
        if abandoned && core.state().is_open() {
            core.close(Some(CloseCode::NORMAL.into()));
        }
        let settled = settle(&mut core, cx, &shared);
        core.charge();
        if settled.is_pending() {
            core.home.poll_alarm(cx);
        }
        if running || settled.is_pending() {
            return Poll::Pending;
        }
        log::tell_completed();
        Poll::Ready(())
    })
}

/// Writes, reads when nobody else does, ahead of a handler that may still receive, and ends the transport when
/// both sides have closed. `Ready` when everything is over.
fn settle(core: &mut Core, cx: &mut Context<'_>, shared: &Shared) -> Poll<()> {
    loop {
        if core.ended {
            return Poll::Ready(());
        }
        let written = match core.poll_write(cx, &shared.config) {
            Poll::Ready(Err(_)) => {
                core.home.count(Counter::IoErrors);
                core.fail(&shared.config);
                continue;
            }
            written => written.is_ready(),
        };
        if let State::Closed { clean } = core.state() {
            core.rest();
            let over = written && core.poll_farewell(cx, clean).is_ready();
            if over || !core.keep_time(cx, &shared.config) {
                core.end();
                continue;
            }
            return Poll::Pending;
        }
        if !core.keep_time(cx, &shared.config) {
            core.end();
            continue;
        }
        if !core.is_sending() {
            core.backlog.wake_parked();
        }
        let receives = !core.deaf && std::mem::take(&mut core.asked);
        if receives || (!written && !core.state().is_receiving()) || core.yields(cx) {
            return Poll::Pending;
        }
        if !core.deaf {
            match core.poll_ahead(cx, &shared.config) {
                Poll::Pending if core.has_work() && written => {}
                Poll::Pending => return Poll::Pending,
                // What the peer has sent is still there for the handler.
                Poll::Ready(_) => {}
            }
            continue;
        }
        match core.poll_discard(cx, &shared.config.limits) {
            Poll::Pending if core.has_work() && written => {}
            Poll::Pending => return Poll::Pending,
            Poll::Ready(true) => {}
            Poll::Ready(false) => core.end(),
        }
    }
}
