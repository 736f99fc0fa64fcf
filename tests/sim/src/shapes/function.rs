//! The function, its gate and the destination of each engine: what was done stays done whoever asked.

use std::time::Duration;

use forebay_batcher::{
    Attempt, AttemptId, Delivery, Discard, Failure, ItemActions, NotReached, Notice, NoticeId, Outcome,
    Place, Record, RecordId, Reply, Rule, Slice, SlotId,
};

use super::engine::{Trying, Whose};
use super::events::Event;
use super::{Rig, Side, Stage};
use crate::coverage::Point;
use crate::oracle::{Violation, handle_number, holds};

/// A record's rendered bytes begin with its number.
pub(super) fn uid_of(record: &Record) -> u32 {
    u32::from_le_bytes(record.bytes[..4].try_into().expect("every record has at least its number"))
}

impl Rig {
    /// Grants what may be granted.
    pub(super) fn pump_gate(&mut self, at: usize) {
        let limit =
            if self.engines[at].is_probing { 1 } else { self.plan.concurrency_max.map_or(8, |it| it.get()) };
        while {
            let engine = &self.engines[at];
            engine.machine.is_some()
                && self.now_us >= engine.shut_until_us
                && engine.want > engine.n_coming
                && engine.n_coming + engine.n_out < limit
        } {
            self.engines[at].n_coming += 1;
            let life = self.engines[at].life;
            self.at(self.now_us + 10, Event::SlotFree { at, life });
        }
    }

    /// A slot is granted, unless the wish was withdrawn meanwhile.
    pub(super) fn grant_slot(&mut self, at: usize, life: u32) {
        if !self.is_alive(at, life) {
            return;
        }
        let now = self.now();
        let engine = &mut self.engines[at];
        engine.n_coming -= 1;
        if engine.want == 0 {
            return;
        }
        (engine.want, engine.n_out, engine.next_slot) =
            (engine.want - 1, engine.n_out + 1, engine.next_slot + 1);
        let slot = SlotId(engine.next_slot);
        if let Some(machine) = engine.machine.as_mut() {
            machine.handle_slot(slot, now);
        }
    }

    fn whose(&self, at: usize, record: &Record) -> Whose {
        match &record.place {
            Place::Track(idx, _) => {
                Whose::Track(*idx, self.engines[at].holdings.get(idx).map_or(0, |it| it.generation))
            }
            Place::Queue(place) => Whose::Receipt(handle_number(&place.receipt.handle)),
        }
    }

    /// A machine invokes the function.
    pub(super) fn invoke(&mut self, at: usize, attempt: &Attempt) -> Result<(), Violation> {
        let records = attempt.slice.records();
        let is_closing = self.engines[at].is_closing;
        holds(Rule::C1, !is_closing, || format!("engine {at}: an attempt begins after a close"))?;
        let uids: Vec<u32> = records.iter().map(uid_of).collect();
        let of: Vec<Whose> = records.iter().map(|it| self.whose(at, it)).collect();
        for (n, (uid, whose)) in uids.iter().zip(&of).enumerate() {
            match whose {
                Whose::Track(idx, _) => {
                    self.f1_the_engine_has_the_track(at, *idx, "an attempt")?;
                    self.c2_the_track_is_not_closed(at, *idx, "an attempt")?;
                    self.o1_nothing_overtakes(at, *uid, &uids[..n])?;
                    self.engines[at].belief(*uid).is_flying = true;
                }
                Whose::Receipt(number) => self.q2_the_receipt_is_good(at, *number)?,
            }
        }
        let (outcome, done) = self.decide(attempt, &uids);
        let is_slow = self.strikes(self.options.faults.slow, Point::SlowFunction);
        let latency_ms = self.options.latency_max_ms;
        let tick = if is_slow { self.soon(40_000) } else { self.soon(latency_ms) };
        let (life, id) = (self.engines[at].life, attempt.id);
        self.engines[at].flights.insert(id, Trying { uids, of });
        let (slice, outcome) = (attempt.slice.clone(), Box::new(outcome));
        self.at(tick, Event::Answer { at, life, id, slice, outcome, done });
        Ok(())
    }

