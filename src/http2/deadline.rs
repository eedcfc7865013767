//! What a connection waits for, and until when.
//!
//! It has one deadline at a time, the earliest of its own and its streams'; the sweep wakes it when that has
//! passed.

use crate::http2::exchange::Turn;
use crate::http2::serve::{Exit, Http, Life, Protocol};
use crate::resource::counters::Counter;
use crate::resource::worker::{Phase, ticks};
use crate::service::link::Link;
use crate::service::link::flow::TICKS_A_SECOND;
use h2::{Ping, Reason};
use std::task::Context;
use std::time::Duration;

impl Http {
    /// Sets the deadline of a connection that goes to sleep, and charges it for what it keeps. `true` when it
    /// must not sleep: its turn was cut short.
    pub(super) fn arm(&mut self, link: &Link) -> bool {
        let (worker, config) = (&link.shared.worker, &link.shared.config);
        let now = worker.now();
        let wire = self.wire.inside();
        let (is_cut_short, is_stalled) = (wire.is_cut_short, wire.output.since);
        let (late, is_settled) = (wire.meter.late(), wire.meter.is_settled());
        let (heard, took) = (wire.heard, wire.took);
        // What waits for the socket is part of what was given, or the other way round.
        let waiting = wire.waiting;
        let held = HELD + wire.held() + self.streams.held;
        drop(wire);
        let is_idle = match &self.protocol {
            Protocol::Opening(_) => true,
            Protocol::Open(connection) => self.streams.len() == 0 && !connection.has_streams(),
        };
        if is_idle {
            self.given = 0;
        }
        let held = held + waiting.max(self.given);
        worker.charge(&link.slot, held);
        let mut due = u32::MAX;
        let mut until = |tick: u32| due = due.min(tick);
        if is_stalled != 0 || self.streams.timed > 0 {
            if self.check <= now {
                self.check = now + TICKS_A_SECOND as u32;
            }
            until(self.check);
        }
        if self.streams.tunnels > 0 && heard >= self.weighed {
            // Whoever does not read a tunnel is not woken by what comes on it, and that is charged, too.
            until(self.weighed + TICKS_A_SECOND as u32);
        }
        if late != 0 {
            until(late + ticks(config.head_timeout));
        }
        match &self.protocol {
            Protocol::Opening(_) => {
                let mut due = self.begun + ticks(config.head_timeout);
                if worker.phase() != Phase::Running {
                    due = due.min(worker.tick_after(worker.grace(DRAIN_GRACE)));
                }
                until(due);
            }
            Protocol::Open(_) if self.life == Life::Closing => {
                until(self.since + ticks(config.linger));
            }
            Protocol::Open(_) => {
                if !is_settled {
                    until(self.begun + ticks(config.head_timeout));
                }
                if self.streams.len() > 0 {
                    if let Some(limit) = config.http2.stream_idle_timeout {
                        if self.idle_check == 0 {
                            self.idle_check = now + ticks(limit);
                        }
                        until(self.idle_check);
                    }
                    if self.pinged != 0 {
                        until(self.pinged + ticks(config.http2.keepalive_timeout));
                    } else if let Some(interval) = config.http2.keepalive_interval {
                        until(heard + ticks(interval));
                    }
                } else if !is_idle {
                    // What was answered has not been taken.
                    until(took.max(self.since) + ticks(config.write_timeout));
                } else if self.life == Life::Leaving {
                    until(self.since + ticks(config.linger));
                } else {
                    until(self.since + ticks(config.idle_timeout));
                }
                if self.life == Life::Serving && link.slot.old() != 0 {
                    until(link.slot.old());
                }
            }
        }
        link.slot
            .set_due(if due == u32::MAX { 0 } else { due.max(1) });
        link.slot.set_waits(if is_stalled != 0 {
            is_stalled
        } else if self.streams.timed > 0 || late != 0 {
            heard.min(took).max(1)
        } else {
            0
        });
        is_cut_short
    }

