//! The calls to SQS that we make, and what they bring; `plain` and `sdk` make them.

use std::time::Duration;

use bytes::Bytes;

use super::error::SqsError;
use super::message::Received;
use crate::source::BoxFuture;

/// The longest that a call other than a receive may take.
pub(super) const CALL_MAX: Duration = Duration::from_secs(10);
/// How much longer than its long poll a receive may take.
pub(super) const RECEIVE_SLACK: Duration = Duration::from_secs(10);
/// Tries of a call that may be repeated. A receive is never tried again: an answer that was lost has hidden
/// its messages, and the caller paces itself.
pub(super) const TRIES: u32 = 3;

/// What one receive asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) records_max: u32,
    /// In whole seconds.
    pub(super) wait: Duration,
    pub(super) visibility: Duration,
}

/// What a queue says of itself.
#[derive(Debug, Clone)]
pub(super) struct Description {
    pub(super) arn: String,
    pub(super) visibility: Duration,
    /// `maxReceiveCount` of its redrive policy.
    pub(super) receives_max: Option<u32>,
}

impl Description {
    /// What the attributes of a queue say, each looked up by its name.
    pub(super) fn of<'a>(attribute: impl Fn(&str) -> Option<&'a str>) -> Result<Self, SqsError> {
        let visibility = attribute("VisibilityTimeout").and_then(|it| it.parse().ok());
        let receives_max = attribute("RedrivePolicy").and_then(receives_max);
        match (attribute("QueueArn"), visibility) {
            (Some(arn), Some(seconds)) => {
                Ok(Self { arn: arn.to_owned(), visibility: Duration::from_secs(seconds), receives_max })
            }
            (_, _) => Err(SqsError::Refused(
                "GetQueueAttributes tells no QueueArn or no VisibilityTimeout".to_owned(),
            )),
        }
    }
}

/// How many messages may be received, as attributes say.
pub(super) fn n_visible(attribute: Option<&str>) -> Result<u64, SqsError> {
    attribute.and_then(|it| it.parse().ok()).ok_or_else(|| {
        SqsError::Refused("GetQueueAttributes tells no ApproximateNumberOfMessages".to_owned())
    })
}

/// The URL of a queue that was asked for by its name.
pub(super) fn queue_url(told: Option<String>) -> Result<String, SqsError> {
    told.ok_or_else(|| SqsError::Refused("GetQueueUrl gave no URL".to_owned()))
}

/// What became of one entry of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryAnswer {
    Done,
    Void,
    Failed,
}

/// What became of the entries of a batch, in the order of the question.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) entries: Vec<EntryAnswer>,
    /// What was said of the first that failed.
    pub(super) failure: Option<String>,
}

impl Answers {
    /// All the same; `failure` says why when they failed.
    pub(super) fn all(n: usize, answer: EntryAnswer, failure: Option<String>) -> Self {
        Self { entries: vec![answer; n], failure }
    }

    /// What is not said to have worked is taken for not done. Entries are named by their place.
    pub(super) fn none_done(n: usize) -> Self {
        Self::all(n, EntryAnswer::Failed, None)
    }

    /// Notes that an entry worked.
    pub(super) fn done(&mut self, id: &str) {
        if let Some(entry) = id.parse::<usize>().ok().and_then(|idx| self.entries.get_mut(idx)) {
            *entry = EntryAnswer::Done;
        }
    }

    /// Notes what an entry was refused with.
    pub(super) fn refuse(&mut self, idx: usize, code: &str, message: &str) {
        let Some(entry) = self.entries.get_mut(idx) else { return };
        *entry = if is_void(code, message) { EntryAnswer::Void } else { EntryAnswer::Failed };
        if *entry == EntryAnswer::Failed {
            self.failure.get_or_insert_with(|| format!("{code}: {message}"));
        }
    }
}

/// The calls that we make. Lists have ten entries at most; answers stand in the order of the question.
pub(super) trait Sqs: Send + Sync {
    fn describe(&self) -> BoxFuture<'_, Result<Description, SqsError>>;
    /// How many messages may be received now, as the queue guesses.
    fn n_visible(&self) -> BoxFuture<'_, Result<u64, SqsError>>;
    fn receive(&self, ask: Ask) -> BoxFuture<'_, Result<Vec<Received>, SqsError>>;
    /// Handles are texts.
    fn delete(&self, handles: Vec<Bytes>) -> BoxFuture<'_, Result<Answers, SqsError>>;
    fn hide(&self, handles: Vec<Bytes>, by: Duration) -> BoxFuture<'_, Result<Answers, SqsError>>;
}

/// The receipt has lapsed, or its message is gone.
fn is_void(code: &str, message: &str) -> bool {
    ["ReceiptHandle", "NotInflight"].iter().any(|it| code.contains(it))
        || (code.contains("InvalidParameterValue")
            && (message.contains("receipt") || message.contains("ReceiptHandle")))
}

/// `maxReceiveCount` of a redrive policy, which some tools write as a string.
fn receives_max(policy: &str) -> Option<u32> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let max = policy.get("maxReceiveCount")?;
    max.as_u64().and_then(|it| u32::try_from(it).ok()).or_else(|| max.as_str()?.parse().ok())
}
