//! A topic of SNS that gets each failure record as a message.

use forebay_clients::xml::{element, said};
use forebay_clients::{AwsClient, AwsError, AwsTarget, Clients};
use forebay_config::destination::{SNS, SnsTarget};
use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::aws::{AwsDeliveryError, call, message};
use crate::destination::{DeliveryError, Destination, FailureRecord};
use crate::executor::BoxFuture;

/// The longest message of a topic.
pub const MESSAGE_BYTES_MAX: usize = 262_144;

/// What a form holds as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A standard topic. It has a record when it answers with a message id.
#[derive(Debug)]
pub struct SnsDestination {
    client: AwsClient,
    topic_arn: String,
}

impl SnsDestination {
    /// Checks the settings and looks for credentials; the topic is not called. Meant for start and reload.
    pub async fn new(target: &SnsTarget, clients: &Clients) -> Result<Self, AwsError> {
        let (region, account) = (Some(&*target.topic.region), Some(&*target.topic.account));
        let service = AwsTarget { service: &SNS, own: &target.aws, region, account, endpoint: None };
        Ok(Self { client: clients.aws_client(service).await?, topic_arn: target.topic.to_string() })
    }

    async fn publish(&self, record: FailureRecord) -> Result<(), AwsDeliveryError> {
        let text = message(&record.json, MESSAGE_BYTES_MAX)?;
        let encoded = |text| utf8_percent_encode(text, ENCODED);
        let body = format!(
            "Action=Publish&Version=2010-03-31&TopicArn={}&Message={}",
            encoded(&self.topic_arn),
            encoded(&text)
        );
        let answer = call(
            &self.client,
            "application/x-www-form-urlencoded; charset=utf-8",
            HeaderMap::new(),
            body,
            said,
        )
        .await?;
        match element(&answer, "MessageId") {
            Some(id) if !id.trim().is_empty() => Ok(()),
            Some(_) | None => Err(AwsDeliveryError::NoMessageId),
        }
    }
}

impl Destination for SnsDestination {
    fn deliver(&self, record: FailureRecord) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let refused = |error: AwsDeliveryError| DeliveryError {
                destination: self.label(),
                code: "FB-0364",
                cause: error.into(),
            };
            self.publish(record).await.map_err(refused)
        })
    }

    fn label(&self) -> String {
        format!("topic {}", self.topic_arn)
    }
}
