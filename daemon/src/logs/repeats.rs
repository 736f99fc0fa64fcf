//! Holds repeating warnings back and counts them. One that says something else is another warning, not a
//! repeat.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_batcher::{Fault, Tick};

/// A warning that repeats is logged once in this time, with the number held back.
const EVERY: Duration = Duration::from_secs(60);
/// So many reasons of one topic are told apart; what comes beyond in that time is counted with the next that
/// is told, so that reasons that never repeat cannot fill the log.
const REASONS_MAX: usize = 8;
/// So much of a reason tells it from others: of what is left of it by [`essence`], as ids can be long.
const REASON_CHARS_MAX: usize = 200;

/// What repeats: a kind of warning about one thing (a track's number, 0 for the mapping).
pub(crate) type Topic = (&'static str, u32);

/// Which warnings were logged lately.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    topics: BTreeMap<Topic, Reasons>,
}

/// The reasons of one topic, those logged last at the end.
#[derive(Debug, Default)]
struct Reasons {
    seen: Vec<Seen>,
    /// Held back for want of room, or of a reason that was forgotten since.
    n_others: u64,
}

#[derive(Debug)]
struct Seen {
    reason: Fault,
    logged: Tick,
    n_held_back: u64,
}

impl Repeats {
    /// Whether to log now: `Some(n)` says yes, and that `n` like it, or of reasons that have no line of their
    /// own, were held back.
    pub(crate) fn allow(&mut self, topic: Topic, reason: &Fault, now: Tick) -> Option<u64> {
        self.topics.entry(topic).or_default().allow(essence(reason), now)
    }

    /// The trouble is over: `Some(n)` when there was one, with the number of warnings held back.
    pub(crate) fn over(&mut self, topic: Topic) -> Option<u64> {
        let reasons = self.topics.remove(&topic)?;
        Some(reasons.n_others + reasons.seen.iter().map(|it| it.n_held_back).sum::<u64>())
    }
}

impl Reasons {
    fn allow(&mut self, reason: Fault, now: Tick) -> Option<u64> {
        let is_fresh = |it: &Seen| it.logged.until(now) < EVERY;
        let mut n_held_back = 0;
        if let Some(at) = self.seen.iter().position(|it| it.reason == reason) {
            if is_fresh(&self.seen[at]) {
                self.seen[at].n_held_back += 1;
                return None;
            }
            // Taken out and put at the end: the order is that of the last line, and the first makes room.
            n_held_back = self.seen.remove(at).n_held_back;
        } else if self.seen.len() >= REASONS_MAX {
            // The first is the one that was logged longest ago.
            if self.seen.first().is_some_and(is_fresh) {
                self.n_others += 1;
                return None;
            }
            // The oldest makes room; what it held back is told with the next.
            self.n_others += self.seen.remove(0).n_held_back;
        }
        self.seen.push(Seen { reason, logged: now, n_held_back: 0 });
        Some(n_held_back + std::mem::take(&mut self.n_others))
    }
}

/// What tells a reason from others: its page, and its words without those that hold digits, such as ids,
/// counts and times, which differ each time.
fn essence(reason: &Fault) -> Fault {
    let is_of_word = |it: char| it.is_alphanumeric() || it == '-';
    let pieces = reason.text.split_inclusive(|it| !is_of_word(it));
    let text = pieces.flat_map(|piece| {
        let word = piece.trim_end_matches(|it| !is_of_word(it));
        // One mark for any of them: `10` and `9` must not differ by their length either.
        let kept = if word.contains(|it: char| it.is_ascii_digit()) { "#" } else { word };
        kept.chars().chain(piece[word.len()..].chars())
    });
    Fault { text: text.take(REASON_CHARS_MAX).collect(), code: reason.code }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: Topic = ("source down", 0);

    fn at(seconds: u64) -> Tick {
        Tick(seconds * 1_000_000)
    }

    /// What is told of warnings that come at these seconds for these reasons.
    fn told(warnings: &[(u64, &str)]) -> Vec<Option<u64>> {
        let mut repeats = Repeats::default();
        warnings
            .iter()
            .map(|(seconds, reason)| repeats.allow(TOPIC, &(*reason).into(), at(*seconds)))
            .collect()
    }

    #[test]
    fn reasons_that_alternate_are_told_once_each() {
        let warnings = [(0, "a"), (1, "b"), (2, "a"), (3, "b"), (4, "a"), (60, "a"), (61, "b"), (62, "b")];
        assert_eq!(told(&warnings), [Some(0), Some(0), None, None, None, Some(2), Some(1), None]);
    }

    #[test]
    fn repeats_are_counted_and_told_once_a_minute() {
        assert_eq!(
            told(&[(0, "a"), (1, "a"), (59, "a"), (60, "a"), (61, "a")]),
            [Some(0), None, None, Some(2), None]
        );
        let mut repeats = Repeats::default();
        assert_eq!(repeats.allow(TOPIC, &"a".into(), at(0)), Some(0));
        assert_eq!(repeats.allow(TOPIC, &"a".into(), at(1)), None);
        assert_eq!(
            repeats.allow(("source down", 1), &"a".into(), at(1)),
            Some(0),
            "another track is another topic"
        );
        assert_eq!(repeats.over(TOPIC), Some(1));
        assert_eq!(repeats.over(TOPIC), None);
        assert_eq!(repeats.allow(TOPIC, &"a".into(), at(2)), Some(0), "a new trouble is told at once");
    }

    #[test]
    fn reasons_without_end_are_bounded_and_the_oldest_makes_room() {
        let mut repeats = Repeats::default();
        let names: Vec<String> = ('a'..='z').map(String::from).collect();
        let n_told =
            names.iter().filter(|it| repeats.allow(TOPIC, &it.as_str().into(), at(0)).is_some()).count();
        assert_eq!(n_told, REASONS_MAX);
        assert_eq!(repeats.allow(TOPIC, &"a".into(), at(1)), None);
        let n_others = (names.len() - REASONS_MAX) as u64;
        assert_eq!(
            repeats.allow(TOPIC, &"another".into(), at(60)),
            Some(n_others + 1),
            "the oldest is forgotten, its count is not"
        );
        assert_eq!(repeats.topics[&TOPIC].seen.len(), REASONS_MAX);
    }

    #[test]
    fn what_differs_each_time_makes_no_other_reason() {
        let check = |reason: &str, expected: &str| assert_eq!(essence(&reason.into()).text, expected);
        check("KeyError: 'id'", "KeyError: 'id'");
        check("3 of 10 records failed", "# of # records failed");
        check("no answer from 10.0.0.7:80 (request 8f2c-77)", "no answer from #.#.#.#:# (request #)");
        let long = "0".repeat(2 * REASON_CHARS_MAX);
        check(&format!("object {long} {long}: denied"), "object # #: denied");
        check(&"x".repeat(2 * REASON_CHARS_MAX), &"x".repeat(REASON_CHARS_MAX));
        let [one, other] =
            ["FB-0210", "FB-0211"].map(|code| essence(&Fault::new(forebay_config::Code(code), "x")));
        assert_ne!(one, other, "another page is another reason");
    }
}