    /// O-1: a record is tried once at a time, and after the one of its key before it is finished. Those who
    /// were fenced and do not know are not judged.
    fn o1_nothing_overtakes(&mut self, at: usize, uid: u32, earlier: &[u32]) -> Result<(), Violation> {
        let fact = self.book.facts[uid as usize].clone();
        let belief = self.engines[at].belief(uid).clone();
        holds(Rule::O1, !belief.is_flying, || format!("engine {at}: record {uid} is tried twice at once"))?;
        holds(Rule::D2, !belief.finished, || format!("engine {at}: record {uid} is finished and tried"))?;
        if !self.is_owner(at, fact.source) {
            return Ok(());
        }
        let rivals = (0..self.engines.len()).filter(|it| *it != at && self.is_owner(*it, fact.source));
        let rival = rivals.into_iter().find(|it| self.engines[*it].belief_of(uid).is_flying);
        holds(Rule::O1, rival.is_none(), || format!("record {uid} is tried by engines {at} and {rival:?}"))?;
        // A record that the filter drops has no part in the order.
        let mut before = fact.before;
        while let Some(it) = before.filter(|it| !self.book.facts[*it as usize].wanted) {
            before = self.book.facts[it as usize].before;
        }
        let Some(before) = before.filter(|it| !earlier.contains(it)) else { return Ok(()) };
        let other = &self.book.facts[before as usize];
        let belief = self.engines[at].belief_of(before);
        let is_done = if other.source == fact.source {
            belief.finished || (other.gone && !belief.handed)
        } else {
            other.is_over() || other.gone
        };
        holds(Rule::O1, is_done && !belief.is_flying, || {
            format!("engine {at}: record {uid} overtakes {before} of its key {:?}", fact.key)
        })
    }

    fn decide(&mut self, attempt: &Attempt, uids: &[u32]) -> (Outcome, Vec<u32>) {
        let faults = self.options.faults.clone();
        if self.strikes(faults.not_reached, Point::Platform) {
            let retry_after = Some(Duration::from_millis(300));
            return (
                Outcome::NotReached { why: NotReached::Platform, retry_after, error: "503".into() },
                Vec::new(),
            );
        }
        let is_poisoned = |uid: &u32| self.stage == Stage::Faults && self.book.facts[*uid as usize].is_poison;
        let poison = uids.iter().position(is_poisoned);
        let is_failing = poison.is_some() || self.strikes(faults.function_error, Point::FunctionError);
        let failed = |how| Outcome::Failed { how, reply: Reply::default() };
        if is_failing {
            let n_done = poison.unwrap_or_else(|| {
                let n_uids = u32::try_from(uids.len()).expect("batches are small");
                self.choices.shapes().below(n_uids) as usize
            });
            if attempt.partial_responses {
                self.coverage.hit(Point::Partial);
                return self.name_from(attempt, uids, n_done);
            }
            return (failed(Failure::FunctionError), uids[..n_done].to_vec());
        }
        if attempt.partial_responses && self.strikes(faults.partial, Point::Partial) {
            let at = self.draw().below(u32::try_from(uids.len()).expect("batches are small")) as usize;
            return self.name_from(attempt, uids, at);
        }
        if self.strikes(faults.lost_answer, Point::LostAnswer) {
            return (failed(Failure::Unknown), uids.to_vec());
        }
        (Outcome::Succeeded(Reply::default()), uids.to_vec())
    }

    /// An answer that names one record: those before it are done, and now and then some behind it too.
    fn name_from(&mut self, attempt: &Attempt, uids: &[u32], at: usize) -> (Outcome, Vec<u32>) {
        let failed: Vec<RecordId> = vec![attempt.slice.records()[at].id.clone()];
        // What a queue's function does not name is done.
        let goes_on = self.options.shape == super::Shape::Channel || self.draw().chance(300);
        // What it does not name of other tracks is done too, whatever comes first.
        let source = self.book.facts[uids[at] as usize].source;
        let is_other = |uid: u32| self.book.facts[uid as usize].source != source;
        let is_done = |n: usize, uid: u32| n < at || (n > at && (goes_on || is_other(uid)));
        let done = uids.iter().enumerate().filter(|(n, uid)| is_done(*n, **uid)).map(|it| *it.1);
        (Outcome::PartlyFailed { failed, asked: ItemActions::new(), reply: Reply::default() }, done.collect())
    }

