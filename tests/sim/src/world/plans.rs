//! The operator changes the plan: a setting of it, the limits that stay with a batch, the number of lanes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Machine, Plan};

use super::{Phase, World};
use crate::coverage::Point;
use crate::options::{draw_length, draw_rate};

impl World {
    /// A new plan.
    pub(super) fn change_plan(&mut self) {
        if self.phase != Phase::Safety {
            return;
        }
        let mut plan = (*self.plan).clone();
        plan.generation += 1;
        if let Some(window) = plan.window.as_mut().filter(|_| self.choices.windows().chance(300)) {
            window.tumbling = draw_length(self.choices.windows());
            self.coverage.hit(Point::WindowLengthChanged);
        } else if self.options.pauses_change && self.choices.pauses().chance(500) {
            self.change_pauses(&mut plan);
        } else if plan.rate.is_some() && self.choices.beyond().chance(400) {
            plan.rate = Some(draw_rate(self.choices.beyond())).filter(|_| !self.choices.beyond().chance(200));
            self.coverage.hit(Point::RateChanged);
        } else if self.options.lanes_change && self.choices.latest().chance(700) {
            self.change_lanes(&mut plan);
        } else if self.options.wild_plans && self.choices.later().chance(600) {
            self.change_limits(&mut plan);
        } else {
            self.change_some(&mut plan);
        }
        self.take_plan(plan);
    }

    /// Another number of lanes, though something fails for ever.
    pub(super) fn change_lanes_all_the_same(&mut self) {
        let mut plan = (*self.plan).clone();
        plan.generation += 1;
        self.change_lanes(&mut plan);
        self.take_plan(plan);
        for track in 0..self.tracks.len() {
            for _ in 0..3 {
                self.append_or_send(track);
            }
        }
    }

    fn change_lanes(&mut self, plan: &mut Plan) {
        plan.lanes = count(self.choices.latest().pick(&[1, 2, 3, 5, 8]));
        self.coverage.hit(Point::LanesChanged);
        if self.is_in_retry() {
            self.coverage.hit(Point::LanesChangedInRetry);
        }
    }

    fn take_plan(&mut self, plan: Plan) {
        self.coverage.hit(Point::PlanChanged);
        self.trace.note(&[9, plan.generation], || format!("{:>12} plan {plan:?}", self.now_us));
        self.plan = Arc::new(plan);
        self.oracle.plans.push(Arc::clone(&self.plan));
        self.oracle.plan_changed = true;
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_plan(Arc::clone(&self.plan), now);
        }
        self.pump_gate();
    }

    fn change_some(&mut self, plan: &mut Plan) {
        match self.choices.below(6) {
            0 => plan.batch.records_max = count(self.choices.pick(&[1, 2, 4, 20])),
            1 => plan.batch.window = Duration::from_millis(self.choices.pick(&[0, 500, 3000])),
            2 if !self.oracle.is_queue => {
                plan.lanes = count(self.choices.pick(&[1, 3, 8]));
                self.coverage.hit(Point::LanesChanged);
            }
            3 if plan.retry.redelivery == forebay_batcher::Redelivery::ByUs && !plan.retry.bisect => {
                plan.retry.retries_max = self.choices.pick(&[Some(0), Some(1), Some(3), None]);
            }
            4 => plan.ahead_max = self.choices.pick(&[1000, 8]),
            _ => plan.concurrency_max = NonZeroU32::new(self.choices.between(1, 6)),
        }
    }

    /// The limits that stay with a batch in retry, and the memory, which does not.
    fn change_limits(&mut self, plan: &mut Plan) {
        if self.is_in_retry() {
            self.coverage.hit(Point::LimitsChanged);
        }
        let (retry, later) = (&mut plan.retry, self.choices.later());
        // Where records grow too old the rest of a batch goes on under limits that nobody sees: one of them
        // changes at a time.
        let has_age = self.oracle.plans.iter().any(|plan| plan.retry.record_age_max.is_some());
        match later.below(5) {
            0 if has_age => retry.record_age_max = Some(Duration::from_secs(later.pick(&[600, 60, 5]))),
            1 if !self.oracle.is_queue && !has_age => retry.bisect = !retry.bisect,
            2 if retry.redelivery == forebay_batcher::Redelivery::ByUs && !has_age => {
                retry.retries_max = later.pick(&[Some(0), Some(1), Some(3), None]);
            }
            3 => retry.partial_responses = !retry.partial_responses,
            _ => plan.held_bytes_max = later.pick(&[2000, 500, 20_000]),
        }
        let held_bytes = self.machine.as_ref().map_or(0, Machine::held_bytes);
        if plan.held_bytes_max < self.plan.held_bytes_max && plan.held_bytes_max < held_bytes {
            self.coverage.hit(Point::MemoryLowered);
        }
    }
}

fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("counts are drawn from one on")
}
