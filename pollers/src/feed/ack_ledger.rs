//! Who has finished a message that several mappings share: it is deleted when all have, and comes again only
//! for those who have not.
//!
//! A round lasts from a receive until every mapping that was given the message has acked with its settlement.
//! Until then only extensions reach the queue. What a mapping finished is remembered over the rounds, for a
//! bounded number of messages: a forgotten one is a repeat, never a loss.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Generation, Receipt, RecordId, Settle, Settlement};

/// A mapping's name, by which its acks are known over its restarts.
pub(super) type Consumer = Arc<str>;

/// Messages whose acks are remembered, by default.
pub(super) const LEDGER_MAX: usize = 100_000;

/// The acks on the messages of one queue.
#[derive(Debug)]
pub(super) struct AckLedger {
    by_id: BTreeMap<RecordId, Acks>,
    by_receipt: BTreeMap<Receipt, RecordId>,
    /// Messages between their rounds, by when their last round ended.
    resting: BTreeMap<u64, RecordId>,
    n_rests: u64,
    max: usize,
    n_forgotten: u64,
    /// A message that only somebody absent has not finished is shown at once, not left: whoever it is will
    /// soon be there, or all are leaving.
    pub(super) shows_missed: bool,
}

/// The acks on one message.
#[derive(Debug, Default)]
struct Acks {
    round: Option<Round>,
    /// Who finished it, in any round.
    done: BTreeSet<Consumer>,
    /// Its place among those that rest.
    rest: Option<u64>,
}

#[derive(Debug)]
struct Round {
    receipt: Receipt,
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
}

impl AckLedger {
    pub(super) fn new(max: usize) -> Self {
        let (by_id, by_receipt, resting) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { by_id, by_receipt, resting, n_rests: 0, max, n_forgotten: 0, shows_missed: false }
    }

    /// Nothing is held or remembered.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Messages whose round is open.
    pub(super) fn n_open(&self) -> usize {
        self.by_receipt.len()
    }

    /// Messages whose acks were forgotten for want of room.
    pub(super) fn n_forgotten(&self) -> u64 {
        self.n_forgotten
    }

    /// The newest receipt of a message whose round is open.
    pub(super) fn receipt_of(&self, id: &RecordId) -> Option<&Receipt> {
        self.by_id.get(id)?.round.as_ref().map(|round| &round.receipt)
    }

    /// The receipts of a generation under which messages are out.
    pub(super) fn receipts_of(&self, generation: Generation) -> Vec<Receipt> {
        self.by_receipt.keys().filter(|it| it.generation == generation).cloned().collect()
    }

    /// A mapping has finished the message in an earlier round.
    pub(super) fn has_finished(&self, id: &RecordId, consumer: &Consumer) -> bool {
        self.by_id.get(id).is_some_and(|acks| acks.done.contains(consumer))
    }

    /// A message came: begins its round. What is returned is the settlement of a message that nobody is
    /// given.
    pub(super) fn begin(
        &mut self,
        id: &RecordId,
        receipt: Receipt,
        wishes: impl IntoIterator<Item = (Consumer, Wish)>,
    ) -> Option<Settlement> {
        let acks = self.by_id.entry(id.clone()).or_default();
        if let Some(rest) = acks.rest.take() {
            self.resting.remove(&rest);
        }
        // A round that is still open is over: the message has a new receipt.
        if let Some(old) = acks.round.take() {
            self.by_receipt.remove(&old.receipt);
        }
        let mut round = Round {
            receipt: receipt.clone(),
            open: BTreeSet::new(),
            is_left: false,
            is_missed: false,
            is_released: false,
            show_after: None,
        };
        for (consumer, wish) in wishes {
            match wish {
                Wish::Wants if !acks.done.contains(&consumer) => _ = round.open.insert(consumer),
                Wish::Wants => {}
                Wish::Filters => _ = acks.done.insert(consumer),
                Wish::Absent => round.is_missed |= !acks.done.contains(&consumer),
            }
        }
        acks.round = Some(round);
        self.by_receipt.insert(receipt, id.clone());
        self.conclude(id)
    }

