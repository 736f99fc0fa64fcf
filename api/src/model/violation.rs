//! Violations of the model, in the one sentence that AWS makes of them.

use crate::error::{ApiError, ErrorType};

/// All violations of a request.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<String>);

impl Violations {
    /// A value that is there, at a place such as `filterCriteria.filters.1.member.pattern`.
    pub(crate) fn add(&mut self, value: &str, place: &str, constraint: &str) {
        self.0.push(format!("Value '{value}' at '{place}' failed to satisfy constraint: {constraint}"));
    }

    /// A value that is not there.
    pub(crate) fn add_null(&mut self, place: &str) {
        self.0.push(format!("Value null at '{place}' failed to satisfy constraint: Member must not be null"));
    }

    /// The error, if there is any violation.
    pub(crate) fn into_result(self) -> Result<(), ApiError> {
        let n = self.0.len();
        match n {
            0 => Ok(()),
            _ => {
                let noun = if n == 1 { "error" } else { "errors" };
                Err(ApiError::new(
                    ErrorType::Validation,
                    format!("{n} validation {noun} detected: {}", self.0.join("; ")),
                ))
            }
        }
    }
}
