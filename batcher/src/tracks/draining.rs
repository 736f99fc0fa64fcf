//! A track that is closed: nothing of it begins, and it is let go when what ran of it is durable.

use super::*;

impl Tracks {
    /// C-2: nothing new of a track begins from now on; it is let go at this time at the latest.
    pub(crate) fn handle_drain(&mut self, idx: TrackIdx, until: Option<Tick>, runs: &Runs, cx: &mut Context) {
        let Some(track) = self.by_idx.get_mut(idx) else { return };
        // Even one that acts no more: whoever closed it waits to be told that it is let go.
        self.draining.insert(idx);
        if !track.is_active() {
            return;
        }
        track.is_draining = true;
        cx.timers.set(Timer::CloseTrack(idx), until);
        for lane in 0..track.n_lanes() {
            self.touch_lane(idx, lane, runs, cx);
        }
    }

    /// A track that was closed, of which nothing runs and everything is durable, or which is ours no more.
    pub(crate) fn drained(&self, runs: &Runs) -> Option<TrackIdx> {
        let is_done = |idx: &TrackIdx| {
            let Some(track) = self.by_idx.get(*idx) else { return true };
            !track.is_active()
                || (!runs.is_any_out(track.lanes.batch_runs())
                    && track.committing.is_settled()
                    && !track.has_news())
        };
        self.draining.iter().copied().find(is_done)
    }

    /// A track is let go as it stands, and that is told.
    pub(crate) fn let_go(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) -> Effect {
        self.forget_drain(idx, cx);
        let Some(track) = self.by_idx.get(idx) else { return Effect::None };
        // The next owner is told how far our checkpoints are durable, not how far we came.
        let reaches = track.committing.reaches.clone();
        let effect = if track.is_active() {
            self.stop_track(idx, TrackStatus::Closed, runs, cx)
        } else {
            Effect::None
        };
        cx.actions.push_back(Action::Drained(idx, reaches));
        effect
    }

    /// Whether a track was closed and is not let go yet.
    pub(crate) fn is_draining(&self, idx: TrackIdx) -> bool {
        self.draining.contains(&idx)
    }

    pub(super) fn forget_drain(&mut self, idx: TrackIdx, cx: &mut Context) {
        if self.draining.remove(&idx) {
            cx.timers.set(Timer::CloseTrack(idx), None);
        }
    }
}
