//! What batch runs have to do with the tumbling window of their lane: a state that goes on with what is
//! finished, and an end.

use std::time::Duration;

use bytes::Bytes;

use super::*;

impl Runs {
    /// The window of a batch run's lane, with its state as it is now.
    pub(super) fn window_of(
        &self,
        id: BatchRunId,
        finale: Option<Finale>,
        books: &Books,
    ) -> Option<Box<TumblingWindow>> {
        let lane = self.batch_runs.get(id)?.lane()?;
        books.tracks.tumbling_window(lane, finale, &books.cx)
    }

    /// An attempt finished some or all of its records, or the window of its lane: the state goes on with what
    /// is finished, and with nothing else.
    pub(super) fn carry(
        &mut self,
        id: BatchRunId,
        finale: Option<Finale>,
        state: Option<Bytes>,
        books: &mut Books,
    ) {
        let Some(lane) = self.batch_runs.get(id).and_then(BatchRun::lane) else { return };
        match finale {
            Some(finale) => {
                books.cx.counts.windows_ended += u64::from(finale == Finale::Ended);
                books.cx.counts.windows_terminated_early += u64::from(finale == Finale::TerminatedEarly);
                books.tracks.end_tumbling_window(lane, finale);
            }
            None => state.into_iter().for_each(|state| books.tracks.carry_state(lane, state, &books.cx)),
        }
    }

    /// The last invocation of a window was given up: what is carried goes with it.
    pub(super) fn give_up_window(&mut self, id: BatchRunId, finale: Option<Finale>, books: &mut Books) {
        let lane = self.batch_runs.get(id).and_then(BatchRun::lane);
        if let (Some(lane), Some(finale)) = (lane, finale) {
            books.cx.counts.windows_given_up += 1;
            books.tracks.end_tumbling_window(lane, finale);
        }
    }

    /// a window whose state is too large, by itself or beside what is next, is terminated before anything
    /// else of its lane is tried: what is left of a batch waits for that.
    pub(super) fn terminate_early(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        let Some(front) = run.steps.front().filter(|step| step.finale().is_none()) else { return };
        let Some(lane) = run.lane() else { return };
        if !books.tracks.is_window_full(lane)
            && !books.tracks.is_crowded_out(lane, front.records(), &books.cx)
        {
            return;
        }
        self.end_window_first(id, Finale::TerminatedEarly, books);
    }

    /// whether what is next of a batch run reached its source after the end of the window that its lane is
    /// in. It was cut in one that was longer, before the plan changed.
    pub(super) fn is_behind_window(&self, run: &BatchRun, attempted: &AttemptedSlice, books: &Books) -> bool {
        attempted.finale.is_none()
            && run.lane().is_some_and(|lane| books.tracks.is_window_passed(lane, attempted.slice.records()))
    }

    /// A window ends before anything else of a batch run is tried.
    pub(super) fn end_window_first(&mut self, id: BatchRunId, finale: Finale, books: &mut Books) {
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        books.cx.mark += 1;
        let attempted = AttemptedSlice {
            slice: Slice::new(Vec::new()),
            n_failures: 0,
            n_invokes: 0,
            why: BatchReason::TumblingWindow,
            not_before: Tick::default(),
            asked_wait: Duration::ZERO,
            is_pardoned: false,
            reply: None,
            finale: Some(finale),
        };
        run.steps.push_front(Step { what: What::Attempt(attempted), mark: books.cx.mark });
    }
}
