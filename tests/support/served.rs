//! One conversation with the driver, over an in-memory transport: what the handler saw, and what came back.

use crate::corpus::{Case, Ending, show};
use bytes::BytesMut;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use wireline::http1::driver::config::Config;
use wireline::http1::driver::{Connection, Shared};
use wireline::resource::addr::ConnInfo;
use wireline::resource::budget::Budget;
use wireline::resource::io::memory::{self, MemoryStream};
use wireline::resource::io::{Io, Transport};
use wireline::resource::worker::Worker;
use wireline::service::handler::{ResponseFuture, Service};
use wireline::service::request::Request;
use wireline::service::response::{IntoResponse, Response};

/// What came of a conversation.
#[derive(Debug)]
pub(crate) struct Served {
    /// `METHOD TARGET` of each request whose handler began.
    begun: Vec<Vec<u8>>,
    /// The events of each request whose handler saw it whole, without its fields.
    whole: Vec<Vec<u8>>,
    /// What the client received until the end of the stream.
    received: Vec<u8>,
    /// Whether that end came while the client's side was still open.
    ended_first: bool,
}

/// Serves a case in pieces, then the tail. Where the server must close, the client waits for it; where it
/// must not, the client closes its side. There is no clock and no scheduler: the connection is polled
/// after each piece.
pub(crate) fn serve(case: &Case, pieces: &[&[u8]], tail: &[u8]) -> Served {
    let (client, server) = memory::pair(4 * 1024 * 1024);
    let recorder = Arc::new(Recorder::default());
    // The worker is of a runtime that never runs.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let inside = runtime.enter();
    let worker = Worker::start(Arc::new(Budget::new(usize::MAX)));
    drop(inside);
    let mut config = Config::default();
    config.max_body = u64::MAX;
    let shared = Arc::new(Shared {
        worker,
        service: recorder.clone(),
        config: Arc::new(config),
    });
    let connection = Connection::new(Io::Dyn(Box::new(server)), ConnInfo::default(), shared, ());
    let mut peers = Peers {
        client,
        connection,
        ended: false,
        woken: Arc::default(),
    };

    let tail = if case.ending == Ending::Incomplete {
        &[][..]
    } else {
        tail
    };
    for piece in pieces.iter().chain([&tail]) {
        peers.send(piece);
    }
    let mut received = Vec::new();
    let ended_first = peers.receive(&mut received);
    peers.shut();
    assert!(
        peers.receive(&mut received),
        "{}: the stream does not end",
        case.name
    );
    let (
        waker,
        Peers {
            client,
            mut connection,
            ended,
            ..
        },
    ) = (Waker::noop(), peers);
    drop(client);
    assert!(
        ended
            || Pin::new(&mut connection)
                .poll(&mut Context::from_waker(waker))
                .is_ready(),
        "{}: the connection does not end",
        case.name
    );
    let take = |log: &Log| std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner));
    Served {
        begun: take(&recorder.begun),
        whole: take(&recorder.whole),
        received,
        ended_first,
    }
}

/// Both ends of a connection, driven in turns.
struct Peers {
    client: MemoryStream,
    connection: Connection<()>,
    ended: bool,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Peers {
    /// Sends octets and lets the server do all that it can. Whatever is sent after its end goes nowhere.
    fn send(&mut self, octets: &[u8]) {
        if !octets.is_empty() {
            let sent = self.client.poll_writev(
                &mut Context::from_waker(Waker::noop()),
                &[IoSlice::new(octets)],
            );
            assert!(
                self.ended || matches!(sent, Poll::Ready(Ok(len)) if len == octets.len()),
                "{sent:?}"
            );
        }
        self.turn();
    }

    fn turn(&mut self) {
        let waker = Waker::from(self.woken.clone());
        self.woken.0.store(true, Ordering::Relaxed);
        while !self.ended && self.woken.0.swap(false, Ordering::Relaxed) {
            self.ended = Pin::new(&mut self.connection)
                .poll(&mut Context::from_waker(&waker))
                .is_ready();
        }
    }

    /// Takes what has come; gives whether it was the end of the stream.
    fn receive(&mut self, received: &mut Vec<u8>) -> bool {
        let mut buf = BytesMut::new();
        loop {
            buf.reserve(4096);
            match Transport::poll_read(
                &mut self.client,
                &mut Context::from_waker(Waker::noop()),
                &mut buf,
            ) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) => {
                    received.extend_from_slice(&buf);
                    return true;
                }
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => {
                    received.extend_from_slice(&buf);
                    return false;
                }
            }
        }
    }

    fn shut(&mut self) {
        let _ = Transport::poll_shutdown(&mut self.client, &mut Context::from_waker(Waker::noop()));
        self.turn();
    }
}

impl Served {
    /// What was served must be what the case says.
    pub(crate) fn check(&self, case: &Case) -> Result<(), String> {
        let mut events = case.events.clone();
        if case.ending == Ending::Open {
            events.extend(["request GET /tail HTTP/1.1 empty keep-alive", "end"].map(Vec::from));
        }
        let expected: Vec<Vec<u8>> = events
            .iter()
            .filter(|line| line.starts_with(b"request "))
            .map(|line| method_and_target(line))
            .collect();
        // A handler need not begin before the content of its request is there, and must not before its head is.
        let unended = events.iter().filter(|line| *line == b"end").count() < expected.len();
        let least = expected.len() - usize::from(unended);
        if !expected.starts_with(&self.begun) || self.begun.len() < least {
            return Err(format!(
                "handlers for{}\n    ran for{}",
                show(&expected),
                show(&self.begun)
            ));
        }
        let seen = whole_messages(&events);
        if self.whole != seen {
            return Err(format!(
                "requests{}\n    were seen as{}",
                show(&seen),
                show(&self.whole)
            ));
        }
        self.check_answers(case, least)
    }

