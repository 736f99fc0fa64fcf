//! How long to wait after the n-th failure in a row: doubling up to a bound, with jitter from a seed. All
//! delays of the house come from here.

use std::time::Duration;

/// The longest delay.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(60);

/// A delay that doubles with each failure in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    /// Thousandths that the jitter takes away at most.
    jitter_max: u32,
}

impl Backoff {
    /// Before a failed batch is tried again: AWS does not document its own; seven tries within a minute were
    /// recorded, which this gives.
    pub const RETRY: Self = Self::new(500, DELAY_MAX, 200);
    /// Before a source, a store, a queue or a destination that failed is asked again.
    pub const ASK_AGAIN: Self = Self::new(200, DELAY_MAX, 200);
    /// Before a function that was not reached is probed: many functions do not probe one platform at the same
    /// moment.
    pub const PROBE: Self = Self::new(1_000, DELAY_MAX, 500);
    /// Before a process that did not start is started again.
    pub const START: Self = Self::new(100, Duration::from_secs(10), 0);
    /// Before a mapping whose life ended is begun again.
    pub const LIFE: Self = Self::new(1_000, DELAY_MAX, 0);
    /// Before a log that was not taken is written again.
    pub const LOG: Self = Self::new(10, Duration::from_secs(1), 0);

    const fn new(first_millis: u64, max: Duration, jitter_max: u32) -> Self {
        Self { first: Duration::from_millis(first_millis), max, jitter_max }
    }

    /// After the `n`-th failure in a row, from 0. The same seed gives the same delay.
    pub fn delay(self, n: u32, seed: u64) -> Duration {
        let full = self.full(n);
        let jitter = mix(seed.wrapping_add(u64::from(n))) % u64::from(self.jitter_max + 1);
        full.mul_f64(1.0 - f64::from(u32::try_from(jitter).expect("below a thousand")) / 1000.0)
    }

    /// The same without jitter.
    fn full(self, n: u32) -> Duration {
        self.first.saturating_mul(1 << n.min(16)).min(self.max)
    }
}

/// Before retry `n` of a failed batch, from 0: 0.5 s doubling to 60 s, less up to 20 % of jitter.
pub(crate) fn retry_delay(n: u32, seed: u64) -> Duration {
    checked(Backoff::RETRY, n, seed)
}

/// Before asking a source, a store, a queue or a destination again that failed for the `n`-th time, from 0:
/// 0.2 s doubling to 60 s.
pub(crate) fn ask_again_delay(n: u32, seed: u64) -> Duration {
    checked(Backoff::ASK_AGAIN, n, seed)
}

fn checked(backoff: Backoff, n: u32, seed: u64) -> Duration {
    let (full, delay) = (backoff.full(n), backoff.delay(n, seed));
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

    #[test]
    fn a_function_is_probed_between_the_half_and_the_whole_of_its_delay() {
        for (n, whole) in (0..).zip([1, 2, 4, 8, 16, 32, 60, 60]).chain([(4_000_000_000, 60)]) {
            let delays: Vec<_> = (0..200).map(|seed| Backoff::PROBE.delay(n, seed)).collect();
            let (min, max) = (*delays.iter().min().expect("some"), *delays.iter().max().expect("some"));
            assert!(
                min >= Duration::from_secs(whole) / 2 && max <= Duration::from_secs(whole),
                "{n}: {min:?}..{max:?}"
            );
            assert!(max - min > Duration::from_secs(whole) / 4, "{n}: the jitter spreads");
            assert_eq!(Backoff::PROBE.delay(n, 7), Backoff::PROBE.delay(n, 7));
        }
    }

    #[test]
    fn a_life_is_begun_again_after_a_second_doubling_to_a_minute() {
        let delays: Vec<_> = [0, 1, 2, 5, 6, 99].map(|n| Backoff::LIFE.delay(n, 0).as_secs()).into();
        assert_eq!(delays, [1, 2, 4, 32, 60, 60]);
    }
}
