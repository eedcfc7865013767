//! RFC 9113 in its order, frame by frame: what breaks a stream, what breaks the connection, what is ignored.

use crate::h2_peer::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY,
    HEADERS, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, Peer, REFUSED_STREAM, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, field, frame, get, request,
};
use crate::routes::serve;
use wireline::resource::counters::Counter;

/// What a server sends first (§3.4), with the defaults of the limits.
#[tokio::test(start_paused = true)]
async fn s03_4_settings_come_first() {
    let (test, _) = serve();
    let mut peer = Peer::silent(&test);
    let settings = peer.next().await.unwrap();
    assert_eq!((settings.kind, settings.stream), (SETTINGS, 0));
    let mut values: Vec<(u16, u32)> = settings
        .payload
        .chunks(6)
        .map(|setting| {
            let (name, value) = setting.split_at(2);
            (
                u16::from_be_bytes(name.try_into().unwrap()),
                u32::from_be_bytes(value.try_into().unwrap()),
            )
        })
        .collect();
    values.sort_unstable();
    // MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE, ENABLE_CONNECT_PROTOCOL
    assert_eq!(values, [(3, 100), (4, 65_536), (6, 32 * 1024), (8, 1)]);
}

#[tokio::test(start_paused = true)]
async fn s03_4_every_split_of_the_preface() {
    let (test, _) = serve();
    let whole = [
        PREFACE,
        &frame(SETTINGS, 0, 0, &[]),
        &frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/")),
    ]
    .concat();
    for cut in 1..whole.len() {
        let mut peer = Peer::silent(&test);
        peer.send(&whole[..cut]).await;
        tokio::task::yield_now().await;
        peer.send(&whole[cut..]).await;
        assert_eq!(peer.next_of(HEADERS).await.status(), 200, "cut at {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn s03_4_another_preface() {
    let (test, _) = serve();
    for place in 0..PREFACE.len() {
        let mut wrong = PREFACE.to_vec();
        wrong[place] ^= 1;
        let mut peer = Peer::silent(&test);
        peer.send(&wrong).await;
        peer.end().await;
    }
    assert_eq!(test.count(Counter::Http2ProtocolErrors), 24);
    assert_eq!(test.count(Counter::Http2Connections), 0);
}

#[tokio::test(start_paused = true)]
async fn s03_4_another_frame_than_settings() {
    let (test, _) = serve();
    for first in [
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, ACK, 0, &[]),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/")),
    ] {
        let mut peer = Peer::silent(&test);
        peer.send(&[PREFACE, &first].concat()).await;
        assert_eq!(peer.end().await, Some(PROTOCOL_ERROR), "{first:?}");
    }
    assert_eq!(test.count(Counter::Http2ProtocolErrors), 3);
}

/// Each of these ends the connection with this code; where h2 does not parse the frame at all, that is
/// PROTOCOL_ERROR in place of the more exact one.
#[tokio::test(start_paused = true)]
async fn connection_errors() {
    let open = || frame(HEADERS, END_HEADERS, 1, &request("POST", "/upper"));
    let with_stream = |rest: Vec<u8>| [open(), rest].concat();
    let cases: Vec<(&str, Vec<u8>, u32)> = vec![
        (
            "4.2 larger than SETTINGS_MAX_FRAME_SIZE",
            frame(DATA, 0, 1, &vec![0; 16_385]),
            FRAME_SIZE_ERROR,
        ),
        (
            "5.1 DATA on an idle stream",
            frame(DATA, 0, 1, b"x"),
            PROTOCOL_ERROR,
        ),
        (
            "5.1 RST_STREAM on an idle stream",
            frame(RST_STREAM, 0, 1, &[0; 4]),
            PROTOCOL_ERROR,
        ),
        (
            "5.1 WINDOW_UPDATE on an idle stream",
            frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
            PROTOCOL_ERROR,
        ),
        (
            "5.1.1 an even stream",
            frame(HEADERS, END_HEADERS | END_STREAM, 2, &get("/")),
            PROTOCOL_ERROR,
        ),
        (
            "5.1.1 a stream below another",
            [
                frame(HEADERS, END_HEADERS | END_STREAM, 5, &get("/park")),
                frame(HEADERS, END_HEADERS | END_STREAM, 3, &get("/")),
            ]
            .concat(),
            PROTOCOL_ERROR,
        ),
        (
            "5.1 DATA behind the end",
            [
                frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/park")),
                frame(DATA, 0, 1, b"x"),
            ]
            .concat(),
            PROTOCOL_ERROR,
        ),
        (
            "6.1 DATA without a stream",
            frame(DATA, 0, 0, b"x"),
            PROTOCOL_ERROR,
        ),
        (
            "6.1 more padding than DATA",
            with_stream(frame(DATA, PADDED, 1, &[5, 0, 0])),
            PROTOCOL_ERROR,
        ),
        (
            "6.2 HEADERS without a stream",
            frame(HEADERS, END_HEADERS, 0, &get("/")),
            PROTOCOL_ERROR,
        ),
        (
            "6.2 another frame inside a section",
            [frame(HEADERS, 0, 1, &get("/")), frame(PING, 0, 0, &[0; 8])].concat(),
            PROTOCOL_ERROR,
        ),
        (
            "6.3 PRIORITY of four octets",
            with_stream(frame(PRIORITY, 0, 1, &[0; 4])),
            PROTOCOL_ERROR,
        ),
        (
            "5.5 a frame that nobody knows inside a section",
            [frame(HEADERS, 0, 1, &get("/")), frame(0xee, 0, 1, b"x")].concat(),
            PROTOCOL_ERROR,
        ),
        (
            "6.2 CONTINUATION of another stream",
            [
                frame(HEADERS, 0, 1, &get("/")),
                frame(CONTINUATION, END_HEADERS, 3, &[]),
            ]
            .concat(),
            PROTOCOL_ERROR,
        ),
        (
            "6.2 more padding than HEADERS",
            frame(HEADERS, END_HEADERS | PADDED, 1, &[5, 0x82]),
            PROTOCOL_ERROR,
        ),
        (
            "6.3 PRIORITY without a stream",
            frame(PRIORITY, 0, 0, &[0; 5]),
            PROTOCOL_ERROR,
        ),
        (
            "6.4 RST_STREAM without a stream",
            frame(RST_STREAM, 0, 0, &[0; 4]),
            PROTOCOL_ERROR,
        ),
        (
            "6.4 RST_STREAM of three octets",
            with_stream(frame(RST_STREAM, 0, 1, &[0; 3])),
            FRAME_SIZE_ERROR,
        ),
        (
            "6.5 SETTINGS of a stream",
            frame(SETTINGS, 0, 1, &[]),
            PROTOCOL_ERROR,
        ),
        (
            "6.5 SETTINGS of five octets",
            frame(SETTINGS, 0, 0, &[0; 5]),
            FRAME_SIZE_ERROR,
        ),
        (
            "6.5 SETTINGS that acknowledge and say something",
            frame(SETTINGS, ACK, 0, &[0; 6]),
            FRAME_SIZE_ERROR,
        ),
        (
            "6.9 WINDOW_UPDATE of three octets",
            with_stream(frame(WINDOW_UPDATE, 0, 1, &[0; 3])),
            FRAME_SIZE_ERROR,
        ),
        (
            "6.5.2 a window that is too large",
            frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]),
            PROTOCOL_ERROR,
        ),
        (
            "6.5.2 a push that is neither allowed nor forbidden",
            frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2]),
            PROTOCOL_ERROR,
        ),
        (
            "6.5.2 frames that are too small",
            frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 100]),
            PROTOCOL_ERROR,
        ),
        (
            "6.9.2 a window that SETTINGS make too large",
            [
                open(),
                frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0, 0]),
                frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]),
            ]
            .concat(),
            FLOW_CONTROL_ERROR,
        ),
        (
            "6.9 a window by nothing",
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
            PROTOCOL_ERROR,
        ),
        (
            "6.6 PUSH_PROMISE",
            frame(5, END_HEADERS, 1, &[0, 0, 0, 2]),
            PROTOCOL_ERROR,
        ),
        (
            "6.7 PING of a stream",
            frame(PING, 0, 1, &[0; 8]),
            PROTOCOL_ERROR,
        ),
        (
            "6.7 PING of seven octets",
            frame(PING, 0, 0, &[0; 7]),
            FRAME_SIZE_ERROR,
        ),
        (
            "6.8 GOAWAY of a stream",
            frame(GOAWAY, 0, 1, &[0; 8]),
            PROTOCOL_ERROR,
        ),
        (
            "6.9.1 a window that overflows",
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
            FLOW_CONTROL_ERROR,
        ),
        (
            "6.10 CONTINUATION of nothing",
            frame(CONTINUATION, END_HEADERS, 1, &get("/")),
            PROTOCOL_ERROR,
        ),
        (
            "4.3 a section that HPACK does not know",
            frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                1,
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            ),
            PROTOCOL_ERROR,
        ),
    ];
    for (what, octets, code) in cases {
        let (test, _) = serve();
        let mut peer = Peer::open(&test).await;
        peer.send(&octets).await;
        assert_eq!(peer.end().await, Some(code), "{what}");
        assert_eq!(test.count(Counter::Http2ProtocolErrors), 1, "{what}");
    }
}

