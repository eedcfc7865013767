//! WebSockets whose other side keeps no rule: WS-1 to WS-10.

use crate::Context;
use crate::coded;
use crate::crowd::{self, told};
use crate::outcome::Outcome;
use crate::talk::{Talk, frame, head};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// WS-1: frames that are not masked, and such whose mask is zero.
pub(crate) async fn masks(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| {
        told(number, async move {
            let mut talk = Talk::upgraded(&context, number, SOCKET).await?;
            let mut outcome = Outcome::default();
            if number.is_multiple_of(2) {
                talk.send(&frame(0x81, b"hello")).await?;
                match talk.frame().await? {
                    (0x81, text) if text == b"hello" => outcome.count("masked_with_zero"),
                    other => outcome.complain(format!("in place of an echo: {other:?}")),
                }
                return Ok(outcome);
            }
            talk.send(b"\x81\x05hello").await?;
            expect(&mut talk, &[1002], "not masked", &mut outcome).await?;
            Ok(outcome)
        })
    })
    .await
}

/// WS-2, WS-3: heads that no peer may send, and such that promise more than there may be. What is expected comes by the head alone.
pub(crate) async fn heads(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| {
        told(number, async move {
            let vectors = head_vectors();
            let (what, octets, code) = &vectors[number % vectors.len()];
            let mut talk = Talk::upgraded(&context, number, SOCKET).await?;
            talk.send(octets).await?;
            let mut outcome = Outcome::default();
            expect(&mut talk, &[*code], what, &mut outcome).await?;
            Ok(outcome)
        })
    })
    .await
}

fn head_vectors() -> Vec<(String, Vec<u8>, u16)> {
    let mut vectors: Vec<(String, Vec<u8>, u16)> = [
        ("a ping in two", vec![0x09, 0x80, 0, 0, 0, 0], 1002),
        ("a Close in two", vec![0x08, 0x80, 0, 0, 0, 0], 1002),
        ("a ping of 126 octets", head(0x89, 126), 1002),
        ("a Close of 126 octets", head(0x88, 126), 1002),
        ("a Close of one octet", frame(0x88, b"x"), 1002),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        (
            "text inside text",
            [frame(0x01, b"x"), frame(0x81, b"x")].concat(),
            1002,
        ),
        ("RSV2", frame(0xa1, b"x"), 1002),
        ("RSV3", frame(0x91, b"x"), 1002),
        ("RSV1, which nobody has agreed on", frame(0xc1, b"x"), 1002),
        (
            "a length of 5 in 16 bits",
            [&[0x82, 0xfe, 0, 5][..], &[0; 9]].concat(),
            1002,
        ),
        (
            "a length of 5 in 64 bits",
            [&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 5][..], &[0; 9]].concat(),
            1002,
        ),
        ("a length of 2^63", head(0x82, 1 << 63), 1002),
        (
            "2^40 octets",
            [head(0x82, 1 << 40), b"x".to_vec()].concat(),
            1009,
        ),
        (
            "2^40 octets of text",
            [head(0x81, 1 << 40), b"x".to_vec()].concat(),
            1009,
        ),
        (
            "2^40 octets that go on",
            [frame(0x01, b"x"), head(0x80, 1 << 40)].concat(),
            1009,
        ),
        ("an octet too many", head(0x82, (1 << 20) + 1), 1009),
    ]
    .into_iter()
    .map(|(what, octets, code)| (what.to_owned(), octets, code))
    .collect();
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        vectors.push((format!("opcode {opcode}"), frame(0x80 | opcode, b""), 1002));
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        let octets = frame(0x88, &code.to_be_bytes());
        vectors.push((format!("the code {code}"), octets, 1002));
    }
    vectors
}

/// WS-4: messages of one octet a frame that do not end. All are open at the same time, and what is held for them is at most twice what
/// they have sent.
pub(crate) async fn fragments(context: Arc<Context>) -> Outcome {
    let before = context.target.memory().now;
    let piece = frame(0x00, b"x");
    let wire = Arc::new(piece.repeat(1000));
    let mut outcome = crowd::at_once(&context, |context, number| {
        let wire = wire.clone();
        told(number, async move {
            let mut talk = Talk::upgraded(&context, number, SOCKET).await?;
            talk.send(&frame(0x02, b"x")).await?;
            for _ in 0..FRAGMENTS / 1000 {
                // A server that has had enough of it need not take the rest.
                talk.push(&wire).await;
            }
            let mut outcome = Outcome::default();
            expect(&mut talk, &[1008, 1009], "fragments", &mut outcome).await?;
            Ok(outcome)
        })
    })
    .await;
    let sent = (context.count * FRAGMENTS * piece.len()) as f64 / MIB;
    let pinned = context.target.memory().peak.saturating_sub(before) as f64 / 1024.0;
    outcome.set("sent_mib", sent);
    outcome.set("pinned_mib", pinned);
    outcome.set("pinned_by_sent", pinned / sent);
    // What a process holds for its first connections is there once.
    if pinned > 2.0 * sent + 16.0 {
        outcome.complain(format!("{pinned:.0} MiB for {sent:.0} MiB on the wire"));
    }
    outcome
}

