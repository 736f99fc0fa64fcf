//! What was given up on: told to a destination until it is taken, or let go where a setting says so.

use super::*;

/// What is said of a message that no batch can hold.
const TOO_LARGE: &str = "it is larger than an event may be";

impl Runs {
    pub(super) fn has_taker(&self, given_up: &GivenUpSlice, books: &Books) -> bool {
        let is_dropped = books
            .cx
            .plan
            .retry
            .drop_after_destination_failures
            .is_some_and(|max| given_up.n_refused >= max.get());
        books.cx.plan.has_destination && !is_dropped
    }

    pub(super) fn discard_first(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        let Some(Step { what: What::GivenUp(given_up), .. }) = run.steps.pop_front() else { return };
        if given_up.condition == Condition::PayloadTooLarge && run.limits.redelivery == Redelivery::BySource {
            // Nobody asked us to drop it: its queue's own limit of receives decides.
            self.leave(
                given_up.slice.records(),
                id,
                Leaving { error: TOO_LARGE, asked: &ItemActions::new() },
                books,
            );
            self.after_pop(id, books);
            return;
        }
        crate::rule!(E1, given_up.paused.is_none());
        books.cx.counts.dropped += given_up.slice.n_records() as u64;
        let records = given_up.slice.clone();
        let GivenUpSlice { slice, condition, n_invokes, reply, finale, .. } = given_up;
        let reply = reply.map(|it| *it);
        let window = finale.and_then(|_| self.window_of(id, finale, books));
        books.cx.actions.push_back(Action::Discarded(Discard { condition, slice, n_invokes, reply, window }));
        self.give_up_window(id, finale, books);
        self.finish(id, records.records(), books);
        self.after_pop(id, books);
    }

    pub(super) fn deliver(&mut self, id: BatchRunId, books: &mut Books) {
        if books.cx.is_closing() {
            self.set_status(id, Status::New, books);
            return;
        }
        let notice_id = NoticeId(books.cx.next_id());
        let finale = self.batch_runs.get(id).and_then(|run| run.steps.front()?.finale());
        let window = self.window_of(id, finale, books);
        let Some(run) = self.batch_runs.get(id) else { return };
        let Some(step @ Step { what: What::GivenUp(given_up), .. }) = run.steps.front() else { return };
        // N-4: told only when it is durable that it was given up.
        crate::rule!(N4, self.is_durable(run, step, books));
        let GivenUpSlice { slice, condition, n_invokes, reply, paused, n_refused, .. } = given_up.clone();
        crate::rule!(E1, paused.is_none());
        let reply = reply.map(|it| *it);
        books.cx.actions.push_back(Action::Deliver(Notice {
            id: notice_id,
            condition,
            slice,
            n_invokes,
            reply,
            n_refused,
            window,
        }));
        self.notices.insert(notice_id, id);
        self.set_status(id, Status::Delivering { id: notice_id, since: books.cx.now.tick }, books);
    }

    /// A destination answered.
    pub(crate) fn handle_delivered(&mut self, id: NoticeId, answer: Delivery, books: &mut Books) {
        if let Some(run) = self.notices.remove(&id) {
            self.delivered(run, answer, books);
        }
    }

    fn delivered(&mut self, id: BatchRunId, answer: Delivery, books: &mut Books) {
        let now = books.cx.now.tick;
        let seed = books.cx.seed_of(id.number);
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        let stopped = std::mem::take(&mut run.stopped);
        match answer {
            Delivery::Taken => {
                let Some(Step { what: What::GivenUp(given_up), .. }) = run.steps.pop_front() else { return };
                books.cx.counts.delivered += given_up.slice.n_records() as u64;
                self.give_up_window(id, given_up.finale, books);
                // What stopped meanwhile has gone back, and what came since stands behind the message that
                // was lost.
                let lost = books.receipts.lost_groups(given_up.slice.records(), &books.cx);
                self.finish(id, given_up.slice.records(), books);
                self.set_status(id, Status::New, books);
                self.stop_groups(id, &lost, books);
                self.after_pop(id, books);
                self.advance(id, books);
            }
            Delivery::Refused { error } => {
                books.cx.counts.delivery_failures += 1;
                let Some(Step { what: What::GivenUp(given_up), .. }) = run.steps.front_mut() else { return };
                given_up.n_refused += 1;
                let (n_refused, since) = (given_up.n_refused, *given_up.refused_since.get_or_insert(now));
                let until = now.after(ask_again_delay(n_refused.saturating_sub(1), seed));
                self.set_status(id, Status::New, books);
                if books.cx.is_closing() {
                    self.hand_back(id, books);
                }
                self.stop_groups(id, &stopped, books);
                // What was lost while it was told of is not told of again.
                self.drop_dead(id, books);
                let front = self.batch_runs.get(id).and_then(|run| run.steps.front());
                if matches!(front, Some(Step { what: What::GivenUp(given_up), .. }) if given_up.n_refused == n_refused)
                {
                    self.set_status(id, Status::Redeliver { until, since, error }, books);
                } else {
                    self.advance(id, books);
                }
            }
        }
    }
}
