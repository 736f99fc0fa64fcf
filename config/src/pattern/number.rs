//! Numbers of JSON text, compared exactly: through `f64` where that decides, digit by digit where it does
//! not.

use std::cmp::Ordering;

/// A number of a pattern.
#[derive(Debug, Clone)]
pub(super) struct Number {
    approx: f64,
    text: Box<str>,
}

/// A number of a record, in place.
#[derive(Debug, Clone, Copy)]
pub(super) struct NumberRef<'a> {
    approx: f64,
    text: &'a str,
}

impl<'a> NumberRef<'a> {
    /// Reads the text of a JSON number, which the scanner has checked.
    pub(super) fn new(text: &'a str) -> Self {
        Self { approx: approximate(text), text }
    }

    /// Rounding to `f64` keeps order, so unequal approximations decide. Equal ones decide when neither text
    /// has more digits than `f64` tells apart (15) nor leaves its range.
    pub(super) fn order(self, other: NumberRef<'_>) -> Ordering {
        let Some(order) = self.approx.partial_cmp(&other.approx) else {
            return Decimal::new(self.text).cmp(&Decimal::new(other.text));
        };
        if order != Ordering::Equal || self.text == other.text {
            return order;
        }
        if self.approx.is_normal() && self.text.len() <= 15 && other.text.len() <= 15 {
            return Ordering::Equal;
        }
        Decimal::new(self.text).cmp(&Decimal::new(other.text))
    }
}

impl Number {
    pub(super) fn new(text: &str) -> Self {
        Self { approx: approximate(text), text: text.into() }
    }

    pub(super) fn as_ref(&self) -> NumberRef<'_> {
        NumberRef { approx: self.approx, text: &self.text }
    }
}

/// Finds numbers among sorted ones, through their approximations where those decide.
#[derive(Debug, Clone)]
pub(super) struct Index(Vec<f64>);

impl Index {
    pub(super) fn new(sorted: &[Number]) -> Self {
        Self(sorted.iter().map(|number| number.approx).collect())
    }

    /// As `binary_search` among the numbers that the index was made of.
    pub(super) fn find(&self, sorted: &[Number], value: NumberRef<'_>) -> Result<usize, usize> {
        let first = self.0.partition_point(|&approx| approx < value.approx);
        // Those that `f64` does not tell apart stand side by side.
        let n_equal = self.0[first..].iter().take_while(|&&approx| approx == value.approx).count();
        let found = sorted[first..first + n_equal].binary_search_by(|number| number.as_ref().order(value));
        found.map(|idx| first + idx).map_err(|idx| first + idx)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_ref().order(other.as_ref())
    }
}

/// Short integers without the detour through the general parser; every JSON number is one of Rust's too.
fn approximate(text: &str) -> f64 {
    // Nine digits fit 32 bits.
    if text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return f64::from(text.bytes().fold(0_u32, |value, byte| value * 10 + u32::from(byte - b'0')));
    }
    text.parse().unwrap_or(f64::NAN)
}

/// A number taken apart: sign, then `0.digits × 10^exponent`, no zeros at either end of the digits.
#[derive(PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    exponent: i64,
    digits: Vec<u8>,
}

impl Decimal {
    fn new(text: &str) -> Self {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let n_leading = digits.iter().take_while(|&&digit| digit == b'0').count();
        let n_kept = digits.iter().rposition(|&digit| digit != b'0').map_or(n_leading, |last| last + 1);
        // Zero has no sign and no exponent: `-0` and `0e9` equal `0`.
        if n_leading == digits.len() {
            return Self { is_negative: false, exponent: 0, digits: Vec::new() };
        }
        // One too long for 64 bits still tells its side; half the range leaves room for the point.
        let exponent = exponent
            .parse()
            .unwrap_or_else(|_| if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 });
        let point = whole.len() as i64 - n_leading as i64;
        Self {
            is_negative,
            exponent: exponent.saturating_add(point),
            digits: digits[n_leading..n_kept].to_vec(),
        }
    }

    /// Where zero stands between the negative and the positive numbers.
    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    fn cmp(&self, other: &Self) -> Ordering {
        // Without zeros in front, exponents and then digits stand in the order of the numbers.
        let magnitude = || self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        self.sign()
            .cmp(&other.sign())
            .then_with(|| if self.is_negative { magnitude().reverse() } else { magnitude() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_by_value_and_not_by_spelling() {
        let check = |left, right, order| {
            assert_eq!(NumberRef::new(left).order(NumberRef::new(right)), order, "{left} {right}");
            assert_eq!(NumberRef::new(right).order(NumberRef::new(left)), order.reverse(), "{right} {left}");
        };
        check("300", "300.0", Ordering::Equal);
        check("3.018e2", "301.8", Ordering::Equal);
        check("0", "-0.0e7", Ordering::Equal);
        check("1e2", "0.1E+3", Ordering::Equal);
        check("9007199254740992", "9007199254740993", Ordering::Less);
        check("-9007199254740993", "-9007199254740992", Ordering::Less);
        check("0.1", "0.10000000000000000001", Ordering::Less);
        check("1e400", "1e500", Ordering::Less);
        check("-1e500", "-1e400", Ordering::Less);
        check("1e-500", "1e-400", Ordering::Less);
        check("0", "1e-400", Ordering::Less);
        check("-1e-400", "0", Ordering::Less);
        check("1e99999999999999999999", "1e400", Ordering::Greater);
        check("1e-99999999999999999999", "0", Ordering::Greater);
        check("10", "9", Ordering::Greater);
    }

    #[test]
    fn the_index_finds_what_a_plain_search_finds() {
        let texts = [
            "-1e400",
            "-2",
            "0",
            "1e-400",
            "9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "1e400",
            "1e500",
        ];
        let sorted: Vec<_> = texts.iter().map(|text| Number::new(text)).collect();
        let index = Index::new(&sorted);
        for text in
            texts.into_iter().chain(["-1e500", "-1", "1e-500", "1", "9007199254740992.5", "1e450", "1e600"])
        {
            assert_eq!(
                index.find(&sorted, NumberRef::new(text)),
                sorted.binary_search(&Number::new(text)),
                "{text}"
            );
        }
    }
}
