//! How many retries all calls of a client may spend together, and how long it pauses before one: as AWS's SDK
//! has it, so that a service that is down is not asked ever more.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const TOKENS_MAX: u32 = 500;
/// The bound of the first pause; each further one has twice that.
const FIRST_MAX: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// What a retry takes of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryCost {
    /// The service answered, and asked for it.
    Asked,
    /// No answer of use came.
    Lost,
}

impl RetryCost {
    fn tokens(self) -> u32 {
        match self {
            Self::Asked => 5,
            Self::Lost => 10,
        }
    }
}

/// What is left for retries. A call that works gives back what the last retry took, or else one token.
#[derive(Debug)]
pub(super) struct RetryBudget {
    left: AtomicU32,
    /// What the last retry took, until a call works.
    last: AtomicU32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { left: AtomicU32::new(TOKENS_MAX), last: AtomicU32::new(0) }
    }
}

impl RetryBudget {
    /// Whether there is enough for a retry, which is taken then.
    pub(super) fn take(&self, cost: RetryCost) -> bool {
        let tokens = cost.tokens();
        let taken =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(tokens));
        if taken.is_ok() {
            self.last.store(tokens, Ordering::Relaxed);
        }
        taken.is_ok()
    }

    /// A call worked.
    pub(super) fn worked(&self) {
        let tokens = self.last.swap(0, Ordering::Relaxed).max(1);
        // Always some, so always taken.
        let _left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_add(tokens).min(TOKENS_MAX))
        });
    }
}

/// How long to pause after so many tries that failed, at least one: a part of a bound that doubles, or what
/// the service asked for. `part` is at least 0 and below 1.
pub(super) fn pause(n_tries: u32, asked: Option<Duration>, part: f64) -> Duration {
    let bound = FIRST_MAX.saturating_mul(2_u32.saturating_pow(n_tries.saturating_sub(1))).min(PAUSE_MAX);
    asked.map_or_else(|| bound.mul_f64(part), |it| it.min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_end_with_the_budget_and_what_works_fills_it_up() {
        let budget = RetryBudget::default();
        assert_eq!((0..100).filter(|_| budget.take(RetryCost::Lost)).count(), 50);
        assert!(!budget.take(RetryCost::Asked));
        budget.worked();
        assert!(budget.take(RetryCost::Asked) && budget.take(RetryCost::Asked), "ten came back");
        budget.worked();
        assert!(budget.take(RetryCost::Asked) && !budget.take(RetryCost::Asked), "five came back");
        (0..5).for_each(|_| budget.worked());
        assert!(budget.take(RetryCost::Asked) && !budget.take(RetryCost::Lost), "nine came back");
        (0..1_000).for_each(|_| budget.worked());
        assert_eq!((0..200).filter(|_| budget.take(RetryCost::Asked)).count(), 100);
    }

    #[test]
    fn pauses_double_up_to_a_bound_unless_the_service_says_how_long() {
        let second = Duration::from_secs(1);
        assert_eq!([1, 2, 3].map(|n| pause(n, None, 0.5)), [second / 2, second, second * 2]);
        assert_eq!([6, 99].map(|n| pause(n, None, 0.5)), [second * 10; 2]);
        assert_eq!(pause(1, None, 0.0), Duration::ZERO);
        assert_eq!([3, 60].map(|n| pause(1, Some(second * n), 0.0)), [second * 3, second * 20]);
    }
}
