//! A batch run's attempts: what is looked at when one starts, and what follows when it ends.

use super::pausing::{pause_exhausted, pauses};
use super::*;
use crate::plan::OnExhausted;

impl Runs {
    /// Starts the attempt of a batch run that has a slot: what is too old or gone is looked at now. `None`
    /// when nothing is left to try.
    pub(super) fn start(&mut self, id: BatchRunId, books: &mut Books) -> Option<Attempt> {
        self.forget_failures_before(id);
        // With the slot at hand, not when it joined the line: it may have grown old there.
        self.split_expired(id, books);
        self.split_unreadable(id, books);
        if self.forget_lapsed(id, books) {
            // It was taken out of the line; what is left of it stands in it anew.
            self.set_status(id, Status::New, books);
            self.advance(id, books);
            return None;
        }
        let is_kept = self
            .batch_runs
            .get(id)
            .is_some_and(|run| run.steps.front().is_none_or(|step| self.is_cut_kept(run, step, books)));
        if !is_kept {
            // Cut anew for its age, or its store has failed since it joined the line.
            self.set_status(id, Status::New, books);
            self.advance(id, books);
            return None;
        }
        let run = self.batch_runs.get_mut(id)?;
        let lane = run.lane();
        let Some(Step { what: What::Attempt(attempted), .. }) = run.steps.front_mut() else {
            self.advance(id, books);
            return None;
        };
        debug_assert!(
            attempted.slice.n_records() > 0 || attempted.finale.is_some(),
            "what is left of a run holds records, or ends a window"
        );
        crate::rule!(
            Q2,
            attempted.slice.records().iter().all(|it| books.receipts.is_hidden(it, books.cx.now.tick))
        );
        crate::rule!(R4, attempted.slice.records().iter().all(|it| it.section.unreadable.is_none()));
        let attempt_id = AttemptId(books.cx.next_id);
        books.cx.next_id += 1;
        if let Some(lane) = lane {
            books.tracks.begin_window(lane, attempted.slice.records(), &books.cx);
        }
        let window = lane.and_then(|lane| books.tracks.tumbling_window(lane, attempted.finale, &books.cx));
        let attempt = Attempt {
            id: attempt_id,
            slice: attempted.slice.clone(),
            why: attempted.why,
            n_before: attempted.n_invokes,
            partial_responses: run.limits.partial_responses,
            item_actions: run.limits.item_actions,
            window,
            lane: lane.map(|(track, lane)| BatchLane { track, lane, n_lanes: books.tracks.n_lanes(track) }),
        };
        // Counted as it starts: one whose answer never comes was an attempt as well.
        attempted.n_invokes += 1;
        books.cx.take_rate(attempted.slice.n_records());
        self.attempts.insert(attempt_id, id);
        // From its first attempt on a checkpoint names it, so that the next life tries the same records
        // together and knows how often they failed.
        self.tell_of(id, books);
        self.set_status(id, Status::InFlight { id: attempt_id, since: books.cx.now.tick }, books);
        Some(attempt)
    }

    /// What failed of a batch run stood before its first step: where that was never tried, nothing of it has
    /// failed.
    fn forget_failures_before(&mut self, id: BatchRunId) {
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        // The end of a window within a batch run stands between what has failed and is tried again.
        let is_between = run.steps.len() > 1 && run.steps.front().is_some_and(|step| step.finale().is_some());
        let is_fresh = matches!(run.steps.front(), Some(Step { what: What::Attempt(attempted), .. }) if attempted.n_invokes == 0);
        if is_fresh && !is_between {
            run.failing_since = None;
        }
    }

    /// Forgets the messages of a batch about to start whose visibility has lapsed. Whether there were any.
    fn forget_lapsed(&mut self, id: BatchRunId, books: &mut Books) -> bool {
        let Some(run) = self.batch_runs.get_mut(id) else { return false };
        let Some(Step { what: What::Attempt(attempted), .. }) = run.steps.front() else { return false };
        let any = books.receipts.forget_lapsed(attempted.slice.records(), &mut books.cx);
        run.is_hit |= any;
        any
    }

