//! How often shards are read: five calls and two megabytes a second each, whoever reads them here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A shard allows five calls a second; a little less often, for clocks run apart.
const BETWEEN: Duration = Duration::from_millis(210);
/// After a large answer a shard refuses until its share of a second has passed.
const BYTES_PER_SECOND: f64 = 2_000_000.0;
/// From so many on, shards that may be read at once are forgotten.
const KEPT_MAX: usize = 4_096;

/// When each shard may be read next.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    next: Mutex<BTreeMap<String, Instant>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self::every(BETWEEN)
    }
}

impl Pace {
    /// With so much time between two calls of one shard.
    pub(super) fn every(between: Duration) -> Self {
        Self { between, next: Mutex::default() }
    }

    /// Takes the next turn of a shard: when it comes.
    pub(super) fn turn(&self, shard: &str, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.len() >= KEPT_MAX {
            next.retain(|_, at| *at > now);
        }
        let turn = next.get(shard).map_or(now, |at| now.max(*at));
        next.insert(shard.to_owned(), turn + self.between);
        turn
    }

    /// A shard has answered with so many bytes.
    pub(super) fn answered(&self, shard: &str, n_bytes: usize, now: Instant) {
        let rest = now + Duration::from_secs_f64(n_bytes as f64 / BYTES_PER_SECOND);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = next.get_mut(shard) {
            *at = rest.max(*at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_readers_of_a_shard_take_turns_and_a_large_answer_is_paid_for() {
        let (pace, began) = (Pace::default(), Instant::now());
        let turns: Vec<_> = (0..6).map(|_| pace.turn("a", began)).collect();
        assert_eq!(turns, (0..6).map(|it| began + BETWEEN * it).collect::<Vec<_>>());
        assert_eq!(pace.turn("b", began), began, "shards do not wait for one another");
        pace.answered("b", 10_000_000, began);
        assert_eq!(pace.turn("b", began), began + Duration::from_secs(5));
        (0..2 * KEPT_MAX)
            .for_each(|it| _ = pace.turn(&format!("shard {it}"), began + BETWEEN * (it as u32 / 100)));
        assert!(pace.next.lock().unwrap().len() <= KEPT_MAX);
    }
}
