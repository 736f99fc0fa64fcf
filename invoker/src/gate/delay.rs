//! How long a function that was not reached is left alone before the next probe.

use std::time::Duration;

use forebay_batcher::Backoff;

/// A platform may ask for a pause between these; a shorter one would hammer it, a longer one could hold a
/// function shut for ever.
const ASKED_MIN: Duration = Duration::from_millis(500);
const ASKED_MAX: Duration = Duration::from_secs(900);

/// After the `k`-th failure in a row, counted from zero.
pub(crate) fn probe_delay(k: u32, seed: u64) -> Duration {
    Backoff::PROBE.delay(k, seed)
}

/// What the platform asked for, within reason.
pub(crate) fn asked_delay(asked: Duration) -> Duration {
    asked.clamp(ASKED_MIN, ASKED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_platform_asks_for_is_kept_within_reason() {
        let seconds = Duration::from_secs;
        assert_eq!(asked_delay(seconds(30)), seconds(30));
        assert_eq!(asked_delay(seconds(0)), ASKED_MIN);
        assert_eq!(asked_delay(seconds(u64::MAX)), ASKED_MAX);
    }
}
