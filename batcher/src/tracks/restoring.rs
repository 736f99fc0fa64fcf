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
            from.slices.retain(|slice| slice.last >= *watermark);
        }
        let n_lanes = if from.slices.is_empty() { cx.plan.lanes.get() } else { from.lanes };
        let mut track = Track::new(&from, n_lanes, cx.now.tick);
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
            slices.iter().all(|slice| !matches!(track.watermark(), Watermark::At(at) if slice.last < at))
        );
        self.by_idx.insert(idx, track);
        slices
    }

    /// A track whose former life is restored goes on.
    pub(crate) fn start(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) {
        if self.is_active(idx) {
            self.pump_track(idx, runs, cx);
        } else {
            cx.actions.push_back(Action::Ended(idx));
        }
    }
}
