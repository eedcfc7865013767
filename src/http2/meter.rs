//! What a client may make a connection do besides its requests: budgets for frames that cost us work and
//! it next to nothing (RFC 9113 §10.5).
//!
//! The `h2` crate bounds what it keeps. This counts what it does not: resets at a pace, frames that it reads
//! and forgets, and answers that a client provokes. Octets are counted as they pass the socket; whatever
//! passes a budget ends the connection with ENHANCE_YOUR_CALM. And it knows two faults of frames that h2 does not tell from others.

use crate::http2::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEAD, HEADERS, PADDED,
    PING, PRIORITY, PRIORITY_UPDATE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use crate::resource::counters::Counter;
use crate::service::link::flow::TICKS_A_SECOND;
use crate::service::link::http2::Http2;
use h2::Reason;

/// Both directions of one connection, counted.
#[derive(Debug)]
pub(crate) struct Meter {
    input: Frames,
    output: Frames,
    limits: Limits,
    /// The highest stream that was opened, and how many were.
    last: u32,
    opened: u32,
    /// Streams opened since the driver looked last.
    batch: u32,
    /// The highest stream that was open at the beginning of each of the last ticks.
    ticks: [(u32, u32); RECENT],
    resets: Bucket,
    reset: u32,
    early: u32,
    control: Bucket,
    /// PING frames that cost nothing: clients that measure the path ask while content comes.
    pings: u32,
    priorities: u32,
    updates: u64,
    sent: u64,
    errors: u32,
    /// Frames without content that end nothing: in a row, and altogether.
    empty_now: u32,
    empty: u32,
    /// The tick in which a header section began whose end has not come; 0 when there is none.
    section: u32,
    /// The same of a frame without content, and whether such a one is the last that began.
    stuck: u32,
    is_control: bool,
    /// The client has acknowledged our settings.
    is_settled: bool,
    /// Its first frame has come.
    is_begun: bool,
    total: u64,
    payload: u64,
    /// Three quarters of a budget are used up.
    is_strained: bool,
}

/// The budgets, as the meter uses them.
#[derive(Debug)]
struct Limits {
    early_from: u32,
    errors: u32,
    empty: u32,
    priorities: u32,
    pings: u32,
}

/// Which budget was passed, or what is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    Resets,
    Errors,
    Priorities,
    WindowUpdates,
    Pings,
    Settings,
    TableSizes,
    EmptyFrames,
    Overhead,
    /// A frame of one length has another.
    Length,
    /// The first frame is not SETTINGS.
    Preface,
}

impl Excess {
    pub(crate) const fn counter(self) -> Counter {
        match self {
            Self::Resets => Counter::Http2ResetFloods,
            Self::Errors => Counter::Http2ErrorFloods,
            Self::Priorities => Counter::Http2PriorityFloods,
            Self::WindowUpdates => Counter::Http2WindowUpdateFloods,
            Self::Pings => Counter::Http2PingFloods,
            Self::Settings => Counter::Http2SettingsFloods,
            Self::TableSizes => Counter::Http2TableSizeFloods,
            Self::EmptyFrames => Counter::Http2EmptyFrameFloods,
            Self::Overhead => Counter::Http2OverheadFloods,
            Self::Length | Self::Preface => Counter::Http2ProtocolErrors,
        }
    }

    /// What the client is told with GOAWAY.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Length => Reason::FRAME_SIZE_ERROR,
            Self::Preface => Reason::PROTOCOL_ERROR,
            _ => Reason::ENHANCE_YOUR_CALM,
        }
    }
}

impl Meter {
    pub(crate) fn new(config: &Http2, now: u32) -> Self {
        Self {
            input: Frames::after(PREFACE.len()),
            output: Frames::default(),
            limits: Limits {
                early_from: config.early_resets_from,
                errors: config.max_errors,
                empty: config.max_empty_frames,
                priorities: config.priorities_per_stream,
                pings: config.control_burst,
            },
            last: 0,
            opened: 0,
            batch: 0,
            ticks: [(0, 0); RECENT],
            resets: Bucket::new(config.reset_burst, config.resets_per_second, now),
            reset: 0,
            early: 0,
            control: Bucket::new(config.control_burst, config.control_per_second, now),
            pings: 0,
            priorities: 0,
            updates: 0,
            sent: 0,
            errors: 0,
            empty_now: 0,
            empty: 0,
            section: 0,
            stuck: 0,
            is_control: false,
            is_settled: false,
            is_begun: false,
            total: 0,
            payload: 0,
            is_strained: false,
        }
    }

