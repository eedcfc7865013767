//! The other nodes: which there are, and what is known of each.

use super::envelope::Sender;
use super::presence::Theirs;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Debug)]
pub(super) struct Nodes {
    all: BTreeMap<Sender, Node>,
    /// How many are there.
    live: u64,
    /// What all copies of who is present count.
    present: usize,
}

#[derive(Debug)]
pub(super) struct Node {
    /// When it was heard of.
    pub(super) heard: u64,
    standing: Standing,
    pub(super) theirs: Theirs,
    floors: VecDeque<Floor>,
    /// The last operation that wants an answer, and the last that does not.
    operations: [u64; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Here,
    /// It was not heard of, and may be heard of again.
    Gone,
    /// It said goodbye, or another life of it was heard of.
    Over,
}

/// While events up to this one came, sequences began with this number.
#[derive(Debug)]
struct Floor {
    index: u64,
    next: u64,
}

/// What it means that a node was heard of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is there, as before.
    Known,
    /// It was not there before. Earlier lives of it, which are over with that.
    New(Vec<Sender>),
    /// Its life is over.
    Nobody,
}

impl Nodes {
    pub(super) const fn new() -> Self {
        Self {
            all: BTreeMap::new(),
            live: 0,
            present: 0,
        }
    }

    pub(super) fn hear(&mut self, from: Sender, now: u64) -> Heard {
        let standing = self.all.get(&from).map(|node| node.standing);
        if standing == Some(Standing::Over) {
            return Heard::Nobody;
        }
        if standing.is_none() && self.all.len() >= MOST && !self.make_room() {
            return Heard::Nobody;
        }
        let node = self.all.entry(from).or_insert_with(|| Node {
            heard: now,
            standing: Standing::Gone,
            theirs: Theirs::default(),
            floors: VecDeque::new(),
            operations: [0; 2],
        });
        node.heard = now;
        if std::mem::replace(&mut node.standing, Standing::Here) == Standing::Here {
            return Heard::Known;
        }
        self.live += 1;
        let (first, last) = (
            Sender { life: 0, ..from },
            Sender {
                life: u64::MAX,
                ..from
            },
        );
        let lives = self.all.range(first..=last);
        let lives = lives.filter(|(life, node)| **life != from && node.standing != Standing::Over);
        Heard::New(lives.map(|(life, _)| *life).collect())
    }

    pub(super) fn get(&self, node: Sender) -> Option<&Node> {
        self.all.get(&node)
    }

    pub(super) fn get_mut(&mut self, node: Sender) -> Option<&mut Node> {
        self.all.get_mut(&node)
    }

    /// Has the copy of who is present on a node do something, with the octets that it may have; those of all together are `most`.
    pub(super) fn with_present<T>(
        &mut self,
        node: Sender,
        most: usize,
        code: impl FnOnce(&mut Theirs, usize) -> T,
    ) -> Option<T> {
        let theirs = &mut self.all.get_mut(&node)?.theirs;
        let others = self.present.saturating_sub(theirs.octets());
        let done = code(theirs, most.saturating_sub(others));
        self.present = others + theirs.octets();
        Some(done)
    }

    /// A node is gone, for good if its life is over; `false` if it was before.
    pub(super) fn depart(&mut self, node: Sender, is_over: bool) -> bool {
        let Some(node) = self.all.get_mut(&node) else {
            return false;
        };
        let standing = if is_over {
            Standing::Over
        } else {
            Standing::Gone
        };
        let was_here = std::mem::replace(&mut node.standing, standing) == Standing::Here;
        self.live -= u64::from(was_here);
        was_here
    }

    pub(super) fn is_here(&self, node: Sender) -> bool {
        let node = self.all.get(&node);
        node.is_some_and(|node| node.standing == Standing::Here)
    }

    /// Those that are there.
    pub(super) fn here(&self) -> impl Iterator<Item = (Sender, &Node)> {
        self.all
            .iter()
            .filter(|(_, node)| node.standing == Standing::Here)
            .map(|(sender, node)| (*sender, node))
    }

    pub(super) fn senders(&self) -> BTreeSet<Sender> {
        self.here().map(|(sender, _)| sender).collect()
    }

    /// Those that were heard of since then and have not said goodbye.
    pub(super) fn heard_since(&self, then: u64) -> BTreeSet<Sender> {
        let all = self.all.iter();
        let heard = all.filter(|(_, node)| node.standing != Standing::Over && node.heard >= then);
        heard.map(|(sender, _)| *sender).collect()
    }

    pub(super) const fn len(&self) -> u64 {
        self.live
    }

    /// From which sequence on nothing can have come before a channel was taken with this event.
    pub(super) fn floor(&self, node: Sender, index: u64) -> Option<u64> {
        let floors = &self.all.get(&node)?.floors;
        let at = floors.partition_point(|floor| floor.index <= index);
        floors.get(at).map(|floor| floor.next)
    }