    /// no record older than the limit is tried; the expired ones are given up first, the others keep
    /// their order.
    pub(super) fn split_expired(&mut self, id: BatchRunId, books: &mut Books) {
        let now = books.cx.now.unix;
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        let Some(age_max) = run.limits.record_age_max else { return };
        let Some(Step { what: What::Attempt(attempted), .. }) = run.steps.front() else { return };
        let is_expired = |record: &Record| record.arrival.age(now) > age_max;
        if attempted.is_pardoned || !attempted.slice.records().iter().any(is_expired) {
            return;
        }
        let attempted = attempted.clone();
        let (expired, fresh) = if pauses(Condition::AgeExceeded, books) {
            // O-1: what is paused may be tried again, so nothing before it is left behind it.
            let n_fresh = attempted.slice.records().iter().take_while(|it| !is_expired(it)).count();
            if n_fresh > 0 {
                run.split_first(n_fresh);
                self.keep_new_cut(id, books);
                // S-1: what needs none of its lanes does not wait for its attempt.
                if let Some(parted) = self.part(id, books) {
                    self.advance(parted, books);
                }
                return;
            }
            let n_expired = attempted.slice.records().iter().take_while(|it| is_expired(it)).count();
            let (expired, rest) = attempted.slice.split_at(n_expired);
            (expired.records().to_vec(), vec![rest.records().to_vec()])
        } else {
            parted(&attempted.slice, is_expired, books)
        };
        let given_up = GivenUpSlice {
            // The attempt that was refused for age counts: so AWS was recorded to do.
            n_invokes: attempted.n_invokes + 1,
            ..AttemptedSlice { slice: Slice::new(expired), reply: None, ..attempted }
                .give_up(Condition::AgeExceeded)
        };
        self.give_up_first(id, attempted, given_up, fresh, books);
    }

    /// what no function can be given is not tried; it is given up first, and the others keep their order.
    /// What is left of a former life is looked at as well: its records were read anew.
    fn split_unreadable(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get(id) else { return };
        let Some(Step { what: What::Attempt(attempted), .. }) = run.steps.front() else { return };
        let Some(condition) = attempted.slice.records().iter().find_map(|it| it.section.unreadable) else {
            return;
        };
        let attempted = attempted.clone();
        // Those of another condition are looked at when the rest is about to start.
        let (unreadable, rest) =
            parted(&attempted.slice, |it| it.section.unreadable == Some(condition), books);
        let given_up = AttemptedSlice { slice: Slice::new(unreadable), reply: None, ..attempted };
        self.give_up_first(id, attempted, given_up.give_up(condition), rest, books);
    }

    /// Puts what is given up of the first attempt of a batch run in front of what is left of it.
    fn give_up_first(
        &mut self,
        id: BatchRunId,
        attempted: AttemptedSlice,
        given_up: GivenUpSlice,
        rest: Vec<Vec<Record>>,
        books: &mut Books,
    ) {
        if attempted.n_invokes == 0 {
            books.cx.counts.given_up_uninvoked += given_up.slice.n_records() as u64;
        }
        let given_up = pause_exhausted(given_up, books);
        books.cx.mark += 1;
        let mark = books.cx.mark;
        let run = self.batch_runs.get_mut(id).expect("its first step was looked at");
        let old = run.steps.pop_front().expect("it was looked at");
        for records in rest.into_iter().rev().filter(|it| !it.is_empty()) {
            run.steps.push_front(Step {
                what: What::Attempt(AttemptedSlice { slice: Slice::new(records), ..attempted.clone() }),
                // Where cuts are to last, this is another one.
                mark: if books.cx.plan.durable_cuts { mark } else { old.mark },
            });
        }
        run.steps.push_front(Step { what: What::GivenUp(given_up), mark });
        self.mark_run_dirty(id, books);
    }

