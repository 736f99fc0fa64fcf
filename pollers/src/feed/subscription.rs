//! One mapping's way to a feed: what it wants, and the handle through which it asks.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{ExtendId, ReadOrder, Receipt, SettleId, Settlement, TrackIdx, Watermark};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::FeedEvent;
use super::inbox::{FeedCommand, Inbox, SubscriberId};
use crate::source::{Demand, Known, RawRecord, Renderer, TrackName};

/// Decides which records a mapping wants. Pure.
pub trait RecordFilter: Send + Sync {
    /// Whether `passes` looks at the data; if not it is not decoded.
    fn needs_data(&self) -> bool;
    /// Whether `passes` looks at anything but the data; if not it is handed `{}` beside the data.
    fn needs_metadata(&self) -> bool {
        true
    }
    /// Whether the record is wanted. `metadata` is its JSON as it stands in the event, `data` what stands
    /// under the data key, decoded. Where that is handed in, or not needed, an empty text stands under the
    /// key.
    fn passes(&self, metadata: &[u8], data: Option<&[u8]>) -> bool;
}

/// Asks a filter about a record, which is rendered into `scratch` as far as the filter looks at it: most
/// records may be dropped.
pub fn lets_through(
    filter: &dyn RecordFilter,
    renderer: &dyn Renderer,
    record: &RawRecord,
    scratch: &mut Vec<u8>,
) -> bool {
    let data = if filter.needs_data() { renderer.data(record) } else { None };
    scratch.clear();
    match &data {
        Some(_) if !filter.needs_metadata() => scratch.extend_from_slice(b"{}"),
        // What has no data is looked at as it would be delivered.
        None if filter.needs_data() => renderer.render(record, scratch),
        Some(_) | None => renderer.render_without_data(record, scratch),
    }
    filter.passes(scratch, data.as_deref())
}

/// What a mapping wants of a feed.
pub struct Subscription {
    /// The mapping's name: where mappings share a queue, what it finished is known by it over its restarts.
    pub consumer: Arc<str>,
    /// The mapping's list of tracks.
    pub known: Known,
    /// Which records it wants; `None` for all.
    pub filter: Option<Arc<dyn RecordFilter>>,
    /// Whether its batches have a window; some events depend on it.
    pub has_window: bool,
    /// When the subscriber's tick zero was, for receipts that lapse.
    pub zero: Instant,
    /// Events that may wait in its channel. More wait within the feed: at most one for each open order and
    /// two of discovery.
    pub events_max: usize,
}

/// What the actor needs to serve a subscriber.
pub(super) struct NewSeat {
    pub(super) consumer: Arc<str>,
    pub(super) known: Known,
    pub(super) filter: Option<Arc<dyn RecordFilter>>,
    pub(super) has_window: bool,
    pub(super) zero: Instant,
    pub(super) events: mpsc::Sender<Box<FeedEvent>>,
}

impl Subscription {
    pub(super) fn start(self, inbox: &Arc<Inbox>) -> Subscriber {
        // A channel without a place cannot be made.
        let (sender, events) = mpsc::channel(self.events_max.max(1));
        let id = inbox.next_subscriber();
        let seat = NewSeat {
            consumer: self.consumer,
            known: self.known,
            filter: self.filter,
            has_window: self.has_window,
            zero: self.zero,
            events: sender,
        };
        inbox.push(FeedCommand::Subscribe(id, seat));
        Subscriber { events: Events(events), handle: SubscriptionHandle { id, inbox: Arc::clone(inbox) } }
    }
}

/// One mapping's way to a feed. Dropping it ends the subscription.
pub struct Subscriber {
    /// What the feed tells; it ends when the feed does.
    pub events: Events,
    handle: SubscriptionHandle,
}

/// The receiving end of a subscriber's channel. Events lie in it in boxes: a channel keeps places for 32 of
/// them from its beginning on, and most mappings are idle.
pub struct Events(mpsc::Receiver<Box<FeedEvent>>);

impl Events {
    /// The next event; `None` when the feed has ended. May be dropped without losing anything.
    pub async fn recv(&mut self) -> Option<FeedEvent> {
        self.0.recv().await.map(|event| *event)
    }

    /// Takes no more; what was sent can still be received.
    pub fn close(&mut self) {
        self.0.close();
    }
}

struct SubscriptionHandle {
    id: SubscriberId,
    inbox: Arc<Inbox>,
}

impl Drop for SubscriptionHandle {
    fn drop(&mut self) {
        self.inbox.push(FeedCommand::Leave(self.id));
    }
}

impl Subscriber {
    /// Opens a track at a bound under the subscriber's own number. Reads may be ordered at once.
    pub fn open(&self, idx: TrackIdx, name: TrackName, from: Watermark) {
        self.ask(|id| FeedCommand::Open(id, idx, name, from));
    }

    /// Orders a read; its answer comes as [`FeedEvent::Read`]. One order may be open per track, and any
    /// number on a queue: each is a receive of the subscriber's own, unless mappings share the queue: then a
    /// receive for one brings messages for all.
    pub fn read(&self, order: ReadOrder) {
        self.ask(|id| FeedCommand::Read(id, order));
    }

    /// Settles messages. A source of tracks has none, and answers that each receipt is void.
    pub fn settle(&self, settle: SettleId, settlements: Vec<Settlement>) {
        self.ask(|id| FeedCommand::Settle(id, settle, settlements));
    }

    /// Hides messages for longer. A source of tracks has none, and answers that each receipt is void.
    pub fn extend(&self, extend: ExtendId, receipts: Vec<Receipt>, by: Duration) {
        self.ask(|id| FeedCommand::Extend(id, extend, receipts, by));
    }

    /// Closes a track; a read that is open is answered first.
    pub fn forget(&self, idx: TrackIdx) {
        self.ask(|id| FeedCommand::Forget(id, idx));
    }

    /// Tells the group how far a track is durable, or the source where it wants to hear that.
    pub fn committed(&self, name: TrackName, at: Watermark) {
        self.ask(|id| FeedCommand::Committed(id, name, at));
    }

    /// Gives a track back that the group asked for; it is closed as by [`Subscriber::forget`].
    pub fn drained(&self, name: TrackName) {
        self.ask(|id| FeedCommand::Drained(id, name));
    }

    /// Tells a queue how much of it can be out at once for this subscriber; told again when that changes.
    pub fn demand(&self, demand: Demand) {
        self.ask(|id| FeedCommand::Demand(id, demand));
    }

    /// No message is wanted any more; what was given is still settled. Open orders of a queue are answered at
    /// once; what their receives bring is shown to others.
    pub fn rest(&self) {
        self.ask(FeedCommand::Rest);
    }

    fn ask(&self, command: impl FnOnce(SubscriberId) -> FeedCommand) {
        self.handle.inbox.push(command(self.handle.id));
    }
}
