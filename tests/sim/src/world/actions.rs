//! What the machine asks for, carried out.

use forebay_batcher::{Action, Machine, Place, Rule};

use super::World;
use crate::coverage::Point;
use crate::oracle::{Closing, Violation, holds};

impl World {
    /// Carries out one action.
    pub(super) fn act(&mut self, action: Action) -> Result<(), Violation> {
        if !matches!(action, Action::Return(_)) {
            self.oracle.c1_nothing_happens_after_abandon("an action")?;
        }
        match action {
            Action::Read(order) => {
                self.oracle.c1_nothing_begins_after_a_close("a read")?;
                let owner = order.track;
                self.trace.note(&[10, order.id.0, u64::from(order.records_max)], || {
                    format!("{:>12}   -> {order:?}", self.now_us)
                });
                match owner {
                    Some(owner) => self.read_track(order, owner),
                    None => self.receive(order),
                }
            }
            Action::Want(n) => {
                self.trace.note(&[11, u64::from(n)], || format!("{:>12}   -> want {n}", self.now_us));
                self.gate_wants(n);
                Ok(())
            }
            Action::Invoke(slot, attempt) => {
                let n_records = attempt.slice.n_records() as u64;
                self.trace.note(&[12, slot.0, attempt.id.0, n_records], || {
                    format!(
                        "{:>12}   -> invoke {} {:?} {}",
                        self.now_us,
                        attempt.id.0,
                        attempt.why,
                        words(attempt.slice.records())
                    )
                });
                self.invoke(slot, &attempt)
            }
            Action::Return(slot) => {
                self.trace.note(&[13, slot.0], || format!("{:>12}   -> return slot {}", self.now_us, slot.0));
                let known = self.oracle.slots.iter().position(|granted| *granted == slot);
                holds(Rule::G1, known.is_some(), || format!("{slot:?} comes back, which was not granted"))?;
                self.oracle.slots.retain(|granted| *granted != slot);
                self.coverage.hit(Point::SlotReturned);
                self.gate_takes_back();
                Ok(())
            }
            Action::Deliver(notice) => {
                self.trace.note(&[14, notice.id.0, notice.slice.n_records() as u64], || {
                    format!(
                        "{:>12}   -> deliver {} {:?} {}",
                        self.now_us,
                        notice.id.0,
                        notice.condition,
                        words(notice.slice.records())
                    )
                });
                self.deliver(&notice)
            }
            Action::Discarded(discard) => {
                self.trace.note(&[15, discard.slice.n_records() as u64], || {
                    format!(
                        "{:>12}   -> discarded {:?} {}",
                        self.now_us,
                        discard.condition,
                        words(discard.slice.records())
                    )
                });
                self.discard(&discard)
            }
            Action::Paused(paused) => {
                self.trace.note(&[25, paused.slice.n_records() as u64], || {
                    format!(
                        "{:>12}   -> paused {:?} {}",
                        self.now_us,
                        paused.condition,
                        words(paused.slice.records())
                    )
                });
                self.pause(&paused)
            }
            Action::Decided(id) => {
                self.trace.note(&[26, id.0], || format!("{:>12}   -> decided {}", self.now_us, id.0));
                self.oracle.e2_a_decision_is_durable(id, &self.store.synced)
            }
            Action::Commit(id, owner, checkpoint) => {
                self.trace.note(&[16, id.0, u64::from(owner.0), checkpoint.slices.len() as u64], || {
                    format!("{:>12}   -> commit {} of {}: {}", self.now_us, id.0, owner.0, brief(&checkpoint))
                });
                self.commit(id, owner, checkpoint)
            }
            Action::Settle(id, settlements) => {
                self.trace.note(&[17, id.0, settlements.len() as u64], || {
                    format!("{:>12}   -> settle {} {settlements:?}", self.now_us, id.0)
                });
                self.settle(id, settlements)
            }
            Action::Extend(id, receipts, span) => {
                self.trace.note(&[18, id.0, receipts.len() as u64], || {
                    format!("{:>12}   -> extend {} {receipts:?} by {span:?}", self.now_us, id.0)
                });
                self.extend(id, receipts, span)
            }
            Action::Ended(owner) => {
                self.trace.note(&[19, u64::from(owner.0)], || {
                    format!("{:>12}   -> ended {}", self.now_us, owner.0)
                });
                self.hear_of_an_end(owner)
            }
            Action::Durable(owner, reaches) => {
                self.trace.note(&[21, u64::from(owner.0)], || {
                    format!("{:>12}   -> durable {}: {reaches:?}", self.now_us, owner.0)
                });
                self.oracle.w5_what_is_told_is_durable(owner, reaches)
            }
            Action::Drained(owner, reaches) => {
                self.trace.note(&[22, u64::from(owner.0)], || {
                    format!("{:>12}   -> drained {}: {reaches:?}", self.now_us, owner.0)
                });
                self.hear_of_a_drain(owner, &reaches)
            }
        }
    }

