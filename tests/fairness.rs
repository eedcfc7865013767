//! One connection's turn ends after so much work, whatever its peer sends or takes, so that others get theirs.

#[path = "support/socket.rs"]
mod socket;
#[path = "support/tireless.rs"]
mod tireless;

use crate::socket::Socket;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::AsyncWriteExt;
use wireline::Server;
use wireline::http1::driver::config::Config;
use wireline::router::Router;
use wireline::service::body::Body;
use wireline::service::error::Error;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::service::upgrade::Upgraded;
use wireline::test::{TestClient, TestServer};

/// How much the connection moved in each of its turns, this task having one between them.
async fn turns(head: &'static [u8], again: &'static [u8]) -> Vec<usize> {
    async fn length(mut request: Request) -> Result<String, Error> {
        let mut length = 0;
        while let Some(chunk) = request.body_mut().chunk().await {
            length += chunk?.len();
        }
        Ok(length.to_string())
    }
    let endless = async || {
        let block = Bytes::from_static(&[b'x'; 1024]);
        Response::new(Body::from_chunks(std::iter::repeat(block)))
    };
    let routes = Router::new()
        .post("/sink", length)
        .max_body(u64::MAX)
        .get("/endless", endless)
        .get("/", async || "hello")
        .build()
        .unwrap();
    let mut config = Config::default();
    config.limits.chunk_overhead = u64::MAX;
    let client = TestClient::with_config(routes, config);
    tireless::turns(&client, head, again, false).await
}

#[tokio::test]
async fn a_turn_is_bounded() {
    for (name, head, again, most) in [
        (
            "content of a known length",
            "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\n",
            "xxxxxxxxxxxxxxxx",
            400_000,
        ),
        (
            "chunks of an octet each",
            "POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
            40_000,
        ),
        (
            "a response without end",
            "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n",
            "",
            1_100_000,
        ),
        (
            "requests without end",
            "",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            40_000,
        ),
    ] {
        let turns = turns(head.as_bytes(), again.as_bytes()).await;
        assert!(
            turns.iter().all(|moved| *moved <= most),
            "{name}: {turns:?}"
        );
        assert!(
            turns.iter().filter(|moved| **moved > 0).count() > 25,
            "{name}: {turns:?}"
        );
    }
}

/// What took a connection over and writes without end to a client that takes it all leaves others their turns.
#[test]
fn a_writer_after_an_upgrade_lets_others_run() {
    async fn flood(mut connection: Upgraded) {
        while connection.write_all(&[b'x'; 16]).await.is_ok() {}
    }
    let routes = Router::new()
        .get("/flood", async || Response::upgrade("flood", flood))
        .get("/", async || "hello")
        .build()
        .unwrap();
    let server = TestServer::start(Server::new(routes).workers(1));
    let mut flooded = Socket::connect(server.addr());
    flooded.send("GET /flood HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: flood\r\n\r\n");
    assert_eq!(flooded.reply().status, 101);
    let stop = Arc::new(AtomicBool::new(false));
    let (reading, stopped) = (stop.clone(), stop);
    let reader = std::thread::spawn(move || {
        let mut octets = 0;
        while !reading.load(Ordering::Relaxed) {
            octets += flooded.read_some();
        }
        octets
    });
    for _ in 0..20 {
        assert_eq!(Socket::connect(server.addr()).get("/").text(), "hello");
    }
    stopped.store(true, Ordering::Relaxed);
    assert!(reader.join().unwrap() > 0);
}
