//! Which batch run holds which lane, and which of them a checkpoint speaks of or lets go on.

use super::*;

impl Tracks {
    /// A batch that was taken is a batch run from now on, which holds its lanes.
    pub(crate) fn hold_batch(
        &mut self,
        id: BatchRunId,
        holds: &[Hold],
        is_oversize: bool,
        runs: &Runs,
        cx: &mut Context,
    ) {
        for (idx, lane) in lanes_of(holds) {
            let track = self.by_idx.get_mut(idx).expect("records were taken from it");
            track.lanes.hold(lane, id);
            track.is_dirty |= is_oversize;
            if is_oversize {
                track.lanes.tell(id);
            }
        }
        // All lanes are held before any track goes on.
        self.touch_lanes(lanes_of(holds), runs, cx);
        tracks_of(holds).for_each(|idx| self.pump_track(idx, runs, cx));
    }

    /// A batch run of a former life has a lane; its records are to be read again.
    pub(crate) fn refill(&mut self, idx: TrackIdx, lane: u32, id: BatchRunId) {
        let track = self.by_idx.get_mut(idx).expect("it was assigned");
        track.lanes.hold(lane, id);
        track.lanes.tell(id);
        track.refilling.push(id);
    }

    /// The batch runs that hold lanes of a track.
    pub(crate) fn runs_of(&self, idx: TrackIdx) -> Vec<BatchRunId> {
        self.by_idx.get(idx).map_or_else(Vec::new, |track| track.lanes.batch_runs().collect())
    }

    /// The batch run that holds a lane; `None` when there is no such lane.
    pub(crate) fn holder(&self, idx: TrackIdx, lane: u32) -> Option<Option<BatchRunId>> {
        Some(self.by_idx.get(idx)?.lanes.get(lane)?.run())
    }

    /// From now on the checkpoints of a track speak of a batch run.
    pub(crate) fn tell(&mut self, idx: TrackIdx, id: BatchRunId) {
        if let Some(track) = self.by_idx.get_mut(idx) {
            track.lanes.tell(id);
        }
    }

    /// A batch run goes on once a commit of the track is durable.
    pub(crate) fn wait_for_commit(&mut self, idx: TrackIdx, id: BatchRunId) {
        if let Some(track) = self.by_idx.get_mut(idx) {
            track.wait_for_commit(id);
        }
    }

    /// Whether the last commit of a track failed.
    pub(crate) fn is_store_failing(&self, idx: TrackIdx) -> bool {
        self.by_idx.get(idx).is_some_and(|track| track.committing.failing.is_some())
    }

    /// Whether a change is in a durable checkpoint. A track that is not ours any more keeps nothing waiting:
    /// no batch run holds a lane of it.
    pub(crate) fn is_durable(&self, idx: TrackIdx, mark: u64) -> bool {
        self.by_idx.get(idx).is_none_or(|track| track.committing.durable >= mark)
    }

    /// A batch run lets go of lanes. All of them are free before any track goes on.
    pub(crate) fn free_lanes(&mut self, holds: &[Hold], id: BatchRunId, runs: &Runs, cx: &mut Context) {
        for (idx, lane) in lanes_of(holds) {
            if let Some(track) = self.by_idx.get_mut(idx) {
                track.lanes.free(lane, id);
            }
        }
        tracks_of(holds).for_each(|idx| self.pump_track(idx, runs, cx));
        self.touch_lanes(lanes_of(holds), runs, cx);
    }

    /// O-2: a lane goes from one batch run to the other.
    pub(crate) fn pass_lane(&mut self, idx: TrackIdx, lane: u32, from: BatchRunId, to: BatchRunId) {
        if let Some(track) = self.by_idx.get_mut(idx) {
            track.lanes.free(lane, from);
            track.lanes.hold(lane, to);
        }
    }
}
