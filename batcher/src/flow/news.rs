//! What comes to the runs from elsewhere: news of a track, a fresh batch, a slot for a chain.

use std::time::Duration;

use super::*;

impl Runs {
    /// What news of a track means for its chains.
    pub(crate) fn handle_track(&mut self, effect: Effect, books: &mut Books) {
        match effect {
            Effect::None => {}
            Effect::Refilled { records, chains } => {
                records.into_iter().for_each(|(id, lane, record)| self.refill(id, lane, record));
                for id in chains {
                    if self.chains.get(id).is_some_and(|chain| chain.status == Status::Filling) {
                        self.advance(id, books);
                    }
                }
            }
            Effect::Durable(chains) => {
                for id in chains {
                    if self.chains.get(id).is_some_and(|chain| chain.status == Status::Durable) {
                        self.advance(id, books);
                    }
                }
                self.tell_decided(books);
            }
            Effect::Gone(track, chains) => {
                self.decided.retain(|decided| !decided.is_of(track));
                for id in chains {
                    self.lose_records(id, track);
                    self.drop_dead_records(id, books);
                }
                books.tracks.choose_guest(self, &mut books.cx);
            }
        }
    }

    /// A fresh batch becomes a chain; its first attempt, when there is something to try now.
    pub(crate) fn handle_batch(&mut self, batch: Batch, books: &mut Books) -> Option<Attempt> {
        let Batch { records, holds, why, is_oversize } = batch;
        books.cx.counts.given_up_uninvoked += u64::from(is_oversize);
        let slice = Slice::new(records);
        let tried = Tried {
            slice,
            n_failures: 0,
            n_invokes: 0,
            why,
            not_before: Tick::default(),
            asked_wait: Duration::ZERO,
            is_pardoned: false,
            reply: None,
        };
        let what = if is_oversize {
            What::Tell(tried.give_up(Condition::PayloadTooLarge))
        } else {
            What::Try(tried)
        };
        books.cx.mark += 1;
        let mut chain = Chain::new(Limits::of(&books.cx.plan.retry));
        chain.steps.push_back(Step { what, mark: books.cx.mark });
        chain.holds = holds;
        let id = self.add_chain(chain, books);
        let holds = &self.chains.get(id)?.holds;
        books.receipts.hold_batch(id, holds);
        books.tracks.hold_batch(id, holds, is_oversize, self, &mut books.cx);
        self.advance(id, books);
        self.begin(id, books)
    }

    /// The attempt of a chain whose turn it is; `None` when it has nothing to try now.
    pub(crate) fn begin(&mut self, id: ChainId, books: &mut Books) -> Option<Attempt> {
        let is_ready = self.chains.get(id).is_some_and(|chain| matches!(chain.status, Status::Ready { .. }));
        if is_ready { self.start(id, books) } else { None }
    }
}
