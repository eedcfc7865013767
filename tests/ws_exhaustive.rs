//! Whole spaces, without sampling: every first two octets of a frame in every state, every close code, every
//! step of the UTF-8 check, and every character of four octets at every cut.

use bytes::BytesMut;
use std::collections::HashSet;
use std::ops::ControlFlow;
use wireline::ws::close::CloseCode;
use wireline::ws::connection::{Connection, Event, Lent, Replies};
use wireline::ws::deflate::{Agreed, Config};
use wireline::ws::error::Error;
use wireline::ws::handshake::client::Request;
use wireline::ws::limits::Limits;
use wireline::ws::mask::MaskingKey;
use wireline::ws::message::Message;
use wireline::ws::out::Out;
use wireline::ws::state::State;
use wireline::ws::utf8::Utf8;

/// A state in which the next head comes.
#[derive(Clone, Copy, Debug)]
struct Situation {
    server: bool,
    deflate: bool,
    inside: Inside,
    closing: Closing,
}

/// Which message of the peer has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    None,
    Plain,
    /// One whose first frame had RSV1.
    Compressed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Open,
    /// We have sent a Close.
    Local,
    /// The peer has, and was not answered yet.
    Remote,
    Closed,
}

/// What RFC 6455 says of the first two octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is thrown away unread.
    Ignored,
    /// The connection fails with 1002.
    Refused,
    /// More octets are asked for, or, for the head of an empty frame without a mask, the frame is whole.
    Taken,
}

#[test]
fn every_head_in_every_situation() {
    let agreed = agreed();
    let mut situations = Vec::new();
    for server in [true, false] {
        for deflate in [true, false] {
            for inside in [Inside::None, Inside::Plain, Inside::Compressed] {
                if inside == Inside::Compressed && !deflate {
                    continue;
                }
                for closing in [
                    Closing::Open,
                    Closing::Local,
                    Closing::Remote,
                    Closing::Closed,
                ] {
                    situations.push(Situation {
                        server,
                        deflate,
                        inside,
                        closing,
                    });
                }
            }
        }
    }
    let mut counts = [0usize; 3];
    for situation in situations {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let expected = model(situation, first, second);
                let found = judge(situation, &agreed, first, second);
                assert_eq!(found, expected, "{situation:?}: {first:02x} {second:02x}");
                counts[expected as usize] += 1;
                if situation.closing == Closing::Open {
                    let [owned, lent] = whole(situation, &agreed, first, second);
                    assert_eq!(owned, lent, "{situation:?}: {first:02x} {second:02x}");
                    let refused = owned == Some(CloseCode::PROTOCOL);
                    assert!(refused || expected != Verdict::Refused);
                }
            }
        }
    }
    assert_eq!(counts.iter().sum::<usize>(), 65_536 * 40);
    report(
        "WebSocket: every first two octets of a frame in every situation, against a model of RFC 6455",
        65_536 * 40,
    );
    assert!(counts.iter().all(|count| *count > 10_000), "{counts:?}");
}

/// RFC 6455 sections 5.1 to 5.5 and 7.1, RFC 7692 section 6, in the words of the RFCs and as plainly as can be.
fn model(situation: Situation, first: u8, second: u8) -> Verdict {
    if matches!(situation.closing, Closing::Remote | Closing::Closed) {
        return Verdict::Ignored;
    }
    let bit = |octet: u8, place: u8| octet >> (7 - place) & 1 == 1;
    let (fin, rsv1, rsv2, rsv3) = (bit(first, 0), bit(first, 1), bit(first, 2), bit(first, 3));
    let (opcode, masked, len) = (first % 16, bit(second, 0), second % 128);
    let known = [0x0, 0x1, 0x2, 0x8, 0x9, 0xA].contains(&opcode);
    let control = opcode >= 0x8;
    let first_of_message = opcode == 0x1 || opcode == 0x2;
    let refused = !known
        || rsv2
        || rsv3
        || (rsv1 && !(situation.deflate && first_of_message))
        || masked != situation.server
        || (control && (!fin || len > 125))
        || (first_of_message && situation.inside != Inside::None)
        || (opcode == 0x0 && situation.inside == Inside::None);
    if refused {
        Verdict::Refused
    } else {
        Verdict::Taken
    }
}

