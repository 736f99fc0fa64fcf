//! The function: fails by poison and by chance, loses answers, comes late, is throttled; what it did stays
//! done whoever asked.

use std::time::Duration;

use forebay_batcher::{
    Attempt, AttemptId, Failure, ItemAction, ItemActions, NotReached, Outcome, Place, RecordId, Reply, Rule,
    Slice, SlotId, TumblingWindow,
};

use super::events::Event;
use super::{Phase, World};
use crate::coverage::Point;
use crate::oracle::{FORMER, Flight, Poison, Violation, holds, state_of};

/// A slow function outlasts a visibility, and a close still awaits it.
const SLOW_MOST_US: u64 = 150_000_000;

impl World {
    /// The machine invokes the function.
    pub(super) fn invoke(&mut self, slot: SlotId, attempt: &Attempt) -> Result<(), Violation> {
        let entries = self.enter_attempt(slot, attempt)?;
        let uids: Vec<u32> = entries.iter().map(|entry| self.oracle.entries[*entry].uid).collect();
        let is_finale = attempt.window.as_ref().is_some_and(|it| it.finale.is_some());
        let (mut outcome, done) = if is_finale { self.end_window() } else { self.decide(attempt, &uids) };
        carry(attempt, &uids, &mut outcome);
        let reached = !matches!(outcome, Outcome::NotReached { .. } | Outcome::TooLarge);
        if reached {
            self.oracle.n_calls += u64::from(!is_finale);
            for uid in &uids {
                self.oracle.truths[*uid as usize].n_attempts += 1;
            }
        }
        let late = reached && self.strikes(self.options.faults.late, Point::LateAnswer);
        let slow = self.strikes(self.options.faults.slow_function, Point::SlowFunction);
        let at = if slow {
            self.latency() + (3 * self.visibility_us().unwrap_or(0)).min(SLOW_MOST_US)
        } else {
            self.latency()
        };
        let at = if late { 60_000_000 + at } else { at };
        let (life, id) = (self.life, attempt.id);
        if self.strikes(self.options.faults.doubled, Point::DoubledAnswer) {
            let again = at + self.latency() - self.now_us;
            let (slice, outcome) = (attempt.slice.clone(), Box::new(outcome.clone()));
            self.events.push(again, Event::Answer { life, id, slice, outcome, done: Vec::new() });
        }
        self.events.push(
            at,
            Event::Answer { life, id, slice: attempt.slice.clone(), outcome: Box::new(outcome), done },
        );
        Ok(())
    }

