//! The recipes H2-1 to H2-12 with small counts: a flood ends the connection with ENHANCE_YOUR_CALM, a counter tells
//! which it was, and nothing is left behind. H2-9 and H2-10 are in
//! `stalls.rs`, H2-13 in `http2_websocket.rs`, H2-14 in `lifetime.rs`.

use crate::h2_peer::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PADDED, PING,
    PREFACE, PRIORITY, PROTOCOL_ERROR, Peer, RST_STREAM, SETTINGS, WINDOW_UPDATE, field, frame,
    get, request,
};
use crate::routes::{serve, serve_with};
use crate::talk::{Watch, pass};
use tokio::io::AsyncWriteExt;
use wireline::resource::counters::Counter;
use wireline::test::TestClient;

/// Sends what `attack` makes until the connection has ended, in batches; gives how many were sent.
async fn flood(
    test: &TestClient,
    batch: u32,
    pause: f64,
    mut attack: impl FnMut(u32) -> Vec<u8>,
) -> (u32, Option<u32>) {
    let peer = Peer::open(test).await;
    let (mut reader, mut writer) = tokio::io::split(peer.io);
    let reader = tokio::spawn(async move {
        let mut got = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut got).await;
        got
    });
    let mut sent = 0;
    while sent < 200_000 && !reader.is_finished() {
        let octets: Vec<u8> = (sent..sent + batch).flat_map(&mut attack).collect();
        if writer.write_all(&octets).await.is_err() {
            break;
        }
        sent += batch;
        if pause > 0.0 {
            pass(pause).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
    let _ = writer.shutdown().await;
    let got = reader.await.unwrap();
    let mut rest = &got[..];
    let mut code = None;
    while let [a, b, c, kind, _, _, _, _, _, ..] = *rest {
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        if kind == GOAWAY {
            code = rest
                .get(13..17)
                .map(|code| u32::from_be_bytes(code.try_into().unwrap()));
        }
        rest = rest.get(9 + len..).unwrap_or_default();
    }
    (sent, code)
}

fn pair(number: u32, path: &str) -> Vec<u8> {
    let stream = 2 * number + 1;
    [
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(path)),
        frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]),
    ]
    .concat()
}

