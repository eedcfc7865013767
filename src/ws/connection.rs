//! One WebSocket connection without its socket: octets in, events out; values in, octets out.

mod receive;
mod replies;
mod send;
mod small;

use crate::wire::out::Out;
use crate::ws::close::CloseFrame;
use crate::ws::connection::receive::{Raw, Receiving};
use crate::ws::connection::replies::{PINNED, REPLY_SHARED_FROM};
use crate::ws::connection::send::Sending;
use crate::ws::connection::small::Small;
use crate::ws::deflate::Agreed;
use crate::ws::error::{Error, SendError};
use crate::ws::frame::Opcode;
use crate::ws::limits::Limits;
use crate::ws::mask::MaskingKey;
use crate::ws::message::{Fragment, Message, SLICED_FROM, Text};
use crate::ws::prepared::Prepared;
use crate::ws::state::State;
use crate::ws::utf8::{self, Aligned};
use bytes::{Buf, Bytes, BytesMut};
use std::ops::ControlFlow;

pub use replies::Replies;

/// Where a client's masking keys come from: a source that nobody can predict (RFC 6455 §5.3).
pub type KeySource = Box<dyn FnMut() -> MaskingKey + Send>;

/// What was received.
///
/// ```
/// use bytes::BytesMut;
/// use wireline::ws::connection::{Connection, Event};
/// use wireline::ws::limits::Limits;
///
/// // One message in two fragments, each with a masking key of zeros.
/// let mut buf = BytesMut::from(&b"\x01\x82\0\0\0\0He\x80\x83\0\0\0\0llo"[..]);
/// let (mut connection, mut text) = (Connection::server(None).with_fragments(), Vec::new());
/// while let Some(Event::Fragment(part)) = connection.receive(&mut buf, &Limits::default()).unwrap() {
///     text.extend_from_slice(&part.data);
/// }
/// assert_eq!(text, b"Hello");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message, or a control frame, which is answered by [`Connection::send_pending`].
    Message(Message),
    /// A part of a message, when parts are asked for and the message did not come in one piece.
    Fragment(Fragment),
}

