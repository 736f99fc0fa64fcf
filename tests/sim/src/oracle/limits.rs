//! B-1, R-1, R-2, D-2, C-1: what one attempt may be.

use forebay_batcher::{Attempt, BatchReason, Checkpoint, Now, Place, ReadOrder, Rule, TrackIdx};

use super::{Closing, Oracle, Violation, holds};

impl Oracle {
    /// B-1: a batch keeps its record and byte limits, unless it is a single record. C-1: a new plan holds
    /// from the next batch.
    pub(crate) fn b1_a_batch_keeps_its_limits(&self, attempt: &Attempt) -> Result<(), Violation> {
        let records = attempt.slice.records();
        holds(Rule::B1, !records.is_empty(), || "an attempt without records".to_owned())?;
        let n_bytes = self.event_bytes(records) + state_bytes(attempt);
        let n_records = records.len() as u64;
        let fits = |max: u64, bytes_max: u64| n_records == 1 || (n_records <= max && n_bytes <= bytes_max);
        let old =
            self.plans.iter().any(|plan| fits(u64::from(plan.batch.records_max.get()), plan.batch.bytes_max));
        holds(Rule::B1, old, || format!("a batch of {n_records} records and {n_bytes} bytes"))?;
        let fresh = match attempt.why {
            BatchReason::Window
            | BatchReason::Count
            | BatchReason::Bytes
            | BatchReason::Source
            | BatchReason::Ended
            | BatchReason::TumblingWindow => true,
            BatchReason::Retry | BatchReason::Half | BatchReason::NotReached => false,
        };
        let new = fits(u64::from(self.plan().batch.records_max.get()), self.plan().batch.bytes_max);
        // What is left of a batch after its expired records were split off was batched before.
        // Or cut before, to last, and not durable until now.
        let may_be_split =
            self.plan().durable_cuts || self.plans.iter().any(|plan| plan.retry.record_age_max.is_some());
        holds(Rule::C1, !fresh || new || may_be_split, || {
            format!("a fresh batch of {n_records} records and {n_bytes} bytes under an old plan")
        })?;
        let tracks = |record: &forebay_batcher::Record| match &record.place {
            Place::Track(track, _) => Some(*track),
            Place::Queue { .. } => None,
        };
        let mixed = records.iter().any(|record| tracks(record) != tracks(&records[0]));
        holds(Rule::B1, !mixed || self.plan().mixes_tracks, || "a batch of several tracks".to_owned())
    }

    /// no attempt beyond the retry limit of its batch.
    pub(crate) fn r1_no_attempt_beyond_the_limit(&self, entries: &[usize]) -> Result<(), Violation> {
        let most_of_all = self
            .plans
            .iter()
            .map(|plan| plan.retry.retries_max)
            .reduce(|most, max| Some(most?.max(max?)))
            .flatten();
        for entry in entries {
            let held = &self.entries[*entry];
            holds(Rule::W2, !held.rejected, || {
                format!("record {} was rejected and is tried again", held.uid)
            })?;
            let most = held.limits.map_or(most_of_all, |limits| limits.retries_max);
            holds(Rule::R1, most.is_none_or(|most| held.spent <= most), || {
                format!("record {} is tried after {} failures of at most {most:?}", held.uid, held.spent)
            })?;
        }
        Ok(())
    }

    /// the count of what was tried is durable before the next try, so that it survives a crash; and the
    /// machine knows that it is.
    pub(crate) fn r1_the_count_is_durable_before_the_next_try(
        &self,
        attempt: &Attempt,
        entries: &[usize],
    ) -> Result<(), Violation> {
        for (record, entry) in attempt.slice.records().iter().zip(entries) {
            let (held, truth) = (&self.entries[*entry], self.truth_of(*entry));
            let Place::Track(track, _) = &record.place else { continue };
            if held.tried == 0 {
                continue;
            }
            let Some(owner) = self.owners.get(track) else { continue };
            let kept = super::numbers::slice_of(&owner.heard, truth);
            let kept = kept.filter(|slice| slice.given_up.is_none());
            let kept =
                kept.is_some_and(|slice| slice.n_failures == held.spent && slice.n_invokes >= held.tried);
            holds(Rule::R1, kept, || {
                format!("record {} is tried again before {} failures of it are durable", held.uid, held.spent)
            })?;
        }
        Ok(())
    }