pub(crate) async fn nothing_is_left(test: &TestClient) {
    pass(3.0).await;
    assert_eq!((test.connections(), test.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn h2_1_rapid_reset_in_a_burst() {
    let (test, seen) = serve();
    let (sent, code) = flood(&test, 50, 0.0, |number| pair(number, "/park")).await;
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    assert!(sent <= 300, "{sent} pairs");
    assert_eq!(test.count(Counter::Http2ResetFloods), 1);
    assert!(seen.begun() <= 100, "{} handlers", seen.begun());
    nothing_is_left(&test).await;
    assert_eq!(seen.begun(), seen.ended());
}

#[tokio::test(start_paused = true)]
async fn h2_1_rapid_reset_at_a_pace() {
    let (test, seen) = serve();
    let watch = Watch::start();
    let (_, code) = flood(&test, 10, 0.01, |number| pair(number, "/park")).await;
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    watch.assert(0.0..=10.0);
    assert_eq!(test.count(Counter::Http2ResetFloods), 1);
    assert!(seen.begun() <= 300, "{} handlers", seen.begun());
    nothing_is_left(&test).await;
    // Within the pace of the bucket, but nothing else.
    let (test, _) = serve();
    let watch = Watch::start();
    let (sent, code) = flood(&test, 5, 0.25, |number| pair(number, "/park")).await;
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    assert!((195..=210).contains(&sent), "{sent} pairs");
    watch.assert(9.0..=12.0);
}

#[tokio::test(start_paused = true)]
async fn h2_2_made_to_reset() {
    let open = |number: u32, flags: u8| {
        frame(
            HEADERS,
            END_HEADERS | flags,
            2 * number + 1,
            &request("GET", "/park"),
        )
    };
    type Primitive = Box<dyn Fn(u32) -> Vec<u8>>;
    let primitives: [(&str, Primitive); 6] = [
        (
            "a window by nothing",
            Box::new(move |number| {
                [
                    open(number, END_STREAM),
                    frame(WINDOW_UPDATE, 0, 2 * number + 1, &[0; 4]),
                ]
                .concat()
            }),
        ),
        (
            "a window that overflows",
            Box::new(move |number| {
                [
                    open(number, END_STREAM),
                    frame(WINDOW_UPDATE, 0, 2 * number + 1, &[0x7f, 0xff, 0xff, 0xff]),
                ]
                .concat()
            }),
        ),
        (
            "DATA behind the end",
            Box::new(move |number| {
                [
                    open(number, END_STREAM),
                    frame(DATA, 0, 2 * number + 1, b"x"),
                ]
                .concat()
            }),
        ),
        (
            "HEADERS behind the end",
            Box::new(move |number| [open(number, END_STREAM), open(number, END_STREAM)].concat()),
        ),
        (
            "a malformed request",
            Box::new(|number| {
                let section = [get("/park"), field("connection", "close")].concat();
                frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &section)
            }),
        ),
        (
            "what we alone refuse",
            Box::new(|number| {
                let section = [get("/park"), field("host", "b")].concat();
                frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &section)
            }),
        ),
    ];
    for (what, primitive) in primitives {
        let (test, seen) = serve();
        let (sent, code) = flood(&test, 10, 0.0, primitive).await;
        assert!(code.is_some_and(|code| code != 0), "{what}: {code:?}");
        assert!(sent <= 200, "{what}: {sent}");
        let counted = test.count(Counter::Http2ErrorFloods)
            + test.count(Counter::Http2ProtocolErrors)
            + test.count(Counter::Http2WindowUpdateFloods);
        assert_eq!(counted, 1, "{what}");
        nothing_is_left(&test).await;
        assert_eq!(seen.begun(), seen.ended(), "{what}");
    }
    // Two more that h2 takes for errors of the connection or forgets.
    let (test, _) = serve();
    let (_, code) = flood(&test, 10, 0.0, |number| {
        [
            open(number, END_STREAM),
            frame(PRIORITY, 0, 2 * number + 1, &[0; 4]),
        ]
        .concat()
    })
    .await;
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
}

#[tokio::test(start_paused = true)]
async fn h2_3_a_header_section_without_an_end() {
    for len in [0, 1, 16_384] {
        let (test, _) = serve();
        let (sent, code) = flood(&test, 5, 0.0, |number| {
            let kind = if number == 0 { HEADERS } else { CONTINUATION };
            frame(kind, 0, 1, &vec![0x10; len])
        })
        .await;
        assert!(code.is_some_and(|code| code != 0), "{len}: {code:?}");
        assert!(sent <= 100, "{len}: {sent} frames");
        nothing_is_left(&test).await;
    }
}

#[tokio::test(start_paused = true)]
async fn h2_4_a_bomb_of_references() {
    let (test, seen) = serve();
    let mut peer = Peer::open(&test).await;
    // A field of 3 KB into the table, then thousands of references to it.
    let mut section = get("/count");
    section.push(0x40);
    section.extend(&field("x-bomb", &"x".repeat(3000))[1..]);
    peer.frame(HEADERS, END_HEADERS | END_STREAM, 1, &section)
        .await;
    assert_eq!(peer.next_of(HEADERS).await.status(), 200);
    let mut section = get("/count");
    section.extend([0xbe; 10_000]);
    peer.frame(HEADERS, END_HEADERS | END_STREAM, 3, &section)
        .await;
    assert_eq!(peer.end().await, Some(ENHANCE_YOUR_CALM));
    assert_eq!(test.count(Counter::Http2OtherFloods), 1);
    assert_eq!(seen.begun(), 1);
    nothing_is_left(&test).await;
}

#[tokio::test(start_paused = true)]
async fn h2_4_sizes_of_the_table() {
    // From 4,096 octets to nothing and back with each request, and all in one section.
    for changes in [1, 50] {
        let (test, _) = serve();
        let (sent, code) = flood(&test, 10, 0.0, |number| {
            let section = [[0x20, 0x3f, 0xe1, 0x1f].repeat(changes), get("/")].concat();
            frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &section)
        })
        .await;
        assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{changes}");
        assert!(sent <= 60, "{changes}: {sent}");
        assert_eq!(test.count(Counter::Http2TableSizeFloods), 1);
        nothing_is_left(&test).await;
    }
    // 2^31 octets are more than we have allowed (RFC 7541 §6.3).
    let (test, seen) = serve();
    let mut peer = Peer::open(&test).await;
    let section = [&[0x3f, 0xe1, 0xff, 0xff, 0xff, 0x07][..], &get("/count")].concat();
    peer.frame(HEADERS, END_HEADERS | END_STREAM, 1, &section)
        .await;
    assert!(peer.end().await.is_some_and(|code| code != 0));
    assert_eq!(test.count(Counter::Http2ProtocolErrors), 1);
    assert_eq!(seen.begun(), 0);
    // A client may take its table away and give it back now and then.
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    for number in 0..100 {
        let section = [&[0x20, 0x3f, 0xe1, 0x1f][..], &get("/")].concat();
        peer.frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &section)
            .await;
        assert_eq!(peer.next_of(HEADERS).await.status(), 200);
        pass(0.25).await;
    }
}

