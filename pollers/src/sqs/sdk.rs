//! The calls to SQS that we make, and the one file that knows the SDK.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName,
};
use forebay_clients::{AwsAccess, SdkFailure};

use super::error::SqsError;
use super::message::{Attribute, Details, Received};
use super::settings::Which;
use crate::source::BoxFuture;

/// The longest that a call other than a receive may take.
const CALL_MAX: Duration = Duration::from_secs(10);
/// How much longer than its long poll a receive may take.
const RECEIVE_SLACK: Duration = Duration::from_secs(10);
/// Tries of a call that may be repeated.
const TRIES: u32 = 3;

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
    fn delete(&self, handles: Vec<String>) -> BoxFuture<'_, Result<Answers, SqsError>>;
    fn hide(&self, handles: Vec<String>, by: Duration) -> BoxFuture<'_, Result<Answers, SqsError>>;
}

/// The SDK's client and the queue that it is for.
pub(super) struct SdkSqs {
    client: aws_sdk_sqs::Client,
    receivers: Receivers,
    url: String,
}

/// Clients that receive, one for each length of a long poll, in whole seconds. Settings of a single call
/// would make the SDK plan anew, which costs more than half a receive.
struct Receivers {
    config: aws_sdk_sqs::Config,
    by_wait: Mutex<BTreeMap<Duration, aws_sdk_sqs::Client>>,
}

impl Receivers {
    fn new(config: aws_sdk_sqs::Config) -> Self {
        Self { config, by_wait: Mutex::default() }
    }

    /// A receive is never tried again by the SDK: an answer that was lost has hidden its messages, and the
    /// caller paces itself.
    fn of(&self, wait: Duration) -> aws_sdk_sqs::Client {
        let new = || {
            let timeouts = TimeoutConfig::builder().operation_attempt_timeout(wait + RECEIVE_SLACK).build();
            let config =
                self.config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts);
            aws_sdk_sqs::Client::from_conf(config.build())
        };
        self.by_wait.lock().unwrap_or_else(PoisonError::into_inner).entry(wait).or_insert_with(new).clone()
    }
}

impl SdkSqs {
    /// Makes the client, and asks for the queue's URL when only its name is known, and its owner where it is
    /// another account.
    pub(super) async fn connect(
        which: &Which,
        owner: Option<&str>,
        access: AwsAccess,
    ) -> Result<Self, SqsError> {
        let config = aws_sdk_sqs::Config::from(&access.to_sdk(CALL_MAX, TRIES));
        let client = aws_sdk_sqs::Client::from_conf(config.clone());
        let url = match which {
            Which::Url(url) => url.to_string(),
            Which::Name(name) => {
                let answer = client
                    .get_queue_url()
                    .queue_name(name)
                    .set_queue_owner_aws_account_id(owner.map(str::to_owned))
                    .send()
                    .await
                    .map_err(told)?;
                answer.queue_url.ok_or_else(|| SqsError::Refused("GetQueueUrl gave no URL".to_owned()))?
            }
        };
        Ok(Self { client, receivers: Receivers::new(config), url })
    }

    async fn describe(&self) -> Result<Description, SqsError> {
        let names = [
            QueueAttributeName::QueueArn,
            QueueAttributeName::VisibilityTimeout,
            QueueAttributeName::RedrivePolicy,
        ];
        let call =
            self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(names.to_vec()));
        let attributes = call.send().await.map_err(told)?.attributes.unwrap_or_default();
        let arn = attributes.get(&QueueAttributeName::QueueArn).cloned();
        let visibility =
            attributes.get(&QueueAttributeName::VisibilityTimeout).and_then(|it| it.parse().ok());
        let receives_max = attributes.get(&QueueAttributeName::RedrivePolicy).and_then(|it| receives_max(it));
        match (arn, visibility) {
            (Some(arn), Some(seconds)) => {
                Ok(Description { arn, visibility: Duration::from_secs(seconds), receives_max })
            }
            (_, _) => Err(SqsError::Refused(
                "GetQueueAttributes tells no QueueArn or no VisibilityTimeout".to_owned(),
            )),
        }
    }

    async fn n_visible(&self) -> Result<u64, SqsError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let call = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        let attributes = call.send().await.map_err(told)?.attributes.unwrap_or_default();
        let n = attributes.get(&name).and_then(|it| it.parse().ok());
        n.ok_or_else(|| {
            SqsError::Refused("GetQueueAttributes tells no ApproximateNumberOfMessages".to_owned())
        })
    }

    async fn receive(&self, ask: Ask) -> Result<Vec<Received>, SqsError> {
        let call = self.receivers.of(ask.wait).receive_message().queue_url(&self.url);
        let call = call
            .max_number_of_messages(seconds(ask.records_max))
            .wait_time_seconds(seconds(ask.wait.as_secs()));
        let call = call.visibility_timeout(seconds(ask.visibility.as_secs()));
        let call = call
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All");
        let answer = call.send().await.map_err(told)?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(received).collect())
    }

    async fn delete(&self, handles: Vec<String>) -> Result<Answers, SqsError> {
        let n = handles.len();
        let mut call = self.client.delete_message_batch().queue_url(&self.url);
        for (idx, handle) in handles.into_iter().enumerate() {
            let entry =
                DeleteMessageBatchRequestEntry::builder().id(idx.to_string()).receipt_handle(handle).build();
            call = call.entries(entry.map_err(|error| SqsError::Refused(error.to_string()))?);
        }
        let answer = call.send().await.map_err(told)?;
        Ok(answers(n, answer.successful.iter().map(|it| it.id.as_str()), &answer.failed))
    }

    async fn hide(&self, handles: Vec<String>, by: Duration) -> Result<Answers, SqsError> {
        let n = handles.len();
        let mut call = self.client.change_message_visibility_batch().queue_url(&self.url);
        for (idx, handle) in handles.into_iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(idx.to_string())
                .receipt_handle(handle);
            let entry = entry.visibility_timeout(seconds(by.as_secs())).build();
            call = call.entries(entry.map_err(|error| SqsError::Refused(error.to_string()))?);
        }
        let answer = call.send().await.map_err(told)?;
        Ok(answers(n, answer.successful.iter().map(|it| it.id.as_str()), &answer.failed))
    }
}

