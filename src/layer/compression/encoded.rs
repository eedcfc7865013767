//! A body that is compressed while it is taken.

use super::encoder::{Encoder, Failed, Then};
use super::workshop::{Done, Job, Place, Workshop};
use crate::service::body::{Body, BodyError};
use crate::service::feed::Fed;
use crate::service::headers::Headers;
use crate::wire::coding::Coding;
use bytes::Bytes;
use http_body::Frame;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Compresses what comes from a body, and no more than is asked for.
///
/// Whenever the source has nothing more for now, everything it gave is flushed: no reader waits for something that was
/// written. A source that always has more is flushed at least whenever as much has gathered as may be compressed on the
/// event loop. Larger pieces go to another thread, one at a time.
pub(super) struct Encoded {
    source: Body,
    state: State,
    /// Content that was taken and is not compressed yet.
    pending: Bytes,
    /// What the encoder may still hold back, in octets of content. At least `inline` after a job.
    unflushed: usize,
    /// What was compressed since the event loop last had its turn.
    spent: usize,
    trailers: Option<Headers>,
    coding: Coding,
    inline: usize,
    size: Option<usize>,
    /// Given up when the body is dropped: a job that is under way sees it.
    client: Arc<()>,
    workshop: Arc<Workshop>,
    _place: Option<Place>,
}

enum State {
    /// With an encoder, unless it is still to be made.
    Ready(Option<Encoder>),
    Working(Pin<Box<dyn Future<Output = Option<Done>> + Send>>, Then),
    /// Nothing but perhaps trailers.
    Ending,
    Ended,
}

/// What a poll gives: what comes out, if anything does.
type Given = Option<Vec<u8>>;

impl Encoded {
    pub(super) fn new(
        source: Body,
        coding: Coding,
        workshop: &Arc<Workshop>,
        place: Option<Place>,
    ) -> Self {
        Self {
            state: State::Ready(None),
            pending: Bytes::new(),
            unflushed: 0,
            spent: 0,
            trailers: None,
            coding,
            inline: workshop.inline(coding),
            size: source.len().and_then(|len| usize::try_from(len).ok()),
            source,
            client: Arc::new(()),
            workshop: workshop.clone(),
            _place: place,
        }
    }

    fn poll_given(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, BodyError>>> {
        loop {
            let given = match &mut self.state {
                State::Ended | State::Ending => return Poll::Ready(None),
                State::Working(job, then) => {
                    let then = *then;
                    let Some((encoder, out)) = ready!(job.as_mut().poll(cx)) else {
                        return Poll::Ready(Some(self.fail()));
                    };
                    self.rest(encoder, then);
                    Ok(Some(out))
                }
                State::Ready(_) if self.spent > self.inline => {
                    // Whoever else is on this thread comes first.
                    self.spent = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Ready(_) if self.pending.is_empty() => match self.source.poll_piece(cx) {
                    Poll::Pending => {
                        self.spent = 0;
                        if self.unflushed == 0 {
                            return Poll::Pending;
                        }
                        match self.write(&Bytes::new(), Then::Flush) {
                            Ok(None) => return Poll::Pending,
                            given => given,
                        }
                    }
                    Poll::Ready(Some(Ok(Fed::Chunk(chunk)))) => {
                        self.pending = chunk;
                        continue;
                    }
                    Poll::Ready(Some(Ok(Fed::Trailers(trailers)))) => {
                        self.trailers = Some(trailers);
                        self.write(&Bytes::new(), Then::Finish)
                    }
                    Poll::Ready(Some(Err(error))) => {
                        self.state = State::Ended;
                        return Poll::Ready(Some(Err(error)));
                    }
                    Poll::Ready(None) => self.write(&Bytes::new(), Then::Finish),
                },
                State::Ready(encoder) => {
                    let is_short =
                        self.unflushed < self.inline && self.pending.len() <= self.inline;
                    if is_short || !Job::is_possible() {
                        self.write_here()
                    } else {
                        let encoder = encoder.take();
                        self.send_away(encoder);
                        continue;
                    }
                }
            };
            match given {
                Ok(Some(out)) if !out.is_empty() => return Poll::Ready(Some(Ok(out))),
                Ok(_) => {}
                Err(Failed) => return Poll::Ready(Some(self.fail())),
            }
        }
    }

    /// Compresses as much of what is pending as there is time for.
    fn write_here(&mut self) -> Result<Given, Failed> {
        // Where no other thread is, nothing is too long for this one.
        let inline = self.inline.max(LEAST);
        let room = inline.saturating_sub(self.unflushed).max(1);
        let piece = self.pending.split_to(self.pending.len().min(room));
        let then = if self.pending.is_empty() && self.source.is_empty() {
            Then::Finish
        } else if self.unflushed + piece.len() >= inline {
            Then::Flush
        } else {
            Then::More
        };
        self.write(&piece, then)
    }

    fn write(&mut self, piece: &Bytes, then: Then) -> Result<Given, Failed> {
        let mut out = Vec::new();
        let State::Ready(encoder) = &mut self.state else {
            return Err(Failed);
        };
        let mut encoder = match encoder.take() {
            Some(encoder) => encoder,
            None => self.workshop.begin(self.coding, self.size, &mut out)?,
        };
        encoder.write(piece, then, &mut out)?;
        self.spent += piece.len();
        self.unflushed += piece.len();
        self.rest(encoder, then);
        Ok((!out.is_empty()).then_some(out))
    }

    /// Sends as much of what is pending to another thread as a job takes.
    fn send_away(&mut self, encoder: Option<Encoder>) {
        let is_last = self.source.is_empty();
        let most = if is_last && encoder.is_none() {
            WHOLE
        } else {
            PIECE
        };
        let input = if self.pending.len() > most {
            self.pending.split_to(PIECE)
        } else {
            std::mem::take(&mut self.pending)
        };
        let then = match (self.pending.is_empty(), is_last) {
            (false, _) => Then::More,
            (true, false) => Then::Flush,
            (true, true) => Then::Finish,
        };
        // Until the next flush nobody knows how much work the encoder has put off.
        self.unflushed = self.inline.max(1);
        let job = Job {
            workshop: self.workshop.clone(),
            coding: self.coding,
            encoder,
            size: self.size,
            input,
            then,
            client: Arc::downgrade(&self.client),
        };
        self.state = State::Working(Box::pin(job.run()), then);
    }

    /// The encoder has done what it was asked.
    fn rest(&mut self, encoder: Encoder, then: Then) {
        match then {
            Then::More => {}
            Then::Flush => self.unflushed = 0,
            Then::Finish => {
                self.workshop.give_back(encoder);
                self.state = State::Ending;
                return;
            }
        }
        self.state = State::Ready(Some(encoder));
    }

    fn fail<T>(&mut self) -> Result<T, BodyError> {
        self.state = State::Ended;
        Err(BodyError::Aborted)
    }
}

impl http_body::Body for Encoded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let given = ready!(self.poll_given(cx));
        Poll::Ready(match given {
            Some(given) => Some(given.map(|out| Frame::data(out.into()))),
            None => {
                self.state = State::Ended;
                let trailers = self.trailers.take();
                trailers.map(|trailers| Ok(Frame::trailers(trailers.into())))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended) && self.trailers.is_none()
    }
}

/// Content that is here whole is compressed in one job up to this length: its encoder lives no longer than that.
pub(super) const WHOLE: usize = 1024 * 1024;

/// What longer content is compressed in.
const PIECE: usize = 256 * 1024;

/// What is compressed at once where no other thread is, if nothing were short enough.
const LEAST: usize = 512;
