//! Filter patterns: only whether a text is a JSON object, until the folder `pattern/` replaces this file.

use crate::error::Code;

/// A filter pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(&'static str);

impl PatternError {
    /// The code that the operator can look up.
    pub fn code(&self) -> Code {
        Code("FB-0150")
    }
}

impl Pattern {
    /// Checks a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(serde_json::Value::Object(_)) => Ok(Self { text: text.to_owned() }),
            Ok(_) => Err(PatternError("Filter is not an object")),
            Err(_) => Err(PatternError("Pattern is not valid JSON")),
        }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}
