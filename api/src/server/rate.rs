//! How many requests each caller may make: a bucket of tokens for each key and for each address, in bounded
//! memory.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::error::ApiError;

/// The most callers of one kind that have a bucket of their own; those beyond share one.
const BUCKETS_MAX: usize = 10_000;
/// A full table is looked through for idle callers no more often than this.
const SWEEP_MIN: Duration = Duration::from_secs(1);

/// What one caller may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerRate {
    /// In the long run.
    pub requests_per_second: NonZeroU32,
    /// At once, after a rest.
    pub requests_burst: NonZeroU32,
}

impl CallerRate {
    /// The time in which one request is earned.
    fn interval(self) -> Duration {
        Duration::from_secs(1) / self.requests_per_second.get()
    }

    /// The time in which an empty bucket is filled.
    fn span(self) -> Duration {
        self.interval() * self.requests_burst.get()
    }
}

/// Where a connection over TCP comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Peer(IpAddr);

impl Peer {
    /// One host has a whole /64 of IPv6: it is one caller.
    pub(super) fn new(address: IpAddr) -> Self {
        // A mapped IPv4 address is that address and no part of a /64.
        Self(match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
            }
            address => address,
        })
    }

    pub(super) fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

/// The buckets of all callers of one kind. A bucket is the time at which it is full again.
#[derive(Debug)]
pub(super) struct Buckets<C> {
    full_at: BTreeMap<C, Instant>,
    /// Of those who found no room.
    others: Option<Instant>,
    swept: Option<Instant>,
    buckets_max: usize,
}

impl<C: Ord + Clone> Buckets<C> {
    pub(super) fn new() -> Self {
        Self { full_at: BTreeMap::new(), others: None, swept: None, buckets_max: BUCKETS_MAX }
    }

    /// Takes a token, or refuses and says when there will be one.
    pub(super) fn take(&mut self, caller: &C, rate: CallerRate, now: Instant) -> Result<(), ApiError> {
        if let Some(full_at) = self.full_at.get_mut(caller) {
            return take(full_at, rate, now);
        }
        if self.full_at.len() >= self.buckets_max
            && self.swept.is_none_or(|it| now.saturating_duration_since(it) >= SWEEP_MIN)
        {
            self.swept = Some(now);
            // A full bucket says nothing that a new one would not.
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        if self.full_at.len() >= self.buckets_max {
            return take(self.others.get_or_insert(now), rate, now);
        }
        take(self.full_at.entry(caller.clone()).or_insert(now), rate, now)
    }
}

fn take(full_at: &mut Instant, rate: CallerRate, now: Instant) -> Result<(), ApiError> {
    // A bucket that another rate emptied further is empty, no more.
    let empty = now + rate.span();
    *full_at = (*full_at).clamp(now, empty);
    let after = *full_at + rate.interval();
    if after > empty {
        return Err(ApiError::throttled("Rate exceeded", after - empty));
    }
    *full_at = after;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorType;

    fn rate(requests_per_second: u32, requests_burst: u32) -> CallerRate {
        let number = |it| NonZeroU32::new(it).unwrap();
        CallerRate {
            requests_per_second: number(requests_per_second),
            requests_burst: number(requests_burst),
        }
    }

    /// How many of `n` requests are let in.
    fn n_taken<C: Ord + Clone>(
        buckets: &mut Buckets<C>,
        caller: &C,
        n: u32,
        rate: CallerRate,
        now: Instant,
    ) -> usize {
        (0..n).filter(|_| buckets.take(caller, rate, now).is_ok()).count()
    }

    #[test]
    fn the_last_of_a_burst_passes_the_next_is_refused_and_time_fills_up() {
        let (mut buckets, start, rate) = (Buckets::new(), Instant::now(), rate(4, 10));
        assert_eq!(n_taken(&mut buckets, &"a", 10, rate, start), 10);
        let refused = buckets.take(&"a", rate, start).unwrap_err();
        assert_eq!(
            (refused.error_type, refused.status(), refused.retry_after),
            (ErrorType::TooManyRequests, 429, Some(rate.interval()))
        );
        assert_eq!(n_taken(&mut buckets, &"b", 11, rate, start), 10, "each has a bucket of its own");
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(n_taken(&mut buckets, &"a", 2, rate, at(249)), 0);
        assert_eq!(n_taken(&mut buckets, &"a", 2, rate, at(250)), 1);
        assert_eq!(n_taken(&mut buckets, &"a", 9, rate, at(1250)), 4);
        assert_eq!(n_taken(&mut buckets, &"a", 99, rate, at(100_000)), 10, "rest earns no more than a burst");
    }

    #[test]
    fn another_rate_holds_at_once() {
        let (mut buckets, now) = (Buckets::new(), Instant::now());
        assert_eq!(n_taken(&mut buckets, &"a", 11, rate(1, 10), now), 10);
        assert_eq!(n_taken(&mut buckets, &"a", 11, rate(1, 20), now), 10);
        let quick = rate(1000, 5);
        assert_eq!(n_taken(&mut buckets, &"a", 9, quick, now), 0);
        assert_eq!(
            n_taken(&mut buckets, &"a", 9, quick, now + Duration::from_millis(5)),
            5,
            "old debts are not kept"
        );
    }

    #[test]
    fn callers_without_end_hold_no_more_memory_and_cost_those_who_are_known_nothing() {
        let (mut buckets, start, rate) =
            (Buckets { buckets_max: 3, ..Buckets::new() }, Instant::now(), rate(1, 2));
        assert_eq!(n_taken(&mut buckets, &0, 1, rate, start), 1);
        let taken: Vec<usize> =
            (1..100).map(|caller| n_taken(&mut buckets, &caller, 3, rate, start)).collect();
        assert_eq!((buckets.full_at.len(), &taken[..4]), (3, &[2, 2, 2, 0][..]), "those beyond share one");
        assert_eq!(taken[4..].iter().sum::<usize>(), 0);
        assert_eq!(n_taken(&mut buckets, &0, 3, rate, start), 1, "the first has what it had");
        let later = start + Duration::from_secs(2);
        assert_eq!(n_taken(&mut buckets, &200, 3, rate, later), 2);
        assert_eq!(buckets.full_at.len(), 1, "those who rest are forgotten");
    }

    #[test]
    fn a_host_is_one_caller() {
        let peer = |text: &str| Peer::new(text.parse().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
        assert!(
            peer("::1").is_loopback()
                && peer("127.0.0.1").is_loopback()
                && peer("::ffff:127.0.0.1").is_loopback()
        );
        assert!(!peer("192.0.2.1").is_loopback());
    }
}
