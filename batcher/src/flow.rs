//! How a chain goes on: from its first step to the next, to a slot, a destination or its end.

use forebay_config::Redelivery;

use crate::action::*;
use crate::attempt::{Condition, Next, Outcome, Slice, Then, Told, Tried, next};
use crate::backoff::{ask_again_delay, retry_delay};
use crate::chain::{Chain, ChainId, Hold, Status, Step, What, group_of};
use crate::machine::{Machine, Ready};
use crate::mutant::{Mutant, planted};
use crate::record::{Place, Record, TrackIdx};
use crate::timers::Timer;

impl Machine {
    pub(crate) fn add_chain(&mut self, chain: Chain) -> ChainId {
        let id = ChainId(self.next_id());
        self.chains.insert(id, chain);
        id
    }

    /// Looks at a chain's first step and puts the chain where it must wait; ends it when nothing is left.
    pub(crate) fn advance(&mut self, id: ChainId) {
        if self.is_closing() {
            self.hand_back(id);
        }
        loop {
            self.convert_filled(id);
            self.drop_dead(id);
            let Some(chain) = self.chains.get(&id) else { return };
            let Some(step) = chain.steps.front() else {
                self.end_chain(id);
                return;
            };
            let status = match &step.what {
                What::Filling(_) => Status::Filling,
                What::Try(tried) if tried.n_invokes > 0 && !self.is_durable(chain, step) => Status::Durable,
                What::Try(tried) if tried.not_before > self.now.tick => Status::Retry { until: tried.not_before },
                What::Try(_) => Status::Ready { since: self.now.tick },
                What::Tell(told) if !self.has_taker(told) => {
                    self.discard_first(id);
                    continue;
                }
                What::Tell(_) if !self.is_durable(chain, step) => Status::Durable,
                What::Tell(_) => {
                    self.deliver(id);
                    return;
                }
            };
            self.set_status(id, status);
            return;
        }
    }

    fn set_status(&mut self, id: ChainId, status: Status) {
        let Some(chain) = self.chains.get_mut(&id) else { return };
        let was_ready = matches!(chain.status, Status::Ready { .. });
        let is_ready = matches!(status, Status::Ready { .. });
        let until = if let Status::Retry { until } = status { Some(until) } else { None };
        let again = if let Status::Redeliver { until, .. } = status { Some(until) } else { None };
        let is_not_reached = chain.not_reached.is_some();
        if !(was_ready && is_ready) {
            chain.status = status;
        }
        self.timers.set(Timer::Retry(id), until);
        self.timers.set(Timer::Redeliver(id), again);
        match (was_ready, is_ready) {
            (false, true) => {
                self.n_ready += 1;
                // A slice that did not reach the function keeps its place.
                if is_not_reached { self.ready.push_front(Ready::Chain(id)) } else { self.ready.push_back(Ready::Chain(id)) }
            }
            (true, false) => self.n_ready -= 1,
            (true, true) | (false, false) => {}
        }
    }

    /// Whether the step is in a durable checkpoint of every track that it touches.
    fn is_durable(&self, chain: &Chain, step: &Step) -> bool {
        if planted(Mutant::RetryBeforeDurable) {
            return true;
        }
        chain.holds.iter().all(|hold| match hold {
            // A track that is not ours any more keeps nothing waiting.
            Hold::Lane(idx, _) => self
                .tracks
                .by_idx
                .get(idx)
                .is_none_or(|track| (!track.is_active() && !planted(Mutant::WaitForLost)) || track.committing.durable >= step.mark),
            Hold::Group(_) => true,
        })
    }

    fn has_taker(&self, told: &Told) -> bool {
        let is_dropped = self.plan.retry.drop_after_destination_failures.is_some_and(|max| told.n_refused >= max.get());
        self.plan.has_destination && !is_dropped && !planted(Mutant::DiscardAlways)
    }