impl Sqs for SdkSqs {
    fn describe(&self) -> BoxFuture<'_, Result<Description, SqsError>> {
        Box::pin(self.describe())
    }

    fn n_visible(&self) -> BoxFuture<'_, Result<u64, SqsError>> {
        Box::pin(self.n_visible())
    }

    fn receive(&self, ask: Ask) -> BoxFuture<'_, Result<Vec<Received>, SqsError>> {
        Box::pin(self.receive(ask))
    }

    fn delete(&self, handles: Vec<String>) -> BoxFuture<'_, Result<Answers, SqsError>> {
        Box::pin(self.delete(handles))
    }

    fn hide(&self, handles: Vec<String>, by: Duration) -> BoxFuture<'_, Result<Answers, SqsError>> {
        Box::pin(self.hide(handles, by))
    }
}

/// Connects to a queue.
pub(super) async fn connect(
    which: &Which,
    owner: Option<&str>,
    access: AwsAccess,
) -> Result<Arc<dyn Sqs>, SqsError> {
    Ok(Arc::new(SdkSqs::connect(which, owner, access).await?))
}

/// What is not said to have worked is taken for not done.
fn answers<'a>(n: usize, done: impl Iterator<Item = &'a str>, failed: &[BatchResultErrorEntry]) -> Answers {
    let mut answers = Answers::all(n, EntryAnswer::Failed, None);
    for idx in done.filter_map(|id| id.parse::<usize>().ok()) {
        if let Some(entry) = answers.entries.get_mut(idx) {
            *entry = EntryAnswer::Done;
        }
    }
    for (idx, it) in failed.iter().filter_map(|it| Some((it.id.parse().ok()?, it))) {
        answers.refuse(idx, &it.code, it.message.as_deref().unwrap_or_default());
    }
    answers
}

/// The receipt has lapsed, or its message is gone.
fn is_void(code: &str, message: &str) -> bool {
    ["ReceiptHandle", "NotInflight"].iter().any(|it| code.contains(it))
        || (code.contains("InvalidParameterValue")
            && (message.contains("receipt") || message.contains("ReceiptHandle")))
}

fn told<E, R>(error: SdkError<E, R>) -> SqsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match SdkFailure::of(&error) {
        SdkFailure::Answered(code, text) => SqsError::answered(&code, text),
        SdkFailure::Unusable(text) => SqsError::Refused(text),
        SdkFailure::NoCredentials(text) => SqsError::NoCredentials(text),
        SdkFailure::Unreachable(text) => SqsError::Unreachable(text),
    }
}

/// `maxReceiveCount` of a redrive policy, which some tools write as a string.
fn receives_max(policy: &str) -> Option<u32> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let max = policy.get("maxReceiveCount")?;
    max.as_u64().and_then(|it| u32::try_from(it).ok()).or_else(|| max.as_str()?.parse().ok())
}

fn seconds(value: impl TryInto<i32>) -> i32 {
    value.try_into().unwrap_or(i32::MAX)
}

/// All texts are moved, none is copied.
pub(super) fn received(message: aws_sdk_sqs::types::Message) -> Received {
    let attribute = |it: aws_sdk_sqs::types::MessageAttributeValue| Attribute {
        data_type: it.data_type,
        text: it.string_value,
        binary: it.binary_value.map(aws_sdk_sqs::primitives::Blob::into_inner),
    };
    let system = message.attributes.into_iter().flatten();
    let attributes = message.message_attributes.into_iter().flatten();
    Received {
        id: message.message_id.unwrap_or_default(),
        handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        details: Details {
            md5_of_body: message.md5_of_body,
            md5_of_attributes: message.md5_of_message_attributes,
            system: system.collect(),
            attributes: attributes.map(|(name, it)| (name, attribute(it))).collect(),
        },
    }
}
