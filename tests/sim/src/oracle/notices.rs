//! W-2 and R-3: what may be given up, and what a destination may get.

use std::time::Duration;

use forebay_batcher::{Condition, Discard, Notice, Now, Record, Rule, Slice};

use super::truth::Poison;
use super::{Oracle, Violation, holds};

impl Oracle {
    /// W-2: records are given up only when a limit says so.
    pub(crate) fn w2_only_what_a_limit_gives_up_is_given_up(
        &self,
        condition: Condition,
        slice: &Slice,
        now: Now,
    ) -> Result<(), Violation> {
        for record in slice.records() {
            let entry = &self.entries[self.entry_of(record)];
            holds(Rule::W2, !entry.finished, || {
                format!("record {} is given up after it was finished", entry.uid)
            })?;
            holds(Rule::W2, !entry.in_flight, || {
                format!("record {} is given up while it is tried", entry.uid)
            })?;
            let justified = self.is_justified(self.entry_of(record), condition, Some(record), now);
            holds(Rule::W2, justified, || {
                format!(
                    "record {} is given up as {}, after {} failures",
                    entry.uid,
                    condition.as_str(),
                    entry.spent
                )
            })?;
        }
        Ok(())
    }

    /// A limit gives this record up: its batch's own, or where nobody can tell one of those that there were.
    pub(super) fn is_justified(
        &self,
        entry: usize,
        condition: Condition,
        record: Option<&Record>,
        now: Now,
    ) -> bool {
        let (held, truth) = (&self.entries[entry], self.truth_of(entry));
        let plans = || self.plans.iter().map(|plan| &plan.retry);
        held.given_up
            || match condition {
                Condition::RetriesExhausted => match held.limits {
                    Some(limits) => limits.retries_max.is_some_and(|max| held.spent > max),
                    None => plans().any(|retry| retry.retries_max.is_some_and(|max| held.spent > max)),
                },
                Condition::Rejected => held.rejected,
                Condition::AgeExceeded if held.is_pardoned => false,
                Condition::AgeExceeded => {
                    let age = truth.arrival.age(now.unix);
                    let is_over = |max: Option<Duration>| max.is_some_and(|max| age > max);
                    self.clock_steps
                        || match held.limits {
                            Some(limits) => is_over(limits.age_max_ms.map(Duration::from_millis)),
                            None => plans().any(|retry| is_over(retry.record_age_max)),
                        }
                }
                Condition::SchemaNotFound | Condition::NotDecoded => {
                    record.is_some_and(|record| record.section.unreadable == Some(condition))
                }
                Condition::PayloadTooLarge => {
                    let section_bytes = record.map_or(12, |record| u64::from(record.section.bytes));
                    let n_bytes = section_bytes + u64::from(truth.n_bytes.max(4));
                    held.too_large
                        || self.plans.iter().any(|plan| plan.envelope_bytes + n_bytes > plan.batch.bytes_max)
                }
            }
    }

    /// W-2: one notice at a time asks for a record, and only where there is a destination.
    pub(crate) fn w2_a_notice_goes_to_a_destination_once_at_a_time(
        &self,
        notice: &Notice,
    ) -> Result<(), Violation> {
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

    /// at a bounded number of calls: for k poison records among n, k·(2·log2 n + attempts), one for each
    /// batch, and what crashes repeat.
    pub(crate) fn r3_poison_costs_a_bounded_number_of_calls(&self, n_extra: u64) -> Result<(), Violation> {
        let n_wanted = self.truths.iter().filter(|truth| truth.wanted).count() as u64;
        let n_poison =
            self.truths.iter().filter(|truth| truth.wanted && truth.poison == Poison::Stays).count() as u64;
        let log = u64::from(self.plan().batch.records_max.get().next_power_of_two().ilog2());
        let attempts = u64::from(self.plan().retry.retries_max.unwrap_or(0)) + 1;
        let most = n_wanted + n_poison * (2 * log + attempts) + n_extra;
        holds(Rule::R3, self.n_calls <= most, || {
            format!("{} calls where {most} do, for {n_poison} poison of {n_wanted}", self.n_calls)
        })
    }
}
