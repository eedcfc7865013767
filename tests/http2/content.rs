//! Content both ways: windows, backpressure, trailers, limits.

use crate::h2_peer::{
    CANCEL, DATA, END_STREAM, HEADERS, INTERNAL_ERROR, PING, PROTOCOL_ERROR, Peer, RST_STREAM, ask,
    connect, read, to,
};
use crate::routes::{serve, serve_with};
use crate::talk::{Watch, pass};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use tokio::time::Instant;
use wireline::resource::counters::Counter;

#[tokio::test(start_paused = true)]
async fn content_of_every_size_comes_back() {
    let (test, _) = serve();
    let client = connect(&test).await;
    for len in [
        1, 100, 511, 513, 16_384, 65_535, 65_536, 65_537, 200_000, 3_000_000,
    ] {
        let content: Bytes = (0..len)
            .map(|at| (at % 251) as u8)
            .collect::<Vec<_>>()
            .into();
        for declared in [true, false] {
            let mut request = to("POST", "/echo");
            if declared {
                request = request.header("content-length", len);
            }
            let request = request.body(content.clone()).unwrap();
            let reply = ask(&client, request).await.unwrap();
            assert_eq!(reply.status, 200, "{len} {declared}");
            assert!(reply.content == content, "{len} {declared}");
        }
    }
    assert_eq!(test.count(Counter::InvalidResponses), 0);
}

#[tokio::test(start_paused = true)]
async fn trailers_both_ways() {
    let (test, _) = serve();
    let client = connect(&test).await;
    for len in [5, 100_000] {
        let (response, mut send) = client
            .clone()
            .send_request(to("POST", "/trailers").body(()).unwrap(), false)
            .unwrap();
        let content = Bytes::from(vec![b'y'; len]);
        send.send_data(content.clone(), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("abc"));
        send.send_trailers(trailers).unwrap();
        let reply = read(response.await.unwrap()).await.unwrap();
        assert_eq!(reply.content, content);
        assert_eq!(reply.trailers.unwrap()["x-sum"], "abc");
    }
}

/// RFC 9110 §6.5.1: what frames, routes or authorizes has no place in trailers.
#[tokio::test(start_paused = true)]
async fn trailers_that_would_change_the_request_are_dropped() {
    let (test, _) = serve();
    let client = connect(&test).await;
    for (others, names) in [(true, "x-sum"), (false, "")] {
        let (response, mut send) = client
            .clone()
            .send_request(to("POST", "/trailer-names").body(()).unwrap(), false)
            .unwrap();
        send.send_data("some".into(), false).unwrap();
        let mut trailers = HeaderMap::new();
        for name in [
            "content-length",
            "host",
            "authorization",
            "cookie",
            "content-type",
            "content-encoding",
            "content-range",
            "expect",
            "range",
            "max-forwards",
            "cache-control",
            "trailer",
        ] {
            trailers.insert(name, HeaderValue::from_static("1"));
        }
        if others {
            trailers.append("x-sum", HeaderValue::from_static("abc"));
        }
        send.send_trailers(trailers).unwrap();
        let reply = read(response.await.unwrap()).await.unwrap();
        assert_eq!(reply.text(), names);
    }
}

/// RFC 9113 §8.1.1, both ways.
#[tokio::test(start_paused = true)]
async fn content_has_the_length_that_was_said() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    for (stream, path) in [(1, "/short"), (3, "/long")] {
        peer.get(stream, path).await;
        let reset = peer.next_of(RST_STREAM).await;
        assert_eq!((reset.stream, reset.code()), (stream, INTERNAL_ERROR));
    }
    assert_eq!(test.count(Counter::InvalidResponses), 2);
    for (stream, path, content) in [
        (5, "/upper", &b"abc"[..]),
        (7, "/upper", b"abcdef"),
        (9, "/echo", b"abc"),
        (11, "/echo", b"abcdef"),
    ] {
        peer.post(stream, path, &[("content-length", "5")]).await;
        pass(0.1).await;
        peer.frame(DATA, END_STREAM, stream, content).await;
        let reset = peer.next_of(RST_STREAM).await;
        assert_eq!((reset.stream, reset.code()), (stream, PROTOCOL_ERROR));
    }
    assert!(peer.is_alive().await);
    assert_eq!(test.count(Counter::IncompleteRequests), 4);
}

