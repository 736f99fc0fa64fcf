//! What is left of a batch run: records that were read again, records whose track or receipt is gone.

use std::time::Duration;

use super::*;

impl Runs {
    /// Turns the first steps whose records are all read again into what they were.
    pub(super) fn convert_filled(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get(id) else { return };
        if !run.is_filling() {
            return;
        }
        let filled: Vec<usize> = (0..)
            .zip(&run.steps)
            .filter(|(_, step)| matches!(&step.what, What::Filling(it) if books.tracks.is_filled(it.track, &it.slice.last)))
            .map(|(at, _)| at)
            .collect();
        let run = self.batch_runs.get_mut(id).expect("it was there above");
        for at in filled {
            let step = &mut run.steps[at];
            let What::Filling(filling) = &mut step.what else { continue };
            let slice = Slice::new(std::mem::take(&mut filling.records));
            let kept = &filling.slice;
            let given_up = kept.given_up.clone();
            let reply = given_up.as_ref().and_then(|it| it.reply.clone()).map(Box::new);
            // Only what was cut to last is kept untried.
            let (n_failures, n_invokes, not_before) = (kept.n_failures, kept.n_invokes, filling.not_before);
            let attempted = AttemptedSlice {
                slice,
                n_failures,
                n_invokes,
                why: BatchReason::Retry,
                not_before,
                asked_wait: Duration::ZERO,
                is_pardoned: kept.is_age_pardoned,
                reply,
                finale: kept.finale,
            };
            step.what = match given_up {
                Some(it) => What::GivenUp(GivenUpSlice {
                    n_invokes: kept.n_invokes,
                    paused: it.paused_since.map(|since| Pause { since, is_told: true }),
                    ..attempted.give_up(it.condition)
                }),
                None => What::Attempt(attempted),
            };
        }
        // W-2: what was not there any more when it was read again was dropped by its source or by a filter.
        let n_before = run.steps.len();
        run.steps.retain(|step| matches!(step.what, What::Filling(_)) || !step.is_empty());
        if run.steps.len() < n_before {
            self.mark_run_dirty(id, books);
        }
    }

    /// Takes away the first step's records whose track or receipt is gone.
    pub(super) fn drop_dead(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get(id).filter(|run| run.is_hit) else { return };
        let is_dead = |record: &Record| run.has_lost(record) || !books.is_alive(record);
        let Some(at) = run.steps.iter().position(|step| step.records().iter().any(is_dead)) else { return };
        if matches!(run.status, Status::InFlight { .. } | Status::Delivering { .. }) && at == 0 {
            return;
        }
        let mut dead = run.records().map(is_dead).collect::<Vec<bool>>().into_iter();
        let mut gone = Vec::new();
        let run = self.batch_runs.get_mut(id).expect("it was there above");
        let taken = run.take_records(|record| {
            if dead.next().unwrap_or_default() {
                gone.push(record.clone());
                return true;
            }
            // Behind a message that comes again none of its group goes on.
            record.group().is_some_and(|group| gone.iter().any(|it| it.group() == Some(group)))
        });
        let tracks = &books.tracks;
        let is_track_gone = |track: &TrackIdx| !tracks.is_active(*track);
        run.steps
            .retain(|step| !matches!(&step.what, What::Filling(filling) if is_track_gone(&filling.track)));
        books.receipts.give_back(taken, &mut books.cx);
        books.tracks.handle_room(self, &mut books.cx);
        books.receipts.send_groups_back(&gone, &mut books.cx);
    }

    /// A track or receipts died: their batch runs forget them.
    pub(super) fn drop_dead_records(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        run.is_hit = true;
        let run = self.batch_runs.get(id).expect("it was there above");
        match run.status {
            Status::InFlight { .. } | Status::Delivering { .. }
                if run.records().any(|it| !run.has_lost(it) && books.is_alive(it)) => {}
            // What comes again of a group waits until the attempt has ended: it runs on, whoever has the
            // message by now.
            Status::InFlight { .. } | Status::Delivering { .. }
                if run.records().any(|it| matches!(it.place, Place::Queue { .. })) => {}
            Status::InFlight { .. } | Status::Delivering { .. } => {
                let records: Vec<Record> = run.records().cloned().collect();
                self.attempts.retain(|_, run| *run != id);
                self.notices.retain(|_, run| *run != id);
                books.tracks.give_room(&records, self, &mut books.cx);
                self.batch_runs.get_mut(id).expect("it was there above").steps.clear();
                self.end_run(id, books);
            }
            Status::New
            | Status::Filling
            | Status::Durable { .. }
            | Status::Paused
            | Status::Retry { .. }
            | Status::Ready { .. }
            | Status::Redeliver { .. } => {
                let run = self.batch_runs.get_mut(id).expect("it was there above");
                let tracks = &books.tracks;
                run.steps.retain(|step| match &step.what {
                    // One that holds records gives their room back first.
                    What::Filling(it) => !it.records.is_empty() || tracks.is_active(it.track),
                    // The end of a window has none.
                    What::Attempt(_) | What::GivenUp(_) => step.finale().is_none() || !run.holds.is_empty(),
                });
                self.drop_dead(id, books);
                if !self.batch_runs.get(id).is_some_and(BatchRun::waits_after_refusal) {
                    self.advance(id, books);
                }
            }
        }
    }
}
