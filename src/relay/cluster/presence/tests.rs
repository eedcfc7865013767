use super::*;

fn topic(number: u64) -> Topic {
    Topic::new(&format!("t{number}")).unwrap()
}

fn present(member: u64, meta: u64) -> Present {
    Present {
        member,
        name: meta
            .is_multiple_of(2)
            .then(|| format!("user-{}", meta % 3).into()),
        meta: meta.to_string().into(),
    }
}

/// Gives a copy what a node said.
fn give(theirs: &mut Theirs, envelope: Envelope, now: u64) -> Outcome {
    match envelope {
        Envelope::Beat {
            version, digest, ..
        } => theirs.beat(version, digest, now),
        Envelope::Changes { version, changes } => {
            theirs.changes(version, changes, (now, usize::MAX))
        }
        Envelope::State {
            version,
            part,
            is_last,
            present,
        } => theirs.state(version, part, is_last, present, (now, usize::MAX)),
        other => panic!("{other:?}"),
    }
}

fn apply(seen: &mut Members, outcome: &Outcome) {
    for (topic, change) in &outcome.changes {
        match change {
            Change::Here(present) => {
                seen.insert((topic.clone(), present.member), present.clone());
            }
            Change::Gone(member) => {
                let before = seen.remove(&(topic.clone(), *member));
                assert!(before.is_some(), "{topic} {member} was not here");
            }
        }
    }
}

fn beat(own: &Own) -> Envelope {
    Envelope::Beat {
        version: own.version(),
        digest: own.digest(),
        next: 0,
    }
}

#[test]
fn changes_in_a_row_are_applied_and_a_hole_wants_all() {
    let (mut own, mut theirs) = (Own::default(), Theirs::default());
    own.change(&topic(1), Change::Here(present(1, 0)), true);
    own.change(&topic(1), Change::Here(present(1, 0)), true);
    own.change(&topic(1), Change::Here(present(2, 1)), true);
    let first = own.changes().unwrap();
    assert!(own.changes().is_none());
    own.change(&topic(1), Change::Gone(1), true);
    own.change(&topic(1), Change::Gone(1), true);
    let second = own.changes().unwrap();
    assert!(give(&mut theirs, second.clone(), 0).wants_all);
    // Asked for once in a while, not each time.
    assert!(!give(&mut theirs, beat(&own), 1).wants_all);
    let outcome = give(&mut theirs, first, 2);
    assert_eq!((outcome.changes.len(), outcome.wants_all), (3, false));
    assert!(give(&mut theirs, second, 3).changes.is_empty());
    assert!(!give(&mut theirs, beat(&own), 9_000).wants_all);
    assert_eq!(theirs.members, own.members);
    assert_eq!(theirs.clear().len(), 1);
}

#[test]
fn the_whole_comes_in_parts_with_changes_between() {
    let (mut own, mut theirs) = (Own::default(), Theirs::default());
    for member in 0..5_000 {
        own.change(&topic(1), Change::Here(present(member, member)), false);
    }
    assert!(own.changes().is_none());
    assert!(give(&mut theirs, beat(&own), 0).wants_all);
    own.is_wanted = true;
    own.begin(0);
    let mut parts = 0;
    while let Some(part) = own.part() {
        parts += 1;
        give(&mut theirs, part, 0);
        own.change(&topic(2), Change::Here(present(parts, 0)), true);
        own.change(&topic(1), Change::Gone(parts), true);
        give(&mut theirs, own.changes().unwrap(), 0);
    }
    assert!(parts > 3, "{parts}");
    assert_eq!(theirs.members, own.members);
    assert_eq!((theirs.version, theirs.digest), (own.version, own.digest));
}

/// Whatever is lost, doubled or held back, a copy that hears beats and answers again is the same as what it is a copy of, and
/// what it has told is what it holds.
#[test]
fn copies_are_the_same_after_any_partition() {
    let mut random = 7u64;
    let mut below = |bound: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    for round in 0..400 {
        let mut own = Own::default();
        let mut copies = [Theirs::default(), Theirs::default()];
        let mut told = [Members::new(), Members::new()];
        let mut now = 0;
        let mut is_up = true;
        let mut is_heard = [true; 2];
        for _ in 0..200 {
            now += below(300);
            let mut said = Vec::new();
            match below(12) {
                0 => {
                    is_up = !is_up;
                    own.down();
                }
                1 => is_heard[0] = !is_heard[0],
                2 => is_heard[1] = !is_heard[1],
                3 | 4 if is_up => {
                    said.extend(own.changes());
                    said.push(beat(&own));
                }
                5 if is_up => said.extend(own.part()),
                6 if is_up => said.extend(own.changes()),
                7 => {
                    // Its time has run out for one of them.
                    let at = usize::try_from(below(2)).unwrap();
                    let outcome = Outcome {
                        changes: copies[at].clear(),
                        wants_all: false,
                    };
                    apply(&mut told[at], &outcome);
                }
                8 => own.change(&topic(below(3)), Change::Gone(below(6)), is_up),
                _ => {
                    let change = Change::Here(present(below(6), below(5)));
                    own.change(&topic(below(3)), change, is_up);
                }
            }
            for envelope in said {
                for at in 0..2 {
                    let times = if is_heard[at] { below(8).min(2) } else { 0 };
                    for _ in 0..times {
                        let outcome = give(&mut copies[at], envelope.clone(), now);
                        apply(&mut told[at], &outcome);
                        if outcome.wants_all && below(3) > 0 {
                            own.is_wanted = true;
                            own.begin(now);
                        }
                    }
                }
            }
        }
        // It heals.
        for _ in 0..4 {
            now += 2_000;
            let mut said: Vec<Envelope> = std::iter::from_fn(|| own.changes()).collect();
            said.push(beat(&own));
            while let Some(envelope) = said.pop() {
                for at in 0..2 {
                    let outcome = give(&mut copies[at], envelope.clone(), now);
                    apply(&mut told[at], &outcome);
                    own.is_wanted |= outcome.wants_all;
                }
                own.begin(now);
                said.extend(own.part());
            }
        }
        for at in 0..2 {
            assert_eq!(copies[at].members, own.members, "round {round}");
            assert_eq!(told[at], own.members, "round {round}");
            assert_eq!(copies[at].digest, own.digest, "round {round}");
        }
    }
}
