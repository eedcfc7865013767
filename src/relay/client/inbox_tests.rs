//! The queue of a subscription that is not read.

use crate::relay::client::core::event::{
    Event, Lagged, Member, Missing, Presence, Push, Subscribed,
};
use crate::relay::client::inbox::{Inbox, Limits};
use crate::relay::hub::{Offsets, Topic};
use serde_json::value::to_raw_value;
use std::task::{Context, Poll, Waker};

fn inbox(events: usize, octets: usize) -> Inbox {
    Inbox::new(Limits { events, octets })
}

fn push(number: u64) -> Event {
    Event::Push(Push {
        topic: Topic::new("a").unwrap(),
        event: "e".to_owned(),
        payload: to_raw_value(&number).unwrap(),
        to_user: false,
    })
}

fn lagged(missed: u64, which: Option<Missing>) -> Event {
    Event::Lagged(Lagged { missed, which })
}

fn subscribed(recovered: bool) -> Event {
    Event::Subscribed(Subscribed {
        topic: Topic::new("a").unwrap(),
        recovered,
        resumed: true,
        reply: None,
    })
}

fn member(conn_id: u64) -> Member {
    Member {
        conn_id,
        user: None,
        meta: to_raw_value("").unwrap(),
    }
}

fn state(ids: &[u64]) -> Event {
    Event::Presence(Presence::State {
        members: ids.iter().copied().map(member).collect(),
        more: false,
    })
}

fn diff(joined: &[u64], left: &[u64]) -> Event {
    Event::Presence(Presence::Diff {
        joined: joined.iter().copied().map(member).collect(),
        left: left.iter().copied().map(member).collect(),
    })
}

fn next(inbox: &Inbox) -> String {
    match inbox.poll_next(&Context::from_waker(Waker::noop())) {
        Poll::Pending => "waits".to_owned(),
        Poll::Ready(None) => "end".to_owned(),
        Poll::Ready(Some(Event::Push(push))) => push.payload.to_string(),
        Poll::Ready(Some(Event::Lagged(lagged))) => match lagged.which {
            None => format!("lagged {}", lagged.missed),
            Some(which) => format!("lagged {} {which:?}", lagged.missed),
        },
        Poll::Ready(Some(Event::Subscribed(begun))) => format!("subscribed {}", begun.recovered),
        Poll::Ready(Some(Event::Presence(Presence::State { members, .. }))) => {
            let ids: Vec<u64> = members.iter().map(|member| member.conn_id).collect();
            format!("state {ids:?}")
        }
        Poll::Ready(Some(other)) => format!("{other:?}"),
    }
}

fn all(inbox: &Inbox) -> Vec<String> {
    let events = std::iter::from_fn(|| Some(next(inbox)));
    events
        .take_while(|event| event != "waits" && event != "end")
        .collect()
}

/// Whatever is pushed and read in whatever order: what comes out is what went in, in order, and every gap has its number.
#[test]
fn every_push_is_given_or_counted_where_it_is_missing() {
    let mut lot: u64 = 7;
    for limit in [1, 2, 4, 5, 16] {
        let inbox = inbox(limit, usize::MAX);
        let (mut sent, mut seen, mut gaps) = (0, 0, 0);
        let mut read = |count: u64, seen: &mut u64| {
            for _ in 0..count {
                let event = next(&inbox);
                if event == "waits" || event == "end" {
                    return;
                } else if let Some(missed) = event.strip_prefix("lagged ") {
                    *seen += crate::wire::number::decimal(missed.as_bytes()).unwrap();
                    gaps += 1;
                } else {
                    assert_eq!(event, seen.to_string());
                    *seen += 1;
                }
            }
        };
        for _ in 0..2000 {
            lot = lot
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            for _ in 0..(lot >> 60) {
                inbox.push(push(sent), None);
                sent += 1;
            }
            assert!(inbox.waiting() <= limit + 4);
            read((lot >> 40) & 15, &mut seen);
        }
        inbox.end();
        read(u64::MAX, &mut seen);
        assert_eq!(seen, sent, "limit {limit}");
        assert!(gaps > 10, "limit {limit}: only {gaps} gaps");
    }
}

#[test]
fn a_gap_tells_everything_that_was_in_it() {
    let inbox = inbox(2, usize::MAX);
    inbox.push(push(0), None);
    inbox.push(state(&[1, 2]), None);
    for event in [
        push(2),
        diff(&[3], &[1]),
        subscribed(true),
        lagged(10, None),
        subscribed(false),
        subscribed(true),
        diff(&[4], &[]),
        push(3),
    ] {
        inbox.push(event, None);
    }
    assert_eq!(inbox.members().len(), 3);
    assert_eq!(
        all(&inbox),
        [
            "0",
            "state [1, 2]",
            "lagged 12",
            "subscribed false",
            "state [2, 3, 4]"
        ]
    );
    inbox.push(push(9), None);
    inbox.end();
    inbox.push(push(10), None);
    assert_eq!(
        (next(&inbox), next(&inbox), next(&inbox)),
        ("9".into(), "end".into(), "end".into())
    );
}

