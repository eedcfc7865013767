//! The content of a request on its way from the read buffer to whoever takes it.

use crate::http1::chunked::Trailers;
use crate::http1::connection::Event;
use crate::http1::driver::active::{Active, Need, PIECE, TURN_OCTETS};
use crate::http1::driver::counter_of;
use crate::http1::error::Error;
use crate::http1::state::Life;
use crate::resource::counters::Counter;
use crate::resource::pool::READ_BUFFER;
use crate::service::body::{Body, BodyError};
use crate::service::feed::{Demand, Feed, FeedWriter};
use crate::service::headers::Headers;
use crate::service::link::Link;
use crate::service::request::{Charge, Request};
use crate::wire::fields::FieldLine;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode};
use std::task::Context;

impl Active {
    /// Runs the handler with a body that it takes as it comes.
    pub(super) fn stream(&mut self, mut request: Request, length: Option<u64>, link: &Link) {
        let (feed, body) = Body::fed(length);
        *request.body_mut() = body;
        self.feed = Some(FeedWriter(feed));
        self.call(request, link);
    }

    /// The request with its content, which has come whole with its head.
    pub(super) fn take_whole(&mut self, mut request: Request, link: &Link) -> Option<Request> {
        let limits = &link.shared.config.limits;
        loop {
            match self.protocol.receive(&mut self.read, limits) {
                Ok(Some(Event::Data(data))) => *request.body_mut() = self.lend(data),
                Ok(Some(Event::EndOfMessage(_))) => {
                    self.taken = Charge::of(&mut request);
                    return Some(request);
                }
                // It was all there, and content of a known length has no syntax.
                Ok(_) => {
                    self.abort();
                    return None;
                }
                Err(error) => {
                    self.refuse_request(request, error, link);
                    return None;
                }
            }
        }
    }

    /// Content that is whole in one piece: a slice of the read buffer, unless that would pin it for little.
    fn lend(&mut self, data: Bytes) -> Body {
        if data.len() < COPIED {
            return Body::full(Bytes::copy_from_slice(&data));
        }
        // The slice keeps the whole buffer from the pool, which what was read ahead may have made larger.
        self.lent = READ_BUFFER.max(data.len());
        Body::full(data)
    }

    /// A chunked body that has come whole with its head needs no stream.
    pub(super) fn stream_chunked(&mut self, cx: &Context<'_>, mut request: Request, link: &Link) {
        if self.protocol.awaits_continue() {
            return self.stream(request, None, link);
        }
        let mut content = Content::default();
        loop {
            match self
                .protocol
                .receive(&mut self.read, &link.shared.config.limits)
            {
                Ok(Some(Event::Data(data))) => {
                    self.spent += PIECE;
                    content.push(data);
                }
                Ok(Some(Event::EndOfMessage(trailers))) if trailers.is_empty() => {
                    *request.body_mut() = Body::full(content.into_bytes());
                    self.lent = READ_BUFFER;
                    self.taken = Charge::of(&mut request);
                    return self.call(request, link);
                }
                Ok(Some(Event::EndOfMessage(trailers))) => {
                    let (feed, body) = Body::fed(None);
                    if !content.is_empty() {
                        feed.push(content.into_bytes(), cx.waker());
                    }
                    feed.end(Ok(Some(trailer_headers(&trailers))));
                    self.lent = READ_BUFFER;
                    *request.body_mut() = body;
                    self.taken = Charge::of(&mut request);
                    return self.call(request, link);
                }
                Ok(_) => {
                    self.stream(request, None, link);
                    if let Some(feed) = self.feed.as_ref().filter(|_| !content.is_empty()) {
                        feed.push(content.into_bytes(), cx.waker());
                    }
                    return;
                }
                Err(error) => return self.refuse_request(request, error, link),
            }
        }
    }

    /// Reads the small content of a request whose handler has not run yet.
    pub(super) fn gather(&mut self, _: &mut Context<'_>, link: &Link) -> Option<Need> {
        match self
            .protocol
            .receive(&mut self.read, &link.shared.config.limits)
        {
            Ok(Some(Event::Data(data))) => {
                let gather = self.gather.as_mut()?;
                if gather.content.is_empty() && self.protocol.unread() == Some(0) {
                    let body = self.lend(data);
                    *self.gather.as_mut()?.request.body_mut() = body;
                } else {
                    gather.content.extend_from_slice(&data);
                }
            }
            Ok(Some(Event::EndOfMessage(_))) => {
                let mut gather = self.gather.take()?;
                if !gather.content.is_empty() {
                    self.lent = gather.content.capacity();
                    *gather.request.body_mut() =
                        Body::full(std::mem::take(&mut gather.content).freeze());
                }
                self.taken = Charge::of(&mut gather.request);
                self.call(gather.request, link);
            }
            Ok(_) if self.ended => {
                link.shared.worker.counters.add(Counter::IncompleteRequests);
                return Some(Need::Abort);
            }
            Ok(_) => return Some(Need::Content),
            Err(error) => {
                let gather = self.gather.take()?;
                self.refuse_request(gather.request, error, link);
            }
        }
        None
    }

