//! A feed's session with its queue: how the subscribers come to its messages, by one of two ways.
//!
//! Whether mappings compete for messages (`compete`) or each get every message (`fan_out`) is a term of the
//! queue. It is asked once, when the feed starts; from then on the feed knows a session and not which one.

pub(super) mod behind;
pub(super) mod calls;
mod receives_left;

use std::task::{Context, Poll};
use std::time::Duration;

use forebay_batcher::{ExtendId, Extended, Generation, ReadOrder, Receipt, SettleId, Settlement, Tick};
use tokio::time::Instant;

use super::context::FeedContext;
use super::inbox::{Consumer, SubscriberId};
use crate::source::Hidden;

/// What subscribers ask of a queue, and what it answers them over [`FeedContext::tell`]. Nothing here waits:
/// a call is sent, and its answer handled when it is here.
pub(super) trait QueueSession: Send {
    /// A mapping will subscribe, whether it is there or not.
    fn expect(&mut self, _consumer: Consumer) {}
    /// A mapping will not subscribe any more.
    fn dismiss(&mut self, _consumer: &Consumer) {}
    /// A subscriber came; the context knows it.
    fn join(&mut self, feed: &FeedContext, who: SubscriberId);
    /// Messages are wanted: answered once, with messages or without.
    fn order(&mut self, feed: &mut FeedContext, who: SubscriberId, order: ReadOrder);
    fn settle(
        &mut self,
        feed: &mut FeedContext,
        who: SubscriberId,
        id: SettleId,
        settlements: Vec<Settlement>,
    );
    fn extend(
        &mut self,
        feed: &mut FeedContext,
        who: SubscriberId,
        id: ExtendId,
        receipts: Vec<Receipt>,
        by: Duration,
    );
    /// A subscriber takes nothing more and settles what it has: its open orders are answered.
    fn rest(&mut self, feed: &mut FeedContext, who: SubscriberId);
    /// A subscriber is gone.
    fn leave(&mut self, feed: &mut FeedContext, who: SubscriberId);
    /// Receipts are void, before the subscribers hear of it.
    fn lose_generation(&mut self, _generation: Generation) {}
    /// When [`Self::handle_deadline`] is due.
    fn deadline(&self, _now: Instant) -> Option<Instant> {
        None
    }
    fn handle_deadline(&mut self, _feed: &mut FeedContext, _now: Instant) {}
    /// Ready when a call has come back, which is kept until [`Self::handle_called`] takes it.
    fn poll_called(&mut self, task: &mut Context<'_>) -> Poll<()>;
    fn handle_called(&mut self, feed: &mut FeedContext);
    /// Calls that were sent and are not handled.
    fn n_calls(&self) -> usize;
    /// The feed ends: what is still open is answered.
    fn end(&mut self, _feed: &mut FeedContext) {}
}

pub(super) fn tick(zero: Instant, at: Instant) -> Tick {
    Tick::default().after(at.saturating_duration_since(zero))
}

/// What a subscriber hears of messages that were hidden until a time.
pub(super) fn extended(answers: Vec<(Receipt, Hidden)>, until: Tick) -> Vec<(Receipt, Extended)> {
    let told = |hidden| match hidden {
        Hidden::Done => Extended::Until(until),
        Hidden::Failed => Extended::Failed,
        Hidden::Lost => Extended::Lost,
    };
    answers.into_iter().map(|(receipt, hidden)| (receipt, told(hidden))).collect()
}
