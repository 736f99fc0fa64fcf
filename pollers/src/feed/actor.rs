//! The feed's one task: commands in, raw reads and listings as rows of one set of futures, events out.
//!
//! Nothing waits for an event that was not looked at before: what happens to a track, a listing or a queue is
//! followed up at once, in `reading`, `listing`, `groups` and the queue's session.

mod groups;
mod listing;
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::future::{pending, poll_fn};
use std::sync::Arc;

use forebay_batcher::{Extended, Generation, Lost, ReadOrder, Settled};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use self::groups::Dealing;
use self::listing::changed_row;
use super::compete::Competing;
use super::consumer::FeedConsumer;
use super::contained::Contained;
use super::context::FeedContext;
use super::fan_out::FanOut;
use super::inbox::{FeedCommand, Inbox, SubscriberId};
use super::session::QueueSession;
use super::subscription::NewSeat;
use super::track::{FeedTrack, StretchId};
use super::{FeedEvent, FeedLimits};
use crate::source::{
    BoxFuture, Listing, Queue, RawRead, Reader, Source, SourceError, TrackName, Tracks, TracksFacts,
};

/// One thing that came back.
enum FeedRow {
    Read(TrackName, StretchId, Option<Box<dyn Reader>>, Result<RawRead, SourceError>),
    Listed(SubscriberId, Result<Listing, SourceError>),
    /// What every subscriber is told of.
    ListedForAll(Result<Listing, SourceError>),
    /// The source may have other tracks.
    Changed,
    Group(Dealing),
    /// The receipts of a generation are void.
    GenerationLost(Generation),
}

pub(super) struct Actor {
    source: Arc<dyn Source>,
    limits: FeedLimits,
    inbox: Arc<Inbox>,
    feed: FeedContext,
    rows: FuturesUnordered<BoxFuture<'static, FeedRow>>,
    tracks: BTreeMap<TrackName, Box<FeedTrack>>,
    alarms: BTreeSet<(Instant, TrackName)>,
    /// How its tracks are read.
    facts: TracksFacts,
    /// A listing for all is under way.
    lists_for_all: bool,
    /// What the reads that are held take in memory, over all tracks.
    held_bytes: u64,
    /// The queue, when the source is one.
    queue: Option<Arc<dyn Queue>>,
    /// How the subscribers come to its messages.
    session: Option<Box<dyn QueueSession>>,
    /// Goodbyes to groups that are not answered.
    n_leaves: usize,
}

impl Actor {
    pub(super) fn new(source: Arc<dyn Source>, limits: FeedLimits, inbox: Arc<Inbox>) -> Self {
        let queue = source.queue().map(|queue| Arc::new(Contained(queue)) as Arc<dyn Queue>);
        Self {
            session: queue.clone().map(|queue| session_with(queue, Instant::now())),
            queue,
            facts: source.tracks().map(Tracks::facts).unwrap_or_default(),
            lists_for_all: false,
            source,
            limits,
            inbox,
            feed: FeedContext::default(),
            rows: FuturesUnordered::new(),
            tracks: BTreeMap::new(),
            alarms: BTreeSet::new(),
            held_bytes: 0,
            n_leaves: 0,
        }
    }

    /// In a box: a future keeps what it was given beside what it made of that.
    pub(super) async fn run(mut self: Box<Self>) {
        self.watch_generations();
        if self.queue.is_none() {
            self.rows.push(changed_row(Arc::clone(&self.source)));
        }
        // A receive that was sent is waited for: what it brings is handed back when nobody wants it any more.
        while !self.feed.stops || self.n_calls() > 0 {
            let deadline = self.deadline();
            let inbox = Arc::clone(&self.inbox);
            // Each branch may be dropped: the bell keeps its ring, a row stays in the set, a call that came
            // back stays with its session, the deadline is asked anew.
            tokio::select! {
                () = inbox.rung() => {}
                Some(row) = self.rows.next() => self.handle_row(row),
                Some(room) = self.feed.full.next() => self.feed.handle_room(room),
                () = called(self.session.as_deref_mut()) => self.handle_called(),
                () = wait_until(deadline), if deadline.is_some() => self.handle_deadline(Instant::now()),
            }
            for command in self.inbox.take() {
                self.handle(command);
            }
        }
        self.answer_all();
    }

    /// What the end of the feed waits for.
    fn n_calls(&self) -> usize {
        self.n_leaves + self.session.as_ref().map_or(0, |session| session.n_calls())
    }

    fn deadline(&self) -> Option<Instant> {
        let order = self.alarms.first().map(|(at, _)| *at);
        let list = self.feed.members.values().filter_map(|it| it.list_at).min();
        let session = self.session.as_ref().and_then(|session| session.deadline(Instant::now()));
        order.into_iter().chain(list).chain(session).min()
    }