    /// The first step was cut in two. Where cuts are to last, both are written down.
    fn keep_new_cut(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get_mut(id).filter(|_| books.cx.plan.durable_cuts) else { return };
        books.cx.mark += 1;
        run.steps.iter_mut().take(2).for_each(|step| step.mark = books.cx.mark);
        self.mark_run_dirty(id, books);
    }

    /// An attempt came back.
    pub(crate) fn handle_outcome(&mut self, id: AttemptId, outcome: Outcome, books: &mut Books) {
        if let Some(run) = self.attempts.remove(&id) {
            self.end_attempt(run, outcome, books);
        }
    }

    /// An attempt ended.
    fn end_attempt(&mut self, id: BatchRunId, outcome: Outcome, books: &mut Books) {
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        let Some(Step { what: What::Attempt(attempted), .. }) = run.steps.pop_front() else { return };
        let now = books.cx.now.tick;
        self.set_status(id, Status::New, books);
        let Some(run) = self.batch_runs.get(id) else { return };
        let bisects = run.limits.bisect && attempted.slice.n_records() > 1;
        self.count_outcome(&attempted, &outcome, bisects, books);
        let run = self.batch_runs.get_mut(id).expect("it was there above");
        run.not_reached = match &outcome {
            Outcome::NotReached { why, error, .. } => {
                // Refusals in a row are one outage, for whoever asks since when; a retry after a failure
                // begins another.
                let before = run.not_reached.as_ref().filter(|_| attempted.why == BatchReason::NotReached);
                let since = before.map_or(now, |(_, since, _)| *since);
                Some((*why, since, error.clone()))
            }
            Outcome::Succeeded(_)
            | Outcome::PartlyFailed { .. }
            | Outcome::Failed { .. }
            | Outcome::TooLarge => None,
        };
        if matches!(outcome, Outcome::Failed { .. } | Outcome::PartlyFailed { .. } | Outcome::TooLarge) {
            run.failing_since.get_or_insert(now);
        }
        let error = said(&outcome);
        let has_changed = !matches!(outcome, Outcome::NotReached { .. });
        let limits = limits_of(run, attempted.finale, books);
        let (finale, state) = (attempted.finale, state_of(&outcome));
        let Next { done, left, asked, then } = next(attempted, outcome, &limits);
        let mut lost = BTreeSet::new();
        if let Some(done) = &done {
            // before anything of it can be written.
            self.carry(id, finale, state, books);
            books.cx.counts.succeeded += done.n_records() as u64;
            lost = books.receipts.lost_groups(done.records(), &books.cx);
            self.finish(id, done.records(), books);
        }
        if let Some(left) = &left {
            self.leave(left.records(), id, Leaving { error: &error, asked: &asked }, books);
        }
        let steps: Vec<Step> = then.into_iter().map(|then| self.step_for(then, id, books)).collect();
        let run = self.batch_runs.get_mut(id).expect("it was there above");
        for step in steps.into_iter().rev() {
            run.steps.push_front(step);
        }
        self.terminate_early(id, books);
        // Groups that were stopped while it was out could not be taken out of it then.
        lost.append(
            &mut self.batch_runs.get_mut(id).map(|run| std::mem::take(&mut run.stopped)).unwrap_or_default(),
        );
        self.stop_groups(id, &lost, books);
        // A function that is down is asked again and again. A checkpoint each time would say the same.
        if has_changed {
            self.mark_run_dirty(id, books);
        }
        self.release_unneeded(id, books);
        self.advance(id, books);
    }

