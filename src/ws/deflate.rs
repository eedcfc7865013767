//! permessage-deflate (RFC 7692): contexts, and the pool that they come from.
//!
//! A context is large (an inflater 80 KiB, a deflater from 134 to 372 KiB), so by default nobody
//! keeps one: without context takeover a message borrows one from its thread and gives it back. With
//! takeover a connection owns what it uses, which is a matter of [`Config`].

mod inflater;
mod negotiate;

use std::cell::RefCell;
use std::fmt;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Status};

pub(crate) use inflater::Inflater;
pub use negotiate::Agreed;

/// What is offered or accepted. `send` is our own direction in either role, `receive` the peer's.
///
/// ```
/// use wireline::ws::deflate::Config;
///
/// let config = Config { send_takeover: true, ..Config::default() };
/// assert_eq!(config.level, 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The window that we compress with, as a power of two from 9 to 15. Default 12.
    pub send_window_bits: u8,
    /// The largest window that the peer shall compress with, 9 to 15. Default 12.
    pub receive_window_bits: u8,
    /// Whether our messages refer to those before them. It compresses better and costs each connection a
    /// deflater of its own. Default off.
    pub send_takeover: bool,
    /// Whether the peer's messages may. It costs each connection an inflater. Default off.
    pub receive_takeover: bool,
    /// The effort, 1 to 9. Level 1 takes a tenth of the time of level 6 for a fifth more octets. Default 1.
    pub level: u8,
    /// The memory of a deflater, 1 to 9. Default 5.
    pub memory_level: u8,
    /// Messages below this many octets are sent as they are. Default 256.
    pub threshold: usize,
}

impl Config {
    /// The best compression for which one connection keeps no more than `kibibytes` of contexts; below 80
    /// no context is kept.
    pub fn within(kibibytes: usize) -> Self {
        let receive_takeover = kibibytes >= INFLATER_KIB;
        let left = kibibytes - if receive_takeover { INFLATER_KIB } else { 0 };
        let mut config = Self {
            receive_takeover,
            ..Self::default()
        };
        // What a deflater takes with each window and memory level.
        let sizes = [(15, 8, 372), (15, 5, 274), (12, 5, 162), (9, 1, 134)];
        if let Some((bits, memory, _)) = sizes.into_iter().find(|(_, _, size)| *size <= left) {
            config.send_takeover = true;
            config.send_window_bits = bits;
            config.memory_level = memory;
        }
        config
    }

    /// The same, held within what DEFLATE knows.
    pub(crate) fn clamped(&self) -> Self {
        Self {
            send_window_bits: self.send_window_bits.clamp(9, 15),
            receive_window_bits: self.receive_window_bits.clamp(9, 15),
            level: self.level.clamp(1, 9),
            memory_level: self.memory_level.clamp(1, 9),
            ..self.clone()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            send_window_bits: 12,
            receive_window_bits: 12,
            send_takeover: false,
            receive_takeover: false,
            level: 1,
            memory_level: 5,
            threshold: 256,
        }
    }
}

/// The receiving half of what was agreed on.
#[derive(Debug)]
pub(crate) struct Inflating {
    takeover: bool,
    /// The context between messages, with takeover.
    context: Option<Inflater>,
}

impl Inflating {
    pub(crate) const fn new(agreed: &Agreed) -> Self {
        Self {
            takeover: agreed.receive_takeover,
            context: None,
        }
    }

    /// The context for the message that begins.
    pub(crate) fn begin(&mut self) -> Inflater {
        self.context.take().unwrap_or_else(Inflater::take)
    }

    /// Takes the context back: the message has ended.
    pub(crate) fn end(&mut self, inflater: Inflater) {
        if self.takeover {
            self.context = Some(inflater);
        } else {
            inflater.give();
        }
    }

    /// What is held between messages, in octets.
    pub(crate) fn held(&self) -> usize {
        self.context.as_ref().map_or(0, Inflater::held)
    }
}

/// The sending half of what was agreed on.
#[derive(Debug)]
pub(crate) struct Deflating {
    settings: Settings,
    takeover: bool,
    threshold: usize,
    /// The context between messages, with takeover.
    context: Option<Deflater>,
}

impl Deflating {
    pub(crate) const fn new(agreed: &Agreed) -> Self {
        Self {
            settings: agreed.send,
            takeover: agreed.send_takeover,
            threshold: agreed.threshold,
            context: None,
        }
    }

    /// Compresses `payload` behind `out`. `false`, with `out` as it was, when it is better sent as it is.
    pub(crate) fn message(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        if payload.len() < self.threshold {
            return false;
        }
        let start = out.len();
        let mut deflater = self
            .context
            .take()
            .unwrap_or_else(|| Deflater::take(self.settings));
        if !deflater.message(payload, out) {
            return false;
        }
        if self.takeover {
            // The window has moved on, so what was compressed has to be sent.
            self.context = Some(deflater);
            return true;
        }
        deflater.give();
        let shorter = out.len() - start < payload.len();
        if !shorter {
            out.truncate(start);
        }
        shorter
    }

