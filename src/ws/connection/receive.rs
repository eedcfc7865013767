//! The half that is read: frames, and the messages that they make.

use crate::ws::close::CloseFrame;
use crate::ws::connection::send::Sending;
use crate::ws::deflate::{Agreed, Inflater, Inflating};
use crate::ws::error::Error;
use crate::ws::frame::{Expected, FrameHeader, Opcode};
use crate::ws::limits::Limits;
use crate::ws::mask::MaskingKey;
use crate::ws::message::Fragment;
use crate::ws::utf8::Utf8;
use bytes::{Buf, BytesMut};

#[derive(Debug)]
pub(crate) struct Receiving {
    /// Whether the peer is a client.
    masked: bool,
    /// Whether parts of messages are handed on.
    streaming: bool,
    /// The parts of messages that have come since somebody asked, and how many may come before he asks; 0 is any number.
    crumbs: u16,
    most_crumbs: u16,
    utf8: Utf8,
    /// The frame whose payload has not wholly come.
    frame: Option<Frame>,
    /// The message of which a part has come that is no longer in the buffer.
    message: Option<Box<Assembly>>,
    inflating: Option<Box<Inflating>>,
    control: Rate,
}

/// A frame whose head was taken off the buffer.
#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: Kind,
    /// How many octets of payload are still to be taken off the buffer.
    left: usize,
    /// How many octets at the buffer's front are unmasked already.
    done: usize,
    /// The key for the first octet that is not.
    key: Option<MaskingKey>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// It waits in the buffer until it is whole.
    Control(Opcode),
    /// A message in one frame: it too waits in the buffer.
    Whole { text: bool },
    /// A part of a message that is put together elsewhere.
    Part { fin: bool },
}

/// A message that is put together.
#[derive(Debug)]
struct Assembly {
    text: bool,
    data: BytesMut,
    /// The octets that were handed on already.
    gone: usize,
    fragments: u32,
    empty: u32,
    /// Present when it is compressed.
    coded: Option<Coded>,
    /// How much of `data` was checked to be UTF-8.
    checked: usize,
}

/// The compressed side of a message.
#[derive(Debug, Default)]
struct Coded {
    /// Borrowed when the message is whole, or when more of it has come than an inflater holds: whoever
    /// begins many messages and ends none shall not hold more of our memory than he sends octets.
    inflater: Option<Inflater>,
    /// What came before that.
    early: Vec<u8>,
    /// What the frames have declared, altogether.
    len: usize,
}

/// What was received; the payload of the first three stands at the front of the buffer.
pub(crate) enum Raw {
    /// Text has still to be checked as a whole.
    Data {
        text: bool,
        len: usize,
    },
    Ping(usize),
    Pong(usize),
    Close(Option<CloseFrame>),
    Assembled {
        text: bool,
        data: BytesMut,
    },
    Fragment(Fragment),
}

impl Receiving {
    pub(crate) fn new(masked: bool, deflate: Option<&Agreed>) -> Self {
        Self {
            masked,
            streaming: false,
            crumbs: 0,
            most_crumbs: 0,
            utf8: Utf8::default(),
            frame: None,
            message: None,
            inflating: deflate.map(|agreed| Box::new(Inflating::new(agreed))),
            control: Rate::default(),
        }
    }

    pub(crate) const fn stream(&mut self) {
        self.streaming = true;
    }

    pub(crate) const fn pause_after(&mut self, crumbs: u16) {
        self.most_crumbs = crumbs;
    }

    #[inline]
    pub(crate) fn take_crumbs(&mut self) -> usize {
        usize::from(std::mem::take(&mut self.crumbs))
    }

    pub(crate) const fn set_time(&mut self, millis: u64) {
        // Cut off: only differences count, and none is as long as 49 days.
        self.control.now = (millis & 0xffff_ffff) as u32;
    }

    pub(crate) const fn is_inside_message(&self) -> bool {
        self.frame.is_some() || self.message.is_some()
    }

    /// Whether the next frame comes from a client and begins a message.
    #[inline]
    pub(crate) const fn takes_small(&self) -> bool {
        self.masked && !self.is_inside_message()
    }

    /// The longest payload that the short way may take, `most` at most.
    #[inline]
    pub(crate) fn longest_small(&self, limits: &Limits, most: usize) -> usize {
        let limit =
            usize::try_from(limits.frame).map_or(limits.message, |frame| frame.min(limits.message));
        limit.min(most)
    }

    pub(crate) const fn wants(&self, there: usize) -> usize {
        match self.frame {
            Some(frame) => frame.left.saturating_sub(there),
            None => 0,
        }
    }

    #[inline]
    pub(crate) const fn holds_nothing(&self) -> bool {
        self.message.is_none() && self.inflating.is_none()
    }

