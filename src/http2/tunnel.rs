//! A stream as a transport: what CONNECT opens (RFC 9113 §8.5, RFC 8441).

use crate::http2::wire::Wire;
use crate::resource::io::Transport;
use bytes::{Buf, Bytes, BytesMut};
use h2::{FlowControl, Reason, RecvStream, SendStream};
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

/// Both halves of a stream. It holds one piece of what came; the client's window opens as that is read. It
/// writes no more than the windows let pass and than may wait for the socket, as every other stream of its
/// connection, so a client that stops reading stops the writer.
pub(super) struct Tunnel {
    send: SendStream<Bytes>,
    /// Taken by the drop alone.
    recv: Option<RecvStream>,
    came: Bytes,
    is_ended: bool,
    is_shut: bool,
    rest: Rest,
    wire: Wire,
    /// Octets of all streams together that may wait for the socket.
    most: usize,
}

/// The client's half of a tunnel that has ended in order, while the client has not ended it.
#[derive(Clone, Default)]
pub(super) struct Rest(Arc<Mutex<Option<RecvStream>>>);

impl Rest {
    pub(super) fn take(&self) -> Option<RecvStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn leave(&self, recv: Option<RecvStream>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = recv;
    }
}

impl Tunnel {
    pub(super) fn new(
        send: SendStream<Bytes>,
        recv: RecvStream,
        rest: Rest,
        wire: Wire,
        most: usize,
    ) -> Self {
        Self {
            send,
            recv: Some(recv),
            came: Bytes::new(),
            is_ended: false,
            is_shut: false,
            rest,
            wire,
            most,
        }
    }

    /// Tells how much was received and not read.
    pub(super) fn flow(&mut self) -> Option<FlowControl> {
        (self.recv.as_mut()).map(|recv| recv.flow_control().clone())
    }

    /// Waits until a piece is here, or the end.
    fn poll_came(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.came.is_empty()
            && !self.is_ended
            && let Some(recv) = &mut self.recv
        {
            match ready!(recv.poll_data(cx)) {
                Some(Ok(data)) => self.came = data,
                Some(Err(error)) => return Poll::Ready(Err(into_io(&error))),
                None => match ready!(recv.poll_trailers(cx)) {
                    Ok(None) => self.is_ended = true,
                    // RFC 9113 §8.5: in a tunnel there is nothing but DATA.
                    Ok(Some(_)) => {
                        self.send.send_reset(Reason::PROTOCOL_ERROR);
                        return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                    }
                    Err(error) => return Poll::Ready(Err(into_io(&error))),
                },
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Transport for Tunnel {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_came(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        ready!(self.poll_came(cx))?;
        let mut read = 0;
        while !self.came.is_empty() && buf.capacity() > buf.len() {
            let len = self.came.len().min(buf.capacity() - buf.len());
            buf.extend_from_slice(&self.came[..len]);
            self.came.advance(len);
            read += len;
            if self.came.is_empty() && self.poll_came(cx)?.is_pending() {
                break;
            }
        }
        if self.came.is_empty() {
            // A piece is a slice of what was read for all streams.
            self.came = Bytes::new();
        }
        if let Some(recv) = &mut self.recv {
            // It fails only for more than was received.
            let _ = recv.flow_control().release_capacity(read);
        }
        Poll::Ready(Ok(read))
    }

    fn poll_writev(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted: usize = bufs.iter().map(|buf| buf.len()).sum();
        let mut room = self.send.capacity();
        while room == 0 {
            self.send.reserve_capacity(wanted.min(LARGEST_WRITE));
            room = self.send.capacity();
            if room == 0 {
                match ready!(self.send.poll_capacity(cx)) {
                    Some(Ok(capacity)) => room = capacity,
                    Some(Err(error)) => return Poll::Ready(Err(into_io(&error))),
                    None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                }
            }
        }
        let len = room.min(wanted).min(LARGEST_WRITE);
        let len = ready!(self.wire.poll_room(cx, len, self.most));
        let mut piece = BytesMut::with_capacity(len);
        for buf in bufs {
            let part = (len - piece.len()).min(buf.len());
            piece.extend_from_slice(&buf[..part]);
        }
        match self.send.send_data(piece.freeze(), false) {
            Ok(()) => Poll::Ready(Ok(len)),
            Err(error) => {
                self.wire.give_room(len);
                Poll::Ready(Err(into_io(&error)))
            }
        }
    }

    /// The connection sends what its streams were given.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_shut, true) {
            // A stream that was reset has nothing more to end.
            let _ = self.send.send_data(Bytes::new(), true);
        }
        Poll::Ready(Ok(()))
    }

    fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        self.send.poll_reset(cx).is_ready()
    }

    fn held(&self) -> usize {
        self.came.len()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if self.is_shut && !self.is_ended {
            self.rest.leave(self.recv.take());
        }
    }
}

fn into_io(error: &h2::Error) -> io::Error {
    match error.reason() {
        // RFC 8441 §5: CANCEL stands for a TCP reset.
        Some(Reason::CANCEL) => io::ErrorKind::ConnectionReset.into(),
        _ if error.is_io() => io::ErrorKind::ConnectionReset.into(),
        _ => io::Error::new(io::ErrorKind::ConnectionReset, error.to_string()),
    }
}

/// What one write hands over at most.
const LARGEST_WRITE: usize = 64 * 1024;