/// Each of these resets its stream with this code, and the connection goes on.
#[tokio::test(start_paused = true)]
async fn stream_errors() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    let mut stream = 1;
    let cases: [(&str, &[u8], u32); 2] = [
        (
            "6.9.1 a stream's window that overflows",
            &[0x7f, 0xff, 0xff, 0xff],
            FLOW_CONTROL_ERROR,
        ),
        (
            "6.9.1 the same again",
            &[0x7f, 0xff, 0xff, 0xff],
            FLOW_CONTROL_ERROR,
        ),
    ];
    for (what, update, code) in cases {
        peer.get(stream, "/park").await;
        peer.frame(WINDOW_UPDATE, 0, stream, update).await;
        let reset = peer.next_of(RST_STREAM).await;
        assert_eq!((reset.stream, reset.code()), (stream, code), "{what}");
        stream += 2;
    }
    // §8.1.1: a length that the content does not have.
    for (length, content) in [("3", &b"ab"[..]), ("3", b"abcd")] {
        peer.post(stream, "/upper", &[("content-length", length)])
            .await;
        peer.frame(DATA, END_STREAM, stream, content).await;
        let reset = peer.next_of(RST_STREAM).await;
        assert_eq!((reset.stream, reset.code()), (stream, PROTOCOL_ERROR));
        stream += 2;
    }
    assert!(peer.is_alive().await);
}

