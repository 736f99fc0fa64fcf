//! The readers of single values: text, paths, switches, numbers, times, words.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::item::Item;
use super::{decimal_millis, integer_of, suggest, words};
use crate::document::Value;
use crate::error::Code;

impl Item<'_, '_> {
    /// Text, possibly empty.
    pub fn string(self) -> Option<String> {
        match &self.node.value {
            Value::String(text) | Value::Expanded(text) => Some(text.clone()),
            // What has no quotes has a type, and as text it may read otherwise than it is meant: `1.0`, `0x10`.
            Value::Bool(_) | Value::Number(_) => {
                self.not("text", Some("write it in quotes"));
                None
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.not("text", None);
                None
            }
        }
    }

    /// Text that is not empty.
    pub fn text(mut self) -> Option<String> {
        if let Value::String(text) | Value::Expanded(text) = &self.node.value
            && text.is_empty()
        {
            self.wrong(
                Code::NOT_ALLOWED,
                "must not be empty",
                Some("write a value, or remove the setting".to_owned()),
            );
            return None;
        }
        self.string()
    }

    /// A path; relative ones are taken from `base`.
    pub fn file_path(self, base: &Path) -> Option<PathBuf> {
        Some(base.join(self.path_text()?))
    }

    /// A path as it was written.
    pub fn path_text(mut self) -> Option<String> {
        if let Value::String(text) | Value::Expanded(text) = &self.node.value
            && text.contains('\0')
        {
            self.wrong(Code::NOT_ALLOWED, "a path holds no NUL", Some("remove it".to_owned()));
            return None;
        }
        self.text()
    }

    /// `true` or `false`.
    pub fn bool(self) -> Option<bool> {
        match &self.node.value {
            Value::Bool(value) => Some(*value),
            // A placeholder gives text, whatever the setting is.
            Value::Expanded(text) if text == "true" => Some(true),
            Value::Expanded(text) if text == "false" => Some(false),
            Value::String(text) if matches!(text.as_str(), "true" | "false") => {
                self.not("`true` or `false`", Some("write it without quotes"));
                None
            }
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Expanded(_)
            | Value::List(_)
            | Value::Map(_) => {
                self.not("`true` or `false`", None);
                None
            }
        }
    }

