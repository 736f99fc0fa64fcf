//! How often shards are read: so many calls and bytes a second each, whoever reads them here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// From so many on, shards that may be read at once are forgotten.
const KEPT_MAX: usize = 4_096;

/// How often one shard may be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// The time between two calls.
    pub(crate) between: Duration,
    /// After a large answer a shard refuses until its share of a second has passed; `None` where answers are
    /// not counted by their bytes.
    pub(crate) bytes_per_second: Option<f64>,
}

/// When each shard may be read next.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    next: Mutex<BTreeMap<String, Instant>>,
}

impl Pace {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, next: Mutex::default() }
    }

    /// Takes the next turn of a shard: when it comes.
    pub(crate) fn turn(&self, shard: &str, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        // Shards end and are never heard of again: a name that needs no pause may go.
        if next.len() >= KEPT_MAX {
            next.retain(|_, at| *at > now);
        }
        // Taken at once and awaited later, so that readers who come together stand one behind the other.
        let turn = next.get(shard).map_or(now, |at| now.max(*at));
        next.insert(shard.to_owned(), turn + self.rate.between);
        turn
    }

    /// A shard has answered with so many bytes.
    pub(super) fn answered(&self, shard: &str, n_bytes: usize, now: Instant) {
        let Some(bytes_per_second) = self.rate.bytes_per_second else { return };
        let rest = now + Duration::from_secs_f64(n_bytes as f64 / bytes_per_second);
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
        let between = Duration::from_millis(210);
        let rate = Rate { between, bytes_per_second: Some(2_000_000.0) };
        let (pace, began) = (Pace::new(rate), Instant::now());
        let turns: Vec<_> = (0..6).map(|_| pace.turn("a", began)).collect();
        assert_eq!(turns, (0..6).map(|it| began + between * it).collect::<Vec<_>>());
        assert_eq!(pace.turn("b", began), began, "shards do not wait for one another");
        pace.answered("b", 10_000_000, began);
        assert_eq!(pace.turn("b", began), began + Duration::from_secs(5));
        (0..2 * KEPT_MAX)
            .for_each(|it| _ = pace.turn(&format!("shard {it}"), began + between * (it as u32 / 100)));
        assert!(pace.next.lock().unwrap().len() <= KEPT_MAX);
    }
}