    pub(crate) fn held(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| {
            let coded = message.coded.as_ref().map_or(0, Coded::held);
            message.data.capacity() + coded
        });
        message
            + self
                .inflating
                .as_ref()
                .map_or(0, |inflating| inflating.held())
    }

    /// Reads on until there is something to hand on.
    pub(crate) fn next(
        &mut self,
        buf: &mut BytesMut,
        sending: &mut Sending,
        limits: &Limits,
    ) -> Result<Option<Raw>, Error> {
        if !sending.state().is_receiving() {
            // RFC 6455 §5.5.1: what follows a Close means nothing.
            buf.clear();
            return Ok(None);
        }
        loop {
            let frame = match self.frame {
                Some(frame) => frame,
                None => match self.begin(buf, limits)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let raw = match frame.kind {
                Kind::Control(opcode) => self.control(opcode, frame, buf, sending)?,
                Kind::Whole { text } => self.whole(text, frame, buf)?,
                Kind::Part { fin } => match self.part(fin, frame, buf, limits)? {
                    Progress::Event(raw) => Some(raw),
                    Progress::Ended if self.most_crumbs == 0 || self.crumbs < self.most_crumbs => {
                        continue;
                    }
                    Progress::Ended | Progress::Waiting => None,
                },
            };
            return Ok(raw);
        }
    }

    /// Takes a head off the buffer and decides what becomes of its frame.
    fn begin(&mut self, buf: &mut BytesMut, limits: &Limits) -> Result<Option<Frame>, Error> {
        let expected = Expected {
            masked: self.masked,
            compression: self.inflating.is_some(),
            inside_message: self.message.is_some(),
        };
        let Some((header, len)) = FrameHeader::decode(buf, expected)? else {
            return Ok(None);
        };
        let left = usize::try_from(header.payload_len).map_err(|_| Error::FrameTooLarge)?;
        let kind = match header.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                if header.opcode != Opcode::Close {
                    self.control.count(limits)?;
                }
                Kind::Control(header.opcode)
            }
            opcode => self.begin_data(opcode, header, left, buf.len() - len, limits)?,
        };
        buf.advance(len);
        let frame = Frame {
            kind,
            left,
            done: 0,
            key: header.masking_key,
        };
        self.frame = Some(frame);
        Ok(Some(frame))
    }

    fn begin_data(
        &mut self,
        opcode: Opcode,
        header: FrameHeader,
        len: usize,
        there: usize,
        limits: &Limits,
    ) -> Result<Kind, Error> {
        // Judged by the head alone: nothing is held for a frame that will not be taken.
        if header.payload_len > limits.frame {
            return Err(Error::FrameTooLarge);
        }
        let text = opcode == Opcode::Text;
        if self.message.is_none() {
            self.utf8 = Utf8::default();
            let whole = header.fin && !header.compressed;
            if whole && (!self.streaming || there >= len) {
                if len > limits.message {
                    return Err(Error::MessageTooLarge);
                }
                return Ok(Kind::Whole { text });
            }
            self.message = Some(Box::new(Assembly {
                text,
                data: BytesMut::new(),
                gone: 0,
                fragments: 0,
                empty: 0,
                coded: header.compressed.then(Coded::default),
                checked: 0,
            }));
        }
        let Some(message) = &mut self.message else {
            return Err(Error::UnexpectedContinuation);
        };
        message.fragments += 1;
        self.crumbs = self.crumbs.saturating_add(1);
        message.empty += u32::from(len == 0 && !header.fin);
        if message.fragments > limits.fragments || message.empty > limits.empty_fragments {
            return Err(Error::Fragments);
        }
        let so_far = message.data.len() + message.gone;
        let (so_far, most) = match &mut message.coded {
            Some(coded) => {
                let so_far = coded.len;
                coded.len = so_far.saturating_add(len);
                (so_far, longest_coded(limits))
            }
            None => (so_far, limits.message),
        };
        if len > most.saturating_sub(so_far) {
            return Err(Error::MessageTooLarge);
        }
        Ok(Kind::Part { fin: header.fin })
    }

    fn control(
        &mut self,
        opcode: Opcode,
        frame: Frame,
        buf: &mut BytesMut,
        sending: &mut Sending,
    ) -> Result<Option<Raw>, Error> {
        let len = frame.left;
        let Some(payload) = buf.get_mut(..len) else {
            return Ok(None);
        };
        if let Some(key) = frame.key {
            key.apply(payload);
        }
        self.frame = None;
        Ok(Some(match opcode {
            Opcode::Ping => {
                sending.owe_pong(payload);
                Raw::Ping(len)
            }
            Opcode::Pong => Raw::Pong(len),
            _ => {
                let close = CloseFrame::decode(payload)?;
                sending.owe_close(close.as_ref());
                // Nothing after a Close is interpreted, and a message inside which it came is over.
                buf.clear();
                self.message = None;
                Raw::Close(close)
            }
        }))
    }

    fn whole(
        &mut self,
        text: bool,
        frame: Frame,
        buf: &mut BytesMut,
    ) -> Result<Option<Raw>, Error> {
        let len = frame.left;
        let there = buf.len().min(len);
        let fresh = &mut buf[frame.done..there];
        let key = frame.key.map(|key| {
            key.apply(fresh);
            key.at(fresh.len())
        });
        if there < len {
            // RFC 6455 §8.1 lets text fail at once; what has come is looked at now, not when all is there.
            if text {
                self.utf8.push(fresh).map_err(|_| Error::Utf8)?;
            }
            self.frame = Some(Frame {
                done: there,
                key,
                ..frame
            });
            return Ok(None);
        }
        self.frame = None;
        Ok(Some(Raw::Data { text, len }))
    }

    fn part(
        &mut self,
        fin: bool,
        frame: Frame,
        buf: &mut BytesMut,
        limits: &Limits,
    ) -> Result<Progress, Error> {
        let Some(message) = &mut self.message else {
            return Err(Error::UnexpectedContinuation);
        };
        let there = buf.len().min(frame.left);
        let fresh = &mut buf[..there];
        let key = frame.key.map(|key| {
            key.apply(fresh);
            key.at(there)
        });
        let limit = limits.message.saturating_sub(message.gone);
        let left = frame.left - there;
        let mut inflated = Ok(());
        match (&mut message.coded, self.inflating.as_deref_mut()) {
            (Some(coded), Some(inflating)) => {
                let whole = left == 0 && fin;
                if whole || self.streaming || coded.is_worth_it(fresh.len()) {
                    let early = std::mem::take(&mut coded.early);
                    let inflater = coded.inflater.get_or_insert_with(|| inflating.begin());
                    inflated = inflater
                        .push(&early, &mut message.data, limit)
                        .and_then(|()| inflater.push(fresh, &mut message.data, limit));
                    if whole {
                        inflated = inflated.and_then(|()| inflater.finish());
                    }
                } else {
                    coded.early.extend_from_slice(fresh);
                }
            }
            _ => message.data.extend_from_slice(fresh),
        }
        buf.advance(there);
        if message.text {
            self.utf8
                .push(&message.data[message.checked..])
                .map_err(|_| Error::Utf8)?;
            message.checked = message.data.len();
        }
        // Behind the text, so that what is told of two faults is the first.
        inflated?;
        if message.text && left == 0 && fin && !self.utf8.is_complete() {
            return Err(Error::Utf8);
        }
        if left > 0 {
            self.frame = Some(Frame { left, key, ..frame });
            return Ok(match message.hand_on(self.streaming, false) {
                Some(fragment) => Progress::Event(Raw::Fragment(fragment)),
                None => Progress::Waiting,
            });
        }
        self.frame = None;
        if !fin {
            return Ok(match message.hand_on(self.streaming, false) {
                Some(fragment) => Progress::Event(Raw::Fragment(fragment)),
                None => Progress::Ended,
            });
        }
        let last = message.hand_on(self.streaming, true);
        let Some(mut message) = self.message.take() else {
            return Ok(Progress::Ended);
        };
        let inflater = message.coded.take().and_then(|coded| coded.inflater);
        if let (Some(inflating), Some(inflater)) = (&mut self.inflating, inflater) {
            inflating.end(inflater);
        }
        Ok(Progress::Event(match last {
            Some(fragment) => Raw::Fragment(fragment),
            None => Raw::Assembled {
                text: message.text,
                data: message.data,
            },
        }))
    }
}