#[test]
fn octets_are_bounded_too() {
    let inbox = inbox(1_000_000, 10_000);
    for number in 0..1000 {
        inbox.push(push(number), None);
    }
    assert!(inbox.waiting() < 200, "{}", inbox.waiting());
    let given = all(&inbox);
    assert_eq!(
        given.last().unwrap(),
        &format!("lagged {}", 1000 - (given.len() - 1))
    );
}

#[test]
fn who_is_present_is_kept_up() {
    let inbox = inbox(100, usize::MAX);
    for (event, present) in [
        (diff(&[1], &[]), vec![1]),
        (state(&[5, 3]), vec![3, 5]),
        (diff(&[4], &[5, 9]), vec![3, 4]),
        (diff(&[4], &[]), vec![3, 4]),
        (diff(&[], &[4]), vec![3]),
        (state(&[]), vec![]),
    ] {
        inbox.push(event, None);
        let ids: Vec<u64> = inbox
            .members()
            .iter()
            .map(|member| member.conn_id)
            .collect();
        assert_eq!(ids, present);
    }
    let many: Vec<u64> = (0..20_000).collect();
    inbox.push(diff(&many, &[]), None);
    assert_eq!(inbox.members().len(), 10_000);
}

/// One that the client has counted.
fn counted(epoch: u64, offset: u64) -> Option<Offsets> {
    Some(Offsets {
        epoch,
        first: offset,
        last: offset,
    })
}

#[test]
fn what_there_was_no_room_for_has_its_offsets() {
    let range = |last| {
        format!(
            "lagged {} OfEpoch {{ epoch: 5, first: 2, last: {last} }}",
            last - 1
        )
    };
    let inbox = inbox(1, usize::MAX);
    for offset in 1..=4 {
        inbox.push(push(offset), counted(5, offset));
    }
    assert_eq!((next(&inbox), next(&inbox)), ("1".into(), range(4)));
    // What the server has told as missing is among them, whatever it said of it.
    inbox.push(push(1), counted(5, 1));
    inbox.push(push(2), counted(5, 2));
    let told = Missing::OfNode {
        node: 7,
        first: 1,
        last: 3,
    };
    let offsets = Offsets {
        epoch: 5,
        first: 3,
        last: 5,
    };
    inbox.push(lagged(3, Some(told)), Some(offsets));
    inbox.push(push(6), counted(5, 6));
    // It goes on after a reconnection.
    inbox.push(subscribed(true), None);
    inbox.push(push(7), counted(5, 7));
    assert_eq!((next(&inbox), next(&inbox)), ("1".into(), range(7)));
    assert_eq!(next(&inbox), "subscribed true");
    // What has no offset, and what is elsewhere, has no range with the others.
    for (event, offsets, then) in [
        (push(9), None, "waits"),
        (push(9), counted(6, 3), "waits"),
        (subscribed(false), None, "subscribed false"),
    ] {
        let missed = if matches!(event, Event::Push(_)) {
            3
        } else {
            2
        };
        inbox.push(push(1), counted(5, 1));
        inbox.push(push(2), counted(5, 2));
        inbox.push(event, offsets);
        inbox.push(push(10), counted(5, 10));
        assert_eq!(next(&inbox), "1");
        assert_eq!(next(&inbox), format!("lagged {missed}"));
        assert_eq!(next(&inbox), then);
    }
}

#[test]
fn a_range_is_told_of_one_gap_alone() {
    let range = |first, last| {
        Some(Missing::OfNode {
            node: 7,
            first,
            last,
        })
    };
    // Room for it: as it came.
    let inbox = inbox(8, 1 << 20);
    inbox.push(lagged(3, range(1, 3)), None);
    assert_eq!(
        next(&inbox),
        "lagged 3 OfNode { node: 7, first: 1, last: 3 }"
    );
    // Behind a full queue it is told as it came when nothing else is missing there.
    for (also, expected) in [
        (None, "lagged 3 OfNode { node: 7, first: 1, last: 3 }"),
        (Some(push(9)), "lagged 4"),
        (Some(lagged(2, range(8, 9))), "lagged 5"),
    ] {
        let inbox = self::inbox(1, 1 << 20);
        inbox.push(push(1), None);
        inbox.push(lagged(3, range(1, 3)), None);
        if let Some(event) = also {
            inbox.push(event, None);
        }
        assert_eq!(next(&inbox), "1");
        assert_eq!(next(&inbox), expected);
    }
}
