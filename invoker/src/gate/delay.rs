//! How long a function that was not reached is left alone before the next probe.

use std::time::Duration;

const DELAY_MIN: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(60);
/// A platform may ask for a pause between these; a shorter one would hammer it, a longer one could hold a function shut for ever.
const ASKED_MIN: Duration = Duration::from_millis(500);
const ASKED_MAX: Duration = Duration::from_secs(900);

/// After the `k`-th failure in a row, counted from zero: min(60 s, 1 s · 2^k), and of that a part between a half and the whole, so that
/// many functions do not probe one platform at the same moment.
pub(crate) fn probe_delay(k: u32, seed: u64) -> Duration {
    let whole = DELAY_MIN.saturating_mul(1 << k.min(6)).min(DELAY_MAX);
    let share = u32::try_from(mix(seed.wrapping_add(u64::from(k))) >> 54).expect("ten bits");
    whole / 2 + whole / 2 * share / 1023
}

/// What the platform asked for, within reason.
pub(crate) fn asked_delay(asked: Duration) -> Duration {
    asked.clamp(ASKED_MIN, ASKED_MAX)
}

/// SplitMix64's finisher.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_a_minute_and_lies_between_its_half_and_the_whole() {
        for (k, whole) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate().chain([(4_000_000_000, 60)]) {
            let k = u32::try_from(k).unwrap();
            let delays: Vec<_> = (0..200).map(|seed| probe_delay(k, seed)).collect();
            let (min, max) = (*delays.iter().min().unwrap(), *delays.iter().max().unwrap());
            assert!(min >= Duration::from_secs(whole) / 2 && max <= Duration::from_secs(whole), "{k}: {min:?}..{max:?}");
            assert!(max - min > Duration::from_secs(whole) / 4, "{k}: the jitter spreads");
            assert_eq!(probe_delay(k, 7), probe_delay(k, 7));
        }
    }

    #[test]
    fn what_a_platform_asks_for_is_kept_within_reason() {
        let seconds = Duration::from_secs;
        assert_eq!(asked_delay(seconds(30)), seconds(30));
        assert_eq!(asked_delay(seconds(0)), ASKED_MIN);
        assert_eq!(asked_delay(seconds(u64::MAX)), ASKED_MAX);
    }
}
