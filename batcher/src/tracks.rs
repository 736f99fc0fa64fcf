//! The ledger of tracks: what was read, what waits in which lane, what a checkpoint says, when to read and to commit.

mod batching;
mod committing;
mod draining;
mod group;
mod lane;
mod reading;
mod restoring;
mod room;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::action::*;
use crate::backoff::ask_again_delay;
use crate::chain::{Chain, ChainId, Filling, Hold, Status, Step, What};
use crate::checkpoint::{Checkpoint, GivenUp, OpenSlice, Watermark};
use crate::fault::Fault;
use crate::filtered::Filtered;
use crate::lanes::lane_of;
use crate::machine::{Machine, Ready};
use crate::record::{Place, Position, Record, TrackIdx};
use crate::time::{Now, Tick, UnixMillis};
use crate::timers::Timer;
use crate::watermark::{OpenRecords, join};

use self::group::Group;
pub(crate) use self::lane::{Lane, Lanes, Waiting};
use self::room::Room;
use self::table::Table;

/// The longest that a read of a track may wait for records.
const READ_WAIT_MAX: Duration = Duration::from_secs(60);
/// The most records that one read is asked for.
const READ_RECORDS_MAX: u32 = 10_000;
/// The most bytes that one read is asked for, and what a track is asked for that had nothing the last time.
const READ_BYTES_MAX: u64 = 1 << 20;
const READ_BYTES_IDLE: u64 = 64 << 10;

/// All tracks of a machine.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    pub(crate) by_idx: Table,
    /// Reads that are open.
    pub(crate) reads: BTreeMap<ReadId, TrackIdx>,
    /// Commits that are open.
    pub(crate) commits: BTreeMap<CommitId, TrackIdx>,
    /// Tracks that would read but for want of memory.
    room: Room,
    /// Tracks that would read ahead once nothing of what was read could start.
    hungry: BTreeSet<TrackIdx>,
    /// Tracks that were closed and are not let go yet.
    pub(crate) draining: BTreeSet<TrackIdx>,
    /// All lanes, where batches mix tracks.
    pub(crate) group: Group,
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
    pub(crate) lanes: Lanes,
    /// Chains of a former life, some of which lack records.
    refilling: Vec<ChainId>,
    pub(crate) reading: Reading,
    /// Failed reads in a row, and the first one's time.
    read_failing: Option<(u32, Tick)>,
    pub(crate) is_at_end: bool,
    /// It was closed: nothing of it begins any more.
    pub(crate) is_draining: bool,
    pub(crate) is_dirty: bool,
    /// The last commit said that the track has ended.
    is_end_written: bool,
    pub(crate) committing: Committing,
    /// The last read brought nothing.
    is_idle: bool,
    /// When a read last brought records, or the track came.
    pub(crate) none_since: Tick,
    pub(crate) filtered: Filtered,
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    Idle,
    Open(ReadId),
    Backoff { until: Tick, since: Tick, error: Fault },
}

/// What is known about a track's checkpoints.
#[derive(Debug)]
pub(crate) struct Committing {
    /// The commit that is open.
    open: Option<Sent>,
    /// Commits that are written and wait for the store's sync, oldest first.
    unsynced: Vec<Sent>,
    /// The count of changes that is durable.
    pub(crate) durable: u64,
    /// How far what is finished is durable.
    reaches: Watermark,
    pub(crate) failing: Option<CommitFailing>,
    last: Option<Position>,
    /// Chains that go on once a commit is durable.
    waiting: Vec<ChainId>,
}

