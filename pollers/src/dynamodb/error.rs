//! What may be wrong with a table or its stream, in words that say what to do; each has a page under
//! `docs/errors/`.

use forebay_clients::{AwsError, with_causes};
use forebay_config::Code;

use crate::shards::{Complaint, Refusal, ShardError};
use crate::source::SourceError;

/// What is wrong with a stream.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum DynamoError {
    #[error(
        "FB-0250: there is no such table or stream. Create it, or correct `table`, `aws.region` or `aws.endpoint` ({0})"
    )]
    NotFound(String),
    #[error(
        "FB-0251: DynamoDB refuses these credentials: correct them, or allow dynamodb:DescribeTable, DescribeStream, GetShardIterator and GetRecords ({0})"
    )]
    Denied(String),
    #[error("FB-0252: no answer from DynamoDB: check `aws.endpoint`, `aws.region` and the network ({0})")]
    Unreachable(String),
    #[error("FB-0253: the stream's answer is of no use: {0}")]
    Refused(String),
    #[error("FB-0255: this machine's clock is off: set it by NTP ({0})")]
    Clock(String),
    #[error("FB-0256: the table has no stream: switch one on, with the images that the function needs")]
    NoStream,
    #[error(
        "FB-0257: the stream is switched off: what it holds is read, and nothing new comes. Switch the table's stream on"
    )]
    Disabled,
    #[error("FB-0360: credentials cannot be fetched anew ({0})")]
    NoCredentials(String),
    #[error("{code}: it cannot be called: {why}")]
    Aws { code: &'static str, why: String },
    /// The iterator is older than fifteen minutes.
    #[error("FB-0253: the stream's answer is of no use: an iterator that was given out just now has expired")]
    Expired,
    /// What was asked for is no place in the shard.
    #[error("FB-0253: the stream's answer is of no use: {0}")]
    NoPlace(String),
    /// Retention took what was asked for.
    #[error("FB-0253: the stream's answer is of no use: {0}")]
    Trimmed(String),
    #[error("it asks to slow down")]
    Throttled,
}

impl From<AwsError> for DynamoError {
    fn from(error: AwsError) -> Self {
        Self::Aws { code: error.code(), why: with_causes(&error) }
    }
}

impl DynamoError {
    /// An error that the service answered with.
    pub(super) fn answered(code: &str, text: String) -> Self {
        match Complaint::of(code, &text) {
            Complaint::NotFound => Self::NotFound(text),
            Complaint::Expired => Self::Expired,
            Complaint::Trimmed => Self::Trimmed(text),
            Complaint::NoPlace => Self::NoPlace(text),
            Complaint::Throttled => Self::Throttled,
            Complaint::Clock => Self::Clock(text),
            Complaint::Denied => Self::Denied(text),
            // The one thing in a call of ours that can be out of range is a sequence number.
            Complaint::Other if code.contains("Validation") => Self::NoPlace(text),
            Complaint::Other => Self::Refused(text),
        }
    }

    /// The page that explains it.
    pub(super) fn code(&self) -> Code {
        Code(match self {
            Self::NotFound(_) => "FB-0250",
            Self::Denied(_) => "FB-0251",
            Self::Unreachable(_) => "FB-0252",
            Self::Refused(_) | Self::Expired | Self::NoPlace(_) | Self::Trimmed(_) => "FB-0253",
            Self::Clock(_) => "FB-0255",
            Self::NoStream => "FB-0256",
            Self::Disabled => "FB-0257",
            Self::NoCredentials(_) => "FB-0360",
            Self::Aws { code, .. } => code,
            Self::Throttled => return SourceError::DOWN,
        })
    }

    /// What a reader makes of it, and what the server said.
    fn refusal(&self) -> (Refusal, String) {
        match self {
            Self::NotFound(said) => (Refusal::NotFound, said.clone()),
            Self::NoPlace(said) => (Refusal::NoPlace, said.clone()),
            Self::Trimmed(said) => (Refusal::Trimmed, said.clone()),
            Self::Expired => (Refusal::Expired, String::new()),
            Self::Throttled => (Refusal::Throttled, String::new()),
            Self::NoStream | Self::Disabled => (Refusal::Other, String::new()),
            Self::Denied(said)
            | Self::Unreachable(said)
            | Self::Refused(said)
            | Self::Clock(said)
            | Self::NoCredentials(said)
            | Self::Aws { why: said, .. } => (Refusal::Other, said.clone()),
        }
    }
}

impl From<DynamoError> for ShardError {
    fn from(error: DynamoError) -> Self {
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
        let region = AwsError::Region { service: "dynamodb" };
        for error in [
            DynamoError::NotFound(text()),
            DynamoError::Denied(text()),
            DynamoError::Unreachable(text()),
            DynamoError::Refused(text()),
            DynamoError::Clock(text()),
            DynamoError::NoCredentials(text()),
            DynamoError::NoStream,
            DynamoError::Disabled,
            DynamoError::Expired,
            DynamoError::NoPlace(text()),
            DynamoError::Trimmed(text()),
            region.into(),
        ] {
            assert!(error.to_string().starts_with(&format!("{}: ", error.code())), "{error}");
            let code = error.code();
            assert_eq!(ShardError::from(error).on("table FB-0210-x").code(), code);
        }
    }

    #[test]
    fn answers_are_told_apart_by_what_an_operator_has_to_do() {
        let code = |code: &str, text: &str| DynamoError::answered(code, text.to_owned()).code().to_string();
        assert_eq!(code("ResourceNotFoundException", "Stream not found"), "FB-0250");
        assert_eq!(code("AccessDeniedException", ""), "FB-0251");
        assert_eq!(code("UnrecognizedClientException", ""), "FB-0251");
        assert_eq!(code("InvalidSignatureException", "Signature expired: 2026"), "FB-0255");
        assert_eq!(code("InternalServerError", ""), "FB-0253");
        let refusal = |code: &str| DynamoError::answered(code, String::new()).refusal().0;
        assert_eq!(refusal("TrimmedDataAccessException"), Refusal::Trimmed);
        assert_eq!(refusal("ExpiredIteratorException"), Refusal::Expired);
        assert_eq!(refusal("ValidationException"), Refusal::NoPlace);
        assert_eq!(refusal("LimitExceededException"), Refusal::Throttled);
        assert_eq!(refusal("ThrottlingException"), Refusal::Throttled);
    }
}
