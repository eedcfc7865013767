//! A connection from accept to its protocol.
//!
//! ```text
//!   Hello --first record here, and a place--> Shaking --done--> the protocol that ALPN chose
//!     |  plain HTTP                              |  failed
//!     +--> Farewell (400)                        +--> Farewell (alert)      overdue, forced: the end
//! ```
//!
//! A `Hello` costs what an idle connection costs, and up to its first record nothing of rustls is made. The box that
//! all this stands in goes when the protocol begins.

use crate::http1::driver::Connection;
use crate::resource::counters::Counter;
use crate::resource::date::http_date;
use crate::resource::io::{Io, Transport};
use crate::resource::pool;
use crate::resource::tls_info::{TlsInfo, TlsVersion};
use crate::resource::tls_stream::{Broken, TlsStream};
use crate::resource::worker::Phase;
use crate::server::http2;
use crate::server::permit::Permit;
use crate::server::served::Served;
use crate::server::tls::acceptor::Acceptor;
use crate::server::tls::names;
use crate::server::tls::places::Place;
use crate::server::tls::tell;
use crate::service::link::Link;
use bytes::{Buf, BytesMut};
use rustls::server::UnbufferedServerConnection;
use rustls::{HandshakeKind, ProtocolVersion};
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

/// A connection to a TLS listener, as a future.
pub(super) enum Serving {
    Opening(Box<Opening>),
    Http(Connection<Permit>),
    Other(Pin<Box<dyn Future<Output = ()> + Send>>),
    Ended,
}

/// The part before its protocol.
pub(super) struct Opening {
    acceptor: Arc<Acceptor>,
    link: Link,
    permit: Permit,
    step: Step,
    place: Place,
    /// What the client asked for.
    server_name: Option<String>,
    /// The octets of the first record, as far as they have come.
    hello: BytesMut,
}

enum Step {
    Hello(Io),
    Shaking(Box<Stream>),
    Farewell(Farewell),
    Gone,
}

impl Serving {
    /// Registers an accepted connection, and sets its deadline.
    pub(super) fn new(io: Io, acceptor: Arc<Acceptor>, link: Link, permit: Permit) -> Self {
        let worker = &link.shared.worker;
        link.slot
            .set_due(worker.tick_after(acceptor.handshake_timeout));
        Self::Opening(Box::new(Opening {
            acceptor,
            link,
            permit,
            step: Step::Hello(io),
            place: Place::Wanted,
            server_name: None,
            hello: BytesMut::new(),
        }))
    }
}

impl Future for Serving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        loop {
            match me {
                Self::Opening(opening) => {
                    let stream = ready!(opening.poll(cx));
                    let Self::Opening(opening) = std::mem::replace(me, Self::Ended) else {
                        continue;
                    };
                    if let Some(stream) = stream {
                        *me = begin(stream, *opening);
                    }
                }
                Self::Http(connection) => {
                    ready!(Pin::new(connection).poll(cx));
                    *me = Self::Ended;
                }
                Self::Other(connection) => {
                    ready!(connection.as_mut().poll(cx));
                    *me = Self::Ended;
                }
                Self::Ended => return Poll::Ready(()),
            }
        }
    }
}

/// The protocol that ALPN chose.
type Stream = TlsStream<UnbufferedServerConnection>;

fn begin(stream: Box<Stream>, opening: Opening) -> Serving {
    let Opening {
        link,
        permit,
        server_name,
        ..
    } = opening;
    let connection = stream.connection();
    let tls = info(connection, server_name.as_deref());
    let counters = &link.shared.worker.counters;
    counters.add(Counter::TlsHandshakes);
    if tls.is_resumed() {
        counters.add(Counter::TlsResumed);
    }
    link.slot.set_tls(tls);
    link.slot.set_due(0);
    link.shared.worker.charge(&link.slot, 0);
    let protocol = stream.connection().alpn_protocol().map(<[u8]>::to_vec);
    match http2::chosen(protocol.as_deref(), Io::Dyn(stream), link, permit) {
        Served::Http1(connection) => Serving::Http(connection),
        Served::Other(connection) => Serving::Other(connection),
    }
}