    /// A deadline has passed.
    #[cold]
    pub(super) fn meet_deadlines(&mut self, cx: &mut Context<'_>, link: &Link) -> Option<Exit> {
        let (worker, config) = (&link.shared.worker, &link.shared.config);
        let now = worker.now();
        let counters = &worker.counters;
        link.slot.set_due(0);
        let mut wire = self.wire.inside();
        let output = wire.output;
        let (late, is_settled) = (wire.meter.late(), wire.meter.is_settled());
        let (heard, took, is_heard) = (wire.heard, wire.took, wire.is_heard);
        // What is unread may hide a reset.
        let is_reset = (output.since != 0 || self.streams.len() > 0) && wire.is_reset(cx);
        drop(wire);
        if is_reset {
            counters.add(Counter::IoErrors);
            return Some(Exit::Gone);
        }
        if output.is_stalled(now, config.write_timeout)
            || (output.since != 0 && output.is_slow(output.waited, config))
        {
            counters.add(Counter::WriteTimeouts);
            return Some(Exit::Gone);
        }
        let connection = match &self.protocol {
            Protocol::Opening(_) => {
                let longest = if worker.phase() == Phase::Running {
                    config.head_timeout
                } else {
                    worker.grace(DRAIN_GRACE)
                };
                if now >= self.begun + ticks(longest) {
                    counters.add(if is_heard {
                        Counter::HeadTimeouts
                    } else {
                        Counter::SilentTimeouts
                    });
                    return Some(Exit::Gone);
                }
                return None;
            }
            Protocol::Open(connection) => connection,
        };
        let left_over = self.streams.len() == 0 && connection.has_streams();
        if self.life == Life::Closing {
            return (now >= self.since + ticks(config.linger)).then_some(Exit::Gone);
        }
        if late != 0 && now >= late + ticks(config.head_timeout) {
            counters.add(Counter::HeadTimeouts);
            self.close(Reason::ENHANCE_YOUR_CALM, link);
        } else if !is_settled && now >= self.begun + ticks(config.head_timeout) {
            counters.add(Counter::Http2ProtocolErrors);
            self.close(Reason::SETTINGS_TIMEOUT, link);
        } else if left_over {
            if now >= took.max(self.since) + ticks(config.write_timeout) {
                counters.add(Counter::WriteTimeouts);
                self.close(Reason::CANCEL, link);
            }
        } else if self.streams.len() > 0 {
            self.meet_streams_deadlines(link);
            return self.keep_alive(cx, heard, is_heard, link);
        } else if self.life == Life::Leaving {
            if now >= self.since + ticks(config.linger) {
                self.close(Reason::NO_ERROR, link);
            }
        } else if now >= self.since + ticks(config.idle_timeout) {
            counters.add(Counter::IdleTimeouts);
            self.leave(now);
        }
        None
    }

    fn meet_streams_deadlines(&mut self, link: &Link) {
        let wire = self.wire.clone();
        let turn = Turn::new(link, &wire, 0);
        let mut earliest = u32::MAX;
        self.weighed = turn.now();
        for place in self.streams.all() {
            if let Some(mut stream) = self.streams.take(place) {
                let polls = stream.meet_deadlines(&turn);
                earliest = earliest.min(stream.idle_from());
                self.streams.put(place, stream);
                if polls {
                    self.streams.queue(place);
                }
            }
        }
        let limit = link.shared.config.http2.stream_idle_timeout;
        self.idle_check = match limit {
            Some(limit) if earliest != u32::MAX => earliest + ticks(limit),
            _ => 0,
        };
    }

    /// Asks a silent client for a sign of life, or takes it for gone.
    fn keep_alive(
        &mut self,
        cx: &mut Context<'_>,
        heard: u32,
        is_heard: bool,
        link: &Link,
    ) -> Option<Exit> {
        let now = link.shared.worker.now();
        let limits = &link.shared.config.http2;
        if self.pings.is_none()
            && limits.keepalive_interval.is_some()
            && let Protocol::Open(connection) = &mut self.protocol
        {
            // Not before: from then on h2 looks whenever it is polled whether there is something to ask.
            self.pings = connection.ping_pong();
        }
        let pings = self.pings.as_mut()?;
        if self.pinged != 0 && is_heard {
            // Whatever came is a sign; the answer itself makes place for the next question.
            let _ = pings.poll_pong(cx);
            self.pinged = 0;
        }
        if self.pinged != 0 {
            if now >= self.pinged + ticks(limits.keepalive_timeout) {
                link.shared.worker.counters.add(Counter::Http2PingTimeouts);
                return Some(Exit::Gone);
            }
        } else if limits
            .keepalive_interval
            .is_some_and(|interval| now >= heard + ticks(interval))
        {
            let _ = pings.poll_pong(cx);
            let _ = pings.send_ping(Ping::opaque());
            self.pinged = now;
            self.wire.inside().is_heard = false;
        }
        None
    }
}

/// What h2 and this driver keep for a connection: buffers of 8 KiB and 16 KiB, and tables.
const HELD: usize = 22 * 1024;

/// How long a client that has not said its preface is waited for once a drain has begun.
const DRAIN_GRACE: Duration = Duration::from_millis(250);
