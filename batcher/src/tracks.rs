//! The ledger of tracks: what was read, what waits in which lane, what a checkpoint says, when to read and to commit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::action::*;
use crate::assemble::bytes_in_batch;
use crate::backoff::ask_again_delay;
use crate::chain::{Chain, ChainId, Filling, Hold, Status, Step, What};
use crate::checkpoint::{Checkpoint, GivenUp, OpenSlice, Watermark};
use crate::lanes::lane_of;
use crate::machine::{Machine, Ready};
use crate::mutant::{Mutant, planted};
use crate::record::{Place, Position, Record, TrackIdx};
use crate::time::{Now, Tick, UnixMillis};
use crate::timers::Timer;
use crate::watermark::{OpenRecords, join};

/// The longest that a read of a track may wait for records.
const READ_WAIT_MAX: Duration = Duration::from_secs(20);
/// The most records that one read is asked for.
const READ_RECORDS_MAX: u32 = 10_000;
/// The most bytes that one read is asked for, and what a track is asked for that had nothing the last time.
const READ_BYTES_MAX: u64 = 1 << 20;
const READ_BYTES_IDLE: u64 = 64 << 10;
/// Memory that a record costs beside its bytes.
pub(crate) const RECORD_OVERHEAD_BYTES: u64 = 160;

/// All tracks of a machine.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    pub(crate) by_idx: BTreeMap<TrackIdx, Track>,
    /// Reads that are open.
    pub(crate) reads: BTreeMap<ReadId, TrackIdx>,
    /// Commits that are open.
    pub(crate) commits: BTreeMap<CommitId, TrackIdx>,
    /// Tracks that would read but for want of memory.
    starved: BTreeSet<TrackIdx>,
}

/// One track.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) status: TrackStatus,
    /// What the last checkpoint said, until something is read.
    base: Watermark,
    pub(crate) open: OpenRecords,
    passed: Option<Position>,
    /// Finished stretches of a former life that were not read again yet.
    restored: Vec<(Position, Position)>,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) reading: Reading,
    /// Failed reads in a row, and the first one's time.
    read_failing: Option<(u32, Tick)>,
    pub(crate) is_at_end: bool,
    is_dirty: bool,
    /// The last commit said that the track has ended.
    is_end_written: bool,
    pub(crate) committing: Committing,
    pub(crate) is_closing: bool,
    n_waiting: usize,
    pub(crate) idle_since: Option<Tick>,
}

/// Whether a track may act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrackStatus {
    Active,
    PositionLost { error: String },
    Fenced,
    Ended,
    Closed,
}

/// One lane: records of some keys, strictly in order.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) waiting: VecDeque<Waiting>,
    waiting_bytes: u64,
    pub(crate) chain: Option<ChainId>,
    /// Set while a fresh batch of it waits for a slot.
    pub(crate) ready: Option<(Tick, BatchReason)>,
}

/// A record that waits for its batch.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) record: Record,
    /// When it was read: a batching window counts from its first record.
    pub(crate) since: Tick,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    Idle,
    Open(ReadId),
    Backoff { until: Tick, since: Tick, error: String },
}