/// The faults that are found when a frame of zeros follows the head, and one of a small message: received, and lent.
fn whole(situation: Situation, agreed: &Agreed, first: u8, second: u8) -> [Option<CloseCode>; 2] {
    let key = if second & 0x80 == 0 { 0 } else { 4 };
    let (extended, len) = match second & 0x7f {
        126 => (vec![0, 130], 130),
        127 => (vec![0, 0, 0, 0, 0, 1, 0, 1], 65_537),
        len => (Vec::new(), usize::from(len)),
    };
    let small = if situation.server {
        &b"\x81\x82\0\0\0\0ok"[..]
    } else {
        b"\x81\x02ok"
    };
    let octets = [&[first, second][..], &extended, &vec![0; key + len], small].concat();
    [false, true].map(|lends| {
        let mut connection = connection(situation, agreed);
        let (mut out, limits) = (Out::default(), Limits::default());
        let begun = begun(situation);
        let mut buf = BytesMut::from(&[begun, &octets].concat()[..]);
        let fault = if lends {
            let all = |_: Lent<'_>, _: &mut Replies<'_>| ControlFlow::Continue(());
            let result = connection.receive_each(&mut buf, &mut out, &limits, all);
            result.err()
        } else {
            loop {
                match connection.receive(&mut buf, &limits) {
                    Ok(Some(_)) => {}
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            }
        };
        fault.map(|error| error.close_code())
    })
}

/// The first frame of the message that has begun.
fn begun(situation: Situation) -> &'static [u8] {
    match (situation.inside, situation.server) {
        (Inside::None, _) => b"",
        (Inside::Plain, true) => b"\x01\x80\0\0\0\0",
        (Inside::Plain, false) => b"\x01\0",
        (Inside::Compressed, true) => b"\x41\x80\0\0\0\0",
        (Inside::Compressed, false) => b"\x41\0",
    }
}

fn connection(situation: Situation, agreed: &Agreed) -> Connection {
    let deflate = situation.deflate.then_some(agreed);
    if situation.server {
        Connection::server(deflate)
    } else {
        Connection::client(Box::new(MaskingKey::default), deflate)
    }
}

fn judge(situation: Situation, agreed: &Agreed, first: u8, second: u8) -> Verdict {
    let (mut out, limits) = (Out::default(), Limits::default());
    let mut connection = connection(situation, agreed);
    let receive = |connection: &mut Connection, octets: &[u8]| {
        let mut buf = BytesMut::from(octets);
        connection
            .receive(&mut buf, &limits)
            .map(|event| (event, buf.len()))
    };
    if situation.inside != Inside::None {
        assert_eq!(receive(&mut connection, begun(situation)), Ok((None, 0)));
    }
    let close = if situation.server {
        &b"\x88\x80\0\0\0\0"[..]
    } else {
        b"\x88\0"
    };
    match situation.closing {
        Closing::Open => {}
        Closing::Local => connection.send_close(None, &mut out).expect("it is open"),
        Closing::Remote | Closing::Closed => {
            let event = receive(&mut connection, close).expect("it is open").0;
            assert_eq!(event, Some(Event::Message(Message::Close(None))));
            if situation.closing == Closing::Closed {
                connection.send_pending(&mut out);
            }
        }
    }
    match receive(&mut connection, &[first, second]) {
        Ok((None, 0)) if !connection.state().is_receiving() => Verdict::Ignored,
        // An empty frame of a server is whole: a head of two octets is all there is.
        Ok(_) => Verdict::Taken,
        Err(error) => {
            assert_eq!(error.close_code(), CloseCode::PROTOCOL);
            assert_eq!(connection.state(), State::Closed { clean: false });
            Verdict::Refused
        }
    }
}

