//! What comes to the runs from elsewhere: news of a track, a fresh batch, a slot for a batch run.

use std::time::Duration;

use super::*;

impl Runs {
    /// What news of a track means for its batch runs.
    pub(crate) fn handle_track(&mut self, effect: Effect, books: &mut Books) {
        match effect {
            Effect::None => {}
            Effect::Refilled { records, batch_runs } => {
                records.into_iter().for_each(|(id, lane, record)| self.refill(id, lane, record));
                for id in batch_runs {
                    if self.batch_runs.get(id).is_some_and(|run| run.status == Status::Filling) {
                        self.advance(id, books);
                    }
                }
            }
            Effect::Durable(batch_runs) => {
                for id in batch_runs {
                    // One that was looked at since for another reason waits for another commit, or for none.
                    if self.batch_runs.get(id).is_some_and(|run| matches!(run.status, Status::Durable { .. }))
                    {
                        self.advance(id, books);
                    }
                }
                self.tell_decided(books);
            }
            Effect::Gone(track, batch_runs) => {
                // Nobody writes for a track that is gone, so such a decision never becomes durable; its next
                // owner asks anew.
                self.decided.retain(|decided| !decided.is_of(track));
                for id in batch_runs {
                    self.lose_records(id, track);
                    self.drop_dead_records(id, books);
                }
                books.tracks.choose_guest(self, &mut books.cx);
            }
        }
    }

    /// A fresh batch becomes a batch run; its first attempt, when there is something to try now.
    pub(crate) fn handle_batch(&mut self, batch: Batch, books: &mut Books) -> Option<Attempt> {
        let Batch { records, holds, why, is_oversize, finale } = batch;
        books.cx.counts.given_up_uninvoked += u64::from(is_oversize);
        let slice = Slice::new(records);
        let attempted = AttemptedSlice {
            slice,
            n_failures: 0,
            n_invokes: 0,
            why,
            not_before: if books.cx.plan.durable_cuts { books.cx.now.tick } else { Tick::default() },
            asked_wait: Duration::ZERO,
            is_pardoned: false,
            reply: None,
            finale,
        };
        let what = if is_oversize {
            What::GivenUp(attempted.give_up(Condition::PayloadTooLarge))
        } else {
            What::Attempt(attempted)
        };
        books.cx.mark += 1;
        let limits = Limits::of(&books.cx.plan.retry);
        let (id, run) = self.batch_runs.begin(books.cx.next_id(), limits);
        run.steps.push_back(Step { what, mark: books.cx.mark });
        run.holds = holds;
        let holds = &self.batch_runs.get(id)?.holds;
        books.receipts.hold_batch(id, holds);
        books.tracks.hold_batch(id, holds, is_oversize, self, &mut books.cx);
        if is_oversize {
            self.advance(id, books);
            return None;
        }
        if books.cx.plan.durable_cuts && finale.is_none() {
            // Written down first. By the time that this is durable its slot is another's.
            self.mark_run_dirty(id, books);
            self.advance(id, books);
            return None;
        }
        // Its slot is there: it need not stand in the line first.
        self.start(id, books)
    }

    /// The attempt of a batch run whose turn it is; `None` when it has nothing to try now.
    pub(crate) fn begin(&mut self, id: BatchRunId, books: &mut Books) -> Option<Attempt> {
        let is_ready = self.batch_runs.get(id).is_some_and(|run| matches!(run.status, Status::Ready { .. }));
        if is_ready { self.start(id, books) } else { None }
    }
}
