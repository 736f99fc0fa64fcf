//! Times as an operator writes them: RFC 3339, to epoch milliseconds. Finer digits are cut off.

use jiff::Timestamp;

/// The milliseconds since 1970 of an RFC 3339 time; `None` when it is none.
pub(crate) fn epoch_millis(text: &str) -> Option<i64> {
    let (seconds, fraction, offset) = parts(text)?;
    let whole: Timestamp = format!("{seconds}{offset}").parse().ok()?;
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(whole.as_millisecond() + millis)
}

/// The time to its second, the digits of its fraction, and its offset; `None` when it is not written as RFC
/// 3339 has it. The parser takes other forms too, which would be read as something that was not meant: a
/// second 60, an offset without a colon, a year with a sign.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let fits = |(byte, shape): (u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        b'T' => b"Tt ".contains(&byte),
        other => byte == *other,
    };
    let (seconds, rest) = text.split_at_checked(SHAPE.len())?;
    // Leap seconds have no place among epoch milliseconds.
    if !seconds.bytes().zip(SHAPE).all(fits) || seconds.ends_with("60") {
        return None;
    }
    let (fraction, offset) = match rest.strip_prefix('.') {
        None => ("", rest),
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
    };
    let is_offset = match offset.as_bytes() {
        b"Z" | b"z" => true,
        [b'+' | b'-', h, i, b':', m, n] => {
            [h, i, m, n].iter().all(|it| it.is_ascii_digit()) && (*h, *i) <= (b'2', b'3') && *m <= b'5'
        }
        _ => false,
    };
    // A point needs digits behind it.
    (is_offset && (rest == offset || !fraction.is_empty())).then_some((seconds, fraction, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_epoch_milliseconds() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2024-02-29T12:34:56.789Z", 1_709_210_096_789),
            ("2000-03-01T00:00:00.5+01:30", 951_863_400_500),
            ("1969-12-31 23:59:59.9999-00:00", -1),
            ("2100-12-31t23:59:59z", 4_133_980_799_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            ("2024-02-29T12:34:56.789012345678901234567890Z", 1_709_210_096_789),
        ] {
            assert_eq!(epoch_millis(text), Some(millis), "{text}");
        }
        for text in [
            "",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+0100",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00Zx",
            "2024-01-01T00:00:60Z",
            "2024-01-01T00:00:00+01",
            "2024-01-01T00:00:00+01:60",
            "2024-01-01T00:00:00,5Z",
            "2024-01-01T00:00:00Z[UTC]",
            "2024-1-1T00:00:00Z",
            "2024-01-01",
            "2024-01-01T00:00:00é",
            "+024-01-01T00:00:00Z",
        ] {
            assert_eq!(epoch_millis(text), None, "{text}");
        }
    }
}