    /// Turns the first steps whose records are all read again into what they were.
    fn convert_filled(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get(&id) else { return };
        let filled: Vec<usize> = (0..)
            .zip(&chain.steps)
            .filter(|(_, step)| matches!(&step.what, What::Filling(it) if self.is_filled(it)))
            .map(|(at, _)| at)
            .collect();
        let chain = self.chains.get_mut(&id).expect("it was there above");
        for at in filled {
            let step = &mut chain.steps[at];
            let What::Filling(filling) = &mut step.what else { continue };
            let slice = Slice::new(std::mem::take(&mut filling.records));
            let kept = &filling.slice;
            let given_up = kept.given_up.clone();
            let reply = given_up.as_ref().and_then(|it| it.reply.clone());
            let (n_failures, n_invokes, not_before) = (kept.n_failures, kept.n_invokes.max(1), filling.not_before);
            let tried = Tried { slice, n_failures, n_invokes, why: BatchReason::Retry, not_before, reply };
            step.what = match given_up {
                Some(it) => What::Tell(Told { n_invokes: kept.n_invokes, ..tried.give_up(it.condition) }),
                None => What::Try(tried),
            };
        }
        // W-2: what was not there any more when it was read again was dropped by its source or by a filter.
        let n_before = chain.steps.len();
        chain.steps.retain(|step| matches!(step.what, What::Filling(_)) || !step.records().is_empty());
        if chain.steps.len() < n_before {
            self.mark_chain_dirty(id);
        }
    }

    /// Takes away the first step's records whose track or receipt is gone.
    fn drop_dead(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get(&id) else { return };
        let is_dead = |record: &Record| !self.is_alive(record);
        let Some(at) = chain.steps.iter().position(|step| step.records().iter().any(is_dead)) else { return };
        if matches!(chain.status, Status::InFlight { .. } | Status::Delivering { .. }) && at == 0 {
            return;
        }
        let mut steps = Vec::new();
        for step in &chain.steps {
            let (alive, dead): (Vec<Record>, Vec<Record>) = step.records().iter().cloned().partition(|record| self.is_alive(record));
            steps.push((alive, dead));
        }
        let mut gone = Vec::new();
        let chain = self.chains.get_mut(&id).expect("it was there above");
        for (step, (alive, dead)) in chain.steps.iter_mut().zip(steps) {
            if dead.is_empty() {
                continue;
            }
            gone.extend(dead);
            match &mut step.what {
                What::Filling(filling) => filling.records = alive,
                What::Try(tried) => tried.slice = Slice::new(alive),
                What::Tell(told) => told.slice = Slice::new(alive),
            }
        }
        let tracks = &self.tracks;
        let is_track_gone = |track: &TrackIdx| tracks.by_idx.get(track).is_none_or(|track| !track.is_active());
        chain.steps.retain(|step| match &step.what {
            What::Filling(filling) => !is_track_gone(&filling.track),
            What::Try(_) | What::Tell(_) => !step.records().is_empty(),
        });
        self.give_room(&gone);
    }

    /// A track or receipts died: their chains forget them.
    pub(crate) fn drop_dead_records(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get(&id) else { return };
        match chain.status {
            Status::InFlight { .. } | Status::Delivering { .. } if chain.records().any(|record| self.is_alive(record)) => {}
            Status::InFlight { .. } | Status::Delivering { .. } => {
                let records: Vec<Record> = chain.records().cloned().collect();
                self.attempts.retain(|_, chain| *chain != id);
                self.notices.retain(|_, chain| *chain != id);
                self.give_room(&records);
                self.chains.get_mut(&id).expect("it was there above").steps.clear();
                self.end_chain(id);
            }
            Status::New | Status::Filling | Status::Durable | Status::Retry { .. } | Status::Ready { .. } | Status::Redeliver { .. } => {
                let chain = self.chains.get_mut(&id).expect("it was there above");
                let tracks = &self.tracks;
                chain.steps.retain(|step| match &step.what {
                    // One that holds records gives their room back first.
                    What::Filling(it) => !it.records.is_empty() || tracks.by_idx.get(&it.track).is_some_and(|track| track.is_active()),
                    What::Try(_) | What::Tell(_) => true,
                });
                self.advance(id);
            }
        }
    }

