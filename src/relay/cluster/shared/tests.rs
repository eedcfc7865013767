use super::*;
use crate::relay::cluster::envelope::Run;
use bytes::Bytes;

const ME: Sender = Sender { node: 1, life: 1 };
const OTHER: Sender = Sender { node: 2, life: 1 };

fn parcel(number: u64) -> Parcel {
    Parcel {
        is_text: true,
        except: 0,
        payload: Bytes::from(number.to_string()),
    }
}

fn of(from: Sender, number: u64) -> Ordered {
    Ordered {
        from,
        sequence: 0,
        number,
        parcel: parcel(number),
    }
}

struct Case {
    shared: Shared,
    actions: Vec<Action>,
}

impl Case {
    fn new() -> Self {
        let keep = Retention {
            messages: 10,
            octets: 1 << 20,
            age: 60_000,
        };
        Self {
            shared: Shared::new(Topic::new("t").unwrap(), keep, 0),
            actions: Vec::new(),
        }
    }

    /// A short word for each action.
    fn told(&mut self) -> Vec<String> {
        let word = |action| match action {
            Action::Adopt {
                epoch,
                last,
                entries,
                ..
            } => format!("adopt {epoch}:{last} {}", entries.len()),
            Action::Deliver {
                place: Place::At { epoch, offset },
                ..
            } => format!("{epoch}:{offset}"),
            Action::Count { epoch, offset, .. } => format!("count {epoch}:{offset}"),
            Action::Missing { epoch, last, .. } => format!("missing {epoch}:{last}"),
            Action::GivenUp {
                node, count, run, ..
            } => match run {
                Some(run) => format!("lost {node}: {}-{}", run.first, run.last),
                None => format!("lost {node}: {count}"),
            },
            other => panic!("{other:?}"),
        };
        self.actions.drain(..).map(word).collect()
    }

    fn message(&mut self, epoch: u64, offset: u64, message: Ordered) -> Vec<String> {
        self.shared
            .message((epoch, offset), message, ME, &mut self.actions);
        self.told()
    }

    fn given_up(&mut self, count: u64, runs: &[(u64, u64)]) -> Vec<String> {
        let run = |(first, last): &(u64, u64)| Run {
            sequence: 0,
            first: *first,
            last: *last,
        };
        let runs: Vec<_> = runs.iter().map(run).collect();
        self.shared
            .given_up(OTHER, (1, count), (0, 0), &runs, &mut self.actions);
        self.told()
    }

    fn history(&mut self, epoch: u64, last: u64, entries: Vec<(u64, u64, Ordered)>) -> Vec<String> {
        assert!(self.shared.wants_read().is_some());
        self.shared
            .history(epoch, last, entries, (ME, true), &mut self.actions);
        self.told()
    }
}

#[test]
fn it_begins_with_what_is_kept_and_goes_on_behind_it() {
    let mut case = Case::new();
    assert!(case.message(7, 5, of(OTHER, 5)).is_empty());
    assert!(case.message(7, 6, of(OTHER, 6)).is_empty());
    let kept = vec![(4, 0, of(OTHER, 4)), (5, 0, of(OTHER, 5))];
    assert_eq!(case.history(7, 5, kept), ["adopt 7:5 2", "7:6"]);
    assert_eq!(case.message(7, 7, of(ME, 1)), ["7:7"]);
    assert!(case.message(7, 7, of(ME, 1)).is_empty());
    assert_eq!(case.shared.wants_read(), None);
}

#[test]
fn a_hole_is_read_and_what_is_not_kept_is_missing() {
    let mut case = Case::new();
    case.history(7, 2, vec![]);
    assert!(case.message(7, 6, of(OTHER, 6)).is_empty());
    let kept = vec![(5, 0, of(OTHER, 5)), (6, 0, of(OTHER, 6))];
    assert_eq!(case.history(7, 6, kept), ["missing 7:4", "7:5", "7:6"]);
    // After a connection, with nothing kept.
    assert_eq!(case.shared.down().count(), 0);
    assert_eq!(case.shared.wants_read(), Some(Some((7, 6))));
    case.shared.refused();
    assert_eq!(case.history(7, 9, vec![]), ["missing 7:9"]);
}

#[test]
fn what_was_read_before_the_hole_is_read_again() {
    let mut case = Case::new();
    case.history(7, 2, vec![]);
    assert!(case.message(7, 6, of(OTHER, 6)).is_empty());
    let kept = vec![(3, 0, of(OTHER, 3)), (4, 0, of(OTHER, 4))];
    assert_eq!(case.history(7, 4, kept), ["7:3", "7:4"]);
    let kept = vec![(5, 0, of(OTHER, 5)), (6, 0, of(OTHER, 6))];
    assert_eq!(case.history(7, 6, kept), ["7:5", "7:6"]);
}

#[test]
fn a_broker_that_forgot_begins_another_order_of_which_nothing_is_passed_over() {
    let mut case = Case::new();
    case.history(7, 2, vec![(2, 0, of(OTHER, 2))]);
    assert_eq!(case.message(8, 1, of(OTHER, 3)), ["adopt 8:0 0", "8:1"]);
    assert!(case.message(9, 3, of(OTHER, 6)).is_empty());
    // The one that was had before is sent again by a node that does not know that it arrived.
    let kept = vec![(2, 0, of(OTHER, 3)), (3, 0, of(OTHER, 6))];
    assert_eq!(
        case.history(9, 3, kept),
        ["adopt 9:0 0", "missing 9:1", "count 9:2", "9:3"]
    );
    // Nothing is kept any more: the next message begins.
    assert_eq!(case.shared.down().count(), 0);
    assert!(case.history(0, 0, vec![]).is_empty());
    assert_eq!(case.message(10, 1, of(OTHER, 7)), ["adopt 10:0 0", "10:1"]);
}

