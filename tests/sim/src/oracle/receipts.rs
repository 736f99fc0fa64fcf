//! what may happen to a receipt.

use forebay_batcher::{Rule, Settle, Settlement};

use super::truth::handle_number;
use super::{Oracle, Violation, holds};

impl Oracle {
    /// a receipt has at most one settlement open and at most one that took effect; nothing is deleted
    /// that was not finished.
    pub(crate) fn q1_a_receipt_is_settled_once_and_deleted_only_when_finished(
        &self,
        settlements: &[Settlement],
    ) -> Result<(), Violation> {
        let mut seen = Vec::new();
        for settlement in settlements {
            let idx = handle_number(&settlement.receipt.handle);
            let entry = &self.entries[idx];
            holds(Rule::Q1, !seen.contains(&idx), || {
                format!("receipt {idx} stands twice in one settlement")
            })?;
            seen.push(idx);
            holds(Rule::Q1, entry.life == self.life, || format!("receipt {idx} belongs to a former life"))?;
            holds(Rule::Q1, !entry.settling, || format!("receipt {idx} has two settlements open"))?;
            holds(Rule::Q1, !entry.settled, || format!("receipt {idx} is settled again"))?;
            holds(Rule::Q1, !entry.void, || format!("receipt {idx} is void and settled"))?;
            holds(Rule::Q1, !entry.in_flight, || {
                format!("receipt {idx} is settled while its message is tried")
            })?;
            holds(Rule::Q1, settlement.how != Settle::Delete || entry.finished, || {
                format!("receipt {idx} of record {} is deleted and was not finished", entry.uid)
            })?;
            holds(Rule::Q1, settlement.how == Settle::Delete || !entry.finished, || {
                format!("receipt {idx} of record {} is given back and was finished", entry.uid)
            })?;
        }
        Ok(())
    }

    /// a receipt that is void or settled is neither tried nor extended.
    pub(crate) fn q1_a_settled_receipt_rests(&self, entry: usize, what: &str) -> Result<(), Violation> {
        let held = &self.entries[entry];
        let alive = held.life == self.life && !held.settled && !held.void;
        holds(Rule::Q1, alive, || format!("receipt {entry} is {what} and is settled or void"))
    }
}
