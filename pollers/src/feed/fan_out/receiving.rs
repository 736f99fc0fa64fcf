//! Receives for all who share a queue: sent as orders want them, and what they bring.

use forebay_batcher::Place;
use tokio::time::Instant;

use super::{FanOut, SharedCall};
use crate::feed::FeedEvent;
use crate::feed::context::FeedContext;
use crate::feed::session::tick;
use crate::source::{Message, SourceError};

impl FanOut {
    /// What waits is given out, and receives are sent for the other orders.
    pub(super) fn bring_to_rest(&mut self, feed: &mut FeedContext) {
        let now = Instant::now();
        for (who, order, mut read) in self.shared.seats.answers(now) {
            let Some(zero) = feed.members.get(&who).map(|member| member.zero) else { continue };
            // A message may have been hidden for longer since it came, and each mapping has its own zero.
            for record in &mut read.records {
                if let Place::Queue(place) = &mut record.place {
                    place.visible_until = self.shared.hidden.until(&place.receipt).map(|it| tick(zero, it));
                }
            }
            feed.tell(who, FeedEvent::Read(order.id, Ok(read)));
        }
        while !feed.stops
            && let Some((room, wait)) = self.shared.next_receive(self.n_receives, now)
        {
            self.n_receives += 1;
            self.calls.send(move |queue| async move {
                let sent = Instant::now();
                SharedCall::Received { sent, result: queue.receive(room, wait).await }
            });
        }
    }

    pub(super) fn received(
        &mut self,
        feed: &mut FeedContext,
        sent: Instant,
        result: Result<Vec<Message>, SourceError>,
    ) {
        self.n_receives -= 1;
        self.shared.look_at(Instant::now());
        self.behind.note(result.as_deref().unwrap_or_default());
        match result {
            // All of them rest: nobody would start these, and nobody need wait for their visibility.
            Ok(messages) if !self.shared.seats.has_takers() => return self.hand_back(feed, messages),
            Ok(messages) => self.distribute_all(feed, sent, &messages),
            Err(error) => {
                let notice = error.to_notice();
                // One receive stood for an order of each mapping, so it failed for each.
                for (who, order) in self.shared.seats.take_oldest_orders() {
                    feed.tell(who, FeedEvent::Read(order.id, Err(notice.clone())));
                }
            }
        }
        self.bring_to_rest(feed);
    }
}