#[tokio::test(start_paused = true)]
async fn a_response_streams_as_it_is_made() {
    let (test, _) = serve();
    let client = connect(&test).await;
    let (response, _) = client
        .clone()
        .send_request(to("GET", "/drip").body(()).unwrap(), true)
        .unwrap();
    let watch = Watch::start();
    let (_, mut body) = response.await.unwrap().into_parts();
    for number in 0..3 {
        let piece = body.data().await.unwrap().unwrap();
        assert_eq!(piece, format!("{number};"));
        watch.assert(f64::from(number) + 0.9..=f64::from(number) + 1.1);
    }
    assert!(
        body.data()
            .await
            .is_none_or(|piece| piece.unwrap().is_empty())
    );
}

#[tokio::test(start_paused = true)]
async fn limits_of_content() {
    let (test, _) = serve_with(|config| config.max_body = 100_000);
    let client = connect(&test).await;
    for (path, len, declared, status) in [
        ("/little", 10, true, 200),
        ("/little", 10, false, 200),
        ("/little", 11, true, 413),
        ("/little", 11, false, 413),
        ("/upper", 100_000, false, 200),
        ("/upper", 100_001, true, 413),
        ("/upper", 100_001, false, 413),
    ] {
        let mut request = to("POST", path);
        if declared {
            request = request.header("content-length", len);
        }
        let request = request.body(Bytes::from(vec![b'z'; len])).unwrap();
        let reply = ask(&client, request).await.unwrap();
        assert_eq!(reply.status.as_u16(), status, "{path} {len} {declared}");
    }
    assert_eq!(test.count(Counter::RefusedContentTooLarge), 4);
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_does_not_break_the_stream() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    // A whole answer, and then NO_ERROR: the client need not send the rest (RFC 9113 §8.1).
    for (stream, path) in [(1, "/ignore"), (3, "/first")] {
        peer.post(stream, path, &[]).await;
        peer.frame(DATA, 0, stream, &[0; 1000]).await;
        assert_eq!(peer.next_of(HEADERS).await.status(), 200);
        let data = peer.next_of(DATA).await;
        assert_eq!((data.stream, data.flags & END_STREAM), (stream, END_STREAM));
        let reset = peer.next_of(RST_STREAM).await;
        assert_eq!((reset.stream, reset.code()), (stream, 0), "{path}");
        // What was on its way is no fault.
        peer.frame(DATA, END_STREAM, stream, &[0; 1000]).await;
    }
    assert!(peer.is_alive().await);
    let client = connect(&test).await;
    let request = to("POST", "/ignore")
        .body(Bytes::from(vec![0; 1_000_000]))
        .unwrap();
    assert_eq!(ask(&client, request).await.unwrap().text(), "not read");
    // The connection's window came back.
    for _ in 0..5 {
        let request = to("POST", "/echo")
            .body(Bytes::from(vec![0; 1_000_000]))
            .unwrap();
        assert_eq!(
            ask(&client, request).await.unwrap().content.len(),
            1_000_000
        );
    }
}

