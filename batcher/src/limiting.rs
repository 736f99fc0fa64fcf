//! How a mapping keeps to its rate limit: it wants one slot at a time, none while what was started is not
//! paid for, and a timer tells when it is.

use crate::context::Context;
use crate::state::TrackState;
use crate::time::Tick;
use crate::timers::Timer;

impl Context {
    /// How many slots there is a use for, within the rate limit, when the gate was told another number;
    /// `n_pool` of them are for a queue's messages.
    pub(crate) fn want(&mut self, n_pool: u32) -> Option<u32> {
        let n_wanted = if self.is_closing() { 0 } else { self.former.n_wanted(n_pool, &self.plan) };
        let n_within = self.within_rate(n_wanted);
        self.former.tell_want(n_within)
    }

    /// Of the slots that could be used those that the rate lets it ask for. While the limit withholds them a
    /// timer is set.
    fn within_rate(&mut self, n_wanted: u32) -> u32 {
        let opens = self.rate_opens().filter(|_| n_wanted > 0);
        if opens.is_some() && !self.timers.is_set(Timer::Rate) {
            self.counts.rate_limited += 1;
        }
        self.timers.set(Timer::Rate, opens);
        match (opens, &self.plan.rate) {
            (Some(_), _) => 0,
            // What one costs is known when it starts; two granted at once could both be large.
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
            (TrackState::WaitingForSlot { since, .. }, Some(until)) => {
                TrackState::RateLimited { since, until }
            }
            (state, _) => state,
        }
    }
}
