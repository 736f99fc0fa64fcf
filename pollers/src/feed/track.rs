//! One track within a feed: who stands where on it, and the stretches of raw reads that they share.
//!
//! A stretch is a reader and the reads before it that somebody still needs. A subscriber uses the furthest
//! stretch that its place lies in; when it lies in none, a new stretch begins there. So one that lags past
//! what is kept reads on its own, and joins again where the places meet. A stretch in which nobody stands is
//! dropped. Nothing here does IO or looks at a clock.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;

use forebay_batcher::{Gap, Place, Position, Read, ReadOrder, TrackIdx, Watermark};
use tokio::time::Instant;

use super::inbox::SubscriberId;
use super::serve::{FilledAnswer, Took};
use super::subscription::RecordFilter;
use crate::source::{RawRead, RawRecord, Reader, Renderer, TrackName};

/// One subscriber on a track.
pub(super) struct TrackSeat {
    pub(super) idx: TrackIdx,
    /// The bound that it has read up to.
    at: Watermark,
    order: Option<(ReadOrder, Instant)>,
}

/// Reads that follow one another, and the reader behind them.
struct Stretch {
    id: StretchId,
    reads: VecDeque<HeldReads>,
    to: Watermark,
    reader: ReaderState,
    ended: bool,
    /// A gap of a read that brought nothing and passed nothing: told with what comes next, or with the end.
    untold: Option<Gap>,
    /// The last read was the so-manieth of the track.
    turn: u64,
}

/// Names a stretch of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StretchId(u64);

struct HeldReads {
    from: Watermark,
    read: RawRead,
    to: Watermark,
    bytes: u64,
}

enum ReaderState {
    /// None is open; the next read opens one at the end of the stretch.
    Closed,
    Idle(Box<dyn Reader>),
    Reading,
}

/// A raw read to start.
pub(super) struct ReadStart {
    pub(super) track: TrackName,
    pub(super) stretch: StretchId,
    pub(super) reader: Option<Box<dyn Reader>>,
    pub(super) from: Watermark,
    pub(super) records_max: u32,
    pub(super) bytes_max: u64,
    pub(super) until: Instant,
}

/// What raw reads of a track keep to.
#[derive(Clone, Copy)]
pub(super) struct ReadLimits {
    /// The most raw bytes of one.
    pub(super) raw_bytes_max: u64,
    /// The most readers that the track may have open.
    pub(super) readers_max: Option<NonZeroUsize>,
}

/// What a subscriber's answer is made with.
#[derive(Clone, Copy)]
pub(super) struct Taste<'a> {
    pub(super) renderer: &'a dyn Renderer,
    pub(super) filter: Option<&'a Arc<dyn RecordFilter>>,
}

/// One track within a feed.
#[derive(Default)]
pub(super) struct FeedTrack {
    pub(super) seats: BTreeMap<SubscriberId, Box<TrackSeat>>,
    stretches: Vec<Stretch>,
    n_stretches: u64,
    n_reads: u64,
    /// Its part of the feed's sum of held bytes.
    pub(super) counted_bytes: u64,
    /// When the feed looks at it for orders that are overdue.
    pub(super) alarm: Option<Instant>,
    /// The first of those that come after it, once its end tells of them.
    pub(super) heir: Option<TrackName>,
}

impl FeedTrack {
    /// Seats a subscriber; it may have been seated before.
    pub(super) fn open(&mut self, who: SubscriberId, idx: TrackIdx, at: Watermark) {
        self.seats.insert(who, Box::new(TrackSeat { idx, at, order: None }));
    }

    /// Takes an order.
    pub(super) fn order(&mut self, who: SubscriberId, order: ReadOrder, until: Instant) {
        if let Some(seat) = self.seats.get_mut(&who) {
            seat.order = Some((order, until));
        }
    }

    /// Withdraws a subscriber's order, with the empty read that answers it.
    pub(super) fn give_up(&mut self, who: SubscriberId) -> Option<(ReadOrder, Read)> {
        let seat = self.seats.get_mut(&who)?;
        let (order, _) = seat.order.take()?;
        let passed = seat.at.position().cloned();
        Some((order, Read { passed, ..Read::default() }))
    }

    /// Withdraws every order whose wait was over at `by`.
    pub(super) fn overdue(&mut self, by: Instant) -> Vec<(SubscriberId, ReadOrder, Read)> {
        self.give_up_all(|seat| seat.is_overdue(by))
    }