    /// Octets came. `open` is how many streams there are.
    #[inline]
    pub(crate) fn received(
        &mut self,
        mut octets: &[u8],
        now: u32,
        open: usize,
    ) -> Result<(), Excess> {
        if self.input.ends_within(octets.len()) {
            // What comes behind it is late from now on.
            self.stuck = 0;
        }
        let mut is_new = false;
        while let Some(frame) = self.input.next(&mut octets) {
            self.count_resizes(now)?;
            self.is_control = frame.kind != DATA;
            is_new = true;
            self.judge(frame, now, open)?;
        }
        self.count_resizes(now)?;
        if !self.is_control || !self.input.is_inside() {
            self.stuck = 0;
        } else if is_new || self.stuck == 0 {
            self.stuck = now.max(1);
        }
        Ok(())
    }

    /// Octets went.
    #[inline]
    pub(crate) fn wrote(&mut self, mut octets: &[u8]) -> Result<(), Excess> {
        while let Some(frame) = self.output.next_head(&mut octets) {
            self.total += (HEAD + frame.len) as u64;
            match frame.kind {
                DATA => {
                    self.payload += frame.len as u64;
                    self.sent += 1;
                    self.pings = self.limits.pings.min(self.pings + 1);
                }
                HEADERS | CONTINUATION => self.payload += frame.len as u64,
                RST_STREAM if is_provoked(frame.extra) => {
                    self.errors += 1;
                    self.strain(self.errors, self.limits.errors);
                    if self.errors > self.limits.errors {
                        return Err(Excess::Errors);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How many streams were opened since this was asked last.
    pub(crate) fn take_batch(&mut self) -> u32 {
        std::mem::take(&mut self.batch)
    }

    /// How many streams were opened since [`take_batch`](Self::take_batch).
    pub(super) const fn batch(&self) -> u32 {
        self.batch
    }

    /// How many frames of content went.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// How many streams the client has reset.
    pub(crate) const fn resets(&self) -> u32 {
        self.reset
    }

    /// Since when the rest of a header section, or of a frame without content, is awaited; 0 when none is.
    pub(crate) const fn late(&self) -> u32 {
        if self.section != 0 {
            self.section
        } else {
            self.stuck
        }
    }

    /// Whether the client has acknowledged our settings.
    pub(crate) const fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Whether three quarters of a budget are used up: time for the client to go on with another connection. The
    /// budgets for WINDOW_UPDATE and for overhead grow with what a connection does, and warn nobody.
    pub(super) const fn is_strained(&self) -> bool {
        self.is_strained
    }

    fn judge(&mut self, frame: Frame, now: u32, open: usize) -> Result<(), Excess> {
        // RFC 9113 §3.4
        if !self.is_begun && (frame.kind != SETTINGS || frame.flags & ACK != 0) {
            return Err(Excess::Preface);
        }
        self.is_begun = true;
        self.total += (HEAD + frame.len) as u64;
        if frame.kind > HEADERS && !has_its_length(frame) {
            return Err(Excess::Length);
        }
        match frame.kind {
            DATA => {
                self.payload += frame.len as u64;
                let padding = if frame.flags & PADDED == 0 {
                    0
                } else {
                    1 + usize::try_from(frame.extra).unwrap_or(usize::MAX)
                };
                if frame.len > padding || frame.flags & END_STREAM != 0 {
                    self.empty_now = 0;
                } else {
                    self.count_empty()?;
                }
            }
            HEADERS | CONTINUATION => {
                self.payload += frame.len as u64;
                if frame.kind == HEADERS && frame.stream > self.last {
                    self.open(frame.stream, now);
                }
                if frame.flags & END_HEADERS != 0 {
                    self.section = 0;
                    self.empty_now = 0;
                } else {
                    if self.section == 0 {
                        self.section = now.max(1);
                    }
                    if frame.len == 0 {
                        self.count_empty()?;
                    }
                }
            }
            RST_STREAM => return self.count_reset(frame.stream, now),
            PRIORITY | PRIORITY_UPDATE => {
                self.priorities += 1;
                let most = (self.limits.priorities).saturating_mul(self.opened.saturating_add(1));
                self.strain(self.priorities, most);
                if self.priorities > most {
                    return Err(Excess::Priorities);
                }
            }
            // New settings may change every stream.
            SETTINGS => {
                self.is_settled |= frame.flags & ACK != 0;
                let cost = 1 + u32::try_from(open / STREAMS_A_TOKEN).unwrap_or(u32::MAX);
                if !self.take_control(cost, now) {
                    return Err(Excess::Settings);
                }
            }
            GOAWAY if !self.take_control(1, now) => return Err(Excess::Settings),
            PING if self.pings > 0 => self.pings -= 1,
            PING if !self.take_control(1, now) => return Err(Excess::Pings),
            WINDOW_UPDATE => {
                self.updates += 1;
                let most = 5 + 2 * (u64::from(self.opened) + UPDATES_A_FRAME * self.sent);
                if self.updates > most {
                    return Err(Excess::WindowUpdates);
                }
            }
            _ => {}
        }
        if self.total / 8 > self.payload + FREE_OVERHEAD {
            return Err(Excess::Overhead);
        }
        Ok(())
    }

    fn open(&mut self, stream: u32, now: u32) {
        let newest = self.ticks[RECENT - 1].0;
        if newest != now {
            self.ticks.rotate_left(1);
            self.ticks[RECENT - 1] = (now, self.last);
        }
        self.last = stream;
        self.opened = self.opened.saturating_add(1);
        self.batch += 1;
    }

    fn count_reset(&mut self, stream: u32, now: u32) -> Result<(), Excess> {
        self.reset = self.reset.saturating_add(1);
        // Streams above what was the highest a second ago are younger than that.
        let young = self
            .ticks
            .iter()
            .find(|(tick, _)| now.saturating_sub(*tick) < RECENT as u32)
            .is_some_and(|(_, before)| stream > *before);
        if young {
            self.early = self.early.saturating_add(1);
        }
        let mostly = self.opened >= self.limits.early_from && self.early > self.opened / 2;
        if mostly || !self.resets.take(1, now) {
            return Err(Excess::Resets);
        }
        self.is_strained |= self.resets.is_strained();
        Ok(())
    }

    fn count_empty(&mut self) -> Result<(), Excess> {
        self.empty_now += 1;
        self.empty += 1;
        self.strain(self.empty, self.limits.empty);
        if self.empty_now > 1 || self.empty > self.limits.empty {
            return Err(Excess::EmptyFrames);
        }
        Ok(())
    }

    /// Changes of the table's size in what has passed, before what comes behind it is judged.
    #[inline]
    fn count_resizes(&mut self, now: u32) -> Result<(), Excess> {
        let resizes = self.input.take_resizes();
        if resizes > 0 && !self.take_control(resizes, now) {
            return Err(Excess::TableSizes);
        }
        Ok(())
    }

    fn take_control(&mut self, tokens: u32, now: u32) -> bool {
        let is_there = self.control.take(tokens, now);
        self.is_strained |= self.control.is_strained();
        is_there
    }

    fn strain(&mut self, used: u32, most: u32) {
        self.is_strained |= u64::from(used) * 4 > u64::from(most) * 3;
    }
}

/// Tokens that come back with time.
#[derive(Debug)]
struct Bucket {
    /// In parts of a token, of which there are as many as ticks in a second.
    left: u64,
    most: u64,
    a_second: u64,
    tick: u32,
}

impl Bucket {
    fn new(burst: u32, a_second: u32, now: u32) -> Self {
        let most = u64::from(burst) * TICKS_A_SECOND;
        Self {
            left: most,
            most,
            a_second: a_second.into(),
            tick: now,
        }
    }

    fn take(&mut self, tokens: u32, now: u32) -> bool {
        let passed = u64::from(now.saturating_sub(self.tick));
        self.tick = now;
        self.left = self.most.min(self.left + passed * self.a_second);
        match self.left.checked_sub(u64::from(tokens) * TICKS_A_SECOND) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }

    /// Whether less than a quarter is left.
    const fn is_strained(&self) -> bool {
        self.left * 4 < self.most
    }
}

/// Whether a frame whose length is fixed has it (RFC 9113 §6.4, §6.5, §6.7, §6.9).
const fn has_its_length(frame: Frame) -> bool {
    match frame.kind {
        RST_STREAM | WINDOW_UPDATE => frame.len == 4,
        SETTINGS if frame.flags & ACK != 0 => frame.len == 0,
        SETTINGS => frame.len.is_multiple_of(6),
        PING => frame.len == 8,
        _ => true,
    }
}

/// The codes with which a stream ends because of what its client sent (RFC 9113 §7).
const fn is_provoked(code: u32) -> bool {
    // PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM
    matches!(code, 1 | 3 | 5 | 6 | 7)
}

/// What a client says first (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A second, and the tick that has begun.
const RECENT: usize = TICKS_A_SECOND as usize + 1;

const UPDATES_A_FRAME: u64 = 10;
const STREAMS_A_TOKEN: usize = 10;

/// Frames that carry nothing may be an eighth of everything, and this much more.
const FREE_OVERHEAD: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