fn agreed() -> Agreed {
    let config = Config {
        receive_window_bits: 15,
        receive_takeover: true,
        ..Config::default()
    };
    let fields = [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    Request::new(*b"the sample nonce")
        .deflate(config)
        .confirm(
            http::StatusCode::SWITCHING_PROTOCOLS,
            fields
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        )
        .expect("it fits")
        .deflate
        .expect("it was offered")
}

/// RFC 6455 section 7.4 and the registry of close codes.
#[test]
fn every_close_code_through_a_connection() {
    let mut legal = 0;
    for code in 0..=u16::MAX {
        let [high, low] = code.to_be_bytes();
        let mut buf = BytesMut::from(&[0x88, 0x82, 0, 0, 0, 0, high, low][..]);
        let (mut connection, mut out) = (Connection::server(None), Out::default());
        let result = connection.receive(&mut buf, &Limits::default());
        connection.send_pending(&mut out);
        let sent = out.to_vec();
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => {
                legal += 1;
                let Ok(Some(Event::Message(Message::Close(Some(close))))) = result else {
                    panic!("{code}: {result:?}")
                };
                assert_eq!(close.code.get(), code);
                assert_eq!(sent, [0x88, 2, high, low], "it is echoed");
            }
            _ => {
                assert_eq!(result, Err(Error::CloseCode), "{code}");
                assert_eq!(sent[2..4], 1002u16.to_be_bytes());
            }
        }
        assert!(connection.is_over());
    }
    assert_eq!(legal, 2012);
    report("WebSocket: every close code through a connection", 65_536);
}

/// A line for `bench/proofs`.
fn report(what: &str, figure: usize) {
    println!(
        r#"{{"row": "R2", "what": "{what}", "figure": {figure}, "limit": {figure}, "full": true}}"#
    );
}

/// Where a reader of RFC 3629 section 4 stands: how many octets are to come, and the range of the next.
type Place = (u8, u8, u8);

const BETWEEN: Place = (0, 0, 0);

/// UTF8-octets = *( UTF8-1 / UTF8-2 / UTF8-3 / UTF8-4 ), one octet at a time.
fn step(place: Place, octet: u8) -> Option<Place> {
    let (left, lowest, highest) = place;
    if left > 0 {
        let left = left - 1;
        return (lowest..=highest).contains(&octet).then_some(if left == 0 {
            BETWEEN
        } else {
            (left, 0x80, 0xbf)
        });
    }
    Some(match octet {
        0x00..=0x7f => BETWEEN,
        0xc2..=0xdf => (1, 0x80, 0xbf),
        0xe0 => (2, 0xa0, 0xbf),
        0xe1..=0xec | 0xee..=0xef => (2, 0x80, 0xbf),
        0xed => (2, 0x80, 0x9f),
        0xf0 => (3, 0x90, 0xbf),
        0xf1..=0xf3 => (3, 0x80, 0xbf),
        0xf4 => (3, 0x80, 0x8f),
        _ => return None,
    })
}

/// Every state that the check can be in, with every octet after it: so every text of any length, octet by
/// octet.
#[test]
fn every_octet_in_every_state_of_the_check() {
    let mut open = vec![(Utf8::default(), BETWEEN, Vec::new())];
    let mut seen = HashSet::from([Vec::new()]);
    let mut steps = 0;
    while let Some((state, place, begun)) = open.pop() {
        for octet in 0..=255u8 {
            steps += 1;
            let (mut next, expected) = (state, step(place, octet));
            let pushed = next.push(&[octet]);
            assert_eq!(pushed.is_ok(), expected.is_some(), "{begun:x?} {octet:x}");
            let Some(place) = expected else { continue };
            assert_eq!(next.is_complete(), place == BETWEEN);
            let mut begun = if place == BETWEEN {
                Vec::new()
            } else {
                begun.clone()
            };
            if place == BETWEEN {
                // Whatever came before, the check is as new.
                let mut after = next;
                assert!(after.push("é".as_bytes()).is_ok() && after.is_complete());
            } else {
                begun.push(octet);
            }
            if seen.insert(begun.clone()) {
                open.push((next, place, begun));
            }
        }
    }
    // One between characters; 30 + 16 + 5 leads, 15 * 64 + 2 * 32 - 64 second octets and so on.
    assert!(
        seen.len() > 17_000 && steps == seen.len() * 256,
        "{}",
        seen.len()
    );
}

#[test]
fn every_character_of_four_octets_at_every_cut() {
    let mut count = 0;
    for character in '\u{10000}'..=char::MAX {
        let mut octets = [0; 4];
        let octets = character.encode_utf8(&mut octets).as_bytes();
        for cut in 1..4 {
            let (before, after) = octets.split_at(cut);
            let mut utf8 = Utf8::default();
            assert!(
                utf8.push(before).is_ok() && !utf8.is_complete(),
                "{character:?}"
            );
            assert!(
                utf8.push(after).is_ok() && utf8.is_complete(),
                "{character:?}"
            );
            count += 1;
        }
    }
    assert_eq!(count, 0x10_0000 * 3);
}
