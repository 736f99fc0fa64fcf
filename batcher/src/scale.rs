//! How many receives of a queue run at once: more while messages come, fewer when it is empty or the function
//! fails.

use crate::plan::QueuePlan;
use crate::time::Tick;

/// Thousandths of a receive, so that growth per microsecond stays exact without floating point.
const ONE: u64 = 1_000;
/// On failure or throttle the number falls to seven tenths, at most once a second.
const DECREASE_TENTHS: u64 = 7;
const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;

/// How many receives of a queue run at once.
#[derive(Debug)]
pub(crate) struct Scale {
    level: u64,
    grown: Tick,
    decreased: Option<Tick>,
}

impl Scale {
    pub(crate) fn new(plan: &QueuePlan) -> Self {
        Self { level: u64::from(plan.pollers_start.get()) * ONE, grown: Tick::default(), decreased: None }
    }

    /// How many may run now.
    pub(crate) fn target(&self, plan: &QueuePlan) -> usize {
        let level = self
            .level
            .clamp(u64::from(plan.pollers_min.get()) * ONE, u64::from(plan.pollers_max.get()) * ONE);
        usize::try_from(level / ONE).unwrap_or(usize::MAX)
    }

    /// A receive brought messages.
    pub(crate) fn brought(&mut self, plan: &QueuePlan, now: Tick) {
        // A queue that was quiet for long has earned no leap by that: it grows as if it had begun a second
        // ago.
        let elapsed = now.0.saturating_sub(self.grown.0).min(SECOND);
        self.grown = now;
        let start = u64::from(plan.pollers_start.get().min(plan.pollers_max.get())) * ONE;
        let grown = self.level + u64::from(plan.pollers_growth.get()) * ONE * elapsed / MINUTE;
        // Receives that were open when the function failed still bring messages, and must not undo the
        // decrease.
        let is_resting = self.decreased.is_some_and(|at| now.0.saturating_sub(at.0) < SECOND);
        self.level = if is_resting {
            self.level
        } else {
            grown.max(start).min(u64::from(plan.pollers_max.get()) * ONE)
        };
    }

    /// A receive waited to its end and brought nothing.
    pub(crate) fn was_empty(&mut self, plan: &QueuePlan) {
        self.level = self.level.saturating_sub(ONE).max(u64::from(plan.pollers_min.get()) * ONE);
    }

    /// The function failed or was not reached.
    pub(crate) fn failed(&mut self, plan: &QueuePlan, now: Tick) {
        if self.decreased.is_none_or(|at| now.0.saturating_sub(at.0) >= SECOND) {
            self.decreased = Some(now);
            self.level = (self.level * DECREASE_TENTHS / 10).max(u64::from(plan.pollers_min.get()) * ONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_grows_by_three_hundred_a_minute_up_to_the_maximum() {
        let plan = plan(5, 1_250);
        let mut scale = Scale::new(&plan);
        for second in 1..=60 {
            scale.brought(&plan, Tick(second * SECOND));
        }
        assert_eq!(scale.target(&plan), 305);
        (61..1_000).for_each(|second| scale.brought(&plan, Tick(second * SECOND)));
        assert_eq!(scale.target(&plan), 1_250);
    }

    #[test]
    fn an_empty_queue_takes_it_to_the_minimum_and_a_message_back_to_the_start() {
        let plan = plan(5, 10);
        let mut scale = Scale::new(&plan);
        (0..20).for_each(|_| scale.was_empty(&plan));
        assert_eq!(scale.target(&plan), 1);
        scale.brought(&plan, Tick(1));
        assert_eq!(scale.target(&plan), 5);
    }

    #[test]
    fn failures_take_three_tenths_at_most_once_a_second() {
        let plan = plan(10, 10);
        let mut scale = Scale::new(&plan);
        scale.failed(&plan, Tick(0));
        scale.failed(&plan, Tick(10));
        assert_eq!(scale.target(&plan), 7);
        scale.failed(&plan, Tick(SECOND));
        assert_eq!(scale.target(&plan), 4);
    }

    fn plan(start: u32, max: u32) -> QueuePlan {
        let count = |n| NonZeroU32::new(n).expect("not zero");
        QueuePlan {
            receive_max: count(10),
            wait_max: Duration::from_secs(20),
            visibility: Some(Duration::from_secs(30)),
            retry_after: None,
            pollers_start: count(start),
            pollers_max: count(max),
            pollers_min: count(1),
            pollers_growth: count(300),
            batches_max: count(max),
        }
    }
}