/// WS-5, WS-6: empty fragments, with and without pings between them, pings and pongs, which are read and not read.
pub(crate) async fn floods(context: Arc<Context>) -> Outcome {
    let empty = frame(0x00, b"");
    let kinds = Arc::new([
        [frame(0x01, b""), empty.repeat(4_000)].concat(),
        [
            frame(0x01, b""),
            [empty, frame(0x89, b"x")].concat().repeat(1_000),
        ]
        .concat(),
        frame(0x89, &[b'p'; 125]).repeat(4_000),
        frame(0x8a, b"").repeat(4_000),
    ]);
    crowd::each(&context, |context, number| {
        let kinds = kinds.clone();
        told(number, async move {
            let mut talk = Talk::upgraded(&context, number, SOCKET).await?;
            let begun = Instant::now();
            let octets = &kinds[number % kinds.len()];
            let mut outcome = Outcome::default();
            if (number / kinds.len()).is_multiple_of(2) {
                // Nothing is read before all of it was sent, or nothing more is taken.
                let _ = timeout(Duration::from_secs(2), talk.send(octets)).await;
                outcome.count("not_read");
            } else {
                let half = octets.len() / 2;
                talk.push(&octets[..half]).await;
                outcome.count("read");
            }
            expect(&mut talk, &[1008], "a flood", &mut outcome).await?;
            outcome.raise("longest_seconds", begun.elapsed().as_secs_f64());
            Ok(outcome)
        })
    })
    .await
}

/// WS-7: compressed messages that become more than there may be, and such that are none.
pub(crate) async fn bombs(context: Arc<Context>) -> Outcome {
    let vectors = Arc::new(bomb_vectors());
    let bombs = crowd::each(&context, |context, number| {
        let vectors = vectors.clone();
        told(number, async move {
            let (what, octets, codes) = &vectors[number % vectors.len()];
            let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
            let talk = Talk::open(&context, number).await?;
            let mut talk = talk.upgrade(SOCKET, offer).await?;
            talk.push(octets).await;
            let mut outcome = Outcome::default();
            expect(&mut talk, codes, what, &mut outcome).await?;
            Ok(outcome)
        })
    });
    crowd::costing(&context, Some(20.0), bombs).await
}

fn bomb_vectors() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let bomb = coded::deflate(64 << 20);
    let pieces: Vec<u8> = bomb[1..]
        .iter()
        .take(6_000)
        .flat_map(|octet| frame(0x00, &[*octet]))
        .collect();
    vec![
        ("zeros", frame(0xc2, &bomb), &[1009]),
        ("zeros as text", frame(0xc1, &bomb), &[1009]),
        (
            "zeros, octet by octet",
            [frame(0x42, &bomb[..1]), pieces, frame(0x80, b"")].concat(),
            &[1009],
        ),
        (
            "a stored block that ends early",
            frame(0xc2, b"\x00\xff\xff\x00\x00abc"),
            &[1007],
        ),
        (
            "a block of a kind that there is not",
            frame(0xc2, b"\x06"),
            &[1007],
        ),
        (
            "a distance beyond the beginning",
            frame(0xc2, b"\x4b\x04\xfe\xff\xff"),
            &[1007],
        ),
        (
            "no octet of a block",
            frame(0xc2, b"\xff\xff\xff\xff"),
            &[1007],
        ),
        (
            "compressed text that is no UTF-8",
            // A stored block of two octets.
            frame(0xc1, b"\x00\x02\x00\xfd\xff\xc0\xaf\x00"),
            &[1007],
        ),
    ]
}

