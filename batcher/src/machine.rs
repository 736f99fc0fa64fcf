//! One mapping in this process: all its tracks or receipts, what is in flight, and what must be done next.

use std::sync::Arc;

use crate::action::*;
use crate::attempt::Outcome;
use crate::checkpoint::Checkpoint;
use crate::plan::Plan;
use crate::record::{Receipt, TrackIdx};
use crate::state::{Counts, TrackState, Why};
use crate::time::{Now, Tick};

/// One mapping in this process.
///
/// News comes in by `handle_*`, work goes out by [`Machine::poll_action`], which must be drained after every call; then
/// [`Machine::poll_timeout`] says when to call [`Machine::handle_timeout`]. Ticks never run backwards between calls. Answers to unknown or
/// answered ids are ignored, so that a late or doubled answer harms nothing.
#[derive(Debug)]
pub struct Machine {
    plan: Arc<Plan>,
}

#[allow(unused_variables, clippy::needless_pass_by_value, clippy::unused_self, missing_docs)]
impl Machine {
    /// A machine without tracks. `seed` drives the jitter of its delays and nothing else.
    pub fn new(plan: Arc<Plan>, seed: u64) -> Self {
        Self { plan }
    }
    /// A track is ours from this checkpoint on.
    pub fn handle_assigned(&mut self, track: TrackIdx, from: Checkpoint, now: Now) {}
    /// A read came back.
    pub fn handle_read(&mut self, id: ReadId, read: Result<Read, SourceNotice>, now: Now) {}
    /// The gate granted a slot. The machine answers with `Invoke` or `Return`.
    pub fn handle_slot(&mut self, slot: SlotId, now: Now) {}
    /// An attempt ended.
    pub fn handle_outcome(&mut self, id: AttemptId, outcome: Outcome, now: Now) {}
    /// A destination answered.
    pub fn handle_delivered(&mut self, id: NoticeId, answer: Delivery, now: Now) {}
    /// The store answered.
    pub fn handle_committed(&mut self, id: CommitId, answer: Committed, now: Now) {}
    /// The queue answered to a settlement.
    pub fn handle_settled(&mut self, id: SettleId, answers: Vec<(Receipt, Settled)>, now: Now) {}
    /// The queue answered to an extension.
    pub fn handle_extended(&mut self, id: ExtendId, answers: Vec<(Receipt, Extended)>, now: Now) {}
    /// A track or a generation of receipts is gone.
    pub fn handle_lost(&mut self, scope: Lost, now: Now) {}
    /// A new plan: new slices take it, slices in retry keep theirs.
    pub fn handle_plan(&mut self, plan: Arc<Plan>, now: Now) {}
    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {}
    /// Ends a track or everything.
    pub fn close(&mut self, scope: Scope, how: Close, now: Now) {}
    /// What to do next; drain after every call.
    pub fn poll_action(&mut self) -> Option<Action> {
        None
    }
    /// When to call `handle_timeout`, and why.
    pub fn poll_timeout(&self) -> Option<(Tick, Why)> {
        None
    }
    /// No read, attempt, notice, commit or settlement is open.
    pub fn is_quiet(&self) -> bool {
        true
    }
    /// Why nothing is happening on this track. A queue answers for `TrackIdx(0)`.
    pub fn state(&self, track: TrackIdx) -> TrackState {
        TrackState::Unknown
    }
    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        Counts::default()
    }
    /// Bytes of records that it holds.
    pub fn held_bytes(&self) -> u64 {
        0
    }
}