    /// a checkpoint holds every slice that was tried and is open, with its count, or that it was given
    /// up.
    pub(crate) fn r1_a_checkpoint_holds_what_was_tried(
        &self,
        track: TrackIdx,
        checkpoint: &Checkpoint,
    ) -> Result<(), Violation> {
        let Some(owner) = self.owners.get(&track) else { return Ok(()) };
        let open = self.by_track[owner.source][owner.first_open..].iter().take_while(|uid| {
            let passed = owner.passed.as_ref();
            passed.is_some_and(|passed| self.truths[**uid as usize].position < *passed)
        });
        for uid in open {
            let held = &self.entries[*uid as usize];
            if held.tried == 0 || held.finished || held.in_flight || !held.handed {
                continue;
            }
            let slice = super::numbers::slice_of(checkpoint, &self.truths[*uid as usize]);
            let kept = slice.is_some_and(|slice| slice.given_up.is_some() || slice.n_failures >= held.spent);
            holds(Rule::R1, kept, || {
                format!("a checkpoint of {track:?} forgets the {} failures of record {uid}", held.spent)
            })?;
            let told = slice.is_some_and(|slice| slice.given_up.is_some());
            holds(Rule::R1, told || !(held.noticing || held.given_up), || {
                format!("a checkpoint of {track:?} forgets that record {uid} was given up")
            })?;
        }
        Ok(())
    }

    /// no record older than the limit of its batch is tried.
    pub(crate) fn r2_no_record_is_tried_too_old(&self, entries: &[usize], now: Now) -> Result<(), Violation> {
        let limits = self.plans.iter().map(|plan| plan.retry.record_age_max);
        let most_of_all = limits.reduce(|most, max| Some(most?.max(max?))).flatten();
        for entry in entries.iter().filter(|entry| !self.entries[**entry].is_pardoned) {
            let limits = self.entries[*entry].limits;
            let most =
                limits.map_or(most_of_all, |limits| limits.age_max_ms.map(std::time::Duration::from_millis));
            let age = self.truth_of(*entry).arrival.age(now.unix);
            holds(Rule::R2, most.is_none_or(|most| age <= most), || {
                format!("record {} is tried at an age of {age:?}", self.entries[*entry].uid)
            })?;
        }
        Ok(())
    }

    /// D-2: what the machine knows to be finished is not tried again.
    pub(crate) fn d2_nothing_finished_is_tried_again(&self, entries: &[usize]) -> Result<(), Violation> {
        for entry in entries {
            let held = &self.entries[*entry];
            holds(Rule::D2, !held.fixed, || format!("record {} is tried again without a cause", held.uid))?;
            holds(Rule::W2, !held.noticing, || {
                format!("record {} is tried while a destination is asked to take it", held.uid)
            })?;
        }
        Ok(())
    }

    /// G-1: no more receives are open than may be, and none asks for more than a receive may bring.
    pub(crate) fn g1_receives_keep_their_limits(
        &self,
        n_open: usize,
        order: &ReadOrder,
    ) -> Result<(), Violation> {
        let Some(queue) = &self.plan().queue else { return Ok(()) };
        holds(Rule::G1, n_open <= queue.pollers_max.get() as usize, || {
            format!("{n_open} receives are open")
        })?;
        holds(Rule::G1, order.records_max > 0 && order.records_max <= queue.receive_max.get(), || {
            format!("a receive of {} messages", order.records_max)
        })?;
        holds(Rule::G1, order.wait <= queue.wait_max, || format!("a receive waits for {:?}", order.wait))
    }

    /// C-1: no invocation begins after a close was answered.
    pub(crate) fn c1_nothing_begins_after_a_close(&self, what: &str) -> Result<(), Violation> {
        holds(Rule::C1, self.closing == Closing::Open, || format!("{what} after a close"))
    }

    /// C-1: an abandoned machine does nothing at all.
    pub(crate) fn c1_nothing_happens_after_abandon(&self, what: &str) -> Result<(), Violation> {
        holds(Rule::C1, self.closing != Closing::Abandoned, || format!("{what} after an abandon"))
    }
}

/// The bytes that the state of its tumbling window takes of an attempt's event.
pub(super) fn state_bytes(attempt: &Attempt) -> u64 {
    attempt.window.as_ref().map_or(0, |it| it.state.len() as u64)
}