    /// An answer comes back. Of what was done whoever stands still hears later.
    pub(super) fn answer(
        &mut self,
        (at, life): (usize, u32),
        id: AttemptId,
        slice: Slice,
        outcome: Box<Outcome>,
        done: Vec<u32>,
    ) -> Result<(), Violation> {
        for (n, uid) in done.iter().enumerate() {
            // A queue may hand a message out again beside a copy that is in the same batch.
            let n_before = done[..n].iter().filter(|it| *it == uid).count();
            self.do_once((at, life), id, *uid, n_before)?;
        }
        if !self.is_alive(at, life) {
            return Ok(());
        }
        if self.engines[at].stalled_until_us > self.now_us {
            let tick = self.engines[at].stalled_until_us;
            self.at(tick, Event::Answer { at, life, id, slice, outcome, done: Vec::new() });
            return Ok(());
        }
        self.note(&[40, at as u64, id.0], |now| {
            format!("{now:>12} engine {at}: attempt {} ends {outcome:?}", id.0)
        });
        self.hear_an_outcome(at, id, &slice, &outcome);
        let now = self.now();
        let engine = &mut self.engines[at];
        engine.n_out -= 1;
        if let Outcome::NotReached { retry_after, .. } = &*outcome {
            let wait = retry_after.unwrap_or(Duration::from_secs(1));
            engine.shut_until_us = now.tick.0 + u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
            engine.is_probing = true;
            let tick = engine.shut_until_us;
            self.at(tick, Event::GateOpens { at, life });
        } else {
            engine.is_probing = false;
        }
        if let Some(machine) = self.engines[at].machine.as_mut() {
            machine.handle_outcome(id, *outcome, now);
        }
        self.pump_gate(at);
        Ok(())
    }

    /// D-2: what is done once more has a cause: its answer was lost or told of a failure, or whoever did it
    /// before ended before that was durable. It is the copy behind `n_before` others of the attempt.
    fn do_once(
        &mut self,
        (at, life): (usize, u32),
        id: AttemptId,
        uid: u32,
        n_before: usize,
    ) -> Result<(), Violation> {
        let source = self.book.facts[uid as usize].source;
        let flight = self.engines[at].flights.get(&id).filter(|_| self.engines[at].life == life);
        let whose = flight.and_then(|it| {
            let copies = it.uids.iter().zip(&it.of).filter(|(of, _)| **of == uid);
            copies.map(|(_, whose)| *whose).nth(n_before)
        });
        let is_ours =
            self.is_alive(at, life) && whose.is_some_and(|it| self.has(at, it)) && self.is_owner(at, source);
        self.book.changed = true;
        let fact = &mut self.book.facts[uid as usize];
        fact.n_excuses += u32::from(!is_ours);
        fact.n_done += 1;
        holds(Rule::D2, fact.n_done <= 1 + fact.n_excuses, || {
            format!("record {uid} was done {} times for {} causes", fact.n_done, fact.n_excuses)
        })
    }

    /// An engine still has what it tried under this.
    fn has(&self, at: usize, whose: Whose) -> bool {
        match whose {
            Whose::Track(idx, generation) => self.engines[at]
                .holdings
                .get(&idx)
                .is_some_and(|it| !it.is_over && it.generation == generation),
            Whose::Receipt(number) => self.engines[at]
                .slips
                .get(number)
                .is_some_and(|it| !it.is_void && self.is_channel_open(at, it.generation)),
        }
    }

    fn hear_an_outcome(&mut self, at: usize, id: AttemptId, slice: &Slice, outcome: &Outcome) {
        let Some(Trying { uids, of }) = self.engines[at].flights.remove(&id) else { return };
        let records = slice.records();
        let named = |n: usize| match outcome {
            Outcome::PartlyFailed { failed, .. } => failed.contains(&records[n].id),
            Outcome::Succeeded(_) => false,
            Outcome::Failed { .. } | Outcome::NotReached { .. } | Outcome::TooLarge => true,
        };
        for (n, (uid, whose)) in uids.iter().zip(&of).enumerate() {
            // On a track all from the lowest named record on is tried again.
            let is_behind = |m: usize| match (&of[m], whose) {
                (Whose::Track(other, _), Whose::Track(idx, _)) => {
                    other == idx && records[m].position() <= records[n].position()
                }
                (Whose::Receipt(_), _) | (_, Whose::Receipt(_)) => m == n,
            };
            let fails = (0..records.len()).any(|m| named(m) && is_behind(m));
            let has = self.has(at, *whose);
            match whose {
                Whose::Track(..) if has => {
                    let belief = self.engines[at].belief(*uid);
                    (belief.is_flying, belief.finished) = (false, !fails);
                }
                Whose::Receipt(number) => {
                    let slip = &mut self.engines[at].slips[*number];
                    slip.flying = false;
                    slip.finished |= !fails;
                }
                Whose::Track(..) => {}
            }
            let fact = &mut self.book.facts[*uid as usize];
            fact.n_excuses += u32::from(fact.n_done > 0 && fails);
        }
    }

