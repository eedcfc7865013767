//! What a connection waits for, and until when.
//!
//! A connection has one deadline at a time, set when it goes to sleep, from what it sleeps for. The
//! sweep wakes it when the deadline has passed, and [`Http::overdue`] decides what that means.

use crate::http1::driver::active::{Active, Need};
use crate::http1::driver::{Http, HttpPhase};
use crate::http1::state::{RequestHalf, ResponseHalf};
use crate::resource::counters::Counter;
use crate::resource::io::Transport;
use crate::resource::worker::{Phase, ticks};
use crate::service::body::{Body, BodyError};
use crate::service::link::Link;
use crate::service::link::flow::{Flow, TICKS_A_SECOND};
use http::StatusCode;
use std::task::Context;
use std::time::Duration;

/// How fast a peer sends and takes. Only time in which we wait for the peer counts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Meter {
    /// The tick in which the content of this request began.
    begun: u32,
    input: Flow,
    output: Flow,
    /// The tick in which throwing away unread content began, or the peer closed its side.
    pub(super) other: u32,
    /// The tick in which rates are looked at next; a peer that keeps us awake does not put it off.
    check: u32,
    waiting: Option<Need>,
}

impl Meter {
    /// The content of a request begins.
    pub(super) fn begin(&mut self, now: u32) {
        *self = Self {
            begun: now,
            output: self.output,
            ..Self::default()
        };
    }
}

impl Active {
    /// Some of what waited was written.
    pub(crate) fn written(&mut self, octets: usize, link: &Link) {
        // A half-closed client that takes what is sent is served to the end.
        self.meter.other = 0;
        if self.meter.output.since != 0 || self.meter.output.octets != 0 {
            self.meter.output.moved(octets, link.shared.worker.now());
        }
    }

    /// The transport takes no more at present.
    pub(crate) fn stalled(&mut self, link: &Link) {
        self.meter.output.wait(link.shared.worker.now());
    }

    /// What the transport held back has gone.
    pub(crate) fn flushed(&mut self, link: &Link) {
        if self.meter.output.since != 0 {
            self.meter.output.moved(0, link.shared.worker.now());
        }
    }

    /// A read gave this many octets of content.
    pub(crate) fn took(&mut self, octets: usize, link: &Link) {
        if self.meter.begun != 0 {
            self.meter.input.moved(octets, link.shared.worker.now());
        }
    }
}

impl Http {
    /// Sets the deadline of a connection in which nothing goes on.
    #[inline]
    pub(super) fn arm_idle(&self, link: &Link) {
        let (worker, config) = (&link.shared.worker, &link.shared.config);
        let longest = if self.served {
            config.idle_timeout
        } else {
            config.head_timeout
        };
        let mut due = self.since.saturating_add(ticks(longest));
        if worker.phase() != Phase::Running {
            // A request may be on its way; after this it is not waited for.
            due = due.min(worker.tick_after(worker.grace(DRAIN_GRACE)));
        }
        link.slot.set_due(due);
    }

    /// Sets the deadline of a connection that goes to sleep in the middle of something, and charges it
    /// for what it keeps meanwhile.
    pub(super) fn arm(&mut self, need: Need, link: &Link) {
        let (worker, config) = (&link.shared.worker, &link.shared.config);
        let now = worker.now();
        let HttpPhase::Active(active) = &mut self.phase else {
            return;
        };
        active.touched = true;
        worker.charge(&link.slot, active.held() + self.io.held());
        active.meter.waiting = Some(need);
        if active.meter.check <= now {
            active.meter.check = now + TICKS_A_SECOND as u32;
        }
        let check = active.meter.check;
        let mut due = 0;
        let mut until = |tick: u32| due = if due == 0 { tick } else { due.min(tick) };
        if active.meter.output.since != 0 {
            until(check);
        }
        let state = active.protocol.state();
        match need {
            Need::Head => {
                if std::mem::take(&mut active.cycled) {
                    self.since = now;
                }
                until(self.since.saturating_add(ticks(config.head_timeout)));
            }
            Need::Content
                if state.response == ResponseHalf::Done && state.request == RequestHalf::Body =>
            {
                if active.meter.other == 0 {
                    active.meter.other = now;
                }
                until(active.meter.other.saturating_add(ticks(config.linger)));
            }
            Need::Content => {
                active.meter.input.wait(now);
                until(check);
            }
            Need::Peer if active.saw_end() => {
                if active.meter.other == 0 {
                    active.meter.other = now;
                }
                // Each second, because a reset is not seen once the end was.
                until(
                    active
                        .meter
                        .other
                        .saturating_add(ticks(config.closed_grace))
                        .min(check),
                );
            }
            // As often, because what was read ahead may hide a reset, too.
            Need::Peer if !active.read.is_empty() => until(check),
            _ => {}
        }
        link.slot.set_due(due);
        link.slot.set_waits(match need {
            _ if active.meter.output.since != 0 => active.meter.output.since,
            Need::Head => self.since,
            Need::Content => active.meter.input.since.max(active.meter.other),
            _ => 0,
        });
    }

