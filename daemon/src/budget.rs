//! The bytes that records may take in memory: a guaranteed share for each mapping, and a common rest that is
//! lent in steps to who needs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::lock::lock;

/// The rest is lent in steps of this size.
const STEP: u64 = 4 << 20;
const STEP_LENT: i64 = 4 << 20;
/// What a mapping is given unasked at most.
const SHARE_MAX: u64 = 64 << 20;

/// How much there is and how it is divided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Division {
    share: u64,
    /// What is left beside the shares.
    rest: u64,
}

/// One budget for all mappings of the process.
#[derive(Debug, Default)]
pub struct Budget {
    division: std::sync::Mutex<Division>,
    share: AtomicU64,
    /// What may be lent yet; negative while more is lent than a new division has.
    rest: AtomicI64,
}

/// The shares together are more than the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "memory_budget_mb is {budget_mb} and {n_mappings} mappings are guaranteed {share_mb} MB each: {needed_mb} MB are needed"
)]
pub struct BudgetTooSmall {
    budget_mb: u64,
    n_mappings: u64,
    share_mb: u64,
    needed_mb: u64,
}

impl Division {
    /// `bytes` with a guaranteed share for each of `n_mappings`; where none is said, half of all is divided,
    /// so that many mappings fit into a small budget and those that are busy borrow the other half.
    ///
    /// # Errors
    /// The shares that were said do not fit.
    pub fn new(bytes: u64, share: Option<u64>, n_mappings: usize) -> Result<Self, BudgetTooSmall> {
        let n_mappings = n_mappings as u64;
        let share = share.unwrap_or_else(|| (bytes / 2 / n_mappings.max(1)).min(SHARE_MAX));
        let needed = share.saturating_mul(n_mappings);
        let mb = |it: u64| it.div_ceil(1 << 20);
        let rest = bytes.checked_sub(needed).ok_or_else(|| BudgetTooSmall {
            budget_mb: mb(bytes),
            n_mappings,
            share_mb: mb(share),
            needed_mb: mb(needed),
        })?;
        Ok(Self { share, rest })
    }
}

impl Budget {
    /// A budget of `bytes` with a guaranteed share for each of `n_mappings`.
    ///
    /// # Errors
    /// The shares do not fit.
    pub fn new(bytes: u64, share: Option<u64>, n_mappings: usize) -> Result<Arc<Self>, BudgetTooSmall> {
        let budget = Arc::new(Self::default());
        budget.divide(Division::new(bytes, share, n_mappings)?);
        Ok(budget)
    }

    /// Divides it anew. What is lent stays lent and comes back as its records are finished; nothing more is
    /// lent before that.
    pub fn divide(&self, division: Division) {
        let former = std::mem::replace(&mut *lock(&self.division), division);
        self.share.store(division.share, Ordering::Relaxed);
        // By the difference: what is lent stays counted as lent.
        self.rest.fetch_add(signed(division.rest) - signed(former.rest), Ordering::Relaxed);
    }

    /// One mapping's allowance: its share, and what it borrows.
    pub fn allowance(self: &Arc<Self>) -> Allowance {
        let told = self.share.load(Ordering::Relaxed);
        Allowance { budget: Arc::clone(self), borrowed: 0, told }
    }
}

/// What one mapping may hold. Dropping it gives back what was borrowed.
#[derive(Debug)]
pub struct Allowance {
    budget: Arc<Budget>,
    borrowed: u64,
    told: u64,
}

impl Allowance {
    /// What may be held since the last fitting.
    pub fn bytes(&self) -> u64 {
        self.told
    }

    /// Fits the allowance to what is held: a step more when less than half a step (of a small share: half of
    /// it) is free and the rest has one, a step less when two would stay free, nothing is held or more is
    /// lent than there is. `true` when it changed, or its share did.
    pub fn fit(&mut self, held_bytes: u64) -> bool {
        let rest = &self.budget.rest;
        let share = self.budget.share.load(Ordering::Relaxed);
        let free = (share + self.borrowed).saturating_sub(held_bytes);
        // A new division had less to lend than is out: whoever can gives back, before anybody borrows.
        let is_overdrawn = rest.load(Ordering::Relaxed) < 0;
        if self.borrowed > 0 && (free >= 3 * STEP || held_bytes == 0 || is_overdrawn) {
            self.borrowed -= STEP;
            rest.fetch_add(STEP_LENT, Ordering::Relaxed);
        } else if free < (STEP / 2).min(share.div_ceil(2)) {
            // Looked at and taken in one step, or two mappings could both have the last one.
            let lend = |rest: i64| (rest >= STEP_LENT).then(|| rest - STEP_LENT);
            let took = rest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lend).is_ok();
            self.borrowed += if took { STEP } else { 0 };
        }
        let told = std::mem::replace(&mut self.told, share + self.borrowed);
        told != self.told
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        self.budget.rest.fetch_add(signed(self.borrowed), Ordering::Relaxed);
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    #[test]
    fn a_mapping_borrows_the_rest_and_never_anothers_share() {
        let budget = Budget::new(28 * MB, Some(10 * MB), 2).unwrap();
        let (mut greedy, mut modest) = (budget.allowance(), budget.allowance());
        assert!(greedy.fit(9 * MB) && greedy.fit(13 * MB), "the rest has two steps");
        assert_eq!(greedy.bytes(), 18 * MB);
        assert!(!greedy.fit(18 * MB), "the rest is lent out");
        assert!(!modest.fit(10 * MB));
        assert_eq!(modest.bytes(), 10 * MB, "its share stays its own");
        assert!(greedy.fit(6 * MB), "what is not needed goes back");
        assert!(modest.fit(10 * MB));
        drop((greedy, modest));
        assert_eq!(budget.rest.load(Ordering::Relaxed), 8 << 20);
    }

    #[test]
    fn a_new_division_changes_shares_and_takes_back_what_is_lent_beyond_it() {
        let budget = Budget::new(28 * MB, Some(10 * MB), 2).unwrap();
        let mut greedy = budget.allowance();
        assert!(greedy.fit(9 * MB) && greedy.fit(13 * MB));
        budget.divide(Division::new(28 * MB, Some(8 * MB), 3).unwrap());
        assert!(greedy.fit(18 * MB), "four megabytes are left beside three shares, and eight are lent");
        assert_eq!(greedy.bytes(), 12 * MB);
        assert!(!greedy.fit(18 * MB), "nothing more is lent");
        drop(greedy);
        assert_eq!(budget.rest.load(Ordering::Relaxed), 4 << 20);
    }

    #[test]
    fn a_thousand_mappings_fit_into_a_small_budget_and_only_busy_ones_borrow() {
        let budget = Budget::new(256 * MB, None, 1_000).unwrap();
        let (mut idle, mut busy) = (budget.allowance(), budget.allowance());
        assert!(!idle.fit(0) && !idle.fit(10_000));
        assert!(busy.fit(100_000), "more than half of its share is taken");
        assert_eq!(busy.bytes(), 128 * MB / 1_000 + STEP);
        assert!(!busy.fit(MB) && busy.fit(0), "what nobody needs goes back");
        assert_eq!(Division::new(256 * MB, None, 1).map(|it| it.share), Ok(64 * MB));
    }

    #[test]
    fn shares_that_do_not_fit_are_refused() {
        assert!(Budget::new(20 * MB, Some(10 * MB), 2).is_ok());
        let refused = Budget::new(20 * MB, Some(10 * MB), 3).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "memory_budget_mb is 20 and 3 mappings are guaranteed 10 MB each: 30 MB are needed"
        );
    }
}
