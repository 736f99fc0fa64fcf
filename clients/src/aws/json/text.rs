//! Texts of an answer, without a copy where nothing in them is escaped.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use bytes::Bytes;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, Visitor};

/// A text as it stands in an answer: borrowed unless something in it is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WireText<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for WireText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = WireText<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<WireText<'de>, E> {
        Ok(WireText(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<WireText<'de>, E> {
        Ok(WireText(Cow::Owned(text.to_owned())))
    }
}

/// A text that may be a part of an answer, and keeps the whole answer then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerText(Bytes);

impl AnswerText {
    /// A text that lies in `answer`, or was made of one that does.
    pub fn of(answer: &Bytes, text: WireText<'_>) -> Self {
        match text.0 {
            Cow::Borrowed(it) => Self(answer.slice_ref(it.as_bytes())),
            Cow::Owned(it) => it.into(),
        }
    }

    /// Its bytes, which are UTF-8.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it was made of a text")
    }
}

impl From<String> for AnswerText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Deref for AnswerText {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for AnswerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads an answer; one without a body has no members.
///
/// # Errors
/// Why it cannot be read, for people.
pub fn read_answer<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, String> {
    read_answer_with(answer, PhantomData)
}

/// The same, with what the reader brings along.
///
/// # Errors
/// Why it cannot be read, for people.
pub fn read_answer_with<'a, S: DeserializeSeed<'a>>(answer: &'a [u8], seed: S) -> Result<S::Value, String> {
    // Once for all of it is less than once for each text.
    let text = std::str::from_utf8(answer).map_err(|error| error.to_string())?;
    let mut json = serde_json::Deserializer::from_str(if text.is_empty() { "{}" } else { text });
    let value = seed.deserialize(&mut json).map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_part_of_its_answer_unless_it_is_escaped() {
        let answer = Bytes::from(r#"["plain é","new\nline",""]"#);
        let texts: Vec<WireText<'_>> = read_answer(&answer).unwrap();
        let texts: Vec<_> = texts.into_iter().map(|it| AnswerText::of(&answer, it)).collect();
        assert_eq!(texts.iter().map(|it| it.as_str()).collect::<Vec<_>>(), ["plain é", "new\nline", ""]);
        assert_eq!(texts[0].as_ptr(), answer[2..].as_ptr());
        assert!(!answer.as_ptr_range().contains(&texts[1].as_ptr()));
    }

    #[test]
    fn an_answer_without_a_body_has_no_members_and_one_that_is_no_json_cannot_be_read() {
        let read = |it: &'static [u8]| read_answer::<std::collections::BTreeMap<String, u8>>(it);
        assert_eq!(read(b""), Ok([].into()));
        for answer in [&b"\xff"[..], b"{", b"{} {}", b"[]"] {
            assert!(read(answer).is_err(), "{answer:?}");
        }
    }
}