    /// A mapping settles its part of a message.
    pub(super) fn ack(&mut self, consumer: &Consumer, settlement: &Settlement) -> Ack {
        let Some(id) = self.by_receipt.get(&settlement.receipt).cloned() else { return Ack::Late };
        let Some(acks) = self.by_id.get_mut(&id) else { return Ack::Late };
        let Some(round) = acks.round.as_mut().filter(|round| round.open.contains(consumer)) else {
            return Ack::Late;
        };
        round.open.remove(consumer);
        match settlement.how {
            Settle::Delete => _ = acks.done.insert(Arc::clone(consumer)),
            Settle::Leave => round.is_left = true,
            Settle::ShowAfter(wait) => {
                (round.is_left, round.show_after) = (true, round.show_after.max(Some(wait)))
            }
            Settle::Release | Settle::Nack => (round.is_left, round.is_released) = (true, true),
        }
        Ack::Counted(self.conclude(&id))
    }

    /// A mapping is gone: what it was given and did not finish comes again.
    pub(super) fn leave(&mut self, consumer: &Consumer) -> Vec<Settlement> {
        let is_hit = |acks: &Acks| acks.round.as_ref().is_some_and(|round| round.open.contains(consumer));
        let hit: Vec<RecordId> =
            self.by_id.iter().filter(|(_, acks)| is_hit(acks)).map(|(id, _)| id.clone()).collect();
        let mut settlements = Vec::new();
        for id in hit {
            if let Some(round) = self.by_id.get_mut(&id).and_then(|acks| acks.round.as_mut()) {
                round.open.remove(consumer);
                round.is_left = true;
            }
            settlements.extend(self.conclude(&id));
        }
        settlements
    }

    /// A receipt is void: its round is over, whoever has not acked.
    pub(super) fn lose(&mut self, receipt: &Receipt) {
        let Some(id) = self.by_receipt.remove(receipt) else { return };
        self.rest(&id);
    }

    /// The message was deleted: nothing more will be heard of it.
    pub(super) fn forget(&mut self, receipt: &Receipt) {
        let Some(id) = self.by_receipt.remove(receipt) else { return };
        self.remove(&id);
    }

    /// Ends a round in which all have acked. A deletion stays in the books until [`Self::forget`] or
    /// [`Self::lose`]: while it has not taken effect the message can come again, and then nobody wants it.
    fn conclude(&mut self, id: &RecordId) -> Option<Settlement> {
        let round = self.by_id.get(id)?.round.as_ref().filter(|round| round.open.is_empty())?;
        let how = match (round.is_left, round.is_missed) {
            (false, false) => Settle::Delete,
            (_, _) if round.is_released => Settle::Release,
            (false, true) if self.shows_missed => Settle::Release,
            (_, _) => round.show_after.map_or(Settle::Leave, Settle::ShowAfter),
        };
        let receipt = round.receipt.clone();
        if how != Settle::Delete {
            self.by_receipt.remove(&receipt);
            self.rest(id);
        }
        Some(Settlement { receipt, how })
    }

    /// Remembers who has finished the message until it comes again; the oldest is forgotten where there is no
    /// room.
    fn rest(&mut self, id: &RecordId) {
        let Some(acks) = self.by_id.get_mut(id) else { return };
        acks.round = None;
        if acks.done.is_empty() {
            return self.remove(id);
        }
        self.n_rests += 1;
        acks.rest = Some(self.n_rests);
        self.resting.insert(self.n_rests, id.clone());
        while self.resting.len() > self.max {
            let Some((_, oldest)) = self.resting.pop_first() else { return };
            self.n_forgotten += 1;
            self.by_id.remove(&oldest);
        }
    }

