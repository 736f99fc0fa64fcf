//! What a kept position tells of the bytes before it, so that a file that was written anew is not taken for
//! the one that was read.
//!
//! A position is the offset of a line and four bytes that stand for what lies before it: a checksum over the
//! first bytes of the file (1 KiB at the most) and the last ones before the offset (256 at the most). So what
//! tells a file apart grows with what was read of it, while its name holds for ever what the first sight saw.
//!
//! | What is kept | What it tells |
//! |---|---|
//! | nothing | the start of the file |
//! | 8 bytes | an offset; what lies before it is not known (a place from before there was evidence) |
//! | 12 bytes | an offset, and what lay before it |
//! | 9 bytes | the end of the last whole line within so many first bytes, of a file that could not be read when it was looked at |

use std::io;

use forebay_batcher::{Origin, Position, ShortBytes, Watermark};

use super::client::OpenFile;
use super::identity::HEAD_MAX;
use super::sightings::{end_of_lines_before, read_up_to};

/// The last bytes before an offset count, as many of them.
pub(super) const TAIL_MAX: usize = 256;

/// Marks an origin that is the end of the last whole line within so many bytes.
const WITHIN: u8 = b'<';

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileStart {
    /// At an offset, with what lay before it where that is known.
    At { offset: u64, check: Option<[u8; 4]> },
    /// Behind the last whole line of so many first bytes.
    Within(u64),
}

impl FileStart {
    /// The start that a bound stands for; `None` when it is none of this source.
    pub(super) fn of(bound: &Watermark) -> Option<Self> {
        let bytes = match bound {
            Watermark::Origin(Origin(bytes)) if bytes.as_slice().is_empty() => {
                return Some(Self::At { offset: 0, check: None });
            }
            Watermark::Origin(Origin(bytes)) => bytes,
            Watermark::At(Position(bytes)) => bytes,
        };
        if let (Watermark::Origin(_), [WITHIN, size @ ..]) = (bound, bytes.as_slice())
            && let Ok(size) = size.try_into()
        {
            return Some(Self::Within(u64::from_be_bytes(size)));
        }
        let (offset, check) = bytes.as_slice().split_first_chunk()?;
        let check = if check.is_empty() { None } else { Some(check.try_into().ok()?) };
        Some(Self::At { offset: u64::from_be_bytes(*offset), check })
    }

    /// The origin behind the last whole line of so many first bytes.
    pub(super) fn within(size: u64) -> Origin {
        Origin(ShortBytes::new(&[&[WITHIN][..], &size.to_be_bytes()].concat()))
    }

    /// The offset, as far as it can be told without a look into the file.
    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::At { offset, .. } | Self::Within(offset) => *offset,
        }
    }

    /// The offset in the file, and what lay before it where that is known.
    pub(super) fn find(&self, file: &dyn OpenFile) -> io::Result<(u64, Option<[u8; 4]>)> {
        match self {
            Self::At { offset, check } => Ok((*offset, *check)),
            Self::Within(size) => {
                let size = (*size).min(file.stat()?.size);
                Ok((end_of_lines_before(file, size)?, None))
            }
        }
    }
}

/// The place in an open file that is an offset behind the end of a line.
pub(super) fn place_in(file: &dyn OpenFile, offset: u64) -> io::Result<Position> {
    let head = read_up_to(file, 0, HEAD_MAX)?;
    let n_before = tail_len(offset);
    let before = read_up_to(file, offset - n_before as u64, n_before)?;
    Ok(Evidence::new(&head).place(offset, &before))
}

/// The end of a kept stretch: one from before there was evidence still holds the record that begins there,
/// whatever lies before it.
pub(super) fn end_of_stretch(kept: Position) -> Position {
    match FileStart::of(&Watermark::At(kept.clone())) {
        Some(FileStart::At { offset, check: None }) => Position::checked_number(offset, [u8::MAX; 4]),
        Some(FileStart::At { .. } | FileStart::Within(_)) | None => kept,
    }
}

/// How many bytes before an offset count.
pub(super) fn tail_len(offset: u64) -> usize {
    usize::try_from(offset).map_or(TAIL_MAX, |offset| offset.min(TAIL_MAX))
}

/// The file without bytes that were reserved and not written: NUL bytes at its end as far as it was read.
pub(super) fn written(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|it| *it != 0).map_or(0, |last| last + 1)]
}

/// Makes places of one file.
pub(super) struct Evidence {
    head: Vec<u8>,
    /// Over the whole head: where every offset begins that lies behind it.
    whole: crc32fast::Hasher,
}

