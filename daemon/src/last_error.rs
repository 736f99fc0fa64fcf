//! What went wrong last with a mapping, kept for operators.

use forebay_batcher::{Fault, UnixMillis};
use forebay_config::Code;
use serde::Serialize;

use crate::sentence::{advice, one_line};
use crate::status::wall_time;

/// Whose error it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorOf {
    /// The function failed or was not reached.
    Function,
    /// The source could not be read.
    Source,
    /// The destination did not take a failure record.
    Destination,
    /// The data folder did not take a checkpoint.
    Store,
}

/// What went wrong last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// Whose error it was.
    pub of: ErrorOf,
    /// On which track; `None` when it concerns the mapping as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// The first line of what was said.
    pub message: String,
    /// The page of the manual, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// When.
    pub at: String,
}

impl LastError {
    /// Something that went wrong.
    pub fn new(of: ErrorOf, track: &str, error: &Fault, at: UnixMillis) -> Self {
        let first =
            error.text.lines().map(str::trim).find(|it| !it.is_empty()).unwrap_or("no error was told");
        Self {
            of,
            track: (!track.is_empty()).then(|| track.to_owned()),
            // What a function says is its own; all else ends with what to do.
            message: if of == ErrorOf::Function { one_line(first) } else { advice(first) },
            code: error.code,
            at: wall_time(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_its_first_line_that_says_something() {
        let told = LastError::new(
            ErrorOf::Function,
            "",
            &"\n  ValueError: bad\n  at line 1\n".into(),
            UnixMillis(1_500),
        );
        assert_eq!(
            (told.message.as_str(), told.track, told.at.as_str()),
            ("ValueError: bad", None, "1970-01-01T00:00:01.500Z")
        );
        let fault = Fault::new(Code("FB-0402"), "there is no room left in /FB-0301");
        let told = LastError::new(ErrorOf::Store, "a", &fault, UnixMillis(0));
        assert_eq!((told.code, told.track.as_deref()), (Some(Code("FB-0402")), Some("a")));
        assert_eq!(LastError::new(ErrorOf::Function, "", &"FB-0210: mine".into(), UnixMillis(0)).code, None);
        assert_eq!(
            LastError::new(ErrorOf::Source, "", &"".into(), UnixMillis(0)).message,
            "no error was told"
        );
    }
}
