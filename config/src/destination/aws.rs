//! Queues of SQS, topics of SNS and buckets of S3 as destinations, and all that an ARN names.

use std::path::Path;

use super::event_bus::{BusName, EVENTS, EventBusTarget, is_bus};
use super::{DestinationTarget, kafka};
use crate::aws::{Arn, AwsService, AwsSettings, Bucket, QUEUE_NAME_CHARS_MAX, QueueUrl, is_resource};
use crate::error::Code;
use crate::fields::Item;
use crate::settings::{self, SettingsReader};

/// AWS takes the settings of a mapping with such a destination and then fails each delivery; here they are
/// refused.
const FIFO: &str = "FIFO queues and topics take no failure records";

/// The service of queues, as destinations and wherever else one is called.
pub static SQS: AwsService = crate::aws_service!("sqs", "SQS", "SQS in JSON");
/// The service of topics.
pub static SNS: AwsService = crate::aws_service!("sns", "SNS", "SNS");
/// The service of buckets.
pub static S3: AwsService = crate::aws_service!("s3", "S3", "S3");
/// The services that destinations call.
pub(crate) static DESTINATION_SERVICES: [&AwsService; 4] = [&EVENTS, &S3, &SNS, &SQS];

/// A queue that gets each failure record as a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqsTarget {
    /// Which queue.
    pub queue: QueueName,
    /// What it is called with, where that differs.
    pub aws: Box<AwsSettings>,
}

/// How a queue is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueName {
    /// By its URL.
    Url(QueueUrl),
    /// By its ARN; the URL follows from the endpoint.
    Arn(Arn),
}

/// A topic that gets each failure record as a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnsTarget {
    /// Which topic.
    pub topic: Arn,
    /// What it is called with, where that differs.
    pub aws: Box<AwsSettings>,
}

/// A bucket that gets each failure record as an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Target {
    /// Which bucket.
    pub bucket: Bucket,
    /// Where its name stands in a request; `None` leaves it to the endpoint.
    pub addressing: Option<S3Addressing>,
    /// What it is called with, where that differs.
    pub aws: Box<AwsSettings>,
}

/// Where the bucket's name stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum S3Addressing {
    /// First in the path: `https://host/bucket/key`.
    Path,
    /// In front of the host: `https://bucket.host/key`.
    VirtualHost,
}

impl S3Addressing {
    /// Each by its word.
    const ALL: [(&'static str, Self); 2] = [("path", Self::Path), ("virtual_host", Self::VirtualHost)];
    /// Their words alone.
    pub(crate) const WORDS: [&'static str; 2] = [Self::ALL[0].0, Self::ALL[1].0];
}

/// Reads what stands under `sqs`.
pub(super) fn read_sqs(it: Item<'_, '_>, base: &Path) -> Option<DestinationTarget> {
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let url = reader.required(&settings::FAILURE_QUEUE_URL, read_queue_url);
        let aws: Box<AwsSettings> = reader
            .written(&settings::FAILURE_SQS_AWS, |it| {
                AwsSettings::read(it, settings::FAILURE_SQS_SCOPE, base)
            })
            .unwrap_or_default()
            .into();
        Some(DestinationTarget::Sqs(SqsTarget { queue: QueueName::Url(url?), aws }))
    })
}

/// Reads what stands under `sns`.
pub(super) fn read_sns(it: Item<'_, '_>, base: &Path) -> Option<DestinationTarget> {
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let topic = reader.required(&settings::FAILURE_TOPIC_ARN, |mut it| {
            let text = it.again().text()?;
            let Some(topic) =
                Arn::parse(&text).filter(|arn| arn.service == "sns" && is_resource(&arn.resource, 256))
            else {
                let fix = "write `arn:aws:sns:region:account:topic`";
                it.wrong(Code::NOT_ALLOWED, "is no ARN of a topic", Some(fix.to_owned()));
                return None;
            };
            standard(topic, it)
        });
        let aws: Box<AwsSettings> = reader
            .written(&settings::FAILURE_SNS_AWS, |it| {
                AwsSettings::read(it, settings::FAILURE_SNS_SCOPE, base)
            })
            .unwrap_or_default()
            .into();
        let topic = topic?;
        crate::aws::agree(&mut reader, &settings::FAILURE_SNS_AWS, &aws, Some(&topic.region), None)?;
        Some(DestinationTarget::Sns(SnsTarget { topic, aws }))
    })
}

