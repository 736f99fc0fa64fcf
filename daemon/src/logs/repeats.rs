//! Holds repeating warnings back and counts them.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_batcher::Tick;

/// A warning that repeats is logged once in this time, with the number held back.
const EVERY: Duration = Duration::from_secs(60);

/// What repeats: a kind of warning about one thing (a track's number, 0 for the mapping).
pub(crate) type Topic = (&'static str, u32);

/// Which warnings were logged lately.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    seen: BTreeMap<Topic, Seen>,
}

#[derive(Debug)]
struct Seen {
    reason: String,
    logged: Tick,
    n_held_back: u64,
}

impl Repeats {
    /// Whether to log now: `Some(n)` says yes, and that `n` like it were held back since the last one.
    pub(crate) fn allow(&mut self, topic: Topic, now: Tick) -> Option<u64> {
        self.allow_for(topic, "", now)
    }

    /// The same, and at once when the reason is another than that of the last time.
    pub(crate) fn allow_for(&mut self, topic: Topic, reason: &str, now: Tick) -> Option<u64> {
        match self.seen.get_mut(&topic) {
            Some(seen) if seen.reason == reason && seen.logged.until(now) < EVERY => {
                seen.n_held_back += 1;
                None
            }
            Some(seen) => {
                seen.logged = now;
                reason.clone_into(&mut seen.reason);
                Some(std::mem::take(&mut seen.n_held_back))
            }
            None => {
                self.seen.insert(topic, Seen { reason: reason.to_owned(), logged: now, n_held_back: 0 });
                Some(0)
            }
        }
    }

    /// The trouble is over: `Some(n)` when there was one, with the number of warnings held back.
    pub(crate) fn over(&mut self, topic: Topic) -> Option<u64> {
        self.seen.remove(&topic).map(|it| it.n_held_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_reason_is_told_at_once() {
        let mut repeats = Repeats::default();
        let topic = ("source down", 0);
        let told: Vec<_> = ["a", "a", "b", "b", "a"].map(|reason| repeats.allow_for(topic, reason, Tick(0))).into();
        assert_eq!(told, [Some(0), None, Some(1), None, Some(1)]);
    }

    #[test]
    fn repeats_are_counted_and_told_once_a_minute() {
        let mut repeats = Repeats::default();
        let at = |seconds: u64| Tick(seconds * 1_000_000);
        let topic = ("source down", 0);
        let told: Vec<_> = [0, 1, 59, 60, 61].map(|it| repeats.allow(topic, at(it))).into();
        assert_eq!(told, [Some(0), None, None, Some(2), None]);
        assert_eq!(repeats.allow(("source down", 1), at(61)), Some(0), "another track is another topic");
        assert_eq!(repeats.over(topic), Some(1));
        assert_eq!(repeats.over(topic), None);
        assert_eq!(repeats.allow(topic, at(62)), Some(0), "a new trouble is told at once");
    }
}
