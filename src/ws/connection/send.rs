//! The half that is written: frames, and the answers that the peer is owed.

use crate::wire::out::{Out, SHARED_FROM};
use crate::ws::close::{CloseFrame, LONGEST_REASON};
use crate::ws::connection::KeySource;
use crate::ws::deflate::{Agreed, Deflating};
use crate::ws::error::{Error, SendError};
use crate::ws::frame::{FIN, LONGEST_CONTROL, LONGEST_HEAD, Opcode, RSV1, push_head};
use crate::ws::message::Message;
use crate::ws::prepared::Prepared;
use crate::ws::state::{State, Transition};
use bytes::Bytes;
use std::fmt;

pub(crate) struct Sending {
    state: State,
    /// Whether a fragmented message of ours has begun and not ended.
    inside_message: bool,
    /// Neither masked nor compressed: a payload is sent as it is.
    plain: bool,
    /// A client's.
    keys: Option<KeySource>,
    deflating: Option<Box<Deflating>>,
    pending: Option<Box<Pending>>,
}

/// What the peer is owed.
#[derive(Debug, Default)]
struct Pending {
    /// The payloads of pongs, one behind the other, each behind its length.
    pongs: Vec<u8>,
    count: usize,
    /// Where the newest pong begins.
    newest: usize,
    /// The payload of a Close.
    close: Option<Vec<u8>>,
}

impl Sending {
    pub(crate) fn new(keys: Option<KeySource>, deflate: Option<&Agreed>) -> Self {
        Self {
            state: State::default(),
            inside_message: false,
            plain: keys.is_none() && deflate.is_none(),
            keys,
            deflating: deflate.map(|agreed| Box::new(Deflating::new(agreed))),
            pending: None,
        }
    }

    #[inline]
    pub(crate) const fn state(&self) -> State {
        self.state
    }

    /// The octets that are held between messages.
    pub(crate) fn held(&self) -> usize {
        self.deflating
            .as_ref()
            .map_or(0, |deflating| deflating.held())
    }

    /// Whether messages may be sent that were compressed by themselves, with this window.
    pub(crate) fn takes_deflated(&self, window_bits: u8) -> bool {
        (self.deflating.as_ref()).is_some_and(|deflating| deflating.takes(window_bits))
    }

    #[inline]
    pub(crate) const fn has_pending(&self) -> bool {
        self.pending.is_some()
    }

    #[inline]
    pub(crate) fn message(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut Out,
    ) -> Result<(), SendError> {
        self.begin_data(out)?;
        if self.plain
            && let Ok(len) = u16::try_from(payload.len())
        {
            // Nearly everything that a server sends: a head of two octets or four, and the payload as it is.
            let octets = out.inline();
            let [high, low] = len.to_be_bytes();
            if len <= LONGEST_CONTROL.into() {
                octets.extend_from_slice(&[opcode as u8 | FIN, low]);
            } else {
                octets.extend_from_slice(&[opcode as u8 | FIN, 126, high, low]);
            }
            octets.extend_from_slice(payload);
            return Ok(());
        }
        self.long_message(opcode, payload, out);
        Ok(())
    }

    #[inline(never)]
    fn long_message(&mut self, opcode: Opcode, payload: &[u8], out: &mut Out) {
        if !self.deflated(opcode, payload, out) {
            self.frame(opcode as u8 | FIN, payload, out);
        }
    }

    pub(crate) fn send(&mut self, message: Message, out: &mut Out) -> Result<(), SendError> {
        match message {
            Message::Text(text) => self.shared(Opcode::Text, text.into_bytes(), out),
            Message::Binary(octets) => self.shared(Opcode::Binary, octets, out),
            Message::Ping(payload) => self.control(Opcode::Ping, &payload, out),
            Message::Pong(payload) => self.control(Opcode::Pong, &payload, out),
            Message::Close(close) => self.close(close.as_ref(), out),
        }
    }

    pub(crate) fn shared(
        &mut self,
        opcode: Opcode,
        payload: Bytes,
        out: &mut Out,
    ) -> Result<(), SendError> {
        if payload.len() < SHARED_FROM || self.keys.is_some() || self.deflating.is_some() {
            return self.message(opcode, &payload, out);
        }
        self.begin_data(out)?;
        push_head(out.inline(), opcode as u8 | FIN, payload.len() as u64, None);
        out.push(payload);
        Ok(())
    }

    pub(crate) fn prepared(&mut self, message: &Prepared, out: &mut Out) -> Result<(), SendError> {
        self.begin_data(out)?;
        if self.keys.is_some() {
            // A client masks each frame anew, so nothing can be shared.
            return self.message(message.opcode(), message.payload(), out);
        }
        let frame = match (&self.deflating, message.shared_compressed()) {
            (Some(deflating), Some((bits, frame))) if deflating.takes(*bits) => frame,
            _ => message.shared(),
        };
        out.push(frame.clone());
        Ok(())
    }

    pub(crate) fn fragment(
        &mut self,
        text: bool,
        part: &[u8],
        last: bool,
        out: &mut Out,
    ) -> Result<(), SendError> {
        if !self.state.is_open() {
            return Err(SendError::Closing);
        }
        let opcode = match (self.inside_message, text) {
            (true, _) => Opcode::Continuation,
            (false, true) => Opcode::Text,
            (false, false) => Opcode::Binary,
        };
        self.inside_message = !last;
        self.frame(opcode as u8 | if last { FIN } else { 0 }, part, out);
        Ok(())
    }

