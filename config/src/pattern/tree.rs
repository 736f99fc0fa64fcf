//! The JSON of a pattern as a tree with places: depth-capped, the last of equal keys kept.

use crate::error::Code;

use super::error::{PatternError, Reason};
use super::json::{Malformed, Scanner};

/// Deepest nesting of objects and arrays in a pattern.
pub(super) const DEPTH_MAX: usize = 64;

/// A value and where it starts.
#[derive(Debug, Clone)]
pub(super) struct Json {
    pub(super) value: JsonValue,
    pub(super) offset: usize,
}

#[derive(Debug, Clone)]
pub(super) enum JsonValue {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<TreeMember>),
}

/// A key, where it starts, and its value.
#[derive(Debug, Clone)]
pub(super) struct TreeMember {
    pub(super) key: String,
    pub(super) offset: usize,
    pub(super) value: Json,
}

/// A key that stands twice in one object; the last one is obeyed, the ones before are as if never written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("key \"{key}\" stands more than once in one object, the last one is obeyed")]
pub struct Warning {
    /// The key.
    pub key: String,
    /// Bytes of the pattern before the one that is not obeyed.
    pub offset: usize,
}

impl Warning {
    /// The code that the operator can look up.
    pub fn code(&self) -> Code {
        Code("FB-0153")
    }
}

/// Reads the whole text.
pub(super) fn parse(text: &str) -> Result<(Json, Vec<Warning>), PatternError> {
    let mut reader =
        TreeReader { scanner: Scanner::new(text), text, warnings: Vec::new(), buffer: String::new() };
    let json = reader.value(0)?;
    reader.scanner.finish().map_err(|malformed| reader.malformed(malformed))?;
    Ok((json, reader.warnings))
}

struct TreeReader<'a> {
    scanner: Scanner<'a>,
    text: &'a str,
    warnings: Vec<Warning>,
    buffer: String,
}

impl TreeReader<'_> {
    fn malformed(&self, malformed: Malformed) -> PatternError {
        PatternError::new(Reason::Malformed, malformed.0, self.text)
    }

    fn value(&mut self, depth: usize) -> Result<Json, PatternError> {
        let first = self.scanner.peek().map_err(|malformed| self.malformed(malformed))?;
        let offset = self.scanner.pos;
        if depth == DEPTH_MAX && matches!(first, b'{' | b'[') {
            return Err(PatternError::new(Reason::TooDeep { max: DEPTH_MAX }, offset, self.text));
        }
        let value = match first {
            b'{' => JsonValue::Object(self.object(depth)?),
            b'[' => JsonValue::Array(self.array(depth)?),
            _ => self.scalar(first).map_err(|malformed| self.malformed(malformed))?,
        };
        Ok(Json { value, offset })
    }

    fn scalar(&mut self, first: u8) -> Result<JsonValue, Malformed> {
        Ok(match first {
            b'"' => JsonValue::String(self.scanner.string()?.unescape(&mut self.buffer).to_owned()),
            b't' => self.scanner.word("true").map(|()| JsonValue::Bool(true))?,
            b'f' => self.scanner.word("false").map(|()| JsonValue::Bool(false))?,
            b'n' => self.scanner.word("null").map(|()| JsonValue::Null)?,
            _ => JsonValue::Number(self.scanner.number()?.to_owned()),
        })
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Json>, PatternError> {
        let mut elements = Vec::new();
        let mut has_more = self.scanner.open(b'[').map_err(|malformed| self.malformed(malformed))?;
        while has_more {
            elements.push(self.value(depth + 1)?);
            has_more = self.scanner.has_more(b'[').map_err(|malformed| self.malformed(malformed))?;
        }
        Ok(elements)
    }

    fn object(&mut self, depth: usize) -> Result<Vec<TreeMember>, PatternError> {
        let mut members: Vec<TreeMember> = Vec::new();
        let mut has_more = self.scanner.open(b'{').map_err(|malformed| self.malformed(malformed))?;
        while has_more {
            self.scanner.peek().map_err(|malformed| self.malformed(malformed))?;
            // Behind the white space, so that the place is the key's own.
            let offset = self.scanner.pos;
            let raw = self.scanner.key().map_err(|malformed| self.malformed(malformed))?;
            let key = raw.unescape(&mut self.buffer).to_owned();
            let value = self.value(depth + 1)?;
            if let Some(earlier) = members.iter().position(|member| member.key == key) {
                let earlier = members.remove(earlier);
                self.warnings.push(Warning { key: earlier.key, offset: earlier.offset });
            }
            members.push(TreeMember { key, offset, value });
            has_more = self.scanner.has_more(b'{').map_err(|malformed| self.malformed(malformed))?;
        }
        Ok(members)
    }
}
