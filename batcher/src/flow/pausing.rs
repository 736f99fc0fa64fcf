//! What used up its attempts or its time and waits for an operator, and what he decides.

use std::time::Duration;

use super::draining::is_draining;
use super::*;
use crate::decision::{Decision, Paused, Undecided};
use crate::plan::OnExhausted;
use crate::runs::paused_of;

/// Whether what is given up for this waits for an operator.
pub(super) fn pauses(condition: Condition, books: &Books) -> bool {
    let is_exhausted = match condition {
        Condition::RetriesExhausted | Condition::AgeExceeded => true,
        // Trying it again changes nothing; and what a function rejects it has decided about itself.
        Condition::PayloadTooLarge
        | Condition::Rejected
        | Condition::SchemaNotFound
        | Condition::NotDecoded => false,
    };
    is_exhausted && books.cx.plan.retry.on_exhausted == OnExhausted::Pause
}

/// What was given up waits for an operator first, where the plan says so.
pub(super) fn pause_exhausted(given_up: GivenUpSlice, books: &Books) -> GivenUpSlice {
    let is_asked = given_up.finale.is_none() && pauses(given_up.condition, books);
    let paused = is_asked.then_some(Pause { since: books.cx.now.unix, is_told: false });
    GivenUpSlice { paused, ..given_up }
}

impl Runs {
    /// How many batches wait for an operator.
    pub(crate) fn n_paused(&self) -> usize {
        self.n_paused
    }

    /// What waits for an operator, oldest batches first.
    pub(crate) fn paused(&self) -> Vec<Paused> {
        if self.n_paused == 0 {
            return Vec::new();
        }
        self.batch_runs.in_order().into_iter().filter_map(|(_, run)| paused_of(run)).collect()
    }

    /// The shell hears once of what waits from here on.
    pub(super) fn tell_paused(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        let Some(Step { what: What::GivenUp(given_up), .. }) = run.steps.front_mut() else { return };
        let Some(pause) = given_up.paused.as_mut().filter(|pause| !pause.is_told) else { return };
        pause.is_told = true;
        books.cx.counts.paused += given_up.slice.n_records() as u64;
        books.cx.actions.extend(paused_of(run).map(Action::Paused));
    }

    /// E-2: what an operator decided about a batch that waits for him.
    pub(crate) fn handle_decision(
        &mut self,
        decision_id: DecisionId,
        (track, first): (TrackIdx, &Position),
        decision: Decision,
        books: &mut Books,
    ) -> Result<usize, Undecided> {
        let is_it = |run: &BatchRun| {
            let paused = paused_of(run);
            paused.is_some_and(|paused| paused.track == track && paused.first == *first)
        };
        let mut ids = books.tracks.runs_of(track).into_iter();
        let id = ids.find(|id| self.batch_runs.get(*id).is_some_and(is_it)).ok_or(Undecided::NotPaused)?;
        let run = self.batch_runs.get_mut(id).expect("it was found above");
        if books.cx.is_closing() || is_draining(run, books) {
            return Err(Undecided::Closing);
        }
        if decision == Decision::Send && !books.cx.plan.has_destination {
            return Err(Undecided::NoDestination);
        }
        // Every check is before this line: a decision that is refused has changed nothing.
        let tracks = run.tracks().collect();
        let Some(Step { what: What::GivenUp(given_up), .. }) = run.steps.pop_front() else {
            return Err(Undecided::NotPaused);
        };
        books.cx.mark += 1;
        let mark = books.cx.mark;
        let n_records = given_up.slice.n_records();
        // Answered when durable: told earlier, a crash would bring the batch back to an operator who has
        // dealt with it.
        self.decided.push(Decided { id: decision_id, mark, tracks });
        match decision {
            Decision::Skip => {
                books.cx.counts.decided_skip += n_records as u64;
                self.finish(id, given_up.slice.records(), books);
            }
            Decision::Retry => {
                books.cx.counts.decided_retry += n_records as u64;
                run.steps.push_front(Step { what: What::Attempt(again(given_up, books)), mark });
            }
            Decision::Send => {
                books.cx.counts.decided_send += n_records as u64;
                run.steps.push_front(Step {
                    what: What::GivenUp(GivenUpSlice { paused: None, ..given_up }),
                    mark,
                });
            }
        }
        self.after_pop(id, books);
        self.advance(id, books);
        Ok(n_records)
    }

    /// Says which decisions are durable by now.
    pub(super) fn tell_decided(&mut self, books: &mut Books) {
        let is_durable =
            |decided: &Decided| decided.tracks.iter().all(|idx| books.tracks.is_durable(*idx, decided.mark));
        let (durable, waiting) = std::mem::take(&mut self.decided).into_iter().partition(is_durable);
        self.decided = waiting;
        let durable: Vec<Decided> = durable;
        books.cx.actions.extend(durable.into_iter().map(|it| Action::Decided(it.id)));
    }
}

/// a fresh count of attempts. R-2: the time that is over is no hindrance before the next retry.
fn again(given_up: GivenUpSlice, books: &Books) -> AttemptedSlice {
    AttemptedSlice {
        slice: given_up.slice,
        n_failures: 0,
        n_invokes: given_up.n_invokes,
        why: BatchReason::Retry,
        not_before: books.cx.now.tick,
        asked_wait: Duration::ZERO,
        is_pardoned: true,
        reply: given_up.reply,
        finale: given_up.finale,
    }
}
