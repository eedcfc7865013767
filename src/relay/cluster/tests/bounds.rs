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