    /// The same for those who stand at the end of a stretch, where a read has just brought nothing.
    pub(super) fn overdue_at(&mut self, id: StretchId, by: Instant) -> Vec<(SubscriberId, ReadOrder, Read)> {
        let Some(to) = self.stretches.iter().find(|it| it.id == id).map(|it| it.to.clone()) else {
            return Vec::new();
        };
        self.give_up_all(|seat| seat.at == to && seat.is_overdue(by))
    }

    fn give_up_all(&mut self, which: impl Fn(&TrackSeat) -> bool) -> Vec<(SubscriberId, ReadOrder, Read)> {
        let who: Vec<_> = self.seats.iter().filter(|(_, seat)| which(seat)).map(|(who, _)| *who).collect();
        who.into_iter().filter_map(|who| self.give_up(who).map(|(order, read)| (who, order, read))).collect()
    }

    /// When the first open order's wait is over.
    pub(super) fn first_overdue(&self) -> Option<Instant> {
        self.seats.values().filter_map(|seat| seat.order.as_ref()).map(|(_, until)| *until).min()
    }

    /// Serves an order from what is held. `None`: nothing is held for it, it waits for a raw read.
    pub(super) fn serve(
        &mut self,
        who: SubscriberId,
        taste: Taste<'_>,
    ) -> Option<(ReadOrder, Result<Read, String>)> {
        let seat = self.seats.get_mut(&who)?;
        let (order, _) = seat.order.as_ref()?;
        let stretch = best(&self.stretches, &seat.at)?;
        let mut answer = FilledAnswer::new(order, taste.renderer, taste.filter);
        let mut at = seat.at.clone();
        let mut gap: Option<Gap> = None;
        let mut is_full = false;
        let mut died = None;
        'reads: for held in stretch.reads.iter().skip_while(|held| !held.holds(&seat.at)) {
            // A gap lies before its read: whoever stands inside of that has been told.
            if held.from == at {
                gap = gap.or_else(|| held.read.gap.clone());
            }
            for raw in held.read.records.iter().filter(|raw| is_at_or_after(&raw.position, &seat.at)) {
                let took = answer.take_contained(raw, || Place::Track(seat.idx, raw.position.clone()));
                if took != Ok(Took::Record) && took != Ok(Took::Filtered) {
                    at = Watermark::At(raw.position.clone());
                    is_full = true;
                    died = took.err();
                    break 'reads;
                }
            }
            at = held.to.clone();
        }
        let ended = !is_full && at == stretch.to && stretch.ended;
        if ended {
            gap = gap.or_else(|| stretch.untold.clone());
        }
        // What came before it is answered first; then it is the first and an error of this track for this
        // subscriber.
        if let Some(panic) = died.filter(|_| at == seat.at) {
            return seat.order.take().map(|(order, _)| (order, Err(panic)));
        }
        // An answer that passes nothing would only be ordered again.
        if at == seat.at && !ended {
            return None;
        }
        let read = Read { gap, ..answer.finish(at.position().cloned(), ended) };
        seat.at = at;
        seat.order.take().map(|(order, _)| (order, Ok(read)))
    }

    /// The raw reads to start so that every order is waited for, as far as the track may have readers. Their
    /// stretches count as reading.
    pub(super) fn start(&mut self, name: &TrackName, limits: ReadLimits) -> Vec<ReadStart> {
        for seat in self.seats.values().filter(|seat| seat.order.is_some()) {
            // What it needs next is not held any more: it reads on its own from where it stands.
            if best(&self.stretches, &seat.at).is_none() {
                self.n_stretches += 1;
                self.stretches.push(Stretch::new(StretchId(self.n_stretches), seat.at.clone()));
            }
        }
        let mut starts = Vec::new();
        let mut in_turn: Vec<usize> = (0..self.stretches.len()).collect();
        if limits.readers_max.is_some() {
            // Whoever has waited longest for a reader is next.
            in_turn.sort_by_key(|idx| self.stretches[*idx].turn);
        }
        for idx in in_turn {
            let stretch = &self.stretches[idx];
            if stretch.ended || matches!(stretch.reader, ReaderState::Reading) {
                continue;
            }
            let waiting = || {
                let here = self.seats.values().filter(|seat| seat.at == stretch.to);
                let here =
                    here.filter(|seat| best(&self.stretches, &seat.at).is_some_and(|it| it.id == stretch.id));
                here.filter_map(|seat| seat.order.as_ref())
            };
            // For whoever waits longest; the others are answered when their own wait is over.
            let Some(until) = waiting().map(|(_, until)| *until).max() else { continue };
            let records_max = waiting().map(|(order, _)| order.records_max).max().unwrap_or(1).max(1);
            let bytes_max =
                waiting().map(|(order, _)| order.bytes_max).max().unwrap_or(1).clamp(1, limits.raw_bytes_max);
            if limits.readers_max.is_some_and(|max| !self.has_reader_for(idx, max)) {
                continue;
            }
            self.n_reads += 1;
            let stretch = &mut self.stretches[idx];
            stretch.turn = self.n_reads;
            let reader = match std::mem::replace(&mut stretch.reader, ReaderState::Reading) {
                ReaderState::Idle(reader) => Some(reader),
                ReaderState::Closed | ReaderState::Reading => None,
            };
            let (stretch, from) = (stretch.id, stretch.to.clone());
            starts.push(ReadStart {
                track: name.clone(),
                stretch,
                reader,
                from,
                records_max,
                bytes_max,
                until,
            });
        }
        starts
    }

    /// Whether a stretch may read when no more than `max` readers may be open: one that rests is closed for
    /// it where all are.
    fn has_reader_for(&mut self, idx: usize, max: NonZeroUsize) -> bool {
        let is_open = |it: &Stretch| !matches!(it.reader, ReaderState::Closed);
        if is_open(&self.stretches[idx]) || self.stretches.iter().filter(|it| is_open(it)).count() < max.get()
        {
            return true;
        }
        // One that is reading cannot be taken its reader; one that rests opens again at its place.
        let resting = self.stretches.iter_mut().filter(|it| matches!(it.reader, ReaderState::Idle(_)));
        match resting.min_by_key(|it| it.turn) {
            Some(stretch) => {
                stretch.reader = ReaderState::Closed;
                true
            }
            None => false,
        }
    }

    /// A raw read came back: its records are held for whoever stands before them.
    pub(super) fn handle_read(&mut self, id: StretchId, reader: Option<Box<dyn Reader>>, mut read: RawRead) {
        let Some(stretch) = self.stretches.iter_mut().find(|it| it.id == id) else { return };
        // Nothing comes behind an end: what is held is all that the last ones need.
        let reader = reader.filter(|_| !read.ended);
        stretch.reader = reader.map_or(ReaderState::Closed, ReaderState::Idle);
        stretch.ended = read.ended;
        let from = stretch.to.clone();
        let to = read.passed.clone().map_or_else(|| from.clone(), Watermark::At);
        read.gap = stretch.untold.take().or(read.gap);
        if to == from {
            stretch.untold = read.gap;
        } else {
            let places = (read.records.capacity() * size_of::<RawRecord>()) as u64;
            let bytes = places + read.records.iter().map(RawRecord::heap_bytes).sum::<u64>();
            stretch.reads.push_back(HeldReads { from, read, to: to.clone(), bytes });
            stretch.to = to;
        }
    }

    /// A raw read failed: everyone who waited for it is told, and the next order reads on with the reader
    /// where one is left, or opens one at the same place.
    pub(super) fn handle_failure(
        &mut self,
        id: StretchId,
        reader: Option<Box<dyn Reader>>,
    ) -> Vec<(SubscriberId, ReadOrder)> {
        let Some(stretch) = self.stretches.iter_mut().find(|it| it.id == id) else { return Vec::new() };
        stretch.reader = reader.map_or(ReaderState::Closed, ReaderState::Idle);
        let to = stretch.to.clone();
        let waiting = self.seats.iter_mut().filter(|(_, seat)| seat.at == to);
        waiting.filter_map(|(who, seat)| seat.order.take().map(|(order, _)| (*who, order))).collect()
    }

    /// Drops what nobody needs.
    pub(super) fn prune(&mut self) {
        let Self { seats, stretches, .. } = self;
        for stretch in stretches.iter_mut() {
            while stretch.reads.front().is_some_and(|held| !seats.values().any(|seat| held.holds(&seat.at))) {
                stretch.reads.pop_front();
            }
        }
        // One that is reading is kept: its read would come back to nobody, and its reader with it.
        let needed: Vec<StretchId> =
            seats.values().filter_map(|seat| best(stretches, &seat.at).map(|it| it.id)).collect();
        stretches.retain(|it| needed.contains(&it.id) || matches!(it.reader, ReaderState::Reading));
    }

    /// Bytes of the fullest stretch that something can be dropped of.
    pub(super) fn evictable_bytes(&self) -> u64 {
        self.stretches.iter().filter(|it| self.may_shrink(it)).map(Stretch::bytes).max().unwrap_or(0)
    }

    /// Drops the oldest read of that stretch; whoever stood in it reads on its own. The only read goes with
    /// its reader: what was pushed in it is asked for again.
    pub(super) fn evict(&mut self) {
        let evictable = (0..self.stretches.len()).filter(|idx| self.may_shrink(&self.stretches[*idx]));
        let Some(fullest) = evictable.max_by_key(|idx| self.stretches[*idx].bytes()) else { return };
        if self.stretches[fullest].reads.len() > 1 {
            self.stretches[fullest].reads.pop_front();
        } else {
            self.stretches.remove(fullest);
        }
    }

    /// Something can be dropped of what the stretch holds: it has several reads, or one that nobody waits
    /// for. A mapping that has no order open, because its function is slow, must not hold the memory of
    /// others.
    fn may_shrink(&self, stretch: &Stretch) -> bool {
        let has_takers = || {
            let waiting = self.seats.values().filter(|seat| seat.order.is_some());
            waiting.filter(|seat| stretch.holds(&seat.at)).count() > 0
        };
        let is_reading = matches!(stretch.reader, ReaderState::Reading);
        stretch.reads.len() > 1 || (stretch.reads.len() == 1 && !is_reading && !has_takers())
    }

    /// What the reads that are held take in memory.
    pub(super) fn held_bytes(&self) -> u64 {
        self.stretches.iter().map(Stretch::bytes).sum()
    }

    /// Whether nobody is seated and nothing is read.
    pub(super) fn is_idle(&self) -> bool {
        self.seats.is_empty() && self.stretches.is_empty()
    }

    /// Who has an order open.
    pub(super) fn waiting(&self) -> Vec<SubscriberId> {
        self.seats.iter().filter(|(_, seat)| seat.order.is_some()).map(|(who, _)| *who).collect()
    }

    #[cfg(test)]
    pub(super) fn n_stretches(&self) -> usize {
        self.stretches.len()
    }
}

