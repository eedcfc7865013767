//! The content of a request on its way from its stream to whoever takes it.
//!
//! A stream's window opens when its content is taken, so what nobody takes stops its client. Content that is
//! gathered for a handler opens both windows at once: the connection's would otherwise be full of what cannot
//! become whole. The budget knows of it.

use crate::http2::exchange::Turn;
use crate::http2::request::Facts;
use crate::resource::budget::Pressure;
use crate::resource::counters::Counter;
use crate::resource::pool::READ_BUFFER;
use crate::resource::worker::ticks;
use crate::service::body::{Body, BodyError};
use crate::service::feed::{Demand, Feed, FeedWriter};
use crate::service::headers::Headers;
use crate::service::link::config::Config;
use crate::service::link::flow::Flow;
use crate::service::request::{Charge, Request};
use crate::wire::fields::may_trail;
use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The request's half of a stream.
#[derive(Default)]
pub(super) struct Upload {
    source: Option<RecvStream>,
    /// Where content goes while its handler takes it.
    feed: Option<FeedWriter>,
    /// What it went through, once all of it came: its handler may still hold it.
    taken: Option<Arc<Feed>>,
    /// The octets that its handler was called with.
    lent: usize,
    /// The octets that may still come.
    left: u64,
    length: Option<u64>,
    awaits_continue: bool,
    /// The tick in which it began.
    begun: u32,
    input: Flow,
    /// Reading rests because the budget is short.
    is_paused: bool,
    /// Its handler dropped it before its end.
    is_abandoned: bool,
}

/// A request whose content is not whole yet.
pub(super) struct Gather {
    request: Request,
    content: BytesMut,
}

/// What became of the content that was here with the head.
pub(super) enum Taken {
    Whole(Request),
    Part(Box<Gather>),
    TooLarge(Request),
    /// The client is gone, or has reset the stream.
    Cut,
}

/// One look at a stream.
enum Look {
    Data(Bytes),
    End(Option<Headers>),
    TooLarge,
    Cut,
    Nothing,
}

impl Upload {
    /// For a tunnel, which takes it out again, and for what nobody will read.
    pub(super) fn set_source(&mut self, source: RecvStream) {
        self.source = Some(source);
    }

    pub(super) fn take_source(&mut self) -> Option<RecvStream> {
        self.source.take()
    }

    pub(super) fn begin(&mut self, source: RecvStream, facts: Facts, most: u64, now: u32) {
        self.source = Some(source);
        self.left = most;
        self.length = facts.length;
        self.awaits_continue = facts.expects_continue;
        self.begun = now;
    }

    /// Takes what came with the head. Large content, and content of unknown length that is not whole, is
    /// streamed to the handler; with `streams` so is whatever is not here.
    pub(super) fn take_what_came(
        &mut self,
        cx: &mut Context<'_>,
        mut request: Request,
        streams: bool,
        turn: &Turn<'_>,
    ) -> Taken {
        if self.awaits_continue {
            return self.stream(request, Bytes::new());
        }
        let threshold = turn.link.shared.config.stream_threshold;
        if self.length.is_some_and(|length| length > threshold) {
            return self.stream(request, Bytes::new());
        }
        let mut first = Bytes::new();
        let mut content = BytesMut::new();
        loop {
            match self.look(cx) {
                Look::Data(data) if first.is_empty() && content.is_empty() => first = data,
                Look::Data(data) => {
                    if content.is_empty() {
                        content.extend_from_slice(&std::mem::take(&mut first));
                    }
                    content.extend_from_slice(&data);
                    if self.length.is_none() && content.len() as u64 > threshold {
                        return self.stream(request, content.freeze());
                    }
                }
                Look::End(trailers) => {
                    let content = join(first, content);
                    self.lent = content.len();
                    *request.body_mut() = whole(content, trailers);
                    self.taken = Charge::of(&mut request);
                    return Taken::Whole(request);
                }
                Look::TooLarge => return Taken::TooLarge(request),
                Look::Cut => return Taken::Cut,
                Look::Nothing if streams || self.length.is_none() => {
                    return self.stream(request, join(first, content));
                }
                Look::Nothing => {
                    if content.is_empty() {
                        content.extend_from_slice(&first);
                    }
                    return Taken::Part(Box::new(Gather { request, content }));
                }
            }
        }
    }

