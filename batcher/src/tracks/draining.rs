//! A track goes to another owner: closed with time for what runs, or lost without.

use super::*;

impl Machine {
    /// C-2: nothing new of a track begins from now on; it is let go when what runs has ended and is durable, at this time at the latest.
    pub(crate) fn drain_track(&mut self, idx: TrackIdx, until: Option<Tick>) {
        let Some(track) = self.tracks.by_idx.get_mut(idx) else { return };
        self.tracks.draining.insert(idx);
        if !track.is_active() {
            return;
        }
        track.is_draining = true;
        let n_lanes = track.n_lanes();
        self.timers.set(Timer::CloseTrack(idx), until);
        (0..n_lanes).for_each(|lane| self.touch_lane(idx, lane));
        for id in self.chains_of(idx) {
            if self.chains.get(id).is_some_and(|chain| !chain.is_out()) {
                self.advance(id);
            }
        }
        self.pump_track(idx);
    }

    /// Lets go of the tracks that were closed and of which nothing runs and everything is durable.
    pub(crate) fn end_drains(&mut self) {
        let is_done = |idx: &TrackIdx| {
            let Some(track) = self.tracks.by_idx.get(*idx) else { return true };
            let is_out = || track.lanes.chains().any(|id| self.chains.get(id).is_some_and(Chain::is_out));
            !track.is_active() || (!is_out() && track.committing.is_settled() && !track.has_news())
        };
        let done: Vec<TrackIdx> = self.tracks.draining.iter().copied().filter(is_done).collect();
        done.into_iter().for_each(|idx| self.let_go(idx));
    }

    /// A track is let go as it stands, and that is told.
    pub(crate) fn let_go(&mut self, idx: TrackIdx) {
        let Some(track) = self.tracks.by_idx.get(idx) else { return };
        let reaches = track.committing.reaches().clone();
        if track.is_active() {
            self.stop_track(idx, TrackStatus::Closed);
        }
        self.forget_drain(idx);
        self.actions.push_back(Action::Drained(idx, reaches));
    }

    /// Another owner has the track: nobody waits for what runs.
    pub(crate) fn lose_track(&mut self, idx: TrackIdx) {
        self.forget_drain(idx);
        self.stop_track(idx, TrackStatus::Closed);
    }

    fn forget_drain(&mut self, idx: TrackIdx) {
        self.tracks.draining.remove(&idx);
        self.timers.set(Timer::CloseTrack(idx), None);
    }

    /// Whether a chain holds a lane of a track that was closed: it begins nothing any more.
    pub(crate) fn is_draining(&self, chain: &Chain) -> bool {
        let is_it = |hold: &Hold| {
            let Hold::Lane(idx, _) = hold else { return false };
            self.tracks.by_idx.get(*idx).is_some_and(|track| track.is_draining && track.is_active())
        };
        !self.tracks.draining.is_empty() && chain.holds.iter().any(is_it)
    }
}
