//! Places in a partition as bytes, and what tells a record apart from another at its offset.
//!
//! A topic that was made anew under its name, or cut by an election, has other records at the same offsets. So a
//! place holds a check of the record that it was taken from: who goes on there reads that record again, and sees
//! whether it is the same.

#[cfg(feature = "schemas")]
use forebay_batcher::Position;
use forebay_batcher::{Origin, Watermark};

/// What tells a record apart from another at its offset.
pub(super) type RecordCheck = [u8; 4];

/// Where a reader of a partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KafkaPlace {
    /// At the first record that is there.
    First,
    /// At the first record at or behind this offset, whatever it is.
    Offset(u64),
    /// At the record at this offset, which has this check.
    Record(u64, RecordCheck),
    /// Behind that record.
    Behind(u64, RecordCheck),
}

const FIRST: u8 = 0;
const OFFSET: u8 = 1;

/// The bound right behind a record at this position.
#[cfg(feature = "schemas")]
pub(super) fn behind(record: &Position) -> Position {
    match KafkaPlace::of(&Watermark::At(record.clone())) {
        Some(KafkaPlace::Record(offset, check)) => Position::behind_number(offset, check),
        Some(KafkaPlace::First | KafkaPlace::Offset(_) | KafkaPlace::Behind(..)) | None => record.clone(),
    }
}

impl KafkaPlace {
    /// The place of a bound; `None` when it is none in a partition.
    pub(super) fn of(bound: &Watermark) -> Option<Self> {
        let offset = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
        match bound {
            Watermark::Origin(Origin(bytes)) => match bytes.as_slice().split_first()? {
                (&FIRST, []) => Some(Self::First),
                (&OFFSET, rest) => offset(rest).map(Self::Offset),
                _ => None,
            },
            Watermark::At(position) => {
                let (number, rest) = position.0.as_slice().split_at_checked(8)?;
                let number = offset(number)?;
                match (rest.first_chunk(), rest.len()) {
                    (_, 0) => Some(Self::Offset(number)),
                    (Some(check), 4) => Some(Self::Record(number, *check)),
                    (Some(check), 5) => Some(Self::Behind(number, *check)),
                    _ => None,
                }
            }
        }
    }

    /// As an origin, which only the first two can be.
    pub(super) fn to_origin(self) -> Origin {
        let mut bytes = vec![FIRST];
        if let Some(offset) = self.next().filter(|_| self != Self::First) {
            bytes = [&[OFFSET][..], &offset.to_be_bytes()].concat();
        }
        Origin(forebay_batcher::ShortBytes::new(&bytes))
    }

    /// The offset of the first record that comes next; `None` for the first that is there.
    pub(super) fn next(self) -> Option<u64> {
        match self {
            Self::First => None,
            Self::Offset(offset) | Self::Record(offset, _) => Some(offset),
            Self::Behind(offset, _) => Some(offset.saturating_add(1)),
        }
    }
}

/// The check of a record: of its time, its sizes, and both ends of its value.
pub(super) fn check_of(at_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> RecordCheck {
    const ENDS: usize = 16;
    let value_bytes = value.unwrap_or_default();
    let head = &value_bytes[..value_bytes.len().min(ENDS)];
    let tail = &value_bytes[value_bytes.len().saturating_sub(ENDS)..];
    let length = |it: Option<&[u8]>| it.map_or(u64::MAX, |it| it.len() as u64);
    let mut state = mix(0, at_ms.cast_unsigned());
    state = mix(mix(state, length(key)), length(value));
    for word in head.chunks(8).chain(tail.chunks(8)) {
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        state = mix(state, u64::from_le_bytes(bytes));
    }
    ((state >> 32) as u32).to_be_bytes()
}

/// One round of a hash: what matters is that the same gives the same for ever.
const fn mix(state: u64, word: u64) -> u64 {
    let mixed = (state ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use forebay_batcher::Position;

    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for place in [KafkaPlace::First, KafkaPlace::Offset(0), KafkaPlace::Offset(u64::MAX)] {
            assert_eq!(KafkaPlace::of(&Watermark::Origin(place.to_origin())), Some(place));
        }
        let check = *b"abcd";
        let places = [
            (Position::number(7), KafkaPlace::Offset(7), 7),
            (Position::checked_number(7, check), KafkaPlace::Record(7, check), 7),
            (Position::behind_number(7, check), KafkaPlace::Behind(7, check), 8),
            (Position::number(8), KafkaPlace::Offset(8), 8),
        ];
        assert!(places.is_sorted_by(|a, b| a.0 < b.0));
        for (position, place, next) in places {
            assert_eq!(position.as_number(), Some(next));
            assert_eq!(KafkaPlace::of(&Watermark::At(position)), Some(place));
            assert_eq!(place.next(), Some(next));
        }
        assert_eq!(KafkaPlace::of(&Watermark::At(Position::new(b"seven"))), None);
    }

    #[test]
    fn another_record_has_another_check() {
        let checks = [
            check_of(1, None, None),
            check_of(2, None, None),
            check_of(1, Some(b""), None),
            check_of(1, None, Some(b"")),
            check_of(1, Some(b"k"), Some(b"value")),
            check_of(1, Some(b"k"), Some(b"valuf")),
            check_of(1, Some(b"k"), Some(&[0; 100])),
            check_of(1, Some(b"k"), Some(&[0; 101])),
        ];
        for (idx, check) in checks.iter().enumerate() {
            assert!(!checks[..idx].contains(check), "{idx}");
        }
        assert_eq!(check_of(1, Some(b"k"), Some(b"value")), check_of(1, Some(b"l"), Some(b"value")));
    }
}
