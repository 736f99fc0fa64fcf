//! What one channel is owed: which deliveries have no answer yet, and how answers are given in few frames.

use std::collections::{BTreeMap, BTreeSet};

/// The books of one channel. Tags are counted by the broker from 1, without a gap.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Deliveries that were given out and have no answer.
    owed: BTreeSet<u64>,
    /// Every delivery up to this one has its answer.
    low: u64,
    /// Stretches above it that have, by their first: one message that is held for long leaves few of them.
    answered: BTreeMap<u64, u64>,
}

/// How acks are sent: one for all up to a tag, then one by one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AckPlan {
    pub(super) up_to: Option<u64>,
    pub(super) single: Vec<u64>,
}

impl Ledger {
    /// A delivery was given out.
    pub(super) fn give(&mut self, tag: u64) {
        self.owed.insert(tag);
    }

    /// Whether an answer to it may be given: a second one would close the channel.
    pub(super) fn owes(&self, tag: u64) -> bool {
        self.owed.contains(&tag)
    }

    /// A delivery is answered for by itself, from now on.
    pub(super) fn answer(&mut self, tag: u64) -> bool {
        if !self.owed.remove(&tag) {
            return false;
        }
        self.note(tag);
        true
    }

    /// How to ack these, which are owed. One frame answers for all up to a tag only where each of them has its
    /// answer by then: it would take along what nobody has seen yet.
    pub(super) fn ack(&mut self, tags: &BTreeSet<u64>) -> AckPlan {
        for tag in tags {
            self.owed.remove(tag);
            self.note(*tag);
        }
        let low: Vec<u64> = tags.range(..=self.low).copied().collect();
        match low[..] {
            [.., _, last] => {
                AckPlan { up_to: Some(last), single: tags.range(self.low + 1..).copied().collect() }
            }
            [] | [_] => AckPlan { up_to: None, single: tags.iter().copied().collect() },
        }
    }

    /// A delivery has its answer: it joins the stretches beside it.
    fn note(&mut self, tag: u64) {
        let before = self.answered.range(..tag).next_back().filter(|(_, last)| **last + 1 == tag);
        let first = before.map_or(tag, |(first, _)| *first);
        let last = self.answered.remove(&(tag + 1)).unwrap_or(tag);
        self.answered.insert(first, last);
        if first == self.low + 1 {
            self.answered.remove(&first);
            self.low = last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(n: u64) -> Ledger {
        let mut ledger = Ledger::default();
        (1..=n).for_each(|tag| ledger.give(tag));
        ledger
    }

    fn ack(ledger: &mut Ledger, tags: &[u64]) -> AckPlan {
        ledger.ack(&tags.iter().copied().collect())
    }

    fn plan(up_to: Option<u64>, single: &[u64]) -> AckPlan {
        AckPlan { up_to, single: single.to_vec() }
    }

    #[test]
    fn one_frame_answers_for_all_below_it_and_never_for_one_that_is_owed_or_was_not_seen() {
        let mut ledger = given(6);
        assert_eq!(ack(&mut ledger, &[1, 2, 4]), plan(Some(2), &[4]));
        assert_eq!(ack(&mut ledger, &[5, 6]), plan(None, &[5, 6]), "3 is owed");
        assert_eq!(ack(&mut ledger, &[3]), plan(None, &[3]));
        // 7 is on its way: nobody has seen it.
        ledger.give(8);
        ledger.give(9);
        assert_eq!(ack(&mut ledger, &[8, 9]), plan(None, &[8, 9]));
        assert!(ledger.owed.is_empty());
        ledger.give(7);
        ledger.give(10);
        assert_eq!(ack(&mut ledger, &[7, 10]), plan(Some(10), &[]));
        assert!(ledger.answered.is_empty());
    }

    #[test]
    fn a_message_that_is_held_for_long_leaves_one_stretch_above_it() {
        let mut ledger = given(10_000);
        (2..=10_000).rev().step_by(2).for_each(|tag| assert!(ledger.answer(tag)));
        (2..10_000).filter(|it| it % 2 == 1).for_each(|tag| assert!(ledger.answer(tag)));
        assert_eq!((ledger.answered.len(), ledger.low), (1, 0));
        assert_eq!(ack(&mut ledger, &[1]), plan(None, &[1]));
        assert_eq!((ledger.answered.len(), ledger.low), (0, 10_000));
    }

    #[test]
    fn an_answer_is_given_once() {
        let mut ledger = given(2);
        assert_eq!(
            (ledger.owes(1), ledger.answer(1), ledger.answer(1), ledger.owes(1)),
            (true, true, false, false)
        );
        assert_eq!(ack(&mut ledger, &[2]), plan(None, &[2]));
    }
}
