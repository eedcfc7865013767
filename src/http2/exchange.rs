//! One request and its response, up to the point where something has to be waited for.

use crate::http2::content::{Gather, Taken, Upload};
use crate::http2::download::Download;
use crate::http2::request::{self, Known, Refusal};
use crate::http2::response;
use crate::http2::tunnel::{Rest, Tunnel};
use crate::http2::tunneled::Tunneled;
use crate::http2::wire::Wire;
use crate::resource::counters::Counter;
use crate::resource::io::Io;
use crate::resource::panic::guarded;
use crate::resource::stream_end::StreamGuard;
use crate::service::body::{Body, BodyError};
use crate::service::handler::ResponseFuture;
use crate::service::headers::Headers;
use crate::service::layered::Panicked;
use crate::service::link::Link;
use crate::service::request::{Parts, Request};
use crate::service::response::Response;
use crate::service::upgrade::{OnUpgrade, Place, Upgraded};
use crate::wire::number;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use std::any::Any;
use std::cell::Cell;
use std::task::{Context, Poll};

/// What the streams of a connection share in a turn.
pub(super) struct Turn<'a> {
    pub(super) link: &'a Link,
    wire: &'a Wire,
    /// Octets of content that h2 was given in this turn.
    pub(super) sent: Cell<usize>,
    /// How many more it may be given.
    pub(super) room: Cell<usize>,
    /// Octets that other streams have taken from whoever makes their content, and have not given to h2.
    pub(super) pulled: Cell<usize>,
    /// There are few streams, so that some may stay a little after they were answered.
    pub(super) is_roomy: bool,
    /// Nothing that h2 was given before waits for a window: small content need not ask.
    pub(super) is_free: bool,
    /// The octets of content that did not ask.
    pub(super) given: Cell<usize>,
    /// A handler wants the connection to end.
    pub(super) leaves: Cell<bool>,
}

impl<'a> Turn<'a> {
    /// A turn in which so many octets of content may be sent.
    pub(super) const fn new(link: &'a Link, wire: &'a Wire, room: usize) -> Self {
        Self {
            link,
            wire,
            sent: Cell::new(0),
            room: Cell::new(room),
            pulled: Cell::new(0),
            is_roomy: false,
            is_free: false,
            given: Cell::new(0),
            leaves: Cell::new(false),
        }
    }

    /// Whether so much waits for windows that whoever makes content makes no more of it for a client that does not
    /// take it: what may be sent for all streams together, and what half of the connection's share of a budget is.
    pub(super) fn is_full_of(&self, pulled: usize) -> bool {
        let most = self.link.shared.config.http2.send_buffer;
        pulled >= FREELY
            && (pulled >= most || pulled >= (self.link.shared.worker.share() / 2).max(FREELY))
    }

    pub(super) fn count(&self, counter: Counter) {
        self.link.shared.worker.counters.add(counter);
    }

    pub(super) fn now(&self) -> u32 {
        self.link.shared.worker.now()
    }

    /// Says what was sent where tunnels see it, and sees what they have sent.
    pub(super) fn settle(&self) {
        let most = self.link.shared.config.http2.send_buffer;
        let mut wire = self.wire.inside();
        wire.waiting += self.sent.take();
        self.room.set(most.saturating_sub(wire.waiting));
    }

    pub(super) fn sent(&self, octets: usize) {
        self.sent.set(self.sent.get() + octets);
        self.room.set(self.room.get().saturating_sub(octets));
    }
}

/// A request that is being answered.
pub(super) struct Exchange {
    pub(super) respond: SendResponse<Bytes>,
    pub(super) upload: Upload,
    /// Whoever asks is told when the exchange is over.
    end: Option<StreamGuard>,
    is_head: bool,
    is_connect: bool,
}

/// What an exchange waits for.
pub(super) enum State {
    /// Small content, which is read before the handler runs.
    Gathering(Box<Gather>),
    Handling(ResponseFuture),
    Sending(Box<Download>),
    /// The stream is another protocol's.
    Tunnel(Tunneled),
    /// Everything was answered, and the client has not ended its half: until this tick it has time to.
    Parting(u32),
    Done,
}

impl Exchange {
    pub(super) fn new(respond: SendResponse<Bytes>) -> Self {
        Self {
            respond,
            upload: Upload::default(),
            end: None,
            is_head: false,
            is_connect: false,
        }
    }

