//! Runs of numbers: which messages of a node are missing, where the order is the broker's and says nothing of them.

use super::envelope::Run;
use std::collections::VecDeque;

impl Run {
    /// How many there are.
    pub(super) const fn len(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }

    /// Whether a number follows those that are there.
    const fn goes_on(&self, sequence: u64, number: u64) -> bool {
        self.sequence == sequence && self.last.saturating_add(1) == number
    }

    /// What is left of it without another one: what is before that, and what is behind it.
    fn without(self, other: &Self) -> impl Iterator<Item = Self> + use<> {
        let is_apart =
            self.sequence != other.sequence || self.last < other.first || other.last < self.first;
        let (before, behind) = if is_apart {
            (Some(self), None)
        } else {
            let before = Self {
                last: other.first.saturating_sub(1),
                ..self
            };
            let behind = Self {
                first: other.last.saturating_add(1),
                ..self
            };
            (
                Some(before).filter(|_| self.first < other.first),
                Some(behind).filter(|_| other.last < self.last),
            )
        };
        before.into_iter().chain(behind)
    }
}

/// The last runs, in the order in which they came to be.
#[derive(Debug, Default)]
pub(super) struct Runs(VecDeque<Run>);

impl Runs {
    /// Another number.
    pub(super) fn add(&mut self, sequence: u64, number: u64) {
        match self.0.back_mut() {
            Some(last) if last.goes_on(sequence, number) => last.last = number,
            _ => self.push(Run {
                sequence,
                first: number,
                last: number,
            }),
        }
    }

    pub(super) fn to_vec(&self) -> Vec<Run> {
        self.0.iter().copied().collect()
    }

    /// What of a run is news; it is known then.
    pub(super) fn news(&mut self, run: Run) -> Vec<Run> {
        let mut news = vec![run];
        for known in &self.0 {
            let parts = news.into_iter().flat_map(|part| part.without(known));
            news = parts.collect();
        }
        for part in &news {
            self.push(*part);
        }
        news
    }

    fn push(&mut self, run: Run) {
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(run);
    }
}

/// The last so many numbers of some runs, as runs, and how many are in none of them.
pub(super) fn newest(runs: &[Run], count: u64) -> (Vec<Run>, u64) {
    let mut left = count;
    let mut found = Vec::new();
    for run in runs.iter().rev() {
        let taken = run.len().min(left);
        if taken == 0 {
            break;
        }
        left -= taken;
        found.push(Run {
            first: run.last.saturating_sub(taken - 1),
            ..*run
        });
    }
    found.reverse();
    (found, left)
}

/// The runs that are held. What was given up at once follows on, so that one is enough for each time that a broker is away.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const fn run(first: u64, last: u64) -> Run {
        Run {
            sequence: 3,
            first,
            last,
        }
    }

    #[test]
    fn numbers_that_follow_are_one_run() {
        let mut runs = Runs::default();
        for number in [1, 2, 3, 7, 8, 5] {
            runs.add(3, number);
        }
        runs.add(4, 6);
        let of_next = Run {
            sequence: 4,
            ..run(6, 6)
        };
        let all = [run(1, 3), run(7, 8), run(5, 5), of_next];
        assert_eq!(runs.to_vec(), all);
        assert_eq!(
            newest(&all[..3], 4),
            (vec![run(3, 3), run(7, 8), run(5, 5)], 0)
        );
        assert_eq!(newest(&all[..1], 5), (vec![run(1, 3)], 2));
        assert_eq!(newest(&all, 0), (vec![], 0));
        for number in 0..1_000 {
            runs.add(9, 2 * number);
        }
        assert_eq!(runs.to_vec().len(), MOST);
    }

    #[test]
    fn nothing_is_told_twice() {
        let mut told = Runs::default();
        assert_eq!(told.news(run(5, 9)), [run(5, 9)]);
        assert_eq!(told.news(run(6, 8)), []);
        assert_eq!(told.news(run(1, 20)), [run(1, 4), run(10, 20)]);
        assert_eq!(told.news(run(20, 21)), [run(21, 21)]);
        let of_another = Run {
            sequence: 2,
            ..run(5, 9)
        };
        assert_eq!(told.news(of_another), [of_another]);
    }
}
