//! Which stream is read, and what an operator chose for it.

use std::fmt;
use std::time::Duration;

use forebay_clients::Transport;
use forebay_config::Arn;

const NAME_CHARS_MAX: usize = 128;

/// What an operator chose for a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// The longest pause between two reads that bring nothing.
    pub(super) poll_interval: Duration,
    /// Aggregates are taken apart.
    pub(super) deaggregates: bool,
    /// `invokeIdentityArn` of the events.
    pub(super) identity_arn: Option<String>,
    /// Who makes the calls.
    pub(super) transport: Transport,
}

/// Which stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WhichStream {
    Name(String),
    Arn(Arn),
}

impl fmt::Display for WhichStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Arn(arn) => arn.fmt(f),
        }
    }
}

impl WhichStream {
    /// Reads a name or an ARN; else what is wrong with it, and what to do.
    pub(super) fn parse(text: &str) -> Result<Self, (&'static str, &'static str)> {
        let is_name = |it: &str| {
            (1..=NAME_CHARS_MAX).contains(&it.len())
                && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.-".contains(&it))
        };
        if is_name(text) {
            return Ok(Self::Name(text.to_owned()));
        }
        let arn = Arn::parse(text).filter(|it| it.service == "kinesis");
        match arn.as_ref().and_then(|it| it.resource.strip_prefix("stream/")) {
            Some(name) if is_name(name) => arn.map(Self::Arn).ok_or(("is no ARN", "correct it")),
            Some(rest) if rest.contains("/consumer/") => Err((
                "names a consumer of enhanced fan-out, which is not built in",
                "name the stream: its shards are read by polls",
            )),
            Some(_) | None => Err((
                "is no name of a stream",
                "write 1 to 128 letters, digits, `_`, `.` and `-`, or the stream's ARN: `arn:aws:kinesis:region:account:stream/name`",
            )),
        }
    }
}