/// What is known about a track's checkpoints.
#[derive(Debug, Default)]
pub(crate) struct Committing {
    /// The commit that is open, with the count of changes that it holds.
    open: Option<(CommitId, u64)>,
    /// The count of changes that is durable.
    pub(crate) durable: u64,
    pub(crate) failing: Option<CommitFailing>,
    last: Option<Position>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct CommitFailing {
    pub(crate) is_full: bool,
    pub(crate) since: Tick,
    n: u32,
    until: Tick,
}

impl Track {
    fn new(from: &Checkpoint, n_lanes: u32) -> Self {
        Self {
            status: if from.ended { TrackStatus::Ended } else { TrackStatus::Active },
            base: from.watermark.clone(),
            open: OpenRecords::default(),
            passed: None,
            restored: from.finished.clone(),
            lanes: (0..n_lanes).map(|_| Lane::default()).collect(),
            reading: Reading::Idle,
            read_failing: None,
            is_at_end: from.ended,
            is_dirty: false,
            is_end_written: from.ended,
            committing: Committing::default(),
            is_closing: false,
            n_waiting: 0,
            idle_since: None,
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.status == TrackStatus::Active
    }

    /// No read and no commit is open, and nothing waits to be written.
    pub(crate) fn is_quiet(&self) -> bool {
        !matches!(self.reading, Reading::Open(_)) && self.committing.open.is_none() && !self.has_news()
    }

    /// A checkpoint would say something new.
    fn has_news(&self) -> bool {
        self.is_active() && (self.is_dirty || (self.is_finished() && !self.is_end_written))
    }

    fn n_lanes(&self) -> u32 {
        u32::try_from(self.lanes.len()).expect("lanes were made from a u32")
    }

    fn watermark(&self) -> Watermark {
        let first = self.open.first().filter(|_| !planted(Mutant::CommitWhatWasRead));
        match first.or(self.passed.as_ref()) {
            Some(position) => Watermark::At(position.clone()),
            None => self.base.clone(),
        }
    }

    /// Everything that was read is finished.
    fn is_finished(&self) -> bool {
        self.is_at_end && self.open.first().is_none() && self.lanes.iter().all(|lane| lane.chain.is_none())
    }
}

impl Machine {
    pub(crate) fn assign_track(&mut self, idx: TrackIdx, from: Checkpoint) {
        let n_lanes = if from.slices.is_empty() { self.plan.lanes.get() } else { from.lanes };
        let mut track = Track::new(&from, n_lanes);
        track.committing.durable = self.mark;
        let is_ended = from.ended;
        self.tracks.by_idx.insert(idx, track);
        let mut slices = from.slices;
        slices.sort_by(|a, b| a.first.cmp(&b.first));
        for mut slice in slices {
            if planted(Mutant::ForgetCounts) {
                slice.n_failures = 0;
            }
            self.restore_slice(idx, slice);
        }
        if is_ended {
            self.actions.push_back(Action::Ended(idx));
            return;
        }
        for id in self.chains_of(idx) {
            self.advance(id);
        }
        self.pump_track(idx);
    }

    fn restore_slice(&mut self, idx: TrackIdx, slice: OpenSlice) {
        let not_before = self.now.tick.after(delay_until(slice.not_before, self.now));
        let lane = slice.lane;
        let limits = crate::attempt::Limits {
            retries_max: slice.retries_max,
            record_age_max: slice.record_age_max_ms.map(Duration::from_millis),
            bisect: slice.bisect,
            ..crate::attempt::Limits::of(&self.plan.retry)
        };
        let Some(held) = self.lane_mut(idx, lane).map(|lane| lane.chain) else { return };
        let id = match held {
            Some(id) => id,
            None => {
                let mut chain = Chain::new(limits);
                chain.failing_since = Some(self.now.tick);
                chain.holds.push(Hold::Lane(idx, lane));
                let id = self.add_chain(chain);
                self.lane_mut(idx, lane).expect("it was there above").chain = Some(id);
                id
            }
        };
        let what = What::Filling(Filling { track: idx, slice, not_before, records: Vec::new() });
        self.chains.get_mut(&id).expect("a lane's chain exists").steps.push_back(Step { what, mark: 0 });
    }

    pub(crate) fn lane_mut(&mut self, idx: TrackIdx, lane: u32) -> Option<&mut Lane> {
        self.tracks.by_idx.get_mut(&idx)?.lanes.get_mut(lane as usize)
    }

