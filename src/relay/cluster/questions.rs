//! What was asked of all nodes, and who has answered.

use super::envelope::Sender;
use super::words::{Answer, Answers};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(super) struct Questions {
    open: BTreeMap<u64, Open>,
    next: u64,
}

#[derive(Debug)]
struct Open {
    waits_for: BTreeSet<Sender>,
    answers: BTreeMap<Sender, Answer>,
    octets: usize,
}

impl Questions {
    /// Ids begin at `first`.
    pub(super) const fn new(first: u64) -> Self {
        Self {
            open: BTreeMap::new(),
            next: first,
        }
    }

    pub(super) const fn next_id(&mut self) -> u64 {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        id
    }

    /// Waits for the answers of these; `false` when there are too many questions.
    pub(super) fn open(&mut self, id: u64, waits_for: BTreeSet<Sender>) -> bool {
        if self.open.len() >= MOST {
            return false;
        }
        let answers = BTreeMap::new();
        let open = Open {
            waits_for,
            answers,
            octets: 0,
        };
        self.open.insert(id, open);
        true
    }

    /// Takes the first answer of one who was asked; gives all of them when it was the last.
    pub(super) fn answered(&mut self, id: u64, from: Sender, answer: Answer) -> Option<Answers> {
        let open = self.open.get_mut(&id)?;
        let octets = open.octets.saturating_add(answer.text.len());
        // Who was not asked, or has answered, has nothing to say; nor has who says more than anybody would.
        if octets > OCTETS || !open.waits_for.remove(&from) {
            return None;
        }
        open.octets = octets;
        open.answers.insert(from, answer);
        if open.waits_for.is_empty() {
            self.close(id)
        } else {
            None
        }
    }

    /// Gives what there is.
    pub(super) fn close(&mut self, id: u64) -> Option<Answers> {
        let open = self.open.remove(&id)?;
        Some(Answers {
            answers: open
                .answers
                .into_iter()
                .map(|(sender, answer)| (sender.node, answer))
                .collect(),
            missing: open.waits_for.iter().map(|sender| sender.node).collect(),
        })
    }
}

/// The octets of all answers to a question.
const OCTETS: usize = 16 << 20;

/// The questions that may be open.
const MOST: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    const A: Sender = Sender { node: 1, life: 1 };
    const B: Sender = Sender { node: 2, life: 1 };

    #[test]
    fn the_last_answer_closes_a_question() {
        let mut questions = Questions::new(u64::MAX);
        let id = questions.next_id();
        assert!(questions.open(id, [A, B].into()));
        assert_eq!(questions.answered(id, A, Answer::default()), None);
        assert_eq!(questions.answered(id, A, Answer::default()), None);
        let answers = questions.answered(id, B, Answer::default()).unwrap();
        assert_eq!((answers.answers.len(), answers.missing.len()), (2, 0));
        assert_eq!(questions.answered(id, B, Answer::default()), None);
        assert_eq!(questions.next_id(), 0);
    }

    #[test]
    fn who_has_not_answered_is_named() {
        let mut questions = Questions::new(1);
        let id = questions.next_id();
        questions.open(id, [A, B].into());
        questions.answered(id, B, Answer::default());
        let stranger = Sender { node: 3, life: 1 };
        assert_eq!(questions.answered(id, stranger, Answer::default()), None);
        let long = Answer {
            count: 1,
            text: vec![0; OCTETS + 1].into(),
        };
        assert_eq!(questions.answered(id, A, long), None);
        let answers = questions.close(id).unwrap();
        assert_eq!(answers.missing, [1]);
        assert_eq!(answers.answers, [(2, Answer::default())]);
        for id in 0..MOST as u64 {
            assert!(questions.open(id + 10, [A].into()));
        }
        assert!(!questions.open(5, [A].into()));
    }
}