    pub(crate) fn is_alive(&self, record: &Record) -> bool {
        match &record.place {
            Place::Track(idx, _) => self.tracks.by_idx.get(idx).is_some_and(|track| track.is_active()),
            Place::Queue { receipt, .. } => self.receipts.is_held(receipt),
        }
    }

    /// Nothing is left of a chain: its lanes and groups are free.
    fn end_chain(&mut self, id: ChainId) {
        self.set_status(id, Status::New);
        let Some(chain) = self.chains.remove(&id) else { return };
        self.release(id, chain.holds);
    }

    fn release(&mut self, id: ChainId, holds: Vec<Hold>) {
        for hold in holds {
            match hold {
                Hold::Lane(idx, lane) => {
                    if let Some(unit) = self.lane_mut(idx, lane) {
                        debug_assert!(unit.chain == Some(id));
                        unit.chain = None;
                    }
                    self.pump_track(idx);
                    self.touch_lane(idx, lane);
                }
                Hold::Group(group) => self.release_group(&group),
            }
        }
    }

    /// Lets go of what no step of a chain needs any more.
    fn release_unneeded(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get_mut(&id) else { return };
        if chain.holds.len() < 2 {
            return;
        }
        let n_lanes = |idx: &TrackIdx| self.tracks.by_idx.get(idx).map_or(1, |track| u32::try_from(track.lanes.len()).unwrap_or(u32::MAX));
        let needed: Vec<Hold> = chain
            .steps
            .iter()
            .flat_map(|step| step.records())
            .filter_map(|record| match &record.place {
                Place::Track(idx, position) => Some(Hold::Lane(*idx, crate::lanes::lane_of(&record.key, position, n_lanes(idx)))),
                Place::Queue { .. } => group_of(record).cloned().map(Hold::Group),
            })
            .collect();
        let (kept, free) = std::mem::take(&mut chain.holds).into_iter().partition(|hold| needed.contains(hold));
        chain.holds = kept;
        self.release(id, free);
    }

    /// Starts the attempt of a chain that has a slot: what is too old or gone is looked at now. `None` when nothing is left to try.
    pub(crate) fn start(&mut self, id: ChainId) -> Option<Attempt> {
        self.split_expired(id);
        self.drop_lapsed(id);
        let chain = self.chains.get_mut(&id)?;
        let Some(Step { what: What::Try(tried), .. }) = chain.steps.front_mut() else {
            self.advance(id);
            return None;
        };
        if tried.slice.n_records() == 0 {
            chain.steps.pop_front();
            // It was taken out of the line; if its next step is ready, it stands in it anew.
            self.set_status(id, Status::New);
            self.advance(id);
            return None;
        }
        let attempt_id = AttemptId(self.next_id);
        self.next_id += 1;
        let attempt = Attempt { id: attempt_id, slice: tried.slice.clone(), why: tried.why, n_before: tried.n_invokes };
        tried.n_invokes += 1;
        self.attempts.insert(attempt_id, id);
        self.set_status(id, Status::InFlight { id: attempt_id, since: self.now.tick });
        Some(attempt)
    }

    /// no record older than the limit is tried; the expired ones are given up first, the others keep their order.
    fn split_expired(&mut self, id: ChainId) {
        let now = self.now.unix;
        let Some(chain) = self.chains.get_mut(&id) else { return };
        let Some(age_max) = chain.limits.record_age_max.filter(|_| !planted(Mutant::NeverTooOld)) else { return };
        let Some(Step { what: What::Try(tried), .. }) = chain.steps.front() else { return };
        let is_expired = |record: &Record| record.arrival.age(now) > age_max;
        if !tried.slice.records().iter().any(is_expired) {
            return;
        }
        let tried = tried.clone();
        let (expired, fresh): (Vec<Record>, Vec<Record>) =
            tried.slice.records().iter().cloned().partition(|record| is_expired(record) || planted(Mutant::OneIsTooOld));
        if tried.n_invokes == 0 {
            self.counts.given_up_uninvoked += expired.len() as u64;
        }
        // The attempt that was refused for age counts: so AWS was recorded to do.
        let told = Told {
            n_invokes: tried.n_invokes + 1,
            ..Tried { slice: Slice::new(expired), reply: None, ..tried }.give_up(Condition::AgeExceeded)
        };
        self.mark += 1;
        let mark = self.mark;
        let old = chain.steps.pop_front().expect("it was looked at");
        if !fresh.is_empty() {
            chain.steps.push_front(Step { what: What::Try(Tried { slice: Slice::new(fresh), ..tried }), mark: old.mark });
        }
        chain.steps.push_front(Step { what: What::Tell(told), mark });
        self.mark_chain_dirty(id);
    }