    fn handle(&mut self, command: FeedCommand) {
        match command {
            FeedCommand::Subscribe(who, seat) => self.subscribe(who, seat),
            FeedCommand::Open(who, idx, name, from) => self.open(who, idx, name, from),
            FeedCommand::Read(who, order) => self.order(who, order),
            FeedCommand::Forget(who, idx) => self.forget(who, idx),
            FeedCommand::Committed(who, name, at) => self.tell_committed(who, &name, &at),
            FeedCommand::Drained(who, name) => self.give_back(who, &name),
            FeedCommand::Demand(who, demand) => {
                _ = self.feed.members.get_mut(&who).map(|member| member.demand = demand);
                self.tell_demand();
            }
            FeedCommand::Rest(who) => self.rest(who),
            FeedCommand::Leave(who) => self.leave(who),
            FeedCommand::Settle(who, id, settlements) => match &mut self.session {
                Some(session) => session.settle(&mut self.feed, who, id, settlements),
                None => {
                    let answers = settlements.into_iter().map(|it| (it.receipt, Settled::Lost)).collect();
                    self.feed.tell(who, FeedEvent::Settled(id, answers));
                }
            },
            FeedCommand::Extend(who, id, receipts, by) => match &mut self.session {
                Some(session) => session.extend(&mut self.feed, who, id, receipts, by),
                None => {
                    let answers = receipts.into_iter().map(|it| (it, Extended::Lost)).collect();
                    self.feed.tell(who, FeedEvent::Extended(id, answers));
                }
            },
            FeedCommand::Expect(consumer) => {
                _ = self.session.as_mut().map(|session| session.expect(consumer))
            }
            FeedCommand::Dismiss(consumer) => {
                _ = self.session.as_mut().map(|session| session.dismiss(&consumer))
            }
            FeedCommand::Stop => self.stop(),
        }
    }

    fn handle_row(&mut self, row: FeedRow) {
        match row {
            FeedRow::Read(name, stretch, reader, result) => self.handle_read(&name, stretch, reader, result),
            FeedRow::Listed(who, listing) => self.handle_listing(who, listing),
            FeedRow::ListedForAll(listing) => self.handle_listing_for_all(listing),
            FeedRow::Changed => self.handle_changed(),
            FeedRow::Group(dealing) => self.handle_dealing(dealing),
            FeedRow::GenerationLost(generation) => self.handle_generation_lost(generation),
        }
    }

    fn handle_called(&mut self) {
        if let Some(session) = &mut self.session {
            session.handle_called(&mut self.feed);
        }
    }

    fn handle_deadline(&mut self, now: Instant) {
        if let Some(session) = &mut self.session {
            session.handle_deadline(&mut self.feed, now);
        }
        self.handle_alarms(now);
        self.list_due(now);
    }

    fn subscribe(&mut self, who: SubscriberId, seat: NewSeat) {
        let has_group = self.source.tracks().is_some_and(|it| it.group().is_some());
        // A group says by itself which tracks are whose.
        let list_at = self.source.tracks().filter(|_| !has_group).map(|_| Instant::now());
        self.feed.members.insert(who, Box::new(FeedConsumer::new(seat, &*self.source, list_at)));
        if has_group {
            self.join_group(who);
        }
        if let Some(session) = &mut self.session {
            session.join(&self.feed, who);
        }
    }

    fn order(&mut self, who: SubscriberId, order: ReadOrder) {
        match &mut self.session {
            // One that names a track is refused like a track that is not open: a queue has none.
            Some(session) if order.track.is_none() => session.order(&mut self.feed, who, order),
            Some(_) | None => self.read_track(who, order),
        }
    }

    fn rest(&mut self, who: SubscriberId) {
        if let Some(session) = &mut self.session {
            session.rest(&mut self.feed, who);
        }
    }

    fn leave(&mut self, who: SubscriberId) {
        if let Some(session) = &mut self.session {
            session.leave(&mut self.feed, who);
        }
        self.leave_group(who);
        let Some(member) = self.feed.members.remove(&who) else { return };
        self.tell_demand();
        for name in member.tracks.values() {
            self.unseat(who, name);
        }
    }

    /// All who read the queue together.
    fn tell_demand(&self) {
        if let Some(queue) = &self.queue {
            queue.handle_demand(self.feed.members.values().map(|member| member.demand).sum());
        }
    }

    /// Nothing is received any more; what is in the air is handed back when it comes.
    fn stop(&mut self) {
        self.feed.stops = true;
        for who in self.feed.everybody() {
            self.rest(who);
            self.leave_group(who);
        }
    }

    /// The end: what is open is answered as far as there is room.
    fn answer_all(&mut self) {
        if let Some(session) = &mut self.session {
            session.end(&mut self.feed);
        }
        self.answer_reads();
    }

    /// Waits for the next generation of receipts that becomes void.
    fn watch_generations(&self) {
        if let Some(queue) = self.queue.clone() {
            self.rows.push(Box::pin(async move { FeedRow::GenerationLost(queue.lost().await) }));
        }
    }

    /// What a channel brought is nobody's any more: acks that were given stay, for the messages come again.
    fn handle_generation_lost(&mut self, generation: Generation) {
        if let Some(session) = &mut self.session {
            session.lose_generation(generation);
        }
        for who in self.feed.everybody() {
            self.feed.tell(who, FeedEvent::Lost(Lost::Generation(generation)));
        }
        self.watch_generations();
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Before the subscribers hear of it: whoever looks then sees that this feed is no more.
        self.inbox.close();
    }
}

/// The session that the queue's terms ask for.
fn session_with(queue: Arc<dyn Queue>, now: Instant) -> Box<dyn QueueSession> {
    if queue.facts().fans_out { Box::new(FanOut::new(queue, now)) } else { Box::new(Competing::new(queue)) }
}

/// Waits for a call of the session to come back; for ever without one.
async fn called(session: Option<&mut (dyn QueueSession + 'static)>) {
    match session {
        Some(session) => poll_fn(|task| session.poll_called(task)).await,
        None => pending().await,
    }
}

async fn wait_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}

/// The tracks of a source that is read by tracks.
fn tracks_of(source: &dyn Source) -> Result<&dyn Tracks, SourceError> {
    let none = || SourceError::Down {
        what: "the source".to_owned(),
        code: SourceError::DOWN,
        cause: "it is a queue and has no tracks".into(),
    };
    source.tracks().ok_or_else(none)
}
