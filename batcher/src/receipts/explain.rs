//! Why nothing is happening on a queue, for a person.

use super::*;
use crate::state::{Receives, TrackState};

impl Receipts {
    /// The receives of the queue; `None` for tracks.
    pub(crate) fn receives(&self, cx: &Context) -> Option<Receives> {
        let queue = cx.plan.queue.as_ref()?;
        let n_max = self.scale.as_ref().map_or(0, |scale| scale.target(queue));
        Some(Receives { n_open: self.reads.len(), n_max })
    }

    /// Why nothing is happening on the queue, or what is.
    pub(crate) fn state(&self, runs: &Runs, cx: &Context) -> TrackState {
        if cx.is_closing() || !self.is_open {
            return TrackState::Closed;
        }
        let down = self.failing.as_ref().filter(|failing| failing.until > cx.now.tick);
        runs.state()
            .or_else(|| {
                down.map(|it| TrackState::SourceDown {
                    since: it.since,
                    next: it.until,
                    error: it.error.clone(),
                })
            })
            .or_else(|| {
                let first = self.waiting.values().next()?;
                let until = first.since.after(cx.plan.batch.window);
                let n_records = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
                if self.n_batches(cx) > 0 {
                    return Some(TrackState::WaitingForSlot { since: first.since, why: BatchReason::Window });
                }
                Some(TrackState::Batching { until, n_records })
            })
            .or_else(|| self.left.state(cx.now.tick))
            .or_else(|| self.filtered.state())
            .unwrap_or(TrackState::NoRecords { since: self.none_since })
    }
}
