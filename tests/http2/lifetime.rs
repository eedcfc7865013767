//! Deadlines, resets, drain, age and keepalive of a connection and of its streams.

use crate::h2_peer::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, Peer, REFUSED_STREAM,
    RST_STREAM, SETTINGS, SETTINGS_TIMEOUT, ask, connect, get, to,
};
use crate::routes::{serve, serve_with};
use crate::talk::{Watch, pass};
use bytes::Bytes;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use wireline::resource::counters::Counter;

#[tokio::test(start_paused = true)]
async fn a_reset_cancels_its_handler() {
    let (test, seen) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/park").await;
    peer.get(3, "/park").await;
    pass(0.1).await;
    assert_eq!((seen.begun(), seen.ended()), (2, 0));
    peer.reset(1).await;
    pass(0.1).await;
    assert_eq!((seen.begun(), seen.ended()), (2, 1));
    assert_eq!(test.count(Counter::HandlersCancelled), 1);
    assert_eq!(test.count(Counter::Http2StreamsReset), 1);
    // The connection's end cancels the rest.
    drop(peer);
    pass(0.1).await;
    assert_eq!(seen.ended(), 2);
    assert_eq!(test.count(Counter::HandlersCancelled), 2);
    assert_eq!((test.connections(), test.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_reset_with_its_head_never_gets_a_handler() {
    let (test, seen) = serve();
    let mut peer = Peer::open(&test).await;
    let both = [
        crate::h2_peer::frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/count")),
        crate::h2_peer::frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
    ]
    .concat();
    peer.send(&both).await;
    assert!(peer.is_alive().await);
    assert_eq!(seen.begun(), 0);
}

#[tokio::test(start_paused = true)]
async fn closed_tells_of_its_own_stream() {
    let (test, seen) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/told").await;
    peer.get(3, "/told").await;
    pass(0.1).await;
    assert_eq!((seen.begun(), seen.ended()), (2, 0));
    peer.reset(1).await;
    pass(0.1).await;
    assert_eq!(seen.ended(), 1);
    // Who asks when it is over is told at once.
    peer.get(5, "/told-late").await;
    assert_eq!(peer.next_of(HEADERS).await.status(), 200);
    assert_eq!(seen.ended(), 1);
    pass(1.1).await;
    assert_eq!(seen.ended(), 2);
    // The connection's end is the end of all.
    drop(peer);
    pass(0.1).await;
    assert_eq!((seen.begun(), seen.ended()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_stream_on_which_nothing_moves_is_reset() {
    let (test, seen) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/park").await;
    let begun = tokio::time::Instant::now();
    let mut later = false;
    let mut ends = Vec::new();
    while ends.len() < 2 {
        let frame = peer.next().await.expect("the connection goes on");
        match frame.kind {
            PING if frame.flags == 0 => peer.frame(PING, 1, 0, &frame.payload).await,
            RST_STREAM => ends.push((frame.stream, frame.code(), begun.elapsed().as_secs())),
            _ => {}
        }
        if !later && begun.elapsed() > Duration::from_secs(100) {
            later = true;
            peer.get(3, "/park").await;
        }
    }
    assert_eq!((ends[0].0, ends[0].1, ends[1].0, ends[1].1), (1, 8, 3, 8));
    assert!((300..=303).contains(&ends[0].2), "{ends:?}");
    // The second was asked for with an answer to a PING.
    assert!((400..=440).contains(&ends[1].2), "{ends:?}");
    assert_eq!(test.count(Counter::Http2StreamIdleTimeouts), 2);
    assert_eq!((seen.begun(), seen.ended()), (2, 2));
    assert!(peer.is_alive().await);
}

#[tokio::test(start_paused = true)]
async fn three_quarters_of_a_budget_are_a_warning() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/slow").await;
    // Of a hundred, two were SETTINGS.
    for _ in 0..74 {
        peer.frame(PING, 0, 0, &[7; 8]).await;
    }
    let (mut farewells, mut answered) = (Vec::new(), false);
    while let Some(frame) = peer.next().await {
        match frame.kind {
            GOAWAY => farewells.push(frame.code()),
            PING if frame.flags == 0 => peer.frame(PING, 1, 0, &frame.payload).await,
            // What was begun is finished, and then the connection ends.
            HEADERS => answered = frame.status() == 200,
            _ => {}
        }
    }
    assert_eq!((farewells, answered), (vec![0, 0], true));
    assert_eq!(test.count(Counter::Http2Warnings), 1);
    assert_eq!(test.count(Counter::Http2PingFloods), 0);
}

#[tokio::test(start_paused = true)]
async fn silence_and_half_a_preface() {
    let (test, _) = serve();
    let watch = Watch::start();
    let mut silent = Peer::silent(&test);
    silent.end().await;
    watch.assert(9.9..=10.9);
    assert_eq!(test.count(Counter::SilentTimeouts), 1);
    let watch = Watch::start();
    let mut half = Peer::silent(&test);
    half.send(&PREFACE[..10]).await;
    half.end().await;
    watch.assert(9.9..=10.9);
    assert_eq!(test.count(Counter::HeadTimeouts), 1);
    assert_eq!(test.count(Counter::Http2Connections), 0);
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_not_acknowledged() {
    let (test, _) = serve();
    let mut peer = Peer::silent(&test);
    peer.send(PREFACE).await;
    peer.frame(SETTINGS, 0, 0, &[]).await;
    let watch = Watch::start();
    assert_eq!(peer.end().await, Some(SETTINGS_TIMEOUT));
    watch.assert(9.9..=13.0);
}

#[tokio::test(start_paused = true)]
async fn a_header_section_has_ten_seconds() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.frame(HEADERS, END_STREAM, 1, &get("/")).await;
    let watch = Watch::start();
    assert_eq!(peer.end().await, Some(crate::h2_peer::ENHANCE_YOUR_CALM));
    watch.assert(9.9..=13.0);
    // So has a frame that comes octet by octet.
    let mut peer = Peer::open(&test).await;
    let frame = crate::h2_peer::frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/"));
    let watch = Watch::start();
    for octet in &frame {
        peer.send(&[*octet]).await;
        pass(1.0).await;
    }
    assert_eq!(peer.end().await, Some(crate::h2_peer::ENHANCE_YOUR_CALM));
    watch.assert(18.0..=60.0);
    assert_eq!(test.count(Counter::HeadTimeouts), 2);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_told_to_go() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/").await;
    peer.next_of(HEADERS).await;
    let watch = Watch::start();
    assert_eq!(peer.end().await, Some(0));
    watch.assert(59.0..=66.0);
    assert_eq!(test.count(Counter::IdleTimeouts), 1);
    pass(3.0).await;
    assert_eq!(test.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_open_stream_is_kept_alive_by_pings_and_a_vanished_client_is_not() {
    let (test, seen) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/park").await;
    let watch = Watch::start();
    for _ in 0..3 {
        let ping = peer.next_of(PING).await;
        peer.frame(PING, 1, 0, &ping.payload).await;
    }
    watch.assert(88.0..=93.0);
    let watch = Watch::start();
    peer.next_of(PING).await;
    // This one is not answered.
    peer.end().await;
    watch.assert(39.0..=43.0);
    assert_eq!(seen.ended(), 1);
    assert_eq!(test.count(Counter::Http2PingTimeouts), 1);
}

#[tokio::test(start_paused = true)]
async fn h2_14_a_drain_says_goaway_twice_and_finishes_what_was_begun() {
    let (test, seen) = serve();
    let mut peer = Peer::open(&test).await;
    for number in 0..100 {
        peer.get(2 * number + 1, "/slow").await;
    }
    pass(1.0).await;
    test.drain();
    let first = loop {
        let frame = peer.next().await.unwrap();
        if frame.kind == GOAWAY {
            break frame;
        }
    };
    assert_eq!(first.code(), 0);
    assert_eq!(first.payload[..4], [0x7f, 0xff, 0xff, 0xff]);
    // What was on its way before the round trip is over is still served; 100 are open, so one has to go first.
    peer.reset(1).await;
    peer.get(201, "/").await;
    let ping = peer.next_of(PING).await;
    peer.frame(PING, 1, 0, &ping.payload).await;
    let (mut answered, mut last, mut second) = (0, 0, None);
    while let Some(frame) = peer.next().await {
        match frame.kind {
            HEADERS => {
                assert_eq!(frame.status(), 200);
                answered += 1;
                last = last.max(frame.stream);
            }
            DATA => {
                peer.window(0, u32::try_from(frame.payload.len()).unwrap())
                    .await
            }
            GOAWAY => second = Some((frame.payload[..4].to_vec(), frame.code())),
            _ => {}
        }
    }
    assert_eq!((answered, last), (100, 201));
    assert_eq!(second, Some((vec![0, 0, 0, 201], 0)));
    assert_eq!((seen.begun(), seen.ended()), (100, 100));
    pass(3.0).await;
    assert_eq!(test.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn h2_14_a_client_that_says_goaway_gets_its_answers() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/slow").await;
    peer.frame(GOAWAY, 0, 0, &[0; 8]).await;
    let head = peer.next_of(HEADERS).await;
    assert_eq!((head.stream, head.status()), (1, 200));
    peer.end().await;
    pass(3.0).await;
    assert_eq!(test.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn age_and_number_of_requests() {
    let (test, _) = serve_with(|config| config.max_age = Some(Duration::from_secs(100)));
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/park").await;
    let watch = Watch::start();
    loop {
        let frame = peer.next().await.unwrap();
        match frame.kind {
            PING if frame.flags == 0 => peer.frame(PING, 1, 0, &frame.payload).await,
            GOAWAY => break assert_eq!(frame.code(), 0),
            _ => {}
        }
    }
    watch.assert(89.0..=101.0);
    assert_eq!(test.count(Counter::ConnectionsRetired), 1);

    let (test, _) = serve_with(|config| config.max_requests = Some(3));
    let client = connect(&test).await;
    for _ in 0..3 {
        let reply = ask(&client, to("GET", "/").body(Bytes::new()).unwrap())
            .await
            .unwrap();
        assert_eq!(reply.status, 200);
    }
    pass(3.0).await;
    assert_eq!(test.count(Counter::ConnectionsRetired), 1);
    assert_eq!(test.connections(), 0);
}

/// The second GOAWAY follows the client's answer to a PING, which need not come.
#[tokio::test(start_paused = true)]
async fn a_farewell_cannot_be_put_off() {
    let (test, seen) = serve_with(|config| config.max_requests = Some(1));
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/slow").await;
    pass(1.0).await;
    // A round trip may take that long.
    peer.get(3, "/count").await;
    let head = loop {
        let frame = peer.next().await.unwrap();
        if frame.kind == HEADERS {
            break frame;
        }
    };
    assert_eq!((head.stream, head.status()), (3, 200));
    pass(2.0).await;
    peer.get(5, "/count").await;
    let (mut refused, mut answered, mut farewell) = (None, false, None);
    while let Some(frame) = peer.next().await {
        match frame.kind {
            RST_STREAM => refused = Some((frame.stream, frame.code())),
            HEADERS => answered = (frame.stream, frame.status()) == (1, 200),
            GOAWAY => farewell = Some((frame.payload[3], frame.code())),
            _ => {}
        }
    }
    assert_eq!(refused, Some((5, REFUSED_STREAM)));
    assert!(answered, "what was begun is finished");
    assert_eq!(farewell.map(|farewell| farewell.1), Some(0));
    assert_eq!((seen.begun(), seen.ended()), (2, 2));
    // Whoever goes on asking is not served for ever.
    let mut peer = Peer::open(&test).await;
    let watch = Watch::start();
    let mut stream = 1;
    let ended = loop {
        peer.get(stream, "/count").await;
        stream += 2;
        if let Ok(end) = tokio::time::timeout(Duration::from_millis(100), peer.end()).await {
            break end;
        }
    };
    watch.assert(1.9..=5.0);
    assert_ne!(ended, Some(crate::h2_peer::ENHANCE_YOUR_CALM));
    pass(3.0).await;
    assert_eq!(test.connections(), 0);
}

/// D43, in HTTP/2's words.
#[tokio::test(start_paused = true)]
async fn d43_a_handler_ends_the_connection() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/slow").await;
    peer.get(3, "/hop").await;
    let (mut answered, mut farewells) = (Vec::new(), Vec::new());
    while let Some(frame) = peer.next().await {
        match frame.kind {
            HEADERS => answered.push((frame.stream, frame.status())),
            PING if frame.flags == 0 => peer.frame(PING, 1, 0, &frame.payload).await,
            GOAWAY => farewells.push(frame.code()),
            _ => {}
        }
    }
    assert_eq!(answered, [(3, 200), (1, 200)]);
    assert_eq!(farewells, [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_forced_end_cancels_everything() {
    let (test, seen) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/park").await;
    peer.get(3, "/endless").await;
    pass(0.1).await;
    test.force();
    pass(0.1).await;
    assert_eq!(
        (seen.ended(), test.connections(), test.buffered()),
        (1, 0, 0)
    );
    assert_eq!(test.count(Counter::DrainForced), 1);
    peer.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_takes_nothing_is_closed() {
    let (test, seen) = serve();
    let mut peer = Peer::open_with(&test, &[(4, 1 << 24)]).await;
    peer.window(0, 1 << 24).await;
    for number in 0..100 {
        peer.get(2 * number + 1, "/endless").await;
    }
    let watch = Watch::start();
    pass(2.0).await;
    // Windows would let 16 MiB pass; 1 MiB waits, and what a chunk of each handler holds.
    let held = test.buffered();
    assert!((1 << 20..4 << 20).contains(&held), "{held}");
    while test.connections() > 0 {
        pass(0.25).await;
    }
    watch.assert(29.0..=34.0);
    assert_eq!(test.count(Counter::WriteTimeouts), 1);
    assert_eq!(test.buffered(), 0);
    let _ = (seen, peer.io.shutdown().await);
}
