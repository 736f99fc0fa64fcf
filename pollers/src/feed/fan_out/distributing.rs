//! What a receive brought, rendered for each mapping that wants it.

use std::time::Duration;

use forebay_batcher::{OrderKey, Place, QueuePlace, ReadId, ReadOrder, Receipt, Record, Settlement};
use tokio::time::Instant;

use super::FanOut;
use super::round::Wish;
use crate::feed::consumer::FeedConsumer;
use crate::feed::context::FeedContext;
use crate::feed::inbox::{Consumer, SubscriberId};
use crate::feed::serve::{FilledAnswer, Took, tell_left};
use crate::source::Message;

/// Groups of which a mapping could not be given a message of this receive.
type LeftGroups = Vec<(SubscriberId, OrderKey)>;

impl FanOut {
    /// Gives messages to all who are expected; those that nobody is given are settled.
    pub(super) fn distribute_all(&mut self, feed: &FeedContext, sent: Instant, messages: &[Message]) {
        let asked = self.shared.asked();
        let mut left = LeftGroups::new();
        let settlements =
            messages.iter().filter_map(|it| self.distribute(feed, it, sent, &asked, &mut left)).collect();
        self.conclude(feed, settlements);
    }

    fn distribute(
        &mut self,
        feed: &FeedContext,
        message: &Message,
        sent: Instant,
        asked: &[(Consumer, Option<SubscriberId>)],
        left: &mut LeftGroups,
    ) -> Option<Settlement> {
        let Message { record, receipt, .. } = message;
        // It came again before its round was over: what waits of the old one is void.
        if let Some(old) = self.shared.ledger.receipt_of(&record.id).cloned() {
            self.shared.end_round(&old);
        }
        if let Some(visibility) = self.calls.queue().facts().visibility {
            self.shared.hidden.hide_received(receipt, sent + visibility, visibility);
        }
        let mut wishes = Vec::with_capacity(asked.len());
        for (consumer, who) in asked {
            // The ledger leaves out who has finished it, so it is not rendered for nobody.
            let wish = match who {
                _ if self.shared.ledger.has_finished(&record.id, consumer) => Wish::Wants,
                Some(who) => self.offer(feed, message, *who, left),
                None => Wish::Absent,
            };
            wishes.push((Consumer::clone(consumer), wish));
        }
        let settlement = self.shared.ledger.begin(&record.id, receipt.clone(), wishes);
        tell_forgotten(self.shared.ledger.n_forgotten());
        settlement
    }

    /// What a message is to one mapping, which is given it if it can have it.
    fn offer(
        &mut self,
        feed: &FeedContext,
        message: &Message,
        who: SubscriberId,
        left: &mut LeftGroups,
    ) -> Wish {
        let Some(member) = feed.members.get(&who).filter(|it| !it.events.is_closed()) else {
            return Wish::Absent;
        };
        let group = (who, message.record.key.clone());
        // What came behind one that is left, of its group, would overtake it.
        if left.contains(&group) {
            return Wish::Left;
        }
        match render(member, message) {
            Ok(record) => self.shared.seats.give(who, record),
            Err(panic) => {
                tell_left(&message.record.id, &panic);
                left.extend(Some(group).filter(|(_, key)| *key != OrderKey::Free));
                Wish::Left
            }
        }
    }
}

/// The message as one mapping sees it; `None` when its filter does not let it through, the text of the panic
/// when that cannot be told. Until when it is hidden is filled in when it is given out.
fn render(member: &FeedConsumer, message: &Message) -> Result<Option<Record>, String> {
    let Message { receives_left, n_receives, .. } = *message;
    let place = || {
        let receipt: Receipt = message.receipt.clone();
        Place::Queue(Box::new(QueuePlace { receipt, visible_until: None, receives_left, n_receives }))
    };
    // An arena of its own: what a slow mapping holds must not keep its neighbours' bytes.
    let order = ReadOrder {
        id: ReadId(0),
        track: None,
        records_max: 1,
        bytes_max: u64::MAX,
        wait: Duration::ZERO,
        lanes: 1,
    };
    let mut answer = FilledAnswer::new(&order, member.renderer.as_ref(), member.filter.as_ref());
    let took = answer.take_contained(&message.record, place)?;
    debug_assert!(took != Took::NoRoom, "one record always has room");
    Ok(answer.finish(None, false).records.pop())
}

/// An ack that was forgotten makes a repeat: worth a word, not one each.
fn tell_forgotten(n: u64) {
    if n > 0 && n.is_multiple_of(10_000) {
        tracing::warn!(
            code = "FB-0220",
            n_messages = n,
            "acks on shared messages were forgotten; some are processed again"
        );
    }
}
