//! Why nothing is happening on a track, for a person.

use super::*;
use crate::plan::WindowPlan;
use crate::runs::Its;
use crate::state::TrackState;

impl Tracks {
    /// Why nothing is happening on this track, or what is.
    pub(crate) fn state(&self, idx: TrackIdx, runs: &Runs, cx: &Context) -> TrackState {
        let Some(track) = self.by_idx.get(idx) else { return TrackState::Unknown };
        ended_state(track, cx)
            .or_else(|| {
                let failing = track.committing.failing?;
                Some(TrackState::StoreFailing { full: failing.is_full, since: failing.since })
            })
            .or_else(|| runs.paused_state(Its { idx, n_lanes: track.n_lanes() }, track.lanes.batch_runs()))
            .or_else(|| runs.state_of(track.lanes.batch_runs()))
            .or_else(|| ready_state(track, cx))
            .or_else(|| self.reading_state(track, cx))
            .or_else(|| window_state(track, cx))
            .or_else(|| track.filtered.state())
            .unwrap_or(TrackState::NoRecords { since: track.none_since })
    }

    fn reading_state(&self, track: &Track, cx: &Context) -> Option<TrackState> {
        if let Reading::Backoff { until, since, error } = &track.reading {
            return Some(TrackState::SourceDown { since: *since, next: *until, error: error.clone() });
        }
        if let Some((until, n_records)) = batching(track, cx) {
            return Some(TrackState::Batching { until, n_records });
        }
        if self.is_too_far_ahead(track, cx) {
            let lane = (0u32..)
                .zip(track.lanes.iter())
                .find(|(_, lane)| lane.run().is_some())
                .map_or(0, |(lane, _)| lane);
            let n_ahead = u32::try_from(track.open.n_finished_ahead()).unwrap_or(u32::MAX);
            return Some(TrackState::TooFarAhead { lane, n_ahead });
        }
        let is_out_of_room = cx.held_bytes >= cx.plan.held_bytes_max && track.reading == Reading::Idle;
        is_out_of_room.then_some(TrackState::OutOfRoom { held_bytes: cx.held_bytes })
    }
}

fn batching(track: &Track, cx: &Context) -> Option<(Tick, u32)> {
    let lanes = track.lanes.iter().filter_map(|lane| {
        let first = lane.first()?;
        Some((first.since.after(cx.plan.batch.window), u32::try_from(lane.n_waiting()).unwrap_or(u32::MAX)))
    });
    lanes.min()
}

fn ready_state(track: &Track, cx: &Context) -> Option<TrackState> {
    let group = cx.former.group_ready().filter(|_| track.lanes.iter().any(|lane| lane.counted.is_some()));
    let (since, why) = track.lanes.iter().find_map(|lane| lane.ready).or(group)?;
    Some(TrackState::WaitingForSlot { since, why })
}

fn window_state(track: &Track, cx: &Context) -> Option<TrackState> {
    if !track.lanes.is_any_window_open() {
        return None;
    }
    let (quiet, progress) =
        (cx.plan.window.as_ref().map_or(WindowPlan::QUIET, |it| it.quiet), track.progress());
    let open = || {
        let windows = track.lanes.iter().filter_map(Lane::window);
        windows.filter_map(|it| Some((it.over_in(progress, quiet, cx.now)?, it.open_span()?)))
    };
    let n_lanes = u32::try_from(open().count()).unwrap_or(u32::MAX);
    let (over_in, span) = open().min()?;
    Some(TrackState::WindowOpen { n_lanes, span, over_at: cx.now.tick.after(over_in) })
}

fn ended_state(track: &Track, cx: &Context) -> Option<TrackState> {
    match &track.status {
        TrackStatus::Active => (cx.is_closing() || track.is_draining).then_some(TrackState::Closed),
        TrackStatus::PositionLost { error } => Some(TrackState::PositionLost { error: error.clone() }),
        TrackStatus::Fenced => Some(TrackState::Fenced),
        TrackStatus::Ended => Some(TrackState::Ended),
        TrackStatus::Closed => Some(TrackState::Closed),
    }
}
