//! The feed's one task: commands in, raw reads and listings as rows of one set of futures, events out.
//!
//! After everything that happens to a track, [`Actor::settle_track`] brings it to rest: orders are served
//! from what is held, raw reads are started for the rest. Nothing waits for an event that was not looked at
//! before.

mod behind;
mod groups;
mod queue;
mod shared;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use forebay_batcher::{Fault, Generation, Read, ReadId, ReadOrder, SourceNotice, TrackIdx, Watermark};
use forebay_clients::caught::caught;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::behind::Behind;
use self::groups::Dealing;
use self::queue::Called;
use super::contained::Contained;
use super::inbox::{FeedCommand, Inbox, SubscriberId};
use super::shared_queue::SharedQueue;
use super::subscription::NewSeat;
use super::track::{FeedTrack, ReadLimits, ReadStart, StretchId, Taste};
use super::{FeedEvent, FeedLimits};
use crate::source::{
    BoxFuture, Known, Listing, Membership, Queue, RawRead, Reader, Renderer, Room, Source, SourceError,
    Standing, TrackInfo, TrackName, Tracks, TracksFacts,
};

/// How much longer than its wait an order may be open: the read that was started for it answers first where
/// it can.
const GRACE: std::time::Duration = std::time::Duration::from_millis(50);

/// One thing that came back.
enum FeedRow {
    Read(TrackName, StretchId, Option<Box<dyn Reader>>, Result<RawRead, SourceError>),
    Listed(SubscriberId, Result<Listing, SourceError>),
    /// What every subscriber is told of.
    ListedForAll(Result<Listing, SourceError>),
    Room(SubscriberId, Option<mpsc::OwnedPermit<Box<FeedEvent>>>),
    /// The source may have other tracks.
    Changed,
    Queue(Called),
    Group(Dealing),
    /// The receipts of a generation are void.
    GenerationLost(Generation),
}

pub(super) struct FeedConsumer {
    /// What the mapping is called.
    pub(super) name: Arc<str>,
    /// Its place in the group, where one deals the tracks out and it has joined.
    pub(super) membership: Option<Arc<dyn Membership>>,
    pub(super) known: Known,
    pub(super) filter: Option<Arc<dyn super::RecordFilter>>,
    pub(super) zero: Instant,
    pub(super) events: mpsc::Sender<Box<FeedEvent>>,
    pub(super) renderer: Arc<dyn Renderer>,
    pub(super) tracks: BTreeMap<TrackIdx, TrackName>,
    /// Events for which the channel has no room; a row waits for it when there are any.
    late: VecDeque<Box<FeedEvent>>,
    pub(super) trouble: Option<SourceNotice>,
    /// `None` while a listing is under way.
    list_at: Option<Instant>,
    /// The source changed while it was under way: it may not hold that yet.
    lists_again: bool,
    /// Its own receives of a queue that are open.
    pub(super) receives: BTreeSet<ReadId>,
    /// It takes no messages any more and settles what it has.
    pub(super) is_resting: bool,
}

pub(super) struct Actor {
    pub(super) source: Arc<dyn Source>,
    limits: FeedLimits,
    inbox: Arc<Inbox>,
    /// In boxes, as all maps of large things here that mostly hold one: a node keeps places for eleven.
    pub(super) members: BTreeMap<SubscriberId, Box<FeedConsumer>>,
    tracks: BTreeMap<TrackName, Box<FeedTrack>>,
    alarms: BTreeSet<(Instant, TrackName)>,
    /// How its tracks are read.
    facts: TracksFacts,
    /// A listing for all is under way.
    lists_for_all: bool,
    /// What the reads that are held take in memory, over all tracks.
    held_bytes: u64,
    rows: FuturesUnordered<BoxFuture<'static, FeedRow>>,
    /// The queue, when the source is one.
    pub(super) queue: Option<Arc<dyn Queue>>,
    /// The books of a queue that several mappings may share.
    pub(super) shared_queue: Option<SharedQueue>,
    /// Calls to it that were sent and are not answered.
    pub(super) n_calls: usize,
    /// Receives that go on though nobody waits for them.
    behind: Behind,
    stops: bool,
}