impl Opening {
    /// Goes on with the handshake; `None` when it came to nothing.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Box<Stream>>> {
        self.link.slot.set_waker(cx.waker());
        if self.is_over() {
            return Poll::Ready(None);
        }
        let outcome = self.go_on(cx);
        if outcome.is_pending() {
            let held = match &self.step {
                Step::Shaking(stream) => HANDSHAKE_STATE + stream.held(),
                _ => self.hello.capacity(),
            };
            self.link.shared.worker.charge(&self.link.slot, held);
        }
        outcome
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<Option<Box<Stream>>> {
        loop {
            match &mut self.step {
                Step::Hello(io) => match ready!(poll_hello(io, &mut self.hello, cx)) {
                    Hello::Tls => {
                        let worker = &self.link.shared.worker;
                        ready!(self.acceptor.places.poll_take(
                            cx,
                            &mut self.place,
                            &self.link.slot,
                            worker
                        ));
                        self.shake();
                    }
                    Hello::PlainHttp => {
                        self.count(Counter::RefusedPlainHttp);
                        let answer = plain_http(&self.link.shared.config.server);
                        self.say(answer);
                    }
                    Hello::Gone => return Poll::Ready(None),
                    Hello::Failed => {
                        self.count(Counter::IoErrors);
                        return Poll::Ready(None);
                    }
                },
                Step::Shaking(stream) => {
                    let outcome = stream.poll_handshake(cx);
                    if let Some(name) = names::asked_for() {
                        self.server_name = Some(name);
                    }
                    match (
                        ready!(outcome),
                        std::mem::replace(&mut self.step, Step::Gone),
                    ) {
                        (Ok(()), Step::Shaking(stream)) => return Poll::Ready(Some(stream)),
                        (Err(broken @ Broken::Tls(_)), Step::Shaking(stream)) => {
                            tell::failure(&broken);
                            self.count(Counter::TlsFailures);
                            let (io, alert) = stream.into_farewell();
                            self.step = Step::Hello(io);
                            self.say(alert);
                        }
                        // The client has gone: nobody is there to be told.
                        _ => {
                            self.count(Counter::IoErrors);
                            return Poll::Ready(None);
                        }
                    }
                }
                Step::Farewell(farewell) => {
                    ready!(farewell.poll(cx));
                    return Poll::Ready(None);
                }
                Step::Gone => return Poll::Ready(None),
            }
        }
    }

    /// Begins the handshake with the certificates of now.
    fn shake(&mut self) {
        let Step::Hello(io) = std::mem::replace(&mut self.step, Step::Gone) else {
            return;
        };
        // It can only fail for a configuration that no handshake could use.
        let Ok(connection) = UnbufferedServerConnection::new(self.acceptor.certificates.current())
        else {
            return self.count(Counter::TlsFailures);
        };
        let hello = std::mem::take(&mut self.hello);
        self.step = Step::Shaking(Box::new(TlsStream::new(io, connection, hello)));
    }

    /// Sends the last words, and lets the client read them.
    fn say(&mut self, words: BytesMut) {
        let Step::Hello(io) = std::mem::replace(&mut self.step, Step::Gone) else {
            return;
        };
        self.place = Place::Wanted;
        self.hello = BytesMut::new();
        let (worker, slot) = (&self.link.shared.worker, &self.link.slot);
        slot.set_due(worker.tick_after(self.link.shared.config.linger));
        self.step = Step::Farewell(Farewell {
            io,
            words,
            left: FAREWELL_READS,
        });
    }

    /// Whether the end has come, by force or because of the deadline.
    fn is_over(&self) -> bool {
        let (worker, slot) = (&self.link.shared.worker, &self.link.slot);
        match worker.phase() {
            Phase::Forced => {
                self.count(Counter::DrainForced);
                return true;
            }
            // A client that has said nothing yet has nothing to lose.
            Phase::Draining if matches!(self.step, Step::Hello(_)) && self.hello.is_empty() => {
                if let Place::Wanted = self.place {
                    slot.hurry(worker.tick_after(worker.grace(DRAIN_GRACE)));
                }
            }
            _ => {}
        }
        if slot.is_shed() {
            return true;
        }
        let overdue = slot.is_due(worker.now()) || self.place.is_over();
        if overdue && !matches!(self.step, Step::Farewell(_)) {
            self.count(Counter::TlsTimeouts);
        }
        overdue
    }

    fn count(&self, counter: Counter) {
        self.link.shared.worker.counters.add(counter);
    }
}

/// What the first octets are.
enum Hello {
    /// A record is here whole, or what is here is none: rustls tells.
    Tls,
    PlainHttp,
    Gone,
    Failed,
}

