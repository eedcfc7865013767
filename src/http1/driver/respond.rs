//! From a handler's response to octets.

use crate::http1::connection::{Event, ResponseHead};
use crate::http1::driver::active::{Active, Need, PIECE};
use crate::http1::driver::counter_of;
use crate::http1::encode::Stamp;
use crate::http1::error::Error;
use crate::http1::framing::BodyFraming;
use crate::http1::state::{RequestHalf, ResponseHalf};
use crate::resource::counters::Counter;
use crate::resource::panic::guarded;
use crate::resource::worker::Phase;
use crate::service::body::{Body, BodyError};
use crate::service::feed::Fed;
use crate::service::headers::Headers;
use crate::service::layered::Panicked;
use crate::service::link::Link;
use crate::service::link::config::Config;
use crate::service::link::stamp::Cached;
use crate::service::request::Request;
use crate::service::response::Response;
use crate::wire::fields::FieldLine;
use crate::wire::shared::SharedLines;
use crate::wire::{grammar, number};
use http::header::{CONNECTION, CONTENT_LENGTH, RETRY_AFTER, UPGRADE};
use http::{HeaderValue, Method, StatusCode};
use std::any::Any;
use std::cell::RefCell;
use std::task::{Context, Poll};

impl Active {
    /// Calls the handler; its future is polled by [`run_handler`](Self::run_handler).
    #[inline]
    pub(super) fn call(&mut self, request: Request, link: &Link) {
        match guarded(|| link.shared.service.call(request)) {
            Ok(handler) => self.handler = Some(handler),
            Err(payload) => self.panicked(payload, link),
        }
    }

    /// Calls and polls for the first time in one go: most handlers are ready at once, and then
    /// their future is never moved into the connection.
    #[inline]
    pub(super) fn begin(&mut self, cx: &mut Context<'_>, request: Request, link: &Link) {
        let service = &link.shared.service;
        // What comes of it is put here by the closure: returned, it would be moved three times.
        let mut response = None;
        let called = guarded(|| {
            let mut handler = service.call(request);
            match handler.as_mut().poll(cx) {
                Poll::Ready(ready) => {
                    response = Some(ready);
                    None
                }
                Poll::Pending => Some(handler),
            }
        });
        match (called, &mut response) {
            (Ok(None), Some(response)) => self.respond(response, link),
            (Ok(handler), _) => {
                self.handler = handler;
                // It was polled without a content to take, so nothing moved that it could wait for.
                self.parked = true;
                self.touched = true;
            }
            (Err(payload), _) => self.panicked(payload, link),
        }
    }

    #[inline]
    pub(super) fn run_handler(&mut self, cx: &mut Context<'_>, link: &Link) -> Option<Need> {
        if std::mem::take(&mut self.parked) {
            return Some(Need::Peer);
        }
        let handler = self.handler.as_mut()?;
        match guarded(|| handler.as_mut().poll(cx)) {
            Ok(Poll::Ready(mut response)) => {
                let finished = self.handler.take();
                // A value that the future captured may panic when it is dropped.
                if let Err(payload) = guarded(|| drop(finished)) {
                    link.count_panic(payload);
                }
                if response.body().as_bytes().is_some() {
                    // A streamed response may still be made from the request's content.
                    self.release();
                }
                self.respond(&mut response, link);
                None
            }
            Ok(Poll::Pending) => match self.pump(cx, link) {
                Some(true) => None,
                Some(false) => Some(Need::Content),
                None => Some(Need::Peer),
            },
            Err(payload) => {
                let panicked = self.handler.take();
                let _ = guarded(|| drop(panicked));
                self.panicked(payload, link);
                None
            }
        }
    }

    /// Sends the head of a response, and its content when it is here.
    #[inline]
    fn respond(&mut self, response: &mut Response, link: &Link) {
        if let Some((content_type, lines)) = response.as_usual()
            && let Some(content) = response.body().as_bytes()
            && link.shared.worker.phase() == Phase::Running
            && self.protocol.state().request == RequestHalf::Done
            && with_stamp(link, |stamp| {
                (self.protocol).send_usual(
                    content_type,
                    lines,
                    content,
                    response.body().as_full(),
                    stamp,
                    &mut self.out,
                )
            })
        {
            link.shared.worker.counters.add(Counter::Responses);
            return;
        }
        self.respond_unusual(std::mem::take(response), link);
    }