impl FeedConsumer {
    /// Those of some tracks that it was not told of; it is now. What it read to the end is new again only in
    /// a listing of its own: such a source names tracks by what it sees (a file that came back).
    fn take_new(&mut self, found: &[TrackInfo], is_for_all: bool) -> Vec<TrackInfo> {
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
    fn list_soon(&mut self) {
        match &mut self.list_at {
            Some(at) => *at = Instant::now(),
            None => self.lists_again = true,
        }
    }
}

impl Actor {
    pub(super) fn new(source: Arc<dyn Source>, limits: FeedLimits, inbox: Arc<Inbox>) -> Self {
        Self {
            shared_queue: source
                .queue()
                .filter(|queue| queue.facts().fans_out)
                .map(|_| SharedQueue::new(Instant::now())),
            queue: source.queue().map(|queue| Arc::new(Contained(queue)) as _),
            n_calls: 0,
            behind: Behind::default(),
            facts: source.tracks().map(Tracks::facts).unwrap_or_default(),
            lists_for_all: false,
            source,
            limits,
            inbox,
            members: BTreeMap::new(),
            tracks: BTreeMap::new(),
            alarms: BTreeSet::new(),
            held_bytes: 0,
            rows: FuturesUnordered::new(),
            stops: false,
        }
    }

    /// In a box: a future keeps what it was given beside what it made of that.
    pub(super) async fn run(mut self: Box<Self>) {
        self.watch_generations();
        if self.queue.is_none() {
            self.rows.push(changed_row(Arc::clone(&self.source)));
        }
        // A receive that was sent is waited for: what it brings is handed back when nobody wants it any more.
        while !self.stops || self.n_calls > 0 {
            let deadline = self.deadline();
            let inbox = Arc::clone(&self.inbox);
            // Each branch may be dropped: the bell keeps its ring, a row stays in the set, the deadline is
            // asked anew.
            tokio::select! {
                () = inbox.rung() => {}
                Some(row) = self.rows.next() => self.handle_row(row),
                () = wait_until(deadline), if deadline.is_some() => self.handle_deadline(Instant::now()),
            }
            for command in self.inbox.take() {
                self.handle(command);
            }
        }
        self.answer_all();
    }

    fn deadline(&self) -> Option<Instant> {
        let order = self.alarms.first().map(|(at, _)| *at);
        let list = self.members.values().filter_map(|it| it.list_at).min();
        order.into_iter().chain(list).chain(self.shared_queue_deadline()).min()
    }

    fn handle(&mut self, command: FeedCommand) {
        match command {
            FeedCommand::Subscribe(who, seat) => self.subscribe(who, seat),
            FeedCommand::Open(who, idx, name, from) => self.open(who, idx, name, from),
            FeedCommand::Read(who, order) => self.order(who, order),
            FeedCommand::Forget(who, idx) => self.forget(who, idx),
            FeedCommand::Committed(who, name, at) => self.tell_group_committed(who, &name, &at),
            FeedCommand::Drained(who, name) => self.give_back(who, &name),
            FeedCommand::Rest(who) => self.rest(who),
            FeedCommand::Leave(who) => self.leave(who),
            FeedCommand::Settle(who, id, settlements) => self.settle(who, id, settlements),
            FeedCommand::Extend(who, id, receipts, by) => self.extend(who, id, receipts, by),
            FeedCommand::Expect(consumer) => {
                _ = self.shared_queue.as_mut().map(|shared_queue| shared_queue.expect(consumer))
            }
            FeedCommand::Dismiss(consumer) => {
                _ = self.shared_queue.as_mut().map(|shared_queue| shared_queue.dismiss(&consumer))
            }
            FeedCommand::Stop => self.stop(),
        }
    }

    /// Nothing is received any more; what is in the air is handed back when it comes.
    fn stop(&mut self) {
        self.stops = true;
        let all: Vec<SubscriberId> = self.members.keys().copied().collect();
        for who in all {
            self.rest(who);
            self.leave_group(who);
        }
    }