    /// Forgets those that have not been heard of for long.
    pub(super) fn sweep(&mut self, now: u64) {
        self.all
            .retain(|_, node| node.standing == Standing::Here || now < node.heard + KEPT);
    }

    fn make_room(&mut self) -> bool {
        let gone = self.all.iter();
        let oldest = gone
            .filter(|(_, node)| node.standing != Standing::Here)
            .min_by_key(|(_, node)| node.heard);
        let Some(oldest) = oldest.map(|(sender, _)| *sender) else {
            return false;
        };
        self.all.remove(&oldest).is_some()
    }
}

impl Node {
    /// It said with this event which number its next sequence has.
    pub(super) fn floor(&mut self, index: u64, next: u64) {
        match self.floors.back_mut() {
            Some(last) if last.next >= next => last.index = index,
            _ => self.floors.push_back(Floor { index, next }),
        }
        if self.floors.len() > FLOORS {
            // Who would have needed it takes the next one, which is higher: it knows less, and nothing wrong.
            self.floors.pop_front();
        }
    }

    /// Whether an operation has not come before.
    pub(super) const fn is_new(&mut self, asks: bool, id: u64) -> bool {
        let last = &mut self.operations[asks as usize];
        let is_new = id > *last;
        if is_new {
            *last = id;
        }
        is_new
    }
}

/// The nodes that are held, with those that are gone.
const MOST: usize = 1 << 12;

/// What is held of when sequences began.
const FLOORS: usize = 1 << 10;

/// For how many milliseconds a node is remembered that is gone.
const KEPT: u64 = 600_000;

#[cfg(test)]
mod tests {
    use super::*;

    const A: Sender = Sender { node: 1, life: 5 };
    const AGAIN: Sender = Sender { node: 1, life: 3 };
    const B: Sender = Sender { node: 2, life: 5 };

    #[test]
    fn a_new_life_ends_the_old_one_for_good() {
        let mut nodes = Nodes::new();
        assert_eq!(nodes.hear(A, 0), Heard::New(vec![]));
        assert_eq!(nodes.hear(A, 1), Heard::Known);
        assert_eq!(nodes.hear(B, 1), Heard::New(vec![]));
        assert_eq!(nodes.hear(AGAIN, 2), Heard::New(vec![A]));
        assert!(nodes.depart(A, true) && !nodes.depart(A, true));
        assert_eq!(nodes.hear(A, 3), Heard::Nobody);
        assert_eq!(nodes.len(), 2);
        assert!(nodes.depart(B, false));
        assert_eq!(nodes.senders(), [AGAIN].into());
        assert_eq!(nodes.hear(B, 4), Heard::New(vec![]));
        nodes.depart(B, false);
        nodes.sweep(KEPT + 3);
        assert!(nodes.get(A).is_none() && nodes.get(B).is_some());
    }

    #[test]
    fn a_sequence_is_new_if_the_node_said_so_after_the_channel_was_taken() {
        let mut nodes = Nodes::new();
        nodes.hear(A, 0);
        assert_eq!(nodes.floor(A, 0), None);
        let node = nodes.get_mut(A).unwrap();
        node.floor(1, 0);
        node.floor(4, 0);
        node.floor(6, 2);
        node.floor(8, 2);
        node.floor(9, 7);
        assert_eq!(nodes.floor(A, 0), Some(0));
        assert_eq!(nodes.floor(A, 3), Some(0));
        assert_eq!(nodes.floor(A, 4), Some(2));
        assert_eq!(nodes.floor(A, 7), Some(2));
        assert_eq!(nodes.floor(A, 8), Some(7));
        assert_eq!(nodes.floor(A, 9), None);
    }

    #[test]
    fn an_operation_is_done_once() {
        let mut nodes = Nodes::new();
        nodes.hear(A, 0);
        let node = nodes.get_mut(A).unwrap();
        assert!(node.is_new(true, 1) && node.is_new(false, 1));
        assert!(!node.is_new(true, 1) && node.is_new(true, 5) && !node.is_new(true, 4));
    }

    #[test]
    fn strangers_do_not_fill_the_memory() {
        let mut nodes = Nodes::new();
        for node in 1..=MOST as u64 {
            nodes.hear(Sender { node, life: 0 }, node);
        }
        let next = Sender {
            node: MOST as u64 + 1,
            life: 0,
        };
        assert_eq!(nodes.hear(next, 0), Heard::Nobody);
        nodes.depart(Sender { node: 7, life: 0 }, false);
        assert_eq!(nodes.hear(next, 0), Heard::New(vec![]));
        assert_eq!(nodes.len(), MOST as u64);
    }
}
