//! A track begins: from nothing, or from what a former life left open.

use super::*;

impl Tracks {
    /// A track is ours from this checkpoint on. What it left open, in reading order: each is to be restored
    /// before the track starts.
    pub(crate) fn handle_assigned(
        &mut self,
        idx: TrackIdx,
        mut from: Checkpoint,
        cx: &mut Context,
    ) -> Vec<OpenSlice> {
        // W-2: the source dropped the records of a slice that lies below the watermark before they were read
        // again.
        if let Watermark::At(watermark) = &from.watermark {
            from.slices.retain(|slice| slice.finale.is_some() || slice.last >= *watermark);
        }
        let is_any_open = from.windows.iter().flat_map(|it| &it.lanes).any(|it| it.open.is_some());
        let is_free = from.slices.is_empty() && !is_any_open;
        // O-1: an open slice belongs to a lane of the old number; under another its keys would be spread over
        // lanes that it does not hold.
        let n_lanes = if is_free { cx.plan.lanes.get() } else { from.lanes };
        let mut track = Track::new(&from, n_lanes, cx.now.tick);
        if n_lanes == from.lanes {
            track.restore_windows(from.windows.take());
        }
        // What the checkpoint says is durable already: a restored slice waits for no commit.
        track.committing.durable = cx.mark;
        // What was read for a former life is not for this one.
        if let Some(Reading::Open(read)) = self.by_idx.get(idx).map(|former| &former.reading) {
            self.reads.remove(read);
        }
        self.forget_drain(idx, cx);
        let mut slices = from.slices;
        slices.sort_by(|a, b| a.first.cmp(&b.first));
        // S-2: for a slice whose records never come its track would read beyond the memory, and wait there.
        crate::rule!(
            S2,
            slices.iter().all(|slice| slice.finale.is_some()
                || !matches!(track.watermark(), Watermark::At(at) if slice.last < at))
        );
        self.by_idx.insert(idx, track);
        slices
    }

    /// A track whose former life is restored goes on.
    pub(crate) fn start(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) {
        if self.is_active(idx) {
            // S-1: one that was over in the former life ends now.
            let in_windows = self.by_idx.get(idx).map_or_else(Vec::new, Track::lanes_in_windows);
            self.touch_lanes(in_windows.into_iter().map(|lane| (idx, lane)), runs, cx);
            self.pump_track(idx, runs, cx);
        } else {
            cx.actions.push_back(Action::Ended(idx));
        }
    }
}