    fn subscribe(&mut self, who: SubscriberId, seat: NewSeat) {
        let NewSeat { consumer, known, filter, has_window, zero, events } = seat;
        let renderer = self.source.format().renderer(has_window);
        let (tracks, late) = (BTreeMap::new(), VecDeque::new());
        let has_group = self.source.tracks().is_some_and(|it| it.group().is_some());
        let list_at = self.source.tracks().filter(|_| !has_group).map(|_| Instant::now());
        let (receives, is_resting, lists_again) = (BTreeSet::new(), false, false);
        let member = FeedConsumer {
            name: Arc::clone(&consumer),
            membership: None,
            known,
            filter,
            zero,
            events,
            renderer,
            tracks,
            late,
            trouble: None,
            list_at,
            lists_again,
            receives,
            is_resting,
        };
        self.members.insert(who, Box::new(member));
        if has_group {
            self.join_group(who);
        }
        let left = self
            .shared_queue
            .as_mut()
            .map(|shared_queue| shared_queue.join(who, consumer, Instant::now()))
            .unwrap_or_default();
        self.conclude(left);
    }

    pub(super) fn stops(&self) -> bool {
        self.stops
    }

    fn open(&mut self, who: SubscriberId, idx: TrackIdx, name: TrackName, from: Watermark) {
        let Some(member) = self.members.get_mut(&who) else { return };
        member.known.0.insert(name.clone(), Standing::Open);
        if let Some(old) = member.tracks.insert(idx, name.clone()).filter(|old| *old != name) {
            self.unseat(who, &old);
        }
        let track = self.tracks.entry(name).or_default();
        let answer = track.give_up(who);
        track.open(who, idx, from);
        if let Some((order, read)) = answer {
            self.tell(who, FeedEvent::Read(order.id, Ok(read)));
        }
    }

    fn order(&mut self, who: SubscriberId, order: ReadOrder) {
        if order.track.is_none() && self.queue.is_some() {
            return if self.shared_queue.is_some() {
                self.order_shared(who, order)
            } else {
                self.receive(who, order)
            };
        }
        let name = order.track.and_then(|idx| self.members.get(&who)?.tracks.get(&idx).cloned());
        let Some((name, track)) = name.and_then(|name| self.tracks.get_mut(&name).map(|track| (name, track)))
        else {
            let error = Fault::new(SourceError::DOWN, "the read names no open track");
            return self.tell(who, FeedEvent::Read(order.id, Err(SourceNotice::Down { error })));
        };
        let until = Instant::now() + order.wait;
        track.order(who, order, until);
        self.settle_track(&name);
    }

    pub(super) fn forget(&mut self, who: SubscriberId, idx: TrackIdx) {
        let name = self.members.get_mut(&who).and_then(|member| member.tracks.remove(&idx));
        if let Some(name) = name {
            self.unseat(who, &name);
        }
    }

    fn unseat(&mut self, who: SubscriberId, name: &TrackName) {
        let Some(track) = self.tracks.get_mut(name) else { return };
        let answer = track.give_up(who);
        track.seats.remove(&who);
        if let Some((order, read)) = answer {
            self.tell(who, FeedEvent::Read(order.id, Ok(read)));
        }
        self.settle_track(name);
    }

    fn leave(&mut self, who: SubscriberId) {
        self.leave_shared_queue(who);
        self.leave_group(who);
        let Some(member) = self.members.remove(&who) else { return };
        self.leave_behind(member.receives.len());
        for name in member.tracks.values() {
            self.unseat(who, name);
        }
    }

    fn handle_row(&mut self, row: FeedRow) {
        match row {
            FeedRow::Read(name, stretch, reader, result) => self.handle_read(&name, stretch, reader, result),
            FeedRow::Listed(who, listing) => self.handle_listing(who, listing),
            FeedRow::ListedForAll(listing) => self.handle_listing_for_all(listing),
            FeedRow::Room(who, permit) => self.handle_room(who, permit),
            FeedRow::Changed => self.handle_changed(),
            FeedRow::Queue(called) => self.handle_called(called),
            FeedRow::Group(dealing) => self.handle_dealing(dealing),
            FeedRow::GenerationLost(generation) => self.handle_generation_lost(generation),
        }
    }