    /// The chains that hold lanes of a track.
    pub(crate) fn chains_of(&self, idx: TrackIdx) -> Vec<ChainId> {
        let Some(track) = self.tracks.by_idx.get(&idx) else { return Vec::new() };
        let mut ids: Vec<ChainId> = track.lanes.iter().filter_map(|lane| lane.chain).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    pub(crate) fn read_track(&mut self, idx: TrackIdx, read: Result<Read, SourceNotice>) {
        let now = self.now;
        let seed = self.seed_of(u64::from(idx.0));
        let is_closing = self.is_closing();
        let Some(track) = self.tracks.by_idx.get_mut(&idx) else { return };
        track.reading = Reading::Idle;
        if !track.is_active() {
            return;
        }
        match read {
            // C-1: what comes after a close is read again by the next life.
            Ok(_) if track.is_closing || is_closing => {}
            Ok(read) => self.take_read(idx, read),
            Err(SourceNotice::PositionLost { error }) => self.stop_track(idx, TrackStatus::PositionLost { error }),
            Err(notice) => {
                let (n, since) = track.read_failing.map_or((0, now.tick), |(n, since)| (n + 1, since));
                let (error, asked) = describe(notice);
                let until = now.tick.after(asked.unwrap_or_else(|| ask_again_delay(n, seed)));
                track.read_failing = Some((n, since));
                track.reading = Reading::Backoff { until, since, error };
                self.timers.set(Timer::Reread(idx), Some(until).filter(|_| !planted(Mutant::DownForEver)));
            }
        }
        self.pump_track(idx);
    }

    fn take_read(&mut self, idx: TrackIdx, read: Read) {
        let now = self.now.tick;
        self.counts.polled += read.records.len() as u64 + u64::from(read.n_filtered);
        self.counts.filtered_out += u64::from(read.n_filtered);
        self.counts.gaps += u64::from(read.gap.is_some());
        let Some(track) = self.tracks.by_idx.get_mut(&idx) else { return };
        track.idle_since = if read.records.is_empty() { Some(track.idle_since.unwrap_or(now)) } else { None };
        track.read_failing = None;
        let before = track.passed.clone();
        let n_lanes = track.n_lanes();
        let mut touched = BTreeSet::new();
        let read_is_empty = read.records.is_empty();
        for record in read.records {
            let Place::Track(_, position) = &record.place else { continue };
            let is_repeated = before.as_ref().is_some_and(|passed| position < passed);
            let at = track.restored.partition_point(|(_, last)| last < position);
            let is_finished = track.restored.get(at).is_some_and(|(first, _)| first <= position && !planted(Mutant::ForgetFinished));
            if is_repeated || is_finished {
                self.counts.skipped += 1;
                if !is_repeated {
                    track.open.pass(position.clone());
                }
                continue;
            }
            let position = position.clone();
            let lane = lane_of(&record.key, &position, n_lanes);
            track.open.open(position.clone());
            self.held_bytes += record.n_bytes() + RECORD_OVERHEAD_BYTES;
            touched.insert(lane);
            let unit = &mut track.lanes[lane as usize];
            let filling = unit.chain.and_then(|id| self.chains.get_mut(&id)).and_then(|chain| filling_for(chain, idx, lane, &position));
            match filling {
                Some(filling) => {
                    self.counts.restored += 1;
                    filling.records.push(record);
                }
                None => {
                    unit.waiting_bytes += bytes_in_batch(&record);
                    unit.waiting.push_back(Waiting { record, since: now });
                    track.n_waiting += 1;
                }
            }
        }
        if let Some(passed) = read.passed.filter(|_| !read_is_empty || !planted(Mutant::FilteredKeepsBack)) {
            track.passed = Some(track.passed.take().map_or_else(|| passed.clone(), |before| before.max(passed.clone())));
        }
        // The source dropped what lies before: those slices' records will never come.
        if let Some(passed) = &track.passed {
            track.restored.retain(|(_, last)| last >= passed);
        }
        track.is_at_end |= read.ended;
        // W-3: a track without open records stands at `passed`.
        track.is_dirty |= track.open.first().is_none() && track.passed != before;
        if track.is_at_end {
            touched.extend(0..n_lanes);
        }
        for id in self.chains_of(idx) {
            if self.chains.get(&id).is_some_and(|chain| chain.status == Status::Filling) {
                self.advance(id);
            }
        }
        for lane in touched {
            self.touch_lane(idx, lane);
        }
    }

    /// Whether all records of this slice were read again.
    pub(crate) fn is_filled(&self, filling: &Filling) -> bool {
        if planted(Mutant::FillingIsFull) {
            return true;
        }
        self.tracks
            .by_idx
            .get(&filling.track)
            .is_some_and(|track| track.is_at_end || track.passed.as_ref().is_some_and(|passed| *passed > filling.slice.last))
    }

    /// Finishes records of one track, in ascending order of position.
    pub(crate) fn finish_on_track(&mut self, idx: TrackIdx, records: &[&Record]) {
        let Some(track) = self.tracks.by_idx.get_mut(&idx).filter(|track| track.is_active()) else { return };
        let positions = records.iter().filter_map(|record| match &record.place {
            Place::Track(_, position) => Some(position),
            Place::Queue { .. } => None,
        });
        track.open.finish(positions);
        track.is_dirty = true;
    }

    /// Something about the track's chains changed that its checkpoint must say.
    pub(crate) fn mark_dirty(&mut self, idx: TrackIdx) {
        if let Some(track) = self.tracks.by_idx.get_mut(&idx) {
            track.is_dirty = true;
        }
    }

    /// Looks whether a lane has a batch that is ready, and when it will.
    pub(crate) fn touch_lane(&mut self, idx: TrackIdx, lane: u32) {
        let is_out_of_room = self.held_bytes >= self.plan.held_bytes_max;
        let is_closing = self.is_closing();
        let Some(track) = self.tracks.by_idx.get(&idx) else { return };
        let Some(unit) = track.lanes.get(lane as usize) else { return };
        let may_start = (unit.chain.is_none() || planted(Mutant::LaneNotHeld))
            && track.is_active()
            && !is_closing
            && !track.is_closing
            && track.committing.failing.is_none();
        let is_changing_lanes = track.n_lanes() != self.plan.lanes.get() && !self.is_any_in_retry(idx);
        let readiness = match unit.waiting.front() {
            Some(first) if may_start && !is_changing_lanes => {
                let closes = first.since.after(self.plan.batch.window);
                if unit.waiting.len() >= self.plan.batch.records_max.get() as usize {
                    Ok(BatchReason::Count)
                } else if self.plan.envelope_bytes + unit.waiting_bytes > self.plan.batch.bytes_max || is_out_of_room {
                    Ok(BatchReason::Bytes)
                } else if track.is_at_end {
                    Ok(BatchReason::Ended)
                } else if closes <= self.now.tick {
                    Ok(BatchReason::Window)
                } else {
                    Err(Some(closes))
                }
            }
            Some(_) | None => Err(None),
        };
        let timer = Timer::LaneWindow(idx, lane);
        let since = self.now.tick;
        let unit = self.lane_mut(idx, lane).expect("it was there above");
        match readiness {
            Ok(why) => {
                if unit.ready.is_none() {
                    unit.ready = Some((since, why));
                    self.ready.push_back(Ready::Lane(idx, lane));
                    self.n_ready += 1;
                }
                self.timers.set(timer, None);
            }
            Err(at) => {
                if unit.ready.take().is_some() {
                    self.n_ready -= 1;
                }
                self.timers.set(timer, at);
            }
        }
    }

    fn is_any_in_retry(&self, idx: TrackIdx) -> bool {
        self.chains_of(idx).iter().any(|id| self.chains.get(id).is_some_and(Chain::is_in_retry))
    }

    /// Takes the next fresh batch of a lane: its chain, holding the lane. Records that the plan lets it mix in come from other free lanes.
    pub(crate) fn take_batch(&mut self, idx: TrackIdx, lane: u32) -> Option<ChainId> {
        let (_, why) = self.lane_mut(idx, lane)?.ready.take()?;
        self.n_ready -= 1;
        let mut filler = crate::assemble::Filler::new(&self.plan);
        let mut chain = Chain::new(crate::attempt::Limits::of(&self.plan.retry));
        self.fill_from(idx, lane, &mut filler, &mut chain);
        if self.plan.mixes_tracks {
            for (idx, lane) in self.free_lanes_after(idx) {
                self.fill_from(idx, lane, &mut filler, &mut chain);
            }
        }
        if filler.is_empty() {
            return None;
        }
        let is_oversize = filler.is_oversize();
        self.counts.given_up_uninvoked += u64::from(is_oversize);
        let slice = crate::attempt::Slice::new(filler.into_records());
        let tried = crate::attempt::Tried { slice, n_failures: 0, n_invokes: 0, why, not_before: Tick::default(), reply: None };
        let what = if is_oversize { What::Tell(tried.give_up(crate::attempt::Condition::PayloadTooLarge)) } else { What::Try(tried) };
        self.mark += 1;
        chain.steps.push_back(Step { what, mark: self.mark });
        let holds = chain.holds.clone();
        let id = self.add_chain(chain);
        for hold in holds {
            if let Hold::Lane(idx, lane) = hold {
                let unit = self.lane_mut(idx, lane).expect("records were taken from it");
                // O-2: no lane is held twice.
                crate::rule!(O2, unit.chain.is_none());
                unit.chain = Some(id);
                if is_oversize {
                    self.mark_dirty(idx);
                }
                self.touch_lane(idx, lane);
                self.pump_track(idx);
            }
        }
        Some(id)
    }

    fn fill_from(&mut self, idx: TrackIdx, lane: u32, filler: &mut crate::assemble::Filler, chain: &mut Chain) {
        let Some(track) = self.tracks.by_idx.get_mut(&idx) else { return };
        let unit = &mut track.lanes[lane as usize];
        let mut n_taken = 0;
        while let Some(first) = unit.waiting.front() {
            if filler.refuses(&first.record).is_some() {
                break;
            }
            let Waiting { record, .. } = unit.waiting.pop_front().expect("it was looked at");
            unit.waiting_bytes -= bytes_in_batch(&record);
            filler.add(record);
            n_taken += 1;
            if filler.is_oversize() {
                break;
            }
        }
        track.n_waiting -= n_taken;
        if n_taken > 0 {
            chain.holds.push(Hold::Lane(idx, lane));
        }
    }

    fn free_lanes_after(&self, idx: TrackIdx) -> Vec<(TrackIdx, u32)> {
        let (below, above): (Vec<_>, Vec<_>) = self
            .tracks
            .by_idx
            .iter()
            .filter(|(_, track)| track.is_active() && !track.is_closing && track.committing.failing.is_none())
            .flat_map(|(it, track)| (0u32..).zip(&track.lanes).map(move |(lane, unit)| (*it, lane, unit)))
            .filter(|(_, _, unit)| unit.chain.is_none() && !unit.waiting.is_empty())
            .map(|(it, lane, _)| (it, lane))
            .partition(|(it, _)| *it <= idx);
        above.into_iter().chain(below).collect()
    }

    /// Reads, writes and ends a track where that is due.
    pub(crate) fn pump_track(&mut self, idx: TrackIdx) {
        self.change_lanes(idx);
        self.wake_old_lanes(idx);
        self.order_read(idx);
        self.commit_if_due(idx);
    }

    /// Lanes that wait for a change of their count go on as they are while something of the track is in retry.
    fn wake_old_lanes(&mut self, idx: TrackIdx) {
        let Some(n_lanes) = self.tracks.by_idx.get(&idx).map(Track::n_lanes) else { return };
        if n_lanes != self.plan.lanes.get() {
            (0..n_lanes).for_each(|lane| self.touch_lane(idx, lane));
        }
    }

    /// The lane count changes only when nothing of the track is in flight or in retry.
    fn change_lanes(&mut self, idx: TrackIdx) {
        let n_lanes = self.plan.lanes.get();
        let Some(track) = self.tracks.by_idx.get_mut(&idx) else { return };
        if track.n_lanes() == n_lanes || !track.is_active() || track.lanes.iter().any(|lane| lane.chain.is_some()) {
            return;
        }
        let old = std::mem::replace(&mut track.lanes, (0..n_lanes).map(|_| Lane::default()).collect());
        let mut waiting: Vec<Waiting> = Vec::with_capacity(track.n_waiting);
        for (lane, unit) in (0u32..).zip(old) {
            self.n_ready -= u32::from(unit.ready.is_some());
            self.timers.set(Timer::LaneWindow(idx, lane), None);
            waiting.extend(unit.waiting);
        }
        waiting.sort_by(|a, b| position(&a.record).cmp(&position(&b.record)));
        for it in waiting {
            let lane = position(&it.record).map_or(0, |position| lane_of(&it.record.key, position, n_lanes));
            let unit = &mut track.lanes[lane as usize];
            unit.waiting_bytes += bytes_in_batch(&it.record);
            unit.waiting.push_back(it);
        }
        for lane in 0..n_lanes {
            self.touch_lane(idx, lane);
        }
    }

    fn order_read(&mut self, idx: TrackIdx) {
        if self.is_closing() {
            return;
        }
        let Some(track) = self.tracks.by_idx.get(&idx) else { return };
        let may_read = track.is_active() && track.reading == Reading::Idle && !track.is_at_end && !track.is_closing;
        if !may_read || track.committing.failing.is_some() {
            return;
        }
        let must_read = self.is_filling(track);
        let room_bytes = self.plan.held_bytes_max.saturating_sub(self.held_bytes);
        if room_bytes == 0 && self.held_bytes > 0 && !must_read {
            self.tracks.starved.insert(idx);
            return;
        }
        let n_waiting_max = self.plan.batch.records_max.get().saturating_mul(2).saturating_mul(track.n_lanes()) as usize;
        let is_hungry = track.n_waiting < n_waiting_max || track.lanes.iter().any(|lane| lane.waiting.is_empty() && lane.chain.is_none());
        if !must_read && (!is_hungry || track.open.n_finished_ahead() >= self.plan.ahead_max as usize) {
            return;
        }
        let room = n_waiting_max.saturating_sub(track.n_waiting).max(self.plan.batch.records_max.get() as usize);
        let bytes_max = if track.idle_since.is_some() { READ_BYTES_IDLE } else { READ_BYTES_MAX };
        let id = ReadId(self.next_id());
        let track = self.tracks.by_idx.get_mut(&idx).expect("it was there above");
        track.reading = Reading::Open(id);
        self.tracks.reads.insert(id, idx);
        self.actions.push_back(Action::Read(ReadOrder {
            id,
            track: Some(idx),
            records_max: u32::try_from(room).unwrap_or(u32::MAX).min(READ_RECORDS_MAX),
            bytes_max: bytes_max.min(room_bytes.max(1)),
            wait: READ_WAIT_MAX,
            lanes: track.n_lanes(),
        }));
    }

    fn is_filling(&self, track: &Track) -> bool {
        let chains = track.lanes.iter().filter_map(|lane| self.chains.get(&lane.chain?));
        chains.flat_map(|chain| &chain.steps).any(|step| matches!(step.what, What::Filling(_)))
    }

    /// Gives room back; tracks that waited for it read again.
    pub(crate) fn give_room(&mut self, records: &[Record]) {
        let bytes: u64 = records.iter().map(|record| record.n_bytes() + RECORD_OVERHEAD_BYTES).sum();
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
        if self.held_bytes < self.plan.held_bytes_max {
            for idx in std::mem::take(&mut self.tracks.starved) {
                self.order_read(idx);
            }
        }
    }

    fn commit_if_due(&mut self, idx: TrackIdx) {
        let Some(track) = self.tracks.by_idx.get(&idx) else { return };
        let is_due = track.has_news() && track.committing.open.is_none();
        if !is_due || track.committing.failing.is_some_and(|failing| failing.until > self.now.tick) {
            return;
        }
        let checkpoint = self.checkpoint_of(track);
        let id = CommitId(self.next_id());
        let mark = self.mark;
        let track = self.tracks.by_idx.get_mut(&idx).expect("it was there above");
        if let Watermark::At(position) = &checkpoint.watermark {
            // W-1: no commit goes back.
            crate::rule!(W1, track.committing.last.as_ref().is_none_or(|last| last <= position));
            track.committing.last = Some(position.clone());
        }
        track.is_dirty = false;
        track.is_end_written = checkpoint.ended;
        if checkpoint.ended && planted(Mutant::EndedTooSoon) {
            self.actions.push_back(Action::Ended(idx));
        }
        track.committing.open = Some((id, mark));
        self.tracks.commits.insert(id, idx);
        self.actions.push_back(Action::Commit(id, idx, checkpoint));
    }

    /// The whole truth of a track.
    fn checkpoint_of(&self, track: &Track) -> Checkpoint {
        let mut ids: Vec<ChainId> = track.lanes.iter().filter_map(|lane| lane.chain).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut slices = Vec::new();
        for chain in ids.iter().filter_map(|id| self.chains.get(id)) {
            for step in &chain.steps {
                self.open_slices(chain, step, track, &mut slices);
            }
        }
        slices.sort_by(|a: &OpenSlice, b| a.first.cmp(&b.first));
        slices.retain(|_| !planted(Mutant::ForgetSlices));
        Checkpoint {
            watermark: track.watermark(),
            finished: join(track.open.finished(), &track.restored),
            slices,
            ended: track.is_finished(),
            lanes: track.n_lanes(),
            plan_generation: self.plan.generation,
            window: None,
        }
    }

    /// What a checkpoint says about a step: one entry for each lane of this track, none for what was never tried.
    fn open_slices(&self, chain: &Chain, step: &Step, track: &Track, out: &mut Vec<OpenSlice>) {
        let (slice, n_failures, n_invokes, not_before, given_up) = match &step.what {
            What::Filling(filling) if self.tracks.by_idx.get(&filling.track).is_some_and(|it| std::ptr::eq(it, track)) => {
                out.push(filling.slice.clone());
                return;
            }
            What::Filling(_) => return,
            What::Try(tried) if tried.n_invokes == 0 => return,
            What::Try(tried) => (&tried.slice, tried.n_failures, tried.n_invokes, tried.not_before, None),
            What::Tell(told) => {
                let reply = told.reply.clone().map(|reply| crate::attempt::Reply { payload: None, ..reply });
                (&told.slice, 0, told.n_invokes, Tick::default(), Some(GivenUp { condition: told.condition, reply }))
            }
        };
        let mut by_lane: BTreeMap<u32, (Position, Position)> = BTreeMap::new();
        for record in slice.records() {
            let Place::Track(idx, position) = &record.place else { continue };
            if self.tracks.by_idx.get(idx).is_some_and(|it| std::ptr::eq(it, track)) {
                let lane = lane_of(&record.key, position, track.n_lanes());
                by_lane.entry(lane).or_insert_with(|| (position.clone(), position.clone())).1 = position.clone();
            }
        }
        let wait = self.now.tick.until(not_before);
        let not_before = UnixMillis(self.now.unix.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)));
        out.extend(by_lane.into_iter().map(|(lane, (first, last))| OpenSlice {
            lane,
            first,
            last,
            n_failures,
            n_invokes,
            not_before,
            retries_max: chain.limits.retries_max,
            record_age_max_ms: chain.limits.record_age_max.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            bisect: chain.limits.bisect,
            given_up: given_up.clone().filter(|_| !planted(Mutant::ForgetGivenUp)),
        }));
    }