    /// One 200 for each request that came whole, then the answer to the one that is refused, then the end.
    fn check_answers(&self, case: &Case, whole: usize) -> Result<(), String> {
        let is_head = |text: &[u8]| text.windows(5).any(|window| window == b"HEAD ");
        let refuses_head = is_head(&case.bytes) && !self.whole.iter().any(|line| is_head(line));
        let answers = answers(&self.received, refuses_head)?;
        let mut expected = vec![200; whole];
        if let Ending::Error(status) = case.ending {
            expected.push(status);
        }
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        if statuses != expected {
            return Err(format!(
                "answers {expected:?}, found {statuses:?}: {}",
                self.received.escape_ascii()
            ));
        }
        let tunnel = case
            .events
            .iter()
            .any(|line| line.starts_with(b"request CONNECT "));
        let Some((last, before)) = answers.split_last() else {
            return Ok(());
        };
        let closes = matches!(case.ending, Ending::Closed | Ending::Error(_));
        if closes != self.ended_first {
            return Err(format!(
                "the server {} close",
                if closes { "did not" } else { "was the one to" }
            ));
        }
        if answers.iter().any(|answer| answer.date.is_empty()) {
            return Err("an answer without Date".to_owned());
        }
        if before.iter().any(|answer| answer.connection == "close")
            || (!tunnel && closes != (last.connection == "close"))
        {
            return Err(format!(
                "the last answer says Connection: {}",
                last.connection
            ));
        }
        Ok(())
    }
}

/// A handler for every path, which reads the content to its end and answers an empty 200.
#[derive(Default)]
struct Recorder {
    begun: Log,
    whole: Arc<Log>,
}

type Log = Mutex<Vec<Vec<u8>>>;

impl Service for Recorder {
    fn call(&self, mut request: Request) -> ResponseFuture {
        let line = [request.method().as_str(), " ", request.uri()]
            .concat()
            .into_bytes();
        self.begun
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.clone());
        let whole = self.whole.clone();
        Box::pin(async move {
            let is_connect = request.method() == http::Method::CONNECT;
            let (content, trailers) = match request.take_body().collect_with_trailers().await {
                Ok(body) => body,
                Err(error) => return error.into_response(),
            };
            let mut lines = vec![[b"request ", &line[..]].concat()];
            lines.extend((!content.is_empty()).then(|| [b"data ", &content[..]].concat()));
            for (name, value) in trailers.iter().flat_map(|trailers| trailers.iter()) {
                lines.push([b"trailer ", name.as_bytes(), b": ", value.as_bytes()].concat());
            }
            whole
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(lines);
            // 200 to CONNECT needs somebody who takes the tunnel.
            if is_connect {
                Response::upgrade("tunnel", async |_| ()).with_status(http::StatusCode::OK)
            } else {
                Response::default()
            }
        })
    }
}

fn method_and_target(line: &[u8]) -> Vec<u8> {
    line.split(|octet| *octet == b' ')
        .skip(1)
        .take(2)
        .collect::<Vec<_>>()
        .join(&b' ')
}

/// The events of the messages that end, as the handler records them.
fn whole_messages(events: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut seen, mut message) = (Vec::new(), Vec::new());
    for line in events {
        if line.starts_with(b"request ") {
            message = vec![[b"request ", &method_and_target(line)[..]].concat()];
        } else if line == b"end" {
            seen.append(&mut message);
        } else if !line.starts_with(b"field ") {
            message.push(line.clone());
        }
    }
    seen
}

struct Answer {
    status: u16,
    connection: String,
    date: String,
}

/// The final responses in what was received, which must hold nothing else but interim ones. `bare` says
/// that the last of them only announces its content.
fn answers(mut received: &[u8], bare: bool) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    while !received.is_empty() {
        let mut room = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut room);
        let Ok(httparse::Status::Complete(len)) = head.parse(received) else {
            return Err(format!("no response: {}", received.escape_ascii()));
        };
        let field = |name: &str| {
            let found = head
                .headers
                .iter()
                .find(|field| field.name.eq_ignore_ascii_case(name));
            found
                .map(|field| String::from_utf8_lossy(field.value).into_owned())
                .unwrap_or_default()
        };
        let length =
            wireline::wire::number::decimal(field("content-length").as_bytes()).unwrap_or_default();
        let length = usize::try_from(length).map_err(|error| error.to_string())?;
        let length = if bare && received.len() == len {
            0
        } else {
            length
        };
        let Some(rest) = received.get(len + length..) else {
            return Err("a response is cut short".to_owned());
        };
        match head.code {
            Some(100) => {}
            Some(status) => answers.push(Answer {
                status,
                connection: field("connection"),
                date: field("date"),
            }),
            None => return Err("no status".to_owned()),
        }
        received = rest;
    }
    Ok(answers)
}
