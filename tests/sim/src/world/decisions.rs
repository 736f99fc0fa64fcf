//! An operator decides about what waits for him, after some time: skips it, has it tried again, sends it to
//! the destination; now and then about something that does not wait.

use forebay_batcher::{
    Checkpoint, Condition, Decision, DecisionId, OnExhausted, Paused, Place, Plan, Rule, Undecided,
};

use super::events::Event;
use super::{Phase, World};
use crate::coverage::Point;
use crate::oracle::{Violation, holds};

/// Once all faults are over he comes soon.
const HEALED_MAX_MS: u32 = 3000;

/// The operator.
#[derive(Debug, Default)]
pub(super) struct Operator {
    /// He is on his way.
    comes: bool,
    n_decisions: u64,
}

impl World {
    /// The machine tells that records wait for an operator.
    pub(super) fn pause(&mut self, paused: &Paused) -> Result<(), Violation> {
        let is_again = |record| {
            let entry = self.oracle.entry_of(record);
            self.oracle.entries[entry].retried_us.is_some()
        };
        if paused.slice.records().iter().any(is_again) {
            self.coverage.hit(Point::PausedAgain);
        }
        self.coverage.hit(Point::Paused);
        if paused.condition == Condition::AgeExceeded {
            self.coverage.hit(Point::PausedByAge);
        }
        let now = self.now();
        self.oracle.hear_of_a_pause(paused, now)?;
        self.call_operator();
        Ok(())
    }

    /// A track comes with this: somebody must decide about what waits.
    pub(super) fn expect_what_waits(&mut self, from: &Checkpoint) {
        let given_up = from.slices.iter().filter_map(|slice| slice.given_up.as_ref());
        if given_up.into_iter().any(|it| it.paused_since.is_some()) {
            self.coverage.hit(Point::PausedOverRestart);
            self.call_operator();
        }
    }

    fn call_operator(&mut self) {
        if std::mem::replace(&mut self.operator.comes, true) {
            return;
        }
        let decides_max_ms = self.options.decides_max_ms;
        let most_ms =
            if self.phase == Phase::Safety { decides_max_ms } else { decides_max_ms.min(HEALED_MAX_MS) };
        let in_ms = self.choices.pauses().between(1, most_ms.max(1));
        self.events.push(self.now_us + 1000 * u64::from(in_ms), Event::Decide);
    }

    /// A track is being closed: now and then the operator comes just then.
    pub(super) fn look_now(&mut self) {
        if self.oracle.anything_waits() && self.choices.pauses().chance(500) {
            self.operator.comes = true;
            self.events.push(self.now_us + 1, Event::Decide);
        }
    }

    /// The operator looks at what waits and decides about one of it.
    pub(super) fn visit(&mut self) -> Result<(), Violation> {
        self.operator.comes = false;
        // Whatever lives next brings what waits along.
        let Some(machine) = self.machine.as_ref() else { return Ok(()) };
        let list = machine.paused();
        if !self.is_closing() {
            self.oracle.e1_the_list_is_right(&list, machine.n_paused())?;
        }
        if !list.is_empty() {
            let at = self.choices.pauses().below(u32::try_from(list.len()).expect("worlds are small"));
            let paused = &list[at as usize];
            let decision = self.draw_decision();
            self.decide_about(paused, decision)?;
            if self.choices.pauses().chance(200) {
                let decision = self.draw_decision();
                self.decide_in_vain(paused, decision)?;
            }
        }
        if self.oracle.anything_waits() {
            self.call_operator();
        }
        Ok(())
    }

    fn draw_decision(&mut self) -> Decision {
        self.choices.pauses().pick(&[Decision::Skip, Decision::Retry, Decision::Send])
    }

    /// E-2: what waits can be decided about, unless it is being closed or there is nobody to send it to.
    fn decide_about(&mut self, paused: &Paused, decision: Decision) -> Result<(), Violation> {
        let is_of_closed = |record: &forebay_batcher::Record| matches!(record.place, Place::Track(track, _) if self.oracle.is_closed(track));
        let is_closing = self.is_closing() || paused.slice.records().iter().any(is_of_closed);
        // What is left of the same batch may be of a track that is being closed.
        let may_be_closing =
            self.oracle.mixes_tracks && self.oracle.owners.keys().any(|track| self.oracle.is_closed(*track));
        let answer = self.tell_decision(paused, decision);
        let is_so = match answer {
            Ok((id, n_records)) => {
                self.coverage.hit(match decision {
                    Decision::Skip => Point::Skipped,
                    Decision::Retry => Point::TriedForOperator,
                    Decision::Send => Point::SentByOperator,
                });
                self.oracle.hear_of_a_decision(id, paused, decision, self.now_us);
                n_records == paused.slice.n_records()
                    && !is_closing
                    && (decision != Decision::Send || self.plan.has_destination)
            }
            Err(Undecided::Closing) => {
                self.coverage.hit(Point::DecidedAtClose);
                is_closing || may_be_closing
            }
            Err(Undecided::NoDestination) => {
                self.coverage.hit(Point::SentToNobody);
                decision == Decision::Send && !self.plan.has_destination
            }
            Err(Undecided::NotPaused) => false,
        };
        holds(Rule::E2, is_so, || format!("{decision:?} about {:?} is answered {answer:?}", paused.first))
    }

    /// E-2: once decided it does not wait any more, and a second decision changes nothing.
    fn decide_in_vain(&mut self, paused: &Paused, decision: Decision) -> Result<(), Violation> {
        let waits = self.machine.as_ref().is_some_and(|machine| {
            machine.paused().iter().any(|it| (it.track, &it.first) == (paused.track, &paused.first))
        });
        if waits {
            return Ok(());
        }
        self.coverage.hit(Point::DecidedInVain);
        let answer = self.tell_decision(paused, decision);
        let is_so = matches!(answer, Err(Undecided::NotPaused));
        holds(Rule::E2, is_so, || {
            format!("{decision:?} about {:?}, decided before, is {answer:?}", paused.first)
        })
    }

    fn tell_decision(
        &mut self,
        paused: &Paused,
        decision: Decision,
    ) -> Result<(DecisionId, usize), Undecided> {
        self.operator.n_decisions += 1;
        let id = DecisionId(self.operator.n_decisions);
        self.trace.note(&[24, id.0, decision as u64], || {
            format!("{:>12} {decision:?} {} at {:?} of {:?}", self.now_us, id.0, paused.first, paused.track)
        });
        let now = self.now();
        let machine = self.machine.as_mut().ok_or(Undecided::NotPaused)?;
        machine.handle_decision(id, (paused.track, &paused.first), decision, now).map(|n| (id, n))
    }

    /// What is used up waits from now on, or does not any more; what waits goes on waiting.
    pub(super) fn change_pauses(&mut self, plan: &mut Plan) {
        self.coverage.hit(Point::PausesChanged);
        plan.retry.on_exhausted = match plan.retry.on_exhausted {
            OnExhausted::GiveUp => OnExhausted::Pause,
            OnExhausted::Pause => OnExhausted::GiveUp,
        };
    }
}