    /// Moves content from the buffer to whoever takes it. `Some(true)` when something moved,
    /// `Some(false)` when more has to be read for that.
    pub(super) fn pump(&mut self, cx: &Context<'_>, link: &Link) -> Option<bool> {
        let feed = self.feed.as_ref()?.0.clone();
        match feed.poll_demand(cx) {
            Demand::Full => return None,
            Demand::Abandoned => {
                self.feed = None;
                return Some(true);
            }
            Demand::Wanted => {}
        }
        self.say_continue();
        let mut content = Content::default();
        loop {
            match self
                .protocol
                .receive(&mut self.read, &link.shared.config.limits)
            {
                Ok(Some(Event::Data(data))) => {
                    self.spent += PIECE;
                    content.push(data);
                    if content.len() < COALESCED && self.spent < TURN_OCTETS {
                        continue;
                    }
                }
                Ok(Some(Event::EndOfMessage(trailers))) => {
                    if !content.is_empty() {
                        feed.push(content.into_bytes(), cx.waker());
                    }
                    feed.end(Ok(
                        (!trailers.is_empty()).then(|| trailer_headers(&trailers))
                    ));
                    self.feed = None;
                    self.taken = Some(feed);
                    return Some(true);
                }
                Ok(_) if content.is_empty() => {
                    if self.ended {
                        self.cut(&feed, BodyError::Incomplete, link);
                        return Some(true);
                    }
                    return Some(false);
                }
                Ok(_) => {}
                Err(error) => {
                    link.shared.worker.counters.add(counter_of(error));
                    let reason = match error {
                        Error::ContentTooLarge | Error::ChunkTooLarge => BodyError::TooLarge,
                        error => BodyError::Malformed(
                            error.status().unwrap_or(StatusCode::BAD_REQUEST),
                            error.reason(),
                        ),
                    };
                    self.read.clear();
                    feed.end(Err(reason));
                    self.feed = None;
                    return Some(true);
                }
            }
            feed.push(content.into_bytes(), cx.waker());
            return Some(true);
        }
    }

    /// Sends 100 (Continue) when the client waits for it: said when the content is first asked for, not
    /// before, and not when it has begun to come (RFC 9110 §10.1.1).
    pub(super) fn say_continue(&mut self) {
        if !self.protocol.awaits_continue() {
            return;
        }
        if self.read.is_empty() {
            let _ =
                self.protocol
                    .send_interim(StatusCode::CONTINUE, std::iter::empty(), &mut self.out);
        }
        self.protocol.head_mut().semantics.expect_continue = false;
    }

    /// Ends the content of a request before its end.
    pub(super) fn cut(&mut self, feed: &Feed, error: BodyError, link: &Link) {
        if matches!(error, BodyError::Incomplete) {
            link.shared.worker.counters.add(Counter::IncompleteRequests);
        }
        feed.end(Err(error));
        self.feed = None;
    }

    /// Throws away content that nobody took, so that the connection can go on.
    pub(super) fn discard(&mut self, link: &Link) -> Option<Need> {
        self.feed = None;
        if self.protocol.state().life == Life::MustClose {
            return Some(Need::Close);
        }
        match self
            .protocol
            .receive(&mut self.read, &link.shared.config.limits)
        {
            Ok(Some(Event::Data(data))) => {
                self.spent += PIECE;
                self.discarded += data.len() as u64;
                (self.discarded > link.shared.config.drain_body).then_some(Need::Close)
            }
            Ok(Some(_)) => None,
            Ok(None) => Some(if self.ended {
                Need::Close
            } else {
                Need::Content
            }),
            Err(_) => Some(Need::Close),
        }
    }
}

/// Pieces of content put together: one large piece stays a slice, small ones are copied side by side.
#[derive(Default)]
struct Content {
    first: Bytes,
    rest: BytesMut,
}

impl Content {
    fn push(&mut self, piece: Bytes) {
        if self.is_empty() {
            self.first = piece;
            return;
        }
        if self.rest.is_empty() {
            self.rest
                .extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&piece);
    }

    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() {
            self.first
        } else {
            self.rest.freeze()
        }
    }
}

fn trailer_headers(trailers: &Trailers) -> Headers {
    let line = |line: FieldLine<'_>| {
        Some((
            HeaderName::from_bytes(line.name()).ok()?,
            HeaderValue::from_bytes(line.value()).ok()?,
        ))
    };
    trailers.iter().filter_map(line).collect()
}

/// Content below this is copied off the read buffer, which a slice would pin.
const COPIED: usize = 512;

/// Pieces of content are put together until they have this size.
const COALESCED: usize = 4096;