/// What came of a part of a message.
enum Progress {
    Event(Raw),
    /// The frame has ended, the message has not.
    Ended,
    /// The frame has not ended.
    Waiting,
}

impl Coded {
    /// Whether it is to be inflated now, though `more` octets behind what there is do not end it.
    fn is_worth_it(&self, more: usize) -> bool {
        self.inflater.is_some() || self.early.len() + more > MOST_EARLY
    }

    fn held(&self) -> usize {
        self.early.capacity() + self.inflater.as_ref().map_or(0, Inflater::held)
    }
}

impl Assembly {
    /// What has come, when parts are handed on.
    fn hand_on(&mut self, streaming: bool, last: bool) -> Option<Fragment> {
        if !streaming || (self.data.is_empty() && !last) {
            return None;
        }
        let data = self.data.split().freeze();
        self.gone += data.len();
        self.checked = 0;
        Some(Fragment {
            text: self.text,
            data,
            last,
        })
    }
}

/// How many control frames have come, less those that time has forgiven.
#[derive(Debug, Default)]
struct Rate {
    /// In milliseconds.
    now: u32,
    /// When `level` was true.
    at: u32,
    /// In thousandths of a frame, so that a millisecond forgives a whole number.
    level: u32,
}

impl Rate {
    fn count(&mut self, limits: &Limits) -> Result<(), Error> {
        let passed = self.now.wrapping_sub(self.at);
        let forgiven = passed.saturating_mul(limits.control_per_second);
        self.level = self.level.saturating_sub(forgiven).saturating_add(1000);
        self.at = self.now;
        if self.level > limits.control_burst.saturating_mul(1000) {
            return Err(Error::ControlFlood);
        }
        Ok(())
    }
}

/// The most compressed octets of a message. What cannot be compressed becomes a little longer, and each
/// fragment may end with an empty block; beyond that there is only work without output.
const fn longest_coded(limits: &Limits) -> usize {
    limits.message.saturating_mul(2).saturating_add(64 * 1024)
}

/// So many compressed octets of a message that has not ended wait as they came: what an inflater holds.
const MOST_EARLY: usize = 80 * 1024;