    fn mark_chain_dirty(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get(&id) else { return };
        let tracks: Vec<TrackIdx> =
            chain.holds.iter().filter_map(|hold| if let Hold::Lane(idx, _) = hold { Some(*idx) } else { None }).collect();
        for idx in tracks {
            self.mark_dirty(idx);
            self.pump_track(idx);
        }
    }

    /// An attempt ended.
    pub(crate) fn end_attempt(&mut self, id: ChainId, outcome: Outcome) {
        let Some(chain) = self.chains.get_mut(&id) else { return };
        let Some(Step { what: What::Try(tried), .. }) = chain.steps.pop_front() else { return };
        let now = self.now.tick;
        let bisects = chain.limits.bisect && tried.slice.n_records() > 1;
        self.count_outcome(&tried, &outcome, bisects);
        let chain = self.chains.get_mut(&id).expect("it was there above");
        chain.not_reached = match &outcome {
            Outcome::NotReached { why, error, .. } => {
                let since = chain.not_reached.as_ref().map_or(now, |(_, since, _)| *since);
                Some((*why, since, error.clone()))
            }
            Outcome::Succeeded(_) | Outcome::PartlyFailed { .. } | Outcome::Failed { .. } | Outcome::TooLarge => None,
        };
        if matches!(outcome, Outcome::Failed { .. } | Outcome::PartlyFailed { .. } | Outcome::TooLarge) {
            chain.failing_since.get_or_insert(now);
        }
        let has_changed = !matches!(outcome, Outcome::NotReached { .. });
        let limits = chain.limits.clone();
        let Next { done, left, then } = next(tried, outcome, &limits);
        self.counts.succeeded += done.len() as u64;
        self.finish(&done);
        self.leave(&left, id);
        let steps: Vec<Step> = then.into_iter().map(|then| self.step_for(then, id)).collect();
        let chain = self.chains.get_mut(&id).expect("it was there above");
        for step in steps.into_iter().rev() {
            chain.steps.push_front(step);
        }
        self.set_status(id, Status::New);
        if has_changed {
            self.mark_chain_dirty(id);
        }
        self.release_unneeded(id);
        self.advance(id);
    }

    fn step_for(&mut self, then: Then, id: ChainId) -> Step {
        self.mark += 1;
        let what = match then {
            Then::Again(mut tried) => {
                self.counts.retried += 1;
                let delay = retry_delay(tried.n_failures.saturating_sub(1), self.seed_of(id.0));
                tried.not_before = self.now.tick.after(delay);
                What::Try(tried)
            }
            Then::Half(tried) => What::Try(tried),
            Then::NotReached(tried) => {
                // It is as durable as it was: nothing about it changed.
                return Step { what: What::Try(tried), mark: 0 };
            }
            Then::GivenUp(told) => What::Tell(told),
        };
        Step { what, mark: self.mark }
    }

    fn count_outcome(&mut self, tried: &Tried, outcome: &Outcome, bisects: bool) {
        let n_records = tried.slice.n_records() as u64;
        if !matches!(outcome, Outcome::NotReached { .. }) {
            self.counts.invoked += n_records;
            self.counts.invoked_first += if tried.n_invokes == 1 { n_records } else { 0 };
        }
        match outcome {
            Outcome::Succeeded(_) => {}
            Outcome::PartlyFailed { failed, .. } => {
                let n_failed = tried.slice.records().iter().filter(|record| failed.contains(&record.id)).count() as u64;
                self.counts.failed += n_failed;
            }
            Outcome::Failed { .. } => {
                self.counts.failed += n_records;
                self.counts.halved += u64::from(bisects);
            }
            Outcome::NotReached { .. } => {
                self.counts.not_reached += 1;
                self.slow_down();
            }
            Outcome::TooLarge => self.counts.halved += u64::from(tried.slice.n_records() > 1),
        }
    }

