//! How a machine keeps to its rate limit: it wants one slot at a time, none while what was started is not paid for, and a timer tells when it is.

use crate::machine::Machine;
use crate::state::TrackState;
use crate::time::Tick;
use crate::timers::Timer;

impl Machine {
    /// Of the slots that could be used those that the rate lets it ask for. While the limit withholds them a timer is set.
    pub(crate) fn want_within_rate(&mut self, n_wanted: u32) -> u32 {
        let opens = self.rate_opens().filter(|_| n_wanted > 0);
        if opens.is_some() && !self.timers.is_set(Timer::Rate) {
            self.counts.rate_limited += 1;
        }
        self.timers.set(Timer::Rate, opens);
        match (opens, &self.plan.rate) {
            (Some(_), _) => 0,
            (None, Some(_)) => n_wanted.min(1),
            (None, None) => n_wanted,
        }
    }

    /// When the next invocation may start; `None` when one may start now.
    pub(crate) fn rate_opens(&self) -> Option<Tick> {
        self.plan.rate.as_ref()?;
        Some(self.rate.opens()).filter(|opens| *opens > self.now.tick)
    }

    /// G-2: an invocation with so many records starts.
    pub(crate) fn take_rate(&mut self, n_records: usize) {
        if let Some(plan) = &self.plan.rate {
            self.rate.take(plan, n_records, self.now.tick);
        }
    }

    /// What waits for a slot waits for the rate limit as long as that lets nothing through.
    pub(crate) fn told_with_rate(&self, state: TrackState) -> TrackState {
        match (state, self.rate_opens()) {
            (TrackState::WaitingForSlot { since, .. }, Some(until)) => TrackState::RateLimited { since, until },
            (state, _) => state,
        }
    }
}