#[tokio::test(start_paused = true)]
async fn h2_4_crumbs_and_codes() {
    let (test, seen) = serve();
    let mut peer = Peer::open(&test).await;
    let section = [get("/count"), field("cookie", "a=b").repeat(1_000)].concat();
    peer.frame(HEADERS, END_HEADERS | END_STREAM, 1, &section)
        .await;
    // Their fields would be larger than SETTINGS_MAX_HEADER_LIST_SIZE: 431, which is in no static table.
    assert_eq!(peer.next_of(HEADERS).await.status(), 0);
    // 26 KB of `0` in 16 KB by Huffman's shortest code, within the limit.
    let mut section = get("/count");
    section.extend([0x10, 1, b'x', 0xff, 0x81, 0x7c]);
    section.extend([0; 16_000]);
    peer.frame(HEADERS, END_HEADERS | END_STREAM, 3, &section)
        .await;
    let head = peer.next_of(HEADERS).await;
    assert_eq!((head.stream, head.status()), (3, 200));
    assert!(peer.is_alive().await);
    assert_eq!(seen.begun(), 1);
    assert!(test.buffered() < 64 * 1024, "{}", test.buffered());
}

#[tokio::test(start_paused = true)]
async fn h2_5_to_8_floods_of_frames() {
    type Flood = (&'static str, Counter, u32, Box<dyn Fn(u32) -> Vec<u8>>);
    let floods: [Flood; 8] = [
        (
            "SETTINGS",
            Counter::Http2SettingsFloods,
            200,
            Box::new(|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1])),
        ),
        (
            "PING",
            Counter::Http2PingFloods,
            200,
            Box::new(|_| frame(PING, 0, 0, &[0; 8])),
        ),
        (
            "PING acknowledged",
            Counter::Http2PingFloods,
            200,
            Box::new(|_| frame(PING, 1, 0, &[0; 8])),
        ),
        (
            "PRIORITY",
            Counter::Http2PriorityFloods,
            200,
            Box::new(|number| frame(PRIORITY, 0, 2 * number + 1, &[0, 0, 0, 0, 9])),
        ),
        (
            "PRIORITY_UPDATE",
            Counter::Http2PriorityFloods,
            200,
            Box::new(|_| frame(16, 0, 0, b"\0\0\0\x01u=1")),
        ),
        (
            "WINDOW_UPDATE",
            Counter::Http2WindowUpdateFloods,
            100,
            Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ),
        (
            "unknown frames",
            Counter::Http2OverheadFloods,
            1000,
            Box::new(|_| frame(0xee, 0, 0, &[0; 16_384])),
        ),
        (
            "GOAWAY",
            Counter::Http2SettingsFloods,
            200,
            Box::new(|_| frame(GOAWAY, 0, 0, &[0; 8])),
        ),
    ];
    for (what, counter, most, attack) in floods {
        let (test, _) = serve();
        // A stream is open, so that nothing ends because there is none.
        let (sent, code) = flood(&test, 20, 0.0, |number| {
            let mut octets = Vec::new();
            if number == 0 {
                octets = frame(HEADERS, END_HEADERS | END_STREAM, 4001, &get("/park"));
            }
            octets.extend(attack(number));
            octets
        })
        .await;
        assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{what}");
        assert!(sent <= most + 40, "{what}: {sent} frames");
        assert_eq!(test.count(counter), 1, "{what}");
        nothing_is_left(&test).await;
    }
}

