//! What a commit says beside its offset, for whoever gets the partition next: the epoch of the ownership, and the
//! place as it is kept here, with the check of its record. By the same it is known whose word an offset is: our own
//! that follows what is kept here, a member's, or that of somebody who set it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use forebay_batcher::{Position, ShortBytes, Watermark};

use super::place::KafkaPlace;

/// How such a note begins. Whoever commits by other tools writes none, or something else.
const HEAD: &str = "forebay/1";
/// The word in the place of an epoch by which an offset that somebody set is taken over.
const TAKEN: &str = "taken";

/// The highest epoch that this process gave or read.
static LAST_EPOCH: AtomicU64 = AtomicU64::new(0);

/// What a group has committed of a partition, as the brokers have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupOffset {
    pub(super) next: u64,
    pub(super) note: String,
}

/// Whose word an offset of a group is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GroupWord {
    /// Our own: it follows what is kept here.
    Followed,
    /// Our own, from when it was taken over of somebody.
    Taken,
    /// That of a member of the group.
    Member(CommittedPlace),
    /// That of somebody who set it by other tools.
    Set,
}

impl GroupOffset {
    /// One that follows what is kept here.
    pub(super) fn following(at: &Watermark) -> Option<Self> {
        let next = KafkaPlace::of(at)?.next()?;
        Some(Self { next, note: write(at, 0) })
    }

    /// The same offset, taken over by a mapping that stood at `from`: whoever reads this and stands there still has
    /// not gone on with it yet.
    pub(super) fn taken_from(&self, from: &Watermark) -> Self {
        let (kind, bytes) = match from {
            Watermark::Origin(origin) => ('o', origin.0.as_slice()),
            Watermark::At(position) => ('p', position.0.as_slice()),
        };
        Self { next: self.next, note: format!("{HEAD} {TAKEN} {kind}{}", hex::encode(bytes)) }
    }

    /// Whose word it is.
    pub(super) fn word(&self) -> GroupWord {
        let mut words = self.note.split(' ');
        match (words.next(), words.next()) {
            (Some(HEAD), Some(TAKEN)) => GroupWord::Taken,
            (Some(HEAD), Some(_)) => {
                let place = read(self.next, &self.note);
                if place.epoch == 0 { GroupWord::Followed } else { GroupWord::Member(place) }
            }
            _ => GroupWord::Set,
        }
    }
}

/// What such an offset says with its note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommittedPlace {
    pub(super) at: Watermark,
    /// The epoch of who committed it; 0 where that is not told.
    pub(super) epoch: u64,
}

/// The note of a commit.
pub(super) fn write(at: &Watermark, epoch: u64) -> String {
    let place = at.position().map(|it| hex::encode(it.0.as_slice())).unwrap_or_default();
    format!("{HEAD} {epoch} {place}")
}

/// What an offset with its note says. The offset counts: a note of another one is not of this commit.
pub(super) fn read(offset: u64, note: &str) -> CommittedPlace {
    let mut words = note.split(' ');
    let is_ours = words.next() == Some(HEAD);
    let epoch = words.next().and_then(|it| it.parse().ok()).filter(|_| is_ours).unwrap_or(0);
    let place = words.next().and_then(|it| hex::decode(it).ok()).filter(|_| is_ours);
    let place = place.map(|it| Watermark::At(Position(ShortBytes::new(&it))));
    let place = place.filter(|it| KafkaPlace::of(it).and_then(KafkaPlace::next) == Some(offset));
    CommittedPlace { at: place.unwrap_or_else(|| Watermark::At(Position::number(offset))), epoch }
}

/// An epoch above `before`, above all that this process gave, and where the clock is right above all that were
/// given anywhere.
pub(super) fn next_epoch(before: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(0);
    let floor = now_ms.max(before.saturating_add(1));
    let raised = |last: u64| Some(floor.max(last.saturating_add(1)));
    let last = LAST_EPOCH.fetch_update(Ordering::SeqCst, Ordering::SeqCst, raised);
    floor.max(last.unwrap_or_default().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_brings_back_the_place_and_its_epoch_and_another_tools_is_no_more_than_its_offset() {
        for position in [Position::number(7), Position::behind_number(6, *b"abcd")] {
            let at = Watermark::At(position);
            let note = write(&at, 12);
            assert_eq!(read(7, &note), CommittedPlace { at, epoch: 12 });
            let reset = CommittedPlace { at: Watermark::At(Position::number(3)), epoch: 12 };
            assert_eq!(read(3, &note), reset, "the offset counts");
        }
        let plain = CommittedPlace { at: Watermark::At(Position::number(3)), epoch: 0 };
        for note in ["", "consumer-7", "forebay/2 9 00", "forebay/1", "forebay/1 x zz"] {
            assert_eq!(read(3, note), plain, "{note}");
        }
    }

    #[test]
    fn it_is_told_apart_whose_word_an_offset_is() {
        let at = Watermark::At(Position::behind_number(6, *b"abcd"));
        let ours = GroupOffset::following(&at).unwrap();
        assert_eq!((ours.next, ours.word()), (7, GroupWord::Followed));
        let begun = Watermark::Origin(KafkaPlace::Offset(7).to_origin());
        assert_eq!(GroupOffset::following(&begun).unwrap().word(), GroupWord::Followed);
        assert_eq!(GroupOffset::following(&Watermark::Origin(KafkaPlace::First.to_origin())), None);
        let members = GroupOffset { next: 7, note: write(&at, 12) };
        assert_eq!(members.word(), GroupWord::Member(CommittedPlace { at: at.clone(), epoch: 12 }));
        for note in ["", "consumer-7", "forebay/2 9 00"] {
            assert_eq!(GroupOffset { next: 7, note: note.to_owned() }.word(), GroupWord::Set, "{note}");
        }
        let taken = ours.taken_from(&begun);
        assert_eq!((taken.next, taken.word()), (7, GroupWord::Taken));
        assert_ne!(taken, ours.taken_from(&at), "it says from where");
    }

    #[test]
    fn epochs_grow_whatever_the_clock_says() {
        let far = u64::MAX / 2;
        let first = next_epoch(0);
        let second = next_epoch(first);
        assert!(second > first);
        let third = next_epoch(far);
        assert_eq!(third, far + 1, "who had it before may be ahead of this clock");
        assert!(next_epoch(0) > third);
    }
}
