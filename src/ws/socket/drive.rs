//! What runs in the connection's task: the handler, and around it all that it need not think of.
//!
//! ```text
//!   wake --> deadlines --> handler (receives, queues) --> one write of all that it queued --> rest
//! ```
//!
//! Whatever a handler sends in one poll leaves in one write. When it has ended, the closing handshake follows.

use crate::resource::counters::Counter;
use crate::ws::close::CloseCode;
use crate::ws::socket::IntoClose;
use crate::ws::socket::core::{Core, Shared};
use crate::ws::state::State;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

/// Runs what `handler` gives until it and the connection have ended. It gives the Close to end with.
///
/// The handler's future is made in here: as an argument it would have a second place in this one, which
/// lives as long as the socket.
pub(super) async fn drive<F, Fut>(shared: Arc<Shared>, handler: F)
where
    F: FnOnce() -> Fut,
    Fut: Future,
    Fut::Output: IntoClose,
{
    let mut handler = pin!(handler());
    let mut running = true;
    poll_fn(move |cx| {
        {
            let mut core = shared.lock();
            if core.is_cut() || !core.keep_time(cx, &shared.config) {
                core.end();
            }
        }
        if running {
            shared.polling.store(true, Ordering::SeqCst);
            let polled = catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx)));
            shared.polling.store(false, Ordering::SeqCst);
            let close = match polled {
                Ok(Poll::Pending) => None,
                Ok(Poll::Ready(end)) => Some(end.into_close()),
                Err(_) => {
                    shared.lock().count(Counter::HandlerPanics);
                    Some(CloseCode::INTERNAL.into())
                }
            };
            if let Some(close) = close {
                running = false;
                let mut core = shared.lock();
                if core.deaf && core.state().is_open() {
                    core.close(Some(close));
                }
            }
        }
        let mut core = shared.lock();
        let settled = settle(&mut core, cx, &shared);
        core.charge();
        if running || settled.is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// Writes, reads when nobody else does, and ends the transport when both sides have closed. `Ready` when
/// everything is over.
fn settle(core: &mut Core, cx: &mut Context<'_>, shared: &Shared) -> Poll<()> {
    loop {
        if core.ended {
            return Poll::Ready(());
        }
        let written = match core.poll_write(cx) {
            Poll::Ready(Err(_)) => {
                core.count(Counter::IoErrors);
                core.end();
                continue;
            }
            written => written.is_ready(),
        };
        if let State::Closed { .. } = core.state() {
            if written && core.poll_shutdown(cx).is_ready() {
                core.end();
                continue;
            }
            let _ = core.keep_time(cx, &shared.config);
            return Poll::Pending;
        }
        let _ = core.keep_time(cx, &shared.config);
        if !core.deaf {
            return Poll::Pending;
        }
        match core.poll_discard(cx, &shared.config.limits) {
            Poll::Pending if core.has_work() && written => {}
            Poll::Pending => return Poll::Pending,
            Poll::Ready(true) => {}
            Poll::Ready(false) => core.end(),
        }
    }
}