impl TrackSeat {
    fn is_overdue(&self, now: Instant) -> bool {
        self.order.as_ref().is_some_and(|(_, until)| *until <= now)
    }
}

impl Stretch {
    fn new(id: StretchId, at: Watermark) -> Self {
        Self {
            id,
            reads: VecDeque::new(),
            to: at,
            reader: ReaderState::Closed,
            ended: false,
            untold: None,
            turn: 0,
        }
    }

    fn bytes(&self) -> u64 {
        self.reads.iter().map(|held| held.bytes).sum()
    }

    fn holds(&self, at: &Watermark) -> bool {
        self.to == *at || self.reads.iter().any(|held| held.holds(at))
    }
}

impl HeldReads {
    /// Whether a bound lies in this read, so that its records from there on are exactly what follows the
    /// bound.
    fn holds(&self, at: &Watermark) -> bool {
        let Watermark::At(place) = at else { return self.from == *at };
        let is_after_start = match &self.from {
            Watermark::At(from) => from <= place,
            // An origin may lie anywhere below its first record.
            Watermark::Origin(_) => self.read.records.first().is_some_and(|first| first.position <= *place),
        };
        is_after_start && matches!(&self.to, Watermark::At(to) if place < to)
    }
}

/// The stretch that a bound lies in and that has come furthest.
fn best<'a>(stretches: &'a [Stretch], at: &Watermark) -> Option<&'a Stretch> {
    stretches
        .iter()
        .filter(|it| it.holds(at))
        .reduce(|best, it| if it.to.position() > best.to.position() { it } else { best })
}

fn is_at_or_after(position: &Position, bound: &Watermark) -> bool {
    match bound {
        Watermark::Origin(_) => true,
        Watermark::At(at) => position >= at,
    }
}