    fn remove(&mut self, id: &RecordId) {
        if let Some(rest) = self.by_id.remove(id).and_then(|acks| acks.rest) {
            self.resting.remove(&rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::contract::Draw;

    fn receipt(n: u64) -> Receipt {
        Receipt { handle: Bytes::copy_from_slice(&n.to_be_bytes()), generation: Generation(0) }
    }

    fn consumer(n: usize) -> Consumer {
        format!("mapping-{n}").into()
    }

    fn ack(ledger: &mut AckLedger, who: usize, n: u64, how: Settle) -> Ack {
        ledger.ack(&consumer(who), &Settlement { receipt: receipt(n), how })
    }

    fn settle(n: u64, how: Settle) -> Option<Settlement> {
        Some(Settlement { receipt: receipt(n), how })
    }

    const ID: [u8; 1] = [7];

    fn begin(ledger: &mut AckLedger, n: u64, wishes: &[Wish]) -> Option<Settlement> {
        ledger.begin(
            &RecordId::new(&ID),
            receipt(n),
            wishes.iter().enumerate().map(|(at, wish)| (consumer(at), *wish)),
        )
    }

    #[test]
    fn a_message_is_deleted_with_the_last_vote_and_not_before() {
        let mut ledger = AckLedger::new(9);
        assert_eq!(begin(&mut ledger, 1, &[Wish::Wants, Wish::Wants, Wish::Filters]), None);
        assert_eq!(ack(&mut ledger, 0, 1, Settle::Delete), Ack::Counted(None));
        assert_eq!(ack(&mut ledger, 0, 1, Settle::Delete), Ack::Late, "one ack each");
        assert_eq!(ack(&mut ledger, 1, 1, Settle::Delete), Ack::Counted(settle(1, Settle::Delete)));
        ledger.forget(&receipt(1));
        assert!(ledger.is_empty());
    }

    #[test]
    fn what_nobody_wants_is_deleted_at_once() {
        let mut ledger = AckLedger::new(9);
        assert_eq!(begin(&mut ledger, 1, &[Wish::Filters, Wish::Filters]), settle(1, Settle::Delete));
    }

    #[test]
    fn a_failed_message_comes_again_only_for_those_who_have_not_finished_it() {
        let mut ledger = AckLedger::new(9);
        begin(&mut ledger, 1, &[Wish::Wants, Wish::Wants]);
        ack(&mut ledger, 0, 1, Settle::Delete);
        assert_eq!(ack(&mut ledger, 1, 1, Settle::Leave), Ack::Counted(settle(1, Settle::Leave)));
        assert!(ledger.has_finished(&RecordId::new(&ID), &consumer(0)));
        begin(&mut ledger, 2, &[Wish::Wants, Wish::Wants]);
        assert_eq!(ack(&mut ledger, 0, 2, Settle::Delete), Ack::Late, "it was not given it again");
        assert_eq!(ack(&mut ledger, 1, 1, Settle::Delete), Ack::Late, "that receipt is of the round before");
        assert_eq!(ack(&mut ledger, 1, 2, Settle::Delete), Ack::Counted(settle(2, Settle::Delete)));
    }

    #[test]
    fn one_that_hands_it_back_shows_it_at_once_when_the_others_have_voted() {
        let mut ledger = AckLedger::new(9);
        begin(&mut ledger, 1, &[Wish::Wants, Wish::Wants]);
        assert_eq!(ack(&mut ledger, 1, 1, Settle::Release), Ack::Counted(None));
        assert_eq!(ack(&mut ledger, 0, 1, Settle::Leave), Ack::Counted(settle(1, Settle::Release)));
    }

    #[test]
    fn a_message_is_shown_again_when_the_longest_wait_that_was_asked_for_is_over() {
        let mut ledger = AckLedger::new(9);
        let after = |seconds| Settle::ShowAfter(Duration::from_secs(seconds));
        begin(&mut ledger, 1, &[Wish::Wants, Wish::Wants, Wish::Wants]);
        assert_eq!(ack(&mut ledger, 0, 1, after(5)), Ack::Counted(None));
        assert_eq!(ack(&mut ledger, 1, 1, after(60)), Ack::Counted(None));
        assert_eq!(ack(&mut ledger, 2, 1, Settle::Leave), Ack::Counted(settle(1, after(60))));
        begin(&mut ledger, 2, &[Wish::Wants, Wish::Wants]);
        assert_eq!(ack(&mut ledger, 0, 2, after(5)), Ack::Counted(None));
        assert_eq!(ack(&mut ledger, 1, 2, Settle::Release), Ack::Counted(settle(2, Settle::Release)));
    }

    #[test]
    fn who_is_absent_keeps_the_message_in_its_queue() {
        let mut ledger = AckLedger::new(9);
        begin(&mut ledger, 1, &[Wish::Wants, Wish::Absent]);
        assert_eq!(ack(&mut ledger, 0, 1, Settle::Delete), Ack::Counted(settle(1, Settle::Leave)));
        ledger.shows_missed = true;
        assert_eq!(
            begin(&mut ledger, 2, &[Wish::Wants, Wish::Absent]),
            settle(2, Settle::Release),
            "it will soon be there"
        );
        assert_eq!(begin(&mut ledger, 2, &[Wish::Wants, Wish::Wants]), None);
        assert_eq!(ledger.leave(&consumer(1)), [Settlement { receipt: receipt(2), how: Settle::Leave }]);
    }

    #[test]
    fn a_deletion_that_did_not_take_effect_is_asked_again_when_the_message_comes() {
        let mut ledger = AckLedger::new(9);
        begin(&mut ledger, 1, &[Wish::Wants]);
        assert_eq!(ack(&mut ledger, 0, 1, Settle::Delete), Ack::Counted(settle(1, Settle::Delete)));
        ledger.lose(&receipt(1));
        assert_eq!(begin(&mut ledger, 2, &[Wish::Wants]), settle(2, Settle::Delete));
    }

    #[test]
    fn the_oldest_of_too_many_is_forgotten() {
        let mut ledger = AckLedger::new(2);
        for n in 1..=3_u64 {
            let id = RecordId::new(&n.to_be_bytes());
            ledger.begin(&id, receipt(n), [(consumer(0), Wish::Wants), (consumer(1), Wish::Wants)]);
            ack(&mut ledger, 0, n, Settle::Delete);
            ack(&mut ledger, 1, n, Settle::Leave);
        }
        assert_eq!(
            (ledger.n_forgotten(), ledger.has_finished(&RecordId::new(&1_u64.to_be_bytes()), &consumer(0))),
            (1, false)
        );
        assert!(ledger.has_finished(&RecordId::new(&3_u64.to_be_bytes()), &consumer(0)));
    }

    /// Random rounds against the plain statement: deleted if and only if each mapping filtered or finished
    /// it, one settlement a round.
    #[test]
    fn random_rounds_delete_exactly_what_all_have_finished() {
        for seed in 0..2_000 {
            let mut draw = Draw(seed);
            let n_voters = 1 + draw.below(4);
            let mut ledger = AckLedger::new(100);
            let mut finished = vec![false; n_voters];
            let mut is_deleted = false;
            for round in 1..=12_u64 {
                let wishes: Vec<Wish> =
                    (0..n_voters).map(|_| [Wish::Wants, Wish::Wants, Wish::Absent][draw.below(3)]).collect();
                let mut settled: Vec<Settle> =
                    begin(&mut ledger, round, &wishes).into_iter().map(|it| it.how).collect();
                let mut open: Vec<usize> =
                    (0..n_voters).filter(|it| wishes[*it] == Wish::Wants && !finished[*it]).collect();
                while !open.is_empty() && draw.below(20) > 0 {
                    let who = open.swap_remove(draw.below(open.len()));
                    let how = [Settle::Delete, Settle::Delete, Settle::Leave, Settle::Release][draw.below(4)];
                    finished[who] |= how == Settle::Delete;
                    match ack(&mut ledger, who, round, how) {
                        Ack::Counted(it) => settled.extend(it.map(|it| it.how)),
                        Ack::Late => panic!("seed {seed}: a first ack on the newest receipt counts"),
                    }
                }
                assert_eq!(
                    settled.len(),
                    usize::from(open.is_empty()),
                    "seed {seed}: one settlement when all have acked"
                );
                let is_last = settled.first() == Some(&Settle::Delete);
                assert_eq!(is_last, open.is_empty() && finished.iter().all(|it| *it), "seed {seed}");
                if is_last && draw.below(2) == 0 {
                    ledger.forget(&receipt(round));
                    is_deleted = true;
                    break;
                }
            }
            assert!(!is_deleted || ledger.is_empty(), "seed {seed}: nothing is kept of a deleted message");
        }
    }
}
