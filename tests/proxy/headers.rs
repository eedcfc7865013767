//! The corpus of headers, `tests/corpus/proxy/*.toml`.

use crate::corpus::{tables, unescape};
use bytes::BytesMut;
use toml::Value;
use wireline::wire::proxy::{ProxyDecoder, ProxyError, ProxyHeader};

struct Case {
    name: String,
    bytes: Vec<u8>,
    /// As `told` says it.
    outcome: String,
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = (tables("proxy").iter())
        .map(|table| {
            let text = |key: &str| table.get(key).and_then(Value::as_str);
            let name = text("name").unwrap().to_owned();
            let outcomes = [
                text("gives").map(str::to_owned),
                text("error").map(|error| format!("error: {error}")),
                table.get("incomplete").map(|_| "incomplete".to_owned()),
            ];
            let outcome: Vec<String> = outcomes.into_iter().flatten().collect();
            assert!(outcome.len() == 1 && text("spec").is_some(), "{name}");
            Case {
                bytes: unescape(text("bytes").unwrap(), &name),
                outcome: outcome[0].clone(),
                name,
            }
        })
        .collect();
    assert!(cases.len() >= 90, "only {} cases", cases.len());
    cases
}

fn told(outcome: Result<Option<ProxyHeader>, ProxyError>) -> String {
    match outcome {
        Ok(None) => "incomplete".to_owned(),
        Ok(Some(ProxyHeader::Own)) => "own".to_owned(),
        Ok(Some(ProxyHeader::Unix)) => "unix".to_owned(),
        Ok(Some(ProxyHeader::Inet {
            source,
            destination,
        })) => format!("{source} {destination}"),
        Err(ProxyError::NoHeader) => "error: no-header".to_owned(),
        Err(ProxyError::Malformed) => "error: malformed".to_owned(),
        Err(ProxyError::TooLong) => "error: too-long".to_owned(),
        Err(ProxyError::Checksum) => "error: checksum".to_owned(),
        Err(other) => panic!("{other}"),
    }
}

/// Feeds pieces until there is an outcome; gives it, and what is left of all of them.
fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, Vec<u8>) {
    let (mut decoder, mut octets) = (ProxyDecoder::default(), BytesMut::new());
    let mut pieces = pieces.into_iter();
    for piece in pieces.by_ref() {
        octets.extend_from_slice(piece);
        let before = octets.len();
        let outcome = decoder.decode(&mut octets);
        if outcome != Ok(None) {
            octets.extend_from_slice(&pieces.flatten().copied().collect::<Vec<u8>>());
            return (told(outcome), octets.to_vec());
        }
        assert_eq!(
            octets.len(),
            before,
            "nothing is taken of what is not whole"
        );
    }
    ("incomplete".to_owned(), octets.to_vec())
}

#[test]
fn every_header_whole_octet_by_octet_and_with_a_tail() {
    for Case {
        name,
        bytes,
        outcome,
    } in cases()
    {
        let is_whole = !outcome.starts_with("error") && outcome != "incomplete";
        for tail in [
            &b""[..],
            b"GET / HTTP/1.1\r\n",
            b"\r\n\r\n\0\r\nQUIT\n",
            b"PROXY UNKNOWN\r\n",
        ] {
            if !tail.is_empty() && outcome == "incomplete" {
                continue;
            }
            let all = [&bytes, tail].concat();
            for (how, (found, left)) in [
                ("whole", feed([&all[..]])),
                ("octet by octet", feed(all.chunks(1))),
            ] {
                assert_eq!(found, outcome, "{name}, {how}");
                if is_whole {
                    assert_eq!(left, tail, "{name}, {how}: what is left");
                }
            }
        }
    }
}

#[test]
fn any_cut_gives_the_same() {
    for Case {
        name,
        bytes,
        outcome,
    } in cases()
    {
        for cut in 1..bytes.len().min(300) {
            let (before, after) = bytes.split_at(cut);
            assert_eq!(feed([before, after]).0, outcome, "{name}, cut at {cut}");
        }
    }
}

/// A connection reads what is missing and no more: it never has an octet of what comes behind a header.
#[test]
fn reading_what_is_missing_never_reads_further() {
    for Case {
        name,
        bytes,
        outcome,
    } in cases()
    {
        let (mut decoder, mut octets, mut taken) = (ProxyDecoder::default(), BytesMut::new(), 0);
        loop {
            match decoder.decode(&mut octets) {
                Ok(None) => {}
                found => {
                    assert_eq!(told(found), outcome, "{name}");
                    if found.is_ok() {
                        assert_eq!((taken, octets.len()), (bytes.len(), 0), "{name}");
                    }
                    break;
                }
            }
            let missing = ProxyDecoder::missing(&octets);
            assert!(missing > 0, "{name}");
            if taken == bytes.len() {
                assert_eq!(outcome, "incomplete", "{name}");
                break;
            }
            let here = missing.min(bytes.len() - taken);
            octets.extend_from_slice(&bytes[taken..taken + here]);
            taken += here;
        }
    }
}

#[test]
fn the_limit_can_be_moved() {
    let header = cases()
        .into_iter()
        .find(|case| case.name == "v2-as-long-as-it-may-be")
        .unwrap();
    for (most, outcome) in [(4096, Ok(true)), (4095, Err(ProxyError::TooLong))] {
        let mut octets = BytesMut::from(&header.bytes[..]);
        let found = ProxyDecoder::new(most).decode(&mut octets);
        assert_eq!(found.map(|header| header.is_some()), outcome);
    }
}
