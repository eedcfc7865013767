//! Every conversation of `tests/corpus/ws/*.toml` against the sans-I/O core.
//!
//! A case is octets that a peer sends, and what must come of them: events, what is sent, and how it ends. It
//! is fed whole, octet by octet, and cut in two at every place, with and without a further message after it,
//! which must be received when the connection is open and never otherwise. The core is asked in every way
//! that it offers, and the answer must be the same.

#[path = "support/corpus.rs"]
#[expect(dead_code, reason = "the HTTP corpus has its own form")]
mod corpus;
#[path = "support/ws_corpus.rs"]
mod ws_corpus;
#[path = "support/ws_talk.rs"]
mod ws_talk;

use corpus::{conclude, show};
use ws_corpus::{Case, Ending, Role, cases};
use ws_talk::{End, Record, Way};

#[test]
fn every_case_whole_and_octet_by_octet() {
    let cases = cases();
    let mut failures = Vec::new();
    for case in &cases {
        for way in Way::ALL {
            for (how, pieces) in [
                ("whole", vec![&case.octets[..]]),
                ("octet by octet", case.octets.chunks(1).collect()),
                ("by sevens", case.octets.chunks(7).collect()),
            ] {
                let record = Record::of(case.connection(), pieces, &case.limits, way);
                if let Err(detail) = check(case, &record, false) {
                    failures.push((case.name.clone(), format!("{way:?}, {how}: {detail}")));
                }
            }
        }
    }
    conclude(cases.len(), &failures);
}

#[test]
fn a_tail_is_a_message_of_its_own_or_never_received() {
    let mut cases = cases();
    cases.retain(|case| case.ending != Ending::Incomplete);
    let mut failures = Vec::new();
    for case in &cases {
        let all = [&case.octets, tail(case.role)].concat();
        for way in Way::ALL {
            for (how, pieces) in [
                ("whole", vec![&all[..]]),
                ("octet by octet", all.chunks(1).collect()),
                (
                    "in a read of its own",
                    vec![&case.octets[..], tail(case.role)],
                ),
            ] {
                let record = Record::of(case.connection(), pieces, &case.limits, way);
                if let Err(detail) = check(case, &record, true) {
                    failures.push((
                        case.name.clone(),
                        format!("with a tail, {way:?}, {how}: {detail}"),
                    ));
                }
            }
        }
    }
    conclude(cases.len(), &failures);
}

#[test]
fn any_cut_gives_the_same() {
    let mut cases = cases();
    cases.retain(|case| case.octets.len() <= EVERY_CUT);
    let (mut cuts, mut failures) = (0, Vec::new());
    for case in &cases {
        let all = [&case.octets, tail(case.role)].concat();
        let whole = Record::of(case.connection(), [&all[..]], &case.limits, Way::Owned);
        'case: for cut in 1..all.len() {
            let (before, after) = all.split_at(cut);
            for way in Way::ALL {
                cuts += 1;
                let record = Record::of(case.connection(), [before, after], &case.limits, way);
                if record != whole {
                    let detail = format!("cut at {cut}, {way:?}: {record:?}\n    whole: {whole:?}");
                    failures.push((case.name.clone(), detail));
                    break 'case;
                }
            }
        }
    }
    conclude(cases.len(), &failures);
    assert!(cuts > 20_000, "only {cuts} cuts");
}

fn check(case: &Case, record: &Record, with_tail: bool) -> Result<(), String> {
    let end = match record.end {
        End::Open => Ending::Open,
        End::Incomplete => Ending::Incomplete,
        End::Closed => Ending::Closed,
        End::Failed(error) => Ending::Failed(error.close_code().get()),
    };
    let mut expected = case.events.clone();
    if with_tail && case.ending == Ending::Open {
        expected.push(b"text tail".to_vec());
    }
    let mut sent = &record.sent[..];
    if let Ending::Failed(code) = case.ending {
        // A failed connection says why: a Close with the code, whatever its words are.
        let Some(rest) = sent.strip_prefix(&case.sends[..]) else {
            return Err(format!("sent {sent:02x?}"));
        };
        let head = case.close_head(rest.len());
        if rest.get(..head.len()) != Some(&head[..])
            || rest[head.len()..][..2] != code.to_be_bytes()
        {
            return Err(format!("no Close with {code}: {rest:02x?}"));
        }
        sent = &case.sends;
    }
    if record.lines == expected && end == case.ending && sent == case.sends {
        return Ok(());
    }
    Err(format!(
        "expected {:?}, {:02x?}{}\n    found {:?}, {:02x?}{}",
        case.ending,
        case.sends,
        show(&expected),
        record.end,
        sent,
        show(&record.lines)
    ))
}

/// A text message that says `tail`, as the peer sends it.
const fn tail(role: Role) -> &'static [u8] {
    match role {
        Role::Server => b"\x81\x84\x01\x02\x03\x04ucjh",
        Role::Client => b"\x81\x04tail",
    }
}

/// Cases up to this size are cut at every place.
const EVERY_CUT: usize = 300;
