//! How a batch run goes on: from its first step to the next, to a slot, a destination or its end.

mod attempts;
mod draining;
mod groups;
mod news;
mod notices;
mod parting;
mod pausing;
mod remains;
mod restoring;
mod windows;

use std::collections::BTreeSet;

use crate::action::*;
use crate::attempt::{
    AttemptedSlice, GivenUpSlice, Limits, Next, NotReached, Outcome, Pause, Slice, Then, n_named, next,
};
use crate::backoff::{ask_again_delay, retry_delay};
use crate::batch_reason::BatchReason;
use crate::books::Books;
use crate::condition::Condition;
use crate::former::{Batch, Ready};
use crate::items::ItemActions;
use crate::plan::Redelivery;
use crate::receipts::Leaving;
use crate::record::{Place, Position, Record, TrackIdx};
use crate::time::Tick;
use crate::timers::Timer;
use crate::tracks::Effect;
use crate::tumbling::{Finale, TumblingWindow};

use self::draining::is_draining;
use crate::hold::{BatchRunId, Hold};
use crate::runs::run::{BatchRun, Filling, Status, Step, What};
use crate::runs::{Decided, Runs};

impl Runs {
    fn add_run(&mut self, run: BatchRun, books: &mut Books) -> BatchRunId {
        let (id, slot) = self.batch_runs.begin(books.cx.next_id(), run.limits.clone());
        *slot = run;
        id
    }

    /// Looks at a batch run's first step and puts the batch run where it must wait; ends it when nothing is
    /// left.
    fn advance(&mut self, id: BatchRunId, books: &mut Books) {
        let mut parted = Vec::new();
        self.advance_whole(id, &mut parted, books);
        // What was parted from it stood behind it.
        parted.into_iter().for_each(|it| self.advance(it, books));
    }

    /// The same, with what is parted from it left to the caller.
    fn advance_whole(&mut self, id: BatchRunId, parted: &mut Vec<BatchRunId>, books: &mut Books) {
        if books.cx.is_closing() {
            // what comes free after a close goes back as what was free at the close did.
            self.hand_back(id, books);
        }
        loop {
            // Only a step with records can have dead ones, and what is dead must not become a part of its
            // own.
            self.convert_filled(id, books);
            self.drop_dead(id, books);
            parted.extend(self.part(id, books));
            let Some(run) = self.batch_runs.get(id) else { return };
            let Some(step) = run.steps.front() else {
                self.end_run(id, books);
                return;
            };
            let status = match &step.what {
                What::Filling(_) => Status::Filling,
                // C-2: what is left of a track that was closed is its next owner's.
                What::Attempt(_) if is_draining(run, books) => Status::New,
                What::Attempt(attempted) if self.is_behind_window(run, attempted, books) => {
                    self.end_window_first(id, Finale::Ended, books);
                    continue;
                }
                // a crash after an attempt that no checkpoint knows would give the next life that retry
                // anew. A first attempt has nothing to lose yet, unless its cut is to last.
                What::Attempt(attempted) if attempted.n_invokes > 0 && !self.is_durable(run, step, books) => {
                    Status::Durable { since: books.cx.now.tick }
                }
                What::Attempt(_) if !self.is_cut_kept(run, step, books) => {
                    Status::Durable { since: books.cx.now.tick }
                }
                What::Attempt(attempted) if attempted.not_before > books.cx.now.tick => {
                    Status::Retry { until: attempted.not_before }
                }
                What::Attempt(_) => Status::Ready { since: books.cx.now.tick },
                What::GivenUp(given_up) if given_up.paused.is_some() => Status::Paused,
                // N-4 asks for durability before a notice leaves. Nothing leaves here, so nothing is waited
                // for.
                What::GivenUp(given_up) if !self.has_taker(given_up, books) => {
                    self.discard_first(id, books);
                    continue;
                }
                What::GivenUp(_) if !self.is_durable(run, step, books) => {
                    Status::Durable { since: books.cx.now.tick }
                }
                What::GivenUp(given_up)
                    if given_up.n_refused > 0
                        && matches!(&run.status, Status::Redeliver { until, .. } if *until > books.cx.now.tick) =>
                {
                    run.status.clone()
                }
                What::GivenUp(_) if is_draining(run, books) => Status::New,
                What::GivenUp(_) => {
                    self.deliver(id, books);
                    return;
                }
            };
            let is_paused = matches!(status, Status::Paused);
            self.set_status(id, status, books);
            if is_paused {
                // After the status, by which whoever hears of it finds the batch.
                self.tell_paused(id, books);
            }
            return;
        }
    }

    fn set_status(&mut self, id: BatchRunId, status: Status, books: &mut Books) {
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        if matches!((&run.status, &status), (Status::New, Status::New)) {
            return;
        }
        let was_ready = matches!(run.status, Status::Ready { .. });
        let is_ready = matches!(status, Status::Ready { .. });
        let (before, now) = (deadlines(&run.status), deadlines(&status));
        let is_not_reached = is_ready && run.not_reached().is_some();
        if matches!(status, Status::Durable { .. }) {
            for idx in run.tracks() {
                books.tracks.wait_for_commit(idx, id);
            }
        }
        self.n_paused -= usize::from(matches!(run.status, Status::Paused));
        self.n_paused += usize::from(matches!(status, Status::Paused));
        // One that stays ready keeps since when it waits for its slot.
        if !(was_ready && is_ready) {
            run.status = status;
        }
        for (timer, before, now) in
            [(Timer::Retry(id), before.0, now.0), (Timer::Redeliver(id), before.1, now.1)]
        {
            // Nearly every change is between statuses without a deadline, and the timers are two trees.
            if before.is_some() || now.is_some() {
                books.cx.timers.set(timer, now);
            }
        }
        match (was_ready, is_ready) {
            (false, true) => {
                // A slice that did not reach the function keeps its place.
                if is_not_reached {
                    books.cx.former.stand_first(Ready::BatchRun(id))
                } else {
                    books.cx.former.stand(Ready::BatchRun(id))
                }
            }
            // Its entry stays in the line, where taking it out would be a search, and is skipped at its turn.
            (true, false) => books.cx.former.withdraw(true),
            (true, true) | (false, false) => {}
        }
    }

