//! Signatures of requests that changed something, remembered as long as they could be sent again.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use super::denied::Denied;

/// What came of remembering a signature.
#[derive(Debug, PartialEq, Eq)]
pub enum Remembered {
    /// It is new.
    First,
    /// It was used before.
    Again,
    /// It is new, but there is no room to remember it: too many requests in this time.
    Full,
}

/// Signatures seen. A signature outlives the time in which its request would be accepted, so forgetting it
/// lets nothing in.
#[derive(Debug)]
pub struct Replays {
    seen: BTreeMap<[u8; 32], SystemTime>,
    in_order: VecDeque<([u8; 32], SystemTime)>,
    span: Duration,
    seen_max: usize,
}

impl Replays {
    /// For a verifier that accepts clocks `skew` apart. A request is good from `skew` before its date to
    /// `skew` after it.
    pub fn new(skew: Duration, seen_max: usize) -> Self {
        // One second more: dates are whole seconds.
        Self {
            seen: BTreeMap::new(),
            in_order: VecDeque::new(),
            span: skew * 2 + Duration::from_secs(1),
            seen_max,
        }
    }

    /// Remembers a signature that was verified just now.
    pub fn remember(&mut self, signature: [u8; 32], now: SystemTime) -> Remembered {
        while let Some((oldest, at)) = self.in_order.front().copied() {
            // A clock that was set back keeps what it saw.
            if now.duration_since(at).is_ok_and(|age| age > self.span) {
                self.in_order.pop_front();
                self.seen.remove(&oldest);
            } else {
                break;
            }
        }
        if self.seen.contains_key(&signature) {
            return Remembered::Again;
        }
        // To forget one early would let it in again.
        if self.seen.len() >= self.seen_max {
            return Remembered::Full;
        }
        self.seen.insert(signature, now);
        self.in_order.push_back((signature, now));
        Remembered::First
    }
}

impl Remembered {
    /// An error for a signature that was used before, and for one that cannot be remembered.
    pub fn admit(self) -> Result<(), crate::error::ApiError> {
        match self {
            Self::First => Ok(()),
            Self::Again => Err(Denied::Replayed.into()),
            Self::Full => Err(crate::error::ApiError::throttled("Rate exceeded", Duration::from_secs(1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_counts_once_as_long_as_it_is_good() {
        let mut replays = Replays::new(Duration::from_secs(300), 2);
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(replays.remember([1; 32], at(1000)), Remembered::First);
        assert_eq!(replays.remember([1; 32], at(1601)), Remembered::Again);
        assert_eq!(replays.remember([1; 32], at(10)), Remembered::Again, "the clock was set back");
        assert_eq!(replays.remember([2; 32], at(1601)), Remembered::First);
        assert_eq!(replays.remember([3; 32], at(1601)), Remembered::Full);
        assert_eq!(replays.remember([3; 32], at(1602)), Remembered::First, "the first is forgotten");
        assert_eq!(replays.remember([2; 32], at(1602)), Remembered::Again);
        assert_eq!(Remembered::Again.admit().unwrap_err().status(), 403);
        assert_eq!(Remembered::Full.admit().unwrap_err().status(), 429);
    }
}
