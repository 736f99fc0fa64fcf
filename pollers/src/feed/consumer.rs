//! One subscriber as its feed knows it: what it wants and how it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use forebay_batcher::{SourceNotice, TrackIdx};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::FeedEvent;
use super::inbox::Consumer;
use super::subscription::{NewSeat, RecordFilter};
use crate::source::{Demand, Known, Membership, Renderer, Source, Standing, TrackInfo, TrackName};

pub(super) struct FeedConsumer {
    /// What the mapping is called.
    pub(super) name: Consumer,
    /// How much of a queue it can have out at once.
    pub(super) demand: Demand,
    /// Its place in the group, where one deals the tracks out and it has joined.
    pub(super) membership: Option<Arc<dyn Membership>>,
    pub(super) known: Known,
    pub(super) filter: Option<Arc<dyn RecordFilter>>,
    pub(super) zero: Instant,
    pub(super) events: mpsc::Sender<Box<FeedEvent>>,
    pub(super) renderer: Arc<dyn Renderer>,
    pub(super) tracks: BTreeMap<TrackIdx, TrackName>,
    /// Events for which the channel has no room; a row waits for it when there are any.
    pub(super) late: VecDeque<Box<FeedEvent>>,
    pub(super) trouble: Option<SourceNotice>,
    /// `None` while a listing is under way, and where nothing is listed.
    pub(super) list_at: Option<Instant>,
    /// The source changed while it was under way: it may not hold that yet.
    pub(super) lists_again: bool,
}

impl FeedConsumer {
    pub(super) fn new(seat: NewSeat, source: &dyn Source, list_at: Option<Instant>) -> Self {
        let NewSeat { consumer, known, filter, has_window, zero, events } = seat;
        Self {
            name: consumer,
            demand: Demand::default(),
            membership: None,
            known,
            filter,
            zero,
            events,
            renderer: source.format().renderer(has_window),
            tracks: BTreeMap::new(),
            late: VecDeque::new(),
            trouble: None,
            list_at,
            lists_again: false,
        }
    }

    /// Those of some tracks that it was not told of; it is now. What it read to the end is new again only in
    /// a listing of its own: such a source names tracks by what it sees (a file that came back).
    pub(super) fn take_new(&mut self, found: &[TrackInfo], is_for_all: bool) -> Vec<TrackInfo> {
        let is_new = |it: &&TrackInfo| match self.known.0.get(&it.name) {
            // A track may have been opened while the listing ran.
            Some(Standing::Open) => false,
            Some(Standing::Ended) => !is_for_all,
            None => true,
        };
        let new: Vec<TrackInfo> = found.iter().filter(is_new).cloned().collect();
        self.known.0.extend(new.iter().map(|it| (it.name.clone(), Standing::Open)));
        new
    }

    /// A listing is due at once, or again once the one that is under way is here.
    pub(super) fn list_soon(&mut self) {
        match &mut self.list_at {
            Some(at) => *at = Instant::now(),
            None => self.lists_again = true,
        }
    }
}
