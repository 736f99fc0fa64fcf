//! What may be wrong with a stream, in words that say what to do; each has a page under `docs/errors/`.

use forebay_clients::{AwsError, CallFailure, with_causes};
use forebay_config::Code;

use crate::shards::{Complaint, Refusal, ShardError};
use crate::source::SourceError;

/// What is wrong with a stream.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum KinesisError {
    #[error(
        "FB-0240: there is no such stream. Create it, or correct `stream`, `aws.region` or `aws.endpoint` ({0})"
    )]
    NotFound(String),
    #[error(
        "FB-0241: the stream refuses these credentials: correct them, or allow kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords, for enhanced fan-out DescribeStreamConsumer, RegisterStreamConsumer and SubscribeToShard besides ({0})"
    )]
    Denied(String),
    #[error("FB-0242: no answer from the stream: check `aws.endpoint`, `aws.region` and the network ({0})")]
    Unreachable(String),
    #[error("FB-0243: the stream's answer is of no use: {0}")]
    Refused(String),
    #[error("FB-0245: this machine's clock is off: set it by NTP ({0})")]
    Clock(String),
    #[error(
        "FB-0246: another program is subscribed to the shard as this consumer: give each its own consumer ({0})"
    )]
    InUse(String),
    /// The same when it was just asked for: the other one may be our own, which is over.
    #[error(
        "FB-0246: another program is subscribed to the shard as this consumer: give each its own consumer ({0})"
    )]
    Taken(String),
    #[error(
        "FB-0247: the consumer of enhanced fan-out cannot be subscribed to: register it, or correct the consumer that the mapping names ({0})"
    )]
    NoConsumer(String),
    #[error("FB-0360: credentials cannot be fetched anew ({0})")]
    NoCredentials(String),
    #[error("{code}: it cannot be called: {why}")]
    Aws { code: &'static str, why: String },
    /// The iterator is older than five minutes.
    #[error("FB-0243: the stream's answer is of no use: an iterator that was given out just now has expired")]
    Expired,
    /// A subscription is over, by its time or otherwise.
    #[error("FB-0243: the stream's answer is of no use: a subscription ended right after it was made: {0}")]
    Over(String),
    /// What was asked for is no place in the shard, or lies in the future.
    #[error("FB-0243: the stream's answer is of no use: {0}")]
    Invalid(String),
    #[error("it asks to slow down")]
    Throttled,
}

impl From<AwsError> for KinesisError {
    fn from(error: AwsError) -> Self {
        Self::Aws { code: error.code(), why: with_causes(&error) }
    }
}

impl From<CallFailure> for KinesisError {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::Answered(code, text) => Self::answered(&code, text),
            CallFailure::Unusable(text) => Self::Refused(text),
            CallFailure::NoCredentials(text) => Self::NoCredentials(text),
            CallFailure::Unreachable(text) => Self::Unreachable(text),
        }
    }
}

impl KinesisError {
    /// An error that the service answered with.
    pub(super) fn answered(code: &str, text: String) -> Self {
        if code == "ResourceInUseException" {
            return Self::InUse(text);
        }
        match Complaint::of(code, &text) {
            Complaint::NotFound => Self::NotFound(text),
            Complaint::Expired => Self::Expired,
            Complaint::NoPlace => Self::Invalid(text),
            Complaint::Throttled => Self::Throttled,
            Complaint::Clock => Self::Clock(text),
            Complaint::Denied => Self::Denied(text),
            Complaint::Trimmed | Complaint::Other => Self::Refused(text),
        }
    }

    /// An error that a subscription ended with, which has brought something or nothing. A failure of the server
    /// alone ends no more than it.
    pub(super) fn pushed(code: &str, text: String, has_begun: bool) -> Self {
        match Self::answered(code, text) {
            Self::InUse(text) if !has_begun => Self::Taken(text),
            Self::Refused(text) if code.contains("InternalFailure") => Self::Over(format!("{code}: {text}")),
            other => other,
        }
    }

    /// The page that explains it.
    pub(super) fn code(&self) -> Code {
        Code(match self {
            Self::NotFound(_) => "FB-0240",
            Self::Denied(_) => "FB-0241",
            Self::Unreachable(_) => "FB-0242",
            Self::Refused(_) | Self::Expired | Self::Over(_) | Self::Invalid(_) => "FB-0243",
            Self::Clock(_) => "FB-0245",
            Self::InUse(_) | Self::Taken(_) => "FB-0246",
            Self::NoConsumer(_) => "FB-0247",
            Self::NoCredentials(_) => "FB-0360",
            Self::Aws { code, .. } => code,
            Self::Throttled => return SourceError::DOWN,
        })
    }

    /// What a reader makes of it, and what the server said.
    fn refusal(&self) -> (Refusal, String) {
        match self {
            Self::NotFound(said) => (Refusal::NotFound, said.clone()),
            Self::Invalid(said) => (Refusal::NoPlace, said.clone()),
            Self::Expired => (Refusal::Expired, String::new()),
            Self::Over(said) => (Refusal::Expired, said.clone()),
            Self::Taken(said) => (Refusal::Taken, said.clone()),
            Self::Throttled => (Refusal::Throttled, String::new()),
            Self::Denied(said)
            | Self::Unreachable(said)
            | Self::Refused(said)
            | Self::Clock(said)
            | Self::InUse(said)
            | Self::NoConsumer(said)
            | Self::NoCredentials(said)
            | Self::Aws { why: said, .. } => (Refusal::Other, said.clone()),
        }
    }
}

impl From<KinesisError> for ShardError {
    fn from(error: KinesisError) -> Self {
        let (refusal, said) = error.refusal();
        Self::new(refusal, error.code(), said, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_begins_with_its_code() {
        let text = || "FB-0301".to_owned();
        let region = AwsError::Region { service: "kinesis" };
        for error in [
            KinesisError::NotFound(text()),
            KinesisError::Denied(text()),
            KinesisError::Unreachable(text()),
            KinesisError::Refused(text()),
            KinesisError::Clock(text()),
            KinesisError::InUse(text()),
            KinesisError::Taken(text()),
            KinesisError::Over(text()),
            KinesisError::NoConsumer(text()),
            KinesisError::NoCredentials(text()),
            KinesisError::Expired,
            KinesisError::Invalid(text()),
            region.into(),
        ] {
            assert!(error.to_string().starts_with(&format!("{}: ", error.code())), "{error}");
            let code = error.code();
            assert_eq!(ShardError::from(error).on("stream FB-0210-x").code(), code);
        }
    }

    #[test]
    fn answers_are_told_apart_by_what_an_operator_has_to_do() {
        let code = |code: &str, text: &str| KinesisError::answered(code, text.to_owned()).code().to_string();
        assert_eq!(code("ResourceNotFoundException", "Stream s not found."), "FB-0240");
        assert_eq!(code("AccessDeniedException", ""), "FB-0241");
        assert_eq!(code("KMSAccessDeniedException", ""), "FB-0241");
        assert_eq!(code("ExpiredTokenException", ""), "FB-0241");
        assert_eq!(code("InvalidSignatureException", "Signature not yet current: 2026"), "FB-0245");
        assert_eq!(code("InvalidSignatureException", "The signature does not match"), "FB-0241");
        assert_eq!(code("InternalFailure", ""), "FB-0243");
        for it in
            ["ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException"]
        {
            assert!(matches!(KinesisError::answered(it, String::new()), KinesisError::Throttled), "{it}");
        }
    }
}
