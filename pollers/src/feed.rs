//! One reader, many mappings: reads a track once and hands each subscriber what its own filter lets through, rendered for it.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{
    ExtendId, Extended, Lost, Read, ReadId, ReadOrder, Receipt, SettleId, Settled, Settlement, SourceNotice, TrackIdx, Watermark,
};
use tokio::sync::mpsc;

use crate::source::{Source, TrackInfo, TrackName};

/// A source that is read once for all its subscribers.
#[derive(Clone)]
pub struct Feed {
    source: Arc<dyn Source>,
}

/// News for one subscriber, over one bounded channel.
#[derive(Debug)]
pub enum FeedEvent {
    /// Tracks that the source has and the subscriber was not told of.
    Discovered(Vec<TrackInfo>),
    /// A read came back.
    Read(ReadId, Result<Read, SourceNotice>),
    /// A settlement came back.
    Settled(SettleId, Vec<(Receipt, Settled)>),
    /// An extension came back.
    Extended(ExtendId, Vec<(Receipt, Extended)>),
    /// A track or generation is gone.
    Lost(Lost),
    /// Tracks cannot be listed; told once per trouble.
    Trouble(SourceNotice),
}

/// One mapping's way to a feed. Dropping it ends the subscription.
pub struct Subscriber {
    /// What the feed tells.
    pub events: mpsc::Receiver<FeedEvent>,
}

#[allow(unused_variables, clippy::needless_pass_by_value, clippy::unused_self, missing_docs)]
impl Subscriber {
    /// Opens a track at a bound under the subscriber's own number. Reads may be ordered at once.
    pub fn open(&self, idx: TrackIdx, name: TrackName, from: Watermark) {}
    /// Orders a read; its answer comes as [`FeedEvent::Read`].
    pub fn read(&self, order: ReadOrder) {}
    /// Settles messages.
    pub fn settle(&self, id: SettleId, settlements: Vec<Settlement>) {}
    /// Hides messages for longer.
    pub fn extend(&self, id: ExtendId, receipts: Vec<Receipt>, by: Duration) {}
    /// Closes a track; a read that is open is answered first.
    pub fn forget(&self, idx: TrackIdx) {}
}