impl Evidence {
    /// For a file that begins with `head`: all of it, or [`HEAD_MAX`] bytes.
    pub(super) fn new(head: &[u8]) -> Self {
        let mut whole = crc32fast::Hasher::new();
        whole.update(head);
        Self { head: head.to_owned(), whole }
    }

    /// Whether a file that begins with `head` may still be the same: what was written before is there.
    pub(super) fn is_kept_by(&self, head: &[u8]) -> bool {
        head.starts_with(written(&self.head))
    }

    /// What tells `offset` apart; `before` ends at it.
    pub(super) fn check(&self, offset: u64, before: &[u8]) -> [u8; 4] {
        let n_head = usize::try_from(offset).map_or(self.head.len(), |offset| offset.min(self.head.len()));
        let mut hasher = if n_head == self.head.len() {
            self.whole.clone()
        } else {
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(&self.head[..n_head]);
            hasher
        };
        hasher.update(&before[before.len() - before.len().min(TAIL_MAX)..]);
        hasher.finalize().to_be_bytes()
    }

    /// The place of `offset`; `before` ends at it.
    pub(super) fn place(&self, offset: u64, before: &[u8]) -> Position {
        Position::checked_number(offset, self.check(offset, before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64, check: Option<[u8; 4]>) -> Option<FileStart> {
        Some(FileStart::At { offset, check })
    }

    #[test]
    fn every_form_of_a_bound_is_read_and_no_other() {
        let origin = |bytes: &[u8]| Watermark::Origin(Origin(ShortBytes::new(bytes)));
        assert_eq!(FileStart::of(&origin(b"")), at(0, None));
        assert_eq!(FileStart::of(&Watermark::At(Position::number(77))), at(77, None));
        assert_eq!(
            FileStart::of(&Watermark::At(Position::checked_number(77, *b"abcd"))),
            at(77, Some(*b"abcd"))
        );
        assert_eq!(
            FileStart::of(&Watermark::Origin(FileStart::within(1 << 40))),
            Some(FileStart::Within(1 << 40))
        );
        for bad in [&b"1"[..], b"123456789", b"1234567890123"] {
            assert_eq!(FileStart::of(&Watermark::At(Position::new(bad))), None, "{bad:?}");
        }
        assert_eq!(
            FileStart::of(&origin(b"<1234567")),
            at(u64::from_be_bytes(*b"<1234567"), None),
            "an offset may begin with any byte"
        );
    }

    #[test]
    fn a_stretch_from_before_there_was_evidence_holds_the_same_records() {
        let record = |offset| Position::checked_number(offset, *b"\xffabc");
        let (first, last) = (Position::number(10), end_of_stretch(Position::number(20)));
        assert!(first <= record(10) && record(20) <= last && record(21) > last && record(9) < first);
        assert_eq!(end_of_stretch(record(20)), record(20));
    }

    #[test]
    fn what_lies_before_an_offset_tells_it_apart_and_what_lies_behind_does_not() {
        let file: Vec<u8> = (0..5000_u32).flat_map(u32::to_be_bytes).collect();
        let check = |file: &[u8], offset: usize| {
            let evidence = Evidence::new(&file[..file.len().min(HEAD_MAX)]);
            evidence.check(offset as u64, &file[offset.saturating_sub(TAIL_MAX)..offset])
        };
        for offset in [0, 1, 15, 255, 256, 257, 1023, 1024, 1025, 5000] {
            let kept = check(&file, offset);
            assert_eq!(
                check(&file[..offset.max(1)], offset),
                kept,
                "a file that grows keeps its places: {offset}"
            );
            let counts = (0..offset).filter(|it| *it < HEAD_MAX || *it >= offset - TAIL_MAX.min(offset));
            for changed in counts.step_by(7) {
                let mut other = file.clone();
                other[changed] ^= 0x40;
                assert_ne!(check(&other, offset), kept, "byte {changed} before {offset}");
            }
        }
    }

    #[test]
    fn a_young_file_in_reserved_space_stays_the_same_as_it_is_written() {
        let young = Evidence::new(b"one\n\0\0\0\0\0\0");
        assert!(young.is_kept_by(b"one\ntwo\n\0\0") && !young.is_kept_by(b"two\none\n"));
        assert_eq!(written(b"\0a\0b\0\0"), b"\0a\0b");
        assert_eq!(written(b"\0\0"), b"");
    }
}