    /// Whether the step is in a durable checkpoint of every track that it touches.
    fn is_durable(&self, run: &BatchRun, step: &Step, books: &Books) -> bool {
        run.holds.iter().all(|hold| match hold {
            Hold::Lane(idx, _) => books.tracks.is_durable(*idx, step.mark),
            Hold::Group(_) => true,
        })
    }

    /// Whether a step may be tried as it is cut: where cuts are to last it is durable, and of a track whose
    /// store fails none begins (F-2).
    fn is_cut_kept(&self, run: &BatchRun, step: &Step, books: &Books) -> bool {
        let is_fresh = |what: &What| matches!(what, What::Attempt(it) if it.n_invokes == 0);
        // The end of a window holds no record: that it is over a checkpoint says anyway.
        if !books.cx.plan.durable_cuts || step.finale().is_some() {
            return true;
        }
        let is_failing = || run.tracks().any(|idx| books.tracks.is_store_failing(idx));
        self.is_durable(run, step, books) && !(is_fresh(&step.what) && is_failing())
    }

    /// Nothing is left of a batch run: its lanes and groups are free.
    fn end_run(&mut self, id: BatchRunId, books: &mut Books) {
        self.set_status(id, Status::New, books);
        let Some(holds) = self.batch_runs.remove(id) else { return };
        self.release(id, holds, books);
    }

    fn release(&mut self, id: BatchRunId, holds: Vec<Hold>, books: &mut Books) {
        for hold in &holds {
            if let Hold::Group(group) = hold {
                books.receipts.release_group(group);
            }
        }
        books.tracks.free_lanes(&holds, id, self, &mut books.cx);
    }

    /// Lets go of what no step of a batch run needs any more.
    pub(crate) fn release_unneeded(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        if run.holds.len() < 2 || run.steps.is_empty() {
            // With the last step all of it ends.
            return;
        }
        let n_lanes = |idx: TrackIdx| books.tracks.n_lanes(idx);
        let needed: BTreeSet<Hold> = run
            .steps
            .iter()
            .flat_map(|step| step.records())
            .filter_map(|record| match &record.place {
                Place::Track(idx, position) => {
                    Some(Hold::Lane(*idx, crate::lanes::lane_of(&record.key, position, n_lanes(*idx))))
                }
                Place::Queue { .. } => record.group().cloned().map(Hold::Group),
            })
            .collect();
        let (kept, free) = std::mem::take(&mut run.holds).into_iter().partition(|hold| needed.contains(hold));
        run.holds = kept;
        self.release(id, free, books);
    }

    fn mark_run_dirty(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get(id) else { return };
        let tracks = run.tracks();
        if run.steps.is_empty() {
            // It ends next, and with the end of its holds their tracks go on.
            tracks.for_each(|idx| books.tracks.note_change(idx));
            return;
        }
        self.tell_of(id, books);
        for idx in tracks {
            books.tracks.handle_change(idx, self, &mut books.cx);
        }
    }

    /// From now on the checkpoints of a batch run's tracks speak of it.
    pub(crate) fn tell_of(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get(id) else { return };
        for idx in run.tracks() {
            books.tracks.tell(idx, id);
        }
    }

    /// W-2: finished by success or by delivery.
    pub(crate) fn finish(&mut self, id: BatchRunId, records: &[Record], books: &mut Books) {
        let mut rest = records;
        while let Some(first) = rest.first() {
            let Place::Track(idx, _) = first.place else {
                books.receipts.settle_all(records, Settle::Delete);
                break;
            };
            let n = rest
                .iter()
                .take_while(|record| matches!(record.place, Place::Track(it, _) if it == idx))
                .count();
            // A track that was lost while this ran may be ours again, in a life that has not read these
            // records yet.
            if !self.batch_runs.get(id).is_some_and(|run| run.lost.contains(&idx)) {
                books.tracks.finish_on_track(idx, &rest[..n]);
            }
            rest = &rest[n..];
        }
        books.tracks.give_room(records, self, &mut books.cx);
    }

    fn after_pop(&mut self, id: BatchRunId, books: &mut Books) {
        self.set_status(id, Status::New, books);
        self.mark_run_dirty(id, books);
        self.release_unneeded(id, books);
    }

    /// Looks at a batch run anew: what it waited for is over, or its first step is another. S-5: not at one
    /// that waits after a refusal.
    pub(crate) fn look_again(&mut self, id: BatchRunId, books: &mut Books) {
        self.set_status(id, Status::New, books);
        self.advance(id, books);
    }
}

/// When a batch run with this status is tried again, and when it is told of again.
fn deadlines(status: &Status) -> (Option<Tick>, Option<Tick>) {
    match status {
        Status::Retry { until } => (Some(*until), None),
        Status::Redeliver { until, .. } => (None, Some(*until)),
        Status::New
        | Status::Filling
        | Status::Durable { .. }
        | Status::Paused
        | Status::Ready { .. }
        | Status::InFlight { .. }
        | Status::Delivering { .. } => (None, None),
    }
}
