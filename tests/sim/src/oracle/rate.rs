//! G-2: what starts keeps to the rate limit, and what the limit lets through may be waited for.

use forebay_batcher::RateUnit;
use forebay_batcher::{BatchReason, Machine, NotReached, Outcome, Rule, TrackState};

use super::{Oracle, Violation, holds};

const CAUGHT_UP_US: u64 = 100_000;

/// What one life has started, against the rate limit of its plan.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RateBook {
    /// Before this tick nothing starts.
    pub(super) opens_us: u64,
    /// Since when the rate grows: the first attempt, or the last throttle.
    grows_us: Option<u64>,
    /// A throttle was answered of which nobody knows whether the machine heard it.
    pub(super) is_unsure: bool,
}

impl Oracle {
    /// G-2: nothing starts before the rate limit lets it; and this one is entered.
    pub(crate) fn g2_an_attempt_keeps_to_the_rate(
        &mut self,
        n_records: usize,
        now_us: u64,
    ) -> Result<(), Violation> {
        let Some(plan) = self.plan().rate else { return Ok(()) };
        let book = &mut self.rate;
        holds(Rule::G2, book.is_unsure || book.opens_us <= now_us, || {
            format!(
                "an attempt of {n_records} records starts {} us before {plan:?} lets it",
                book.opens_us - now_us
            )
        })?;
        let grown_us = now_us - *book.grows_us.get_or_insert(now_us);
        let ramp_us = u64::try_from(plan.ramp.as_micros()).expect("ramps are short");
        // A tenth of the limit and a share of the other nine, in thousandths of a unit a second.
        let tenth = u64::from(plan.per_second.get()) * 100;
        let rate = if grown_us >= ramp_us { 10 * tenth } else { tenth + 9 * tenth * grown_us / ramp_us };
        let n_units = if plan.unit == RateUnit::Records { n_records as u64 } else { 1 };
        book.opens_us =
            book.opens_us.max(now_us.saturating_sub(CAUGHT_UP_US)) + (n_units * 1_000_000_000).div_ceil(rate);
        Ok(())
    }

    /// The machine hears of a throttle.
    pub(super) fn hear_of_a_throttle(&mut self, outcome: &Outcome, is_heard: bool, now_us: u64) {
        if let Outcome::NotReached { why: NotReached::Throttled, .. } = outcome {
            // What belongs to tracks that are all lost is forgotten, unless the rest of its batch lives on
            // another.
            self.rate.is_unsure |= !is_heard;
            self.rate.grows_us = Some(now_us);
        }
    }

    /// What waits for the rate limit waits for a slot, and what waits for a slot does not wait for that
    /// limit: the state as it would be without it. `None` when that is not so.
    pub(super) fn but_for_the_rate(
        &self,
        state: &TrackState,
        machine: &Machine,
        now_us: u64,
    ) -> Option<TrackState> {
        let opens_us = self.rate_opens_us();
        match state {
            TrackState::RateLimited { since, until } => {
                let is_so = self.rate.is_unsure || (until.0 == opens_us && until.0 >= now_us);
                let slot = TrackState::WaitingForSlot { since: *since, why: BatchReason::Window };
                (is_so && machine.counts().rate_limited > 0).then_some(slot)
            }
            TrackState::WaitingForSlot { .. } if !self.rate.is_unsure && opens_us > now_us => None,
            other => Some(other.clone()),
        }
    }

    /// When the rate limit lets something start; zero for at once.
    pub(super) fn rate_opens_us(&self) -> u64 {
        match self.plan().rate {
            Some(_) if self.rate.is_unsure => u64::MAX,
            Some(_) => self.rate.opens_us,
            None => 0,
        }
    }
}
