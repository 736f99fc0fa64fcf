//! What batch runs wait for, for a person.

use super::Runs;
use super::run::{BatchRun, Status, Step, What};
use super::slices::Its;
use crate::attempt::AttemptedSlice;
use crate::batch_reason::BatchReason;
use crate::decision::Paused;
use crate::hold::BatchRunId;
use crate::lanes::lane_of;
use crate::record::{Place, Record};
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

    /// What of a track waits for an operator; told of is what waits longest.
    pub(crate) fn paused_state(&self, its: Its, ids: impl Iterator<Item = BatchRunId>) -> Option<TrackState> {
        if self.n_paused == 0 {
            return None;
        }
        let waiting: Vec<Paused> = ids.filter_map(|id| paused_of(self.batch_runs.get(id)?)).collect();
        let n_batches = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        let Paused { slice, condition, n_invokes, since, error, .. } =
            waiting.into_iter().min_by_key(|it| it.since)?;
        let on_track = |record: &&Record| matches!(record.place, Place::Track(idx, _) if idx == its.idx);
        // Of a batch that mixes tracks what waits may be on others only, and this one waits for those.
        let mut records: Vec<&Record> = slice.records().iter().filter(on_track).collect();
        if records.is_empty() {
            records = slice.records().iter().collect();
        }
        let (first, last) = (records.first()?, records.last()?);
        Some(TrackState::Paused {
            n_batches,
            lane: lane_of(&first.key, first.position()?, its.n_lanes),
            n_records: u32::try_from(slice.n_records()).unwrap_or(u32::MAX),
            range: (first.position()?.clone(), last.position()?.clone()),
            condition,
            n_invokes,
            since,
            error,
        })
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
            let attempted = attempted(run)
                .filter(|_| matches!(run.status, Status::Retry { .. } | Status::Durable { .. }))
                .filter(|it| it.n_invokes > 0)?;
            let (next, since) = (attempted.not_before, run.failing_since.unwrap_or(attempted.not_before));
            Some(TrackState::Retrying {
                n_failures: attempted.n_failures,
                since,
                next,
                error: error_of(attempted),
            })
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
                why: attempted(run).map_or(BatchReason::Retry, |attempted| attempted.why),
            }),
            Status::Durable { since } => attempted(run).map(|_| TrackState::WritingBatch { since }),
            _ => None,
        })
    };
    refused.or_else(not_reached).or_else(retrying).or_else(invoking).or_else(waiting)
}

fn attempted(run: &BatchRun) -> Option<&AttemptedSlice> {
    match &run.steps.front()?.what {
        What::Attempt(attempted) => Some(attempted),
        What::Filling(_) | What::GivenUp(_) => None,
    }
}

fn error_of(attempted: &AttemptedSlice) -> String {
    attempted.reply.as_ref().and_then(|reply| reply.error.clone()).unwrap_or_default()
}

fn again(run: &BatchRun) -> Option<Again> {
    let attempted = attempted(run).filter(|it| it.n_failures > 0)?;
    Some(Again {
        n_failures: attempted.n_failures,
        since: run.failing_since.unwrap_or(attempted.not_before),
        error: error_of(attempted),
    })
}

fn n_refused(run: &BatchRun) -> u32 {
    match run.steps.front().map(|step| &step.what) {
        Some(What::GivenUp(given_up)) => given_up.n_refused,
        Some(What::Filling(_) | What::Attempt(_)) | None => 0,
    }
}

/// What a batch run has waiting for an operator: its first step, once that is all read again.
pub(crate) fn paused_of(run: &BatchRun) -> Option<Paused> {
    let Some(Step { what: What::GivenUp(given_up), .. }) = run.steps.front() else { return None };
    let pause = given_up.paused.filter(|_| run.status == Status::Paused)?;
    let Place::Track(track, first) = &given_up.slice.records().first()?.place else { return None };
    Some(Paused {
        track: *track,
        first: first.clone(),
        slice: given_up.slice.clone(),
        condition: given_up.condition,
        n_invokes: given_up.n_invokes,
        since: pause.since,
        error: given_up.reply.as_ref().and_then(|it| it.error.clone()).unwrap_or_default(),
    })
}
