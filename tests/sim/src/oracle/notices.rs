//! W-2 and R-3: what may be given up, and what a destination may get.

use forebay_batcher::{Condition, Discard, Notice, Now, Rule, Slice};

use super::truth::Poison;
use super::{Oracle, Violation, holds};

impl Oracle {
    /// W-2: records are given up only when a limit says so.
    pub(crate) fn w2_only_what_a_limit_gives_up_is_given_up(&self, condition: Condition, slice: &Slice, now: Now) -> Result<(), Violation> {
        for record in slice.records() {
            let entry = &self.entries[self.entry_of(record)];
            let truth = &self.truths[entry.uid as usize];
            holds(Rule::W2, !entry.finished, || format!("record {} is given up after it was finished", entry.uid))?;
            holds(Rule::W2, !entry.in_flight, || format!("record {} is given up while it is tried", entry.uid))?;
            let justified = entry.given_up
                || self.plans.iter().any(|plan| match condition {
                    Condition::RetriesExhausted => plan.retry.retries_max.is_some_and(|max| entry.spent > max),
                    Condition::AgeExceeded => {
                        self.clock_steps || plan.retry.record_age_max.is_some_and(|max| truth.arrival.age(now.unix) > max)
                    }
                    Condition::PayloadTooLarge => {
                        entry.too_large || plan.envelope_bytes + u64::from(record.section.bytes) + record.n_bytes() > plan.batch.bytes_max
                    }
                });
            holds(Rule::W2, justified, || {
                format!("record {} is given up as {}, after {} failures", entry.uid, condition.as_str(), entry.spent)
            })?;
        }
        Ok(())
    }

    /// W-2: one notice at a time asks for a record, and only where there is a destination.
    pub(crate) fn w2_a_notice_goes_to_a_destination_once_at_a_time(&self, notice: &Notice) -> Result<(), Violation> {
        holds(Rule::W2, self.plan().has_destination, || "a notice without a destination".to_owned())?;
        for record in notice.slice.records() {
            let entry = &self.entries[self.entry_of(record)];
            holds(Rule::W2, !entry.noticing, || format!("record {} is in two notices at once", entry.uid))?;
        }
        Ok(())
    }

    /// W-2: records are discarded only where a setting says so.
    pub(crate) fn w2_a_setting_discards(&self, discard: &Discard) -> Result<(), Violation> {
        let dropping = self.plans.iter().any(|plan| plan.retry.drop_after_destination_failures.is_some());
        holds(Rule::W2, !self.plan().has_destination || dropping, || {
            format!("{} records are discarded although there is a destination", discard.slice.n_records())
        })
    }

    /// if failures are a pure function of the record, the destination gets exactly the poison.
    pub(crate) fn r3_the_destination_gets_exactly_the_poison(&self) -> Result<(), Violation> {
        for (uid, truth) in self.truths.iter().enumerate().filter(|(_, truth)| truth.wanted) {
            let poison = truth.poison == Poison::Stays;
            holds(Rule::R3, poison == (truth.n_taken > 0), || {
                format!("record {uid}: poison {poison}, taken by the destination {} times", truth.n_taken)
            })?;
        }
        Ok(())
    }

    /// at a bounded number of calls: for k poison records among n, k·(2·log2 n + attempts), one for each batch, and what crashes repeat.
    pub(crate) fn r3_poison_costs_a_bounded_number_of_calls(&self, n_extra: u64) -> Result<(), Violation> {
        let n_wanted = self.truths.iter().filter(|truth| truth.wanted).count() as u64;
        let n_poison = self.truths.iter().filter(|truth| truth.wanted && truth.poison == Poison::Stays).count() as u64;
        let log = u64::from(self.plan().batch.records_max.get().next_power_of_two().ilog2());
        let attempts = u64::from(self.plan().retry.retries_max.unwrap_or(0)) + 1;
        let most = n_wanted + n_poison * (2 * log + attempts) + n_extra;
        holds(Rule::R3, self.n_calls <= most, || format!("{} calls where {most} do, for {n_poison} poison of {n_wanted}", self.n_calls))
    }
}