    pub(crate) fn committed(&mut self, idx: TrackIdx, id: CommitId, answer: Committed) {
        let now = self.now.tick;
        let seed = self.seed_of(u64::from(idx.0) ^ 0xc0);
        let Some(track) = self.tracks.by_idx.get_mut(&idx) else { return };
        let Some((_, mark)) = track.committing.open.take_if(|(open, _)| *open == id) else { return };
        let answer = match answer {
            Committed::Fenced if planted(Mutant::FencedIsDurable) => Committed::Durable,
            Committed::Failed if planted(Mutant::FailedIsDurable) => Committed::Durable,
            Committed::Durable | Committed::Fenced | Committed::Full | Committed::Failed => answer,
        };
        match answer {
            Committed::Durable => {
                self.counts.committed += 1;
                let was_failing = track.committing.failing.take().is_some();
                track.committing.durable = mark;
                if track.is_end_written && !track.is_dirty && !planted(Mutant::NeverEnded) {
                    track.status = TrackStatus::Ended;
                    self.actions.push_back(Action::Ended(idx));
                }
                let n_lanes = if was_failing { track.n_lanes() } else { 0 };
                self.timers.set(Timer::Recommit(idx), None);
                for lane in 0..n_lanes {
                    self.touch_lane(idx, lane);
                }
                for id in self.chains_of(idx) {
                    if self.chains.get(&id).is_some_and(|chain| chain.status == Status::Durable) {
                        self.advance(id);
                    }
                }
            }
            Committed::Fenced => self.stop_track(idx, TrackStatus::Fenced),
            Committed::Full | Committed::Failed => {
                let (n, since) = track.committing.failing.map_or((0, now), |failing| (failing.n + 1, failing.since));
                let until = now.after(ask_again_delay(n, seed));
                track.committing.failing = Some(CommitFailing { is_full: answer == Committed::Full, since, n, until });
                track.is_dirty = true;
                let n_lanes = track.n_lanes();
                self.timers.set(Timer::Recommit(idx), Some(until).filter(|_| !planted(Mutant::NoRecommit)));
                for lane in 0..n_lanes {
                    self.touch_lane(idx, lane);
                }
            }
        }
        self.pump_track(idx);
    }

