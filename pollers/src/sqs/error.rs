//! What may be wrong with a queue, in words that say what to do; each has a page under `docs/errors/`.

use std::time::Duration;

use forebay_clients::{AwsError, CallFailure};
use forebay_config::Code;

use crate::source::SourceError;

/// What is wrong with a queue.
#[derive(Debug, thiserror::Error)]
pub(super) enum SqsError {
    #[error(
        "FB-0210: Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The \
         specified queue does not exist. Create it, or correct `queue_url`, `queue`, `aws.region` or `aws.endpoint` ({0})"
    )]
    NoQueue(String),
    #[error(
        "FB-0211: the queue refuses these credentials: correct them, or allow sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility, GetQueueAttributes and GetQueueUrl ({0})"
    )]
    Denied(String),
    #[error("FB-0212: no answer from the queue: check `aws.endpoint`, `aws.region` and the network ({0})")]
    Unreachable(String),
    #[error("FB-0213: the queue's answer is of no use: {0}")]
    Refused(String),
    #[error("FB-0360: credentials cannot be fetched anew ({0})")]
    NoCredentials(String),
    #[error("{}: it cannot be called", .0.code())]
    Aws(#[from] AwsError),
    #[error(
        "FB-0215: Queue visibility timeout: 0 seconds is less than Function timeout. Give the queue a visibility timeout"
    )]
    NoVisibility,
    #[error("it asks to slow down")]
    Throttled,
}

impl From<CallFailure> for SqsError {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::Answered(code, text) => Self::answered(&code, text),
            CallFailure::Unusable(text) => Self::Refused(text),
            CallFailure::NoCredentials(text) => Self::NoCredentials(text),
            CallFailure::Unreachable(text) => Self::Unreachable(text),
        }
    }
}

impl SqsError {
    /// An error that the service answered with.
    pub(super) fn answered(code: &str, text: String) -> Self {
        // By parts of words: the query protocol writes `AWS.SimpleQueueService.NonExistentQueue`, the JSON one
        // `QueueDoesNotExist`, and servers other than AWS mix them.
        let has = |words: &[&str]| words.iter().any(|it| code.contains(it));
        if has(&["NonExistentQueue", "QueueDoesNotExist"]) {
            Self::NoQueue(text)
        } else if has(&["Throttl", "OverLimit", "TooManyRequests", "SlowDown"]) {
            Self::Throttled
        } else if has(&[
            "AccessDenied",
            "ClientToken",
            "Signature",
            "UnrecognizedClient",
            "Expired",
            "AccessKey",
            "AuthenticationToken",
            "NotAuthorized",
            "Kms",
            "OptInRequired",
        ]) {
            Self::Denied(text)
        } else {
            Self::Refused(text)
        }
    }

    /// The page that explains it.
    pub(super) fn code(&self) -> Code {
        Code(match self {
            Self::NoQueue(_) => "FB-0210",
            Self::Denied(_) => "FB-0211",
            Self::Unreachable(_) => "FB-0212",
            Self::Refused(_) => "FB-0213",
            Self::NoCredentials(_) => "FB-0360",
            Self::Aws(cause) => cause.code(),
            Self::NoVisibility => "FB-0215",
            Self::Throttled => return SourceError::DOWN,
        })
    }

    /// The same as the feed is told it.
    pub(super) fn on(self, what: &str) -> SourceError {
        match self {
            Self::Throttled => {
                // SQS names no time, so we do.
                SourceError::Throttled { what: what.to_owned(), retry_after: Some(Duration::from_secs(1)) }
            }
            other => SourceError::Down { what: what.to_owned(), code: other.code(), cause: Box::new(other) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_begins_with_its_code() {
        let text = || "FB-0301".to_owned();
        let region = AwsError::Region { service: "sqs" };
        for error in [
            SqsError::NoQueue(text()),
            SqsError::Denied(text()),
            SqsError::Unreachable(text()),
            SqsError::Refused(text()),
            SqsError::NoCredentials(text()),
            SqsError::NoVisibility,
            region.into(),
        ] {
            assert!(error.to_string().starts_with(&format!("{}: ", error.code())), "{error}");
            let code = error.code();
            assert_eq!(error.on("queue FB-0210-x").code(), code);
        }
    }
}