/// §8.1: a second section that does not end the stream is malformed.
#[tokio::test(start_paused = true)]
async fn a_second_section_ends_its_stream_or_is_malformed() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.post(1, "/upper", &[]).await;
    peer.frame(DATA, 0, 1, b"abc").await;
    peer.frame(HEADERS, END_HEADERS, 1, &field("x-sum", "1"))
        .await;
    let ended = loop {
        let frame = peer.next().await.unwrap();
        assert_ne!(frame.kind, HEADERS, "it was answered");
        // Where h2 takes it for an error of the connection, that is as good (§5.4.1).
        if [RST_STREAM, GOAWAY].contains(&frame.kind) {
            break frame;
        }
    };
    assert_eq!(ended.code(), PROTOCOL_ERROR);
}

/// §8.1: pseudo-header fields have no place in trailers. The crate h2 drops them there: nobody sees them.
#[tokio::test(start_paused = true)]
async fn pseudo_header_fields_of_trailers_reach_nobody() {
    for (name, value) in [(":path", "/"), (":status", "200"), (":authority", "a")] {
        let (test, _) = serve();
        let mut peer = Peer::open(&test).await;
        peer.post(1, "/trailer-names", &[]).await;
        peer.frame(DATA, 0, 1, b"abc").await;
        let section = [field(name, value), field("x-sum", "1")].concat();
        peer.frame(HEADERS, END_HEADERS | END_STREAM, 1, &section)
            .await;
        assert_eq!(peer.next_of(DATA).await.payload, b"x-sum", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_ignored_is() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.frame(0xee, 0xff, 77, b"unknown").await;
    peer.frame(SETTINGS, 0, 0, &[0xff, 0xfe, 0, 0, 0, 1]).await;
    peer.frame(PRIORITY, 0, 9, &[0, 0, 0, 1, 16]).await;
    peer.frame(16, 0, 0, b"\0\0\0\x01u=1").await;
    // The reserved bit, flags that a frame does not have, and an error code that nobody knows (§4.1, §7).
    peer.frame(PING, 0xfe, 0x8000_0000, b"reserved").await;
    let reply = peer.next_of(PING).await;
    assert_eq!((reply.flags, &*reply.payload), (ACK, &b"reserved"[..]));
    // HEADERS with padding and a priority, in three parts.
    let section = get("/");
    let mut payload = vec![4, 0, 0, 0, 0, 16];
    payload.extend(&section[..10]);
    payload.extend([0; 4]);
    peer.frame(HEADERS, END_STREAM | PADDED | 0x20, 1, &payload)
        .await;
    peer.frame(CONTINUATION, 0, 1, &section[10..11]).await;
    peer.frame(CONTINUATION, END_HEADERS, 1, &section[11..])
        .await;
    let head = peer.next_of(HEADERS).await;
    assert_eq!((head.stream, head.status()), (1, 200));
    peer.get(3, "/park").await;
    peer.frame(RST_STREAM, 0, 3, &[0xde, 0xad, 0xbe, 0xef])
        .await;
    // A PING is answered with what it said (§6.7).
    assert!(peer.is_alive().await);
}

/// §5.4.2, §6.5.3, §6.7: what is acknowledged, once and in order, and what is not answered at all. Nothing is pushed
/// (§8.4), and no setting is said a second time (RFC 8441 §3).
#[tokio::test(start_paused = true)]
async fn what_is_answered_and_what_is_not() {
    let (test, _) = serve();
    let mut peer = Peer::silent(&test);
    peer.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())
        .await;
    let first = peer.next().await.unwrap();
    assert_eq!((first.kind, first.flags & ACK), (SETTINGS, 0));
    peer.frame(SETTINGS, ACK, 0, &[]).await;
    // A window of three, then of five: what is said later counts (§6.5.3).
    peer.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 3, 0, 4, 0, 0, 0, 5])
        .await;
    peer.frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 0]).await;
    peer.frame(PING, ACK, 0, b"no reply").await;
    peer.get(1, "/park").await;
    peer.reset(1).await;
    peer.get(3, "/").await;
    peer.frame(PING, 0, 0, b"a reply!").await;
    let (mut settings, mut content) = (0, 0);
    while let Some(frame) = peer.next().await {
        match frame.kind {
            SETTINGS => {
                assert_eq!((frame.flags, frame.payload.len()), (ACK, 0));
                settings += 1;
            }
            HEADERS => assert_eq!((frame.stream, frame.status()), (3, 200)),
            DATA => {
                if content == 0 {
                    assert_eq!(frame.payload.len(), 5, "the window that was said last");
                    peer.window(3, 100).await;
                }
                content += frame.payload.len();
            }
            WINDOW_UPDATE => {}
            PING if frame.payload == b"a reply!" => {
                assert_eq!(frame.flags, ACK);
                test.drain();
            }
            // The drain asks whether the client has heard of it. A window of a stream that has ended is no fault (§6.9).
            PING => {
                assert_eq!(frame.flags, 0);
                peer.window(3, 100).await;
                peer.frame(PING, ACK, 0, &frame.payload).await;
            }
            GOAWAY => assert_eq!(frame.code(), 0),
            _ => panic!("{frame:?}"),
        }
    }
    assert_eq!((settings, content), (3, 13));
}

