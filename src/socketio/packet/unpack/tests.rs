use super::Room;
use crate::socketio::packet::pack::from_json;
use bytes::Bytes;

const DEPTH: usize = 136;

fn to_json(octets: &[u8]) -> Option<(String, Vec<Bytes>)> {
    let room = Room {
        attachments: 10,
        octets: 1_000,
        values: 1_000,
        depth: DEPTH,
    };
    super::to_json(octets, room)
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| char::from(text.as_bytes()[at]).to_digit(16).unwrap() as u8;
    (0..text.len() / 2)
        .map(|at| digit(2 * at) << 4 | digit(2 * at + 1))
        .collect()
}

#[test]
fn what_notepack_writes_is_read_and_written_alike() {
    for (octets, json) in [
        ("01", "1"),
        ("fe", "-2"),
        ("cb3ff8000000000000", "1.5"),
        ("a9c3bce282acf09f9880", "\"\u{fc}\u{20ac}\u{1f600}\""),
        ("93c3c2c0", "[true,false,null]"),
        ("81a16b920180", r#"{"k":[1,{}]}"#),
        ("ce00011170", "70000"),
        ("d2fffeee90", "-70000"),
        ("cf000000012a05f200", "5000000000"),
        ("ccff", "255"),
        ("cdffff", "65535"),
        ("d080", "-128"),
        ("d18000", "-32768"),
        ("d38000000000000000", "-9223372036854775808"),
        ("cfffffffffffffffff", "18446744073709551615"),
        ("a5225c0a0041", r#""\"\\\n\u0000A""#),
    ] {
        let (read, attachments) = to_json(&hex(octets)).unwrap();
        assert_eq!((&*read, attachments.len()), (json, 0), "{octets}");
        assert_eq!(from_json(json, &[]), Some(hex(octets)), "{json}");
    }
    let many = format!("[{}0]", "0,".repeat(16));
    assert_eq!(
        from_json(&many, &[]),
        Some(hex("dc00110000000000000000000000000000000000"))
    );
    let long = format!("\"{}\"", "a".repeat(300));
    let packed = from_json(&long, &[]).unwrap();
    assert_eq!(packed[..3], [0xda, 1, 44]);
    assert_eq!(to_json(&packed).unwrap().0, long);
    let spaced = " { \"a\" : [ 1 , 2 ] } ";
    assert_eq!(from_json(spaced, &[]), Some(hex("81a161920102")));
}

/// JSON's reader must not round a second time.
#[test]
fn a_float_comes_back_to_the_bit() {
    let mut bits = 0xfe3f_f803_0000_0000_u64;
    for _ in 0..10_000 {
        let value = f64::from_bits(bits);
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if !value.is_finite() {
            continue;
        }
        let packed = [&[0xcb][..], &value.to_be_bytes()].concat();
        let (json, _) = to_json(&packed).unwrap();
        assert_eq!(from_json(&json, &[]), Some(packed), "{json}");
    }
}

#[test]
fn points_in_time_are_the_strings_that_javascript_makes() {
    for (octets, json) in [
        ("d7ff1d5353006553f100", r#""2023-11-14T22:13:20.123Z""#),
        ("d6ff00000000", r#""1970-01-01T00:00:00.000Z""#),
        (
            "c70cff00000000ffffffffffffffff",
            r#""1969-12-31T23:59:59.000Z""#,
        ),
        ("d6ff5e5aff80", r#""2020-03-01T00:19:12.000Z""#),
        ("c70cff000000007fffffffffffffff", "null"),
        ("d40000", "null"),
        // As version 2 writes them: new Date(1700000000123), new Date(-1), and the first moment that a Date has not.
        ("d7000000018bcfe5687b", r#""2023-11-14T22:13:20.123Z""#),
        ("d700ffffffffffffffff", r#""1969-12-31T23:59:59.999Z""#),
        ("d7000fffffffffffffff", "null"),
        // More nanoseconds than a second has: 1,073,741,823 and 4,294,967,295 of them.
        ("d7fffffffffc00000000", r#""1970-01-01T00:00:01.073Z""#),
        (
            "c70cffffffffff0000000000000000",
            r#""1970-01-01T00:00:04.294Z""#,
        ),
        // Half a millisecond before 1970 is cut off towards it, as new Date(-999.5) has it.
        (
            "c70cff0007a120ffffffffffffffff",
            r#""1969-12-31T23:59:59.001Z""#,
        ),
    ] {
        assert_eq!(to_json(&hex(octets)).unwrap().0, json, "{octets}");
    }
}

#[test]
fn a_type_that_nobody_knows_is_its_number_and_its_octets() {
    for (octets, number, carried) in [
        ("d40107", 1, "07"),
        ("d57fffee", 127, "ffee"),
        ("d5000102", 0, "0102"),
        ("d4ff07", -1, "07"),
        ("d7800000000000000001", -128, "0000000000000001"),
        ("c70005", 5, ""),
        ("c8000205aabb", 5, "aabb"),
        ("c90000000105cc", 5, "cc"),
    ] {
        let (json, attachments) = to_json(&hex(octets)).unwrap();
        let expected = format!(r#"[{number},{{"_placeholder":true,"num":0}}]"#);
        assert_eq!((json, &*attachments[0]), (expected, &hex(carried)[..]));
    }
    // `undefined`, whatever is said with it.
    assert_eq!(to_json(&hex("d40001")).unwrap().0, "null");
    let nested = |depth: usize| [vec![0x91; depth], hex("d40107")].concat();
    assert!(to_json(&nested(DEPTH - 1)).is_some());
    assert_eq!(to_json(&nested(DEPTH)), None);
}

#[test]
fn octets_are_placeholders_and_each_is_written_once() {
    let (json, attachments) = to_json(&hex("93a362696ec40301020381a162c50001ff")).unwrap();
    let [first, second] = [0, 1].map(|num| format!(r#"{{"_placeholder":true,"num":{num}}}"#));
    assert_eq!(json, format!(r#"["bin",{first},{{"b":{second}}}]"#));
    assert_eq!(
        attachments,
        [Bytes::from_static(&[1, 2, 3]), Bytes::from_static(&[255])]
    );
    assert_eq!(
        from_json(&json, &attachments),
        Some(hex("93a362696ec40301020381a162c401ff"))
    );
    // An ArrayBuffer of version 2, of as many octets as a Date.
    let (json, attachments) = to_json(&hex("c708000102030405060708")).unwrap();
    assert_eq!(
        (json, &*attachments[0]),
        (first.clone(), &[1, 2, 3, 4, 5, 6, 7, 8][..])
    );
    let (_, attachments) = to_json(&hex("93a362696ec40301020381a162c50001ff")).unwrap();
    // What stands for nothing, or for what was written already, is what it says.
    let object = from_json(&first, &[]).unwrap();
    assert_eq!(
        from_json(&format!("[{first},{first}]"), &attachments),
        Some([&hex("92c403010203")[..], &object].concat())
    );
    assert_ne!(from_json(&second, &attachments[..1]), Some(hex("c401ff")));
    assert!(from_json(&second, &attachments[..1]).is_some());
}

#[test]
fn what_is_cut_or_nested_too_deep_is_refused() {
    let whole = hex("93a362696ec40301020381a162c50001ff");
    for length in 0..whole.len() {
        assert_eq!(to_json(&whole[..length]), None);
    }
    for wrong in [
        "c1",
        "ddffffffff",
        "dfffffffff",
        "c6ffffffff00",
        "81c001",
        "c70cff",
        "0101",
        "81ac5f706c616365686f6c646572c3",
        "d401",
        "c70201ff",
        "c708ff0000000000000000",
    ] {
        assert_eq!(to_json(&hex(wrong)), None, "{wrong}");
    }
    let nested = |depth: usize| [vec![0x91; depth], vec![0x01]].concat();
    assert!(to_json(&nested(DEPTH)).is_some());
    assert_eq!(to_json(&nested(DEPTH + 1)), None);
    assert_eq!(to_json(&nested(1_000_000)), None);
    for wrong in ["", "[", "]", "[}", "{\"a\"}", "\"a", "1 2", "@", "[1"] {
        assert_eq!(from_json(wrong, &[]), None, "{wrong}");
    }
}
