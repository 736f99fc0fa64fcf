//! One queue, several mappings that each get every message: what a receive brings is given to each whose
//! filter lets it through, and is deleted when all have finished it.
//!
//! It stands between the subscribers and the queue's calls. To the queue it is one consumer, with as many
//! receives as the mapping with the most open orders has; each mapping settles as if it alone held the
//! message, and [`shared_queue`] knows what all of them together say of it.

mod acking;
mod distributing;
mod hidden;
mod hiding;
mod ledger;
#[cfg(test)]
mod ledger_tests;
mod offers;
mod receiving;
mod retries;
mod round;
mod seats;
mod shared_queue;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_batcher::{ExtendId, Generation, Read, ReadOrder, Receipt, SettleId, Settled, Settlement};
use tokio::time::Instant;

use self::shared_queue::SharedQueue;
use super::FeedEvent;
use super::context::FeedContext;
use super::inbox::{Consumer, SubscriberId};
use super::session::QueueSession;
use super::session::behind::Behind;
use super::session::calls::QueueCalls;
use crate::source::{Hidden, Message, Queue, SourceError};

/// A call for all who share the queue that came back.
enum SharedCall {
    Received {
        sent: Instant,
        result: Result<Vec<Message>, SourceError>,
    },
    /// What the acks said was asked of the queue.
    Concluded(Vec<Settlement>, Vec<(Receipt, Settled)>),
    /// Messages were hidden for longer, for a mapping or because they wait for one.
    Extended {
        asked: Option<(SubscriberId, ExtendId)>,
        until: Instant,
        answers: Vec<(Receipt, Hidden)>,
    },
    /// What nobody wanted was handed back, or will show itself.
    HandedBack(Vec<(Receipt, Settled)>),
}

/// The session of mappings that share a queue.
pub(super) struct FanOut {
    calls: QueueCalls<SharedCall>,
    shared: SharedQueue,
    behind: Behind,
    /// Receives that were sent and are not answered.
    n_receives: usize,
}

impl FanOut {
    pub(super) fn new(queue: Arc<dyn Queue>, now: Instant) -> Self {
        let (calls, shared) = (QueueCalls::new(queue), SharedQueue::new(now));
        Self { calls, shared, behind: Behind::default(), n_receives: 0 }
    }

    /// Receives that are open and whose messages nobody will start.
    fn n_behind(&self, feed: &FeedContext) -> usize {
        if feed.stops || !self.shared.seats.has_takers() { self.n_receives } else { 0 }
    }

    /// Shows at once what nobody wants any more.
    fn hand_back(&mut self, feed: &FeedContext, messages: Vec<Message>) {
        let back = self.behind.hand_back(messages, self.n_behind(feed));
        self.show(back);
    }

    fn show(&mut self, back: Vec<Settlement>) {
        if !back.is_empty() {
            // Whatever fails shows itself when its visibility is over.
            self.calls.send(|queue| async move { SharedCall::HandedBack(queue.settle(back).await) });
        }
    }
}

impl QueueSession for FanOut {
    fn expect(&mut self, consumer: Consumer) {
        self.shared.expect(consumer);
    }

    fn dismiss(&mut self, consumer: &Consumer) {
        self.shared.dismiss(consumer);
    }

    fn join(&mut self, feed: &FeedContext, who: SubscriberId) {
        let Some(consumer) = feed.members.get(&who).map(|it| Consumer::clone(&it.name)) else { return };
        let left = self.shared.join(who, consumer, Instant::now());
        self.conclude(feed, left);
    }

    fn order(&mut self, feed: &mut FeedContext, who: SubscriberId, order: ReadOrder) {
        self.shared.seats.order(who, order, Instant::now());
        self.bring_to_rest(feed);
    }

    fn settle(
        &mut self,
        feed: &mut FeedContext,
        who: SubscriberId,
        id: SettleId,
        settlements: Vec<Settlement>,
    ) {
        self.take_acks(feed, who, id, &settlements);
    }

    fn extend(
        &mut self,
        _feed: &mut FeedContext,
        who: SubscriberId,
        id: ExtendId,
        receipts: Vec<Receipt>,
        by: Duration,
    ) {
        self.hide_for(who, id, receipts, by);
    }

    fn rest(&mut self, feed: &mut FeedContext, who: SubscriberId) {
        let (orders, settlements) = self.shared.rest(who, Instant::now());
        for order in orders {
            feed.tell(who, FeedEvent::Read(order.id, Ok(Read::default())));
        }
        self.conclude(feed, settlements);
    }

    fn leave(&mut self, feed: &mut FeedContext, who: SubscriberId) {
        let settlements = self.shared.leave(who, Instant::now());
        self.conclude(feed, settlements);
    }

    fn lose_generation(&mut self, generation: Generation) {
        self.shared.lose_generation(generation);
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        self.shared.deadline(now)
    }

    fn handle_deadline(&mut self, feed: &mut FeedContext, now: Instant) {
        let again = self.shared.retries.take_due(now);
        self.conclude(feed, again);
        self.keep_hidden(now);
        self.bring_to_rest(feed);
    }

    fn poll_called(&mut self, task: &mut Context<'_>) -> Poll<()> {
        self.calls.poll(task)
    }

    fn handle_called(&mut self, feed: &mut FeedContext) {
        match self.calls.take() {
            Some(SharedCall::Received { sent, result }) => self.received(feed, sent, result),
            Some(SharedCall::Concluded(settlements, answers)) => self.concluded(settlements, answers),
            Some(SharedCall::Extended { asked, until, answers }) => {
                self.extended(feed, asked, until, answers);
            }
            Some(SharedCall::HandedBack(answers)) => self.behind.forget(&answers),
            None => {}
        }
        let back = self.behind.take_shown(self.n_behind(feed));
        self.show(back);
    }

    fn n_calls(&self) -> usize {
        self.calls.n_open()
    }

    fn end(&mut self, feed: &mut FeedContext) {
        for (who, order) in self.shared.seats.take_all_orders() {
            feed.tell(who, FeedEvent::Read(order.id, Ok(Read::default())));
        }
    }
}