    pub(super) fn step_for(&mut self, then: Then, id: BatchRunId, books: &mut Books) -> Step {
        books.cx.mark += 1;
        let what = match then {
            Then::Again(mut attempted) => {
                books.cx.counts.retried += 1;
                let delay = retry_delay(attempted.n_failures.saturating_sub(1), books.cx.seed_of(id.number))
                    .max(std::mem::take(&mut attempted.asked_wait));
                attempted.not_before = books.cx.now.tick.after(delay);
                What::Attempt(attempted)
            }
            Then::Half(mut attempted) => {
                let wait = std::mem::take(&mut attempted.asked_wait);
                attempted.not_before =
                    if wait.is_zero() { attempted.not_before } else { books.cx.now.tick.after(wait) };
                What::Attempt(attempted)
            }
            Then::NotReached(attempted) => {
                // It is as durable as it was: nothing about it changed.
                return Step { what: What::Attempt(attempted), mark: 0 };
            }
            Then::GivenUp(given_up) => What::GivenUp(pause_exhausted(given_up, books)),
        };
        Step { what, mark: books.cx.mark }
    }

    pub(super) fn count_outcome(
        &mut self,
        attempted: &AttemptedSlice,
        outcome: &Outcome,
        bisects: bool,
        books: &mut Books,
    ) {
        let n_records = attempted.slice.n_records() as u64;
        if !matches!(outcome, Outcome::NotReached { .. }) {
            books.cx.counts.invoked += n_records;
            books.cx.counts.invoked_first += if attempted.n_invokes == 1 { n_records } else { 0 };
        }
        match outcome {
            Outcome::Succeeded(_) => {}
            Outcome::PartlyFailed { failed, .. } => {
                books.cx.counts.failed += n_named(&attempted.slice, failed)
            }
            Outcome::Failed { .. } => {
                books.cx.counts.failed += n_records;
                books.cx.counts.halved += u64::from(bisects);
            }
            Outcome::NotReached { why, .. } => {
                books.cx.counts.not_reached += 1;
                // Whatever is received for a function that cannot be reached is only hidden from other
                // readers.
                books.receipts.slow_down(&mut books.cx);
                // Only a throttle tells that the rate is too high; an outage tells nothing about it.
                if *why == NotReached::Throttled {
                    books.cx.rate.slow_down(books.cx.now.tick);
                }
            }
            Outcome::TooLarge => books.cx.counts.halved += u64::from(attempted.slice.n_records() > 1),
        }
    }
}

/// What is given up of a slice, and the rest. What is given up is not tried again, so what follows it may pass it.
/// A checkpoint says each stretch of it by itself, and where cuts are to last each of the rest is one.
fn parted(
    slice: &Slice,
    is_given_up: impl Fn(&Record) -> bool,
    books: &Books,
) -> (Vec<Record>, Vec<Vec<Record>>) {
    let parts = slice.records().chunk_by(|one, next| is_given_up(one) == is_given_up(next));
    let (given_up, rest): (Vec<_>, Vec<_>) = parts.partition(|part| is_given_up(&part[0]));
    let rest = match books.cx.plan.durable_cuts {
        true => rest.into_iter().map(<[Record]>::to_vec).collect(),
        false => vec![rest.concat()],
    };
    (given_up.concat(), rest)
}

/// What was said of messages that failed, for people.
fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { reply, .. } => reply.error.clone().unwrap_or_default(),
        Outcome::PartlyFailed { .. } => "the function named it in batchItemFailures".to_owned(),
        Outcome::Succeeded(_) | Outcome::NotReached { .. } | Outcome::TooLarge => String::new(),
    }
}

/// What an answer gave back to be carried over its tumbling window.
fn state_of(outcome: &Outcome) -> Option<bytes::Bytes> {
    match outcome {
        Outcome::Succeeded(reply) | Outcome::PartlyFailed { reply, .. } => reply.state.clone(),
        Outcome::Failed { .. } | Outcome::NotReached { .. } | Outcome::TooLarge => None,
    }
}

/// The limits of an attempt that ended. No operator can decide about the end of a window, which has no
/// records: where one is to decide about what is used up it is tried until it succeeds.
fn limits_of(run: &BatchRun, finale: Option<Finale>, books: &Books) -> Limits {
    let limits = run.limits.clone();
    match books.cx.plan.retry.on_exhausted {
        OnExhausted::Pause if finale.is_some() => Limits { retries_max: None, ..limits },
        OnExhausted::Pause | OnExhausted::GiveUp => limits,
    }
}
