//! What the tests share: a client of hyper's making, over one connection.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its header section.
    pub headers: HeaderMap,
    /// Its content.
    pub content: Bytes,
    /// Its trailer section.
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    /// The content as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.content).expect("text")
    }

    /// A field's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("a field of text"))
    }
}

/// A request without content.
pub fn get(target: &str) -> Request<Full<Bytes>> {
    Request::get(target)
        .header("host", "localhost")
        .body(Full::default())
        .expect("a request")
}

/// A request with content.
pub fn post(target: &str, content_type: &str, content: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::post(target)
        .header("host", "localhost")
        .header("content-type", content_type);
    request.body(Full::new(content.into())).expect("a request")
}

/// Sends requests over one connection of HTTP/1.1, one after the other.
pub async fn ask<B>(addr: SocketAddr, requests: impl IntoIterator<Item = Request<B>>) -> Vec<Answer>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(addr).await.expect("a connection");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("a handshake");
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for request in requests {
        sender.ready().await.expect("a connection that persists");
        answers.push(whole(sender.send_request(request).await.expect("an answer")).await);
    }
    answers
}

/// Sends one request over a connection of HTTP/2.
pub async fn ask_http2(addr: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(addr).await.expect("a connection");
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("a handshake");
    tokio::spawn(connection);
    whole(sender.send_request(request).await.expect("an answer")).await
}

async fn whole(response: http::Response<hyper::body::Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("the content");
    let trailers = body.trailers().cloned();
    Answer {
        status: head.status,
        headers: head.headers,
        content: body.to_bytes(),
        trailers,
    }
}
