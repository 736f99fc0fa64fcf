//! Settlements of mappings are acks; what all of them say is asked of the queue.

use std::collections::BTreeMap;

use forebay_batcher::{Receipt, Settle, SettleId, Settled, Settlement};
use tokio::time::Instant;

use super::round::Ack;
use super::{FanOut, SharedCall};
use crate::feed::FeedEvent;
use crate::feed::context::FeedContext;
use crate::feed::inbox::SubscriberId;

impl FanOut {
    /// Acks of a mapping; each is answered when it was counted.
    pub(super) fn take_acks(
        &mut self,
        feed: &mut FeedContext,
        who: SubscriberId,
        id: SettleId,
        settlements: &[Settlement],
    ) {
        self.shared.look_at(Instant::now());
        let consumer = self.shared.seats.consumer(who);
        let (mut answers, mut last) = (Vec::new(), Vec::new());
        for settlement in settlements {
            let ack =
                consumer.as_ref().map_or(Ack::Late, |consumer| self.shared.ledger.ack(consumer, settlement));
            let answer = match ack {
                Ack::Counted(settlement) => {
                    last.extend(settlement);
                    Settled::Done
                }
                // Its part is over: another receipt stands for the message, and settling by this one could
                // delete what others have not finished.
                Ack::Late => Settled::Lost,
            };
            answers.push((settlement.receipt.clone(), answer));
        }
        feed.tell(who, FeedEvent::Settled(id, answers));
        self.conclude(feed, last);
    }

    /// Does what the acks say. Leaving a message is nothing to do for some queues, so it is asked all the
    /// same.
    pub(super) fn conclude(&mut self, feed: &FeedContext, settlements: Vec<Settlement>) {
        settlements.iter().for_each(|it| self.shared.hidden.show(&it.receipt));
        let (settlements, _) = self.behind.hold_back(settlements, self.n_behind(feed));
        if settlements.is_empty() {
            return;
        }
        self.calls.send(|queue| async move {
            let answers = queue.settle(settlements.clone()).await;
            SharedCall::Concluded(settlements, answers)
        });
    }

    pub(super) fn concluded(&mut self, settlements: Vec<Settlement>, answers: Vec<(Receipt, Settled)>) {
        self.behind.forget(&answers);
        let answers: BTreeMap<Receipt, Settled> = answers.into_iter().collect();
        // What is shown or left shows itself; a deletion alone is owed until it took effect.
        for settlement in settlements.into_iter().filter(|it| it.how == Settle::Delete) {
            match answers.get(&settlement.receipt).copied().unwrap_or(Settled::Failed) {
                Settled::Done => self.shared.ledger.forget(&settlement.receipt),
                Settled::Lost => self.shared.ledger.lose(&settlement.receipt),
                Settled::Failed => self.shared.retries.push(settlement, Instant::now()),
            }
        }
    }
}