    fn handle_changed(&mut self) {
        self.members.values_mut().for_each(|it| it.list_soon());
        self.rows.push(changed_row(Arc::clone(&self.source)));
    }

    fn handle_read(
        &mut self,
        name: &TrackName,
        stretch: StretchId,
        reader: Option<Box<dyn Reader>>,
        result: Result<RawRead, SourceError>,
    ) {
        if let Ok(read) = &result
            && !read.children.is_empty()
        {
            // Before the end of their parent: a mapping that hears of that knows who comes next.
            self.discover(&read.children.clone());
        }
        let Some(track) = self.tracks.get_mut(name) else { return };
        match result {
            Ok(read) => {
                track.handle_read(stretch, reader, read);
                self.serve(name);
                self.answer_overdue(name, |track| track.overdue_at(stretch, Instant::now()));
            }
            Err(error) => {
                let notice = error.to_notice();
                for (who, order) in track.handle_failure(stretch, reader) {
                    self.tell(who, FeedEvent::Read(order.id, Err(notice.clone())));
                }
            }
        }
        self.settle_track(name);
    }

    /// Brings a track to rest: what can be served is served, the rest is read for, what nobody needs is
    /// dropped.
    fn settle_track(&mut self, name: &TrackName) {
        self.serve(name);
        let Some(track) = self.tracks.get_mut(name) else { return };
        let limits =
            ReadLimits { raw_bytes_max: self.limits.raw_bytes_max, readers_max: self.facts.readers_max };
        for start in track.start(name, limits) {
            self.rows.push(read_row(Arc::clone(&self.source), start));
        }
        track.prune();
        if let Some(alarm) =
            track.first_overdue().map(|at| at + GRACE).filter(|at| track.alarm.is_none_or(|old| *at < old))
        {
            track.alarm = Some(alarm);
            self.alarms.insert((alarm, name.clone()));
        }
        self.count_held(name);
        self.evict();
    }

    fn serve(&mut self, name: &TrackName) {
        let Some(track) = self.tracks.get_mut(name) else { return };
        let mut answers = Vec::new();
        for who in track.waiting() {
            let Some(member) = self.members.get(&who) else { continue };
            let taste = Taste { renderer: member.renderer.as_ref(), filter: member.filter.as_ref() };
            answers.extend(track.serve(who, taste).map(|(order, read)| (who, order, read)));
        }
        for (who, order, read) in answers {
            if read.as_ref().is_ok_and(|read| read.ended) {
                self.end(who, name);
            }
            let read = read.map_err(|panic| SourceError::died(&name.0, panic).to_notice());
            self.tell(who, FeedEvent::Read(order.id, read));
        }
    }

    fn answer_overdue(
        &mut self,
        name: &TrackName,
        overdue: impl FnOnce(&mut FeedTrack) -> Vec<(SubscriberId, ReadOrder, Read)>,
    ) {
        for (who, order, read) in self.tracks.get_mut(name).map(|track| overdue(track)).unwrap_or_default() {
            self.tell(who, FeedEvent::Read(order.id, Ok(read)));
        }
    }

    /// Brings the sum of held bytes up to date with one track, and drops the track when it is of no use.
    fn count_held(&mut self, name: &TrackName) {
        let Some(track) = self.tracks.get_mut(name) else { return };
        let now = track.held_bytes();
        self.held_bytes = self.held_bytes + now - std::mem::replace(&mut track.counted_bytes, now);
        if track.is_idle() {
            self.tracks.remove(name);
        }
    }

    /// Keeps what is held for those that lag within its limit: the fullest track gives first.
    fn evict(&mut self) {
        while self.held_bytes > self.limits.shared_bytes_max {
            let fullest = self.tracks.iter_mut().max_by_key(|(_, track)| track.evictable_bytes());
            let Some((name, track)) = fullest.filter(|(_, track)| track.evictable_bytes() > 0) else {
                return;
            };
            track.evict();
            track.prune();
            let name = name.clone();
            self.count_held(&name);
        }
    }

    fn end(&mut self, who: SubscriberId, name: &TrackName) {
        if let Some(standing) = self.members.get_mut(&who).and_then(|member| member.known.0.get_mut(name)) {
            *standing = Standing::Ended;
        }
    }