    /// Whether a message that was compressed by itself, with this window, may be sent in place of one
    /// that this half would compress.
    pub(crate) const fn takes(&self, window_bits: u8) -> bool {
        !self.takeover && window_bits <= self.settings.window_bits
    }

    /// What is held between messages, in octets.
    pub(crate) fn held(&self) -> usize {
        self.context.as_ref().map_or(0, Deflater::held)
    }
}

/// Compresses one message by itself, for all whose window is at least that of `config`; `None` when
/// that does not make it shorter.
pub(crate) fn standalone(payload: &[u8], config: &Config) -> Option<(u8, Vec<u8>)> {
    let config = config.clamped();
    let settings = Settings {
        window_bits: config.send_window_bits,
        level: config.level,
        memory_level: config.memory_level,
    };
    if payload.len() < config.threshold {
        return None;
    }
    let (mut deflater, mut coded) = (Deflater::take(settings), Vec::new());
    let done = deflater.message(payload, &mut coded);
    if done {
        deflater.give();
    }
    (done && coded.len() < payload.len()).then_some((settings.window_bits, coded))
}

/// What a deflater is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) window_bits: u8,
    pub(crate) level: u8,
    pub(crate) memory_level: u8,
}

/// A compressor of messages.
pub(crate) struct Deflater {
    context: Deflate,
    settings: Settings,
}

impl Deflater {
    /// A context that knows of no message, from the pool of this thread if it has one with these settings.
    pub(crate) fn take(settings: Settings) -> Self {
        let kept = DEFLATERS.with_borrow_mut(|kept| {
            let place = kept
                .iter()
                .position(|deflater| deflater.settings == settings)?;
            Some(kept.swap_remove(place))
        });
        kept.unwrap_or_else(|| {
            let config = DeflateConfig {
                level: settings.level.into(),
                window_bits: -i32::from(settings.window_bits),
                mem_level: settings.memory_level.into(),
                ..DeflateConfig::default()
            };
            Self {
                context: Deflate::new_with_config(config),
                settings,
            }
        })
    }

    /// About what it holds, in octets: tables of one size, the window twice with its links, and what has
    /// been found and not been coded.
    pub(crate) fn held(&self) -> usize {
        let Settings {
            window_bits,
            memory_level,
            ..
        } = self.settings;
        134 * 1024 + (4 << window_bits) + (7 << (memory_level + 6))
    }

    /// Gives the context back to the pool of this thread.
    pub(crate) fn give(mut self) {
        self.context.reset();
        DEFLATERS.with_borrow_mut(|kept| {
            if kept.len() < KEPT {
                kept.push(self);
            }
        });
    }

    /// Compresses one message behind `out` (RFC 7692 §7.2.1). `false` when the library refuses, which
    /// leaves `out` as it was and the context of no use.
    pub(crate) fn message(&mut self, mut payload: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if payload.is_empty() {
            // RFC 7692 §7.2.3.6: an empty block, of which one octet is left.
            out.push(0);
            return true;
        }
        loop {
            let at = out.len();
            // Room for the usual message in one step, and for a flush in any.
            out.resize(at + payload.len().min(SCRATCH) + 64, 0);
            let (read, written) = (self.context.total_in(), self.context.total_out());
            let status = self
                .context
                .compress(payload, &mut out[at..], DeflateFlush::SyncFlush);
            let read = span(read, self.context.total_in());
            let written = span(written, self.context.total_out());
            let full = at + written == out.len();
            out.truncate(at + written);
            payload = &payload[read..];
            match status {
                Ok(Status::Ok | Status::BufError) if payload.is_empty() && !full => break,
                Ok(Status::Ok) if full => {}
                _ => {
                    out.truncate(start);
                    return false;
                }
            }
        }
        if out[start..].ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        true
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deflater").field(&self.settings).finish()
    }
}

/// How far a counter of octets moved in one step.
fn span(before: u64, after: u64) -> usize {
    usize::try_from(after - before).unwrap_or(usize::MAX)
}

thread_local! {
    static DEFLATERS: RefCell<Vec<Deflater>> = const { RefCell::new(Vec::new()) };
}

/// How many contexts of each kind a thread keeps.
const KEPT: usize = 4;

/// What an inflater takes, in KiB.
const INFLATER_KIB: usize = inflater::HELD / 1024;

/// The empty block that ends every compressed message and is not sent (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The most output of one step of a deflater, beside a few octets.
const SCRATCH: usize = 8 * 1024;

#[cfg(test)]
mod tests;
