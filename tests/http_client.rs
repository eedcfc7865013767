//! The client of HTTP/1.1: against the library's own server, over TCP and TLS, and against servers that do as they like.

#[allow(dead_code, reason = "each test takes what it needs of it")]
#[path = "tls/common.rs"]
mod common;
#[path = "support/talk.rs"]
mod talk;

use bytes::Bytes;
use common::{Authority, secure_addr, within};
use http::{Method, Request};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use wireline::http1::client::driver::{Client, RequestError};
use wireline::http1::error::Error;
use wireline::resource::counters::Counter;
use wireline::resource::io::{Transport, memory};
use wireline::router::Routes;
use wireline::service::request::Request as Asked;
use wireline::test::TestServer;
use wireline::{Body, Response, Router, Server};

fn routes() -> Routes {
    Router::new()
        .get("/hello", async || "hello")
        .get("/long", async || {
            Response::new(Body::full(vec![b'x'; 1 << 20]))
        })
        .get("/stream", async || {
            let chunks = [
                Ok::<_, std::io::Error>(Bytes::from("one")),
                Ok(Bytes::from("two")),
            ];
            Response::new(Body::from_stream(Chunks(chunks.into_iter())))
        })
        .post("/echo", async |mut request: Asked| {
            let kind = request
                .headers()
                .get("x-kind")
                .map(|kind| kind.as_bytes().to_vec());
            let content = request.collect().await?;
            Ok::<_, wireline::Error>(format!(
                "{} {:?}",
                content.len(),
                kind.map(String::from_utf8)
            ))
        })
        .build()
        .unwrap()
}

struct Chunks<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Chunks<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

fn post(url: &str, content: impl Into<Bytes>) -> Request<Bytes> {
    Request::post(url).body(content.into()).unwrap()
}

/// The status and the content, as text.
async fn fetched(client: &Client, request: Request<Bytes>) -> Result<String, RequestError> {
    let mut response = within(client.send(request)).await?;
    let content = within(response.content(2 << 20)).await?;
    let content = String::from_utf8_lossy(&content);
    Ok(format!("{} {content}", response.status().as_u16()))
}

#[tokio::test]
async fn one_connection_carries_every_kind_of_exchange() {
    let server = TestServer::new(routes());
    let url = |path: &str| format!("http://{}{path}", server.addr());
    let client = Client::new().header("x-kind", "usual");
    for _ in 0..3 {
        let text = fetched(&client, get(&url("/hello"))).await.unwrap();
        assert_eq!(text, "200 hello");
        let text = fetched(&client, get(&url("/stream"))).await.unwrap();
        assert_eq!(text, "200 onetwo");
        let long = vec![b'x'; 300_000];
        let text = fetched(&client, post(&url("/echo"), long)).await.unwrap();
        assert_eq!(text, "200 300000 Some(Ok(\"usual\"))");
        let own = Request::post(url("/echo")).header("x-kind", "own");
        let text = fetched(&client, own.body(Bytes::new()).unwrap())
            .await
            .unwrap();
        assert_eq!(text, "200 0 Some(Ok(\"own\"))");
        let none = fetched(&client, get(&url("/none"))).await.unwrap();
        assert!(none.starts_with("404 "), "{none}");
        let head = Request::head(url("/long")).body(Bytes::new()).unwrap();
        assert_eq!(fetched(&client, head).await.unwrap(), "200 ");
    }
    let accepted = server.handle().metrics().get(Counter::ConnectionsAccepted);
    assert_eq!(accepted, 1, "connections");

    // Content that is not read to its end ends its connection, and nothing else.
    let mut response = within(client.send(get(&url("/long")))).await.unwrap();
    assert!(matches!(
        within(response.content(1000)).await,
        Err(RequestError::TooLong)
    ));
    drop(response);
    assert_eq!(
        fetched(&client, get(&url("/hello"))).await.unwrap(),
        "200 hello"
    );
    assert_eq!(
        server.handle().metrics().get(Counter::ConnectionsAccepted),
        2
    );
}

/// A server of one thread that answers each connection with the next of these, once it has a whole head.
async fn scripted(
    answers: Vec<Vec<&'static str>>,
) -> (String, tokio::task::JoinHandle<Vec<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut heads = Vec::new();
        for answers in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut count = 0;
            for answer in answers {
                let head = talk::until(&mut stream, "\r\n\r\n").await;
                assert!(head.contains(" HTTP/1.1\r\n"), "{head}");
                count += 1;
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            heads.push(count);
        }
        heads
    });
    (url, served)
}

#[tokio::test]
async fn a_connection_that_ended_meanwhile_is_replaced() {
    let hello = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
    // The first ends when its answer was read; the second takes a request and says nothing.
    let (url, served) = scripted(vec![vec![hello], vec![hello, ""], vec![hello]]).await;
    let client = Client::new();
    assert_eq!(fetched(&client, get(&url)).await.unwrap(), "200 hi");
    for _ in 0..2 {
        assert_eq!(fetched(&client, get(&url)).await.unwrap(), "200 hi");
    }
    assert_eq!(within(served).await.unwrap(), [1, 2, 1]);

    // What is not idempotent is not.
    let (url, _served) = scripted(vec![vec![hello, ""], vec![hello]]).await;
    assert_eq!(fetched(&client, get(&url)).await.unwrap(), "200 hi");
    let error = fetched(&client, post(&url, "")).await.unwrap_err();
    assert!(matches!(error, RequestError::Io(_)), "{error}");
}

