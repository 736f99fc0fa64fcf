//! Worlds with tumbling windows, and worlds whose cuts last.

use std::time::Duration;

use forebay_batcher::WindowPlan;

use super::{Options, Stubborn};
use crate::choices::{Choices, Stream};

impl Options {
    /// A world in which a batch is cut the same again. A slice of several tracks is one for each in the next
    /// life, what a function rejects amid a batch makes two of the rest, and of a cut that waits for its commit
    /// nobody could say which of several wild plans it is under.
    pub(super) fn draw_cuts(&mut self, choices: &mut Choices) {
        let may_last = !self.plan.mixes_tracks && !self.plan.retry.item_actions && !self.wild_plans;
        self.plan.durable_cuts = may_last && choices.cuts().chance(150);
    }

    /// A world whose function carries a state over windows.
    pub(super) fn draw_windows(&mut self, choices: &mut Choices) {
        let may_have = !self.plan.mixes_tracks && self.stubborn == Stubborn::Nothing;
        if !may_have || !choices.windows().chance(150) {
            return;
        }
        let windows = choices.windows();
        let mut plan = WindowPlan {
            tumbling: draw_length(windows),
            quiet: Duration::from_secs(windows.pick(&[5, 1, 120])),
            state_bytes_max: windows.pick(&[1 << 20, 1 << 20, 16, 48]),
            is_handed_over: false,
        };
        plan.is_handed_over = choices.heirs().chance(400);
        if plan.is_handed_over && !self.cramped {
            // Only the end of a track hands anything over.
            self.faults.end_track = 1000;
        }
        self.plan.window = Some(plan);
        if choices.windows().chance(300) {
            // An end that fails is given up, or tried until it is well.
            self.faults.function_error = self.faults.function_error.max(300);
        }
    }
}

/// The length of windows, such as an operator may set or change.
pub(crate) fn draw_length(windows: &mut Stream) -> Duration {
    Duration::from_secs(windows.pick(&[5, 1, 2, 30]))
}
