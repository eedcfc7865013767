//! The contract of `resource::io::Transport`, held against every transport that there is: TCP, Unix, in memory, the fault injector
//! without a fault, and TLS over memory and over TCP. A new transport passes this suite before a driver sees it.
//!
//! Each clause is a function over a connected pair; the table at the end runs every clause over every transport.

#[path = "transport_contract/faults.rs"]
mod faults;
#[path = "transport_contract/pairs.rs"]
mod pairs;
#[path = "support/tls.rs"]
mod tls;

use crate::pairs::{Pair, Peer};
use bytes::BytesMut;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::resource::counters::Counter;
use wireline::resource::io::{Io, Transport};
use wireline::router::Router;
use wireline::service::request::Request;
use wireline::test::TestClient;

/// Nothing to read: a read is `Pending` whatever readiness said, and both wake when octets come.
async fn readiness_may_be_spurious_and_pending_wakes(pair: Pair) {
    let Pair {
        mut peer,
        mut under_test,
    } = pair;
    let mut buf = BytesMut::with_capacity(64);
    for round in 0..3 {
        // Whatever `poll_readable` says of a stream without octets, the read after it must not invent an end or an error.
        for _ in 0..2 {
            let _ = under_test
                .poll_readable(&mut Context::from_waker(Waker::noop()))
                .map(|ready| ready.unwrap());
            assert!(
                under_test
                    .poll_read(&mut Context::from_waker(Waker::noop()), &mut buf)
                    .is_pending(),
                "round {round}"
            );
        }
        let writer = tokio::spawn(async move {
            tokio::task::yield_now().await;
            peer.write_all(b"ping").await.unwrap();
            peer.flush().await.unwrap();
            peer
        });
        within(poll_fn(|cx| under_test.poll_readable(cx)))
            .await
            .unwrap();
        let len = within(poll_fn(|cx| under_test.poll_read(cx, &mut buf)))
            .await
            .unwrap();
        assert_eq!((len, &buf[..]), (4, b"ping".as_slice()));
        buf.clear();
        peer = writer.await.unwrap();
    }
    // A read that waits is woken without anybody having asked for readiness.
    let reader = tokio::spawn(async move {
        let read = poll_fn(|cx| under_test.poll_read(cx, &mut buf)).await;
        (read.unwrap(), buf)
    });
    tokio::task::yield_now().await;
    peer.write_all(b"pong").await.unwrap();
    peer.flush().await.unwrap();
    let (len, buf) = within(reader).await.unwrap();
    assert_eq!((len, &buf[..]), (4, b"pong".as_slice()));
}

/// A read fills the spare capacity and no more; what is left (in the socket, in a decrypted record) keeps the stream readable.
async fn what_was_buffered_stays_readable(pair: Pair) {
    let Pair {
        mut peer,
        mut under_test,
    } = pair;
    let sent: Vec<u8> = (0..1000_u32)
        .map(|number| number.to_be_bytes()[3])
        .collect();
    peer.write_all(&sent).await.unwrap();
    peer.flush().await.unwrap();
    let mut got = Vec::new();
    while got.len() < sent.len() {
        within(poll_fn(|cx| under_test.poll_readable(cx)))
            .await
            .unwrap();
        let mut buf = BytesMut::with_capacity(7);
        let room = buf.capacity();
        let len = within(poll_fn(|cx| under_test.poll_read(cx, &mut buf)))
            .await
            .unwrap();
        assert!(
            len > 0 && len == buf.len() && buf.capacity() == room,
            "{len} of {room}"
        );
        got.extend_from_slice(&buf);
    }
    assert_eq!(got, sent);
    let mut buf = BytesMut::with_capacity(7);
    assert!(
        under_test
            .poll_read(&mut Context::from_waker(Waker::noop()), &mut buf)
            .is_pending()
    );
}