    /// An answer comes back; the machine that asked may be gone, what was done is done.
    pub(super) fn answer(&mut self, life: u32, id: AttemptId, slice: &Slice, outcome: Outcome, done: &[u32]) {
        for uid in done {
            self.oracle.truths[*uid as usize].n_done += 1;
        }
        if !self.is_alive(life) {
            return;
        }
        if self.oracle.flights.get(&id).is_some_and(|flight| flight.owner_of.contains(&FORMER)) {
            self.coverage.hit(Point::LateForFormer);
        }
        let tried = self
            .oracle
            .flights
            .get(&id)
            .filter(|_| self.oracle.is_queue)
            .map_or(Vec::new(), |flight| flight.entries.clone());
        if self.oracle.hear_outcome(id, slice, &outcome, self.now_us) {
            self.oracle.lose_what_lapsed_meanwhile(&tried, self.now_us);
            match &outcome {
                Outcome::NotReached { retry_after, .. } => self.gate_hears_of_none(*retry_after),
                Outcome::Succeeded(_)
                | Outcome::PartlyFailed { .. }
                | Outcome::Failed { .. }
                | Outcome::TooLarge => {
                    self.gate_hears_of_an_answer();
                }
            }
            self.gate_takes_back();
            if matches!(outcome, Outcome::Failed { .. }) && slice.n_records() > 1 && self.plan.retry.bisect {
                self.coverage.hit(Point::Halved);
            }
        }
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_outcome(id, outcome, now);
        }
    }

    /// Checks an attempt against every rule about attempts and enters it.
    fn enter_attempt(&mut self, slot: SlotId, attempt: &Attempt) -> Result<Vec<usize>, Violation> {
        let known = self.oracle.slots.iter().position(|granted| *granted == slot);
        let Some(known) = known else {
            return holds(Rule::G1, false, || format!("an attempt on {slot:?}, never granted"))
                .map(|()| Vec::new());
        };
        self.oracle.slots.swap_remove(known);
        self.oracle.c1_nothing_begins_after_a_close("an attempt")?;
        if let Some(window) = attempt.window.as_ref().filter(|it| it.finale.is_some()) {
            return self.enter_the_end_of_a_window(attempt, window);
        }
        let entries: Vec<usize> =
            attempt.slice.records().iter().map(|record| self.oracle.entry_of(record)).collect();
        let mut owner_of = Vec::new();
        for record in attempt.slice.records() {
            let owner = match &record.place {
                Place::Track(track, _) => track.0,
                Place::Queue { .. } => u32::MAX,
            };
            if owner != u32::MAX && owner_of.last() != Some(&owner) {
                self.oracle
                    .f1_no_action_after_the_track_is_lost(forebay_batcher::TrackIdx(owner), "an attempt")?;
                self.oracle
                    .c2_nothing_begins_on_a_closed_track(forebay_batcher::TrackIdx(owner), "an attempt")?;
            }
            owner_of.push(owner);
        }
        self.oracle.b1_a_batch_keeps_its_limits(attempt)?;
        self.oracle.d2_nothing_finished_is_tried_again(&entries)?;
        self.oracle.o1_no_record_overtakes(&entries)?;
        let lanes = self.oracle.o2_no_lane_is_held_twice(attempt)?;
        self.oracle.r1_no_attempt_beyond_the_limit(&entries)?;
        let now = self.now();
        self.oracle.r2_no_record_is_tried_too_old(&entries, now)?;
        if self.oracle.is_queue {
            self.oracle.o1_no_group_is_in_flight_twice(&entries)?;
            for entry in &entries {
                self.oracle.q1_a_settled_receipt_rests(*entry, "tried")?;
            }
            self.oracle.q2_the_queue_honours_every_receipt(&self.queue.queue, &entries, self.now_us)?;
            self.oracle.q4_nothing_goes_on_behind_a_lost_message(&self.queue.queue, &entries)?;
        } else {
            self.oracle.e1_nothing_begins_without_a_decision(attempt, &entries)?;
            self.oracle.r1_the_count_is_durable_before_the_next_try(attempt, &entries)?;
            self.oracle.n8_an_attempt_is_in_reading_order(attempt)?;
            self.oracle.f2_a_failing_store_begins_nothing(&entries, &owner_of)?;
            self.oracle.b3_a_cut_is_durable_before_it_is_tried(attempt)?;
        }
        self.oracle.b2_a_batch_is_what_its_reason_says(attempt, &entries, self.now_us)?;
        self.oracle.n6_n7_an_attempt_is_what_it_says(attempt, &entries)?;
        self.oracle.g2_an_attempt_keeps_to_the_rate(entries.len(), self.now_us)?;
        let window = self.oracle.a1_an_attempt_carries_the_state_of_its_window(attempt, &entries, now)?;
        self.oracle.s5_pauses_are_kept(&entries, self.now_us, "tried")?;
        let limits = self.oracle.limits_of_a_fresh_batch();
        for entry in &entries {
            let held = &mut self.oracle.entries[*entry];
            if !held.begun {
                held.limits = limits;
            }
            held.in_flight = true;
            held.begun = true;
        }
        if lanes.len() > 1
            && lanes.iter().enumerate().any(|(at, lane)| lanes[..at].iter().any(|other| other.0 == lane.0))
        {
            self.coverage.hit(Point::MixedLanes);
        }
        if self.oracle.is_queue && self.holds_more_of_a_group(&entries) {
            self.coverage.hit(Point::GroupHeld);
        }
        self.oracle.flights.insert(
            attempt.id,
            Flight { entries: entries.clone(), owner_of, lanes, since_us: self.now_us, window },
        );
        Ok(entries)
    }

    /// Checks an attempt that ends a window, which holds no record.
    fn enter_the_end_of_a_window(
        &mut self,
        attempt: &Attempt,
        window: &TumblingWindow,
    ) -> Result<Vec<usize>, Violation> {
        holds(Rule::A2, attempt.slice.n_records() == 0, || {
            format!("the end of a window holds {} records", attempt.slice.n_records())
        })?;
        self.oracle.f1_no_action_after_the_track_is_lost(window.track, "the end of a window")?;
        self.oracle.c2_nothing_begins_on_a_closed_track(window.track, "the end of a window")?;
        let lanes = vec![(window.track.0, window.lane)];
        let is_held = self.oracle.flights.values().any(|flight| flight.lanes.contains(&lanes[0]));
        holds(Rule::O2, !is_held || self.oracle.lanes_vary, || format!("lane {lanes:?} is held twice"))?;
        self.oracle.g2_an_attempt_keeps_to_the_rate(0, self.now_us)?;
        let now = self.now();
        let in_window = self.oracle.a1_an_attempt_carries_the_state_of_its_window(attempt, &[], now)?;
        let (entries, owner_of, since_us) = (Vec::new(), Vec::new(), self.now_us);
        self.oracle
            .flights
            .insert(attempt.id, Flight { entries, owner_of, lanes, since_us, window: in_window });
        Ok(Vec::new())
    }

    /// How an attempt that ends a window goes.
    fn end_window(&mut self) -> (Outcome, Vec<u32>) {
        let faults = self.options.faults.clone();
        let not_reached = |why| Outcome::NotReached { why, retry_after: None, error: "503".into() };
        let outcome = if self.strikes(faults.throttle, Point::Throttled) {
            not_reached(NotReached::Throttled)
        } else if self.strikes(faults.platform, Point::Platform) {
            not_reached(NotReached::Platform)
        } else if self.strikes(faults.lost_answer, Point::LostAnswer) {
            failed(Failure::Unknown, "no answer")
        } else if self.strikes(faults.function_error, Point::WindowEndFailed) {
            failed(Failure::FunctionError, "raised")
        } else {
            Outcome::Succeeded(Reply::default())
        };
        (outcome, Vec::new())
    }

    /// Messages of one of these groups are held and not in flight; only the latest receipts are looked at.
    fn holds_more_of_a_group(&self, entries: &[usize]) -> bool {
        let group = |entry: usize| self.oracle.truth_of(entry).key;
        let n = self.oracle.entries.len();
        (n.saturating_sub(20)..n).any(|other| {
            let held = &self.oracle.entries[other];
            let waits =
                held.life == self.life && !held.in_flight && !held.finished && !held.settled && !held.void;
            waits && group(other).is_some() && entries.iter().any(|entry| group(*entry) == group(other))
        })
    }

    /// How the attempt ends and which records' work is done.
    fn decide(&mut self, attempt: &Attempt, uids: &[u32]) -> (Outcome, Vec<u32>) {
        let slice = &attempt.slice;
        let faults = self.options.faults.clone();
        if self.strikes(faults.throttle, Point::Throttled) {
            let asked = self.choices.chance(300);
            if asked {
                self.coverage.hit(Point::RetryAfter);
            }
            if self.plan.rate.is_some() {
                self.coverage.hit(Point::RateRamped);
            }
            let retry_after = asked.then(|| Duration::from_secs(u64::from(self.choices.between(1, 20))));
            return (
                Outcome::NotReached { why: NotReached::Throttled, retry_after, error: "429".into() },
                Vec::new(),
            );
        }
        if self.strikes(faults.platform, Point::Platform) {
            return (
                Outcome::NotReached { why: NotReached::Platform, retry_after: None, error: "503".into() },
                Vec::new(),
            );
        }
        let n_bytes: u64 = slice.records().iter().map(forebay_batcher::Record::n_bytes).sum();
        if self.options.function_bytes_max.is_some_and(|max| n_bytes > max) {
            self.coverage.hit(Point::TooLarge);
            return (Outcome::TooLarge, Vec::new());
        }
        if self.strikes(faults.lost_answer, Point::LostAnswer) {
            return (failed(Failure::Unknown, "no answer"), uids.to_vec());
        }
        if self.strikes(faults.timeout_done, Point::TimeoutDone) {
            return (failed(Failure::FunctionError, "timed out"), uids.to_vec());
        }
        self.meets_the_victim(uids);
        if let Some(first) = uids.iter().position(|uid| self.is_poison(*uid)) {
            self.coverage.hit(Point::Poison);
            return self.meet_poison(attempt, uids, first);
        }
        if uids.iter().any(|uid| self.oracle.truths[*uid as usize].poison == Poison::Heals) {
            self.coverage.hit(Point::PoisonHealed);
        }
        if self.strikes(faults.function_error, Point::FunctionError) {
            let n_done = self.choices.below(u32::try_from(uids.len()).expect("batches are short")) as usize;
            return (failed(Failure::FunctionError, "raised"), uids[..n_done].to_vec());
        }
        let partial = attempt.partial_responses;
        if partial && self.strikes(faults.invalid, Point::InvalidAnswer) {
            return (failed(Failure::InvalidResponse, "no such record"), uids.to_vec());
        }
        if partial && self.strikes(faults.partial, Point::Partial) {
            let first = self.choices.below(u32::try_from(uids.len()).expect("batches are short")) as usize;
            let more = self.choices.chance(300);
            return self.report(attempt, uids, |at| at == first || (more && at % 3 == first % 3));
        }
        (Outcome::Succeeded(Reply::default()), uids.to_vec())
    }

    fn meet_poison(&mut self, attempt: &Attempt, uids: &[u32], first: usize) -> (Outcome, Vec<u32>) {
        if attempt.partial_responses && self.options.poison_names_itself {
            let poison: Vec<bool> = uids.iter().map(|uid| self.is_poison(*uid)).collect();
            self.coverage.hit(Point::Partial);
            return self.report(attempt, uids, |at| poison[at]);
        }
        (failed(Failure::FunctionError, "poison"), uids[..first].to_vec())
    }

    /// A partial answer: it names these records, and all whose name is the same.
    fn report(
        &mut self,
        attempt: &Attempt,
        uids: &[u32],
        is_failed: impl Fn(usize) -> bool,
    ) -> (Outcome, Vec<u32>) {
        let records = attempt.slice.records();
        let names: Vec<RecordId> =
            (0..records.len()).filter(|at| is_failed(*at)).map(|at| records[at].id.clone()).collect();
        let done = uids
            .iter()
            .zip(records)
            .filter(|(_, record)| !names.contains(&record.id))
            .map(|(uid, _)| *uid)
            .collect();
        let asked = if attempt.item_actions && self.phase == Phase::Safety {
            self.ask_for_some(&names)
        } else {
            ItemActions::new()
        };
        (Outcome::PartlyFailed { failed: names, asked, reply: Reply::default() }, done)
    }

    /// What the function asks for some of the records that failed.
    fn ask_for_some(&mut self, names: &[RecordId]) -> ItemActions {
        let mut asked = ItemActions::new();
        for name in names {
            if !self.choices.beyond().chance(600) {
                continue;
            }
            let seconds = self.choices.beyond().pick(&[None, Some(20), Some(0), Some(1), Some(100)]);
            let action =
                seconds.map_or(ItemAction::Reject, |it| ItemAction::RetryAfter(Duration::from_secs(it)));
            self.coverage.hit(if action == ItemAction::Reject {
                Point::Rejected
            } else {
                Point::AskedToWait
            });
            asked.insert(name.clone(), action);
        }
        asked
    }

    fn is_poison(&self, uid: u32) -> bool {
        match self.oracle.truths[uid as usize].poison {
            Poison::Harmless => false,
            Poison::Heals => !self.poison_healed,
            Poison::Stays => true,
        }
    }
}