/// A commit on its way.
#[derive(Debug)]
struct Sent {
    id: CommitId,
    /// The count of changes that it holds.
    mark: u64,
    watermark: Watermark,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct CommitFailing {
    pub(crate) is_full: bool,
    pub(crate) since: Tick,
    n: u32,
    until: Tick,
}

impl Track {
    fn new(from: &Checkpoint, n_lanes: u32, now: Tick) -> Self {
        Self {
            status: if from.ended { TrackStatus::Ended } else { TrackStatus::Active },
            base: from.watermark.clone(),
            open: OpenRecords::default(),
            passed: None,
            restored: from.finished.clone(),
            lanes: Lanes::new(n_lanes),
            refilling: Vec::new(),
            reading: Reading::Idle,
            read_failing: None,
            is_at_end: from.ended,
            is_draining: false,
            is_dirty: false,
            is_end_written: from.ended,
            committing: Committing::new(from.watermark.clone()),
            is_idle: false,
            none_since: now,
            filtered: Filtered::default(),
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.status == TrackStatus::Active
    }

    /// Nothing of its own state keeps it from being read.
    fn may_read(&self) -> bool {
        self.is_active() && !self.is_draining && self.reading == Reading::Idle && !self.is_at_end && self.committing.failing.is_none()
    }

    /// No read and no commit is open, all that was written is synced, and nothing waits to be written.
    pub(crate) fn is_quiet(&self) -> bool {
        !matches!(self.reading, Reading::Open(_)) && self.committing.is_settled() && !self.has_news()
    }

    /// A checkpoint would say something new.
    fn has_news(&self) -> bool {
        self.is_active() && (self.is_dirty || (self.is_finished() && !self.is_end_written))
    }

    pub(crate) fn n_lanes(&self) -> u32 {
        self.lanes.n_lanes()
    }

    fn watermark(&self) -> Watermark {
        match self.open.first().or(self.passed.as_ref()) {
            Some(position) => Watermark::At(position.clone()),
            None => self.base.clone(),
        }
    }

    /// A chain goes on once a commit is durable.
    pub(crate) fn wait_for_commit(&mut self, id: ChainId) {
        if !self.committing.waiting.contains(&id) {
            self.committing.waiting.push(id);
        }
    }

    /// Everything that was read is finished.
    fn is_finished(&self) -> bool {
        self.is_at_end && self.open.first().is_none() && !self.lanes.is_any_held()
    }
}

impl Machine {
    pub(crate) fn lane_mut(&mut self, idx: TrackIdx, lane: u32) -> Option<&mut Lane> {
        self.tracks.by_idx.get_mut(idx)?.lanes.get_mut(lane)
    }

    /// The chains that hold lanes of a track.
    pub(crate) fn chains_of(&self, idx: TrackIdx) -> Vec<ChainId> {
        self.tracks.by_idx.get(idx).map_or_else(Vec::new, |track| track.lanes.chains().collect())
    }

    /// Reads, writes and ends a track where that is due.
    pub(crate) fn pump_track(&mut self, idx: TrackIdx) {
        self.change_lanes(idx);
        self.wake_old_lanes(idx);
        self.order_read(idx);
        self.commit_if_due(idx);
    }

    /// Ends all action for a track; what it held is forgotten.
    pub(crate) fn stop_track(&mut self, idx: TrackIdx, status: TrackStatus) {
        let Some(track) = self.tracks.by_idx.get_mut(idx) else { return };
        track.status = status;
        let lanes = track.lanes.replace(0);
        track.open = OpenRecords::default();
        track.is_dirty = false;
        for sent in track.committing.open.take().into_iter().chain(track.committing.unsynced.drain(..)) {
            self.tracks.commits.remove(&sent.id);
        }
        track.committing.failing = None;
        self.timers.set(Timer::Reread(idx), None);
        self.timers.set(Timer::Recommit(idx), None);
        let mut chains = BTreeSet::new();
        for (lane, unit) in (0u32..).zip(lanes) {
            self.n_ready -= u32::from(unit.ready.is_some());
            self.timers.set(Timer::LaneWindow(idx, lane), None);
            self.tracks.group.count((idx, lane), unit.counted, None);
            chains.extend(unit.chain());
            let records: Vec<Record> = unit.into_waiting().into_iter().map(|it| it.record).collect();
            self.give_room(&records);
        }
        self.look_at_group();
        for id in chains {
            self.lose_records(id, idx);
            self.drop_dead_records(id);
        }
        self.tracks.room.forget(idx);
        self.choose_guest();
    }
}

/// What a notice says to people, and when the source asked to come back.
pub(crate) fn describe(notice: SourceNotice) -> (Fault, Option<Duration>) {
    match notice {
        SourceNotice::Down { error } => (error, None),
        SourceNotice::PositionLost { error } => (error.into(), None),
        SourceNotice::Throttled { retry_after } => ("the source asks to slow down".into(), retry_after),
    }
}
