//! What chains wait for, for a person.

use super::*;
use crate::state::{Again, TrackState};

impl Runs {
    /// What all chains together are at.
    pub(crate) fn state(&self) -> Option<TrackState> {
        let chains: Vec<&Chain> = self.chains.in_order().into_iter().map(|(_, chain)| chain).collect();
        chains_state(&chains)
    }

    /// What some of them are at.
    pub(crate) fn state_of(&self, ids: impl Iterator<Item = ChainId>) -> Option<TrackState> {
        let chains: Vec<&Chain> = ids.filter_map(|id| self.chains.get(id)).collect();
        chains_state(&chains)
    }
}

/// The chain in the worst trouble speaks for all.
fn chains_state(chains: &[&Chain]) -> Option<TrackState> {
    let refused = chains.iter().find_map(|chain| match (&chain.status, n_refused(chain)) {
        (Status::Redeliver { until, since, error }, n_refused) => Some(TrackState::DestinationRefuses {
            n_refused,
            since: *since,
            error: error.clone(),
            next: *until,
        }),
        _ => None,
    });
    let not_reached = || {
        let (why, since, error) = chains.iter().find_map(|chain| chain.not_reached().cloned())?;
        Some(TrackState::NotReached { why, since, error })
    };
    let retrying = || {
        chains.iter().find_map(|chain| {
            let tried =
                tried(chain).filter(|_| matches!(chain.status, Status::Retry { .. } | Status::Durable))?;
            let (next, since) = (tried.not_before, chain.failing_since.unwrap_or(tried.not_before));
            Some(TrackState::Retrying { n_failures: tried.n_failures, since, next, error: error_of(tried) })
        })
    };
    let invoking = || {
        let in_flight = chains.iter().filter_map(|chain| {
            if let Status::InFlight { since, .. } = chain.status { Some((chain, since)) } else { None }
        });
        let n_attempts = u32::try_from(in_flight.clone().count()).unwrap_or(u32::MAX);
        let since = in_flight.clone().map(|(_, since)| since).min()?;
        let again = in_flight.filter_map(|(chain, _)| again(chain)).max_by_key(|it| it.n_failures);
        Some(TrackState::Invoking { n_attempts, since, again })
    };
    let waiting = || {
        chains.iter().find_map(|chain| match chain.status {
            Status::Ready { since } => Some(TrackState::WaitingForSlot {
                since,
                why: tried(chain).map_or(BatchReason::Retry, |tried| tried.why),
            }),
            _ => None,
        })
    };
    refused.or_else(not_reached).or_else(retrying).or_else(invoking).or_else(waiting)
}

fn tried(chain: &Chain) -> Option<&Tried> {
    match &chain.steps.front()?.what {
        What::Try(tried) => Some(tried),
        What::Filling(_) | What::Tell(_) => None,
    }
}

fn error_of(tried: &Tried) -> String {
    tried.reply.as_ref().and_then(|reply| reply.error.clone()).unwrap_or_default()
}

fn again(chain: &Chain) -> Option<Again> {
    let tried = tried(chain).filter(|it| it.n_failures > 0)?;
    Some(Again {
        n_failures: tried.n_failures,
        since: chain.failing_since.unwrap_or(tried.not_before),
        error: error_of(tried),
    })
}

fn n_refused(chain: &Chain) -> u32 {
    match chain.steps.front().map(|step| &step.what) {
        Some(What::Tell(told)) => told.n_refused,
        Some(What::Filling(_) | What::Try(_)) | None => 0,
    }
}
