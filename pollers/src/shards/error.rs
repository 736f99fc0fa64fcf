//! Why a call to a stream failed: what a reader makes of it, and the error of the kind that people are told.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use forebay_config::Code;

use crate::source::SourceError;

/// What a reader makes of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such stream, or no such shard.
    NotFound,
    /// The iterator is too old.
    Expired,
    /// What was asked for is no place in the shard, or lies in the future; or retention took it.
    NoPlace,
    /// It asks to slow down.
    Throttled,
    /// Nothing that a reader could do about it.
    Other,
}

/// A call failed.
#[derive(Debug)]
pub(crate) struct ShardError {
    pub(crate) refusal: Refusal,
    code: Code,
    /// What the server said.
    pub(crate) said: String,
    cause: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for ShardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl ShardError {
    /// An error of a kind, which begins with its code.
    pub(crate) fn new(
        refusal: Refusal,
        code: Code,
        said: String,
        cause: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self { refusal, code, said, cause: Box::new(cause) }
    }

    /// The same as the feed is told it.
    pub(crate) fn on(self, what: &str) -> SourceError {
        match self.refusal {
            Refusal::Throttled => {
                SourceError::Throttled { what: what.to_owned(), retry_after: Some(Duration::from_secs(1)) }
            }
            Refusal::NotFound | Refusal::Expired | Refusal::NoPlace | Refusal::Other => {
                SourceError::Down { what: what.to_owned(), code: self.code, cause: self.cause }
            }
        }
    }
}