/// §4.1, §4.2, §5.1.1, §6.1, §6.2, §6.9.1: the frames of a server that does everything it can.
#[tokio::test(start_paused = true)]
async fn what_is_sent_has_its_form() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.window(0, 2_000_000).await;
    for (stream, path) in [(1, "/large"), (3, "/drip"), (5, "/empty"), (7, "/nowhere")] {
        peer.get(stream, path).await;
        peer.window(stream, 1_000_000).await;
    }
    peer.post(9, "/trailers", &[]).await;
    peer.frame(DATA, END_STREAM, 9, b"sum").await;
    let (mut ended, mut open) = (Vec::new(), None);
    while ended.len() < 5 {
        let frame = peer.next().await.unwrap();
        assert!(frame.payload.len() <= 16_384, "{}", frame.payload.len());
        let flags = match frame.kind {
            DATA => END_STREAM,
            HEADERS => END_STREAM | END_HEADERS,
            CONTINUATION => END_HEADERS,
            PING | SETTINGS => ACK,
            _ => 0,
        };
        assert_eq!(frame.flags & !flags, 0, "{frame:?}");
        // A section is in one piece, and the client's streams are the only ones.
        assert_eq!(open.is_some(), frame.kind == CONTINUATION, "{frame:?}");
        assert!(frame.stream == 0 || frame.stream % 2 == 1, "{frame:?}");
        assert!(frame.stream < 1 << 31, "the reserved bit");
        if [HEADERS, CONTINUATION].contains(&frame.kind) {
            assert!(open.is_none_or(|stream| stream == frame.stream));
            open = (frame.flags & END_HEADERS == 0).then_some(frame.stream);
        }
        if [DATA, HEADERS].contains(&frame.kind) {
            assert!(!ended.contains(&frame.stream), "{frame:?}");
            if frame.flags & END_STREAM != 0 {
                ended.push(frame.stream);
            }
        }
    }
}

