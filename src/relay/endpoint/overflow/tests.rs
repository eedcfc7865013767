use super::*;

fn shown(waiting: &Waiting) -> String {
    let text = |message: &Prepared| str::from_utf8(message.payload()).unwrap().to_owned();
    let items = waiting.queue.iter().map(|slot| {
        let item = match &slot.item {
            Item::Message(message, _) => text(message),
            Item::Missed(missed) if missed.first == missed.last => format!("-{}", missed.last),
            Item::Missed(missed) => format!("-{}..{}", missed.first, missed.last),
            Item::MissedUncounted(count) => format!("={count}"),
            Item::Skipped(count) => format!("~{count}"),
            Item::Told(message) => format!("!{}", text(message)),
        };
        format!("{}{item}", slot.key)
    });
    items.collect::<Vec<_>>().join(" ")
}

/// Lets these wait, each with the place behind the last one of its subscription.
fn push(waiting: &mut Waiting, messages: &[(u32, &str, u64)]) {
    let mut places = HashMap::new();
    for (key, text, span) in messages {
        let place = places.entry(*key).or_insert(0);
        *place += span;
        waiting.push(*key, Prepared::text(text), *place, *span);
    }
}

#[test]
fn what_is_dropped_is_told_where_it_was() {
    let mut waiting = Waiting::default();
    let messages = [
        (1, "a", 1),
        (2, "b", 1),
        (1, "c", 1),
        (1, "d", 1),
        (2, "e", 1),
    ];
    push(&mut waiting, &messages);
    assert_eq!((waiting.count(1), waiting.count(2)), (3, 2));
    waiting.drop_oldest(1);
    assert_eq!(shown(&waiting), "1-1 2b 1c 1d 2e");
    waiting.drop_oldest(1);
    assert_eq!(shown(&waiting), "1-1..2 2b 1d 2e");
    waiting.miss(1, Missed::up_to(6, 3));
    waiting.miss(1, Missed::up_to(7, 1));
    waiting.drop_oldest(2);
    assert_eq!(shown(&waiting), "1-1..2 2-1 1d 2e 1-4..7");
    waiting.pop();
    assert_eq!((waiting.count(1), waiting.count(2)), (1, 1));
    waiting.forget(1);
    assert_eq!(shown(&waiting), "2-1 2e");
    waiting.forget(2);
    waiting.drop_oldest(2);
    assert_eq!((waiting.octets(), waiting.is_empty()), (0, true));
    assert!(waiting.counts.is_empty());
}

/// As many as may wait, for as many as are slow.
#[test]
fn what_waits_takes_little_more_than_it_is() {
    let mut waiting = Waiting::default();
    let message = Prepared::text("a");
    for place in 1..=1000 {
        waiting.push(1, message.clone(), place, 1);
        while waiting.count(1) > 128 {
            waiting.drop_oldest(1);
        }
    }
    let item = size_of::<Slot>();
    assert!(item <= 32, "{item} octets");
    let places = waiting.queue.capacity();
    assert!((129..200).contains(&places), "{places} places");
}

#[test]
fn what_was_for_others_keeps_its_place() {
    let mut waiting = Waiting::default();
    waiting.push(1, Prepared::text("a"), 1, 1);
    waiting.skip(1, 1);
    waiting.skip(1, 1);
    waiting.push(1, Prepared::text("b"), 4, 1);
    waiting.push(1, Prepared::text("c"), 5, 1);
    assert_eq!(shown(&waiting), "1a 1~2 1b 1c");
    waiting.drop_oldest(1);
    waiting.drop_oldest(1);
    waiting.drop_oldest(1);
    assert_eq!(shown(&waiting), "1-1 1~2 1-4..5");
    let mut first = Waiting::default();
    first.push(2, Prepared::text("x"), 9, 1);
    first.append(waiting);
    first.push_told(1, Prepared::text("y"));
    assert_eq!(first.count(1), 0);
    assert_eq!(shown(&first), "1!y 2x 1-1 1~2 1-4..5");
    assert_eq!(first.pop().map(|slot| slot.key), Some(1));
    assert_eq!(shown(&first), "2x 1-1 1~2 1-4..5");
    assert!(first.drop_oldest_of_all());
    assert_eq!(shown(&first), "2-9 1-1 1~2 1-4..5");
    assert!(!first.drop_oldest_of_all());
    first.forget(1);
    first.forget(2);
    assert_eq!(first.octets(), 0);
}

