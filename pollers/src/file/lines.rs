//! Where lines end, and what of a line becomes a record's body; nothing here does IO.
//!
//! | In the file | In the record |
//! |---|---|
//! | `\n` or `\r\n` at the end of a line | left out |
//! | an empty line, or `\r\n` alone | no record; the position passes it |
//! | a UTF-8 byte order mark at the start of the file | left out |
//! | a line longer than `line_bytes_max` | its first `line_bytes_max` bytes (no character cut in two), its whole length, `truncated` |
//! | NUL bytes at the start of a line | left out, and no part of its length: a writer that went on behind a truncation leaves them |
//! | NUL bytes within a line, control characters | kept |

use bytes::Bytes;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What of a line becomes a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineBody {
    /// Nothing: the line is empty.
    Empty,
    /// All of it.
    Whole(Bytes),
    /// Its first bytes, and how long it was.
    Truncated(Bytes, u64),
}

/// The body of a line that begins at `offset`. `line` is it without `\n`; `beyond` counts further bytes of it
/// that were not kept.
pub(super) fn body(line: &Bytes, beyond: u64, offset: u64, line_bytes_max: usize) -> LineBody {
    let mut line = line.clone();
    if offset == 0 && line.starts_with(BYTE_ORDER_MARK) {
        line = line.slice(BYTE_ORDER_MARK.len()..);
    }
    if beyond == 0 && line.ends_with(b"\r") {
        line.truncate(line.len() - 1);
    }
    let length = line.len() as u64 + beyond;
    match line.len() {
        0 => LineBody::Empty,
        n if n <= line_bytes_max && beyond == 0 => LineBody::Whole(line),
        n => LineBody::Truncated(whole_characters(line.slice(..n.min(line_bytes_max))), length),
    }
}

/// How many NUL bytes a line begins with.
pub(super) fn leading_nuls(line: &[u8]) -> usize {
    line.iter().position(|byte| *byte != 0).unwrap_or(line.len())
}

/// Leaves out a UTF-8 character that was cut in two at the end.
fn whole_characters(line: Bytes) -> Bytes {
    match std::str::from_utf8(&line) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            line.slice(..error.valid_up_to())
        }
        Ok(_) | Err(_) => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(line: &'static [u8], beyond: u64, offset: u64) -> LineBody {
        body(&Bytes::from_static(line), beyond, offset, 8)
    }

    #[test]
    fn line_ends_and_marks_are_left_out_and_nothing_else() {
        assert_eq!(cut(b"abc\r", 0, 7), LineBody::Whole("abc".into()));
        assert_eq!(cut(b"abc\r\r", 0, 7), LineBody::Whole("abc\r".into()));
        assert_eq!(cut(b"\xef\xbb\xbfabc", 0, 0), LineBody::Whole("abc".into()));
        assert_eq!(cut(b"\xef\xbb\xbfabc", 0, 7), LineBody::Whole("\u{feff}abc".into()));
        assert_eq!(cut(b" \0", 0, 7), LineBody::Whole(" \0".into()));
        assert_eq!(
            [cut(b"", 0, 3), cut(b"\r", 0, 3), cut(b"\xef\xbb\xbf\r", 0, 0)],
            [LineBody::Empty, LineBody::Empty, LineBody::Empty]
        );
    }

    #[test]
    fn a_line_at_the_limit_is_whole_and_one_byte_more_is_truncated() {
        assert_eq!(cut(b"12345678\r", 0, 7), LineBody::Whole("12345678".into()));
        assert_eq!(cut(b"123456789", 0, 7), LineBody::Truncated("12345678".into(), 9));
        assert_eq!(cut(b"12345678", 1000, 7), LineBody::Truncated("12345678".into(), 1008));
    }

    #[test]
    fn no_character_is_cut_in_two_but_bytes_that_are_no_text_stay() {
        assert_eq!(cut("1234567\u{e9}".as_bytes(), 0, 7), LineBody::Truncated("1234567".into(), 9));
        assert_eq!(
            cut(b"\xff234567\xc3\xa9", 0, 7),
            LineBody::Truncated(Bytes::from_static(b"\xff234567\xc3"), 9)
        );
    }
}