/// The end of the peer's stream is `Ok(0)`, again and again; writing goes on.
async fn a_half_close_leaves_writing_possible(pair: Pair) {
    let Pair {
        mut peer,
        mut under_test,
    } = pair;
    peer.write_all(b"last").await.unwrap();
    peer.shutdown().await.unwrap();
    let mut buf = BytesMut::with_capacity(64);
    while within(poll_fn(|cx| under_test.poll_read(cx, &mut buf)))
        .await
        .unwrap()
        > 0
    {}
    assert_eq!(&buf[..], b"last");
    for _ in 0..3 {
        within(poll_fn(|cx| under_test.poll_readable(cx)))
            .await
            .unwrap();
        assert_eq!(
            within(poll_fn(|cx| under_test.poll_read(cx, &mut buf)))
                .await
                .unwrap(),
            0
        );
        assert!(
            !under_test.is_reset(&mut Context::from_waker(Waker::noop())),
            "a half-close is no reset"
        );
    }
    write_all(&mut under_test, &[b"still ", b"here"]).await;
    within(poll_fn(|cx| under_test.poll_shutdown(cx)))
        .await
        .unwrap();
    let mut answer = Vec::new();
    within(peer.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"still here");
}

/// Our own half-close ends what the peer reads, and reading goes on.
async fn our_half_close_leaves_reading_possible(pair: Pair) {
    let Pair {
        mut peer,
        mut under_test,
    } = pair;
    write_all(&mut under_test, &[b"bye"]).await;
    within(poll_fn(|cx| under_test.poll_shutdown(cx)))
        .await
        .unwrap();
    let mut answer = Vec::new();
    within(peer.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"bye");
    peer.write_all(b"and you").await.unwrap();
    peer.flush().await.unwrap();
    let mut buf = BytesMut::with_capacity(64);
    while buf.len() < 7 {
        assert!(
            within(poll_fn(|cx| under_test.poll_read(cx, &mut buf)))
                .await
                .unwrap()
                > 0
        );
    }
    assert_eq!(&buf[..], b"and you");
}

/// Slices arrive in their order and whole, however many there are.
async fn vectored_writes_keep_their_order(pair: Pair) {
    let Pair {
        mut peer,
        mut under_test,
    } = pair;
    let pieces: Vec<Vec<u8>> = (1..=80_usize)
        .map(|number| vec![b'a' + u8::try_from(number % 26).unwrap(); number * 13 % 700 + 1])
        .collect();
    let sent = pieces.concat();
    let expected = sent.len();
    let reader = tokio::spawn(async move {
        let mut got = vec![0; expected];
        peer.read_exact(&mut got).await.unwrap();
        got
    });
    let slices: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    write_all(&mut under_test, &slices).await;
    assert_eq!(within(reader).await.unwrap(), sent);
}

/// A peer that does not read makes writes wait, and wakes them when it reads; nothing is lost or repeated.
async fn backpressure_waits_and_wakes(pair: Pair) {
    let Pair {
        mut peer,
        mut under_test,
    } = pair;
    let chunk: Vec<u8> = (0..16 * 1024_u32)
        .map(|number| number.to_le_bytes()[number as usize % 2])
        .collect();
    let mut written = 0;
    let stalled = loop {
        let part = &chunk[written % chunk.len()..];
        match under_test.poll_writev(
            &mut Context::from_waker(Waker::noop()),
            &[IoSlice::new(part)],
        ) {
            Poll::Ready(len) => written += len.unwrap(),
            // A socket may only not have heard yet that there is room.
            Poll::Pending
                if tokio::time::timeout(
                    Duration::from_millis(50),
                    poll_fn(|cx| ready_to_write(&mut under_test, cx, part, &mut written)),
                )
                .await
                .is_err() =>
            {
                break written;
            }
            Poll::Pending => {}
        }
        assert!(written < 64 * 1024 * 1024, "no end of room");
    };
    let total = stalled + chunk.len();
    let reader = tokio::spawn(async move {
        let mut got = vec![0; total];
        peer.read_exact(&mut got).await.unwrap();
        got
    });
    while written < total {
        let part = &chunk[written % chunk.len()..];
        let part = &part[..part.len().min(total - written)];
        written += within(poll_fn(|cx| {
            under_test.poll_writev(cx, &[IoSlice::new(part)])
        }))
        .await
        .unwrap();
    }
    within(poll_fn(|cx| under_test.poll_flush(cx)))
        .await
        .unwrap();
    let got = within(reader).await.unwrap();
    assert!(
        got.chunks(chunk.len())
            .all(|piece| chunk.starts_with(piece)),
        "octets were lost or repeated"
    );
}