/// §4.3.1: a client that takes its table away sees that first of all, and nothing that refers to it.
#[tokio::test(start_paused = true)]
async fn s04_3_1_a_table_that_was_taken_away() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/").await;
    peer.next_of(HEADERS).await;
    peer.frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]).await;
    loop {
        let settings = peer.next_of(SETTINGS).await;
        if settings.flags & ACK != 0 {
            break;
        }
    }
    peer.get(3, "/").await;
    let head = peer.next_of(HEADERS).await;
    assert_eq!((head.stream, head.payload[0]), (3, 0x20));
    // An index beyond the static table has its first bit set, and is 62 or more.
    assert!(head.payload[1] & 0x80 == 0 || head.payload[1] & 0x7f < 62);
}

#[tokio::test(start_paused = true)]
async fn s05_1_2_more_streams_than_allowed_are_refused() {
    let (test, seen) = serve();
    let mut peer = Peer::open(&test).await;
    for number in 0..110 {
        peer.get(2 * number + 1, "/park").await;
    }
    for number in 100..110 {
        let reset = peer.next_of(RST_STREAM).await;
        assert_eq!(
            (reset.stream, reset.code()),
            (2 * number + 1, REFUSED_STREAM)
        );
    }
    assert_eq!(seen.begun(), 100);
    peer.reset(1).await;
    peer.get(301, "/").await;
    assert_eq!(peer.next_of(HEADERS).await.stream, 301);
}
