//! What subscribers ask of their feed: a list under a lock and a bell that rings when it is not empty.
//!
//! It needs no bound of its own: a subscriber has at most one order open per track or as many as its machine
//! has receives on a queue, and opens and forgets a track once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_batcher::{ExtendId, ReadOrder, Receipt, SettleId, Settlement, TrackIdx, Watermark};
use tokio::sync::Notify;

use super::subscription::NewSeat;
use crate::source::{Demand, TrackName};

/// A mapping's name, by which it is known over its restarts.
pub(super) type Consumer = Arc<str>;

/// A subscriber's number within its feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SubscriberId(pub(super) u64);

/// What a subscriber or the owner asks for.
pub(super) enum FeedCommand {
    Subscribe(SubscriberId, NewSeat),
    Open(SubscriberId, TrackIdx, TrackName, Watermark),
    Read(SubscriberId, ReadOrder),
    Settle(SubscriberId, SettleId, Vec<Settlement>),
    Extend(SubscriberId, ExtendId, Vec<Receipt>, Duration),
    Forget(SubscriberId, TrackIdx),
    Committed(SubscriberId, TrackName, Watermark),
    Drained(SubscriberId, TrackName),
    Demand(SubscriberId, Demand),
    Rest(SubscriberId),
    Leave(SubscriberId),
    Expect(Consumer),
    Dismiss(Consumer),
    Stop,
}

#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<InboxState>,
    bell: Notify,
}

#[derive(Default)]
struct InboxState {
    commands: Vec<FeedCommand>,
    n_subscribers: u64,
    /// Nobody takes commands any more.
    is_closed: bool,
}

impl Inbox {
    pub(super) fn next_subscriber(&self) -> SubscriberId {
        let mut state = self.lock();
        state.n_subscribers += 1;
        SubscriberId(state.n_subscribers)
    }

    pub(super) fn push(&self, command: FeedCommand) {
        let mut state = self.lock();
        if !state.is_closed {
            state.commands.push(command);
            self.bell.notify_one();
        }
    }

    /// Nobody takes commands any more; what was not taken is dropped.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let left = std::mem::take(&mut state.commands);
        // Not under the lock: what is dropped is foreign in part, and may ask for something as it goes.
        drop(state);
        drop(left);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub(super) fn take(&self) -> Vec<FeedCommand> {
        std::mem::take(&mut self.lock().commands)
    }

    /// Commands are moved in and out whole.
    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the bell. It keeps one ring, so what was pushed before the wait ends it at once; may be
    /// dropped without losing anything, as long as the list is taken after every return of the surrounding
    /// `select!`.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }
}