    /// Goes on with content that is read before its handler runs.
    pub(super) fn poll_gather(
        &mut self,
        cx: &mut Context<'_>,
        gather: &mut Gather,
        turn: &Turn<'_>,
    ) -> Poll<Taken> {
        loop {
            match self.look(cx) {
                Look::Data(data) => {
                    self.input.moved(data.len(), turn.now());
                    gather.content.extend_from_slice(&data);
                }
                Look::End(trailers) => {
                    let mut request = std::mem::take(&mut gather.request);
                    let content = std::mem::take(&mut gather.content).freeze();
                    self.lent = content.len();
                    *request.body_mut() = whole(content, trailers);
                    self.taken = Charge::of(&mut request);
                    return Poll::Ready(Taken::Whole(request));
                }
                Look::TooLarge => return Poll::Ready(Taken::TooLarge(gather.take())),
                Look::Cut => return Poll::Ready(Taken::Cut),
                Look::Nothing => {
                    self.input.wait(turn.now());
                    return Poll::Pending;
                }
            }
        }
    }

    /// Moves content to a handler that takes it. Whether something moved.
    pub(super) fn pump(
        &mut self,
        cx: &mut Context<'_>,
        respond: &mut SendResponse<Bytes>,
        turn: &Turn<'_>,
    ) -> bool {
        let Some(feed) = self.feed.as_ref().map(|feed| feed.0.clone()) else {
            return false;
        };
        match feed.poll_demand(cx) {
            Demand::Full => return false,
            Demand::Abandoned => {
                self.feed = None;
                self.is_abandoned = self.source.take().is_some();
                return false;
            }
            Demand::Wanted => {}
        }
        let worker = &turn.link.shared.worker;
        self.is_paused = feed.collected() >= READ_BUFFER
            && worker.budget().pressure() >= Pressure::High
            && turn.link.slot.held() >= worker.share();
        if self.is_paused {
            turn.count(Counter::ReadsPaused);
            return false;
        }
        match self.look(cx) {
            Look::Data(data) => {
                self.awaits_continue = false;
                self.input.moved(data.len(), turn.now());
                feed.push(data, cx.waker());
            }
            Look::End(trailers) => {
                feed.end(Ok(trailers));
                self.taken = Some(feed);
                self.feed = None;
            }
            Look::TooLarge => {
                turn.count(Counter::RefusedContentTooLarge);
                self.cut(BodyError::TooLarge);
            }
            Look::Cut => {
                turn.count(Counter::IncompleteRequests);
                self.cut(BodyError::Incomplete);
            }
            Look::Nothing => {
                if std::mem::take(&mut self.awaits_continue) {
                    // Said when the content is first asked for, and not when it has begun to come (RFC 9110 §10.1.1).
                    let mut interim = Response::new(());
                    *interim.status_mut() = StatusCode::CONTINUE;
                    let _ = respond.send_informational(interim);
                }
                self.input.wait(turn.now());
                return false;
            }
        }
        true
    }

    /// Whether the client sends too slowly, or not at all. Only time in which somebody waits for it counts.
    pub(super) fn is_overdue(&self, now: u32, config: &Config) -> bool {
        self.input.since != 0
            && (now.saturating_sub(self.begun) > ticks(config.body_timeout)
                || self.input.is_stalled(now, config.read_timeout)
                || self.input.is_slow(self.input.waited(now), config))
    }

    /// Whether it is looked at each second: what nobody reads is charged, too.
    pub(super) const fn has_deadline(&self) -> bool {
        self.source.is_some()
    }

    /// Whether it is looked at again without being woken.
    pub(super) const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Ends the content before its end.
    pub(super) fn cut(&mut self, error: BodyError) {
        if let Some(feed) = self.feed.take() {
            feed.end(Err(error));
        }
        self.source = None;
        self.is_abandoned = false;
        self.input = Flow::default();
    }