    /// The machine has said all that it has to say now.
    pub(super) fn finish_drain(&mut self) -> Result<(), Violation> {
        if self.machine.is_none() {
            return Ok(());
        }
        holds(Rule::G1, self.oracle.slots.is_empty(), || {
            format!("slots {:?} are neither used nor returned", self.oracle.slots)
        })?;
        if self.oracle.is_queue {
            self.judge_the_drain()?;
        } else if self.oracle.closing != Closing::Abandoned {
            self.oracle.w4_what_is_finished_is_on_its_way()?;
            self.oracle.w5_what_is_durable_is_told()?;
            if !self.may_be_behind() {
                self.oracle.c2_a_closed_track_keeps_its_time(self.now_us)?;
            }
        }
        match self.oracle.closing {
            Closing::Open => Ok(()),
            Closing::Abandoned => {
                self.stop();
                Ok(())
            }
            Closing::Ending if self.machine.as_ref().is_some_and(Machine::is_quiet) => self.stop_cleanly(),
            Closing::Ending => Ok(()),
        }
    }
}

impl World {
    /// What the machine must have asked of its queue once it has said all.
    fn judge_the_drain(&mut self) -> Result<(), Violation> {
        match self.oracle.closing {
            Closing::Open if self.reads.is_empty() && !self.queue.is_failing => {
                self.oracle.q6_an_idle_machine_receives()
            }
            Closing::Open | Closing::Abandoned => Ok(()),
            Closing::Ending => {
                if self.oracle.q5_a_close_gives_back_what_does_not_run(
                    &self.queue.queue,
                    self.reads.len(),
                    self.now_us,
                )? {
                    self.coverage.hit(Point::KeptAtStop);
                }
                Ok(())
            }
        }
    }
}

/// Records by their numbers.
fn words(records: &[forebay_batcher::Record]) -> String {
    let words: Vec<String> = records
        .iter()
        .map(|record| {
            let uid = u32::from_le_bytes(record.bytes[..4].try_into().expect("bodies begin with a number"));
            match &record.place {
                Place::Track(track, _) => format!("{}:r{uid}", track.0),
                Place::Queue(place) => {
                    format!("r{uid}({})", String::from_utf8_lossy(&place.receipt.handle))
                }
            }
        })
        .collect();
    format!("[{}]", words.join(" "))
}

fn brief(checkpoint: &forebay_batcher::Checkpoint) -> String {
    let slices: Vec<String> = checkpoint
        .slices
        .iter()
        .map(|slice| {
            let given_up = match &slice.given_up {
                None if slice.is_age_pardoned => " tried for an operator",
                None => "",
                Some(it) if it.paused_since.is_some() => " paused",
                Some(_) => " given up",
            };
            format!(
                "{:?}..={:?} lane {} failures {} invokes {}{given_up}",
                slice.first, slice.last, slice.lane, slice.n_failures, slice.n_invokes
            )
        })
        .collect();
    format!(
        "{:?} finished {:?} slices {slices:?} ended {}",
        checkpoint.watermark, checkpoint.finished, checkpoint.ended
    )
}
