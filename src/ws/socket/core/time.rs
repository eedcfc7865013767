//! The deadlines and the drain of a socket.

use crate::resource::counters::Counter;
use crate::resource::io::Transport;
use crate::resource::worker::Phase;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::socket::config::Config;
use crate::ws::socket::core::Core;
use crate::ws::socket::home::Home;
use crate::ws::state::State;
use std::task::Context;
use std::time::Duration;

/// Ticks of the worker's clock.
#[derive(Debug, Default)]
pub(super) struct Timing {
    /// When the peer was last heard.
    pub(super) heard: u32,
    /// When the ping was sent that nobody answered yet; 0 is never.
    pub(super) pinged: u32,
    /// Since when our Close, or the end, waits for the peer, who has taken nothing since; 0 is not.
    pub(super) closing: u32,
    /// Since when nothing was taken of what waits; 0 is nothing waits.
    pub(super) stalled: u32,
    /// When the drain closes this socket; 0 is not.
    pub(super) drain: u32,
    /// When to look again; 0 is now.
    pub(super) next: u32,
}

impl Timing {
    /// Nothing is taken of what waits, from now on.
    #[cold]
    pub(super) fn stall(&mut self, now: u32) {
        if self.stalled == 0 {
            self.stalled = now;
            self.next = 0;
        }
    }

    /// A peer that had taken nothing, or that is sent the last words, has taken something: it lives.
    #[cold]
    pub(super) fn taken(&mut self, now: u32) {
        if self.stalled != 0 && self.pinged != 0 {
            self.pinged = now;
        }
        if self.closing != 0 {
            self.closing = now;
        }
        self.stalled = 0;
        self.next = 0;
    }
}

impl Core {
    /// Meets the deadlines and the drain, and sets when to look again. `false`: the connection has to end.
    #[inline]
    pub(in crate::ws::socket) fn keep_time(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
    ) -> bool {
        let Some(live) = &self.live else {
            return true;
        };
        if self.home.now() < self.timing.next
            && self.home.phase() == Phase::Running
            && (self.timing.closing != 0 || live.connection.state().is_open())
        {
            return true;
        }
        self.look_at_time(cx, config)
    }

    #[inline(never)]
    fn look_at_time(&mut self, cx: &mut Context<'_>, config: &Config) -> bool {
        let now = self.home.now();
        let open = self.state().is_open();
        if self.backlog.take_paused() {
            self.backlog.wake_reader();
        }
        if !open && self.timing.closing == 0 {
            self.timing.closing = now;
        }
        if self.home.phase() >= Phase::Draining && self.timing.drain == 0 {
            // Not all at once: whoever is sent away comes back somewhere. And not before a handler that
            // wants to say something had its turn.
            self.timing.drain = (now + 1).saturating_add(self.home.turn(config.drain_spread));
            self.backlog.wake_parked();
        }
        if self.timing.drain != 0 && self.timing.drain <= now && open && !self.backlog.closes() {
            self.close(Some(if self.home.gives_way() {
                CloseFrame::new(CloseCode::RESTART, "Server restart")
            } else {
                CloseFrame::new(CloseCode::AWAY, "Server shutdown")
            }));
            self.timing.closing = now;
        }
        let Some(live) = self.live.as_deref_mut() else {
            return true;
        };
        let (home, after) = (&self.home, Home::after);
        let timing = &mut self.timing;
        if timing.closing != 0 && after(timing.closing, config.close_timeout) <= now {
            return false;
        }
        // After a fault: whoever has not heard of it by now, though everything was written, says nothing more.
        let lingers =
            live.connection.state() == State::Closed { clean: false } && live.waiting() == 0;
        let quiet = after(timing.heard.max(timing.closing), LINGER);
        if lingers && quiet <= now {
            return false;
        }
        if timing.stalled != 0 && after(timing.stalled, config.write_timeout) <= now {
            home.count(Counter::WriteTimeouts);
            return false;
        }
        let mut due = u32::MAX;
        if timing.drain != 0 && live.connection.state().is_open() {
            due = due.min(timing.drain);
        }
        if timing.closing != 0 {
            due = due.min(after(timing.closing, config.close_timeout));
        }
        if lingers {
            due = due.min(quiet);
        }
        if timing.stalled != 0 {
            due = due.min(after(timing.stalled, config.write_timeout));
        }
        if !config.ping_interval.is_zero() && timing.closing == 0 {
            // While nothing of it is taken the ping waits as well: that has a deadline of its own.
            let written = timing.stalled == 0;
            if timing.pinged != 0 && written && after(timing.pinged, config.pong_timeout) <= now {
                // What the peer said may lie there because the handler does not read.
                if self.io.poll_readable(cx).is_ready() {
                    timing.heard = now;
                    timing.pinged = 0;
                } else {
                    home.count(Counter::WebSocketPingTimeouts);
                    return false;
                }
            }
            if timing.pinged == 0 && after(timing.heard, config.ping_interval) <= now {
                let (connection, out) = live.parts();
                let _ = connection.send_ping(b"", out);
                timing.pinged = now;
                // Whether somebody receives shows when he is polled again.
                self.asked = false;
            }
            due = due.min(if timing.pinged == 0 {
                after(timing.heard, config.ping_interval)
            } else if timing.stalled == 0 {
                after(timing.pinged, config.pong_timeout)
            } else {
                u32::MAX
            });
        }
        timing.next = due.max(now + 1);
        home.set_due(if due == u32::MAX { 0 } else { timing.next });
        true
    }
}

/// How long a peer may say nothing after our last word and a fault of its own before the transport ends.
const LINGER: Duration = Duration::from_millis(250);
