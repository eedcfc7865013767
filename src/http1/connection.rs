//! One HTTP/1.1 connection without its socket: octets in, events out; values in, octets out.

use crate::http1::body::BodyDecoder;
use crate::http1::chunked::{Piece, Trailers};
use crate::http1::encode::{self, ConnectionOption, HeadPlan, Stamp};
use crate::http1::error::{Error, IllegalTransition};
use crate::http1::framing::{self, BodyFraming};
use crate::http1::head::{HeadParser, RequestHead};
use crate::http1::state::{Life, RequestHalf, ResponseHalf, State, Transition};
use crate::wire::fields::FieldLine;
use crate::wire::limits::Limits;
use crate::wire::number;
use crate::wire::out::Out;
use crate::wire::paved::PavedLines;
use crate::wire::shared::SharedLines;
use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderValue, Method, StatusCode};

/// What was read.
///
/// ```
/// use bytes::BytesMut;
/// use wireline::http1::connection::{Connection, Event};
/// use wireline::http1::limits::Limits;
///
/// let mut buf = BytesMut::from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
/// let (mut connection, limits) = (Connection::default(), Limits::default());
/// let mut content = Vec::new();
/// while let Some(event) = connection.receive(&mut buf, &limits)? {
///     match event {
///         Event::Request => assert_eq!(connection.head().path(), b"/"),
///         Event::Data(data) => content.extend_from_slice(&data),
///         Event::EndOfMessage(trailers) => assert!(trailers.is_empty()),
///     }
/// }
/// assert_eq!(content, b"hi");
/// # Ok::<(), wireline::http1::error::Error>(())
/// ```
#[derive(Debug)]
pub enum Event {
    /// A request head, which stands in [`Connection::head`].
    Request,
    /// Content, in the order in which it came.
    Data(Bytes),
    /// The message has ended. The next request waits until [`Connection::next_cycle`].
    EndOfMessage(Trailers),
}

/// The head of a final response, but for its fields.
///
/// ```
/// use http::StatusCode;
/// use wireline::http1::connection::ResponseHead;
///
/// // Content whose length nobody knows: in chunks, or for HTTP/1.0 until the connection closes.
/// let streamed = ResponseHead { status: StatusCode::OK, length: None, close: false };
/// // The last response of the connection.
/// let last = ResponseHead { length: Some(0), close: true, ..streamed };
/// # let _ = last;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead {
    /// The status; not 1xx other than 101.
    pub status: StatusCode,
    /// The exact length of the content, when it is known. For HEAD and 304 it is what GET would have had.
    pub length: Option<u64>,
    /// Whether the connection shall close after this response.
    pub close: bool,
}

/// The sans-I/O core of the server's side of a connection.
///
/// It does not read, write, wait or know the time. Feed [`receive`](Self::receive) with a buffer,
/// answer with the `send_*` methods, and begin the next message with [`next_cycle`](Self::next_cycle).
///
/// ```
/// use bytes::BytesMut;
/// use wireline::http1::connection::{Connection, Event, ResponseHead};
/// use wireline::http1::{encode::Stamp, limits::Limits, out::Out};
///
/// let (mut connection, limits) = (Connection::default(), Limits::default());
/// let mut buf = BytesMut::from(&b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"[..]);
/// assert!(matches!(connection.receive(&mut buf, &limits), Ok(Some(Event::Request))));
/// assert_eq!(connection.head().path(), b"/hello");
///
/// let mut out = Out::default();
/// let head = ResponseHead { status: http::StatusCode::OK, length: Some(2), close: false };
/// connection.send_response(head, None, std::iter::empty(), &mut Stamp::default(), &mut out).unwrap();
/// connection.send_data("hi".into(), &mut out).unwrap();
/// connection.send_end(std::iter::empty(), &mut out).unwrap();
/// assert_eq!(out.to_vec(), b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nhi");
/// ```
#[derive(Debug)]
pub struct Connection {
    state: State,
    parser: HeadParser,
    head: RequestHead,
    decoder: BodyDecoder,
    /// The framing of the response that is being sent, with what is left of a `Length`.
    sending: BodyFraming,
    /// The peer sent nothing of the next message yet.
    started: bool,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            state: State::default(),
            parser: HeadParser::default(),
            head: RequestHead::default(),
            decoder: BodyDecoder::Ended,
            sending: BodyFraming::Empty,
            started: false,
        }
    }
}