#[test]
fn what_is_dropped_counts_for_what_it_stood_for() {
    let mut waiting = Waiting::default();
    let messages = [
        (1, "a", 1),
        (1, "b", 0),
        (1, "c", 5),
        (1, "d", 0),
        (1, "e", 1),
    ];
    push(&mut waiting, &messages);
    waiting.drop_oldest(1);
    waiting.drop_oldest(1);
    // What is not counted is told, and apart from what is.
    assert_eq!(shown(&waiting), "1-1 1=1 1c 1d 1e");
    waiting.drop_oldest(1);
    assert_eq!(shown(&waiting), "1-1..6 1=1 1d 1e");
    waiting.drop_oldest(1);
    assert_eq!(
        (waiting.count(1), shown(&waiting)),
        (1, "1-1..6 1=2 1e".to_owned())
    );
    waiting.skip(1, 1);
    let gap = r#"{"type":"lagged","topic":"a","missed":4,"to":"all"}"#;
    waiting.push(1, Prepared::text(gap), 8, 0);
    waiting.drop_oldest(1);
    waiting.drop_oldest(1);
    assert_eq!(shown(&waiting), "1-1..7 1=2 1~1 1=4");
    // What stands for more than any client can miss is not worth waiting for.
    waiting.push(1, Prepared::text("x"), 1 << 40, (1 << 40) - 8);
    assert_eq!(shown(&waiting), "1-1..7 1=2 1~1 1=4 1-9..1099511627776");
    waiting.forget(1);
    assert_eq!(waiting.octets(), 0);
}

/// Whatever waits, is dropped and is sent in whatever order: messages and gaps are every place once. The client of the second subscription
/// is not told what was for others, and what it is told that it missed is what was dropped.
#[test]
fn messages_and_gaps_are_every_place_once() {
    let mut lot: u64 = 11;
    let mut below = |bound: u64| {
        lot = lot
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (lot >> 33) % bound
    };
    for _ in 0..200 {
        let mut waiting = Waiting::default();
        // The last place that was published, and the last that came or is missing.
        let (mut published, mut had) = ([0, 0], [0, 0]);
        let (mut dropped, mut told) = (0, 0);
        let mut take = |slot: Slot, had: &mut [u64; 2]| {
            let (key, had) = (slot.key, &mut had[slot.key as usize]);
            let (before, last) = match slot.item {
                Item::Message(_, place) if slot.span > 0 => (place - u64::from(slot.span), place),
                Item::Missed(missed) => {
                    told += if key == 1 { missed.count } else { 0 };
                    let places = missed.last - missed.first + 1;
                    assert!(missed.count == places || (key == 1 && missed.count < places));
                    (missed.first - 1, missed.last)
                }
                Item::Skipped(count) => (*had, *had + count),
                _ => return,
            };
            assert!(before == *had || (key == 1 && before > *had && last > before));
            *had = last;
        };
        for _ in 0..300 {
            let key = below(2);
            let place = &mut published[usize::try_from(key).unwrap()];
            let key = u32::try_from(key).unwrap();
            match below(8) {
                0 => {
                    let missed = 1 + below(3);
                    *place += missed;
                    waiting.miss(key, Missed::up_to(*place, missed));
                    dropped += if key == 1 { missed } else { 0 };
                }
                1 => {
                    *place += 1;
                    if key == 0 {
                        waiting.skip(key, 1);
                    }
                }
                2..5 => {
                    let span = below(4);
                    *place += span;
                    waiting.push(key, Prepared::text("x"), *place, span);
                }
                5 | 6 => {
                    let spans = |waiting: &Waiting| -> u64 {
                        let slots = waiting.queue.iter().filter(|slot| slot.key == 1);
                        slots.map(|slot| u64::from(slot.span)).sum()
                    };
                    let before = spans(&waiting);
                    waiting.drop_oldest(key);
                    dropped += before - spans(&waiting);
                }
                _ => waiting
                    .pop()
                    .into_iter()
                    .for_each(|slot| take(slot, &mut had)),
            }
        }
        while let Some(slot) = waiting.pop() {
            take(slot, &mut had);
        }
        assert_eq!(had[0], published[0]);
        assert_eq!((told, waiting.octets()), (dropped, 0));
    }
}