    /// A whole number within a range.
    pub fn integer<T>(self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + Into<i128> + Copy,
    {
        let (min, max): (i128, i128) = ((*range.start()).into(), (*range.end()).into());
        let Some(text) = self.number_text() else {
            self.not("a whole number", None);
            return None;
        };
        match integer_of(text) {
            Some(value) if (min..=max).contains(&value) => T::try_from(value).ok(),
            Some(value) => {
                self.out_of_range(value < min, &min.to_string(), &max.to_string());
                None
            }
            None => {
                self.not_a_number("a whole number");
                None
            }
        }
    }

    /// A whole number within a range that does not hold zero.
    pub fn non_zero(self, range: RangeInclusive<u32>) -> Option<NonZeroU32> {
        let min = (*range.start()).max(1);
        self.integer(min..=*range.end()).and_then(NonZeroU32::new)
    }

    /// A whole number, however large.
    pub(crate) fn any_integer(self) -> Option<i128> {
        self.integer(i128::MIN..=i128::MAX)
    }

    /// A time in seconds, with fractions down to a millisecond.
    pub fn seconds(mut self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let millis = self.again().millis()?;
        let (min, max) = (range.start().as_millis().cast_signed(), range.end().as_millis().cast_signed());
        if !(min..=max).contains(&millis) {
            self.out_of_range(millis < min, &as_seconds(*range.start()), &as_seconds(*range.end()));
            return None;
        }
        u64::try_from(millis).ok().map(Duration::from_millis)
    }

    /// A time in seconds as milliseconds, however long.
    pub(crate) fn millis(mut self) -> Option<i128> {
        let Some(text) = self.number_text() else {
            self.not("a number of seconds", None);
            return None;
        };
        let Some(value) = decimal_millis(text) else {
            self.not_a_number("a number of seconds");
            return None;
        };
        let Ok(millis) = value else {
            self.wrong(
                Code::NOT_ALLOWED,
                "a time has no more than three decimals: a millisecond is the shortest",
                None,
            );
            return None;
        };
        Some(millis)
    }

    /// One of several words.
    pub fn word<T: Copy>(mut self, known: &[(&'static str, T)]) -> Option<T> {
        let (Value::String(text) | Value::Expanded(text)) = &self.node.value else {
            self.not("a word", None);
            return None;
        };
        if let Some((_, value)) = known.iter().find(|(word, _)| word == text) {
            return Some(*value);
        }
        let names: Vec<&'static str> = known.iter().map(|(word, _)| *word).collect();
        let message = match &self.aws_name {
            Some(name) => {
                validation(&self.shown(), name, &format!("satisfy enum value set: [{}]", names.join(", ")))
            }
            None if known.len() == 1 => format!("must be {}", words(&names)),
            None => format!("must be one of {}", words(&names)),
        };
        let fix = suggest(text, &names).map(|word| format!("did you mean `{word}`?"));
        self.wrong(Code::NOT_ALLOWED, message, fix);
        None
    }

    /// The text of a number, or of what may become one.
    fn number_text(&self) -> Option<&str> {
        match &self.node.value {
            Value::Number(text) | Value::Expanded(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The value for a message; never what a placeholder gave.
    pub(crate) fn shown(&self) -> String {
        match &self.node.value {
            Value::Number(text) | Value::String(text) => {
                text.chars().take(80).flat_map(char::escape_debug).collect()
            }
            Value::Bool(value) => value.to_string(),
            Value::Expanded(_) => "(expanded)".to_owned(),
            Value::Null | Value::List(_) | Value::Map(_) => String::new(),
        }
    }

    fn not_a_number(mut self, wanted: &str) {
        let message = match &self.node.value {
            Value::Expanded(_) => format!("what the placeholder gave is not {wanted}"),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::List(_)
            | Value::Map(_) => {
                format!("must be {wanted}, not {}", self.shown())
            }
        };
        self.wrong(Code::WRONG_TYPE, message, None);
    }

    fn out_of_range(mut self, below: bool, min: &str, max: &str) {
        let (message, fix) = beyond(self.aws_name.as_deref(), &self.shown(), below, min, max);
        self.wrong(Code::NOT_ALLOWED, message, fix);
    }
}

/// What is said of a value beyond its range, and the fix.
pub(crate) fn beyond(
    aws_name: Option<&str>,
    shown: &str,
    below: bool,
    min: &str,
    max: &str,
) -> (String, Option<String>) {
    let Some(name) = aws_name else { return (format!("must be from {min} to {max}, not {shown}"), None) };
    let (bound, side) = if below { (min, "greater") } else { (max, "less") };
    let message = validation(shown, name, &format!("have value {side} than or equal to {bound}"));
    (message, Some(format!("choose from {min} to {max}")))
}

/// AWS's sentence for a value that breaks a constraint of its model.
pub(crate) fn validation(value: &str, name: &str, must: &str) -> String {
    format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must {must}"
    )
}

fn as_seconds(time: Duration) -> String {
    let millis = time.as_millis();
    match millis % 1000 {
        0 => format!("{}", millis / 1000),
        rest => format!("{}.{rest:03}", millis / 1000).trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Node;
    use crate::document::testing::{node, number, text};

    fn expanded(text: &str) -> Node {
        node(Value::Expanded(text.to_owned()))
    }

    fn read<T>(node: &Node, read: impl FnOnce(Item<'_, '_>) -> Option<T>) -> Result<T, String> {
        let mut findings = Vec::new();
        let value = read(Item::new(node, "it", &mut findings));
        assert_eq!(value.is_some(), findings.is_empty());
        value.ok_or_else(|| findings.remove(0).message)
    }

    #[test]
    fn a_range_is_obeyed_at_both_ends() {
        let size = |node: &Node| read(node, |it| it.aws("batchSize").integer(1u32..=10_000));
        assert_eq!(size(&number("1")), Ok(1));
        assert_eq!(size(&number("10000")), Ok(10_000));
        let below = "1 validation error detected: Value '0' at 'batchSize' failed to satisfy constraint: Member must have value greater than or equal to 1";
        assert_eq!(size(&number("0")), Err(below.to_owned()));
        let above = "1 validation error detected: Value '10001' at 'batchSize' failed to satisfy constraint: Member must have value less than or equal to 10000";
        assert_eq!(size(&number("10001")), Err(above.to_owned()));
        assert_eq!(size(&number("1.5")), Err("must be a whole number, not 1.5".to_owned()));
        assert_eq!(size(&text("5")), Err("must be a whole number, not text".to_owned()));
        assert!(size(&number("99999999999999999999999999999999999999999999")).is_err());
    }

    #[test]
    fn what_a_placeholder_gave_takes_the_type_of_the_setting_and_is_never_shown() {
        assert_eq!(read(&expanded("12"), |it| it.integer(1u32..=100)), Ok(12));
        assert_eq!(read(&expanded("true"), |it| it.bool()), Ok(true));
        assert_eq!(
            read(&expanded("0.25"), |it| it.seconds(Duration::ZERO..=Duration::from_secs(1))),
            Ok(Duration::from_millis(250))
        );
        assert_eq!(read(&expanded("abc"), |it| it.text()), Ok("abc".to_owned()));
        for wrong in [
            read(&expanded("s3cret"), |it| it.integer(1u32..=100)).unwrap_err(),
            read(&expanded("31337"), |it| it.integer(1u32..=100)).unwrap_err(),
            read(&expanded("31337"), |it| it.aws("x").integer(1u32..=100)).unwrap_err(),
            read(&expanded("s3cret"), |it| it.bool()).unwrap_err(),
            read(&expanded("s3cret"), |it| it.aws("x").word(&[("a", 1)])).unwrap_err(),
            read(&expanded("s3cret"), |it| it.seconds(Duration::ZERO..=Duration::from_secs(1))).unwrap_err(),
        ] {
            assert!(!wrong.contains("s3cret") && !wrong.contains("31337"), "{wrong}");
        }
    }

    #[test]
    fn seconds_have_a_millisecond_as_their_finest() {
        let window =
            |text: &str| read(&number(text), |it| it.seconds(Duration::ZERO..=Duration::from_secs(300)));
        assert_eq!(window("0"), Ok(Duration::ZERO));
        assert_eq!(window("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(window("300"), Ok(Duration::from_secs(300)));
        assert_eq!(window("1e1"), Ok(Duration::from_secs(10)));
        assert_eq!(window("300.001"), Err("must be from 0 to 300, not 300.001".to_owned()));
        assert_eq!(window("-0.001"), Err("must be from 0 to 300, not -0.001".to_owned()));
        assert_eq!(
            window("0.0005"),
            Err("a time has no more than three decimals: a millisecond is the shortest".to_owned())
        );
        assert_eq!(window(".inf"), Err("must be a number of seconds, not .inf".to_owned()));
    }

    #[test]
    fn words_are_taken_exactly() {
        let read = |node: &Node| {
            read(node, |it| it.aws("startingPosition").word(&[("LATEST", 1), ("TRIM_HORIZON", 2)]))
        };
        assert_eq!(read(&text("LATEST")), Ok(1));
        let wrong = "1 validation error detected: Value 'latest' at 'startingPosition' failed to satisfy constraint: \
                     Member must satisfy enum value set: [LATEST, TRIM_HORIZON]";
        assert_eq!(read(&text("latest")), Err(wrong.to_owned()));
    }

    #[test]
    fn a_path_is_taken_from_its_base() {
        let base = Path::new("/etc/forebay");
        assert_eq!(read(&text("a/b"), |it| it.file_path(base)), Ok(PathBuf::from("/etc/forebay/a/b")));
        assert_eq!(read(&text("/a"), |it| it.file_path(base)), Ok(PathBuf::from("/a")));
        assert_eq!(read(&text("a\0b"), |it| it.file_path(base)), Err("a path holds no NUL".to_owned()));
    }
}