#[test]
fn what_an_order_took_with_it_is_told_by_the_numbers_of_its_publisher() {
    let mut case = Case::new();
    case.history(7, 2, vec![(2, 0, of(OTHER, 2))]);
    case.message(7, 3, of(ME, 1));
    // 3 and 4 went with the broker, and 2 is sent again by who does not know that it arrived.
    assert_eq!(
        case.message(8, 1, of(OTHER, 2)),
        ["adopt 8:0 0", "count 8:1"]
    );
    assert_eq!(case.message(8, 2, of(OTHER, 5)), ["lost 2: 3-4", "8:2"]);
    assert_eq!(case.shared.take_told(), 2);
    // What is left out in the same order was given up by its publisher, who says so.
    assert_eq!(case.message(8, 3, of(OTHER, 9)), ["8:3"]);
    assert_eq!(case.given_up(3, &[(6, 8)]), ["lost 2: 6-8"]);
    assert!(case.given_up(3, &[(6, 8)]).is_empty());
    assert_eq!(case.given_up(6, &[(6, 8), (11, 11)]), ["lost 2: 11-11"]);
    assert_eq!(
        case.given_up(9, &[(20, 20)]),
        ["lost 2: 2", "lost 2: 20-20"]
    );
    // One that goes on where it was has lost nothing, nor has this node.
    assert_eq!(case.message(9, 1, of(OTHER, 10)), ["adopt 9:0 0", "9:1"]);
    assert_eq!(case.message(9, 2, of(ME, 5)), ["9:2"]);
    assert_eq!(case.message(9, 3, of(OTHER, 12)), ["9:3"]);
}

#[test]
fn what_an_order_took_with_it_at_the_end_is_told_when_its_publisher_says_how_far_he_was() {
    let mut case = Case::new();
    case.history(7, 2, vec![(2, 0, of(OTHER, 2))]);
    case.message(8, 1, of(ME, 1));
    case.shared.mark(OTHER, 0, 4);
    // A part of it was given up, and that was said before.
    assert_eq!(case.given_up(1, &[(3, 3)]), ["lost 2: 3-3"]);
    assert_eq!(case.history(8, 1, vec![]), ["lost 2: 4-4"]);
    assert_eq!(case.message(8, 2, of(OTHER, 5)), ["8:2"]);
    // Where offsets are missing, these are told.
    assert_eq!(case.shared.down().count(), 0);
    let kept = vec![(4, 0, of(OTHER, 9))];
    assert_eq!(
        case.history(9, 4, kept),
        ["adopt 9:0 0", "missing 9:3", "9:4"]
    );
}

#[test]
fn a_topic_that_had_nothing_misses_nothing_of_its_first_order() {
    let mut case = Case::new();
    assert!(case.history(0, 0, vec![]).is_empty());
    assert!(case.message(7, 2, of(OTHER, 2)).is_empty());
    let kept = vec![(1, 0, of(OTHER, 1)), (2, 0, of(OTHER, 2))];
    assert_eq!(case.history(7, 2, kept), ["adopt 7:0 0", "7:1", "7:2"]);
}

#[test]
fn what_waited_too_long_only_counts_when_it_comes() {
    let mut case = Case::new();
    case.history(7, 1, vec![]);
    case.shared.published(0, 1, Some(parcel(1)));
    case.shared.published(0, 2, Some(parcel(2)));
    case.shared.published(0, 3, None);
    assert_eq!(case.shared.overdue(0, 1), Some(parcel(1)));
    assert_eq!(case.shared.overdue(0, 1), None);
    assert_eq!(case.shared.overdue(0, 3), None);
    assert_eq!(case.message(7, 2, of(ME, 1)), ["count 7:2"]);
    assert_eq!(case.message(7, 3, of(ME, 2)), ["7:3"]);
    assert_eq!(case.shared.overdue(0, 2), None);
    case.shared.renumbered(0, 3, (0, 9));
    assert_eq!(case.message(7, 4, of(ME, 9)), ["count 7:4"]);
    // When the connection ends nothing waits any longer, and all goes in its order.
    for number in [10, 11] {
        case.shared.published(0, number, Some(parcel(number)));
    }
    let waiting: Vec<_> = case.shared.down().collect();
    assert_eq!(waiting, [parcel(10), parcel(11)]);
    assert_eq!(case.shared.down().count(), 0);
}

#[test]
fn messages_of_two_orders_while_one_is_read_are_read_again() {
    let mut case = Case::new();
    case.history(7, 1, vec![]);
    case.message(7, 4, of(OTHER, 4));
    case.message(8, 2, of(OTHER, 6));
    let kept = vec![
        (2, 0, of(OTHER, 2)),
        (3, 0, of(OTHER, 3)),
        (4, 0, of(OTHER, 4)),
    ];
    assert_eq!(case.history(7, 4, kept), ["7:2", "7:3", "7:4"]);
    let kept = vec![(1, 0, of(OTHER, 5)), (2, 0, of(OTHER, 6))];
    assert_eq!(case.history(8, 2, kept), ["adopt 8:0 0", "8:1", "8:2"]);
    assert_eq!(case.shared.wants_read(), None);
}

#[test]
fn what_waits_for_a_read_is_bounded() {
    let mut case = Case::new();
    for offset in 2..200_000 {
        case.message(7, offset, of(OTHER, offset));
        assert!(case.shared.octets <= PENDING);
    }
    assert!(case.shared.wants_read().is_some());
    for number in 1..10_000 {
        case.shared.published(0, number, None);
    }
    assert_eq!(case.shared.own.len(), OWN);
}
