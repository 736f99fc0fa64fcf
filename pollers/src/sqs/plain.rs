//! The calls by our own code: AWS JSON written and read straight, over the connections that all share.

pub(super) mod read;

use std::time::Duration;

use bytes::Bytes;
use forebay_clients::{AwsAccess, JsonCall, JsonClient, JsonDialect, Limits};
use forebay_config::destination::SQS;

use self::read::AttributesAnswer;
use super::client::{Answers, Ask, CALL_MAX, Description, RECEIVE_SLACK, Sqs, TRIES, n_visible, queue_url};
use super::error::SqsError;
use super::message::Received;
use super::settings::Which;
use crate::source::{BoxFuture, write_number, write_text};

static DIALECT: JsonDialect =
    JsonDialect { service: &SQS, content_type: "application/x-amz-json-1.0", has_query_codes: true };
/// Ten messages of a mebibyte each, were every character of them escaped with six.
const RECEIVED_BYTES_MAX: usize = 64 << 20;
/// No other answer is as long as this.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The most seconds that a call may name.
const SECONDS_MAX: u64 = i32::MAX.unsigned_abs() as u64;

/// The service and the queue.
pub(super) struct PlainSqs {
    client: JsonClient,
    /// `{"QueueUrl":"…"`, with which the parameters of each call begin.
    head: Vec<u8>,
}

impl PlainSqs {
    /// Asks for the queue's URL when only its name is known, and its owner where it is another account.
    pub(super) async fn connect(
        which: &Which,
        owner: Option<&str>,
        access: AwsAccess,
    ) -> Result<Self, SqsError> {
        let client = JsonClient::new(access, DIALECT)?;
        let url = match which {
            // A call less, and a right less to be granted.
            Which::Url(url) => url.to_string(),
            Which::Name(name) => url_of(&client, name, owner).await?,
        };
        // Escaped once, not with each call.
        let mut head = b"{\"QueueUrl\":".to_vec();
        write_text(&url, &mut head);
        Ok(Self { client, head })
    }

    /// The parameters of a call that takes `n_bytes` beside the queue's URL.
    fn body(&self, n_bytes: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let mut body = Vec::with_capacity(self.head.len() + n_bytes + 1);
        body.extend_from_slice(&self.head);
        write(&mut body);
        body.push(b'}');
        body.into()
    }

    async fn describe(&self) -> Result<Description, SqsError> {
        let answer = self.attributes("[\"QueueArn\",\"VisibilityTimeout\",\"RedrivePolicy\"]").await?;
        Description::of(|name| answer.get(name))
    }

    async fn n_visible(&self) -> Result<u64, SqsError> {
        let answer = self.attributes("[\"ApproximateNumberOfMessages\"]").await?;
        n_visible(answer.get("ApproximateNumberOfMessages"))
    }

    async fn attributes(&self, names: &'static str) -> Result<AttributesAnswer, SqsError> {
        let body = self.body(128, |out| {
            out.extend_from_slice(b",\"AttributeNames\":");
            out.extend_from_slice(names.as_bytes());
        });
        AttributesAnswer::read(&self.client.call(call("AmazonSQS.GetQueueAttributes", body)).await?)
    }

    async fn receive(&self, ask: Ask) -> Result<Vec<Received>, SqsError> {
        let body = self.body(192, |out| {
            // The wait and the visibility stand in each call: the queue's own attributes may be changed meanwhile.
            let numbers = [
                ("MaxNumberOfMessages", u64::from(ask.records_max)),
                ("WaitTimeSeconds", ask.wait.as_secs()),
                ("VisibilityTimeout", ask.visibility.as_secs()),
            ];
            numbers.iter().for_each(|(name, value)| write_member(name, *value, out));
            out.extend_from_slice(
                b",\"MessageSystemAttributeNames\":[\"All\"],\"MessageAttributeNames\":[\"All\"]",
            );
        });
        // The long poll is part of its time.
        let limits = Limits { time: ask.wait + RECEIVE_SLACK, answer_bytes: RECEIVED_BYTES_MAX };
        let call = JsonCall { target: "AmazonSQS.ReceiveMessage", body, limits, tries: 1 };
        read::messages(&self.client.call(call).await?)
    }

    async fn delete(&self, handles: Vec<Bytes>) -> Result<Answers, SqsError> {
        self.batch("AmazonSQS.DeleteMessageBatch", &handles, None).await
    }

    async fn hide(&self, handles: Vec<Bytes>, by: Duration) -> Result<Answers, SqsError> {
        self.batch("AmazonSQS.ChangeMessageVisibilityBatch", &handles, Some(by)).await
    }

    /// A call on a list of messages, each named by its place.
    async fn batch(
        &self,
        target: &'static str,
        handles: &[Bytes],
        visibility: Option<Duration>,
    ) -> Result<Answers, SqsError> {
        // So much a handle's entry takes around it; a guess that is short costs one growth.
        let n_bytes = handles.iter().map(|it| it.len() + 72).sum::<usize>() + 16;
        let body = self.body(n_bytes, |out| {
            out.extend_from_slice(b",\"Entries\":[");
            for (idx, handle) in handles.iter().enumerate() {
                out.extend_from_slice(if idx == 0 { b"{\"Id\":\"" } else { b",{\"Id\":\"" });
                write_number(idx as u64, out);
                out.extend_from_slice(b"\",\"ReceiptHandle\":");
                // It came as a text and goes back as one; the feed keeps it as bytes.
                write_text(&String::from_utf8_lossy(handle), out);
                if let Some(by) = visibility {
                    write_member("VisibilityTimeout", by.as_secs(), out);
                }
                out.push(b'}');
            }
            out.push(b']');
        });
        read::answers(&self.client.call(call(target, body)).await?, handles.len())
    }
}

async fn url_of(client: &JsonClient, name: &str, owner: Option<&str>) -> Result<String, SqsError> {
    let mut body = b"{\"QueueName\":".to_vec();
    write_text(name, &mut body);
    // Without it SQS looks in the caller's own account.
    if let Some(owner) = owner {
        body.extend_from_slice(b",\"QueueOwnerAWSAccountId\":");
        write_text(owner, &mut body);
    }
    body.push(b'}');
    let answer = client.call(call("AmazonSQS.GetQueueUrl", body.into())).await?;
    queue_url(read::url(&answer)?)
}

fn call(target: &'static str, body: Bytes) -> JsonCall {
    let limits = Limits { time: CALL_MAX, answer_bytes: ANSWER_BYTES_MAX };
    JsonCall { target, body, limits, tries: TRIES }
}

/// `,"Name":5`
fn write_member(name: &str, value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    // SQS refuses a number that its type does not hold with the whole call.
    write_number(value.min(SECONDS_MAX), out);
}

impl Sqs for PlainSqs {
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
