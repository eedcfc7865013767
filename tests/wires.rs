//! One table of requests, and one answer to each: over HTTP/1.1 and a socket, over HTTP/1.1 in memory, over HTTP/2, and
//! from the service itself, without a driver.
//!
//! Each topic is a file under `wires/` with its routes and its rows, and a line in [`TOPICS`]. A row says what it sends
//! and what must come back. Beyond that all wires have to agree: the status, the whole header section but for what
//! belongs to the wire, and the content.

#[path = "wires/basics.rs"]
mod basics;
#[path = "wires/extractors.rs"]
mod extractors;
#[path = "wires/order.rs"]
mod order;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use std::io::{Read, Write};
use std::net::TcpStream;
use wireline::Router;
use wireline::service::body::Body;
use wireline::service::handler::Service;
use wireline::test::{TestClient, TestRequest, TestServer};

/// Its name, its routes, its rows.
type Topic = (&'static str, fn() -> Router, &'static [Row]);

/// Every topic.
const TOPICS: &[Topic] = &[
    ("basics", basics::routes, basics::ROWS),
    ("extractors", extractors::routes, extractors::ROWS),
    ("order", order::routes, order::ROWS),
];

/// A request and what must come of it.
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) target: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// The content, with its length said before.
    pub(crate) body: &'static str,
    /// The content in place of that, in pieces whose number nobody knows before.
    pub(crate) pieces: &'static [&'static str],
    pub(crate) status: u16,
    /// Fields that must come, each once and with this value.
    pub(crate) fields: &'static [(&'static str, &'static str)],
    /// Fields that must not come.
    pub(crate) without: &'static [&'static str],
    /// Fields whose values differ from response to response.
    pub(crate) varies: &'static [&'static str],
    pub(crate) content: Content,
    /// Whether it is the driver that makes it so: the service alone is not asked.
    pub(crate) driver: bool,
}