    /// W-2: finished by success or by delivery.
    pub(crate) fn finish(&mut self, records: &[Record]) {
        let mut rest = records;
        while let Some(first) = rest.first() {
            let Place::Track(idx, _) = first.place else {
                self.settle_all(records, if planted(Mutant::LeaveDone) { Settle::Leave } else { Settle::Delete });
                break;
            };
            let n = rest.iter().take_while(|record| matches!(record.place, Place::Track(it, _) if it == idx)).count();
            let run: Vec<&Record> = rest[..n].iter().collect();
            self.finish_on_track(idx, &run);
            rest = &rest[n..];
        }
        self.give_room(records);
    }

    fn discard_first(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get_mut(&id) else { return };
        let Some(Step { what: What::Tell(told), .. }) = chain.steps.pop_front() else { return };
        if told.condition == Condition::PayloadTooLarge && chain.limits.redelivery == Redelivery::BySource {
            // Nobody asked us to drop it: its queue's own limit of receives decides.
            self.leave(told.slice.records(), id);
            self.after_pop(id);
            return;
        }
        self.counts.dropped += told.slice.n_records() as u64;
        let records = told.slice.clone();
        let Told { slice, condition, n_invokes, reply, .. } = told;
        self.actions.push_back(Action::Discarded(Discard { condition, slice, n_invokes, reply }));
        self.finish(records.records());
        self.after_pop(id);
    }

    fn after_pop(&mut self, id: ChainId) {
        self.set_status(id, Status::New);
        self.mark_chain_dirty(id);
        self.release_unneeded(id);
    }

    fn deliver(&mut self, id: ChainId) {
        if self.is_closing() {
            self.set_status(id, Status::New);
            return;
        }
        let notice_id = NoticeId(self.next_id());
        let Some(chain) = self.chains.get(&id) else { return };
        let Some(Step { what: What::Tell(told), .. }) = chain.steps.front() else { return };
        let Told { slice, condition, n_invokes, reply, n_refused } = told.clone();
        if planted(Mutant::FinishBeforeTaken) {
            self.finish(slice.records());
            self.mark_chain_dirty(id);
        }
        self.actions.push_back(Action::Deliver(Notice { id: notice_id, condition, slice, n_invokes, reply, n_refused }));
        self.notices.insert(notice_id, id);
        self.set_status(id, Status::Delivering { id: notice_id, since: self.now.tick });
    }

    pub(crate) fn delivered(&mut self, id: ChainId, answer: Delivery) {
        let now = self.now.tick;
        let seed = self.seed_of(id.0);
        let Some(chain) = self.chains.get_mut(&id) else { return };
        let since = chain.failing_since.unwrap_or(now);
        let answer = if planted(Mutant::RefusedIsTaken) { Delivery::Taken } else { answer };
        match answer {
            Delivery::Taken => {
                let Some(Step { what: What::Tell(told), .. }) = chain.steps.pop_front() else { return };
                self.counts.delivered += told.slice.n_records() as u64;
                self.finish(told.slice.records());
                self.after_pop(id);
                self.advance(id);
            }
            Delivery::Refused { error } => {
                self.counts.delivery_failures += 1;
                let Some(Step { what: What::Tell(told), .. }) = chain.steps.front_mut() else { return };
                told.n_refused += 1;
                let until = now.after(ask_again_delay(told.n_refused.saturating_sub(1), seed));
                self.set_status(id, Status::Redeliver { until, since, error });
            }
        }
    }

    /// A retry's or redelivery's delay is over.
    pub(crate) fn delay_over(&mut self, id: ChainId) {
        self.set_status(id, Status::New);
        self.advance(id);
    }
}