    /// Ends all action for a track; what it held is forgotten.
    pub(crate) fn stop_track(&mut self, idx: TrackIdx, status: TrackStatus) {
        let Some(track) = self.tracks.by_idx.get_mut(&idx) else { return };
        track.status = status;
        let lanes = std::mem::take(&mut track.lanes);
        track.open = OpenRecords::default();
        track.is_dirty = false;
        track.committing.open = None;
        track.committing.failing = None;
        track.n_waiting = 0;
        self.timers.set(Timer::Reread(idx), None);
        self.timers.set(Timer::Recommit(idx), None);
        let mut chains = BTreeSet::new();
        for (lane, unit) in (0u32..).zip(lanes) {
            self.n_ready -= u32::from(unit.ready.is_some());
            self.timers.set(Timer::LaneWindow(idx, lane), None);
            chains.extend(unit.chain);
            let records: Vec<Record> = unit.waiting.into_iter().map(|it| it.record).collect();
            self.give_room(&records);
        }
        for id in chains {
            self.drop_dead_records(id);
        }
    }
}

fn filling_for<'a>(chain: &'a mut Chain, idx: TrackIdx, lane: u32, position: &Position) -> Option<&'a mut Filling> {
    chain.steps.iter_mut().find_map(|step| match &mut step.what {
        What::Filling(it) if it.track == idx && it.slice.lane == lane && it.slice.first <= *position && *position <= it.slice.last => {
            Some(it)
        }
        What::Filling(_) | What::Try(_) | What::Tell(_) => None,
    })
}

fn position(record: &Record) -> Option<&Position> {
    match &record.place {
        Place::Track(_, position) => Some(position),
        Place::Queue { .. } => None,
    }
}

/// What is left of a delay that was kept as wall-clock time; a clock that jumped stretches it to the longest backoff at most.
fn delay_until(not_before: UnixMillis, now: Now) -> Duration {
    now.unix.age(not_before).min(crate::backoff::DELAY_MAX)
}

/// What a notice says to people, and when the source asked to come back.
pub(crate) fn describe(notice: SourceNotice) -> (String, Option<Duration>) {
    match notice {
        SourceNotice::Down { error } | SourceNotice::PositionLost { error } => (error, None),
        SourceNotice::Throttled { retry_after } => ("the source asks to slow down".to_owned(), retry_after),
    }
}