fn failed(how: Failure, error: &str) -> Outcome {
    let function_error = (how == Failure::FunctionError).then(|| "Unhandled".to_owned());
    Outcome::Failed {
        how,
        reply: Reply { status: Some(200), function_error, error: Some(error.to_owned()), ..Reply::default() },
    }
}

/// What the function gives back to be carried over its window: what it was told, and the records before the
/// first that it says has failed.
fn carry(attempt: &Attempt, uids: &[u32], outcome: &mut Outcome) {
    let Some(window) = &attempt.window else { return };
    match outcome {
        Outcome::Succeeded(reply) => reply.state = Some(state_of(&window.state, uids.iter().copied())),
        Outcome::PartlyFailed { failed, asked, reply } => {
            let records = attempt.slice.records();
            let is_named = |at: &usize| failed.contains(&records[*at].id);
            let is_rejected = |at: &usize| asked.get(&records[*at].id) == Some(&ItemAction::Reject);
            let n_before =
                (0..records.len()).find(|at| is_named(at) && !is_rejected(at)).unwrap_or(records.len());
            let done = (0..n_before).filter(|at| !is_named(at)).map(|at| uids[at]);
            reply.state = Some(state_of(&window.state, done));
        }
        Outcome::Failed { .. } | Outcome::NotReached { .. } | Outcome::TooLarge => {}
    }
}