/// What content must come.
pub(crate) enum Content {
    Any,
    Is(&'static str),
    Has(&'static str),
}

/// What most rows are: `Row { target: "/", content: Content::Is("hello"), ..ROW }`.
pub(crate) const ROW: Row = Row {
    method: "GET",
    target: "/",
    headers: &[],
    body: "",
    pieces: &[],
    status: 200,
    fields: &[],
    without: &[],
    varies: &[],
    content: Content::Any,
    driver: false,
};

/// What came.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    /// Sorted.
    fields: Vec<(String, String)>,
    content: Bytes,
}

#[tokio::test]
async fn every_wire_gives_the_same_answers() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (topic, routes, rows) in TOPICS {
        let built = || {
            routes()
                .build()
                .unwrap_or_else(|problems| panic!("{topic}: {problems}"))
        };
        let server = TestServer::new(built());
        let http1 = TestClient::new(built());
        let http2 = TestClient::new(built()).http2();
        let service = built();
        for row in *rows {
            let name = format!("{topic}: {} {} {:?}", row.method, row.target, row.headers);
            let socket = over_socket(row, &server);
            if let Err(what) = row.check(&socket) {
                wrong.push(format!("{name}: {what}"));
            }
            let mut answers = vec![
                ("HTTP/1.1 in memory", by_client(row, &http1).await),
                ("HTTP/2", by_client(row, &http2).await),
            ];
            if !row.driver {
                answers.push(("the service", by_call(row, &service).await));
            }
            for (wire, answer) in answers {
                let (answer, expected) = (row.common(&answer), row.common(&socket));
                if answer != expected {
                    wrong.push(format!(
                        "{name}: {wire} gives {answer:?}, the socket {expected:?}"
                    ));
                }
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 60, "saw only {count} rows");
}

impl Row {
    fn content(&self) -> Body {
        if self.pieces.is_empty() {
            Body::full(self.body)
        } else {
            Body::from_chunks(
                self.pieces
                    .iter()
                    .map(|piece| Bytes::from_static(piece.as_bytes())),
            )
        }
    }

    /// Whether it is what the row says.
    fn check(&self, answer: &Answer) -> Result<(), String> {
        let values = |wanted: &str| -> Vec<&str> {
            let fields = answer.fields.iter().filter(|(key, _)| key == wanted);
            fields.map(|(_, value)| value.as_str()).collect()
        };
        let text = String::from_utf8_lossy(&answer.content);
        let is_as_said = answer.status == self.status
            && (self.fields.iter()).all(|(name, value)| values(name) == [*value])
            && self.without.iter().all(|name| values(name).is_empty())
            && match self.content {
                Content::Any => true,
                Content::Is(whole) => text == whole,
                Content::Has(part) => text.contains(part),
            };
        is_as_said
            .then_some(())
            .ok_or_else(|| format!("{answer:?}"))
    }

    /// An answer without what belongs to the wire, or to the moment.
    fn common(&self, answer: &Answer) -> Answer {
        let own = |name: &str| OF_THE_WIRE.contains(&name) || self.varies.contains(&name);
        let mut fields = answer.fields.clone();
        fields.retain(|(name, _)| !own(name));
        // That there is one is no matter of the moment.
        for name in self.varies {
            if answer.fields.iter().any(|(key, _)| key == name) {
                fields.push(((*name).to_owned(), "some".to_owned()));
            }
        }
        // A driver that answers by itself has words of its own.
        let words = if self.driver && matches!(self.content, Content::Any) {
            Bytes::new()
        } else {
            answer.content.clone()
        };
        Answer {
            status: answer.status,
            fields,
            content: words,
        }
    }
}

/// HTTP/1.1 written by hand, read by another parser.
fn over_socket(row: &Row, server: &TestServer) -> Answer {
    let mut request = format!(
        "{} {} HTTP/1.1\r\nconnection: close\r\n",
        row.method, row.target
    );
    if !row.headers.iter().any(|(name, _)| *name == "host") {
        request.push_str("host: localhost\r\n");
    }
    for (name, value) in row.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !row.pieces.is_empty() {
        request.push_str("transfer-encoding: chunked\r\n\r\n");
        for piece in row.pieces {
            request.push_str(&format!("{:x}\r\n{piece}\r\n", piece.len()));
        }
        request.push_str("0\r\n\r\n");
    } else if row.body.is_empty() {
        request.push_str("\r\n");
    } else {
        request.push_str(&format!(
            "content-length: {}\r\n\r\n{}",
            row.body.len(),
            row.body
        ));
    }
    let mut stream = TcpStream::connect(server.addr()).expect("a connection");
    stream
        .write_all(request.as_bytes())
        .expect("a request that is taken");
    let mut received = Vec::new();
    stream
        .read_to_end(&mut received)
        .expect("a response to its end");

    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut lines);
    let httparse::Status::Complete(end) = response.parse(&received).expect("a response") else {
        panic!("half a head: {}", received.escape_ascii());
    };
    let status = response.code.expect("a status");
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let lines = response.headers.iter();
    let fields = lines.map(|line| (line.name.to_ascii_lowercase(), text(line.value)));
    let fields = sorted(fields);
    let is_chunked = fields.iter().any(|(name, _)| name == "transfer-encoding");
    let content = if is_chunked && row.method != "HEAD" {
        unchunked(&received[end..])
    } else {
        received[end..].to_vec()
    };
    Answer {
        status,
        fields,
        content: content.into(),
    }
}

fn unchunked(mut octets: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, length))) = httparse::parse_chunk_size(octets)
        else {
            panic!("no chunk: {}", octets.escape_ascii());
        };
        if length == 0 {
            return content;
        }
        let end = start + usize::try_from(length).expect("a small chunk");
        content.extend_from_slice(&octets[start..end]);
        octets = &octets[end + 2..];
    }
}

async fn by_client(row: &Row, client: &TestClient) -> Answer {
    let method = Method::from_bytes(row.method.as_bytes()).expect("a method");
    let request = client.method(method, row.target).body(row.content());
    let headers = row.headers.iter();
    let request = headers.fold(request, |request: TestRequest<'_>, (name, value)| {
        request.header(*name, *value)
    });
    let response = request.await;
    let fields = response.headers.iter();
    Answer {
        status: response.status.as_u16(),
        fields: sorted(fields.map(|(name, value)| {
            (
                name.to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })),
        content: response.bytes().clone(),
    }
}

async fn by_call(row: &Row, service: &impl Service) -> Answer {
    let mut request = http::Request::builder().method(row.method).uri(row.target);
    let fields = request.headers_mut().expect("a request");
    fields.insert("host", HeaderValue::from_static("localhost"));
    for (name, value) in row.headers {
        fields.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    let request = request.body(row.content()).expect("a request");
    let mut response = service.call(request.into()).await;
    let content = std::mem::take(response.body_mut())
        .collect()
        .await
        .expect("content");
    let fields = response.headers().iter();
    Answer {
        status: response.status().as_u16(),
        fields: sorted(fields.map(|(name, value)| {
            (
                name.to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })),
        content,
    }
}

fn sorted(fields: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut fields: Vec<_> = fields.collect();
    fields.sort();
    fields
}

/// How content is framed, and when and over what it came.
const OF_THE_WIRE: &[&str] = &[
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "transfer-encoding",
];
