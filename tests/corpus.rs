//! Every conversation of the corpus, against the sans-I/O core and against the driver over an in-memory
//! transport.
//!
//! A case is a text of octets and what must come of it: events, and how the conversation ends. It is fed
//! whole, octet by octet and cut in two at every place; each time with and without a further request after
//! it, which must be parsed when the connection persists and must never be when it does not.

#[path = "support/conversation.rs"]
mod conversation;
#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/served.rs"]
mod served;

use conversation::{End, Record};
use corpus::{Case, Ending, cases, conclude, show};
use wireline::http1::limits::Limits;

#[test]
fn every_case_whole_and_octet_by_octet() {
    let cases = cases();
    let mut failures = Vec::new();
    for case in &cases {
        for (how, record) in [
            ("whole", record(&[&case.bytes])),
            ("octet by octet", octets(&case.bytes)),
        ] {
            if let Err(detail) = check(case, &record, false) {
                failures.push((case.name.clone(), format!("{how}: {detail}")));
            }
        }
    }
    conclude(cases.len(), &failures);
}

#[test]
fn a_tail_is_a_request_of_its_own_or_never_read() {
    let cases: Vec<Case> = cases()
        .into_iter()
        .filter(|case| case.ending != Ending::Incomplete)
        .collect();
    let mut failures = Vec::new();
    for case in &cases {
        let all = [&case.bytes, TAIL].concat();
        for (how, record) in [
            ("whole", record(&[&all])),
            ("octet by octet", octets(&all)),
            ("in a read of its own", record(&[&case.bytes, TAIL])),
        ] {
            if let Err(detail) = check(case, &record, true) {
                failures.push((case.name.clone(), format!("with a tail, {how}: {detail}")));
            }
        }
    }
    conclude(cases.len(), &failures);
}

#[test]
fn any_cut_gives_the_same_events() {
    let (mut ran, mut cuts, mut failures) = (0, 0, Vec::new());
    for case in cases().iter().filter(|case| case.bytes.len() <= EVERY_CUT) {
        ran += 1;
        let all = [&case.bytes, TAIL].concat();
        let whole = record(&[&all]);
        for cut in 1..all.len() {
            let (before, after) = all.split_at(cut);
            let record = record(&[before, after]);
            cuts += 1;
            if record != whole {
                let detail = format!(
                    "cut at {cut}: {:?}{}\n    whole: {:?}{}",
                    record.end,
                    show(&record.lines),
                    whole.end,
                    show(&whole.lines)
                );
                failures.push((case.name.clone(), detail));
                break;
            }
        }
    }
    conclude(ran, &failures);
    assert!(cuts > 30_000, "only {cuts} cuts");
}

/// Through the driver: handlers run for the requests that are listed and for no other (`/canary` and the
/// tail are what a smuggled request would reach), a refused message gets one answer with its status,
/// `Connection: close` and a Date, and then the stream ends.
#[test]
fn every_case_through_the_driver() {
    let cases = cases();
    let mut failures = Vec::new();
    for case in &cases {
        // Two cases hold a megabyte each; of those the first part goes octet by octet.
        let (first, rest) = case.bytes.split_at(case.bytes.len().min(OCTETS));
        let octets: Vec<&[u8]> = first.chunks(1).chain(rest.chunks(997)).collect();
        for (how, pieces) in [("whole", vec![&case.bytes[..]]), ("octet by octet", octets)] {
            let served = served::serve(case, &pieces, TAIL);
            if let Err(detail) = served.check(case) {
                failures.push((case.name.clone(), format!("{how}: {detail}")));
            }
        }
    }
    conclude(cases.len(), &failures);
}

#[test]
fn escapes() {
    let octets = |text: &str| corpus::unescape(text, "a test");
    assert_eq!(octets(r"a\r\n\t\0\\\x7b\xFf"), b"a\r\n\t\0\\{\xff");
    assert_eq!(octets(r"<{3*ab}{0*x}{2*\x20\r}>"), b"<ababab \r \r>");
    for faulty in [r"\q", r"\x1", r"\xgg", "{3*a", "}", "{a}", "{-1*a}", "\\"] {
        assert!(
            std::panic::catch_unwind(|| octets(faulty)).is_err(),
            "{faulty}"
        );
    }
}

/// What a case says must be what is on record, with or without the tail.
fn check(case: &Case, record: &Record, with_tail: bool) -> Result<(), String> {
    let mut lines = record.lines.clone();
    let end = match record.end {
        End::Waiting => Ending::Open,
        End::Incomplete => Ending::Incomplete,
        End::Closed => Ending::Closed,
        End::Refused(error) => Ending::Error(error.status().map_or(0, |status| status.as_u16())),
    };
    if let End::Refused(_) = record.end {
        // How much of a faulty body came through before its fault is not a part of the case.
        lines.truncate(
            lines.len() - usize::from(lines.last().is_some_and(|line| line.starts_with(b"data "))),
        );
    }
    let mut expected = case.events.clone();
    if with_tail && case.ending == Ending::Open {
        expected.extend(
            [
                "request GET /tail HTTP/1.1 empty keep-alive",
                "field host: tail",
                "end",
            ]
            .map(Vec::from),
        );
    }
    if lines == expected && end == case.ending {
        return Ok(());
    }
    Err(format!(
        "expected {:?}{}\n    found {:?}{}",
        case.ending,
        show(&expected),
        record.end,
        show(&lines)
    ))
}

fn record(pieces: &[&[u8]]) -> Record {
    Record::of(pieces.iter().copied(), &Limits::default())
}

fn octets(bytes: &[u8]) -> Record {
    Record::of(bytes.chunks(1), &Limits::default())
}

const TAIL: &[u8] = b"GET /tail HTTP/1.1\r\nHost: tail\r\n\r\n";

/// Cases up to this size are cut at every place.
const EVERY_CUT: usize = 600;

/// How much of a case goes through the driver octet by octet.
const OCTETS: usize = 200_000;
