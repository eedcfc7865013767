//! The sending side, for whoever is lent what was received.

use crate::wire::out::Out;
use crate::ws::close::CloseFrame;
use crate::ws::connection::Lent;
use crate::ws::connection::send::Sending;
use crate::ws::error::{Error, SendError};
use crate::ws::frame::Opcode;
use crate::ws::message::Message;
use crate::ws::prepared::Prepared;
use crate::ws::utf8;
use bytes::Bytes;
use std::ops::ControlFlow;

/// The sending side, while something is lent.
///
/// ```
/// use bytes::BytesMut;
/// use std::ops::ControlFlow;
/// use wireline::ws::connection::{Connection, Lent};
/// use wireline::ws::{limits::Limits, out::Out};
///
/// let mut buf = BytesMut::from(&b"\x81\x82\0\0\0\0Hi"[..]);
/// let (mut connection, mut out) = (Connection::server(None), Out::default());
/// let flow = connection.receive_each(&mut buf, &mut out, &Limits::default(), |lent, replies| {
///     match lent {
///         // The answer is behind what waits before the next message is looked at.
///         Lent::Text(text) if replies.text(text).is_err() => ControlFlow::Break(()),
///         _ => ControlFlow::Continue(()),
///     }
/// });
/// assert!(flow.unwrap().is_continue());
/// assert_eq!(out.to_vec(), b"\x81\x02Hi");
/// ```
#[derive(Debug)]
pub struct Replies<'a> {
    pub(super) sending: &'a mut Sending,
    pub(super) out: &'a mut Out,
    /// The payload that is lent, when it is large: an answer that is a part of it is not copied.
    pub(super) lent: Option<&'a Bytes>,
}

impl Replies<'_> {
    /// Lends a large message, whose octets may be sent on as they are.
    pub(super) fn lend_large<F>(
        &mut self,
        text: bool,
        payload: &Bytes,
        f: &mut F,
    ) -> Result<ControlFlow<()>, Error>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        let replies = &mut Replies {
            sending: &mut *self.sending,
            out: &mut *self.out,
            lent: Some(payload),
        };
        Ok(if text {
            let text = utf8::text(payload).map_err(|_| Error::Utf8)?;
            f(Lent::Text(text), replies)
        } else {
            f(Lent::Binary(payload), replies)
        })
    }

    /// As [`Connection::send_text`](crate::ws::connection::Connection::send_text).
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing was sent.
    #[inline]
    pub fn text(&mut self, text: &str) -> Result<(), SendError> {
        self.data(Opcode::Text, text.as_bytes())
    }

    /// As [`Connection::send_binary`](crate::ws::connection::Connection::send_binary).
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing was sent.
    #[inline]
    pub fn binary(&mut self, octets: &[u8]) -> Result<(), SendError> {
        self.data(Opcode::Binary, octets)
    }

    #[inline]
    fn data(&mut self, opcode: Opcode, octets: &[u8]) -> Result<(), SendError> {
        if octets.len() < REPLY_SHARED_FROM {
            self.sending.message(opcode, octets, self.out)
        } else {
            self.large(opcode, octets)
        }
    }

    #[inline(never)]
    fn large(&mut self, opcode: Opcode, octets: &[u8]) -> Result<(), SendError> {
        let range = octets.as_ptr_range();
        if let Some(lent) = self.lent
            && lent.as_ptr_range().contains(&range.start)
            && range.end <= lent.as_ptr_range().end
        {
            let part = lent.slice_ref(octets);
            return self.sending.shared(opcode, part, self.out);
        }
        self.sending.message(opcode, octets, self.out)
    }

    /// As [`Connection::send`](crate::ws::connection::Connection::send).
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing was sent.
    pub fn send(&mut self, message: Message) -> Result<(), SendError> {
        self.sending.send(message, self.out)
    }

    /// As [`Connection::send_prepared`](crate::ws::connection::Connection::send_prepared).
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing was sent.
    pub fn prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        self.sending.prepared(message, self.out)
    }

    /// As [`Connection::send_close`](crate::ws::connection::Connection::send_close).
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing was sent.
    pub fn close(&mut self, close: Option<&CloseFrame>) -> Result<(), SendError> {
        self.sending.close(close, self.out)
    }

    /// The octets that wait to be written.
    #[inline]
    pub fn waiting(&self) -> usize {
        self.out.len()
    }
}

/// From this size on a payload that was lent is shared with the answer that repeats it.
pub(super) const REPLY_SHARED_FROM: usize = 16 * 1024;

/// How many times its own size a shared payload may pin until the answer is written: room for the smallest in a
/// wide read buffer.
pub(super) const PINNED: usize = 5;