    /// Takes a request as far as it goes at once: most are answered then.
    #[inline]
    pub(super) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        request: http::Request<RecvStream>,
        known: &mut Known,
        turn: &Turn<'_>,
    ) -> State {
        let shared = &turn.link.shared;
        turn.count(Counter::Requests);
        let (mut head, recv) = request.into_parts();
        self.is_head = head.method == Method::HEAD;
        self.is_connect = head.method == Method::CONNECT;
        let facts = match request::judge(&mut head, known, &shared.config.limits) {
            Ok(facts) => facts,
            Err(Refusal::Malformed) => {
                turn.count(Counter::RefusedMalformed);
                self.respond.send_reset(Reason::PROTOCOL_ERROR);
                return State::Done;
            }
            Err(Refusal::Answer(status, text)) => {
                turn.count(counter_of(status));
                self.upload.set_source(recv);
                return self.answer(status, text, turn);
            }
        };
        let protocol = if self.is_connect {
            head.extensions.remove::<h2::ext::Protocol>()
        } else {
            None
        };
        let mut parts = Parts::recycled();
        parts.begin_http(head, Some(&turn.link.slot));
        self.end = Some(parts.begin_stream());
        if let Some(protocol) = protocol {
            parts.set_connect_protocol(protocol.as_str());
        }
        let request = Request::from_parts(parts, Body::empty());
        if shared
            .worker
            .refuses(&turn.link.slot, || recv.is_end_stream())
        {
            self.upload.set_source(recv);
            self.answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded, try again",
                turn,
            )
        } else if self.is_connect {
            // What comes on the stream is the tunnel's.
            self.upload.set_source(recv);
            self.call(cx, request, turn)
        } else if recv.is_end_stream() {
            drop(recv);
            self.call(cx, request, turn)
        } else {
            self.admit(cx, request, recv, facts, turn)
        }
    }

    /// Asks the service what the route takes, and begins with the content accordingly.
    fn admit(
        &mut self,
        cx: &mut Context<'_>,
        mut request: Request,
        recv: RecvStream,
        facts: request::Facts,
        turn: &Turn<'_>,
    ) -> State {
        let shared = &turn.link.shared;
        let admission = match guarded(|| shared.service.admit(&mut request)) {
            Ok(admission) => admission,
            Err(payload) => {
                self.upload.set_source(recv);
                return self.panicked(payload, turn);
            }
        };
        let most = admission.max_body.unwrap_or(shared.config.max_body);
        request.parts_mut().route_mut().set_max_body(most);
        if facts.length.is_some_and(|length| length > most) {
            self.upload.set_source(recv);
            return self.refuse_content(cx, request, turn);
        }
        self.upload.begin(recv, facts, most, turn.now());
        match self
            .upload
            .take_what_came(cx, request, admission.streams_content, turn)
        {
            Taken::Whole(request) => self.call(cx, request, turn),
            Taken::Part(gather) => State::Gathering(gather),
            Taken::TooLarge(request) => self.refuse_content(cx, request, turn),
            Taken::Cut => {
                turn.count(Counter::IncompleteRequests);
                State::Done
            }
        }
    }

    /// Calls the handler and polls it once: most are ready then.
    #[inline]
    pub(super) fn call(
        &mut self,
        cx: &mut Context<'_>,
        request: Request,
        turn: &Turn<'_>,
    ) -> State {
        let service = &turn.link.shared.service;
        self.run(cx, || service.call(request), turn)
    }

    #[inline]
    fn run(
        &mut self,
        cx: &mut Context<'_>,
        call: impl FnOnce() -> ResponseFuture,
        turn: &Turn<'_>,
    ) -> State {
        // Apart from what `guarded` gives back, which is copied more than once.
        let mut answer = None;
        let called = guarded(|| {
            let mut handler = call();
            match handler.as_mut().poll(cx) {
                Poll::Ready(response) => {
                    answer = Some(response);
                    None
                }
                Poll::Pending => Some(handler),
            }
        });
        match (called, answer) {
            (Ok(None), Some(response)) => self.answer_with(response, turn),
            (Ok(None), None) => State::Done,
            (Ok(Some(handler)), _) => State::Handling(handler),
            (Err(payload), _) => self.panicked(payload, turn),
        }
    }

    /// Sends a handler's response, as far as it goes at once.
    #[inline]
    pub(super) fn answer_with(&mut self, mut response: Response, turn: &Turn<'_>) -> State {
        if let Some((content_type, lines)) = response.as_usual()
            && let Some(content) = response.body().as_bytes()
            && !self.is_head
            && !self.is_connect
        {
            let head = response::usual(content_type, lines, content.len() as u64, turn.link);
            let content = response.body_mut().take_full().unwrap_or_default();
            return self.send_whole(head, content, turn);
        }
        self.answer_unusual(response, turn)
    }

    fn answer_unusual(&mut self, response: Response, turn: &Turn<'_>) -> State {
        if response.invalid().is_some() {
            return self.invalid(turn);
        }
        if response.replaces_invalid() {
            turn.count(Counter::InvalidResponses);
        }
        let (status, headers, body, upgrade) = response.into_sendable();
        if response::says_close(&headers) {
            turn.leaves.set(true);
        }
        if self.is_connect && (status == StatusCode::SWITCHING_PROTOCOLS || status.is_success()) {
            return match upgrade {
                Some(upgrade) => self.open_tunnel(headers, upgrade, turn),
                // RFC 9110 §9.3.6: any 2xx opens a tunnel, and here nobody would be at its end.
                None => self.invalid(turn),
            };
        }
        if status.is_informational() {
            return self.invalid(turn);
        }
        // A handler's Content-Length counts where the content does not tell its own length.
        let mut length = body.len();
        if length.is_none()
            || ((self.is_head || status == StatusCode::NOT_MODIFIED) && body.is_empty())
        {
            let declared = headers
                .get(CONTENT_LENGTH)
                .and_then(|value| number::decimal(value.as_bytes()));
            length = declared.or(length);
        }
        let without_content =
            self.is_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        // RFC 9110 §8.6: HEAD and 304 may announce what GET would have sent; 204 never does.
        let announced = match status {
            StatusCode::NO_CONTENT => None,
            StatusCode::NOT_MODIFIED => length.filter(|length| *length > 0),
            _ => length,
        };
        let head = response::any(status, headers, announced, turn.link);
        if without_content {
            return self.send_whole(head, Bytes::new(), turn);
        }
        let mut body = body;
        match body.take_full() {
            Some(content) => self.send_whole(head, content, turn),
            None => match self.send_head(head, false, turn) {
                Some(send) => State::Sending(Box::new(Download::new(send, body, length))),
                None => State::Done,
            },
        }
    }

    #[inline]
    fn send_whole(&mut self, head: http::Response<()>, content: Bytes, turn: &Turn<'_>) -> State {
        if content.is_empty() {
            self.send_head(head, true, turn);
            return State::Done;
        }
        let Some(mut send) = self.send_head(head, false, turn) else {
            return State::Done;
        };
        if content.len() <= SMALL && (turn.is_free || has_window(&mut send, content.len())) {
            turn.sent(content.len());
            if turn.is_free {
                turn.given.set(turn.given.get() + content.len());
            }
            let _ = send.send_data(content, true);
            return State::Done;
        }
        State::Sending(Box::new(Download::whole(send, content)))
    }

    /// `None` when the stream has gone.
    #[inline]
    fn send_head(
        &mut self,
        head: http::Response<()>,
        ends: bool,
        turn: &Turn<'_>,
    ) -> Option<h2::SendStream<Bytes>> {
        let send = self.respond.send_response(head, ends).ok()?;
        turn.count(Counter::Responses);
        Some(send)
    }

    /// Answers on the server's own account.
    pub(super) fn answer(
        &mut self,
        status: StatusCode,
        text: &'static str,
        turn: &Turn<'_>,
    ) -> State {
        let content = if self.is_head {
            Bytes::new()
        } else {
            [text.as_bytes(), b"\n"].concat().into()
        };
        let mut fields = Headers::new();
        fields.append(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if status == StatusCode::SERVICE_UNAVAILABLE {
            fields.append(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        let length = text.len() as u64 + 1;
        let head = response::any(status, fields, Some(length), turn.link);
        self.send_whole(head, content, turn)
    }

    /// Answers a request whose content is too large, through the layers of its route.
    #[cold]
    pub(super) fn refuse_content(
        &mut self,
        cx: &mut Context<'_>,
        request: Request,
        turn: &Turn<'_>,
    ) -> State {
        turn.count(Counter::RefusedContentTooLarge);
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        self.refuse(
            cx,
            request,
            BodyError::TooLarge,
            (status, "content too large"),
            turn,
        )
    }

    /// Answers a request whose content did not come in time, through the layers of its route.
    #[cold]
    pub(super) fn refuse_late(
        &mut self,
        cx: &mut Context<'_>,
        request: Request,
        turn: &Turn<'_>,
    ) -> State {
        let status = StatusCode::REQUEST_TIMEOUT;
        let text = "the content did not come in time";
        self.refuse(cx, request, BodyError::Timeout, (status, text), turn)
    }

    fn refuse(
        &mut self,
        cx: &mut Context<'_>,
        mut request: Request,
        error: BodyError,
        (status, text): (StatusCode, &'static str),
        turn: &Turn<'_>,
    ) -> State {
        *request.body_mut() = Body::failed(error);
        let service = &turn.link.shared.service;
        let response = Response::refusal(status, text);
        self.run(cx, || service.refuse(request, response), turn)
    }

    /// A handler panicked: this request fails, nothing else does.
    pub(super) fn panicked(&mut self, payload: Box<dyn Any + Send>, turn: &Turn<'_>) -> State {
        let (payload, response) = Panicked::split(payload);
        turn.link.count_panic(payload);
        match response {
            Some(response) => self.answer_with(response, turn),
            None => self.answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal server error",
                turn,
            ),
        }
    }

    fn invalid(&mut self, turn: &Turn<'_>) -> State {
        turn.count(Counter::InvalidResponses);
        self.answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal server error",
            turn,
        )
    }

    /// 200 to CONNECT: from here on the stream carries the octets of another protocol (RFC 9113 §8.5, RFC 8441 §5).
    fn open_tunnel(&mut self, headers: Headers, upgrade: OnUpgrade, turn: &Turn<'_>) -> State {
        let head = response::any(StatusCode::OK, headers, None, turn.link);
        let Some(recv) = self.upload.take_source() else {
            return self.invalid(turn);
        };
        let Some(send) = self.send_head(head, false, turn) else {
            return State::Done;
        };
        turn.count(Counter::Upgrades);
        turn.link.tell_panics();
        let worker = &turn.link.shared.worker;
        let slot = worker.register(turn.link.slot.info());
        if let Some(tls) = turn.link.slot.tls() {
            slot.set_tls(tls.clone());
        }
        let rest = Rest::default();
        let most = turn.link.shared.config.http2.send_buffer;
        let mut tunnel = Tunnel::new(send, recv, rest.clone(), turn.wire.clone(), most);
        let mut tunneled = Tunneled::new(worker.clone(), slot.clone(), rest, tunnel.flow());
        let tunnel = Io::Dyn(Box::new(tunnel));
        match guarded(|| {
            let place = Place::new(worker.clone(), slot);
            upgrade.run(Upgraded::new(tunnel, Bytes::new(), Some(place)))
        }) {
            Ok(future) => {
                tunneled.run(future);
                State::Tunnel(tunneled)
            }
            Err(payload) => {
                turn.link.count_panic(payload);
                State::Done
            }
        }
    }

    /// The exchange is over, though its stream stays a little.
    pub(super) fn tell_end(&mut self) {
        self.end = None;
    }

    /// Whether the client has reset the stream, before a response was begun.
    pub(super) fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        self.respond.poll_reset(cx).is_ready()
    }
}

#[cold]
fn has_window(send: &mut h2::SendStream<Bytes>, len: usize) -> bool {
    send.reserve_capacity(len);
    send.capacity() >= len
}

fn counter_of(status: StatusCode) -> Counter {
    match status {
        StatusCode::URI_TOO_LONG => Counter::RefusedRequestLine,
        StatusCode::EXPECTATION_FAILED => Counter::RefusedExpectation,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Counter::RefusedHeaderSection,
        _ => Counter::RefusedMalformed,
    }
}

/// Content up to this is given to h2 whatever the windows say, as long as nothing else that was waits there: the
/// most streams there may be hold little of it.
const SMALL: usize = 4096;

/// As much may always wait for windows.
const FREELY: usize = 64 * 1024;
