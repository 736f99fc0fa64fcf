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

/// Which consumer of enhanced fan-out reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WhichConsumer {
    /// One that is there, for the mapping names it as its source.
    Arn(Arn),
    /// It is registered if it is not there.
    Name(String),
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
    /// Reads a name or an ARN, which may be a consumer's; else what is wrong with it, and what to do.
    pub(super) fn parse(text: &str) -> Result<(Self, Option<WhichConsumer>), (&'static str, &'static str)> {
        if is_name(text) {
            return Ok((Self::Name(text.to_owned()), None));
        }
        let arn = Arn::parse(text).filter(|it| it.service == "kinesis");
        let of_stream = arn.as_ref().and_then(|it| it.resource.strip_prefix("stream/"));
        match (arn.as_ref(), of_stream.map(|it| it.split_once("/consumer/").unwrap_or((it, "")))) {
            (Some(arn), Some((name, ""))) if is_name(name) => Ok((Self::Arn(arn.clone()), None)),
            (Some(arn), Some((name, consumer))) if is_name(name) && is_consumer(consumer) => {
                let stream = Arn { resource: format!("stream/{name}"), ..arn.clone() };
                Ok((Self::Arn(stream), Some(WhichConsumer::Arn(arn.clone()))))
            }
            _ if text.contains("/consumer/") => Err((
                "is no ARN of a consumer of enhanced fan-out",
                "write `arn:aws:kinesis:region:account:stream/name/consumer/name:time`, as DescribeStreamConsumer tells it",
            )),
            _ => Err((
                "is no name of a stream",
                "write 1 to 128 letters, digits, `_`, `.` and `-`, or the stream's ARN: `arn:aws:kinesis:region:account:stream/name`",
            )),
        }
    }
}

/// Whether a stream or a consumer may be called so.
pub(super) fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.-".contains(&it))
}

/// A name and the time in epoch seconds when it was registered.
fn is_consumer(text: &str) -> bool {
    let is_time = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    text.split_once(':').is_some_and(|(name, time)| is_name(name) && is_time(time))
}