impl Connection {
    /// Where the connection stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The request head of the present cycle.
    pub const fn head(&self) -> &RequestHead {
        &self.head
    }

    /// The request head of the present cycle, whose field table may be taken.
    pub(crate) const fn head_mut(&mut self) -> &mut RequestHead {
        &mut self.head
    }

    /// Whether some, but not all, of a request head has come.
    pub const fn is_inside_head(&self) -> bool {
        self.started
    }

    /// Makes this a new connection that keeps the memory of the old one.
    pub(crate) fn reset(&mut self) {
        self.state = State::default();
        self.parser = HeadParser::default();
        self.head.fields.clear();
        self.decoder = BodyDecoder::Ended;
        self.sending = BodyFraming::Empty;
        self.started = false;
    }

    /// Reads on. `Ok(None)` asks for more octets, or, when the message has ended, for the next cycle.
    ///
    /// # Errors
    ///
    /// The message is refused. The state is then such that one error response may still be sent, if
    /// none was begun; nothing that follows in `buf` is interpreted.
    #[inline]
    pub fn receive(&mut self, buf: &mut BytesMut, limits: &Limits) -> Result<Option<Event>, Error> {
        match (self.state.request, self.state.life) {
            (_, Life::Closed | Life::Switched) | (RequestHalf::Done, _) => Ok(None),
            (RequestHalf::Idle, Life::MustClose) => Ok(None),
            (RequestHalf::Idle, Life::Persistent) => {
                let whole = self.receive_head(buf, limits)?;
                Ok(whole.then_some(Event::Request))
            }
            (RequestHalf::Body, _) => self
                .receive_body(buf, limits)
                .inspect_err(|_| self.give_up()),
        }
    }

