use super::*;

fn inflate(pieces: &[&[u8]], limit: usize) -> Result<Vec<u8>, Error> {
    let (mut inflater, mut out) = (Inflater::take(), BytesMut::new());
    for piece in pieces {
        inflater.push(piece, &mut out, limit)?;
    }
    inflater.finish(&mut out, limit)?;
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
    inflater.finish(&mut out, 100).unwrap();
    inflater
        .push(&[0xf2, 0x00, 0x11, 0x00, 0x00], &mut out, 100)
        .unwrap();
    inflater.finish(&mut out, 100).unwrap();
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
                    .and_then(|()| inflater.finish(&mut out, payload.len()))
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
        (55, false, None),
        (56, true, None),
        (200, true, Some(9)),
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