    /// Whether the client may have to send more.
    pub(super) fn has_rest(&self) -> bool {
        let source = self.source.as_ref();
        self.is_abandoned || source.is_some_and(|source| !source.is_end_stream())
    }

    /// Throws away what still comes, without leave for more, until the client has ended its half or reset the
    /// stream.
    pub(super) fn poll_thrown_away(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(source) = &mut self.source else {
            return Poll::Pending;
        };
        while let Some(Ok(_)) = ready!(source.poll_data(cx)) {}
        Poll::Ready(())
    }

    /// The handler holds nothing of the content any more.
    pub(super) fn release(&mut self) {
        self.lent = 0;
        self.taken = None;
    }

    /// The octets that are kept for it while it waits.
    pub(super) fn held(&mut self) -> usize {
        let unread =
            (self.source.as_mut()).map_or(0, |source| source.flow_control().used_capacity());
        unread
            + self.lent
            + self.feed.as_ref().map_or(0, |feed| feed.held())
            + self.taken.as_ref().map_or(0, |feed| feed.collected())
    }

    /// The body is fed as the handler takes it.
    fn stream(&mut self, mut request: Request, first: Bytes) -> Taken {
        let (feed, body) = Body::fed(self.length);
        if !first.is_empty() {
            feed.push(first, std::task::Waker::noop());
        }
        *request.body_mut() = body;
        self.feed = Some(FeedWriter(feed));
        Taken::Whole(request)
    }

    /// The next piece of what came, of which the client may send as much again.
    fn look(&mut self, cx: &mut Context<'_>) -> Look {
        let Some(source) = &mut self.source else {
            return Look::Cut;
        };
        loop {
            match source.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    let _ = source.flow_control().release_capacity(data.len());
                    if data.is_empty() {
                        continue;
                    }
                    match self.left.checked_sub(data.len() as u64) {
                        Some(left) => self.left = left,
                        None => return Look::TooLarge,
                    }
                    return Look::Data(if data.len() < COPIED {
                        Bytes::copy_from_slice(&data)
                    } else {
                        data
                    });
                }
                Poll::Ready(Some(Err(_))) => return Look::Cut,
                Poll::Ready(None) => {
                    let look = match source.poll_trailers(cx) {
                        Poll::Ready(Ok(trailers)) => Look::End(trailers.and_then(allowed)),
                        Poll::Ready(Err(_)) => Look::Cut,
                        Poll::Pending => return Look::Nothing,
                    };
                    self.source = None;
                    return look;
                }
                Poll::Pending => return Look::Nothing,
            }
        }
    }
}

impl Gather {
    /// The request, without what came of its content.
    pub(super) fn take(&mut self) -> Request {
        self.content = BytesMut::new();
        std::mem::take(&mut self.request)
    }

    pub(super) fn held(&self) -> usize {
        self.content.capacity()
    }
}

fn join(first: Bytes, rest: BytesMut) -> Bytes {
    if rest.is_empty() {
        first
    } else {
        rest.freeze()
    }
}

/// Trailers, without what has no place in them (RFC 9110 §6.5.1).
fn allowed(mut trailers: HeaderMap) -> Option<Headers> {
    let others: Vec<HeaderName> = trailers
        .keys()
        .filter(|name| !may_trail(name.as_str().as_bytes()))
        .cloned()
        .collect();
    for name in others {
        trailers.remove(name);
    }
    (!trailers.is_empty()).then(|| trailers.into())
}

/// A body that is here.
fn whole(content: Bytes, trailers: Option<Headers>) -> Body {
    let Some(trailers) = trailers else {
        return Body::full(content);
    };
    let (feed, body) = Body::fed(Some(content.len() as u64));
    if !content.is_empty() {
        feed.push(content, std::task::Waker::noop());
    }
    feed.end(Ok(Some(trailers)));
    body
}

/// Content below this is copied off the read buffer, which a slice would pin.
const COPIED: usize = 512;
