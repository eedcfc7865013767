use super::*;
use crate::ws::error::Error;
use bytes::BytesMut;

fn inflate(pieces: &[&[u8]], limit: usize) -> Result<Vec<u8>, Error> {
    let (mut inflater, mut out) = (Inflater::take(), BytesMut::new());
    for piece in pieces {
        inflater.push(piece, &mut out, limit)?;
    }
    inflater.finish()?;
    inflater.give();
    Ok(out.to_vec())
}

/// The examples of RFC 7692 section 7.2.3.
#[test]
fn the_examples_of_the_rfc() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let stored = [
        0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
    ];
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two = [
        0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
    ];
    for payload in [&hello[..], &stored, &last, &two] {
        assert_eq!(
            inflate(&[payload], 5),
            Ok(b"Hello".to_vec()),
            "{payload:x?}"
        );
        assert_eq!(inflate(&[payload], 4), Err(Error::MessageTooLarge));
        for cut in 0..=payload.len() {
            let (before, after) = payload.split_at(cut);
            assert_eq!(inflate(&[before, after], 5), Ok(b"Hello".to_vec()));
        }
    }
    assert_eq!(inflate(&[&[0x00]], 0), Ok(Vec::new()));
    // With takeover the second message refers to the first.
    let (mut inflater, mut out) = (Inflater::take(), BytesMut::new());
    inflater.push(&hello, &mut out, 100).unwrap();
    inflater.finish().unwrap();
    inflater
        .push(&[0xf2, 0x00, 0x11, 0x00, 0x00], &mut out, 100)
        .unwrap();
    inflater.finish().unwrap();
    assert_eq!(&out[..], b"HelloHello");
}

#[test]
fn what_is_deflated_inflates() {
    let mut noise = Vec::new();
    let mut random = 1u32;
    for _ in 0..100_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.push(random.to_be_bytes()[0]);
    }
    let text = b"{\"event\":\"message\",\"room\":\"lobby\"}".repeat(3000);
    for window_bits in 9..=15 {
        for (level, memory_level) in [(1, 1), (1, 5), (6, 8), (9, 9)] {
            let settings = Settings {
                window_bits,
                level,
                memory_level,
            };
            let (mut deflater, mut inflater) = (Deflater::take(settings), Inflater::take());
            for payload in [
                &text[..],
                &noise,
                b"",
                b"a",
                &text[..33],
                &noise[..8128],
                &text,
            ] {
                let (mut coded, mut out) = (b"before".to_vec(), BytesMut::new());
                assert!(deflater.message(payload, &mut coded));
                inflater
                    .push(&coded[6..], &mut out, payload.len())
                    .and_then(|()| inflater.finish())
                    .unwrap_or_else(|error| panic!("{settings:?}, {}: {error}", payload.len()));
                assert!(out == payload, "{settings:?}, {} octets", payload.len());
            }
            deflater.give();
            inflater.give();
        }
    }
}

/// A megabyte of zeros in a kilobyte: nothing beyond the limit is ever inflated.
#[test]
fn a_bomb_is_cut_at_the_limit() {
    let settings = Settings {
        window_bits: 15,
        level: 9,
        memory_level: 8,
    };
    let (mut deflater, mut bomb) = (Deflater::take(settings), Vec::new());
    assert!(deflater.message(&vec![0; 64 << 20], &mut bomb));
    assert!(bomb.len() < 100_000);
    let (mut inflater, mut out) = (Inflater::take(), BytesMut::new());
    assert_eq!(
        inflater.push(&bomb, &mut out, 1 << 20),
        Err(Error::MessageTooLarge)
    );
    assert!(out.len() <= 1 << 20);
}

#[test]
fn what_is_no_deflate_is_refused() {
    for payload in [&[0x07][..], &[0x00, 0x05, 0x00, 0x05, 0x00], &[0xff; 20]] {
        assert_eq!(
            inflate(&[payload], 1000),
            Err(Error::Inflate),
            "{payload:x?}"
        );
    }
    // A distance that goes back before the first octet.
    assert_eq!(
        inflate(&[&[0xf2, 0x00, 0x11, 0x00, 0x00]], 1000),
        Err(Error::Inflate)
    );
}

#[test]
fn contexts_come_back_clean() {
    let settings = Settings {
        window_bits: 12,
        level: 1,
        memory_level: 5,
    };
    let text = b"the same text, which a kept window would make very short".repeat(4);
    let mut first = Vec::new();
    for _ in 0..10 {
        let (mut deflater, mut coded) = (Deflater::take(settings), Vec::new());
        assert!(deflater.message(&text, &mut coded));
        deflater.give();
        if first.is_empty() {
            first.clone_from(&coded);
        }
        assert_eq!(coded, first);
        assert_eq!(inflate(&[&coded], 1000), Ok(text.clone()));
    }
    let kept = DEFLATERS.with_borrow(Vec::len);
    assert!((1..=KEPT).contains(&kept));
}

#[test]
fn a_budget_buys_takeover() {
    for (kibibytes, receive, send) in [
        (0, false, None),
        (79, false, None),
        (80, true, None),
        (213, true, None),
        (214, true, Some(9)),
        (300, true, Some(12)),
        (500, true, Some(15)),
    ] {
        let config = Config::within(kibibytes);
        assert_eq!(config.receive_takeover, receive, "{kibibytes}");
        assert_eq!(
            config.send_takeover.then_some(config.send_window_bits),
            send,
            "{kibibytes}"
        );
    }
}

