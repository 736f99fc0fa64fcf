//! Places in a shard: sequence numbers as positions whose byte order is their order, and where a shard
//! begins. Pure.
//!
//! | Bytes of a position | What it is |
//! |---|---|
//! | number | a record |
//! | number, index (4 bytes) | a record within an aggregate |
//! | one of these, a zero byte | the bound behind it |
//!
//! A number is its length in bytes and its digits to base 256, the highest first and never zero.

use forebay_batcher::{Origin, Position, ShortBytes, Watermark};

/// Digits of the longest sequence number.
const DIGITS_MAX: usize = 129;
/// Eight words hold 154 decimal digits.
const WORDS: usize = 8;
/// Decimal digits that are worked on at once: twice as many as a word has bytes.
const STEP: usize = 16;
const STEP_POWER: u128 = 10_u128.pow(STEP as u32);

/// A sequence number: a decimal number without a sign.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequence(ShortBytes);

/// The bytes of a sequence number before they are kept anywhere.
pub(super) struct SequenceBytes {
    bytes: [u8; WORDS * 8 + 1],
    /// They begin behind so many zeros.
    n_zeros: usize,
}

impl SequenceBytes {
    /// Reads decimal digits; `None` for what is no number of at most 129 digits.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        // Without a way out of its middle, so that it is a few instructions for many digits.
        let is_number = text.iter().fold(true, |all, it| all & it.is_ascii_digit());
        if text.is_empty() || text.len() > DIGITS_MAX || !is_number {
            return None;
        }
        let (head, steps) = text.split_at(text.len() % STEP);
        // The lowest word first; those above the highest that is in use are zero.
        let (mut words, mut n_used) = ([0_u64; WORDS], 1);
        words[0] = value(head);
        for digits in steps.chunks_exact(STEP) {
            // No more digits at a time than let a word times their power, and a carry, fit into 128 bits.
            let mut carry = u128::from(value(digits));
            for word in &mut words[..n_used] {
                carry += u128::from(*word) * STEP_POWER;
                *word = carry as u64;
                carry >>= 64;
            }
            if carry > 0 {
                words[n_used] = carry as u64;
                n_used += 1;
            }
        }
        let mut bytes = [0; WORDS * 8 + 1];
        for (idx, word) in words.iter().rev().enumerate() {
            bytes[1 + idx * 8..1 + (idx + 1) * 8].copy_from_slice(&word.to_be_bytes());
        }
        let n_zeros = WORDS * 8 - n_used * 8 + (words[n_used - 1].leading_zeros() / 8) as usize;
        // The length goes first: of two numbers without leading zeros the longer is the larger, in byte order
        // as well.
        bytes[n_zeros] = (WORDS * 8 - n_zeros) as u8;
        Some(Self { bytes, n_zeros })
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.n_zeros..]
    }
}

/// The value of at most so many digits as a step has.
fn value(digits: &[u8]) -> u64 {
    let (eights, rest) = digits.as_chunks::<8>();
    let sum = eights.iter().fold(0, |sum, it| sum * 100_000_000 + value_of_eight(*it));
    rest.iter().fold(sum, |sum, it| sum * 10 + u64::from(it - b'0'))
}

/// The value of eight digits: of pairs at once, then of fours, then of both.
const fn value_of_eight(digits: [u8; 8]) -> u64 {
    let ones = u64::from_le_bytes(digits) & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

impl Sequence {
    /// Reads its digits; `None` for what is no number of at most 129 digits.
    pub(super) fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        SequenceBytes::parse(text.as_ref()).map(|it| Self(ShortBytes::new(it.as_slice())))
    }

    /// One of the bytes that [`SequenceBytes`] are.
    pub(super) const fn of_bytes(bytes: ShortBytes) -> Self {
        Self(bytes)
    }

    /// The same, beside no other.
    pub(super) fn alone(&self) -> Self {
        Self(ShortBytes::new(self.0.as_slice()))
    }

    /// Below every record.
    pub(super) fn zero() -> Self {
        Self(ShortBytes::new(&[0]))
    }

    /// Its decimal digits, without zeros before them.
    pub(super) fn to_text(&self) -> String {
        let mut words = [0_u64; WORDS];
        for (idx, byte) in self.0.as_slice()[1..].iter().rev().enumerate() {
            words[idx / 8] |= u64::from(*byte) << (idx % 8 * 8);
        }
        let mut steps = Vec::new();
        while words.iter().any(|it| *it != 0) {
            let mut rest = 0_u128;
            for word in words.iter_mut().rev() {
                let value = (rest << 64) | u128::from(*word);
                *word = (value / STEP_POWER) as u64;
                rest = value % STEP_POWER;
            }
            steps.push(rest);
        }
        let Some(highest) = steps.pop() else { return "0".to_owned() };
        steps.iter().rev().fold(highest.to_string(), |text, it| format!("{text}{it:0STEP$}"))
    }

    /// The place of its record, or of one within its aggregate.
    pub(super) fn position(&self, idx: Option<u32>) -> Position {
        let number = self.0.as_slice();
        match idx {
            None => Position(self.0.clone()),
            Some(idx) => Position::new(&[number, &idx.to_be_bytes()].concat()),
        }
    }

    /// The sequence number of a place that this source wrote, and what of an aggregate lies below it.
    fn of(position: &Position) -> Option<(Self, &[u8])> {
        let bytes = position.0.as_slice();
        let n_bytes = usize::from(*bytes.first()?);
        let (number, rest) = bytes.split_at_checked(1 + n_bytes)?;
        Some((Self(ShortBytes::new(number)), rest))
    }
}

