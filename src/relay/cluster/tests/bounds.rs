//! What a node that is broken, or somebody who may write to the broker, can do to others.

use super::*;

/// A node that says what it likes.
const STRANGER: Sender = Sender { node: 9, life: 5 };

fn says(world: &mut World, from: Sender, envelope: &Envelope) {
    let message = envelope.encode(from, &Channel::All);
    world.send(&Channel::All, None, &message);
    world.settle();
}

fn present(member: u64) -> Present {
    Present {
        member,
        name: Some("eve".into()),
        meta: "{}".into(),
    }
}

#[test]
fn a_node_has_the_word_for_its_own_connections_only() {
    let mut world = World::new(1, false);
    let (own, foreign) = (9 << 32 | 1, 1 << 32 | 1);
    let here = |member| (topic(), Change::Here(present(member)));
    let changes = |version, changes| Envelope::Changes { version, changes };
    says(
        &mut world,
        STRANGER,
        &changes(1, vec![here(own), here(foreign)]),
    );
    says(
        &mut world,
        STRANGER,
        &changes(1, vec![(topic(), Change::Gone(foreign))]),
    );
    let state = Envelope::State {
        version: 7,
        part: 0,
        is_last: true,
        present: vec![(topic(), present(foreign))],
    };
    says(&mut world, STRANGER, &state);
    assert_eq!(world.nodes[0].standing(world.now).garbled, 3);
    assert!(world.take(0).is_empty());
    says(&mut world, STRANGER, &changes(1, vec![here(own)]));
    let present = present(own);
    let topic = topic();
    assert_eq!(world.take(0), [Action::Track { topic, present }]);
}

#[test]
fn who_is_said_to_be_present_is_bounded_in_octets() {
    let mut world = World::new(1, false);
    world.nodes[0].config.presence = 100_000;
    let here = |at: u64, member: u64| {
        let mut present = present(at << 32 | member);
        present.meta = "x".repeat(10_000).into();
        present
    };
    let one = |at, version: u64| Envelope::Changes {
        version,
        changes: vec![(topic(), Change::Here(here(at, version)))],
    };
    let of = |node| Sender { node, life: 5 };
    for version in 1..=20 {
        says(&mut world, of(8), &one(8, version));
    }
    // What does not follow waits, and counts as well.
    for version in 2..=20 {
        says(&mut world, of(9), &one(9, version));
    }
    let came = world.take(0).len();
    assert!((8..=9).contains(&came), "{came} came");
    let whole = Envelope::State {
        version: 30,
        part: 0,
        is_last: true,
        present: (1..=20).map(|member| (topic(), here(9, member))).collect(),
    };
    says(&mut world, of(9), &whole);
    assert!(world.take(0).is_empty());
    // It is not asked for again and again.
    let asked = |world: &World| {
        format!("{:?}", world.nodes[0])
            .matches("is_cut: true")
            .count()
    };
    assert_eq!(asked(&world), 2);
    // When one is gone, there is room for the other.
    says(&mut world, of(8), &Envelope::Leave);
    assert_eq!(world.take(0).len(), came);
    let part = Envelope::State {
        version: 31,
        part: 0,
        is_last: true,
        present: (1..=9).map(|member| (topic(), here(9, member))).collect(),
    };
    says(&mut world, of(9), &part);
    assert_eq!(world.take(0).len(), 9);
    assert_eq!(asked(&world), 0);
    says(&mut world, of(9), &Envelope::Leave);
    assert!(format!("{:?}", world.nodes[0].nodes).contains("present: 0"));
}

#[test]
fn whoever_asks_again_and_again_does_not_hear_of_losses_each_time() {
    let mut world = World::new(1, true);
    world.attach(0, keep());
    world.disconnect(0);
    world.nodes[0].outbox = Outbox::new(2 * 129, OutboxPolicy::DropOldest);
    for text in ["a", "b", "c", "d", "e"] {
        world.publish(0, text, keep());
    }
    world.connect(0);
    world.pass(1_100);
    for id in 0..500 {
        let topics = Vec::new();
        says(&mut world, STRANGER, &Envelope::Ask { id, topics });
        world.now += 2;
    }
    let alarms = format!("{:?}", world.nodes[0].alarms);
    let count = alarms.matches("Lost").count();
    assert!((1..5).contains(&count), "{alarms}");
}
