//! Numbers as written: whole ones and times, exact, without a detour over floating point.

/// A whole number in any spelling of YAML, JSON and TOML: `12`, `+3`, `-1`, `0x1f`, `0o17`, `0b11`, `1_000`.
pub(crate) fn integer_of(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(_) | None => (10, digits),
    };
    // `from_str_radix` would take another sign here.
    if !digits.starts_with(|it: char| it.is_digit(radix)) {
        return None;
    }
    let value = i128::from_str_radix(&ungrouped(digits, radix)?, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// Digits without the underscores that group them; `None` where one does not stand between two digits.
fn ungrouped(digits: &str, radix: u32) -> Option<String> {
    let is_digit = |it: Option<char>| it.is_some_and(|it| it.is_digit(radix));
    let is_grouping = |(at, _): (usize, &str)| {
        is_digit(digits[..at].chars().next_back()) && is_digit(digits[at + 1..].chars().next())
    };
    digits.match_indices('_').all(is_grouping).then(|| digits.replace('_', ""))
}

/// A finer time than we keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooFine;

/// A decimal number as thousandths: `1.5` is 1500. `None` when it is no number or beyond all reason.
pub(crate) fn decimal_millis(text: &str) -> Option<Result<i128, TooFine>> {
    if let Some(value) = integer_of(text) {
        return value.checked_mul(1000).map(Ok);
    }
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (whole, fraction) = (ungrouped(whole, 10)?, ungrouped(fraction, 10)?);
    let digits = whole + &fraction;
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    // Zeros at the end are no finer time: `1.5000` has one decimal.
    let trimmed = digits.trim_end_matches('0');
    if trimmed.is_empty() {
        return Some(Ok(0));
    }
    let dropped = i32::try_from(digits.len() - trimmed.len()).ok()?;
    let decimals = i32::try_from(fraction.len()).ok()?;
    // Three, for milliseconds.
    let power = exponent.checked_add(3)?.checked_add(dropped)?.checked_sub(decimals)?;
    let Ok(power) = u32::try_from(power) else { return Some(Err(TooFine)) };
    let value = trimmed.parse::<i128>().ok()?.checked_mul(10i128.checked_pow(power)?)?;
    Some(Ok(if negative { -value } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_in_every_spelling() {
        for (text, value) in [
            ("12", 12),
            ("+3", 3),
            ("-1", -1),
            ("0x1f", 31),
            ("0o17", 15),
            ("0b11", 3),
            ("1_000", 1000),
            ("007", 7),
        ] {
            assert_eq!(integer_of(text), Some(value), "{text}");
        }
        for text in [
            "", "-", "+", "--1", "+-1", "1.0", "1e3", "0x", "x", "_1", "٣", "0x-1", ".inf", "1_", "1__0",
            "1__0_", "0x1f_",
        ] {
            assert_eq!(integer_of(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_read_exactly() {
        let cases = [
            ("0.5", 500),
            ("1.", 1000),
            (".25", 250),
            ("2e-3", 2),
            ("1.5E2", 150_000),
            ("0.1000", 100),
            ("0e99999", 0),
            ("1_0.2_5", 10_250),
            ("-0.001", -1),
        ];
        for (text, millis) in cases {
            assert_eq!(decimal_millis(text), Some(Ok(millis)), "{text}");
        }
        assert_eq!(decimal_millis("0.0005"), Some(Err(TooFine)));
        assert_eq!(decimal_millis("1e-9"), Some(Err(TooFine)));
        for text in [
            "",
            ".",
            "e5",
            "1e",
            "nan",
            ".inf",
            "1e999999999999",
            "1e400",
            "1.2.3",
            "1e2147483647",
            "1_.5",
            "1._5",
            "1__0.5",
            "1.5_",
            "_.5",
            "_1.5",
            "1__0_",
        ] {
            assert_eq!(decimal_millis(text), None, "{text}");
        }
    }
}