    fn respond_unusual(&mut self, response: Response, link: &Link) {
        let counters = &link.shared.worker.counters;
        if response.invalid().is_some() {
            counters.add(Counter::InvalidResponses);
            return self.respond_plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal server error",
                false,
                link,
            );
        }
        if response.replaces_invalid() {
            counters.add(Counter::InvalidResponses);
        }
        let (mut status, headers, mut body, upgrade) = response.into_sendable();
        let is_head = *self.protocol.head().method() == Method::HEAD;
        let mut length = body.len();
        let mut close = link.shared.worker.phase() != Phase::Running
            || self.must_close_unread(&link.shared.config, Some(&body));
        if headers.plain_type().is_none() || length.is_none() {
            if headers.get(CONNECTION).is_some_and(|value| {
                grammar::list(value.as_bytes()).any(|option| option.eq_ignore_ascii_case(b"close"))
            }) {
                close = true;
            }
            // A handler's Content-Length counts where the content does not tell its own length.
            if length.is_none()
                || ((is_head || status == StatusCode::NOT_MODIFIED) && body.is_empty())
            {
                let declared = headers
                    .get(CONTENT_LENGTH)
                    .and_then(|value| number::decimal(value.as_bytes()));
                length = declared.or(length);
            }
        }
        let connect = *self.protocol.head().method() == Method::CONNECT;
        let switch = status == StatusCode::SWITCHING_PROTOCOLS || (connect && status.is_success());
        if connect && status == StatusCode::SWITCHING_PROTOCOLS {
            // RFC 9110 §9.3.6: a tunnel begins with a 2xx.
            status = StatusCode::OK;
        }
        let unasked = status == StatusCode::SWITCHING_PROTOCOLS && !self.was_offered(&headers);
        if switch && (upgrade.is_none() || unasked) {
            counters.add(Counter::InvalidResponses);
            return self.respond_plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal server error",
                false,
                link,
            );
        }
        let head = ResponseHead {
            status,
            length,
            close,
        };
        match self.send_head(head, headers.shared(), headers.own_lines(), link) {
            Ok(BodyFraming::Empty) => {
                self.touched |= upgrade.is_some();
                self.upgrade = upgrade;
            }
            Ok(_) => match body.take_full() {
                Some(content) => {
                    if self.protocol.send_data(content, &mut self.out).is_err()
                        || self
                            .protocol
                            .send_end(std::iter::empty(), &mut self.out)
                            .is_err()
                    {
                        self.cannot_send(link);
                    }
                }
                None => {
                    self.touched = true;
                    self.sending = Some(body);
                }
            },
            Err(()) if self.protocol.state().response == ResponseHalf::AwaitingFinal => {
                counters.add(Counter::InvalidResponses);
                self.respond_plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal server error",
                    true,
                    link,
                );
            }
            Err(()) => self.cannot_send(link),
        }
    }

    /// Whether the client named the protocols of this 101, which has to name one (RFC 9110 §7.8, §15.2.2).
    fn was_offered(&self, headers: &Headers) -> bool {
        let head = self.protocol.head();
        let (mut named, mut offered) = (false, true);
        for value in headers.get_all(UPGRADE) {
            for protocol in grammar::list(value.as_bytes()) {
                named = true;
                offered &= head.offers_protocol(protocol);
            }
        }
        named && offered
    }

    /// Sends more of a streamed content.
    pub(super) fn send_body(&mut self, cx: &mut Context<'_>, link: &Link) -> Option<Need> {
        let Some(body) = self.sending.as_mut() else {
            self.cannot_send(link);
            return None;
        };
        let sent = match guarded(|| body.poll_piece(cx)) {
            Ok(Poll::Pending) => {
                return match self.pump(cx, link) {
                    Some(true) => None,
                    Some(false) => Some(Need::Content),
                    None => Some(Need::Peer),
                };
            }
            Ok(Poll::Ready(Some(Ok(Fed::Chunk(chunk))))) => {
                self.protocol.send_data(chunk, &mut self.out).is_ok()
            }
            Ok(Poll::Ready(Some(Ok(Fed::Trailers(trailers))))) => {
                self.sending = None;
                self.protocol
                    .send_end(trailers.own_lines(), &mut self.out)
                    .is_ok()
            }
            Ok(Poll::Ready(None)) => {
                self.sending = None;
                self.protocol
                    .send_end(std::iter::empty(), &mut self.out)
                    .is_ok()
            }
            Ok(Poll::Ready(Some(Err(_)))) => false,
            Err(payload) => {
                link.count_panic(payload);
                false
            }
        };
        if !sent {
            self.cannot_send(link);
        }
        None
    }

    /// Answers a message that is refused. Nothing after it is interpreted.
    pub(super) fn refuse(&mut self, error: Error, link: &Link) {
        self.touched = true;
        link.shared.worker.counters.add(counter_of(error));
        self.read.clear();
        match error.status() {
            Some(status) => self.respond_plain(status, error.reason(), true, link),
            None => self.abort = true,
        }
    }

    /// Answers a request whose content is refused, through the layers of its route. Nothing after it is interpreted.
    #[cold]
    pub(super) fn refuse_request(&mut self, mut request: Request, error: Error, link: &Link) {
        let Some(status) = error.status() else {
            return self.refuse(error, link);
        };
        self.touched = true;
        link.shared.worker.counters.add(counter_of(error));
        self.read.clear();
        let reason = match status {
            StatusCode::PAYLOAD_TOO_LARGE => BodyError::TooLarge,
            status => BodyError::Malformed(status, error.reason()),
        };
        *request.body_mut() = Body::failed(reason);
        self.refuse_with(request, status, error.reason(), link);
    }

    /// Lets the layers of a request see an answer on the server's own account.
    pub(super) fn refuse_with(
        &mut self,
        request: Request,
        status: StatusCode,
        text: &'static str,
        link: &Link,
    ) {
        let response = Response::refusal(status, text);
        match guarded(|| link.shared.service.refuse(request, response)) {
            Ok(handler) => self.handler = Some(handler),
            Err(payload) => self.panicked(payload, link),
        }
    }

    /// Answers on the server's own account.
    pub(super) fn respond_plain(
        &mut self,
        status: StatusCode,
        text: &'static str,
        close: bool,
        link: &Link,
    ) {
        self.touched = true;
        if self.protocol.state().response != ResponseHalf::AwaitingFinal {
            self.abort = true;
            return;
        }
        let text: &'static [u8] = text.as_bytes();
        let close = close
            || link.shared.worker.phase() != Phase::Running
            || self.must_close_unread(&link.shared.config, None);
        let head = ResponseHead {
            status,
            length: Some(text.len() as u64 + 1),
            close,
        };
        let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
        let retry = HeaderValue::from_static("1");
        let lines = [
            Some(FieldLine::new(&http::header::CONTENT_TYPE, &content_type)),
            (status == StatusCode::SERVICE_UNAVAILABLE)
                .then(|| FieldLine::new(&RETRY_AFTER, &retry)),
        ];
        let framing = self.send_head(head, None, lines.into_iter().flatten(), link);
        if framing.is_ok_and(|framing| framing != BodyFraming::Empty) {
            let _ = self
                .protocol
                .send_data([text, b"\n"].concat().into(), &mut self.out);
            let _ = self.protocol.send_end(std::iter::empty(), &mut self.out);
        }
    }

    /// A handler panicked: this request fails, nothing else does.
    pub(super) fn panicked(&mut self, payload: Box<dyn Any + Send>, link: &Link) {
        let (payload, response) = Panicked::split(payload);
        link.count_panic(payload);
        match response {
            Some(mut response) => self.respond(&mut response, link),
            None => self.respond_plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal server error",
                false,
                link,
            ),
        }
    }

    /// Whether the connection cannot go on after this response because of content that was not read:
    /// more than is worth reading, or content that the client may or may not send (RFC 9110 §10.1.1).
    /// A response that is made from the content as it comes will have read it.
    #[inline]
    fn must_close_unread(&mut self, config: &Config, response: Option<&Body>) -> bool {
        if self.protocol.state().request != RequestHalf::Body {
            return false;
        }
        let streamed = response.is_some_and(|body| body.as_bytes().is_none());
        if streamed && self.feed.as_ref().is_some_and(|feed| !feed.is_abandoned()) {
            self.say_continue();
            return false;
        }
        if self.protocol.awaits_continue() {
            return true;
        }
        match self.protocol.unread() {
            // `discard` counts what is here already, too.
            Some(left) => left > config.drain_body,
            // Nobody knows how much is still to come: what is not here whole ends the connection, and the
            // response says so (RFC 9112 §9.6).
            None if self.feed.as_ref().is_none_or(|feed| feed.is_abandoned()) => {
                while self.protocol.state().request == RequestHalf::Body {
                    match self.protocol.receive(&mut self.read, &config.limits) {
                        Ok(Some(Event::Data(data))) => {
                            self.spent += PIECE;
                            self.discarded += data.len() as u64;
                        }
                        Ok(Some(_)) => {}
                        Ok(None) | Err(_) => return true,
                    }
                }
                false
            }
            None => false,
        }
    }

    /// A response that was begun cannot be ended: the peer must see it cut short.
    fn cannot_send(&mut self, link: &Link) {
        self.touched = true;
        link.shared.worker.counters.add(Counter::InvalidResponses);
        self.sending = None;
        self.abort = true;
    }

    #[inline]
    fn send_head<'a>(
        &mut self,
        head: ResponseHead,
        shared: Option<&SharedLines>,
        lines: impl Iterator<Item = FieldLine<'a>>,
        link: &Link,
    ) -> Result<BodyFraming, ()> {
        let framing = with_stamp(link, |stamp| {
            (self.protocol).send_response(head, shared, lines, stamp, &mut self.out)
        });
        if framing.is_ok() {
            link.shared.worker.counters.add(Counter::Responses);
        }
        framing.map_err(|_| ())
    }
}

/// Runs the code with the `Server` and `Date` of this second.
#[inline]
fn with_stamp<T>(link: &Link, code: impl FnOnce(&mut Stamp) -> T) -> T {
    STAMP.with_borrow_mut(|cached| code(cached.now(link, Stamp::new)))
}

thread_local! {
    static STAMP: RefCell<Cached<Stamp>> = RefCell::default();
}