/// What was received, lent from the read buffer.
///
/// ```
/// use bytes::BytesMut;
/// use std::ops::ControlFlow;
/// use wireline::ws::connection::{Connection, Lent};
/// use wireline::ws::{limits::Limits, out::Out};
///
/// let mut buf = BytesMut::from(&b"\x82\x82\0\0\0\0\x01\x02\x82\x81\0\0\0\0\x03"[..]);
/// let (mut connection, mut out, mut octets) = (Connection::server(None), Out::default(), 0);
/// let flow = connection.receive_each(&mut buf, &mut out, &Limits::default(), |lent, _| {
///     if let Lent::Binary(payload) = lent {
///         octets += payload.len();
///     }
///     ControlFlow::Continue(())
/// });
/// assert!(flow.unwrap().is_continue());
/// assert_eq!(octets, 3);
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum Lent<'a> {
    /// Text.
    Text(&'a str),
    /// Octets.
    Binary(&'a [u8]),
    /// A ping.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// A Close.
    Close(Option<CloseFrame>),
    /// A part of a message, as [`Event::Fragment`].
    Fragment(Fragment),
}

/// The sans-I/O core of one connection, in either role.
///
/// It does not read, write, wait, draw lots or know the time. Feed [`receive`](Self::receive) or
/// [`receive_each`](Self::receive_each) with a buffer, send with the `send_*` methods, and after each batch
/// let [`send_pending`](Self::send_pending) answer pings and Close frames. A buffer belongs to its
/// connection until it is empty: its front may have been unmasked already.
///
/// ```
/// use bytes::BytesMut;
/// use wireline::ws::connection::{Connection, Event};
/// use wireline::ws::{limits::Limits, message::Message, out::Out};
///
/// let (mut connection, limits) = (Connection::server(None), Limits::default());
/// let mut buf = BytesMut::from(&b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..]);
/// let event = connection.receive(&mut buf, &limits).unwrap();
/// assert_eq!(event, Some(Event::Message(Message::from("Hello"))));
///
/// let mut out = Out::default();
/// connection.send_text("Hello", &mut out).unwrap();
/// assert_eq!(out.to_vec(), b"\x81\x05Hello");
/// ```
#[derive(Debug)]
pub struct Connection {
    receiving: Receiving,
    sending: Sending,
}

impl Connection {
    /// The server's side, with the extension if it was agreed on.
    pub fn server(deflate: Option<&Agreed>) -> Self {
        Self::new(None, deflate)
    }

    /// The client's side, with the extension if it was agreed on.
    pub fn client(keys: KeySource, deflate: Option<&Agreed>) -> Self {
        Self::new(Some(keys), deflate)
    }

    fn new(keys: Option<KeySource>, deflate: Option<&Agreed>) -> Self {
        Self {
            receiving: Receiving::new(keys.is_none(), deflate),
            sending: Sending::new(keys, deflate),
        }
    }

    /// Hands on the parts of a message that does not come in one piece, as they come, in place of the
    /// message. The limit of a message then bounds what goes through, not what is held.
    #[must_use]
    pub const fn with_fragments(mut self) -> Self {
        self.receiving.stream();
        self
    }

    /// Where the connection stands.
    #[inline]
    pub const fn state(&self) -> State {
        self.sending.state()
    }

    /// Whether there is nothing more to receive and nothing more to send: the transport may be closed.
    pub const fn is_over(&self) -> bool {
        matches!(self.state(), State::Closed { .. }) && !self.sending.has_pending()
    }

    /// Whether a frame or a message has begun and not ended.
    pub const fn is_inside_message(&self) -> bool {
        self.receiving.is_inside_message()
    }

    /// How many octets the present frame still wants, given what is in the buffer; 0 between frames. For
    /// whoever makes room for the next read, who must not take a peer's word for more than he has seen.
    pub fn wants(&self, buf: &BytesMut) -> usize {
        self.receiving.wants(buf.len())
    }

    /// Reads no further than so many parts of messages at once: then it asks for more octets, though there are
    /// some, until [`take_crumbs`](Self::take_crumbs) was called.
    pub(crate) const fn pause_after(&mut self, crumbs: u16) {
        self.receiving.pause_after(crumbs);
    }

    /// How many parts of messages have come since this was last asked.
    #[inline]
    pub(crate) fn take_crumbs(&mut self) -> usize {
        self.receiving.take_crumbs()
    }

    /// The octets that the connection itself holds, for the byte budget: of a message that has not ended,
    /// and the contexts of permessage-deflate.
    pub fn held(&self) -> usize {
        self.receiving.held() + self.sending.held()
    }

    /// Whether frames may be sent that were compressed by themselves, with a window of this power of two.
    #[allow(dead_code, reason = "sessions of Socket.IO alone need it")]
    pub(crate) fn takes_deflated(&self, window_bits: u8) -> bool {
        self.sending.takes_deflated(window_bits)
    }

    /// Whether [`held`](Self::held) is 0.
    #[inline]
    pub(crate) const fn holds_nothing(&self) -> bool {
        self.receiving.holds_nothing() && self.sending.holds_nothing()
    }

    /// Tells the time, in milliseconds since any moment that stays the same. Control frames are limited by
    /// it; call it before each batch.
    #[inline]
    pub const fn set_time(&mut self, millis: u64) {
        self.receiving.set_time(millis);
    }

    /// Reads on. `Ok(None)` asks for more octets, or, when the peer has closed, for nothing: what follows
    /// a Close is thrown away.
    ///
    /// Payloads of 512 octets and more are slices of the buffer, smaller ones are copied, because one kept
    /// slice pins the whole block.
    ///
    /// # Errors
    ///
    /// The connection is failed. A Close that says why waits for [`send_pending`](Self::send_pending).
    pub fn receive(&mut self, buf: &mut BytesMut, limits: &Limits) -> Result<Option<Event>, Error> {
        let result = self.receive_owned(buf, limits);
        if let Err(error) = result {
            self.sending.fail(error);
            buf.clear();
        }
        result
    }

    fn receive_owned(
        &mut self,
        buf: &mut BytesMut,
        limits: &Limits,
    ) -> Result<Option<Event>, Error> {
        if self.receiving.takes_small()
            && self.sending.state().is_receiving()
            && let Some(small) =
                Small::read(buf, self.receiving.longest_small(limits, SLICED_FROM - 1))
        {
            small.key.apply(small.payload);
            let payload = Bytes::copy_from_slice(small.payload);
            let (text, len) = (small.text, small.len);
            buf.advance(len);
            let message = if text {
                Message::Text(Text::try_from(payload)?)
            } else {
                Message::Binary(payload)
            };
            return Ok(Some(Event::Message(message)));
        }
        let Some(raw) = self.receiving.next(buf, &mut self.sending, limits)? else {
            return Ok(None);
        };
        Ok(Some(Event::Message(match raw {
            Raw::Data { text: true, len } => Message::Text(if len < SLICED_FROM {
                let text = Text::from(utf8::text(&buf[..len]).map_err(|_| Error::Utf8)?);
                buf.advance(len);
                text
            } else {
                Text::try_from(buf.split_to(len).freeze())?
            }),
            Raw::Data { text: false, len } => Message::Binary(take(buf, len)),
            Raw::Ping(len) => Message::Ping(take(buf, len)),
            Raw::Pong(len) => Message::Pong(take(buf, len)),
            Raw::Close(close) => Message::Close(close),
            Raw::Assembled { text: true, data } => Message::Text(Text::try_from(data.freeze())?),
            Raw::Assembled { text: false, data } => Message::Binary(data.freeze()),
            Raw::Fragment(fragment) => return Ok(Some(Event::Fragment(fragment))),
        })))
    }

    /// Lends everything that the buffer holds to `f`, which may answer at once; stops when `f` breaks, and
    /// goes on from there when called again. Nothing is copied and nothing allocated for a message that
    /// came in one frame: this is the fastest way.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive). What came before the fault has been lent.
    pub fn receive_each<F>(
        &mut self,
        buf: &mut BytesMut,
        out: &mut Out,
        limits: &Limits,
        mut f: F,
    ) -> Result<ControlFlow<()>, Error>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        let result = self.lend(buf, out, limits, &mut f);
        if let Err(error) = result {
            self.sending.fail(error);
            buf.clear();
        }
        result
    }

    fn lend<F>(
        &mut self,
        buf: &mut BytesMut,
        out: &mut Out,
        limits: &Limits,
        f: &mut F,
    ) -> Result<ControlFlow<()>, Error>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        loop {
            let mut taken = Taken {
                buf: &mut *buf,
                len: 0,
            };
            let flow = self.lend_small(taken.buf, &mut taken.len, out, limits, f)?;
            drop(taken);
            if flow.is_break() {
                return Ok(flow);
            }
            if buf.is_empty() {
                return Ok(ControlFlow::Continue(()));
            }
            let Some(raw) = self.receiving.next(buf, &mut self.sending, limits)? else {
                return Ok(ControlFlow::Continue(()));
            };
            let replies = &mut Replies {
                sending: &mut self.sending,
                out,
                lent: None,
            };
            let mut taken = Taken {
                buf: &mut *buf,
                len: 0,
            };
            let flow = match raw {
                Raw::Data { text, len }
                    if len >= REPLY_SHARED_FROM && taken.buf.capacity() <= PINNED * len =>
                {
                    let payload = taken.buf.split_to(len).freeze();
                    replies.lend_large(text, &payload, f)?
                }
                Raw::Data { text: true, len } => {
                    let text = utf8::text(taken.front(len)).map_err(|_| Error::Utf8)?;
                    f(Lent::Text(text), replies)
                }
                Raw::Data { text: false, len } => f(Lent::Binary(taken.front(len)), replies),
                Raw::Ping(len) => f(Lent::Ping(taken.front(len)), replies),
                Raw::Pong(len) => f(Lent::Pong(taken.front(len)), replies),
                Raw::Close(close) => f(Lent::Close(close), replies),
                Raw::Assembled { text, data } => replies.lend_large(text, &data.freeze(), f)?,
                Raw::Fragment(fragment) => f(Lent::Fragment(fragment), replies),
            };
            drop(taken);
            if flow.is_break() {
                return Ok(flow);
            }
        }
    }

    /// Lends what was received before.
    pub(crate) fn lend_event<F>(&mut self, event: Event, out: &mut Out, mut f: F) -> ControlFlow<()>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        let replies = &mut Replies {
            sending: &mut self.sending,
            out,
            lent: None,
        };
        match event {
            Event::Message(Message::Text(text)) => f(Lent::Text(&text), replies),
            Event::Message(Message::Binary(octets)) => f(Lent::Binary(&octets), replies),
            Event::Message(Message::Ping(payload)) => f(Lent::Ping(&payload), replies),
            Event::Message(Message::Pong(payload)) => f(Lent::Pong(&payload), replies),
            Event::Message(Message::Close(close)) => f(Lent::Close(close), replies),
            Event::Fragment(part) => f(Lent::Fragment(part), replies),
        }
    }

    /// As [`receive_each`](Self::receive_each), of octets that are in no buffer: only while small messages stand at their front. `taken` says
    /// how many were taken, also when `f` panics.
    #[inline]
    pub(crate) fn receive_small<F>(
        &mut self,
        octets: &mut [u8],
        taken: &mut usize,
        out: &mut Out,
        limits: &Limits,
        mut f: F,
    ) -> Result<ControlFlow<()>, Error>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        let result = self.lend_small(octets, taken, out, limits, &mut f);
        if let Err(error) = result {
            self.sending.fail(error);
            *taken = octets.len();
        }
        result
    }

    /// Whether a message that may be small comes next.
    #[inline]
    pub(crate) const fn takes_small(&self) -> bool {
        self.receiving.takes_small()
    }

    /// Messages of a client that are not large in one frame each, which is nearly everything that a server reads: their
    /// heads need no more than a look.
    #[inline]
    fn lend_small<F>(
        &mut self,
        octets: &mut [u8],
        taken: &mut usize,
        out: &mut Out,
        limits: &Limits,
        f: &mut F,
    ) -> Result<ControlFlow<()>, Error>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        if !self.receiving.takes_small() || !self.sending.state().is_receiving() {
            return Ok(ControlFlow::Continue(()));
        }
        let longest = self.receiving.longest_small(limits, REPLY_SHARED_FROM - 1);
        let replies = &mut Replies {
            sending: &mut self.sending,
            out,
            lent: None,
        };
        loop {
            let rest = octets.get_mut(*taken..).unwrap_or_default();
            let Some(small) = Small::read(rest, longest) else {
                return Ok(ControlFlow::Continue(()));
            };
            *taken += small.len;
            let flow = if small.text {
                let mut aligned = Aligned::new();
                let text = if let Some(place) = aligned.place(small.payload) {
                    small.key.apply(place);
                    aligned.text(small.payload.len())
                } else {
                    small.key.apply(small.payload);
                    utf8::text(small.payload)
                };
                match text {
                    Ok(text) => f(Lent::Text(text), replies),
                    Err(_) => return Err(Error::Utf8),
                }
            } else {
                small.key.apply(small.payload);
                f(Lent::Binary(small.payload), replies)
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
    }

    /// The peer will send nothing more. The connection is over; it was clean if a Close went each way.
    pub fn receive_end(&mut self) {
        self.sending.gone();
    }

    /// Sends a text message.
    ///
    /// # Errors
    ///
    /// [`SendError`]; `out` is as it was.
    #[inline]
    pub fn send_text(&mut self, text: &str, out: &mut Out) -> Result<(), SendError> {
        self.sending.message(Opcode::Text, text.as_bytes(), out)
    }

    /// Sends a binary message.
    ///
    /// # Errors
    ///
    /// [`SendError`]; `out` is as it was.
    #[inline]
    pub fn send_binary(&mut self, octets: &[u8], out: &mut Out) -> Result<(), SendError> {
        self.sending.message(Opcode::Binary, octets, out)
    }

    /// Sends a message or a control frame; a large payload is not copied where it need not be masked.
    ///
    /// # Errors
    ///
    /// [`SendError`]; `out` is as it was.
    pub fn send(&mut self, message: Message, out: &mut Out) -> Result<(), SendError> {
        self.sending.send(message, out)
    }

    /// Sends a message that was framed before.
    ///
    /// # Errors
    ///
    /// [`SendError`]; `out` is as it was.
    pub fn send_prepared(&mut self, message: &Prepared, out: &mut Out) -> Result<(), SendError> {
        self.sending.prepared(message, out)
    }

    /// Sends a part of a message; the message ends with the one that says so. Control frames may come
    /// between, other messages may not. Whether a message is text counts in its first part.
    ///
    /// # Errors
    ///
    /// [`SendError`]; `out` is as it was.
    pub fn send_fragment(
        &mut self,
        text: bool,
        part: &[u8],
        last: bool,
        out: &mut Out,
    ) -> Result<(), SendError> {
        self.sending.fragment(text, part, last, out)
    }

    /// Sends a ping of at most 125 octets.
    ///
    /// # Errors
    ///
    /// [`SendError`]; `out` is as it was.
    pub fn send_ping(&mut self, payload: &[u8], out: &mut Out) -> Result<(), SendError> {
        self.sending.control(Opcode::Ping, payload, out)
    }

    /// Sends a pong of at most 125 octets that nobody asked for.
    ///
    /// # Errors
    ///
    /// [`SendError`]; `out` is as it was.
    pub fn send_pong(&mut self, payload: &[u8], out: &mut Out) -> Result<(), SendError> {
        self.sending.control(Opcode::Pong, payload, out)
    }

    /// Begins the closing handshake, or answers the peer's Close in its own words.
    ///
    /// # Errors
    ///
    /// [`SendError`]; `out` is as it was.
    pub fn send_close(
        &mut self,
        close: Option<&CloseFrame>,
        out: &mut Out,
    ) -> Result<(), SendError> {
        self.sending.close(close, out)
    }

    /// Whether pongs or a Close wait to be sent.
    #[inline]
    pub const fn has_pending(&self) -> bool {
        self.sending.has_pending()
    }

    /// Sends the pongs and the Close that the peer is owed. Call it after each batch, and not while `out`
    /// is full: of many pings that wait, the first ones and the newest are answered.
    #[inline]
    pub fn send_pending(&mut self, out: &mut Out) {
        if self.sending.has_pending() {
            self.sending.pending(out);
        }
    }
}

/// The front of a buffer, which is taken off even when the function that it is lent to panics: what follows
/// it is then still read from where it begins.
struct Taken<'a> {
    buf: &'a mut BytesMut,
    len: usize,
}

impl Taken<'_> {
    /// The first `len` octets.
    fn front(&mut self, len: usize) -> &[u8] {
        self.len = len;
        &self.buf[..len]
    }
}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.len == self.buf.len() {
            // Where the buffer began, it begins again.
            self.buf.clear();
        } else {
            self.buf.advance(self.len);
        }
    }
}

fn take(buf: &mut BytesMut, len: usize) -> Bytes {
    if len < SLICED_FROM {
        let copy = Bytes::copy_from_slice(&buf[..len]);
        buf.advance(len);
        copy
    } else {
        buf.split_to(len).freeze()
    }
}

#[cfg(test)]
mod tests;
