//! What a mapping may ask for that AWS's may not: a rate limit, and a function that asks for single records.

use std::time::Duration;

use forebay_batcher::{RatePlan, RateUnit};

use super::{Options, Stubborn, count};
use crate::choices::{Choices, Stream};

impl Options {
    /// What mappings may ask for beyond AWS.
    pub(super) fn draw_beyond(&mut self, choices: &mut Choices) {
        let beyond = choices.beyond();
        // What fails for ever is tried a thousand times within a time that a limit would stretch.
        if self.stubborn == Stubborn::Nothing && beyond.chance(80) {
            self.plan.rate = Some(draw_rate(beyond));
        }
        if self.plan.retry.partial_responses && self.stubborn == Stubborn::Nothing && beyond.chance(300) {
            self.plan.retry.item_actions = true;
            self.faults.partial = self.faults.partial.max(beyond.pick(&[0, 200, 500]));
        }
    }
}

/// A rate limit, such as an operator may set or change.
pub(crate) fn draw_rate(beyond: &mut Stream) -> RatePlan {
    RatePlan {
        unit: beyond.pick(&[RateUnit::Invocations, RateUnit::Records]),
        per_second: count(beyond.pick(&[10, 1, 3, 40])),
        ramp: Duration::from_secs(beyond.pick(&[0, 0, 5, 60])),
    }
}