/// WS-8: text that is none, whole and cut everywhere, and such reasons.
pub(crate) async fn texts(context: Arc<Context>) -> Outcome {
    const WRONG: [&[u8]; 8] = [
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xff",
        b"ok\x80",
        b"\xf8\x88\x80\x80\x80",
    ];
    crowd::each(&context, |context, number| {
        told(number, async move {
            let wrong = WRONG[number % WRONG.len()];
            let octets = match number / WRONG.len() % 3 {
                0 => frame(0x81, wrong),
                1 => {
                    let cut = number / WRONG.len() / 3 % (wrong.len() + 1);
                    [frame(0x01, &wrong[..cut]), frame(0x80, &wrong[cut..])].concat()
                }
                _ => frame(0x88, &[b"\x03\xe8", wrong].concat()),
            };
            let mut talk = Talk::upgraded(&context, number, SOCKET).await?;
            talk.send(&octets).await?;
            let mut outcome = Outcome::default();
            expect(&mut talk, &[1007], "no UTF-8", &mut outcome).await?;
            Ok(outcome)
        })
    })
    .await
}

/// WS-9: whoever does not answer a ping is gone after 35 seconds, whether the network is or only the client.
pub(crate) async fn silence(context: Arc<Context>) -> Outcome {
    crowd::at_once(&context, |context, number| {
        told(number, async move {
            let mut talk = Talk::upgraded(&context, number, SOCKET).await?;
            let ended = talk.rest(Duration::from_secs(60)).await?;
            let mut outcome = Outcome::default();
            outcome.count("closed");
            outcome.raise("longest_seconds", ended.seconds);
            if !(30.0..40.0 + BUSY).contains(&ended.seconds) {
                outcome.complain(format!("ended after {:.1} s", ended.seconds));
            }
            Ok(outcome)
        })
    })
    .await
}

/// WS-10: clients that do not answer a Close; to half of them the server has sent as much as there is room for. What counts is from when the
/// server closes: a second after nothing was taken any more.
pub(crate) async fn stalled_closes(context: Arc<Context>) -> Outcome {
    let before = match context.target.counters().await {
        Ok(before) => before,
        Err(error) => return Outcome::failed(error.to_string()),
    };
    let mut outcome = Outcome::default();
    let mut open = Vec::new();
    let begun = Instant::now();
    for number in 0..context.count {
        let opened = async {
            let talk = Talk::narrow(&context, number).await?;
            if number.is_multiple_of(2) {
                return talk.upgrade("/full", "").await;
            }
            let mut talk = talk.upgrade(SOCKET, "").await?;
            // The server begins the Close of those, and reads what they say.
            talk.send(&frame(0x8f, b"")).await?;
            Ok::<_, io::Error>(talk)
        };
        match opened.await {
            Ok(talk) => open.push(talk),
            Err(error) => outcome.complain(format!("connection {number}: {error}")),
        }
    }
    let opening = begun.elapsed().as_secs_f64();
    let of = |counters: &BTreeMap<String, u64>| {
        counters
            .get("websockets_closed_unclean")
            .copied()
            .unwrap_or(0)
    };
    let mut gone = 0;
    while begun.elapsed() < Duration::from_secs(60) && gone < open.len() as u64 {
        // They say something now and then, but not what they should.
        for talk in &open {
            let _ = talk.stream.try_write(&frame(0x8a, b""));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        gone = match context.target.counters().await {
            Ok(now) => of(&now) - of(&before),
            Err(error) => {
                outcome.complain(error.to_string());
                break;
            }
        };
    }
    let longest = begun.elapsed().as_secs_f64() - 1.0;
    outcome.set("opened", open.len() as f64);
    outcome.set("gone", gone as f64);
    outcome.set("opening_seconds", opening);
    outcome.set("longest_seconds", longest);
    if gone < open.len() as u64 {
        outcome.complain(format!("{} are left", open.len() as u64 - gone));
    } else if longest > opening + FILLED + 6.0 + BUSY {
        outcome.complain(format!("gone after {longest:.1} s"));
    }
    outcome
}

/// The Close of the server has one of these codes, and the connection ends.
async fn expect(
    talk: &mut Talk,
    codes: &[u16],
    what: &str,
    outcome: &mut Outcome,
) -> io::Result<()> {
    match talk.closing().await? {
        Some(found) if codes.contains(&found) => outcome.count("closed"),
        found => outcome.complain(format!("{what}: closed with {found:?}, not {codes:?}")),
    }
    Ok(())
}

/// With every limit as it is by default.
const SOCKET: &str = "/socket";

/// Of one message; the server allows 131,072.
const FRAGMENTS: usize = 140_000;

/// What a busy machine adds, in seconds: the figures are for a build that is optimized, on a machine with nothing else to do.
pub(crate) const BUSY: f64 = if cfg!(debug_assertions) { 15.0 } else { 0.0 };

/// How long it takes the server to send as much as there is room for.
const FILLED: f64 = 2.0;

const MIB: f64 = 1024.0 * 1024.0;
