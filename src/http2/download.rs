//! The content of a response on its way to its stream.
//!
//! h2 gets no more than the windows let pass and its buffers may hold, so a client that stops reading stops
//! whoever makes the content.

use crate::http2::exchange::Turn;
use crate::http2::response;
use crate::resource::counters::Counter;
use crate::resource::panic::guarded;
use crate::service::body::Body;
use crate::service::feed::Fed;
use crate::service::link::config::Config;
use crate::service::link::flow::Flow;
use bytes::Bytes;
use h2::{Reason, SendStream};
use std::task::{Context, Poll};

/// The response's half of a stream.
pub(super) struct Download {
    send: SendStream<Bytes>,
    body: Body,
    /// What of the body waits for a window.
    chunk: Bytes,
    /// Nothing comes after that.
    is_last: bool,
    /// The octets that were announced and have not been sent.
    left: Option<u64>,
    output: Flow,
}

/// Why nothing more is sent now.
pub(super) enum Sent {
    /// The end was sent, or the stream has been reset by us.
    Ended,
    /// The client has reset the stream, or has gone.
    Cancelled,
    /// The content is not made yet; the stream is watched.
    Body,
    /// A window is closed.
    Window,
    /// A window is closed, and others have much that waits for theirs.
    Behind,
    /// Enough waits for the socket.
    Full,
}

impl Download {
    pub(super) fn new(send: SendStream<Bytes>, body: Body, length: Option<u64>) -> Self {
        Self {
            send,
            body,
            chunk: Bytes::new(),
            is_last: false,
            left: length,
            output: Flow::default(),
        }
    }

    /// Content that is here.
    pub(super) fn whole(send: SendStream<Bytes>, content: Bytes) -> Self {
        Self {
            chunk: content,
            is_last: true,
            ..Self::new(send, Body::empty(), None)
        }
    }

    /// Sends until something has to be waited for.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, turn: &Turn<'_>) -> Sent {
        loop {
            if self.chunk.is_empty() {
                // Behind the last octet comes nothing that needs a window.
                if turn.is_full_of(turn.pulled.get())
                    && self.left != Some(0)
                    && !self.has_window(cx, turn)
                {
                    return Sent::Behind;
                }
                let piece = match guarded(|| self.body.poll_piece(cx)) {
                    Ok(Poll::Ready(piece)) => piece,
                    Ok(Poll::Pending) => {
                        return if self.send.poll_reset(cx).is_ready() {
                            Sent::Cancelled
                        } else {
                            Sent::Body
                        };
                    }
                    Err(payload) => {
                        turn.link.count_panic(payload);
                        return self.fail(turn);
                    }
                };
                match piece {
                    Some(Ok(Fed::Chunk(chunk))) => {
                        if let Some(left) = &mut self.left {
                            match left.checked_sub(chunk.len() as u64) {
                                Some(rest) => *left = rest,
                                None => return self.fail(turn),
                            }
                        }
                        self.chunk = chunk;
                    }
                    Some(Ok(Fed::Trailers(trailers))) if self.is_whole() => {
                        let _ = self.send.send_trailers(response::trailers(trailers));
                        return Sent::Ended;
                    }
                    None if self.is_whole() => {
                        let _ = self.send.send_data(Bytes::new(), true);
                        return Sent::Ended;
                    }
                    _ => return self.fail(turn),
                }
                continue;
            }
            let mut room = self.send.capacity();
            if room == 0 {
                self.send.reserve_capacity(self.chunk.len());
                room = self.send.capacity();
            }
            if room == 0 {
                return match self.send.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(_))) => continue,
                    Poll::Ready(_) => Sent::Cancelled,
                    Poll::Pending => {
                        self.output.wait(turn.now());
                        Sent::Window
                    }
                };
            }
            let room = room.min(turn.room.get());
            if room == 0 {
                return Sent::Full;
            }
            let piece = self.chunk.split_to(room.min(self.chunk.len()));
            let ends = self.is_last && self.chunk.is_empty();
            let len = piece.len();
            if self.send.send_data(piece, ends).is_err() {
                return Sent::Cancelled;
            }
            turn.sent(len);
            self.output.moved(len, turn.now());
            if ends {
                return Sent::Ended;
            }
            if !self.chunk.is_empty() {
                self.send.reserve_capacity(self.chunk.len());
            }
        }
    }

    /// Whether a window is open far enough for another piece, where much waits for windows already; else it is
    /// waited for.
    fn has_window(&mut self, cx: &mut Context<'_>, turn: &Turn<'_>) -> bool {
        self.send.reserve_capacity(ENOUGH);
        while self.send.capacity() < ENOUGH {
            match self.send.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                // What has become of the stream is seen when it sends.
                Poll::Ready(_) => return true,
                Poll::Pending => {
                    self.output.wait(turn.now());
                    return false;
                }
            }
        }
        true
    }

    /// Whether the client takes content too slowly, or not at all.
    pub(super) fn is_overdue(&self, now: u32, config: &Config) -> bool {
        let output = &self.output;
        output.is_stalled(now, config.write_timeout)
            || (output.since != 0 && output.is_slow(output.waited, config))
    }

    /// Gives the stream up.
    pub(super) fn reset(&mut self, reason: Reason) {
        self.send.send_reset(reason);
    }

    pub(super) const fn held(&self) -> usize {
        self.chunk.len()
    }

    fn is_whole(&self) -> bool {
        self.left.is_none_or(|left| left == 0)
    }

    /// A response that was begun cannot be ended: the client must see it cut short.
    fn fail(&mut self, turn: &Turn<'_>) -> Sent {
        turn.count(Counter::InvalidResponses);
        self.reset(Reason::INTERNAL_ERROR);
        Sent::Ended
    }
}

/// The window in which a piece is worth having while others wait for theirs.
const ENOUGH: usize = 1024;