fn ready_to_write(
    under_test: &mut Box<dyn Transport>,
    cx: &mut Context<'_>,
    part: &[u8],
    written: &mut usize,
) -> Poll<()> {
    under_test
        .poll_writev(cx, &[IoSlice::new(part)])
        .map(|len| *written += len.unwrap())
}

/// After a flush the peer can read everything, without the transport being polled again.
async fn a_flush_holds_nothing_back(pair: Pair) {
    let Pair {
        mut peer,
        mut under_test,
    } = pair;
    for len in [1, 100, 5000] {
        write_all(&mut under_test, &[&vec![b'x'; len]]).await;
        let mut got = vec![0; len];
        within(peer.read_exact(&mut got)).await.unwrap();
        assert!(got.iter().all(|octet| *octet == b'x'));
    }
}

/// A reset wakes whoever waits, and every read after it fails.
async fn a_reset_is_an_error(pair: Pair) {
    let Pair {
        mut peer,
        mut under_test,
    } = pair;
    assert!(!under_test.is_reset(&mut Context::from_waker(Waker::noop())));
    write_all(&mut under_test, &[b"never read"]).await;
    let mut buf = BytesMut::with_capacity(64);
    assert!(
        under_test
            .poll_read(&mut Context::from_waker(Waker::noop()), &mut buf)
            .is_pending()
    );
    let killer = tokio::spawn(async move {
        tokio::task::yield_now().await;
        peer.abandon();
        drop(peer);
    });
    let _ = within(poll_fn(|cx| under_test.poll_readable(cx))).await;
    killer.await.unwrap();
    let error = within(poll_fn(|cx| under_test.poll_read(cx, &mut buf)))
        .await
        .expect_err("a reset is not an end");
    assert!(
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        ),
        "{error:?}"
    );
    let written = within(poll_fn(|cx| {
        under_test.poll_writev(cx, &[IoSlice::new(b"gone")])
    }))
    .await;
    assert!(
        written.is_err()
            || within(poll_fn(|cx| under_test.poll_flush(cx)))
                .await
                .is_err(),
        "wrote to nobody"
    );
}

