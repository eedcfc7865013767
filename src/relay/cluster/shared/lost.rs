//! What is missing of a topic in the broker's order and has no offset there: it is told by the numbers of whoever published it.

use super::{SEEN, Shared};
use crate::relay::cluster::envelope::{Run, Sender};
use crate::relay::cluster::runs::newest;
use crate::relay::cluster::words::Action;
use std::cmp::Ordering;

impl Shared {
    /// A node says how many messages it has given up, the last one so many milliseconds ago, and which these were. What is news here is
    /// told.
    pub(in crate::relay::cluster) fn given_up(
        &mut self,
        from: Sender,
        count: (u64, u64),
        age: (u32, u64),
        runs: &[Run],
        actions: &mut impl Extend<Action>,
    ) {
        let news = self.news_of(from, count, age);
        let (runs, unknown) = newest(runs, news);
        if unknown > 0 {
            self.tell(from, unknown, None, actions);
        }
        for run in runs {
            self.tell_run(from, run, actions);
        }
    }

    /// How many of those that were given up are news here.
    fn news_of(&mut self, from: Sender, (id, count): (u64, u64), (age, now): (u32, u64)) -> u64 {
        if self.lost.len() >= SEEN && !self.lost.contains_key(&from) {
            self.lost.pop_first();
        }
        let known = self.lost.entry(from).or_insert((0, 0));
        let news = match id.cmp(&known.0) {
            Ordering::Less => return 0,
            Ordering::Equal => count.saturating_sub(known.1),
            Ordering::Greater => count,
        };
        if news > 0 {
            *known = (id, count);
        }
        // Those that subscribe have come since; clocks do not run alike.
        let here = now.saturating_sub(self.since);
        if u64::from(age) > here + here / 32 + SLACK {
            return 0;
        }
        news
    }

    /// Messages of another node are missing that have no offset.
    fn tell_run(&mut self, from: Sender, run: Run, actions: &mut impl Extend<Action>) {
        if self.told.len() >= SEEN && !self.told.contains_key(&from) {
            self.told.pop_first();
        }
        for run in self.told.entry(from).or_default().news(run) {
            self.tell(from, run.len(), Some(run), actions);
        }
    }

    fn tell(
        &mut self,
        from: Sender,
        count: u64,
        run: Option<Run>,
        actions: &mut impl Extend<Action>,
    ) {
        self.told_count = self.told_count.saturating_add(count);
        actions.extend([Action::GivenUp {
            topic: self.topic.clone(),
            node: from.node,
            count,
            run,
        }]);
    }

    /// How many messages without offsets were told to be missing since it was asked last.
    pub(in crate::relay::cluster) const fn take_told(&mut self) -> u64 {
        std::mem::replace(&mut self.told_count, 0)
    }

    /// A node goes on with this message in an order that began when the broker forgot another: what it had said before in that, and nobody
    /// here has had, is lost. Where offsets are missing as well, these have told it.
    pub(super) fn settle(
        &mut self,
        from: Sender,
        next: (u64, u64),
        actions: &mut impl Extend<Action>,
    ) {
        let Some(had) = self.seen.get(&from).copied() else {
            return;
        };
        if next <= had || !self.unsettled.remove(&from) || !self.is_whole || next.0 != had.0 {
            return;
        }
        let run = Run {
            sequence: had.0,
            first: had.1.saturating_add(1),
            last: next.1.saturating_sub(1),
        };
        if run.first <= run.last {
            self.tell_run(from, run, actions);
        }
    }

    /// Everything was read: whoever says that there were more messages has lost them.
    pub(super) fn settle_marked(&mut self, me: Sender, actions: &mut impl Extend<Action>) {
        let marked = |from: &Sender| Some((*from, *self.marked.get(from)?));
        let marked: Vec<_> = self.unsettled.iter().filter_map(marked).collect();
        for (from, (sequence, last)) in marked {
            if from != me {
                self.settle(from, (sequence, last.saturating_add(1)), actions);
            }
        }
    }
}

/// Milliseconds that what a node says of what it gave up may have been under way.
const SLACK: u64 = 1_000;
