//! The meter of HTTP/2's frames finds what a plain count finds, however the octets are cut.

use super::input::{Input, pieces};
use wireline::resource::counters::Counter;
use wireline::service::link::http2::Http2;
use wireline::test::FrameMeter;

/// Input: one octet (odd: tight limits; the rest: the first tick), one octet (how many cut lengths follow), the cut
/// lengths, then steps: an octet that chooses, and what [`Step::read`] takes for it.
///
/// # Panics
///
/// When a plain count gives another verdict, or when a cut matters.
pub fn h2_meter(data: &[u8]) {
    let mut input = Input(data);
    let first = input.octet();
    let limits = if first & 1 == 1 {
        tight()
    } else {
        Http2::default()
    };
    let mut now = u32::from(first >> 1) + 1;
    let mut open = 0;
    let lengths = input.string(8);
    let lengths = if lengths.is_empty() { &[1] } else { lengths };
    let mut whole = FrameMeter::new(&limits, now);
    let mut cut = FrameMeter::new(&limits, now);
    let mut plain = Plain::new(&limits, now);
    assert_eq!(whole.received(SETTINGS, now, open), Ok(()));
    assert_eq!(cut.received(SETTINGS, now, open), Ok(()));
    assert_eq!(plain.received(SETTINGS, now, open), Ok(()));
    for _ in 0..MOST_STEPS {
        if input.0.is_empty() {
            return;
        }
        let verdict = match Step::read(&mut input) {
            Step::Passed(ticks, streams) => {
                now += ticks;
                open = streams;
                continue;
            }
            Step::Received(octets) => {
                let verdict = whole.received(&octets, now, open);
                let of_pieces = pieces(&octets, lengths)
                    .iter()
                    .try_for_each(|piece| cut.received(piece, now, open));
                assert_eq!(of_pieces, verdict, "cut by {lengths:?}");
                assert_eq!(plain.received(&octets, now, open), verdict);
                verdict
            }
            Step::Wrote(octets) => {
                let verdict = whole.wrote(&octets);
                let of_pieces = pieces(&octets, lengths)
                    .iter()
                    .try_for_each(|piece| cut.wrote(piece));
                assert_eq!(of_pieces, verdict, "cut by {lengths:?}");
                assert_eq!(plain.wrote(&octets), verdict);
                verdict
            }
        };
        if verdict.is_err() {
            return;
        }
        let late = whole.late();
        assert!(late <= now, "late since {late}, in tick {now}");
        assert_eq!(late, cut.late(), "cut by {lengths:?}");
        assert_eq!(whole.is_settled(), cut.is_settled());
        assert_eq!((whole.resets(), cut.resets()), (plain.reset, plain.reset));
        let opened = whole.opened();
        assert_eq!(
            (opened, cut.opened()),
            (plain.opened - plain.told, plain.opened - plain.told)
        );
        plain.told += opened;
    }
}

/// What happens next.
enum Step {
    Received(Vec<u8>),
    Wrote(Vec<u8>),
    /// So many ticks; so many streams are open then.
    Passed(u32, usize),
}

impl Step {
    fn read(input: &mut Input<'_>) -> Self {
        let octet = input.octet();
        let times = 1 + usize::from(octet >> 2);
        match octet & 3 {
            0 => Self::Received(frames(input, times)),
            1 => Self::Received(input.string(64).to_vec()),
            2 => Self::Wrote(frames(input, times)),
            _ => Self::Passed(u32::from(octet >> 2), usize::from(input.octet())),
        }
    }
}

/// The same frame so many times, on one stream or on one after the other; one more octet may be said of its length
/// than comes.
fn frames(input: &mut Input<'_>, times: usize) -> Vec<u8> {
    let (kind, flags, stream) = (input.octet(), input.octet(), input.octet());
    // Kinds that mean something are more likely.
    let kind = if kind < 128 { kind % 18 } else { kind };
    let step = u32::from(stream & 1) * 2;
    let declared = input.octet();
    let payload = input.string(32);
    let large = if declared == 0xff { 0xff } else { 0 };
    let mut octets = Vec::new();
    for time in 0..times {
        let stream = u32::from(stream >> 1) + step * u32::try_from(time).unwrap_or_default();
        let len = payload.len() + usize::from(declared == 0xfe);
        octets.extend([large, 0, u8::try_from(len).unwrap_or_default(), kind, flags]);
        octets.extend(stream.to_be_bytes());
        octets.extend(payload);
    }
    octets
}

/// A count of everything, frame by frame and tick by tick, that keeps all of it.
struct Plain {
    limits: Http2,
    input: Side,
    output: Side,
    /// Each stream that was opened, with its tick.
    streams: Vec<(u32, u32)>,
    resets: Tokens,
    control: Tokens,
    /// PING frames that are free.
    pings: u32,
    opened: u32,
    told: u32,
    reset: u32,
    early: u32,
    priorities: u32,
    updates: u64,
    sent: u64,
    errors: u32,
    empty: Vec<bool>,
    total: u64,
    payload: u64,
    section: Option<Section>,
}

