//! How long to wait after the n-th failure: doubling up to a bound, with jitter from a seed.

use std::time::Duration;

/// The longest delay.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(60);
const RETRY_FIRST: Duration = Duration::from_millis(500);
const OURS_FIRST: Duration = Duration::from_millis(200);

/// Before retry `n` of a failed batch, from 0: 0.5 s doubling to 60 s, less up to 20 % of jitter. AWS does not document its own; seven
/// tries within a minute were recorded, which this gives.
pub(crate) fn retry_delay(n: u32, seed: u64) -> Duration {
    doubled(RETRY_FIRST, n, seed)
}

/// Before asking a source, a store, a queue or a destination again that failed for the `n`-th time, from 0: 0.2 s doubling to 60 s.
pub(crate) fn ask_again_delay(n: u32, seed: u64) -> Duration {
    doubled(OURS_FIRST, n, seed)
}

fn doubled(first: Duration, n: u32, seed: u64) -> Duration {
    let full = first.saturating_mul(1 << n.min(16)).min(DELAY_MAX);
    let jitter = mix(seed.wrapping_add(u64::from(n))) % 201;
    let delay = full.mul_f64(1.0 - f64::from(u32::try_from(jitter).expect("below 201")) / 1000.0);
    // S-5: never less than four fifths of it, and S-3: never none.
    crate::rule!(S5, delay >= full.mul_f64(0.8) && !full.is_zero());
    delay
}

/// SplitMix64's finaliser: a fixed hash that spreads neighbouring seeds.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut it = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_a_minute_and_lose_at_most_a_fifth() {
        for seed in 0..1_000 {
            for n in 0..40 {
                let full = Duration::from_millis(500).saturating_mul(1 << n.min(16)).min(DELAY_MAX);
                let delay = retry_delay(n, seed);
                assert!(delay <= full && delay >= full.mul_f64(0.8), "n {n} seed {seed}: {delay:?}");
            }
        }
    }

    #[test]
    fn seven_tries_fit_into_a_minute() {
        let longest: Duration = (0..6).map(|n| Duration::from_millis(500) * (1 << n)).sum();
        assert_eq!(longest, Duration::from_millis(31_500));
    }
}
