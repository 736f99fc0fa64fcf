//! The batch former: what could use a slot, in which order, and how many slots that makes. It knows lanes and
//! batch runs by their names only.

mod group;

use std::collections::VecDeque;

use crate::batch_reason::BatchReason;
use crate::context::Context;
use crate::hold::{BatchRunId, Hold};
use crate::plan::Plan;
use crate::record::{Record, TrackIdx};
use crate::time::Tick;
use crate::timers::Timer;
use crate::tumbling::Finale;

pub(crate) use self::group::Counted;
use self::group::Group;

/// What could use a slot.
#[derive(Debug, Default)]
pub(crate) struct Former {
    /// Oldest first; entries that are no longer so are skipped.
    line: VecDeque<Ready>,
    /// How many entries of the line are so; batches of a queue's pool are counted apart.
    n_ready: u32,
    /// What the gate was told and has not granted yet.
    told_want: u32,
    /// All lanes, where batches mix tracks.
    group: Group,
}

/// Something that could use a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    /// A slice that was tried before.
    BatchRun(BatchRunId),
    /// A fresh batch of one lane of a track, which the track chooses: it has as many turns as it has such
    /// batches.
    Track(TrackIdx),
}

const _: () = assert!(size_of::<Waiting>() <= 128, "what is larger is moved by a call, not in registers");

/// A record that waits for its batch.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) record: Record,
    /// When it was read: a batching window counts from its first record.
    pub(crate) since: Tick,
}

/// A fresh batch: what a ledger gives out to be tried.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records: Vec<Record>,
    /// The lanes or groups of its records, each once.
    pub(crate) holds: Vec<Hold>,
    pub(crate) why: BatchReason,
    /// It is a single record that is larger than an event may be.
    pub(crate) is_oversize: bool,
    /// It has no records: it ends the tumbling window of its lane.
    pub(crate) finale: Option<Finale>,
}

impl Former {
    /// Something could use a slot from now on.
    pub(crate) fn stand(&mut self, it: Ready) {
        self.n_ready += 1;
        self.line.push_back(it);
    }

    /// The same, before all others.
    pub(crate) fn stand_first(&mut self, it: Ready) {
        self.n_ready += 1;
        self.line.push_front(it);
    }

    /// One could use a slot no more, or has got one; its entry is skipped when its turn comes.
    pub(crate) fn withdraw(&mut self, was_ready: bool) {
        self.n_ready -= u32::from(was_ready);
    }

    /// Whose turn it is. It may be so no more.
    pub(crate) fn next(&mut self) -> Option<Ready> {
        self.line.pop_front()
    }

    /// Whether anything could use a slot now.
    pub(crate) fn is_any_ready(&self) -> bool {
        self.n_ready > 0 || self.group.ready().is_some()
    }

    /// Since when a batch of all lanes together waits for a slot, and why it is closed.
    pub(crate) fn group_ready(&self) -> Option<(Tick, BatchReason)> {
        self.group.ready()
    }

    /// What of a lane could start now, against what was counted of it before.
    pub(crate) fn count(&mut self, lane: (TrackIdx, u32), before: Option<Counted>, now: Option<Counted>) {
        self.group.count(lane, before, now);
    }

    /// A lane that came to have something gets its turn in the group.
    pub(crate) fn stand_in_line(&mut self, lane: (TrackIdx, u32)) {
        self.group.stand_in_line(lane);
    }

    /// The lane whose turn it is to give the group records.
    pub(crate) fn next_lane(&mut self) -> Option<(TrackIdx, u32)> {
        self.group.next_lane()
    }

    /// One that could give none now keeps its turn.
    pub(crate) fn keeps_turn(&mut self, lane: (TrackIdx, u32)) {
        self.group.keeps_turn(lane);
    }

    /// The gate granted a slot.
    pub(crate) fn handle_slot(&mut self) {
        // The gate counts off what it hands out: told the same number again, it would hand out one slot more.
        self.told_want = self.told_want.saturating_sub(1);
    }

    /// How many slots there is a use for; `n_pool` of them are for a queue's messages.
    pub(crate) fn n_wanted(&self, n_pool: u32, plan: &Plan) -> u32 {
        self.n_ready + n_pool + self.group.n_batches(&plan.batch)
    }

    /// What the gate is to be told, when it was told another number.
    pub(crate) fn tell_want(&mut self, want: u32) -> Option<u32> {
        if want == self.told_want {
            return None;
        }
        self.told_want = want;
        Some(want)
    }
}

impl Context {
    /// Looks whether the group has a batch that is ready, and when it will.
    pub(crate) fn look_at_group(&mut self) {
        let is_out_of_room = self.held_bytes >= self.plan.held_bytes_max;
        let closes =
            self.former.group.look(&self.plan.batch, self.plan.envelope_bytes, is_out_of_room, self.now.tick);
        if self.former.group.window_at != closes {
            self.former.group.window_at = closes;
            self.timers.set(Timer::GroupWindow, closes);
        }
    }

    /// The window of all lanes together is over.
    pub(crate) fn end_group_window(&mut self) {
        self.former.group.window_at = None;
        self.look_at_group();
    }
}
