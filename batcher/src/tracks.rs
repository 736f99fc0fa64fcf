//! The ledger of tracks: what was read, what waits in which lane, what a checkpoint says, when to read and to
//! commit.

mod batching;
mod committing;
mod draining;
mod explain;
mod holding;
mod lane;
mod reading;
mod restoring;
mod room;
mod table;
mod tumbling;
mod windows;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::action::*;
use crate::backoff::ask_again_delay;
use crate::batch_reason::BatchReason;
use crate::checkpoint::{Checkpoint, OpenSlice, Watermark};
use crate::context::Context;
use crate::fault::Fault;
use crate::filtered::Filtered;
use crate::former::{Batch, Counted, Ready};
use crate::hold::{BatchRunId, Hold, lanes_of, tracks_of};
use crate::lanes::lane_of;
use crate::pending::Pending;
use crate::record::{Place, Position, Record, TrackIdx};
use crate::runs::Runs;
use crate::time::{Now, Tick, UnixMillis};
use crate::timers::Timer;
use crate::track_name::TrackName;
use crate::watermark::{OpenRecords, join};

use self::lane::{Lane, Lanes};
use self::room::Room;
use self::table::Table;
use self::tumbling::Progress;

/// The longest that a read of a track may wait for records.
const READ_WAIT_MAX: Duration = Duration::from_secs(60);
/// The shortest that one waits where a tumbling window is to end.
const READ_WAIT_MIN: Duration = Duration::from_secs(1);
/// The most records that one read is asked for.
const READ_RECORDS_MAX: u32 = 10_000;
/// The most bytes that one read is asked for, and what a track is asked for that had nothing the last time.
const READ_BYTES_MAX: u64 = 1 << 20;
const READ_BYTES_IDLE: u64 = 64 << 10;

/// All tracks of a machine.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    by_idx: Table,
    /// Reads that are open.
    reads: Pending<ReadId, TrackIdx>,
    /// Commits that are open.
    commits: Pending<CommitId, TrackIdx>,
    /// Tracks that would read but for want of memory.
    room: Room,
    /// Tracks that would read ahead once nothing of what was read could start.
    hungry: BTreeSet<TrackIdx>,
    /// Tracks that were closed and are not let go yet.
    draining: BTreeSet<TrackIdx>,
    /// Lanes to be looked at once the runs have gone on.
    touched: Vec<u32>,
}

/// One track.
#[derive(Debug)]
struct Track {
    status: TrackStatus,
    /// What the last checkpoint said, until something is read.
    base: Watermark,
    open: OpenRecords,
    passed: Option<Position>,
    /// Finished stretches of a former life that were not read again yet.
    restored: Vec<(Position, Position)>,
    lanes: Lanes,
    /// Batch runs of a former life, some of which lack records.
    refilling: Vec<BatchRunId>,
    reading: Reading,
    /// Failed reads in a row, and the first one's time.
    read_failing: Option<(u32, Tick)>,
    is_at_end: bool,
    /// The track in which the windows go on that are open at the end of this one.
    heir: Option<TrackName>,
    /// It was closed: nothing of it begins any more.
    is_draining: bool,
    is_dirty: bool,
    /// The last commit said that the track has ended.
    is_end_written: bool,
    committing: Committing,
    /// The last read brought nothing.
    is_idle: bool,
    /// When a read last brought records, or the track came.
    none_since: Tick,
    filtered: Filtered,
    /// When the newest that was read reached the source, filtered records included, and when it was read.
    time: Option<(UnixMillis, Tick)>,
    /// When the source last said that it has nothing, if nothing has come since.
    quiet_at: Option<Now>,
}

/// Whether a track may act.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TrackStatus {
    Active,
    PositionLost { error: String },
    Fenced,
    Ended,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reading {
    Idle,
    Open(ReadId),
    Backoff { until: Tick, since: Tick, error: Fault },
}

/// What is known about a track's checkpoints.
#[derive(Debug)]
struct Committing {
    /// The commit that is open.
    open: Option<Sent>,
    /// Commits that are written and wait for the store's sync, oldest first.
    unsynced: Vec<Sent>,
    /// The count of changes that is durable.
    durable: u64,
    /// How far what is finished is durable.
    reaches: Watermark,
    failing: Option<CommitFailing>,
    last: Option<Position>,
    /// Batch runs that go on once a commit is durable.
    waiting: Vec<BatchRunId>,
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
struct CommitFailing {
    is_full: bool,
    since: Tick,
    n: u32,
    until: Tick,
}

/// What news of a track means for the runs; the track itself goes on after them, by [`Tracks::go_on`].
#[derive(Debug)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// Records of a former life came again.
    Refilled {
        /// Each with the batch run that waits for it and its lane.
        records: Vec<(BatchRunId, u32, Record)>,
        /// All that wait for such records: some may have them all by now.
        batch_runs: Vec<BatchRunId>,
    },
    /// What these wait for is in a durable checkpoint.
    Durable(Vec<BatchRunId>),
    /// A track is gone, and with it what these have of it.
    Gone(TrackIdx, BTreeSet<BatchRunId>),
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
            heir: None,
            is_draining: false,
            is_dirty: false,
            is_end_written: from.ended,
            committing: Committing::new(from.watermark.clone()),
            is_idle: false,
            none_since: now,
            filtered: Filtered::default(),
            time: from.windows.as_ref().map(|it| (it.time, now)),
            quiet_at: None,
        }
    }

    fn is_active(&self) -> bool {
        self.status == TrackStatus::Active
    }

    /// Nothing of its own state keeps it from being read.
    fn may_read(&self) -> bool {
        self.is_active()
            && !self.is_draining
            && self.reading == Reading::Idle
            && !self.is_at_end
            // While the store refuses nothing becomes durable: what is read then would only fill the memory.
            && self.committing.failing.is_none()
    }

    /// No read and no commit is open, all that was written is synced, and nothing waits to be written.
    fn is_quiet(&self) -> bool {
        !matches!(self.reading, Reading::Open(_)) && self.committing.is_settled() && !self.has_news()
    }

    /// A checkpoint would say something new.
    fn has_news(&self) -> bool {
        self.is_active() && (self.is_dirty || (self.is_finished() && !self.is_end_written))
    }

    fn n_lanes(&self) -> u32 {
        self.lanes.n_lanes()
    }

    fn watermark(&self) -> Watermark {
        match self.open.first().or(self.passed.as_ref()) {
            Some(position) => Watermark::At(position.clone()),
            None => self.base.clone(),
        }
    }

    /// A batch run goes on once a commit is durable.
    fn wait_for_commit(&mut self, id: BatchRunId) {
        if !self.committing.waiting.contains(&id) {
            self.committing.waiting.push(id);
        }
    }

    /// Everything that was read is finished.
    fn is_finished(&self) -> bool {
        self.is_at_end
            && self.open.first().is_none()
            && !self.lanes.is_any_held()
            && (!self.lanes.is_any_window_open() || self.may_hand_over())
    }
}

