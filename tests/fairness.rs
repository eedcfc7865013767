//! One connection's turn ends after so much work, whatever its peer sends or takes, so that others get theirs.

#[path = "support/socket.rs"]
mod socket;

use crate::socket::Socket;
use bytes::{Bytes, BytesMut};
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::AsyncWriteExt;
use wireline::Server;
use wireline::http1::driver::config::Config;
use wireline::resource::io::{Io, Transport};
use wireline::router::Router;
use wireline::service::body::Body;
use wireline::service::error::Error;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::service::upgrade::Upgraded;
use wireline::test::{TestClient, TestServer};

/// A peer that always has something to send, and takes whatever is written.
struct Tireless {
    head: &'static [u8],
    again: &'static [u8],
    moved: Arc<AtomicUsize>,
}

impl Transport for Tireless {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let before = buf.len();
        buf.extend_from_slice(std::mem::take(&mut self.head));
        while !self.again.is_empty() && buf.capacity() - buf.len() >= self.again.len() {
            buf.extend_from_slice(self.again);
        }
        let len = buf.len() - before;
        self.moved.fetch_add(len, Ordering::Relaxed);
        if len == 0 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(len))
    }

    fn poll_writev(
        &mut self,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = bufs.iter().map(|buf| buf.len()).sum();
        self.moved.fetch_add(len, Ordering::Relaxed);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Waits until every task that was woken before had its turn; tokio's own yield lets the driver run, too.
async fn queue_again() {
    let mut queued = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut queued, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

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
    let moved = Arc::new(AtomicUsize::new(0));
    let io = Tireless {
        head,
        again,
        moved: moved.clone(),
    };
    let serving = client.serve(Io::Dyn(Box::new(io)));
    // A task of its own: the test's own future is polled less often than tasks are.
    let counting = tokio::spawn(async move {
        let mut turns = Vec::new();
        for _ in 0..50 {
            queue_again().await;
            turns.push(moved.swap(0, Ordering::Relaxed));
        }
        turns
    });
    let turns = counting.await.unwrap();
    assert!(!serving.is_finished());
    serving.abort();
    turns
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
