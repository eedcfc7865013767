//! A body that is decompressed while it is read.

use super::decoder::Decoder;
use crate::service::body::{Body, BodyError};
use crate::service::feed::{Fed, Feed};
use bytes::{Buf, Bytes};
use http_body::Frame;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Decompresses what comes from a body in slices, and no more than is asked for.
pub(super) struct Decoded {
    source: Body,
    decoder: Decoder,
    /// What was taken from the source and not decoded yet.
    pending: Bytes,
    /// The last slice filled its room: there may be more without more input.
    has_more: bool,
    /// A slice was given since the event loop last had its turn.
    has_given: bool,
    is_over: bool,
    /// By which the connection is charged for the decoder.
    charge: Option<Arc<Feed>>,
}

impl Decoded {
    pub(super) const fn new(source: Body, decoder: Decoder, charge: Option<Arc<Feed>>) -> Self {
        Self {
            source,
            decoder,
            pending: Bytes::new(),
            has_more: false,
            has_given: false,
            is_over: false,
            charge,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Fed, BodyError>>> {
        loop {
            if self.has_more || !self.pending.is_empty() {
                if self.has_given {
                    // Whoever else is on this thread comes first.
                    self.has_given = false;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let mut out = vec![0; SLICE];
                let step = self.decoder.decode(&self.pending, &mut out)?;
                self.pending.advance(step.taken);
                self.charge(self.decoder.held() + SLICE);
                self.has_more = step.given == SLICE && !step.ended;
                // One member may follow the other and give nothing.
                self.has_given = step.given > 0 || step.ended;
                if step.given > 0 {
                    out.truncate(step.given);
                    return Poll::Ready(Some(Ok(Fed::Chunk(out.into()))));
                }
                continue;
            }
            match ready!(self.source.poll_piece(cx)) {
                Some(Ok(Fed::Chunk(chunk))) => self.pending = chunk,
                Some(Ok(Fed::Trailers(trailers))) => {
                    self.decoder.finish()?;
                    return Poll::Ready(Some(Ok(Fed::Trailers(trailers))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    self.decoder.finish()?;
                    return Poll::Ready(None);
                }
            }
        }
    }
}

impl Decoded {
    fn charge(&self, octets: usize) {
        if let Some(charge) = &self.charge {
            charge.set_decoding(octets);
        }
    }
}

impl Drop for Decoded {
    fn drop(&mut self) {
        self.charge(0);
    }
}

impl http_body::Body for Decoded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let piece = ready!(self.poll(cx));
        if !matches!(piece, Some(Ok(_))) {
            self.is_over = true;
        }
        Poll::Ready(piece.map(|piece| {
            piece.map(|piece| match piece {
                Fed::Chunk(content) => Frame::data(content),
                Fed::Trailers(trailers) => Frame::trailers(trailers.into()),
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}

/// What is decoded at once: less than 100 microseconds with every coding.
pub(super) const SLICE: usize = 16 * 1024;