/// The bound behind a record.
pub(crate) fn behind(position: &Position) -> Position {
    Position::new(&[position.0.as_slice(), &[0]].concat())
}

/// Where reading begins or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShardPlace {
    /// At the first record that is there.
    First,
    /// At the first record that arrived at this time or later, in epoch milliseconds.
    Time(i64),
    /// Where this iterator stands; when it has expired, at the first record that arrived at this time or
    /// later, in epoch milliseconds.
    Since(i64, String),
    /// Behind everything: nothing of the shard is wanted.
    End,
    /// At the record of this number, of which so much is done.
    At(Sequence, PartsDone),
}

/// How much of a record is finished, or was handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartsDone {
    /// Nothing, or so many records of the aggregate that it is.
    Parts(u32),
    /// All of it.
    Whole,
}

impl ShardPlace {
    pub(super) fn to_origin(&self) -> Origin {
        let text = match self {
            Self::First => "first".to_owned(),
            Self::Time(millis) => format!("time {millis}"),
            Self::Since(millis, iterator) => format!("since {millis} {iterator}"),
            Self::End => "end".to_owned(),
            Self::At(sequence, _) => format!("behind {}", sequence.to_text()),
        };
        Origin(ShortBytes::new(text.as_bytes()))
    }

    /// What a checkpoint says; `None` for what this source never wrote.
    pub(super) fn of(watermark: &Watermark) -> Option<Self> {
        match watermark {
            Watermark::Origin(origin) => {
                let text = std::str::from_utf8(origin.0.as_slice()).ok()?;
                match text.split_once(' ') {
                    None if text == "first" => Some(Self::First),
                    None if text == "end" => Some(Self::End),
                    Some(("time", millis)) => millis.parse().ok().map(Self::Time),
                    Some(("since", rest)) => {
                        let (millis, iterator) = rest.split_once(' ')?;
                        Some(Self::Since(millis.parse().ok()?, iterator.to_owned()))
                    }
                    Some(("behind", digits)) => {
                        Sequence::parse(digits).map(|it| Self::At(it, PartsDone::Whole))
                    }
                    None | Some(_) => None,
                }
            }
            Watermark::At(bound) => {
                let (sequence, rest) = Sequence::of(bound)?;
                let done = match *rest {
                    [] => PartsDone::Parts(0),
                    [0] => PartsDone::Whole,
                    [a, b, c, d] => PartsDone::Parts(u32::from_be_bytes([a, b, c, d])),
                    // The bound behind a part; how many parts its aggregate has shows only when it is read
                    // again.
                    [a, b, c, d, 0] => PartsDone::Parts(u32::from_be_bytes([a, b, c, d]).saturating_add(1)),
                    _ => return None,
                };
                Some(Self::At(sequence, done))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "49590338271490256608559692538361571095921575989136588898";

    #[test]
    fn sequence_numbers_keep_their_order_and_their_digits_whatever_their_length() {
        let longest = "9".repeat(DIGITS_MAX);
        let ascending = [
            "0",
            "1",
            "9",
            "10",
            "255",
            "256",
            "12345678",
            "99999999",
            "100000000",
            "1234567890123456",
            "9999999999999999",
            "10000000000000000",
            "18446744073709551615",
            "18446744073709551616",
            "999999999999999999999999999999999999",
            "1000000000000000000000000000000000000",
            LONG,
            "49590338271490256608559692538361571095921575989136588899",
            "149590338271490256608559692538361571095921575989136588898",
            longest.as_str(),
        ];
        let positions = ascending.map(|it| Sequence::parse(it).unwrap().position(None));
        assert!(positions.is_sorted_by(|a, b| a < b));
        assert_eq!(ascending.map(|it| Sequence::parse(it).unwrap().to_text()), ascending);
        for wrong in ["", "-1", "1.0", "abc", &"9".repeat(DIGITS_MAX + 1)] {
            assert_eq!(Sequence::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_bound_lies_behind_its_record_and_before_the_next() {
        let [one, two] = [LONG, "49590338271490256608559692538361571095921575989136588899"]
            .map(|it| Sequence::parse(it).unwrap());
        let places = [
            one.position(None),
            behind(&one.position(None)),
            one.position(Some(0)),
            behind(&one.position(Some(0))),
            one.position(Some(1)),
            one.position(Some(256)),
            behind(&one.position(Some(256))),
            two.position(None),
        ];
        assert!(places.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let one = Sequence::parse(LONG).unwrap();
        for place in [
            ShardPlace::First,
            ShardPlace::Time(1_700_000_000_123),
            ShardPlace::Since(1_700_000_000_123, "arn:aws:dynamodb:r:1:table/t/stream/l|1|AA==".to_owned()),
            ShardPlace::End,
            ShardPlace::At(one.clone(), PartsDone::Whole),
        ] {
            assert_eq!(ShardPlace::of(&Watermark::Origin(place.to_origin())), Some(place));
        }
        let done = |bound: Position| match ShardPlace::of(&Watermark::At(bound)) {
            Some(ShardPlace::At(sequence, done)) if sequence == one => done,
            other => panic!("{other:?}"),
        };
        let bounds = [one.position(None), one.position(Some(0)), one.position(Some(300))];
        assert_eq!(
            bounds.clone().map(done),
            [PartsDone::Parts(0), PartsDone::Parts(0), PartsDone::Parts(300)]
        );
        assert_eq!(
            bounds.map(|it| done(behind(&it))),
            [PartsDone::Whole, PartsDone::Parts(1), PartsDone::Parts(301)]
        );
        assert_eq!(ShardPlace::of(&Watermark::At(Position::new(b""))), None);
        assert_eq!(ShardPlace::of(&Watermark::At(Position::new(&[9, 1]))), None);
    }
}
