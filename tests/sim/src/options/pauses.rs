//! Worlds in which what is used up waits for an operator.

use std::time::Duration;

use forebay_batcher::OnExhausted;

use super::{Options, Stubborn};
use crate::choices::Choices;

impl Options {
    /// A world in which an operator decides about what is used up.
    pub(super) fn draw_pauses(&mut self, choices: &mut Choices) {
        let pauses = choices.pauses();
        if self.stubborn != Stubborn::Nothing || !pauses.chance(150) {
            return;
        }
        self.plan.retry.on_exhausted = OnExhausted::Pause;
        self.decides_max_ms = pauses.pick(&[2000, 200, 20_000, 60_000]);
        self.pauses_change = pauses.chance(150);
        if self.pauses_change {
            self.faults.plan_change = 1000;
        }
        if pauses.chance(200) {
            // Tracks are closed while somebody is to decide about what waits on them.
            self.faults.revoke = 1000;
        }
        // Something must be used up, by failures or by time.
        let retries_max = Some(pauses.pick(&[1, 0, 2]));
        self.plan.retry.retries_max = self.plan.retry.retries_max.or(retries_max);
        self.faults.function_error = self.faults.function_error.max(pauses.pick(&[300, 600, 0]));
        if pauses.chance(250) {
            self.plan.retry.record_age_max = Some(Duration::from_secs(pauses.pick(&[60, 5, 600])));
            self.old_records = pauses.pick(&[100, 400]);
        }
    }
}
