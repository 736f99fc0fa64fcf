//! One reader, many mappings: reads a track once and hands each subscriber what its own filter lets through,
//! rendered for it.
//!
//! It decides nothing about batches and keeps no position longer than a subscription: a subscriber says where
//! it opens a track. A read is shared by all that stand in it; one that lags past the shared reads gets a
//! reader of its own until the places meet again. Messages of a queue are given to all who want them and
//! deleted when all have finished (`fan_out`), or competed for (`compete`).

mod actor;
#[cfg(test)]
mod behind_tests;
#[cfg(test)]
mod channels_tests;
mod compete;
mod consumer;
mod contained;
mod context;
mod fan_out;
#[cfg(test)]
mod groups_tests;
#[cfg(test)]
mod held_tests;
mod inbox;
#[cfg(test)]
mod listing_tests;
mod serve;
mod session;
#[cfg(test)]
mod shards_tests;
#[cfg(test)]
mod shared_tests;
mod subscription;
#[cfg(test)]
mod tests;
mod track;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay_batcher::{ExtendId, Extended, Lost, Read, ReadId, Receipt, SettleId, Settled, SourceNotice};
use tokio::task::JoinHandle;

use self::actor::Actor;
use self::inbox::{FeedCommand, Inbox};
pub use self::subscription::{Events, RecordFilter, Subscriber, Subscription, lets_through};
use crate::source::{Assignment, Source, TrackInfo, TrackName};

/// Limits of a feed. The default suits all sources.
#[derive(Debug, Clone)]
pub struct FeedLimits {
    /// The most raw bytes that one read asks for; one record may go over it.
    pub raw_bytes_max: u64,
    /// Memory of the raw reads that are kept for subscribers that lag, over all tracks; one that lags further
    /// gets a reader of its own.
    pub shared_bytes_max: u64,
}

impl Default for FeedLimits {
    fn default() -> Self {
        Self { raw_bytes_max: 1 << 20, shared_bytes_max: 8 << 20 }
    }
}

/// A source that is read once for all its subscribers. Clones share it; when the last is dropped it stops.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
}

struct Shared {
    source: Arc<dyn Source>,
    inbox: Arc<Inbox>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Feed {
    /// Starts reading for whoever subscribes. Must be called within a tokio runtime.
    pub fn start(source: Arc<dyn Source>, limits: FeedLimits) -> Self {
        let inbox = Arc::new(Inbox::default());
        let actor = Box::new(Actor::new(Arc::clone(&source), limits, Arc::clone(&inbox)));
        let task = tokio::spawn(actor.run());
        Self { shared: Arc::new(Shared { source, inbox, task: Mutex::new(Some(task)) }) }
    }

    /// The source, for its pure functions and its origins.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.shared.source
    }

    /// Begins a subscription. What the source has beyond [`Subscription::known`] comes as
    /// [`FeedEvent::Discovered`].
    pub fn subscribe(&self, subscription: Subscription) -> Subscriber {
        subscription.start(&self.shared.inbox)
    }

    /// Whether it is the same feed.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// A mapping will subscribe under this name. Where mappings share a queue, no message is deleted that it
    /// has not finished, whether it is there or not.
    pub fn expect(&self, consumer: Arc<str>) {
        self.shared.inbox.push(FeedCommand::Expect(consumer));
    }

    /// A mapping will not subscribe any more: messages need not wait for it.
    pub fn dismiss(&self, consumer: Arc<str>) {
        self.shared.inbox.push(FeedCommand::Dismiss(consumer));
    }

    /// Ends the feed and waits for it: open reads are answered as far as the subscribers' channels have room,
    /// then these close.
    pub async fn stop(&self) {
        self.shared.inbox.push(FeedCommand::Stop);
        let task = self.shared.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // A panic of the task stands in the log; its channels are closed, which is what subscribers see.
            let _ = task.await;
        }
    }

    /// It has ended, by itself or by a panic, and reads nothing any more.
    pub fn has_ended(&self) -> bool {
        self.shared.inbox.is_closed()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.inbox.push(FeedCommand::Stop);
    }
}

/// News for one subscriber, over one bounded channel.
#[derive(Debug)]
pub enum FeedEvent {
    /// Tracks that the source has and the subscriber was not told of; told once.
    Discovered(Vec<TrackInfo>),
    /// A read came back.
    Read(ReadId, Result<Read, SourceNotice>),
    /// A settlement came back.
    Settled(SettleId, Vec<(Receipt, Settled)>),
    /// An extension came back.
    Extended(ExtendId, Vec<(Receipt, Extended)>),
    /// The group dealt these tracks to the subscriber.
    Assigned(Vec<Assignment>),
    /// The group wants these tracks back: each is answered by [`Subscriber::drained`], before the time is
    /// over.
    Revoking(Vec<TrackName>, Duration),
    /// The group has given these tracks to another. They are closed; their open reads are answered.
    Taken(Vec<TrackName>),
    /// A generation of receipts is void.
    Lost(Lost),
    /// Something that should be there cannot be listed; told once per trouble.
    Trouble(SourceNotice),
    /// The trouble told last is over.
    Healed,
}