impl Plain {
    fn new(limits: &Http2, now: u32) -> Self {
        Self {
            input: Side::default(),
            output: Side::default(),
            streams: Vec::new(),
            resets: Tokens::new(limits.reset_burst, limits.resets_per_second, now),
            control: Tokens::new(limits.control_burst, limits.control_per_second, now),
            pings: 0,
            limits: limits.clone(),
            opened: 0,
            told: 0,
            reset: 0,
            early: 0,
            priorities: 0,
            updates: 0,
            sent: 0,
            errors: 0,
            empty: Vec::new(),
            total: 0,
            payload: 0,
            section: None,
        }
    }

    fn received(&mut self, octets: &[u8], now: u32, open: usize) -> Result<(), Counter> {
        self.input.octets.extend(octets);
        loop {
            let came = self.input.payload();
            if let Some(section) = &mut self.section {
                section.octets.extend(came);
                let all = section.sizes().0;
                for _ in section.counted..all {
                    if !self.control.take(1, now) {
                        return Err(Counter::Http2TableSizeFloods);
                    }
                }
                section.counted = all;
            }
            let Some(frame) = self.input.frame() else {
                return Ok(());
            };
            match frame.kind {
                1 => {
                    let before =
                        usize::from(frame.flags & 8) / 8 + usize::from(frame.flags & 32) / 32 * 5;
                    self.section = Some(Section {
                        before,
                        ..Section::default()
                    });
                }
                9 if self
                    .section
                    .as_ref()
                    .is_some_and(|section| !section.sizes().1) => {}
                9 => {
                    self.section = Some(Section {
                        goes_on: true,
                        ..Section::default()
                    })
                }
                _ => self.section = None,
            }
            self.total += 9 + u64::from(frame.len);
            if matches!(frame.kind, 0 | 1 | 9) {
                self.payload += u64::from(frame.len);
            }
            if let Some(budget) = self.passes(frame, now, open) {
                return Err(budget);
            }
            // Resets have a budget of their own.
            if frame.kind != 3 && self.total / 8 > self.payload + 1024 * 1024 {
                return Err(Counter::Http2OverheadFloods);
            }
        }
    }

    fn wrote(&mut self, octets: &[u8]) -> Result<(), Counter> {
        self.output.octets.extend(octets);
        while let Some(frame) = self.output.frame() {
            self.total += 9 + u64::from(frame.len);
            if matches!(frame.kind, 0 | 1 | 9) {
                self.payload += u64::from(frame.len);
            }
            self.sent += u64::from(frame.kind == 0);
            if frame.kind == 0 && self.pings < self.limits.control_burst {
                self.pings += 1;
            }
            if frame.kind == 3 && [1, 3, 5, 6, 7].contains(&frame.extra) {
                self.errors += 1;
                if self.errors > self.limits.max_errors {
                    return Err(Counter::Http2ErrorFloods);
                }
            }
        }
        Ok(())
    }

    /// The budget that a frame passes.
    fn passes(&mut self, frame: Frame, now: u32, open: usize) -> Option<Counter> {
        let has = |flag: u8| frame.flags & flag != 0;
        let has_its_length = match frame.kind {
            3 | 8 => frame.len == 4,
            4 if has(1) => frame.len == 0,
            4 => frame.len.is_multiple_of(6),
            6 => frame.len == 8,
            _ => true,
        };
        if !has_its_length {
            return Some(Counter::Http2ProtocolErrors);
        }
        match frame.kind {
            0 => {
                let padding = if has(8) { 1 + frame.extra } else { 0 };
                let is_empty = frame.len <= padding && !has(1);
                return self.content(is_empty);
            }
            6 if self.pings > 0 => self.pings -= 1,
            1 | 9 => {
                if frame.kind == 1 && self.streams.iter().all(|(last, _)| *last < frame.stream) {
                    // Nobody opens stream 0, whatever a client says.
                    if frame.stream > 0 {
                        self.streams.push((frame.stream, now));
                        self.opened += 1;
                    }
                }
                // A section that goes on is neither content nor its absence.
                if has(4) || frame.len == 0 {
                    return self.content(!has(4));
                }
            }
            3 => {
                self.reset += 1;
                self.early += u32::from(self.is_young(frame.stream, now));
                let mostly =
                    self.opened >= self.limits.early_resets_from && self.early > self.opened / 2;
                if mostly || !self.resets.take(1, now) {
                    return Some(Counter::Http2ResetFloods);
                }
            }
            2 | 16 => {
                self.priorities += 1;
                if self.priorities > self.limits.priorities_per_stream * (1 + self.opened) {
                    return Some(Counter::Http2PriorityFloods);
                }
            }
            4 if !self.control.take(1 + open as u64 / 10, now) => {
                return Some(Counter::Http2SettingsFloods);
            }
            6 if !self.control.take(1, now) => return Some(Counter::Http2PingFloods),
            7 if !self.control.take(1, now) => return Some(Counter::Http2SettingsFloods),
            8 => {
                self.updates += 1;
                if self.updates > 5 + 2 * (u64::from(self.opened) + 10 * self.sent) {
                    return Some(Counter::Http2WindowUpdateFloods);
                }
            }
            _ => {}
        }
        None
    }

