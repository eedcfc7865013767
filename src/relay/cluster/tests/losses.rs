//! What is missing of a shared order and has no place in it.

use super::*;
use crate::relay::cluster::envelope::Run;

#[test]
fn what_a_shared_topic_gives_up_is_told_once_to_all_others() {
    let mut world = World::new(3, true);
    world.attach(0, keep());
    world.attach(1, keep());
    let given_up = |first, last| Action::GivenUp {
        topic: topic(),
        node: 1,
        count: last - first + 1,
        run: Some(Run {
            sequence: 0,
            first,
            last,
        }),
    };
    // Too much waits while the broker is away.
    world.disconnect(0);
    world.nodes[0].outbox = Outbox::new(2 * 129, OutboxPolicy::DropOldest);
    for text in ["a", "b", "c", "d", "e"] {
        world.publish(0, text, keep());
    }
    world.disconnect(1);
    world.connect(0);
    world.pass(1_100);
    // One that had no connection then hears of it when it has one, one that comes later does not.
    world.take(0);
    world.connect(1);
    world.pass(2_000);
    let told = world.take(1);
    assert_eq!(
        told.iter().filter(|told| **told == given_up(1, 3)).count(),
        1
    );
    assert!(told.iter().any(|told| matches!(
        told,
        Action::Deliver {
            place: Place::At { offset: 2, .. },
            ..
        }
    )));
    world.attach(2, keep());
    world.pass(30_000);
    for at in 0..3 {
        let told = world.take(at);
        assert!(
            !told
                .iter()
                .any(|told| matches!(told, Action::GivenUp { .. }))
        );
    }
    assert_eq!(world.nodes[1].standing(world.now).lost, 3);
    // The broker refuses one for good, under a new number each time.
    world.refuses = true;
    world.publish(0, "f", keep());
    world.pass(3_000);
    world.refuses = false;
    world.pass(12_000);
    assert_eq!(world.nodes[0].standing(world.now).dropped, 4);
    for at in 1..3 {
        assert_eq!(world.take(at).last(), Some(&given_up(9, 9)), "node {at}");
    }
    // In the end it is forgotten.
    world.pass(70_000);
    assert!(format!("{:?}", world.nodes[0].losses).contains("all: {}"));
}

#[test]
fn what_a_broker_forgot_before_all_had_it_is_told_with_its_numbers() {
    let mut world = World::new(2, true);
    world.attach(0, keep());
    world.attach(1, keep());
    world.publish(0, "a", keep());
    world.disconnect(1);
    world.take(1);
    // The broker has these, and dies with them.
    world.publish(0, "b", keep());
    world.publish(0, "c", keep());
    world.disconnect(0);
    world.history.clear();
    world.epoch += 1;
    world.connect(0);
    world.connect(1);
    world.pass(1_200);
    world.publish(0, "d", keep());
    let epoch = world.epoch;
    let begins = Action::Adopt {
        topic: topic(),
        epoch,
        last: 0,
        entries: Vec::new(),
    };
    let lost = Action::GivenUp {
        topic: topic(),
        node: 1,
        count: 2,
        run: Some(Run {
            sequence: 0,
            first: 2,
            last: 3,
        }),
    };
    let place = Place::At { epoch, offset: 1 };
    assert_eq!(world.take(1), [begins, lost, deliver("d", place)]);
    assert_eq!(world.nodes[1].standing(world.now).lost, 2);
}
