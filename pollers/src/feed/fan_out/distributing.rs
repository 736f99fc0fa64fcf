//! What a receive brought goes to each mapping that wants it.

use forebay_batcher::Settlement;
use tokio::time::Instant;

use super::FanOut;
use super::offers::Offers;
use crate::feed::context::FeedContext;
use crate::feed::inbox::{Consumer, SubscriberId};
use crate::source::Message;

impl FanOut {
    /// Gives messages to all who are expected; those that nobody is given are settled.
    pub(super) fn distribute_all(&mut self, feed: &FeedContext, sent: Instant, messages: &[Message]) {
        let offers = |(consumer, who): (Consumer, Option<SubscriberId>)| {
            let member = who.and_then(|who| Some((who, &**feed.members.get(&who)?)));
            // Its leave is on the way: what it were given would come back with that, a moment later.
            let member = member.filter(|(_, it)| !it.events.is_closed());
            Offers::of(messages, &self.shared.ledger, &consumer, member)
        };
        let mut offers: Vec<Offers> = self.shared.asked().into_iter().map(offers).collect();
        let settlements = messages.iter().filter_map(|it| self.distribute(it, sent, &mut offers)).collect();
        self.conclude(feed, settlements);
    }

    fn distribute(&mut self, message: &Message, sent: Instant, offers: &mut [Offers]) -> Option<Settlement> {
        let Message { record, receipt, .. } = message;
        // It came again before its round was over: what waits of the old one is void.
        if let Some(old) = self.shared.ledger.receipt_of(&record.id).cloned() {
            self.shared.end_round(&old);
        }
        if let Some(visibility) = self.calls.queue().facts().visibility {
            self.shared.hidden.hide_received(receipt, sent + visibility, visibility);
        }
        let wishes = offers.iter_mut().map(|it| it.give_next(&mut self.shared.seats));
        let settlement = self.shared.ledger.begin(&record.id, receipt.clone(), wishes);
        tell_forgotten(self.shared.ledger.n_forgotten());
        settlement
    }
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