/// A reset that comes along with the answer makes curl 7.88 forget the answer.
#[tokio::test(start_paused = true)]
async fn an_early_answer_is_not_chased_by_its_reset() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    for (stream, path) in [(1, "/little"), (3, "/ignore")] {
        peer.post(stream, path, &[]).await;
        peer.frame(DATA, 0, stream, &[0; 1000]).await;
        let data = peer.next_of(DATA).await;
        assert_eq!((data.stream, data.flags & END_STREAM), (stream, END_STREAM));
        let answered = Instant::now();
        let reset = peer.next_of(RST_STREAM).await;
        assert_eq!((reset.stream, reset.code()), (stream, 0), "{path}");
        let waited = answered.elapsed().as_secs_f32();
        assert!((0.25..2.0).contains(&waited), "{path}: {waited} s");
    }
    // Whoever ends his half meanwhile is not reset, and its place is free at once.
    peer.post(7, "/little", &[("content-length", "1000")]).await;
    peer.next_of(DATA).await;
    peer.frame(DATA, END_STREAM, 7, &[0; 1000]).await;
    pass(3.0).await;
    peer.frame(PING, 0, 0, b"no reset").await;
    while let Some(frame) = peer.next().await {
        assert_ne!(frame.kind, RST_STREAM, "{frame:?}");
        if frame.kind == PING {
            break;
        }
    }
    assert!(peer.is_alive().await);
}

#[tokio::test(start_paused = true)]
async fn with_many_streams_the_reset_does_not_wait() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    let begun = Instant::now();
    // More than may be open at a time.
    for at in 0..250 {
        let stream = 2 * at + 1;
        peer.post(stream, "/little", &[("content-length", "1000")])
            .await;
        assert_eq!(peer.next_of(HEADERS).await.stream, stream);
    }
    assert!(
        begun.elapsed().as_secs_f32() < 0.25,
        "{:?}",
        begun.elapsed()
    );
    assert!(peer.is_alive().await);
}

#[tokio::test(start_paused = true)]
async fn continue_is_said_when_the_content_is_asked_for() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.post(
        1,
        "/echo",
        &[("expect", "100-continue"), ("content-length", "3")],
    )
    .await;
    let head = peer.next_of(HEADERS).await;
    assert_eq!(head.stream, 1);
    // `/echo` answers with the body itself: its head goes first, and the interim response when it is taken.
    peer.post(
        3,
        "/upper",
        &[("expect", "100-continue"), ("content-length", "3")],
    )
    .await;
    let interim = loop {
        let head = peer.next_of(HEADERS).await;
        if head.stream == 3 {
            break head;
        }
    };
    assert_eq!(interim.status(), 0, "100 is not in the static table");
    assert_eq!(interim.flags & END_STREAM, 0);
    peer.frame(DATA, END_STREAM, 3, b"abc").await;
    loop {
        let head = peer.next_of(HEADERS).await;
        if head.stream == 3 {
            assert_eq!(head.status(), 200);
            break;
        }
    }
    // Nobody asks for it: no interim response.
    peer.post(
        5,
        "/ignore",
        &[("expect", "100-continue"), ("content-length", "3")],
    )
    .await;
    let head = peer.next_of(HEADERS).await;
    assert_eq!((head.stream, head.status()), (5, 200));
}

#[tokio::test(start_paused = true)]
async fn nobody_reads_and_nobody_may_send_on() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    // The handler waits, so what comes fills the window of its stream.
    peer.post(1, "/hold", &[]).await;
    assert!(peer.is_alive().await);
    for _ in 0..4 {
        peer.frame(DATA, 0, 1, &[0; 16_384]).await;
    }
    assert!(peer.is_alive().await);
    pass(1.5).await;
    assert!(test.buffered() > 64 * 1024, "{}", test.buffered());
    // One octet more than the window: the stream ends, not the connection.
    peer.frame(DATA, 0, 1, &[0; 1]).await;
    let reset = peer.next_of(RST_STREAM).await;
    assert_eq!(
        (reset.stream, reset.code()),
        (1, crate::h2_peer::FLOW_CONTROL_ERROR)
    );
    assert!(peer.is_alive().await);
    pass(1.5).await;
    assert!(test.buffered() < 64 * 1024, "{}", test.buffered());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_stops_the_producer_and_is_reset() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/endless").await;
    peer.get(3, "/large").await;
    let mut came = 0;
    while came < 65_535 {
        came += peer.next_of(DATA).await.payload.len();
    }
    assert_eq!(came, 65_535, "the connection's window");
    pass(1.0).await;
    assert!(test.buffered() < 1_300_000, "{}", test.buffered());
    let watch = Watch::start();
    let mut resets = Vec::new();
    for _ in 0..2 {
        let reset = peer.next_of(RST_STREAM).await;
        resets.push((reset.stream, reset.code()));
    }
    resets.sort_unstable();
    assert_eq!(resets, [(1, CANCEL), (3, CANCEL)]);
    watch.assert(28.0..=33.0);
    assert_eq!(test.count(Counter::WriteTimeouts), 2);
    peer.window(0, 100_000).await;
    peer.get(5, "/").await;
    assert_eq!(peer.next_of(HEADERS).await.stream, 5);
}

