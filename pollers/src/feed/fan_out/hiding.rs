//! Messages are hidden for longer: for a mapping that works on them, and while they wait for one.

use std::time::Duration;

use forebay_batcher::{ExtendId, Receipt};
use tokio::time::Instant;

use super::{FanOut, SharedCall};
use crate::feed::FeedEvent;
use crate::feed::context::FeedContext;
use crate::feed::inbox::SubscriberId;
use crate::feed::session::{extended, tick};
use crate::source::Hidden;

impl FanOut {
    /// A mapping needs longer; messages whose round is over are lost to it.
    pub(super) fn hide_for(&mut self, who: SubscriberId, id: ExtendId, receipts: Vec<Receipt>, by: Duration) {
        // The queue may still take the receipt of a round that is over, and would hide the message from those of
        // the next.
        let (out, over): (Vec<Receipt>, Vec<Receipt>) =
            receipts.into_iter().partition(|it| self.shared.hidden.contains(it));
        self.calls.send(move |queue| async move {
            let until = Instant::now() + by;
            let mut answers = queue.extend(out, by).await;
            answers.extend(over.into_iter().map(|it| (it, Hidden::Lost)));
            SharedCall::Extended { asked: Some((who, id)), until, answers }
        });
    }

    /// No machine knows of what waits for a mapping yet, so nobody else hides it for longer.
    pub(super) fn keep_hidden(&mut self, now: Instant) {
        let Some(visibility) = self.calls.queue().facts().visibility else { return };
        let due = self.shared.take_due(now, visibility);
        if !due.is_empty() {
            self.calls.send(move |queue| async move {
                let until = Instant::now() + visibility;
                SharedCall::Extended { asked: None, until, answers: queue.extend(due, visibility).await }
            });
        }
    }

    pub(super) fn extended(
        &mut self,
        feed: &mut FeedContext,
        asked: Option<(SubscriberId, ExtendId)>,
        until: Instant,
        answers: Vec<(Receipt, Hidden)>,
    ) {
        for (receipt, hidden) in &answers {
            match hidden {
                Hidden::Done => self.shared.hidden.hide_longer(receipt, until),
                Hidden::Failed => {}
                Hidden::Lost => {
                    // It shows itself or is gone: nobody is given it under this receipt any more.
                    self.shared.end_round(receipt);
                    self.shared.ledger.lose(receipt);
                }
            }
        }
        let Some((who, id)) = asked else { return };
        let Some(zero) = feed.members.get(&who).map(|member| member.zero) else { return };
        feed.tell(who, FeedEvent::Extended(id, extended(answers, tick(zero, until))));
    }
}