/// The bits of a block, the first ones first.
fn block(bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(u8::is_ascii_digit).collect();
    bits.chunks(8)
        .map(|octet| {
            let bits = octet.iter().rev().map(|bit| bit - b'0');
            bits.fold(0, |octet, bit| octet << 1 | bit)
        })
        .collect()
}

/// RFC 7692 section 7.2.3.4: what stands behind a block that is marked as the last may refer to what stood
/// before it, in whatever message, however far back.
#[test]
fn a_last_block_does_not_end_the_window() {
    let stored = |first: u8, octets: &[u8]| {
        let len = u16::try_from(octets.len()).unwrap();
        let head = [&[first][..], &len.to_le_bytes(), &(!len).to_le_bytes()].concat();
        [&head, octets].concat()
    };
    // A fixed block: a length of 5 at a distance of 6, its end, and the head of an empty block.
    let copied = block("0 10 0000011 00100 1 0000000 0 00");
    let (mut inflater, mut out) = (Inflater::take(), BytesMut::new());
    for (payload, inflated) in [
        ([&stored(0, b"Hello")[..], &[0]].concat(), &b"Hello"[..]),
        ([&stored(1, b"x")[..], &[0]].concat(), b"x"),
        (copied.clone(), b"Hello"),
        // Nothing stands behind the last block; not every sender adds the octet that is owed.
        (stored(1, b" "), b" "),
        (copied, b"Hello"),
    ] {
        inflater.push(&payload, &mut out, 100).unwrap();
        inflater.finish().unwrap();
        assert_eq!(out.split(), inflated);
    }
    // The window has been filled and filled again: a distance of 32,768 reaches its oldest octet.
    let mut all: Vec<u8> = (0..100_000u32).map(|number| (number / 7) as u8).collect();
    for part in all.chunks(9999) {
        inflater
            .push(&stored(0, part), &mut out, usize::MAX)
            .unwrap();
    }
    inflater
        .push(&stored(1, b"x"), &mut out, usize::MAX)
        .unwrap();
    all.push(b'x');
    // Length 3, distance 24,577 and 8,191 more.
    let oldest = block("0 10 0000001 11101 1111111111111 0000000 0 00");
    inflater.push(&oldest, &mut out, usize::MAX).unwrap();
    inflater.finish().unwrap();
    let from = all.len() - 32_768;
    all.extend_from_within(from..from + 3);
    assert!(out == all);
}

/// Each block that is marked as the last costs as much as thousands of octets.
#[test]
fn last_blocks_are_bounded() {
    let last = [0x03, 0x00];
    assert_eq!(inflate(&[&last.repeat(16), &[0]], 0), Ok(Vec::new()));
    assert_eq!(inflate(&[&last.repeat(17), &[0]], 0), Err(Error::Inflate));
    // With each message the count begins anew.
    let (mut inflater, mut out) = (Inflater::take(), BytesMut::new());
    for _ in 0..4 {
        inflater.push(&last.repeat(16), &mut out, 0).unwrap();
        inflater.finish().unwrap();
    }
    assert!(out.is_empty());
}

/// Whatever is cut off a message, what is left is no message.
#[test]
fn what_is_cut_off_is_refused() {
    let text = b"a text of a few words, and of a few words more".repeat(3);
    let settings = Settings {
        window_bits: 12,
        level: 6,
        memory_level: 5,
    };
    let (mut deflater, mut fixed) = (Deflater::take(settings), Vec::new());
    assert!(deflater.message(&text, &mut fixed));
    let mut dynamic = Vec::new();
    assert!(deflater.message(
        &(0..=255).cycle().take(3000).collect::<Vec<u8>>(),
        &mut dynamic
    ));
    let stored = [&[0, 100, 0, 155, 255][..], &[7; 100], &[0]].concat();
    for whole in [fixed, dynamic, stored] {
        assert!(inflate(&[&whole], 10_000).is_ok());
        // The first octet of a stored block is what is left of an empty one.
        for len in 1 + usize::from(whole[0] == 0)..whole.len() {
            assert_eq!(
                inflate(&[&whole[..len]], 10_000),
                Err(Error::Inflate),
                "{len} of {}",
                whole.len()
            );
        }
    }
}

/// RFC 7692 §7.2.1: nothing refers further back than the window that was agreed on, and without takeover nothing
/// refers to a message before.
#[test]
fn a_window_is_no_longer_than_agreed() {
    // What repeats lies 2^12 octets back: within a window of 13 bits, and outside one of 11.
    let mut unit = Vec::new();
    let mut random = 7u32;
    for _ in 0..4096 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        unit.push(random.to_be_bytes()[0]);
    }
    let payload = unit.repeat(4);
    let coded = |window_bits| {
        let mut deflater = Deflater::take(Settings {
            window_bits,
            level: 9,
            memory_level: 8,
        });
        let mut first = Vec::new();
        assert!(deflater.message(&payload, &mut first));
        let mut again = Vec::new();
        assert!(deflater.message(&unit, &mut again));
        deflater.give();
        (first.len(), again.len())
    };
    for window_bits in 9..=11 {
        assert!(coded(window_bits).0 >= payload.len(), "{window_bits}");
    }
    for window_bits in 13..=15 {
        assert!(coded(window_bits).0 < unit.len() * 5 / 4, "{window_bits}");
        assert!(coded(window_bits).1 < unit.len() / 4, "with takeover");
    }
}