    /// Whether a stream is not older than a second: it is above all that were opened before.
    fn is_young(&self, stream: u32, now: u32) -> bool {
        let is_recent = |tick: u32| now - tick < 5;
        let any = is_recent(0) || self.streams.iter().any(|(_, tick)| is_recent(*tick));
        let before = self.streams.iter().filter(|(_, tick)| !is_recent(*tick));
        any && stream > before.map(|(stream, _)| *stream).max().unwrap_or(0)
    }

    /// Two without content in a row, or too many of them.
    fn content(&mut self, is_empty: bool) -> Option<Counter> {
        self.empty.push(is_empty);
        let is_second = self.empty.ends_with(&[true, true]);
        let all = self.empty.iter().filter(|empty| **empty).count();
        let is_over = is_empty && all > self.limits.max_empty_frames as usize;
        (is_second || is_over).then_some(Counter::Http2EmptyFrameFloods)
    }
}

/// The beginning of a header section, or of what follows of it behind its first field.
#[derive(Default)]
struct Section {
    octets: Vec<u8>,
    /// How many of them are no HPACK.
    before: usize,
    goes_on: bool,
    /// The changes of the table's size in it that were counted.
    counted: usize,
}

impl Section {
    /// How many changes of the table's size it begins with (RFC 7541 §6.3), and whether something else has come.
    fn sizes(&self) -> (usize, bool) {
        let mut rest = self.octets.get(self.before..).unwrap_or_default();
        let mut count = 0;
        while let [first @ 0x20..0x40, more @ ..] = rest {
            count += 1;
            rest = more;
            if *first == 0x3f {
                let digits = rest.iter().take_while(|octet| **octet >= 0x80).count();
                rest = rest.get(digits + 1..).unwrap_or_default();
            }
        }
        // Where it goes on a few may be the rest of a value.
        (count / if self.goes_on { 64 } else { 1 }, !rest.is_empty())
    }
}

/// Everything that went one way.
#[derive(Default)]
struct Side {
    octets: Vec<u8>,
    at: usize,
    /// Where the next octet of the last frame's payload stands.
    seen: usize,
}

#[derive(Clone, Copy)]
struct Frame {
    len: u32,
    kind: u8,
    flags: u8,
    stream: u32,
    /// The length of the padding, or the code of a reset.
    extra: u32,
}

impl Side {
    /// What has come of the last frame's payload since this was asked last.
    fn payload(&mut self) -> Vec<u8> {
        let end = self.at.min(self.octets.len());
        let came = self.octets.get(self.seen..end).unwrap_or_default().to_vec();
        self.seen += came.len();
        came
    }

    /// The next frame of which enough is there.
    fn frame(&mut self) -> Option<Frame> {
        let rest = self.octets.get(self.at..)?;
        let (head, payload) = rest.split_at_checked(9)?;
        let number = |octets: &[u8]| octets.iter().fold(0, |sum, one| sum << 8 | u32::from(*one));
        let (len, kind, flags) = (number(&head[..3]), head[3], head[4]);
        let extra = match kind {
            0 if flags & 8 != 0 && len > 0 => number(payload.get(..1)?),
            3 if len == 4 => number(payload.get(..4)?),
            _ => 0,
        };
        self.seen = self.at + 9;
        self.at += 9 + len as usize;
        Some(Frame {
            len,
            kind,
            flags,
            stream: number(&head[5..]) & 0x7fff_ffff,
            extra,
        })
    }
}

/// Tokens, in quarters, that come back tick by tick.
struct Tokens {
    left: u64,
    most: u64,
    a_second: u64,
    tick: u32,
}

impl Tokens {
    fn new(burst: u32, a_second: u32, tick: u32) -> Self {
        let most = 4 * u64::from(burst);
        Self {
            left: most,
            most,
            a_second: a_second.into(),
            tick,
        }
    }

    fn take(&mut self, tokens: u64, now: u32) -> bool {
        while self.tick < now {
            self.tick += 1;
            self.left = self.most.min(self.left + self.a_second);
        }
        let is_there = self.left >= 4 * tokens;
        self.left -= if is_there { 4 * tokens } else { 0 };
        is_there
    }
}

/// Limits that short inputs reach.
fn tight() -> Http2 {
    let mut limits = Http2::default();
    limits.reset_burst = 5;
    limits.resets_per_second = 3;
    limits.early_resets_from = 4;
    limits.max_errors = 6;
    limits.control_burst = 7;
    limits.control_per_second = 2;
    limits.priorities_per_stream = 3;
    limits.max_empty_frames = 4;
    limits
}

/// A first frame without settings.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

const MOST_STEPS: usize = 400;