/// Reads what stands under `s3`.
pub(super) fn read_s3(it: Item<'_, '_>, base: &Path) -> Option<DestinationTarget> {
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let bucket = reader.required(&settings::FAILURE_BUCKET_ARN, |mut it| {
            let text = it.again().text()?;
            read_bucket(&text, it)
        });
        let addressing = reader.written(&settings::FAILURE_S3_ADDRESSING, |it| it.word(&S3Addressing::ALL));
        let aws: Box<AwsSettings> = reader
            .written(&settings::FAILURE_S3_AWS, |it| AwsSettings::read(it, settings::FAILURE_S3_SCOPE, base))
            .unwrap_or_default()
            .into();
        Some(DestinationTarget::S3(S3Target { bucket: bucket?, addressing, aws }))
    })
}

fn read_bucket(text: &str, mut it: Item<'_, '_>) -> Option<Bucket> {
    let bucket = Bucket::parse(text);
    if bucket.is_none() {
        let fix = "write `arn:aws:s3:::bucket`; a bucket's name has 3 to 63 lower-case letters, digits, `-` and `.`";
        it.wrong(Code::NOT_ALLOWED, "is no ARN of a bucket", Some(fix.to_owned()));
    }
    bucket
}

/// Reads `destination_arn`.
pub(super) fn read_arn(mut it: Item<'_, '_>) -> Option<DestinationTarget> {
    let text = it.again().text()?;
    if let Some(topic) = kafka::read_topic_arn(&text, it.again()) {
        return topic;
    }
    if text.split(':').nth(2) == Some("s3") {
        let bucket = read_bucket(&text, it)?;
        return Some(DestinationTarget::S3(S3Target { bucket, addressing: None, aws: Box::default() }));
    }
    match Arn::parse(&text) {
        Some(arn) if arn.service == "sqs" && is_resource(&arn.resource, QUEUE_NAME_CHARS_MAX) => {
            let queue = QueueName::Arn(standard(arn, it)?);
            Some(DestinationTarget::Sqs(SqsTarget { queue, aws: Box::default() }))
        }
        Some(arn) if arn.service == "sns" && is_resource(&arn.resource, 256) => {
            Some(DestinationTarget::Sns(SnsTarget { topic: standard(arn, it)?, aws: Box::default() }))
        }
        Some(arn) if is_bus(&arn) => Some(DestinationTarget::EventBus(EventBusTarget::of(BusName::Arn(arn)))),
        Some(_) | None => {
            let fix = "write `arn:aws:sqs:region:account:queue`, `arn:aws:sns:region:account:topic`, `arn:aws:s3:::bucket`, \
                       `arn:aws:events:region:account:event-bus/name` or `kafka://topic`";
            let message = "is no ARN of a queue, a topic, a bucket or an event bus, and no topic of Kafka";
            it.wrong(Code::NOT_ALLOWED, message, Some(fix.to_owned()));
            None
        }
    }
}

fn read_queue_url(mut it: Item<'_, '_>) -> Option<QueueUrl> {
    match QueueUrl::parse(&it.again().text()?) {
        Ok(url) if url.is_fifo() => {
            refuse_fifo(it);
            None
        }
        Ok(url) => Some(url),
        Err(mistake) => {
            it.wrong(Code::NOT_ALLOWED, mistake.to_string(), Some(mistake.fix().to_owned()));
            None
        }
    }
}

fn standard(arn: Arn, it: Item<'_, '_>) -> Option<Arn> {
    if arn.resource.ends_with(".fifo") {
        refuse_fifo(it);
        return None;
    }
    Some(arn)
}

fn refuse_fifo(mut it: Item<'_, '_>) {
    it.wrong(
        Code::NOT_ALLOWED,
        FIFO,
        Some("write a standard one: failure records come from many groups and need no order".to_owned()),
    );
}
