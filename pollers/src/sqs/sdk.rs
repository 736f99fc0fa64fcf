//! The calls by AWS's SDK: the one file that knows it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName,
};
use bytes::Bytes;
use forebay_clients::{AwsAccess, CallFailure};

use super::client::{Answers, Ask, CALL_MAX, Description, RECEIVE_SLACK, Sqs, TRIES, n_visible, queue_url};
use super::error::SqsError;
use super::message::{Attribute, Details, Received};
use super::settings::Which;
use crate::source::BoxFuture;

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

    /// A receive is never tried again by the SDK.
    fn of(&self, wait: Duration) -> aws_sdk_sqs::Client {
        let new = || {
            // A long poll is not a call that hangs: its time is its wait and a little more.
            let timeouts = TimeoutConfig::builder().operation_attempt_timeout(wait + RECEIVE_SLACK).build();
            let config =
                self.config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts);
            aws_sdk_sqs::Client::from_conf(config.build())
        };
        // Clients are made whole before they are put in, so one that a panic left is a client.
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
                queue_url(answer.queue_url)?
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
        Description::of(|name| attributes.get(&QueueAttributeName::from(name)).map(String::as_str))
    }

    async fn n_visible(&self) -> Result<u64, SqsError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let call = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        let attributes = call.send().await.map_err(told)?.attributes.unwrap_or_default();
        n_visible(attributes.get(&name).map(String::as_str))
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

    async fn delete(&self, handles: Vec<Bytes>) -> Result<Answers, SqsError> {
        let n = handles.len();
        let mut call = self.client.delete_message_batch().queue_url(&self.url);
        for (idx, handle) in handles.into_iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(idx.to_string())
                .receipt_handle(text(&handle))
                .build();
            call = call.entries(entry.map_err(|error| SqsError::Refused(error.to_string()))?);
        }
        let answer = call.send().await.map_err(told)?;
        Ok(answers(n, answer.successful.iter().map(|it| it.id.as_str()), &answer.failed))
    }

    async fn hide(&self, handles: Vec<Bytes>, by: Duration) -> Result<Answers, SqsError> {
        let n = handles.len();
        let mut call = self.client.change_message_visibility_batch().queue_url(&self.url);
        for (idx, handle) in handles.into_iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(idx.to_string())
                .receipt_handle(text(&handle));
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

    fn delete(&self, handles: Vec<Bytes>) -> BoxFuture<'_, Result<Answers, SqsError>> {
        Box::pin(self.delete(handles))
    }

    fn hide(&self, handles: Vec<Bytes>, by: Duration) -> BoxFuture<'_, Result<Answers, SqsError>> {
        Box::pin(self.hide(handles, by))
    }
}

fn answers<'a>(n: usize, done: impl Iterator<Item = &'a str>, failed: &[BatchResultErrorEntry]) -> Answers {
    let mut answers = Answers::none_done(n);
    done.for_each(|id| answers.done(id));
    for (idx, it) in failed.iter().filter_map(|it| Some((it.id.parse().ok()?, it))) {
        answers.refuse(idx, &it.code, it.message.as_deref().unwrap_or_default());
    }
    answers
}

fn told<E, R>(error: SdkError<E, R>) -> SqsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    CallFailure::of(&error).into()
}

fn text(handle: &[u8]) -> String {
    String::from_utf8_lossy(handle).into_owned()
}

fn seconds(value: impl TryInto<i32>) -> i32 {
    // The SDK's type; a wait that does not fit it is one without an end.
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
        id: message.message_id.unwrap_or_default().into(),
        handle: message.receipt_handle.unwrap_or_default().into(),
        body: message.body.unwrap_or_default().into(),
        details: Details {
            md5_of_body: message.md5_of_body.map(Into::into),
            md5_of_attributes: message.md5_of_message_attributes.map(Into::into),
            system: system.collect(),
            attributes: attributes.map(|(name, it)| (name, attribute(it))).collect(),
        },
    }
}
