//! One table of requests, and one answer to each: over HTTP/1.1 and a socket, over HTTP/1.1 in memory, over HTTP/2, and
//! from the service itself, without a driver.
//!
//! Each topic is a file under `wires/` with its routes and its rows, and a test here. A row says what it sends
//! and what must come back. Beyond that all wires have to agree: the status, the whole header section but for what
//! belongs to the wire, and the content.

#[path = "wires/basics.rs"]
mod basics;
#[path = "support/coded.rs"]
#[expect(dead_code, reason = "each test takes what it needs")]
mod coded;
#[path = "wires/content.rs"]
mod content;
#[path = "wires/cookies.rs"]
mod cookies;
#[path = "wires/extractors.rs"]
mod extractors;
#[path = "wires/layers.rs"]
mod layers;
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

/// A request and what must come of it.
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) target: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// The content, with its length said before.
    pub(crate) body: &'static str,
    /// What that is put into before it is sent.
    pub(crate) coding: Option<&'static str>,
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
    /// Whether it brings the cookie that the answer before has set.
    pub(crate) with_cookie: bool,
}

/// What content must come.
pub(crate) enum Content {
    Any,
    Is(&'static str),
    Has(&'static str),
    /// These in this order, and between them what differs from response to response.
    Parts(&'static [&'static str]),
    /// In a coding, and shorter for it.
    Coded(&'static str, fn() -> Vec<u8>),
}

/// What most rows are: `Row { target: "/", content: Content::Is("hello"), ..ROW }`.
pub(crate) const ROW: Row = Row {
    method: "GET",
    target: "/",
    headers: &[],
    body: "",
    coding: None,
    pieces: &[],
    status: 200,
    fields: &[],
    without: &[],
    varies: &[],
    content: Content::Any,
    driver: false,
    with_cookie: false,
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
async fn routes_and_content_are_the_same_on_every_wire() {
    compare(basics::routes, basics::ROWS).await;
}

#[tokio::test]
async fn s51_extractors_are_the_same_on_every_wire() {
    compare(extractors::routes, extractors::ROWS).await;
}

#[tokio::test]
async fn s69_middleware_is_the_same_on_every_wire() {
    compare(order::routes, order::ROWS).await;
}

#[tokio::test]
async fn s69_layers_are_the_same_on_every_wire() {
    compare(layers::routes, layers::ROWS).await;
}

#[tokio::test]
async fn s69_cookies_and_sessions_are_the_same_on_every_wire() {
    compare(cookies::routes, cookies::ROWS).await;
}

#[tokio::test]
async fn s69_codings_files_and_streams_are_the_same_on_every_wire() {
    compare(content::routes, content::ROWS).await;
}

async fn compare(routes: fn() -> Router, rows: &[Row]) {
    let mut wrong = Vec::new();
    let built = || {
        routes()
            .build()
            .unwrap_or_else(|problems| panic!("{problems}"))
    };
    let server = TestServer::new(built());
    let http1 = TestClient::new(built());
    let http2 = TestClient::new(built()).http2();
    let service = built();
    let mut before: [Option<Answer>; 4] = Default::default();
    for row in rows {
        let name = format!("{} {} {:?}", row.method, row.target, row.headers);
        let headers = before.each_ref().map(|before| row.headers(before.as_ref()));
        let socket = over_socket(row, &headers[0], &server);
        if let Err(what) = row.check(&socket) {
            wrong.push(format!("{name}: {what}"));
        }
        let expected = row.common(&socket);
        before = [
            Some(socket),
            Some(by_client(row, &headers[1], &http1).await),
            Some(by_client(row, &headers[2], &http2).await),
            match row.driver {
                true => None,
                false => Some(by_call(row, &headers[3], &service).await),
            },
        ];
        for (wire, answer) in WIRES.iter().zip(&before).skip(1) {
            let Some(answer) = answer else { continue };
            if let Err(what) = row.check_content(answer) {
                wrong.push(format!("{name}: {wire}: {what}"));
            }
            let answer = row.common(answer);
            if answer != expected {
                wrong.push(format!(
                    "{name}: {wire} gives {answer:?}, {} {expected:?}",
                    WIRES[0]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Row {
    /// What is sent beside the content.
    fn headers(&self, before: Option<&Answer>) -> Vec<(&'static str, String)> {
        let headers = self.headers.iter();
        let mut headers: Vec<_> = headers
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        if self.with_cookie {
            let fields = before.map(|before| &before.fields[..]).unwrap_or_default();
            let set = fields.iter().find(|(name, _)| name == "set-cookie");
            let pair = set.and_then(|(_, value)| value.split(';').next());
            headers.push(("cookie", pair.unwrap_or_default().to_owned()));
        }
        headers
    }

    fn octets(&self) -> Vec<u8> {
        match self.coding {
            Some(coding) => coded::encode(coding, self.body.as_bytes()),
            None => self.body.into(),
        }
    }

    fn content(&self) -> Body {
        if self.pieces.is_empty() {
            Body::full(self.octets())
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
        let is_as_said = answer.status == self.status
            && (self.fields.iter()).all(|(name, value)| values(name) == [*value])
            && self.without.iter().all(|name| values(name).is_empty())
            && self.varies.iter().all(|name| !values(name).is_empty());
        if !is_as_said {
            return Err(format!("{answer:?}"));
        }
        self.check_content(answer)
    }

    fn check_content(&self, answer: &Answer) -> Result<(), String> {
        let text = String::from_utf8_lossy(&answer.content);
        let is_as_said = match self.content {
            Content::Any => true,
            Content::Is(whole) => text == whole,
            Content::Has(part) => text.contains(part),
            Content::Parts(parts) => (parts.iter())
                .try_fold(&*text, |rest, part| Some(rest.split_once(part)?.1))
                .is_some(),
            Content::Coded(coding, content) => {
                let content = content();
                coded::decode(coding, &answer.content) == content
                    && answer.content.len() < content.len()
            }
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
        let words = match self.content {
            Content::Parts(_) => Bytes::new(),
            // A driver that answers by itself has words of its own.
            Content::Any if self.driver => Bytes::new(),
            _ => answer.content.clone(),
        };
        Answer {
            status: answer.status,
            fields,
            content: words,
        }
    }
}

/// HTTP/1.1 written by hand, read by another parser.
fn over_socket(row: &Row, headers: &[(&str, String)], server: &TestServer) -> Answer {
    let mut request = format!(
        "{} {} HTTP/1.1\r\nconnection: close\r\n",
        row.method, row.target
    );
    if !row.headers.iter().any(|(name, _)| *name == "host") {
        request.push_str("host: localhost\r\n");
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut request = request.into_bytes();
    let octets = row.octets();
    if !row.pieces.is_empty() {
        request.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        for piece in row.pieces {
            request.extend_from_slice(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
        }
        request.extend_from_slice(b"0\r\n\r\n");
    } else if octets.is_empty() {
        request.extend_from_slice(b"\r\n");
    } else {
        request.extend_from_slice(format!("content-length: {}\r\n\r\n", octets.len()).as_bytes());
        request.extend_from_slice(&octets);
    }
    let mut stream = TcpStream::connect(server.addr()).expect("a connection");
    stream.write_all(&request).expect("a request that is taken");
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

async fn by_client(row: &Row, headers: &[(&'static str, String)], client: &TestClient) -> Answer {
    let method = Method::from_bytes(row.method.as_bytes()).expect("a method");
    let request = client.method(method, row.target).body(row.content());
    let request = headers
        .iter()
        .fold(request, |request: TestRequest<'_>, (name, value)| {
            request.header(*name, value.as_str())
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

async fn by_call(row: &Row, headers: &[(&'static str, String)], service: &impl Service) -> Answer {
    let mut request = http::Request::builder().method(row.method).uri(row.target);
    let fields = request.headers_mut().expect("a request");
    fields.insert("host", HeaderValue::from_static("localhost"));
    for (name, value) in headers {
        fields.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).expect("a value"),
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

const WIRES: [&str; 4] = ["the socket", "HTTP/1.1 in memory", "HTTP/2", "the service"];

/// How content is framed, and when and over what it came.
const OF_THE_WIRE: &[&str] = &[
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "transfer-encoding",
];