#[tokio::test(start_paused = true)]
async fn small_content_that_is_never_taken_ends_the_connection() {
    let (test, _) = serve();
    let mut peer = Peer::open_with(&test, &[(4, 0)]).await;
    peer.get(1, "/").await;
    assert_eq!(peer.next_of(HEADERS).await.status(), 200);
    let watch = Watch::start();
    peer.end().await;
    watch.assert(29.0..=34.0);
    assert_eq!(test.count(Counter::WriteTimeouts), 1);
    pass(3.0).await;
    assert_eq!((test.connections(), test.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_window_octet_by_octet_is_too_slow() {
    let (test, _) = serve();
    let mut peer = Peer::open_with(&test, &[(4, 1)]).await;
    peer.get(1, "/large").await;
    let watch = Watch::start();
    loop {
        let Some(frame) = peer.next().await else {
            panic!("the connection ended")
        };
        match frame.kind {
            DATA => {
                pass(0.5).await;
                peer.window(1, 1).await;
            }
            RST_STREAM => break assert_eq!(frame.code(), CANCEL),
            _ => {}
        }
    }
    watch.assert(5.0..=9.0);
}

#[tokio::test(start_paused = true)]
async fn slow_content_is_answered_408() {
    let (test, _) = serve();
    for declared in [true, false] {
        let client = connect(&test).await;
        let mut head = to("POST", "/upper");
        if declared {
            head = head.header("content-length", "1000");
        }
        let head: Request<()> = head.body(()).unwrap();
        let (response, mut send) = client.clone().send_request(head, false).unwrap();
        tokio::spawn(async move {
            for _ in 0..1000 {
                if send.send_data(Bytes::from_static(b"x"), false).is_err() {
                    return;
                }
                pass(1.0).await;
            }
        });
        let watch = Watch::start();
        assert_eq!(response.await.unwrap().status(), 408, "declared {declared}");
        watch.assert(5.0..=9.0);
    }
    assert_eq!(test.count(Counter::BodyTimeouts), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_gathered_on_many_streams_does_not_lock_the_connection() {
    let (test, _) = serve();
    let client = connect(&test).await;
    // All of them half, which is more than the connection's window altogether, then the other half.
    let half = Bytes::from(vec![b'a'; 30_000]);
    let mut open = Vec::new();
    for _ in 0..50 {
        let head = to("POST", "/upper").header("content-length", 60_000);
        let mut client = client.clone().ready().await.unwrap();
        let (response, mut send) = client.send_request(head.body(()).unwrap(), false).unwrap();
        send.send_data(half.clone(), false).unwrap();
        open.push((response, send));
    }
    pass(0.5).await;
    assert!(test.buffered() > 50 * 30_000, "{}", test.buffered());
    let asked: Vec<_> = open
        .into_iter()
        .map(|(response, mut send)| {
            send.send_data(half.clone(), true).unwrap();
            tokio::spawn(async move { read(response.await.unwrap()).await.unwrap() })
        })
        .collect();
    for asked in asked {
        assert_eq!(asked.await.unwrap().content, vec![b'A'; 60_000]);
    }
    pass(0.5).await;
    assert!(test.buffered() < 50_000, "{}", test.buffered());
}
