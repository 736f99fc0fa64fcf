//! Batch runs of a track that is closed or lost: what of them begins no more, and what is not theirs any
//! more.

use super::*;

impl Runs {
    /// C-2: a track was closed; what of it is not out begins no more.
    pub(crate) fn handle_drain(&mut self, idx: TrackIdx, books: &mut Books) {
        for id in books.tracks.runs_of(idx) {
            if self.batch_runs.get(id).is_some_and(|run| !run.is_out()) {
                self.advance(id, books);
            }
        }
    }

    /// A track is lost: its lanes are not this batch run's any more, nor are its records.
    pub(super) fn lose_records(&mut self, id: BatchRunId, idx: TrackIdx) {
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        run.lost.insert(idx);
        run.holds.retain(|hold| !matches!(hold, Hold::Lane(it, _) if *it == idx));
    }
}

/// Whether a batch run holds a lane of a track that was closed.
pub(super) fn is_draining(run: &BatchRun, books: &Books) -> bool {
    run.holds.iter().any(|hold| matches!(hold, Hold::Lane(idx, _) if books.tracks.is_draining(*idx)))
}