    fn handle_deadline(&mut self, now: Instant) {
        self.handle_shared_queue_deadline(now);
        while let Some((at, name)) = self.alarms.first().filter(|(at, _)| *at <= now).cloned() {
            self.alarms.remove(&(at, name.clone()));
            if let Some(track) = self.tracks.get_mut(&name) {
                track.alarm = None;
                self.answer_overdue(&name, |track| track.overdue(at - GRACE));
                self.settle_track(&name);
            }
        }
        self.list_due(now);
    }

    fn list_due(&mut self, now: Instant) {
        let is_due = |member: &FeedConsumer| member.list_at.is_some_and(|at| at <= now);
        if !self.facts.lists_for_all {
            for (who, member) in self.members.iter_mut().filter(|(_, member)| is_due(member)) {
                member.list_at = None;
                self.rows.push(list_row(Arc::clone(&self.source), *who, member.known.clone()));
            }
        } else if self.members.values().any(|it| is_due(it)) {
            // One that is under way began before some of them came; they are given what it brings.
            self.members.values_mut().for_each(|it| it.list_at = None);
            if !std::mem::replace(&mut self.lists_for_all, true) {
                self.rows.push(list_for_all_row(Arc::clone(&self.source)));
            }
        }
    }

    fn handle_listing_for_all(&mut self, listing: Result<Listing, SourceError>) {
        self.lists_for_all = false;
        let Listing { tracks, trouble } = told(listing);
        let trouble = trouble.map(|error| error.to_notice());
        for who in self.members.keys().copied().collect::<Vec<_>>() {
            self.take_listing(who, &tracks, trouble.clone());
        }
    }

    fn handle_listing(&mut self, who: SubscriberId, listing: Result<Listing, SourceError>) {
        let Listing { tracks, trouble } = told(listing);
        self.take_listing(who, &tracks, trouble.map(|error| error.to_notice()));
    }

    /// Tells a subscriber what it does not know of a listing.
    fn take_listing(&mut self, who: SubscriberId, listed: &[TrackInfo], trouble: Option<SourceNotice>) {
        let Some(member) = self.members.get_mut(&who) else { return };
        let is_due = std::mem::take(&mut member.lists_again);
        let pause =
            |tracks: &dyn Tracks| if is_due { std::time::Duration::ZERO } else { tracks.rediscover_every() };
        member.list_at = self.source.tracks().map(|tracks| Instant::now() + pause(tracks));
        let mut new = member.take_new(listed, self.facts.lists_for_all);
        member.known.order_behind_unlisted(&mut new, listed);
        if !new.is_empty() {
            self.tell(who, FeedEvent::Discovered(new));
        }
        self.tell_trouble(who, trouble);
    }

    /// Tells a subscriber what is wrong beside its reads, or that nothing is any more; once.
    pub(super) fn tell_trouble(&mut self, who: SubscriberId, trouble: Option<SourceNotice>) {
        let Some(member) = self.members.get_mut(&who).filter(|it| it.trouble != trouble) else { return };
        member.trouble.clone_from(&trouble);
        self.tell(who, trouble.map_or(FeedEvent::Healed, FeedEvent::Trouble));
    }

    /// The end of a track told what comes after it. Where it cannot tell whether something else goes before
    /// that, a listing does (T-1).
    fn discover(&mut self, found: &[TrackInfo]) {
        for who in self.members.keys().copied().collect::<Vec<_>>() {
            let Some(member) = self.members.get_mut(&who) else { continue };
            let (sure, unsure): (Vec<TrackInfo>, Vec<TrackInfo>) =
                found.iter().cloned().partition(|it| member.known.has_parents_of(it));
            if !unsure.is_empty() {
                member.list_soon();
            }
            let new = member.take_new(&sure, true);
            if !new.is_empty() {
                self.tell(who, FeedEvent::Discovered(new));
            }
        }
    }

