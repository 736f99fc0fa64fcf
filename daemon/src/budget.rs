//! The bytes that records may take in memory: a guaranteed share for each mapping, and a common rest that is lent in steps to who needs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The rest is lent in steps of this size.
const STEP: u64 = 4 << 20;

/// One budget for all mappings of the process.
#[derive(Debug)]
pub struct Budget {
    share: u64,
    rest: AtomicU64,
}

/// The shares together are more than the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("memory_budget_mb is {budget_mb} and {n_mappings} mappings are guaranteed {share_mb} MB each: {needed_mb} MB are needed")]
pub struct BudgetTooSmall {
    budget_mb: u64,
    n_mappings: u64,
    share_mb: u64,
    needed_mb: u64,
}

impl Budget {
    /// A budget of `bytes` with a guaranteed share for each of `n_mappings`.
    ///
    /// # Errors
    /// The shares do not fit.
    pub fn new(bytes: u64, share: u64, n_mappings: usize) -> Result<Arc<Self>, BudgetTooSmall> {
        let n_mappings = n_mappings as u64;
        let needed = share.saturating_mul(n_mappings);
        let mb = |it: u64| it.div_ceil(1 << 20);
        let rest = bytes.checked_sub(needed).ok_or_else(|| BudgetTooSmall {
            budget_mb: mb(bytes),
            n_mappings,
            share_mb: mb(share),
            needed_mb: mb(needed),
        })?;
        Ok(Arc::new(Self { share, rest: AtomicU64::new(rest) }))
    }

    /// One mapping's allowance: its share, and what it borrows.
    pub fn allowance(self: &Arc<Self>) -> Allowance {
        Allowance { budget: Arc::clone(self), borrowed: 0 }
    }
}

/// What one mapping may hold. Dropping it gives back what was borrowed.
#[derive(Debug)]
pub struct Allowance {
    budget: Arc<Budget>,
    borrowed: u64,
}

impl Allowance {
    /// What may be held now.
    pub fn bytes(&self) -> u64 {
        self.budget.share + self.borrowed
    }

    /// Fits the allowance to what is held: a step more when less than half a step is free and the rest has one, a step less when two would
    /// stay free. `true` when it changed.
    pub fn fit(&mut self, held_bytes: u64) -> bool {
        let free = self.bytes().saturating_sub(held_bytes);
        if free < STEP / 2 {
            let took = self.budget.rest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |rest| rest.checked_sub(STEP)).is_ok();
            self.borrowed += if took { STEP } else { 0 };
            took
        } else if self.borrowed > 0 && free >= 3 * STEP {
            self.borrowed -= STEP;
            self.budget.rest.fetch_add(STEP, Ordering::Relaxed);
            true
        } else {
            false
        }
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        self.budget.rest.fetch_add(self.borrowed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    #[test]
    fn a_mapping_borrows_the_rest_and_never_anothers_share() {
        let budget = Budget::new(28 * MB, 10 * MB, 2).unwrap();
        let (mut greedy, mut modest) = (budget.allowance(), budget.allowance());
        assert!(greedy.fit(9 * MB) && greedy.fit(13 * MB), "the rest has two steps");
        assert_eq!(greedy.bytes(), 18 * MB);
        assert!(!greedy.fit(18 * MB), "the rest is lent out");
        assert!(!modest.fit(10 * MB));
        assert_eq!(modest.bytes(), 10 * MB, "its share stays its own");
        assert!(greedy.fit(6 * MB), "what is not needed goes back");
        assert!(modest.fit(10 * MB));
        drop((greedy, modest));
        assert_eq!(budget.rest.load(Ordering::Relaxed), 8 * MB);
    }

    #[test]
    fn shares_that_do_not_fit_are_refused() {
        assert!(Budget::new(20 * MB, 10 * MB, 2).is_ok());
        let refused = Budget::new(20 * MB, 10 * MB, 3).unwrap_err();
        assert_eq!(refused.to_string(), "memory_budget_mb is 20 and 3 mappings are guaranteed 10 MB each: 30 MB are needed");
    }
}