#[tokio::test(start_paused = true)]
async fn h2_5_a_flood_whose_answers_nobody_reads() {
    let (test, _) = serve_with(|config| {
        config.http2.control_burst = 1_000_000;
    });
    let mut peer = Peer::open(&test).await;
    let pings: Vec<u8> = (0..1000).flat_map(|_| frame(PING, 0, 0, &[0; 8])).collect();
    let mut written = 0;
    while written < 100
        && tokio::time::timeout(std::time::Duration::from_secs(1), peer.io.write_all(&pings))
            .await
            .is_ok()
    {
        written += 1;
    }
    assert!(written < 100, "reading goes on without an end");
    assert!(test.buffered() < 512 * 1024, "{}", test.buffered());
}

#[tokio::test(start_paused = true)]
async fn h2_6_frames_without_content() {
    type Flood = (&'static str, Counter, Box<dyn Fn(u32) -> Vec<u8>>);
    let floods: [Flood; 4] = [
        (
            "empty DATA",
            Counter::Http2EmptyFrameFloods,
            Box::new(|_| frame(DATA, 0, 1, &[])),
        ),
        (
            "padding alone",
            Counter::Http2EmptyFrameFloods,
            Box::new(|_| frame(DATA, PADDED, 1, &[3, 0, 0, 0])),
        ),
        (
            "one empty one after each other",
            Counter::Http2EmptyFrameFloods,
            Box::new(|number| frame(DATA, 0, 1, &vec![0; usize::from(number % 2 == 0)])),
        ),
        (
            "octet by octet, and nobody reads",
            Counter::Http2OtherFloods,
            Box::new(|_| frame(DATA, 0, 1, b"x")),
        ),
    ];
    for (what, counter, attack) in floods {
        let (test, _) = serve();
        let (sent, code) = flood(&test, 100, 0.0, |number| {
            if number == 0 {
                frame(HEADERS, END_HEADERS, 1, &request("GET", "/park"))
            } else {
                attack(number)
            }
        })
        .await;
        assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{what}");
        assert!(sent <= 20_000, "{what}: {sent} frames");
        assert_eq!(test.count(counter), 1, "{what}");
        nothing_is_left(&test).await;
    }
}

#[tokio::test(start_paused = true)]
async fn h2_11_identifiers() {
    let open = |id: u32| frame(HEADERS, END_HEADERS | END_STREAM, id, &get("/park"));
    let idle = frame(DATA, 0, 4001, b"x");
    let cases: [(&str, Vec<u8>, u32, usize); 6] = [
        ("even", open(2), PROTOCOL_ERROR, 0),
        ("falling", [open(5), open(3)].concat(), PROTOCOL_ERROR, 1),
        (
            "behind the last",
            [open(0x7fff_ffff), open(1)].concat(),
            PROTOCOL_ERROR,
            1,
        ),
        (
            "too many",
            (0..300).flat_map(|number| open(2 * number + 1)).collect(),
            ENHANCE_YOUR_CALM,
            100,
        ),
        ("idle", idle.clone(), PROTOCOL_ERROR, 0),
        (
            "behind the end",
            (0..300)
                .flat_map(|number| open(2 * number + 1))
                .fold(idle, |mut octets, octet| {
                    octets.push(octet);
                    octets
                }),
            PROTOCOL_ERROR,
            0,
        ),
    ];
    for (what, octets, code, most) in cases {
        let (test, seen) = serve();
        let mut peer = Peer::open(&test).await;
        peer.send(&octets).await;
        assert_eq!(peer.end().await, Some(code), "{what}");
        assert!(seen.begun() <= most, "{what}: {} handlers", seen.begun());
        drop(peer);
        nothing_is_left(&test).await;
        assert_eq!(seen.begun(), seen.ended(), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn h2_12_a_preface_and_then_nothing() {
    let (test, _) = serve();
    let mut peer = Peer::silent(&test);
    peer.send(PREFACE).await;
    let watch = Watch::start();
    peer.end().await;
    watch.assert(9.9..=13.0);
    nothing_is_left(&test).await;
}

#[tokio::test(start_paused = true)]
async fn h2_12_settings_without_an_end() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    let entries: Vec<u8> = (0..2_000_u32)
        .flat_map(|number| [&[0xff, 0][..], &number.to_be_bytes()].concat())
        .collect();
    peer.frame(SETTINGS, 0, 0, &entries).await;
    assert!(peer.is_alive().await);
}
