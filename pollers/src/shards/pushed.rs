//! What a reader that is pushed to knows of its subscriptions: where the next one goes on, how long another
//! one is waited for, and that the end of its shard is to be polled. Decides, without IO.

use std::time::Duration;

use tokio::time::Instant;

use super::place::{PartsDone, Sequence, ShardPlace};

/// A number that was told at the end of what was there is gone on at for so long: retention is a day or longer,
/// so nothing that came behind it can be gone without a word.
const GOES_ON_FOR: Duration = Duration::from_secs(3_600);
/// For so long after a subscription was made another one is refused, though it is over; and a little longer.
const TAKEN_FOR: Duration = Duration::from_secs(7);
/// As often as a consumer may subscribe to a shard.
pub(super) const TAKEN_PAUSE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pushed {
    /// The number that the last push went on behind, if nothing lay behind it, and when it came.
    goes_on: Option<(Sequence, Instant)>,
    /// Since then every subscription is refused for another one's sake.
    taken_since: Option<Instant>,
    /// The shard is closed and pushes do not tell its end.
    polls: bool,
}

impl Pushed {
    /// A push came, with the number behind which another subscription would go on. What `is_behind` may lose to
    /// retention what lies there already, and goes on at its last record, which shows that.
    pub(super) fn handle_push(&mut self, goes_on: Option<Sequence>, is_behind: bool, now: Instant) {
        self.goes_on = goes_on.filter(|_| !is_behind).map(|it| (it, now));
        self.taken_since = None;
    }

    /// A subscription was refused for another one's sake: whether that is to be waited for.
    pub(super) fn handle_taken(&mut self, now: Instant) -> bool {
        now < *self.taken_since.get_or_insert(now) + TAKEN_FOR
    }

    /// No number can be gone on at: the server has refused it.
    pub(super) fn forget(&mut self) {
        self.goes_on = None;
    }

    /// The shard is closed, all of it was pushed, and its end was not told: from here on it is polled.
    pub(super) fn poll(&mut self) {
        self.polls = true;
    }

    pub(super) fn polls(&self) -> bool {
        self.polls
    }

    /// The number behind which the next subscription begins, if that is known: a shard without records moves as
    /// well, and its last record may be older than its retention.
    pub(super) fn goes_on(&self, place: &ShardPlace, now: Instant) -> Option<&Sequence> {
        let (number, at) = self.goes_on.as_ref().filter(|_| !self.polls)?;
        let is_of_it = match place {
            ShardPlace::First | ShardPlace::Since(..) | ShardPlace::Time(_) => *number > Sequence::zero(),
            ShardPlace::At(last, PartsDone::Whole) => number >= last,
            ShardPlace::At(_, PartsDone::Parts(_)) | ShardPlace::End => false,
        };
        (is_of_it && now < *at + GOES_ON_FOR).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Sequence {
        Sequence::parse(text).unwrap()
    }

    #[test]
    fn a_subscription_goes_on_behind_what_was_passed_unless_something_may_have_been_lost_there() {
        let now = Instant::now();
        let check = |told: &str, is_behind: bool, place: ShardPlace, later: Duration| {
            let mut pushed = Pushed::default();
            pushed.handle_push(Some(number(told)), is_behind, now);
            pushed.goes_on(&place, now + later).is_some()
        };
        let at = |last: &str| ShardPlace::At(number(last), PartsDone::Whole);
        let second = Duration::from_secs(1);
        assert!(check("8", false, at("7"), GOES_ON_FOR - second));
        assert!(!check("8", false, at("7"), GOES_ON_FOR), "what came since may be gone");
        assert!(!check("8", true, at("7"), second), "what was there may be gone");
        assert!(check("7", false, at("7"), second));
        assert!(!check("6", false, at("7"), second), "it is none of this shard");
        assert!(check("8", false, ShardPlace::First, second));
        assert!(check("8", false, ShardPlace::Time(1), second));
        assert!(!check("0", false, ShardPlace::First, second), "it is the number of nothing");
        assert!(!check("8", false, ShardPlace::At(number("7"), PartsDone::Parts(1)), second), "7 was begun");
    }

    #[test]
    fn another_subscription_is_waited_for_until_it_must_have_given_way() {
        let (mut pushed, now) = (Pushed::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert!(pushed.handle_taken(now) && pushed.handle_taken(now + TAKEN_FOR - second));
        assert!(!pushed.handle_taken(now + TAKEN_FOR));
        pushed.handle_push(None, false, now + TAKEN_FOR);
        assert!(pushed.handle_taken(now + TAKEN_FOR), "it was given way to since");
    }
}
