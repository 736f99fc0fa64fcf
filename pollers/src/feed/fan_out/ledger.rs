//! Who has finished a message that several mappings share: it is deleted when all have, and comes again only
//! for those who have not.
//!
//! While a round lasts only extensions reach the queue. What a mapping finished is remembered over the
//! rounds, for a bounded number of messages: a forgotten one is a repeat, never a loss.

use std::collections::{BTreeMap, BTreeSet};

use forebay_batcher::{Generation, Receipt, RecordId, Settle, Settlement};

use super::round::{Ack, Round, Wish};
use crate::feed::inbox::Consumer;

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
        acks.round = Some(Round::begin(receipt.clone(), wishes, &mut acks.done));
        self.by_receipt.insert(receipt, id.clone());
        self.conclude(id)
    }

    /// A mapping settles its part of a message.
    pub(super) fn ack(&mut self, consumer: &Consumer, settlement: &Settlement) -> Ack {
        let Some(id) = self.by_receipt.get(&settlement.receipt).cloned() else { return Ack::Late };
        let Some(acks) = self.by_id.get_mut(&id) else { return Ack::Late };
        let Some(round) = acks.round.as_mut() else { return Ack::Late };
        // One ack each: a second one could turn what the first has said.
        if !round.close(consumer) {
            return Ack::Late;
        }
        match settlement.how {
            Settle::Delete => _ = acks.done.insert(Consumer::clone(consumer)),
            Settle::Leave => round.leave(),
            Settle::ShowAfter(wait) => round.show_after(wait),
            Settle::Release | Settle::Nack => round.release(),
        }
        Ack::Counted(self.conclude(&id))
    }

    /// A mapping is gone: what it was given and did not finish comes again.
    pub(super) fn leave(&mut self, consumer: &Consumer) -> Vec<Settlement> {
        let is_hit = |acks: &Acks| acks.round.as_ref().is_some_and(|round| round.waits_for(consumer));
        let hit: Vec<RecordId> =
            self.by_id.iter().filter(|(_, acks)| is_hit(acks)).map(|(id, _)| id.clone()).collect();
        let mut settlements = Vec::new();
        for id in hit {
            if let Some(round) = self.by_id.get_mut(&id).and_then(|acks| acks.round.as_mut()) {
                // Left and not shown: its function may still be running with it.
                round.close(consumer);
                round.leave();
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

    /// Ends a round in which all have acked.
    fn conclude(&mut self, id: &RecordId) -> Option<Settlement> {
        let round = self.by_id.get(id)?.round.as_ref()?;
        let how = round.verdict(self.shows_missed)?;
        let receipt = round.receipt.clone();
        // A deletion stays in the books until `forget` or `lose`: while it has not taken effect the message
        // can come again, and then nobody wants it.
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
