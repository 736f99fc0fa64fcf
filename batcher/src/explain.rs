//! Reads a machine's state for a person: why nothing is happening on a track or queue.

use crate::action::BatchReason;
use crate::attempt::Tried;
use crate::chain::{Chain, Status, What};
use crate::machine::Machine;
use crate::record::TrackIdx;
use crate::state::{Again, Receives, TrackState};
use crate::time::Tick;
use crate::tracks::{Reading, Track, TrackStatus};

impl Machine {
    /// Why nothing is happening on this track, or what is. A queue answers for every `TrackIdx`.
    pub fn state(&self, track: TrackIdx) -> TrackState {
        if self.plan.queue.is_some() {
            return self.queue_state();
        }
        let Some(track) = self.tracks.by_idx.get(track) else { return TrackState::Unknown };
        let chains: Vec<&Chain> = track.lanes.chains().filter_map(|id| self.chains.get(id)).collect();
        self.ended_state(track)
            .or_else(|| {
                let failing = track.committing.failing?;
                Some(TrackState::StoreFailing { full: failing.is_full, since: failing.since })
            })
            .or_else(|| chains_state(&chains))
            .or_else(|| self.ready_state(track))
            .or_else(|| self.reading_state(track))
            .or_else(|| track.filtered.state())
            .unwrap_or(TrackState::NoRecords { since: track.none_since })
    }

    /// The receives of the queue; `None` for tracks.
    pub fn receives(&self) -> Option<Receives> {
        let queue = self.plan.queue.as_ref()?;
        let n_max = self.receipts.scale.as_ref().map_or(0, |scale| scale.target(queue));
        Some(Receives { n_open: self.receipts.n_receives(), n_max })
    }

    fn ready_state(&self, track: &Track) -> Option<TrackState> {
        let group = self.tracks.group.ready().filter(|_| track.lanes.iter().any(|lane| lane.counted.is_some()));
        let (since, why) = track.lanes.iter().find_map(|lane| lane.ready).or(group)?;
        Some(TrackState::WaitingForSlot { since, why })
    }

    fn ended_state(&self, track: &Track) -> Option<TrackState> {
        match &track.status {
            TrackStatus::Active => (self.is_closing() || track.is_draining).then_some(TrackState::Closed),
            TrackStatus::PositionLost { error } => Some(TrackState::PositionLost { error: error.clone() }),
            TrackStatus::Fenced => Some(TrackState::Fenced),
            TrackStatus::Ended => Some(TrackState::Ended),
            TrackStatus::Closed => Some(TrackState::Closed),
        }
    }

    fn reading_state(&self, track: &Track) -> Option<TrackState> {
        if let Reading::Backoff { until, since, error } = &track.reading {
            return Some(TrackState::SourceDown { since: *since, next: *until, error: error.clone() });
        }
        if let Some((until, n_records)) = self.batching(track) {
            return Some(TrackState::Batching { until, n_records });
        }
        if self.is_too_far_ahead(track) {
            let lane = (0u32..).zip(track.lanes.iter()).find(|(_, lane)| lane.chain().is_some()).map_or(0, |(lane, _)| lane);
            let n_ahead = u32::try_from(track.open.n_finished_ahead()).unwrap_or(u32::MAX);
            return Some(TrackState::TooFarAhead { lane, n_ahead });
        }
        let is_out_of_room = self.held_bytes >= self.plan.held_bytes_max && track.reading == Reading::Idle;
        is_out_of_room.then_some(TrackState::OutOfRoom { held_bytes: self.held_bytes })
    }

    fn batching(&self, track: &Track) -> Option<(Tick, u32)> {
        let lanes = track.lanes.iter().filter_map(|lane| {
            let first = lane.first()?;
            Some((first.since.after(self.plan.batch.window), u32::try_from(lane.n_waiting()).unwrap_or(u32::MAX)))
        });
        lanes.min()
    }

    fn queue_state(&self) -> TrackState {
        let chains: Vec<&Chain> = self.chains.in_order().into_iter().map(|(_, chain)| chain).collect();
        if self.is_closing() || !self.receipts.is_open {
            return TrackState::Closed;
        }
        let down = self.receipts.failing.as_ref().filter(|failing| failing.until > self.now.tick);
        chains_state(&chains)
            .or_else(|| down.map(|it| TrackState::SourceDown { since: it.since, next: it.until, error: it.error.clone() }))
            .or_else(|| {
                let first = self.receipts.waiting.values().next()?;
                let until = first.since.after(self.plan.batch.window);
                let n_records = u32::try_from(self.n_messages_waiting()).unwrap_or(u32::MAX);
                if self.n_pool_batches() > 0 {
                    return Some(TrackState::WaitingForSlot { since: first.since, why: BatchReason::Window });
                }
                Some(TrackState::Batching { until, n_records })
            })
            .or_else(|| self.receipts.left.state(self.now.tick))
            .or_else(|| self.receipts.filtered.state())
            .unwrap_or(TrackState::NoRecords { since: self.receipts.none_since })
    }
}

/// The chain in the worst trouble speaks for all.
fn chains_state(chains: &[&Chain]) -> Option<TrackState> {
    let refused = chains.iter().find_map(|chain| match (&chain.status, n_refused(chain)) {
        (Status::Redeliver { until, since, error }, n_refused) => {
            Some(TrackState::DestinationRefuses { n_refused, since: *since, error: error.clone(), next: *until })
        }
        _ => None,
    });
    let not_reached = || {
        let (why, since, error) = chains.iter().find_map(|chain| chain.not_reached().cloned())?;
        Some(TrackState::NotReached { why, since, error })
    };
    let retrying = || {
        chains.iter().find_map(|chain| {
            let tried = tried(chain).filter(|_| matches!(chain.status, Status::Retry { .. } | Status::Durable))?;
            let (next, since) = (tried.not_before, chain.failing_since.unwrap_or(tried.not_before));
            Some(TrackState::Retrying { n_failures: tried.n_failures, since, next, error: error_of(tried) })
        })
    };
    let invoking = || {
        let in_flight =
            chains.iter().filter_map(|chain| if let Status::InFlight { since, .. } = chain.status { Some((chain, since)) } else { None });
        let n_attempts = u32::try_from(in_flight.clone().count()).unwrap_or(u32::MAX);
        let since = in_flight.clone().map(|(_, since)| since).min()?;
        let again = in_flight.filter_map(|(chain, _)| again(chain)).max_by_key(|it| it.n_failures);
        Some(TrackState::Invoking { n_attempts, since, again })
    };
    let waiting = || {
        chains.iter().find_map(|chain| match chain.status {
            Status::Ready { since } => {
                Some(TrackState::WaitingForSlot { since, why: tried(chain).map_or(BatchReason::Retry, |tried| tried.why) })
            }
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
    Some(Again { n_failures: tried.n_failures, since: chain.failing_since.unwrap_or(tried.not_before), error: error_of(tried) })
}

fn n_refused(chain: &Chain) -> u32 {
    match chain.steps.front().map(|step| &step.what) {
        Some(What::Tell(told)) => told.n_refused,
        Some(What::Filling(_) | What::Try(_)) | None => 0,
    }
}
