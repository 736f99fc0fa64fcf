//! A rate limit as a token bucket that may be in debt: when the next invocation may start. Pure: it is told
//! the time and sets no timer.

use std::time::Duration;

use crate::plan::{RatePlan, RateUnit};
use crate::time::Tick;

/// What was not used of this long may be made up for, so that a caller who wakes a little late loses nothing
/// of the rate.
const CAUGHT_UP: Duration = Duration::from_millis(100);

/// When the next invocation may start. What starts is paid for afterwards, so that a batch larger than a
/// second's worth can start at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rate {
    /// When what was taken is paid for.
    paid: Tick,
    /// Since when the rate grows; `None` until something was taken.
    grows_since: Option<Tick>,
}

impl Rate {
    /// When the next one may start; a tick that has passed means now.
    pub fn opens(&self) -> Tick {
        self.paid
    }

    /// An invocation with so many records starts.
    pub fn take(&mut self, plan: &RatePlan, n_records: usize, now: Tick) {
        let since = *self.grows_since.get_or_insert(now);
        let n_units = match plan.unit {
            RateUnit::Records => n_records as u128,
            RateUnit::Invocations => 1,
        };
        // Rounded up, so that what many small batches lose by it never adds up to more than the limit.
        let cost_us = (n_units * 1_000_000_000).div_ceil(per_thousand_seconds(plan, since.until(now)));
        let earliest =
            Tick(now.0.saturating_sub(u64::try_from(CAUGHT_UP.as_micros()).expect("a tenth of a second")));
        self.paid =
            self.paid.max(earliest).after(Duration::from_micros(u64::try_from(cost_us).unwrap_or(u64::MAX)));
    }

    /// The function was throttled: the rate grows anew.
    pub fn slow_down(&mut self, now: Tick) {
        self.grows_since = Some(now);
    }
}

/// How many units a thousand seconds let through, so long after the rate began to grow: a tenth of the limit
/// at first, all of it at the end.
fn per_thousand_seconds(plan: &RatePlan, grown: Duration) -> u128 {
    let full = u128::from(plan.per_second.get()) * 1_000;
    if grown >= plan.ramp {
        return full;
    }
    full / 10 + full * 9 / 10 * grown.as_micros() / plan.ramp.as_micros()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn invocations_are_spread_evenly_and_a_pause_makes_up_for_a_tenth_of_a_second_at_most() {
        let plan = plan(RateUnit::Invocations, 20, 0);
        assert_eq!(starts(&plan, &[1; 6], 0), [0, 0, 0, 50, 100, 150]);
        assert_eq!(starts(&plan, &[500; 4], 0), [0, 0, 0, 50], "records do not count");
        let mut rate = Rate::default();
        rate.take(&plan, 1, at(0));
        rate.take(&plan, 1, at(60_000));
        assert_eq!(rate.opens(), at(59_950));
    }

    #[test]
    fn a_batch_of_more_records_than_a_second_lets_through_starts_and_is_paid_for_afterwards() {
        let plan = plan(RateUnit::Records, 100, 0);
        assert_eq!(starts(&plan, &[250, 1, 10, 0], 0), [0, 2_400, 2_410, 2_510]);
    }

    #[test]
    fn a_rate_grows_from_a_tenth_to_all_of_it_and_anew_after_a_throttle() {
        let plan = plan(RateUnit::Invocations, 10, 100);
        let mut rate = Rate::default();
        let mut wait_after = |now: u64| {
            rate.take(&plan, 1, at(now));
            ms_of(rate.opens()) - now
        };
        // From the tenth of a second before it on: one a second at first, ten at the end.
        assert_eq!(wait_after(0), 900);
        assert_eq!(wait_after(50_000), 81);
        assert_eq!(wait_after(100_000), 0);
        assert_eq!(wait_after(500_000), 0);
        rate.slow_down(at(500_000));
        rate.take(&plan, 1, at(501_000));
        assert_eq!(ms_of(rate.opens()), 501_000 - 100 + 917);
    }

    #[test]
    fn the_slowest_and_the_fastest_rate_overflow_nothing() {
        let mut rate = Rate::default();
        rate.take(&plan(RateUnit::Records, 1, 3_600), usize::MAX, Tick(u64::MAX - 1));
        assert_eq!(rate.opens(), Tick(u64::MAX));
        let mut rate = Rate::default();
        rate.take(&plan(RateUnit::Invocations, u32::MAX, 0), 1, at(5));
        assert!(rate.opens() <= at(5));
    }

    /// When each of so many records starts, in milliseconds, each as soon as it may.
    fn starts(plan: &RatePlan, batches: &[usize], from_ms: u64) -> Vec<u64> {
        let (mut rate, mut now) = (Rate::default(), at(from_ms));
        let start = |n_records: &usize| {
            now = now.max(rate.opens());
            rate.take(plan, *n_records, now);
            ms_of(now)
        };
        batches.iter().map(start).collect()
    }

    fn plan(unit: RateUnit, per_second: u32, ramp_s: u64) -> RatePlan {
        RatePlan {
            unit,
            per_second: NonZeroU32::new(per_second).expect("not zero"),
            ramp: Duration::from_secs(ramp_s),
        }
    }

    /// A process has run for a while before its clock says zero here.
    fn at(ms: u64) -> Tick {
        Tick(1_000_000_000 + ms * 1_000)
    }

    fn ms_of(tick: Tick) -> u64 {
        (tick.0 - 1_000_000_000) / 1_000
    }
}
