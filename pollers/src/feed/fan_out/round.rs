//! One round of a message that several mappings share: from a receive until every mapping that was given it
//! has acked, and what the acks together say.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_batcher::{Receipt, Settle, Settlement};

use crate::feed::inbox::Consumer;

/// What an ack was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ack {
    /// It counts; with the settlement of the message if it was the last.
    Counted(Option<Settlement>),
    /// The round of this receipt is over: the message came again, or its receipt was lost.
    Late,
}

/// What one mapping is to a message that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// It is given the message.
    Wants,
    /// Its filter does not let the message through.
    Filters,
    /// It cannot be given the message now, and must not miss it.
    Absent,
    /// It could not be told what the message says: its queue keeps the message for it, as one that failed.
    Left,
}

#[derive(Debug)]
pub(super) struct Round {
    pub(super) receipt: Receipt,
    /// Who has not acked yet.
    open: BTreeSet<Consumer>,
    /// Somebody has not finished it and will not in this round.
    is_left: bool,
    /// Somebody absent has not finished it.
    is_missed: bool,
    /// One of them wants it to be shown at once.
    is_released: bool,
    /// The longest that one of them asked for before it is shown again.
    show_after: Option<Duration>,
}

impl Round {
    /// The round of a message for those who have not `done` it; whose filter does not want it has.
    pub(super) fn begin(
        receipt: Receipt,
        wishes: impl IntoIterator<Item = (Consumer, Wish)>,
        done: &mut BTreeSet<Consumer>,
    ) -> Self {
        let (open, show_after) = (BTreeSet::new(), None);
        let mut round =
            Self { receipt, open, is_left: false, is_missed: false, is_released: false, show_after };
        for (consumer, wish) in wishes {
            match wish {
                Wish::Wants if !done.contains(&consumer) => _ = round.open.insert(consumer),
                Wish::Wants => {}
                Wish::Filters => _ = done.insert(consumer),
                Wish::Absent => round.is_missed |= !done.contains(&consumer),
                // Shown at once, it would fail again and again until the queue takes it away.
                Wish::Left => round.is_left |= !done.contains(&consumer),
            }
        }
        round
    }

    /// Takes a mapping out of those who are waited for; whether it was one.
    pub(super) fn close(&mut self, consumer: &Consumer) -> bool {
        self.open.remove(consumer)
    }

    pub(super) fn waits_for(&self, consumer: &Consumer) -> bool {
        self.open.contains(consumer)
    }

    /// A mapping has not finished the message, and will not in this round.
    pub(super) fn leave(&mut self) {
        self.is_left = true;
    }

    /// The same, and wants it to be shown at once.
    pub(super) fn release(&mut self) {
        (self.is_left, self.is_released) = (true, true);
    }

    /// The same, and wants it to be shown after a while.
    pub(super) fn show_after(&mut self, wait: Duration) {
        (self.is_left, self.show_after) = (true, self.show_after.max(Some(wait)));
    }

    /// What is asked of the queue, once all have acked.
    ///
    /// | What holds first | The message |
    /// |---|---|
    /// | nobody lacks it | is deleted |
    /// | somebody handed it back | is shown at once |
    /// | only who is about to come lacks it | is shown at once |
    /// | somebody asked for a wait | is shown after the longest |
    /// | somebody failed it, or is absent | is left |
    pub(super) fn verdict(&self, shows_missed: bool) -> Option<Settle> {
        if !self.open.is_empty() {
            return None;
        }
        Some(match (self.is_left, self.is_missed) {
            (false, false) => Settle::Delete,
            (_, _) if self.is_released => Settle::Release,
            (false, true) if shows_missed => Settle::Release,
            (_, _) => self.show_after.map_or(Settle::Leave, Settle::ShowAfter),
        })
    }
}