    /// Reads the next request head: `true` when all of it was there. Between requests only.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub(crate) fn receive_head(
        &mut self,
        buf: &mut BytesMut,
        limits: &Limits,
    ) -> Result<bool, Error> {
        let len = match self.parser.parse(buf, &mut self.head, limits) {
            Ok(Some(len)) => len,
            Ok(None) => {
                self.started = !buf.is_empty();
                return Ok(false);
            }
            Err(error) => {
                self.give_up();
                return Err(error);
            }
        };
        self.started = false;
        self.head.block.clear();
        self.head.block.extend_from_slice(&buf[..len]);
        buf.advance(len);
        let framing = self.head.framing();
        let body = framing != BodyFraming::Empty;
        if body {
            self.decoder = BodyDecoder::new(framing);
        }
        let persistent = self.head.is_persistent();
        self.state
            .apply(Transition::RequestHead { body, persistent })
            .map_err(|_| Error::Incomplete)?;
        Ok(true)
    }

    fn receive_body(
        &mut self,
        buf: &mut BytesMut,
        limits: &Limits,
    ) -> Result<Option<Event>, Error> {
        Ok(match self.decoder.decode(buf, limits)? {
            None => None,
            Some(Piece::Data(data)) => Some(Event::Data(data)),
            Some(Piece::End(trailers)) => {
                let _ = self.state.apply(Transition::RequestEnd);
                Some(Event::EndOfMessage(trailers))
            }
        })
    }

    /// Refuses more than `limit` octets of content in the present message.
    ///
    /// # Errors
    ///
    /// [`Error::ContentTooLarge`], and the message is refused, when a greater length is declared.
    pub fn limit_body(&mut self, limit: u64) -> Result<(), Error> {
        self.decoder.set_limit(limit).inspect_err(|_| {
            let _ = self.state.apply(Transition::Refuse);
        })
    }

    /// Makes the present request the last one: its response says `Connection: close`, and nothing after it is
    /// interpreted (RFC 9112 §9.6). It changes nothing once the response has begun.
    #[cold]
    pub fn last_request(&mut self) {
        let _ = self.state.apply(Transition::LastRequest);
    }

    /// The peer will send nothing more.
    ///
    /// # Errors
    ///
    /// [`Error::Incomplete`] when that cuts a message short (RFC 9112 §8).
    pub fn receive_end(&mut self) -> Result<(), Error> {
        let inside = self.started || self.state.request == RequestHalf::Body;
        let _ = self.state.apply(Transition::PeerClosed);
        if inside {
            Err(Error::Incomplete)
        } else {
            Ok(())
        }
    }

    /// How much of the present message's content has not been read yet, where its length was declared.
    pub const fn unread(&self) -> Option<u64> {
        self.decoder.left()
    }

    /// Whether the client still waits for `100 Continue` (RFC 9110 §10.1.1): nothing of its content
    /// was read, and no final response was begun.
    pub fn awaits_continue(&self) -> bool {
        self.head.expects_continue()
            && self.state.request == RequestHalf::Body
            && self.state.response == ResponseHalf::AwaitingFinal
    }

    /// Sends an interim response. HTTP/1.0 clients do not know them: nothing is written then (RFC 9110 §15.2).
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] outside a request that awaits its final response, and for a status that
    /// is not interim.
    pub fn send_interim<'a>(
        &mut self,
        status: StatusCode,
        fields: impl Iterator<Item = FieldLine<'a>>,
        out: &mut Out,
    ) -> Result<(), IllegalTransition> {
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(IllegalTransition);
        }
        self.state.apply(Transition::Interim)?;
        if self.head.minor > 0 {
            encode::interim_head(out.inline(), status, fields);
        }
        Ok(())
    }

    /// Sends the head of the final response: the lines it shares with others, then its own. Gives the framing that its
    /// content must have.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] when no response is awaited, for an interim status, and for 101 when the
    /// client did not offer an upgrade or its content is still coming.
    #[inline]
    pub fn send_response<'a>(
        &mut self,
        head: ResponseHead,
        shared: Option<&SharedLines>,
        fields: impl Iterator<Item = FieldLine<'a>>,
        stamp: &mut Stamp,
        out: &mut Out,
    ) -> Result<BodyFraming, IllegalTransition> {
        let connect = self.head.method == Method::CONNECT;
        let switch =
            head.status == StatusCode::SWITCHING_PROTOCOLS || (connect && head.status.is_success());
        if head.status.is_informational() && !(switch && self.head.offers_upgrade()) {
            return Err(IllegalTransition);
        }
        let without_content = self.head.method == Method::HEAD;
        let framing = framing::response(connect, head.status, head.length, self.head.minor);
        let sent = if without_content {
            BodyFraming::Empty
        } else {
            framing
        };
        let option = if switch {
            self.state.apply(Transition::Switch)?;
            // RFC 9110 §15.2.2: a 101 names the protocol, even to CONNECT.
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                ConnectionOption::Upgrade
            } else {
                ConnectionOption::None
            }
        } else {
            let persistent = !head.close && framing != BodyFraming::CloseDelimited;
            self.state.apply(Transition::Final {
                body: sent != BodyFraming::Empty,
                persistent,
            })?;
            if self.state.life == Life::Persistent {
                ConnectionOption::KeepAlive
            } else {
                ConnectionOption::Close
            }
        };
        // RFC 9110 §8.6: HEAD and 304 may announce what GET would have sent; 1xx and 204 never do.
        let announced = match framing {
            BodyFraming::Length(length) if without_content => Some(length),
            _ if head.status == StatusCode::NOT_MODIFIED => {
                head.length.filter(|length| *length > 0)
            }
            _ => None,
        };
        let plan = HeadPlan {
            status: head.status,
            framing: sent,
            announced,
            option,
        };
        encode::final_head(out.inline(), plan, shared, fields, stamp);
        self.sending = sent;
        Ok(sent)
    }

    /// Sends a whole response of the usual kind: 200 with a content type and content that is here, on a
    /// connection that goes on. `false`, and nothing is done, when this exchange is not of that kind.
    #[inline]
    pub(crate) fn send_usual(
        &mut self,
        content_type: &HeaderValue,
        lines: Option<&PavedLines>,
        content: &[u8],
        owner: Option<&Bytes>,
        stamp: &mut Stamp,
        out: &mut Out,
    ) -> bool {
        let head = Transition::Final {
            body: true,
            persistent: true,
        };
        if self.head.is_bare
            || self.state.life != Life::Persistent
            || self.state.apply(head).is_err()
        {
            return false;
        }
        encode::usual_head(
            out.inline(),
            content_type,
            content.len() as u64,
            lines,
            stamp,
        );
        out.push_shared(content, owner);
        self.sending = BodyFraming::Length(0);
        self.state.apply(Transition::ResponseEnd).is_ok()
    }

    /// Sends content.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] when no content may follow, or more than was announced. Nothing of `data`
    /// is written then.
    #[inline]
    pub fn send_data(&mut self, data: Bytes, out: &mut Out) -> Result<(), IllegalTransition> {
        if self.state.response != ResponseHalf::Body {
            return Err(IllegalTransition);
        }
        match &mut self.sending {
            BodyFraming::Empty => return Err(IllegalTransition),
            BodyFraming::Length(left) => {
                *left = left
                    .checked_sub(data.len() as u64)
                    .ok_or(IllegalTransition)?;
                out.push(data);
            }
            BodyFraming::CloseDelimited => out.push(data),
            // A chunk of size 0 would end the body (RFC 9112 §7.1).
            BodyFraming::Chunked if data.is_empty() => {}
            BodyFraming::Chunked => {
                number::push_hex(out.inline(), data.len() as u64);
                out.inline().extend_from_slice(b"\r\n");
                out.push(data);
                out.inline().extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }

    /// Ends the response. Trailers are sent where the framing has a place for them (RFC 9112 §7.1.2).
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] when less was sent than announced: the connection must then be closed
    /// without another octet, so that the peer sees the response cut short.
    #[inline]
    pub fn send_end<'a>(
        &mut self,
        trailers: impl Iterator<Item = FieldLine<'a>>,
        out: &mut Out,
    ) -> Result<(), IllegalTransition> {
        if self.state.response == ResponseHalf::Done {
            return Ok(());
        }
        match self.sending {
            BodyFraming::Length(left) if left > 0 => return Err(IllegalTransition),
            BodyFraming::Chunked => encode::last_chunk(out.inline(), trailers),
            _ => {}
        }
        self.state.apply(Transition::ResponseEnd)
    }

    /// Begins the next message.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] unless both halves are done and the connection persists.
    #[inline]
    pub fn next_cycle(&mut self) -> Result<(), IllegalTransition> {
        self.state.apply(Transition::NextCycle)
    }

    /// Refuses the present message for a reason that is not in its octets: it did not come in time.
    /// One error response may still be sent, if none was begun.
    #[cold]
    pub fn give_up(&mut self) {
        if self.state.request == RequestHalf::Idle && !self.parser.has_method() {
            // The method is that of the request before, and HEAD would keep the reason from the peer.
            self.head.set_method(Method::GET);
        }
        let _ = self.state.apply(Transition::Refuse);
    }

    /// The connection is over.
    pub fn close(&mut self) {
        let _ = self.state.apply(Transition::Close);
    }
}