    /// The deadline has passed. `true` when the connection ends here and now.
    #[cold]
    pub(super) fn overdue(&mut self, cx: &mut Context<'_>, link: &Link) -> bool {
        let (worker, config) = (&link.shared.worker, &link.shared.config);
        let now = worker.now();
        link.slot.set_due(0);
        let active = match &mut self.phase {
            HttpPhase::Linger(_) => return true,
            HttpPhase::Idle => {
                if self.io.poll_readable(cx).is_ready() {
                    // What came in the last moment is still served.
                    return false;
                }
                if worker.phase() == Phase::Running {
                    worker.counters.add(if self.served {
                        Counter::IdleTimeouts
                    } else {
                        Counter::SilentTimeouts
                    });
                }
                let _ = self.io.poll_shutdown(cx);
                return true;
            }
            HttpPhase::Active(active) => active,
        };
        let output = &active.meter.output;
        // A pause is judged by its length alone, and by what was taken once it is over.
        if output.is_stalled(now, config.write_timeout)
            || (output.since != 0 && output.is_slow(output.waited, config))
        {
            worker.counters.add(Counter::WriteTimeouts);
            return true;
        }
        let state = active.protocol.state();
        match active.meter.waiting {
            Some(Need::Head)
                if active.is_inside_head()
                    && now >= self.since.saturating_add(ticks(config.head_timeout)) =>
            {
                worker.counters.add(Counter::HeadTimeouts);
                active.time_out_head(link);
            }
            Some(Need::Content) if state.response == ResponseHalf::Done => {
                worker.counters.add(Counter::IncompleteRequests);
                return true;
            }
            Some(Need::Content) => {
                let total = now.saturating_sub(active.meter.begun) > ticks(config.body_timeout);
                if total
                    || active.meter.input.is_stalled(now, config.read_timeout)
                    || active
                        .meter
                        .input
                        .is_slow(active.meter.input.waited(now), config)
                {
                    worker.counters.add(Counter::BodyTimeouts);
                    active.time_out_content(link);
                } else if self.io.is_reset(cx) {
                    // Reading may rest while the budget is short.
                    active.count_failure(link);
                    return true;
                }
            }
            Some(Need::Peer) => {
                let waited = active.saw_end()
                    && now.saturating_sub(active.meter.other) >= ticks(config.closed_grace);
                if !waited && self.io.is_reset(cx) {
                    active.count_failure(link);
                    return true;
                }
                return waited;
            }
            _ => {}
        }
        false
    }
}

impl Active {
    fn time_out_head(&mut self, link: &Link) {
        self.protocol.give_up();
        self.read.clear();
        self.respond_plain(
            StatusCode::REQUEST_TIMEOUT,
            "the request did not come in time",
            true,
            link,
        );
    }

    /// Tells whoever takes the content; a handler that has not begun is never run.
    fn time_out_content(&mut self, link: &Link) {
        self.protocol.give_up();
        self.read.clear();
        if let Some(mut gather) = self.gather.take() {
            *gather.request.body_mut() = Body::failed(BodyError::Timeout);
            self.refuse_with(
                gather.request,
                StatusCode::REQUEST_TIMEOUT,
                "the content did not come in time",
                link,
            );
        } else if let Some(feed) = self.feed.take() {
            self.cut(&feed, BodyError::Timeout, link);
        }
    }
}

/// How long an idle connection is kept once a drain has begun.
const DRAIN_GRACE: Duration = Duration::from_millis(250);