    /// Sends an event, or keeps it until the channel has room; the order of events stays.
    pub(super) fn tell(&mut self, who: SubscriberId, event: FeedEvent) {
        let Some(member) = self.members.get_mut(&who) else { return };
        let event = Box::new(event);
        if !member.late.is_empty() {
            return member.late.push_back(event);
        }
        match member.events.try_send(event) {
            // A closed channel means that the subscriber is gone; its leave is on the way.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(event)) => {
                member.late.push_back(event);
                self.rows.push(room_row(who, member.events.clone()));
            }
        }
    }

    fn handle_room(&mut self, who: SubscriberId, permit: Option<mpsc::OwnedPermit<Box<FeedEvent>>>) {
        let Some(member) = self.members.get_mut(&who) else { return };
        let (Some(permit), Some(event)) = (permit, member.late.pop_front()) else { return };
        permit.send(event);
        if !member.late.is_empty() {
            self.rows.push(room_row(who, member.events.clone()));
        }
    }

    /// The end: what is open is answered as far as there is room.
    fn answer_all(&mut self) {
        for (who, order) in self.shared_queue.as_mut().map(SharedQueue::all_orders).unwrap_or_default() {
            self.tell(who, FeedEvent::Read(order.id, Ok(Read::default())));
        }
        for track in std::mem::take(&mut self.tracks).values_mut() {
            for who in track.waiting() {
                if let Some((order, read)) = track.give_up(who) {
                    self.tell(who, FeedEvent::Read(order.id, Ok(read)));
                }
            }
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Before the subscribers hear of it: whoever looks then sees that this feed is no more.
        self.inbox.close();
    }
}

async fn wait_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}

fn read_row(source: Arc<dyn Source>, start: ReadStart) -> BoxFuture<'static, FeedRow> {
    Box::pin(async move {
        let ReadStart { track, stretch, reader, from, records_max, bytes_max, until } = start;
        let result = async {
            let mut reader = match reader {
                Some(reader) => reader,
                None => tracks_of(&*source)?.open(&track, &from).await?,
            };
            let wait = until.saturating_duration_since(Instant::now());
            let read = reader.read(Room { records_max, bytes_max, wait }).await;
            Ok((reader, read))
        };
        // What reads is foreign in part: its panic is an error of this track.
        let result = caught(result).await.unwrap_or_else(|panic| Err(SourceError::died(&track.0, panic)));
        let (reader, result) = match result {
            // Whoever asks too often has not lost its place.
            Ok((reader, read @ (Ok(_) | Err(SourceError::Throttled { .. })))) => (Some(reader), read),
            Ok((_, Err(error))) | Err(error) => (None, Err(error)),
        };
        FeedRow::Read(track, stretch, reader, result)
    })
}

/// A listing; one that failed brings its trouble alone.
fn told(listing: Result<Listing, SourceError>) -> Listing {
    listing.unwrap_or_else(|error| Listing { tracks: Vec::new(), trouble: Some(error) })
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

fn list_row(source: Arc<dyn Source>, who: SubscriberId, known: Known) -> BoxFuture<'static, FeedRow> {
    Box::pin(async move {
        let listing = caught(async { tracks_of(&*source)?.list(&known).await }).await;
        FeedRow::Listed(
            who,
            listing.unwrap_or_else(|panic| Err(SourceError::died("the list of tracks", panic))),
        )
    })
}

fn list_for_all_row(source: Arc<dyn Source>) -> BoxFuture<'static, FeedRow> {
    Box::pin(async move {
        let listing = caught(async { tracks_of(&*source)?.list(&Known::default()).await }).await;
        FeedRow::ListedForAll(
            listing.unwrap_or_else(|panic| Err(SourceError::died("the list of tracks", panic))),
        )
    })
}

fn changed_row(source: Arc<dyn Source>) -> BoxFuture<'static, FeedRow> {
    Box::pin(async move {
        match source.tracks() {
            Some(tracks) => tracks.changed().await,
            None => std::future::pending().await,
        }
        FeedRow::Changed
    })
}

fn room_row(who: SubscriberId, events: mpsc::Sender<Box<FeedEvent>>) -> BoxFuture<'static, FeedRow> {
    Box::pin(async move { FeedRow::Room(who, events.reserve_owned().await.ok()) })
}
