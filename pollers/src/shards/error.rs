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
    /// What was asked for is no place in the shard, or lies in the future; or retention took it, where the
    /// server does not tell these apart.
    NoPlace,
    /// Retention took what was asked for.
    Trimmed,
    /// It asks to slow down.
    Throttled,
    /// The shard is pushed to another subscription of the same consumer, which is too young to give way.
    #[allow(dead_code, reason = "not every kind of source is pushed to")]
    Taken,
    /// Nothing that a reader could do about it.
    Other,
}

/// What a service complains of, by the code of its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Complaint {
    NotFound,
    Expired,
    NoPlace,
    Trimmed,
    Throttled,
    /// This machine's clock is off.
    Clock,
    Denied,
    Other,
}

impl Complaint {
    /// What an error says.
    pub(crate) fn of(code: &str, text: &str) -> Self {
        const DENIED: &[&str] = &[
            "AccessDenied",
            "ClientToken",
            "Signature",
            "UnrecognizedClient",
            "ExpiredToken",
            "AccessKey",
            "AuthenticationToken",
            "NotAuthorized",
            "KMS",
            "OptInRequired",
        ];
        const THROTTLED: &[&str] =
            &["ThroughputExceeded", "LimitExceeded", "Throttl", "TooManyRequests", "SlowDown"];
        let has = |words: &[&str]| words.iter().any(|it| code.contains(it));
        let is_of_time = || {
            let text = text.to_lowercase();
            has(&["RequestExpired", "RequestTimeTooSkewed"])
                || (has(&["Signature"]) && ["expired", "not yet current"].iter().any(|it| text.contains(it)))
        };
        match code {
            _ if has(&["ResourceNotFound"]) => Self::NotFound,
            _ if has(&["ExpiredIterator"]) => Self::Expired,
            _ if has(&["TrimmedDataAccess"]) => Self::Trimmed,
            _ if has(&["InvalidArgument"]) => Self::NoPlace,
            _ if has(THROTTLED) => Self::Throttled,
            // Before what is denied: a signature that is out of date is refused as a signature, and the clock
            // is what to mend.
            _ if is_of_time() => Self::Clock,
            _ if has(DENIED) => Self::Denied,
            _ => Self::Other,
        }
    }
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

    /// Nothing can be read at the place that was asked for.
    pub(super) fn is_of_place(&self) -> bool {
        matches!(self.refusal, Refusal::NotFound | Refusal::NoPlace | Refusal::Trimmed)
    }

    /// The same as the feed is told it.
    pub(crate) fn on(self, what: &str) -> SourceError {
        match self.refusal {
            Refusal::Throttled => {
                // A shard's limits are counted by the second.
                SourceError::Throttled { what: what.to_owned(), retry_after: Some(Duration::from_secs(1)) }
            }
            Refusal::NotFound
            | Refusal::Expired
            | Refusal::NoPlace
            | Refusal::Trimmed
            | Refusal::Taken
            | Refusal::Other => {
                SourceError::Down { what: what.to_owned(), code: self.code, cause: self.cause }
            }
        }
    }
}
