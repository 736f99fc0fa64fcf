//! What batch runs wait for, for a person.

use super::*;
use crate::state::{Again, TrackState};

impl Runs {
    /// What all batch runs together are at.
    pub(crate) fn state(&self) -> Option<TrackState> {
        let batch_runs: Vec<&BatchRun> = self.batch_runs.in_order().into_iter().map(|(_, run)| run).collect();
        run_states(&batch_runs)
    }

    /// What some of them are at.
    pub(crate) fn state_of(&self, ids: impl Iterator<Item = BatchRunId>) -> Option<TrackState> {
        let batch_runs: Vec<&BatchRun> = ids.filter_map(|id| self.batch_runs.get(id)).collect();
        run_states(&batch_runs)
    }
}

/// The batch run in the worst trouble speaks for all.
fn run_states(batch_runs: &[&BatchRun]) -> Option<TrackState> {
    let refused = batch_runs.iter().find_map(|run| match (&run.status, n_refused(run)) {
        (Status::Redeliver { until, since, error }, n_refused) => Some(TrackState::DestinationRefuses {
            n_refused,
            since: *since,
            error: error.clone(),
            next: *until,
        }),
        _ => None,
    });
    let not_reached = || {
        let (why, since, error) = batch_runs.iter().find_map(|run| run.not_reached().cloned())?;
        Some(TrackState::NotReached { why, since, error })
    };
    let retrying = || {
        batch_runs.iter().find_map(|run| {
            let tried =
                tried(run).filter(|_| matches!(run.status, Status::Retry { .. } | Status::Durable))?;
            let (next, since) = (tried.not_before, run.failing_since.unwrap_or(tried.not_before));
            Some(TrackState::Retrying { n_failures: tried.n_failures, since, next, error: error_of(tried) })
        })
    };
    let invoking = || {
        let in_flight = batch_runs.iter().filter_map(|run| {
            if let Status::InFlight { since, .. } = run.status { Some((run, since)) } else { None }
        });
        let n_attempts = u32::try_from(in_flight.clone().count()).unwrap_or(u32::MAX);
        let since = in_flight.clone().map(|(_, since)| since).min()?;
        let again = in_flight.filter_map(|(run, _)| again(run)).max_by_key(|it| it.n_failures);
        Some(TrackState::Invoking { n_attempts, since, again })
    };
    let waiting = || {
        batch_runs.iter().find_map(|run| match run.status {
            Status::Ready { since } => Some(TrackState::WaitingForSlot {
                since,
                why: tried(run).map_or(BatchReason::Retry, |tried| tried.why),
            }),
            _ => None,
        })
    };
    refused.or_else(not_reached).or_else(retrying).or_else(invoking).or_else(waiting)
}

fn tried(run: &BatchRun) -> Option<&Tried> {
    match &run.steps.front()?.what {
        What::Try(tried) => Some(tried),
        What::Filling(_) | What::Tell(_) => None,
    }
}

fn error_of(tried: &Tried) -> String {
    tried.reply.as_ref().and_then(|reply| reply.error.clone()).unwrap_or_default()
}

fn again(run: &BatchRun) -> Option<Again> {
    let tried = tried(run).filter(|it| it.n_failures > 0)?;
    Some(Again {
        n_failures: tried.n_failures,
        since: run.failing_since.unwrap_or(tried.not_before),
        error: error_of(tried),
    })
}

fn n_refused(run: &BatchRun) -> u32 {
    match run.steps.front().map(|step| &step.what) {
        Some(What::Tell(told)) => told.n_refused,
        Some(What::Filling(_) | What::Try(_)) | None => 0,
    }
}