impl Tracks {
    fn lane_mut(&mut self, idx: TrackIdx, lane: u32) -> Option<&mut Lane> {
        self.by_idx.get_mut(idx)?.lanes.get_mut(lane)
    }

    /// Whether a track is ours and may act.
    pub(crate) fn is_active(&self, idx: TrackIdx) -> bool {
        self.by_idx.get(idx).is_some_and(Track::is_active)
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.draining.is_empty() && self.by_idx.iter().all(|(_, track)| track.is_quiet())
    }

    /// How many lanes a track has; one that is not known any more has one.
    pub(crate) fn n_lanes(&self, idx: TrackIdx) -> u32 {
        self.by_idx.get(idx).map_or(1, Track::n_lanes)
    }

    /// What a checkpoint says of a batch run has changed.
    pub(crate) fn handle_change(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) {
        self.note_change(idx);
        self.pump_track(idx, runs, cx);
    }

    /// The same; the track goes on later.
    pub(crate) fn note_change(&mut self, idx: TrackIdx) {
        if let Some(track) = self.by_idx.get_mut(idx) {
            track.is_dirty = true;
        }
    }

    /// A new plan: other limits, other lanes.
    pub(crate) fn handle_plan(&mut self, runs: &Runs, cx: &mut Context) {
        for (idx, n_lanes) in self.lanes_of_tracks() {
            for lane in 0..n_lanes {
                self.touch_lane(idx, lane, runs, cx);
            }
            self.pump_track(idx, runs, cx);
        }
    }

    /// Nothing starts any more.
    pub(crate) fn handle_close(&mut self, runs: &Runs, cx: &mut Context) {
        for (idx, n_lanes) in self.lanes_of_tracks() {
            (0..n_lanes).for_each(|lane| self.touch_lane(idx, lane, runs, cx));
        }
    }

    fn lanes_of_tracks(&self) -> Vec<(TrackIdx, u32)> {
        self.by_idx.iter().map(|(idx, track)| (idx, track.n_lanes())).collect()
    }

    /// A track goes on after news of it, when the runs have.
    pub(crate) fn go_on(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) {
        let touched = std::mem::take(&mut self.touched);
        self.touch_lanes(touched.iter().map(|lane| (idx, *lane)), runs, cx);
        self.pump_track(idx, runs, cx);
    }

    /// Another owner has the track: nobody waits for what runs.
    pub(crate) fn handle_lost(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) -> Effect {
        self.forget_drain(idx, cx);
        self.stop_track(idx, TrackStatus::Closed, runs, cx)
    }

    /// Reads, writes and ends a track where that is due.
    pub(crate) fn pump_track(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) {
        // Lanes first, for a read orders by their number; the commit last, for it says what the others
        // changed.
        self.change_lanes(idx, runs, cx);
        self.wake_old_lanes(idx, runs, cx);
        self.order_read(idx, runs, cx);
        self.commit_if_due(idx, runs, cx);
    }

    /// Ends all action for a track; what it held is forgotten.
    fn stop_track(&mut self, idx: TrackIdx, status: TrackStatus, runs: &Runs, cx: &mut Context) -> Effect {
        let Some(track) = self.by_idx.get_mut(idx) else { return Effect::None };
        track.status = status;
        let lanes = track.lanes.replace(0);
        track.open = OpenRecords::default();
        track.is_dirty = false;
        // Their answers are for a life that is over: a late one must not speak for the next.
        for sent in track.committing.open.take().into_iter().chain(track.committing.unsynced.drain(..)) {
            self.commits.remove(&sent.id);
        }
        track.committing.failing = None;
        cx.timers.set(Timer::Reread(idx), None);
        cx.timers.set(Timer::Recommit(idx), None);
        let mut batch_runs = BTreeSet::new();
        for (lane, unit) in (0u32..).zip(lanes) {
            cx.former.withdraw(unit.ready.is_some());
            cx.timers.set(Timer::LaneWindow(idx, lane), None);
            cx.former.count((idx, lane), unit.counted, None);
            batch_runs.extend(unit.run());
            let records: Vec<Record> = unit.into_waiting().into_iter().map(|it| it.record).collect();
            self.give_room(&records, runs, cx);
        }
        self.room.forget(idx);
        cx.look_at_group();
        Effect::Gone(idx, batch_runs)
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