/// Reads until the first record is whole.
fn poll_hello(io: &mut Io, hello: &mut BytesMut, cx: &mut Context<'_>) -> Poll<Hello> {
    loop {
        match **hello {
            [] => {}
            // No record begins with a letter, and every method does.
            [first, ..] if first.is_ascii_alphabetic() => return Poll::Ready(Hello::PlainHttp),
            [HANDSHAKE, _, _, high, low, ..] => {
                let len = usize::from(u16::from_be_bytes([high, low]));
                if hello.len() >= RECORD_HEADER + len || len > LONGEST_HELLO {
                    return Poll::Ready(Hello::Tls);
                }
            }
            [HANDSHAKE, ..] => {}
            _ => return Poll::Ready(Hello::Tls),
        }
        if hello.is_empty() {
            // Nothing is borrowed for a client that says nothing.
            if ready!(io.poll_readable(cx)).is_err() {
                return Poll::Ready(Hello::Failed);
            }
            *hello = pool::take();
        } else if hello.capacity() - hello.len() < LEAST_READ {
            hello.reserve(LEAST_READ);
        }
        match io.poll_read(cx, hello) {
            Poll::Pending => {
                // A pool's buffer is more than most wait with.
                let part = BytesMut::from(&hello[..]);
                pool::give(std::mem::replace(hello, part));
                return Poll::Pending;
            }
            Poll::Ready(Ok(0)) => return Poll::Ready(Hello::Gone),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Hello::Failed),
        }
    }
}

/// Last words, and a while in which the client may read them: what it has sent and nobody read would turn the end into
/// a reset, which may overtake them.
struct Farewell {
    io: Io,
    words: BytesMut,
    left: u32,
}

impl Farewell {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.words.is_empty() {
            match ready!(self.io.poll_writev(cx, &[IoSlice::new(&self.words)])) {
                Ok(len) => self.words.advance(len),
                Err(_) => return Poll::Ready(()),
            }
        }
        let _ = ready!(self.io.poll_shutdown(cx));
        while self.left > 0 {
            let mut buf = pool::take();
            let read = self.io.poll_read(cx, &mut buf);
            pool::give(buf);
            match ready!(read) {
                Ok(1..) => self.left -= 1,
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

/// What the handshake has found out.
pub(super) fn info(connection: &UnbufferedServerConnection, server_name: Option<&str>) -> TlsInfo {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
        _ => TlsVersion::Tls13,
    };
    let suite = connection
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str());
    let mut tls = TlsInfo::new(version, suite.unwrap_or_default())
        .with_resumed(connection.handshake_kind() == Some(HandshakeKind::Resumed));
    if let Some(name) = server_name {
        tls = tls.with_server_name(name);
    }
    if let Some(protocol) = connection.alpn_protocol() {
        tls = tls.with_alpn(protocol);
    }
    if let Some(chain) = connection.peer_certificates() {
        tls = tls.with_peer_certificates(chain.iter().map(AsRef::as_ref));
    }
    tls
}

/// The answer to plain HTTP, which everything that speaks it can read.
fn plain_http(server: &http::HeaderValue) -> BytesMut {
    let mut answer = BytesMut::new();
    answer.extend_from_slice(
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n",
    );
    let length = PLAIN_HTTP.len();
    let date = http_date(SystemTime::now());
    let lines = format!("content-length: {length}\r\nconnection: close\r\ndate: {date}\r\n");
    answer.extend_from_slice(lines.as_bytes());
    if !server.is_empty() {
        answer.extend_from_slice(&[b"server: ", server.as_bytes(), b"\r\n"].concat());
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(PLAIN_HTTP.as_bytes());
    answer
}

/// What a waiting connection costs beside rustls' state is what it costs without TLS.
const _: () = assert!(size_of::<Serving>() <= size_of::<Connection<Permit>>() + 8);

const PLAIN_HTTP: &str = "this port speaks TLS: ask for https:// instead of http://\n";

/// The content type of handshake records (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
const RECORD_HEADER: usize = 5;

/// A longer record is an error, which rustls tells.
const LONGEST_HELLO: usize = 16 * 1024;

/// There is always room for a read of this size.
const LEAST_READ: usize = 2048;

/// What rustls holds for a handshake in progress, about.
const HANDSHAKE_STATE: usize = 16 * 1024;

/// How long a client that has said nothing is waited for once the drain has begun.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// How many reads of what the client still sends are thrown away.
const FAREWELL_READS: u32 = 64;