    /// A machine hands over what it gave up.
    pub(super) fn deliver(&mut self, at: usize, notice: &Notice) -> Result<(), Violation> {
        let is_closing = self.engines[at].is_closing;
        holds(Rule::C1, !is_closing, || format!("engine {at}: a notice leaves after a close"))?;
        self.judge_a_giving_up(at, notice.slice.records(), "a notice")?;
        let mut entries = Vec::new();
        for record in notice.slice.records() {
            let whose = self.whose(at, record);
            if let Whose::Track(idx, _) = whose {
                self.c2_the_track_is_not_closed(at, idx, "a notice")?;
            }
            let belief = self.engines[at].belief(uid_of(record));
            holds(Rule::W2, !belief.is_noticed || matches!(whose, Whose::Receipt(_)), || {
                format!("engine {at}: record {} is told of twice at once", uid_of(record))
            })?;
            belief.is_noticed = true;
            if let Whose::Receipt(number) = whose {
                self.engines[at].slips[number].is_told = true;
            }
            entries.push((uid_of(record), whose));
        }
        self.engines[at].notices.insert(notice.id, entries);
        let refuses = self.strikes(self.options.faults.refuse, Point::Refused);
        let latency_ms = self.options.latency_max_ms;
        let tick = self.soon(latency_ms);
        let (life, id) = (self.engines[at].life, notice.id);
        let uids: Vec<u32> = notice.slice.records().iter().map(uid_of).collect();
        let (answer, taken) = if refuses {
            (Delivery::Refused { error: "refused".into() }, Vec::new())
        } else {
            (Delivery::Taken, uids)
        };
        self.at(tick, Event::Delivered { at, life, id, answer, taken });
        Ok(())
    }

    /// F-1, and W-2: only what was tried and failed as often as it may is given up.
    fn judge_a_giving_up(&mut self, at: usize, records: &[Record], what: &str) -> Result<(), Violation> {
        for record in records {
            let uid = uid_of(record);
            if let Place::Track(idx, _) = &record.place {
                self.f1_the_engine_has_the_track(at, *idx, what)?;
                let belief = self.engines[at].belief(uid).clone();
                holds(Rule::W2, !belief.is_flying && !belief.finished, || {
                    format!("engine {at}: {what} of record {uid}, {belief:?}")
                })?;
            }
            holds(Rule::W2, self.plan.retry.retries_max.is_some(), || {
                format!("engine {at}: {what} of record {uid}, which is tried without end")
            })?;
        }
        Ok(())
    }

    /// The destination answered.
    pub(super) fn delivered(
        &mut self,
        (at, life): (usize, u32),
        id: NoticeId,
        answer: Delivery,
        taken: Vec<u32>,
    ) {
        for uid in taken {
            self.book.facts[uid as usize].n_taken += 1;
            self.book.changed = true;
        }
        if !self.is_alive(at, life) {
            return;
        }
        if self.engines[at].stalled_until_us > self.now_us {
            let tick = self.engines[at].stalled_until_us;
            self.at(tick, Event::Delivered { at, life, id, answer, taken: Vec::new() });
            return;
        }
        let is_taken = answer == Delivery::Taken;
        for (uid, whose) in self.engines[at].notices.remove(&id).unwrap_or_default() {
            match whose {
                Whose::Track(..) if !self.has(at, whose) => {}
                Whose::Track(..) => {
                    let belief = self.engines[at].belief(uid);
                    (belief.is_noticed, belief.finished) = (false, belief.finished || is_taken);
                }
                Whose::Receipt(number) => {
                    let slip = &mut self.engines[at].slips[number];
                    (slip.finished, slip.is_told) = (slip.finished || is_taken, !is_taken);
                }
            }
        }
        let now = self.now();
        if let Some(machine) = self.engines[at].machine.as_mut() {
            machine.handle_delivered(id, answer, now);
        }
    }

    /// A machine says that a setting discards records.
    pub(super) fn discard(&mut self, at: usize, discard: &Discard) -> Result<(), Violation> {
        self.judge_a_giving_up(at, discard.slice.records(), "a discard")?;
        self.coverage.hit(Point::Discarded);
        for record in discard.slice.records() {
            let uid = uid_of(record);
            self.book.facts[uid as usize].n_discarded += 1;
            match self.whose(at, record) {
                Whose::Track(..) => self.engines[at].belief(uid).finished = true,
                Whose::Receipt(number) => self.engines[at].slips[number].finished = true,
            }
        }
        self.book.changed = true;
        Ok(())
    }

    /// Whether an engine has a track by its store's or its group's word, whatever it believes.
    pub(super) fn is_owner(&self, at: usize, source: usize) -> bool {
        let engine = &self.engines[at];
        if engine.machine.is_none() {
            return false;
        }
        match &self.side {
            Side::Tree(_) => engine.lease == self.stores[engine.store].lease,
            Side::Group(side) => {
                let held = engine.holdings.values().find(|it| it.source == source && !it.is_over);
                side.group.owner(source).is_some_and(|it| Some(it) == engine.member)
                    && held.is_some_and(|it| side.group.epoch(source) == Some(it.generation))
            }
            Side::Channel(_) => true,
        }
    }
}