/// Through tokio's own traits, as an upgraded protocol uses it, the same octets pass in both directions.
async fn it_works_through_tokios_traits(pair: Pair) {
    let Pair {
        mut peer,
        under_test,
    } = pair;
    let mut io = Io::from(under_test);
    let sent: Vec<u8> = (0..100_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    let expected = sent.clone();
    let echo = tokio::spawn(async move {
        let mut got = Vec::new();
        let mut buf = [0; 1000];
        while got.len() < 100_000 {
            let room = got.len() % 999 + 1;
            let len = io.read(&mut buf[..room]).await.unwrap();
            assert!(len > 0 && len <= room);
            got.extend_from_slice(&buf[..len]);
        }
        io.write_all(&got).await.unwrap();
        io.shutdown().await.unwrap();
    });
    within(peer.write_all(&sent)).await.unwrap();
    peer.flush().await.unwrap();
    let mut got = vec![0; expected.len()];
    within(peer.read_exact(&mut got)).await.unwrap();
    assert_eq!(got, expected);
    within(echo).await.unwrap();
}

/// The driver serves over it: pipelined requests, content that comes in many reads, responses that take many writes.
async fn the_driver_serves_over_it(pair: Pair) {
    let Pair {
        mut peer,
        under_test,
    } = pair;
    let routes = Router::new()
        .get("/", async || "hello")
        .get("/large", async || vec![b'x'; 300_000])
        .post("/echo", async |mut request: Request| {
            request.collect().await
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let connection = client.serve(under_test);
    let content = vec![b'y'; 200_000];
    for _ in 0..2 {
        let gets = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /large HTTP/1.1\r\nHost: a\r\n\r\n";
        within(peer.write_all(gets.as_bytes())).await.unwrap();
        peer.flush().await.unwrap();
        assert_eq!(within(content_of_reply(&mut peer)).await, b"hello");
        assert_eq!(within(content_of_reply(&mut peer)).await.len(), 300_000);
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n";
        within(peer.write_all(head.as_bytes())).await.unwrap();
        within(peer.write_all(&content)).await.unwrap();
        peer.flush().await.unwrap();
        assert!(within(content_of_reply(&mut peer)).await == content);
    }
    within(peer.shutdown()).await.unwrap();
    let mut rest = Vec::new();
    within(peer.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    within(connection).await.unwrap();
    assert_eq!((client.connections(), client.buffered()), (0, 0));
    assert_eq!(client.count(Counter::IoErrors), 0);
}

/// Reads a response with a Content-Length.
async fn content_of_reply(peer: &mut Box<dyn Peer>) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(peer.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.lines().next().unwrap();
    let length = length
        .bytes()
        .fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    let mut content = vec![0; length];
    peer.read_exact(&mut content).await.unwrap();
    content
}

/// A reader of tokio's may have room for an octet or for a megabyte: nothing is lost, and nothing comes twice.
async fn tokios_reads_take_what_they_have_room_for(pair: Pair) {
    let Pair {
        mut peer,
        under_test,
    } = pair;
    let mut io = Io::Dyn(under_test);
    let sent: Vec<u8> = (0..50_000_u32).map(|at| (at % 251) as u8).collect();
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        peer.write_all(&copy).await.unwrap();
        peer.shutdown().await.unwrap();
        peer
    });
    let mut got = Vec::new();
    for room in [1, 2, 3, 1000, 16_383, 16_384, 16_385, 100_000]
        .iter()
        .cycle()
    {
        let mut buf = vec![0; *room];
        let len = within(io.read(&mut buf)).await.unwrap();
        if len == 0 {
            break;
        }
        got.extend_from_slice(&buf[..len]);
    }
    assert!(got == sent, "{} of {}", got.len(), sent.len());
    drop(writer.await.unwrap());
}

/// A transport that breaks the contract is found out, and its octets are not silently lost.
#[tokio::test]
async fn a_read_beyond_the_buffer_is_an_error() {
    struct Greedy;
    impl Transport for Greedy {
        fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_read(
            &mut self,
            _: &mut Context<'_>,
            buf: &mut BytesMut,
        ) -> Poll<io::Result<usize>> {
            buf.extend_from_slice(&[b'x'; 100]);
            Poll::Ready(Ok(100))
        }
        fn poll_writev(
            &mut self,
            _: &mut Context<'_>,
            _: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let mut io = Io::Dyn(Box::new(Greedy));
    assert!(io.read(&mut [0; 3]).await.is_err());
    assert_eq!(io.read(&mut [0; 100]).await.unwrap(), 100);
}

/// Writes everything and flushes, as a driver does.
async fn write_all(under_test: &mut Box<dyn Transport>, pieces: &[&[u8]]) {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        let len = within(poll_fn(|cx| under_test.poll_writev(cx, left)))
            .await
            .unwrap();
        assert!(len > 0, "a write that takes nothing is an error");
        IoSlice::advance_slices(&mut left, len);
    }
    within(poll_fn(|cx| under_test.poll_flush(cx)))
        .await
        .unwrap();
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .expect("nobody was woken")
}

macro_rules! contract {
    ($($transport:ident: [$($clause:ident)*])*) => {$(
        mod $transport {
            $(
                #[tokio::test]
                async fn $clause() {
                    super::$clause(super::pairs::$transport().await).await;
                }
            )*
        }
    )*};
    (every clause over $($transport:ident)*) => {
        contract! {$(
            $transport: [
                readiness_may_be_spurious_and_pending_wakes
                what_was_buffered_stays_readable
                a_half_close_leaves_writing_possible
                our_half_close_leaves_reading_possible
                vectored_writes_keep_their_order
                backpressure_waits_and_wakes
                a_flush_holds_nothing_back
                a_reset_is_an_error
                it_works_through_tokios_traits
                tokios_reads_take_what_they_have_room_for
                the_driver_serves_over_it
            ]
        )*}
    };
}

contract!(every clause over over_tcp over_io over_unix over_memory over_no_fault over_tls_in_memory over_tls);