    pub(crate) fn control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut Out,
    ) -> Result<(), SendError> {
        if !self.state.is_open() {
            return Err(SendError::Closing);
        }
        if payload.len() > LONGEST_CONTROL.into() {
            return Err(SendError::TooLong);
        }
        self.frame(opcode as u8 | FIN, payload, out);
        Ok(())
    }

    pub(crate) fn close(
        &mut self,
        close: Option<&CloseFrame>,
        out: &mut Out,
    ) -> Result<(), SendError> {
        if close.is_some_and(|close| close.reason.len() > LONGEST_REASON) {
            return Err(SendError::TooLong);
        }
        self.state
            .apply(Transition::SendClose)
            .map_err(|_| SendError::Closing)?;
        // Nothing is owed any more: pongs come before a Close or not at all.
        self.pending = None;
        let payload = close.map(close_payload).unwrap_or_default();
        self.frame(Opcode::Close as u8 | FIN, &payload, out);
        Ok(())
    }

    /// A ping came. Answered are the first of those that wait and the newest (RFC 6455 §5.5.3), so that a
    /// flood costs no more than that.
    pub(crate) fn owe_pong(&mut self, payload: &[u8]) {
        if !self.state.is_open() {
            return;
        }
        let pending = self.pending.get_or_insert_default();
        if pending.count == MOST_PONGS {
            pending.pongs.truncate(pending.newest);
        } else {
            pending.count += 1;
        }
        pending.newest = pending.pongs.len();
        pending
            .pongs
            .push(u8::try_from(payload.len()).unwrap_or(LONGEST_CONTROL));
        pending.pongs.extend_from_slice(payload);
    }

    /// The peer's Close came; RFC 6455 §5.5.1: the answer echoes the code.
    pub(crate) fn owe_close(&mut self, close: Option<&CloseFrame>) {
        let open = self.state.is_open();
        let _ = self.state.apply(Transition::ReceiveClose);
        if open {
            let code = close.map(|close| close.code.get().to_be_bytes().to_vec());
            self.pending.get_or_insert_default().close = Some(code.unwrap_or_default());
        }
    }

    /// Fails the connection (RFC 6455 §7.1.7): a Close says why, unless one was sent before. Pings that
    /// came before the fault are answered before it, so that what is sent does not depend on the reads.
    pub(crate) fn fail(&mut self, error: Error) {
        let open = self.state.is_open();
        let _ = self.state.apply(Transition::Fail);
        if open {
            let close = CloseFrame::new(error.close_code(), error.reason());
            self.pending.get_or_insert_default().close = Some(close_payload(&close));
        }
    }

    pub(crate) fn gone(&mut self) {
        let _ = self.state.apply(Transition::Gone);
        self.pending = None;
    }

    pub(crate) fn pending(&mut self, out: &mut Out) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let mut pongs = &pending.pongs[..];
        while let Some((len, rest)) = pongs.split_first() {
            let (payload, rest) = rest.split_at(usize::from(*len).min(rest.len()));
            self.frame(Opcode::Pong as u8 | FIN, payload, out);
            pongs = rest;
        }
        if let Some(close) = &pending.close {
            let _ = self.state.apply(Transition::SendClose);
            self.frame(Opcode::Close as u8 | FIN, close, out);
        }
    }

    /// Whether a message may begin. Pongs that are owed go before it: whoever sent a ping inside a message
    /// shall not wait for the answer to that message.
    #[inline]
    fn begin_data(&mut self, out: &mut Out) -> Result<(), SendError> {
        if !self.state.is_open() {
            return Err(SendError::Closing);
        }
        if self.inside_message {
            return Err(SendError::OutOfOrder);
        }
        if self.pending.is_some() {
            self.pending(out);
        }
        Ok(())
    }

    fn frame(&mut self, first: u8, payload: &[u8], out: &mut Out) {
        let octets = out.inline();
        octets.reserve(payload.len() + LONGEST_HEAD);
        let key = self.keys.as_mut().map(|keys| keys());
        push_head(octets, first, payload.len() as u64, key);
        let start = octets.len();
        octets.extend_from_slice(payload);
        if let Some(key) = key {
            key.apply(&mut octets[start..]);
        }
    }

    /// Sends the message compressed, if that is worth it.
    fn deflated(&mut self, opcode: Opcode, payload: &[u8], out: &mut Out) -> bool {
        let Some(deflating) = &mut self.deflating else {
            return false;
        };
        let mut coded = Vec::new();
        let worth = deflating.message(payload, &mut coded);
        if worth {
            self.frame(opcode as u8 | FIN | RSV1, &coded, out);
        }
        worth
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("state", &self.state)
            .field("inside_message", &self.inside_message)
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

fn close_payload(close: &CloseFrame) -> Vec<u8> {
    [&close.code.get().to_be_bytes()[..], close.reason.as_ref()].concat()
}

/// How many pings that came before anything could be written are all answered.
const MOST_PONGS: usize = 16;