#[tokio::test]
async fn only_a_clean_end_keeps_a_connection() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi and what nobody asked for",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\n\r\nhi",
    ] {
        let (url, served) = scripted(vec![vec![answer], vec![answer]]).await;
        let client = Client::new();
        for _ in 0..2 {
            assert_eq!(
                fetched(&client, get(&url)).await.unwrap(),
                "200 hi",
                "{answer}"
            );
        }
        assert_eq!(within(served).await.unwrap(), [1, 1], "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_response_is_an_error() {
    for (answer, expected) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi",
            Error::Incomplete,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx",
            Error::Chunk,
        ),
        ("HTTP/1.1 101 X\r\n\r\n", Error::Interim),
        ("220 mail.example ESMTP\r\n", Error::StatusLine),
    ] {
        let (url, _served) = scripted(vec![vec![answer]]).await;
        let error = fetched(&Client::new(), get(&url)).await.unwrap_err();
        assert!(
            matches!(error, RequestError::Malformed(error) if error == expected),
            "{answer}: {error}"
        );
    }
    let (url, _served) = scripted(vec![vec![""]]).await;
    let error = fetched(&Client::new(), get(&url)).await.unwrap_err();
    assert!(matches!(error, RequestError::Io(_)), "{error}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_not() {
    let client = Client::new();
    for url in [
        "ftp://localhost/",
        "/path",
        "http://user@localhost/",
        "http://localhost:/",
    ] {
        let error = client.send(get(url)).await.unwrap_err();
        assert!(matches!(error, RequestError::Url(_)), "{url}: {error}");
    }
    for name in [
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "expect",
    ] {
        let request = Request::get("http://localhost/").header(name, "1");
        let error = client
            .send(request.body(Bytes::new()).unwrap())
            .await
            .unwrap_err();
        assert!(
            matches!(&error, RequestError::Field(field) if field == name),
            "{error}"
        );
        let error = client
            .clone()
            .header(name, "1")
            .send(get("http://localhost/"))
            .await;
        assert!(
            matches!(error.unwrap_err(), RequestError::Field(_)),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_wait_ends() {
    let client = Client::new()
        .response_timeout(Duration::from_secs(3))
        .silence_timeout(Duration::from_secs(5));
    let begun = tokio::time::Instant::now();
    let (ours, _theirs) = memory::pair(1024);
    let error = client
        .send_over(Box::new(ours) as Box<dyn Transport>, get("http://a/"))
        .await
        .unwrap_err();
    assert!(matches!(error, RequestError::ResponseTimeout), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 3);

    let (ours, mut theirs) = memory::pair(1024);
    theirs.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let ours: Box<dyn Transport> = Box::new(ours);
    let mut response = client.send_over(ours, get("http://a/")).await.unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        theirs.write_all(b"x").await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "x");
    }
    let begun = tokio::time::Instant::now();
    assert!(matches!(response.chunk().await, Err(RequestError::Silence)));
    assert_eq!(begun.elapsed().as_secs(), 5);
}

async fn secure(authority: &Authority, name: &str) -> (TestServer, SocketAddr) {
    let server = Server::new(routes()).bind_tls("127.0.0.1:0", authority.tls(name));
    let server = TestServer::start(server);
    let addr = secure_addr(server.handle());
    (server, addr)
}

#[tokio::test]
async fn tls_and_whom_it_trusts() {
    let authority = Authority::new();
    let (server, addr) = secure(&authority, "localhost").await;
    let url = |path: &str| format!("https://localhost:{}{path}", addr.port());
    let client = Client::new().roots(authority.pem()).unwrap();
    for _ in 0..2 {
        assert_eq!(
            fetched(&client, get(&url("/stream"))).await.unwrap(),
            "200 onetwo"
        );
        let content = vec![b'x'; 100_000];
        let text = fetched(&client, post(&url("/echo"), content))
            .await
            .unwrap();
        assert_eq!(text, "200 100000 None");
    }
    assert_eq!(
        server.handle().metrics().get(Counter::ConnectionsAccepted),
        1
    );

    // Another authority; a name that is not the certificate's; plain octets.
    let stranger = Client::new().roots(Authority::new().pem()).unwrap();
    let error = fetched(&stranger, get(&url("/hello"))).await.unwrap_err();
    assert!(matches!(&error, RequestError::Tls(_)), "{error}");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let error = fetched(&client, get(&format!("https://{addr}/hello")))
        .await
        .unwrap_err();
    assert!(matches!(&error, RequestError::Tls(_)), "{error}");
    let plain = TestServer::new(routes());
    let error = fetched(&client, get(&format!("https://{}/", plain.addr())))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, RequestError::Tls(_) | RequestError::Io(_)),
        "{error}"
    );
    let stream = TcpStream::connect(addr).await.unwrap();
    let request = Request::builder().method(Method::GET).uri(url("/hello"));
    let mut response = client
        .send_over(stream, request.body(Bytes::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(within(response.content(10)).await.unwrap(), "hello");
}
