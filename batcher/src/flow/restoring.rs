//! What a former life left open of a track: batch runs whose records must be read again.

use std::time::Duration;

use super::*;
use crate::backoff::DELAY_MAX;
use crate::checkpoint::OpenSlice;
use crate::items::RETRY_AFTER_MAX;
use crate::time::{Now, UnixMillis};

impl Runs {
    /// What was left open of a track is to be tried or told of again, once its records were read again.
    pub(crate) fn restore(&mut self, idx: TrackIdx, slices: Vec<OpenSlice>, books: &mut Books) {
        for slice in slices {
            self.restore_slice(idx, slice, books);
        }
        if books.tracks.is_active(idx) {
            for id in books.tracks.runs_of(idx) {
                self.terminate_early(id, books);
                self.advance(id, books);
            }
        }
    }

    /// A record of a former life came again.
    pub(super) fn refill(&mut self, id: BatchRunId, lane: u32, record: Record) {
        let (Some(run), Place::Track(idx, position)) = (self.batch_runs.get_mut(id), &record.place) else {
            return;
        };
        let step = run.steps.iter_mut().find(|step| step.waits_for(*idx, lane, position));
        if let Some(Step { what: What::Filling(filling), .. }) = step {
            filling.records.push(record);
        }
    }

    fn restore_slice(&mut self, idx: TrackIdx, slice: OpenSlice, books: &mut Books) {
        // Only records can ask for a long wait: the end of a window has none, and a clock that was set back
        // keeps it no longer than our own delays.
        let asks = books.cx.plan.retry.item_actions && slice.finale.is_none();
        let delay_max = if asks { RETRY_AFTER_MAX } else { DELAY_MAX };
        let not_before = books.cx.now.tick.after(delay_until(slice.not_before, books.cx.now).min(delay_max));
        let lane = slice.lane;
        let limits = Limits {
            retries_max: slice.retries_max,
            record_age_max: slice.record_age_max_ms.map(Duration::from_millis),
            bisect: slice.bisect,
            ..Limits::of(&books.cx.plan.retry)
        };
        let Some(held) = books.tracks.holder(idx, lane) else { return };
        // Several slices of a lane are steps of one batch run: its order is theirs, and the lane has one
        // holder.
        let id = match held {
            Some(id) => id,
            None => {
                let mut run = BatchRun::new(limits);
                // Ticks of the former life mean nothing here, so for people it fails since this one began.
                run.failing_since = Some(books.cx.now.tick);
                run.holds.push(Hold::Lane(idx, lane));
                let id = self.add_run(run, books);
                books.tracks.refill(idx, lane, id);
                id
            }
        };
        let what = What::Filling(Box::new(Filling { track: idx, slice, not_before, records: Vec::new() }));
        self.batch_runs.get_mut(id).expect("a lane's run exists").steps.push_back(Step { what, mark: 0 });
    }
}

/// What is left of a delay that was kept as wall-clock time. A clock that jumped may stretch it: whoever asks
/// knows the longest that it can be.
fn delay_until(not_before: UnixMillis, now: Now) -> Duration {
    now.unix.age(not_before)
}
