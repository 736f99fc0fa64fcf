//! Every batch run of a machine, and what is asked of them: plain values that the ledgers look at. How a batch
//! run goes on is `flow`'s.

pub(crate) mod batch_runs;
mod explain;
pub(crate) mod run;
mod slices;

use crate::action::{AttemptId, DecisionId, NoticeId};
use crate::hold::BatchRunId;
use crate::pending::Pending;
use crate::record::{Position, TrackIdx};

use self::batch_runs::BatchRuns;
pub(crate) use self::explain::paused_of;
use self::run::{BatchRun, What};
pub(crate) use self::slices::Its;

/// The runs: every batch run, with what of it is out at the function or at a destination.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) batch_runs: BatchRuns,
    pub(crate) attempts: Pending<AttemptId, BatchRunId>,
    pub(crate) notices: Pending<NoticeId, BatchRunId>,
    /// Decisions that are not durable yet.
    pub(crate) decided: Vec<Decided>,
    /// Batch runs that wait for an operator.
    pub(crate) n_paused: usize,
}

impl Runs {
    /// No attempt and no notice is out.
    pub(crate) fn is_quiet(&self) -> bool {
        self.attempts.is_empty() && self.notices.is_empty()
    }

    /// How many batches are not at their end.
    pub(crate) fn n_runs(&self) -> usize {
        self.batch_runs.len()
    }

    /// Whether anything of a batch run was tried or given up.
    pub(crate) fn is_in_retry(&self, id: BatchRunId) -> bool {
        self.batch_runs.get(id).is_some_and(BatchRun::is_in_retry)
    }

    /// Whether records of a former life are still missing.
    pub(crate) fn is_filling(&self, id: BatchRunId) -> bool {
        self.batch_runs.get(id).is_some_and(BatchRun::is_filling)
    }

    /// The slices of a former life that a batch run still has: their tracks and their last records.
    pub(crate) fn missing(&self, id: BatchRunId) -> impl Iterator<Item = (TrackIdx, &Position)> {
        let steps = self.batch_runs.get(id).into_iter().flat_map(|run| &run.steps);
        steps.filter_map(|step| match &step.what {
            What::Filling(filling) => Some((filling.track, &filling.slice.last)),
            What::Attempt(_) | What::GivenUp(_) => None,
        })
    }

    /// Whether a slice of a former life of this batch run has this place in it.
    pub(crate) fn waits_for(&self, id: BatchRunId, idx: TrackIdx, lane: u32, position: &Position) -> bool {
        self.batch_runs
            .get(id)
            .is_some_and(|run| run.steps.iter().any(|step| step.waits_for(idx, lane, position)))
    }

    /// Whether anything of these batch runs is with the function or a destination.
    pub(crate) fn is_any_out(&self, mut ids: impl Iterator<Item = BatchRunId>) -> bool {
        ids.any(|id| self.batch_runs.get(id).is_some_and(BatchRun::is_out))
    }
}

/// A decision that is carried out and not durable yet.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) id: DecisionId,
    /// The count of changes that holds it, and the tracks that must have it.
    pub(crate) mark: u64,
    pub(crate) tracks: Vec<TrackIdx>,
}

impl Decided {
    pub(crate) fn is_of(&self, track: TrackIdx) -> bool {
        self.tracks.contains(&track)
    }
}
