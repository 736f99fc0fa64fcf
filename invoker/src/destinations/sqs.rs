//! A queue of SQS that gets each failure record as a message.

use forebay_clients::{AwsClient, AwsError, AwsTarget, Clients};
use forebay_config::destination::{QueueName, SQS, SqsTarget};
use http::{HeaderMap, HeaderValue};
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::json;

use super::aws::{AwsDeliveryError, call, message, said_in_json};
use crate::destination::{DeliveryError, Destination, FailureRecord};
use crate::executor::BoxFuture;

/// The longest message of a queue.
pub const MESSAGE_BYTES_MAX: usize = 1_048_576;

/// A standard queue. It has a record when it answers with a message id and the MD5 of what was sent.
#[derive(Debug)]
pub struct SqsDestination {
    client: AwsClient,
    queue_url: String,
}

impl SqsDestination {
    /// Checks the settings and looks for credentials; the queue is not called. Meant for start and reload.
    pub async fn new(target: &SqsTarget, clients: &Clients) -> Result<Self, AwsError> {
        let (endpoint, region, account) = match &target.queue {
            QueueName::Url(url) => (Some(url.origin()), url.region(), url.account_at_aws()),
            QueueName::Arn(arn) => (None, Some(arn.region.as_str()), Some(arn.account.as_str())),
        };
        let service = AwsTarget { service: &SQS, own: &target.aws, region, account, endpoint };
        let client = clients.aws_client(service).await?;
        let queue_url = match &target.queue {
            QueueName::Url(url) => url.to_string(),
            QueueName::Arn(arn) => format!("{}/{}/{}", client.endpoint(), arn.account, arn.resource),
        };
        Ok(Self { client, queue_url })
    }

    async fn send(&self, record: FailureRecord) -> Result<(), AwsDeliveryError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Sent {
            message_id: String,
            #[serde(rename = "MD5OfMessageBody")]
            md5: String,
        }
        let text = message(&record.json, MESSAGE_BYTES_MAX)?;
        let ours = md5(&text);
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", HeaderValue::from_static("AmazonSQS.SendMessage"));
        let body = json!({ "QueueUrl": self.queue_url, "MessageBody": text }).to_string();
        let answer = call(&self.client, "application/x-amz-json-1.0", headers, body, said_in_json).await?;
        let sent: Sent = serde_json::from_str(&answer).map_err(|_| AwsDeliveryError::NoMessageId)?;
        if sent.message_id.is_empty() {
            return Err(AwsDeliveryError::NoMessageId);
        }
        // Who took another text than was sent does not have the record.
        if sent.md5.eq_ignore_ascii_case(&ours) {
            Ok(())
        } else {
            Err(AwsDeliveryError::Garbled { ours, theirs: sent.md5 })
        }
    }
}

impl Destination for SqsDestination {
    fn deliver(&self, record: FailureRecord) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let refused = |error: AwsDeliveryError| DeliveryError {
                destination: self.label(),
                code: "FB-0363",
                cause: error.into(),
            };
            self.send(record).await.map_err(refused)
        })
    }

    fn label(&self) -> String {
        format!("queue {}", self.queue_url)
    }
}

fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_one_that_sqs_answers_with() {
        assert_eq!(md5("hello"), "5d41402abc4b2a76b9719d911017c592");
    }
}
