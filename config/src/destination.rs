//! Where a mapping sends what it gave up on.

mod aws;
mod event_bus;
mod kafka;

use std::path::{Path, PathBuf};

use crate::document::Value;
use crate::error::{Code, Finding};
use crate::fields::{Fields, Item, validation, words};
use crate::function::{FUNCTION_NAME_CHARS_MAX, FunctionName, HttpSettings, LambdaName, read_http};
use crate::settings::{self, SettingsReader};

pub(crate) use aws::DESTINATION_SERVICES;
pub use aws::{QueueName, S3, S3Addressing, S3Target, SNS, SQS, SnsTarget, SqsTarget};
pub use event_bus::{BusName, EVENTS, EventBusTarget};
pub use kafka::KafkaTarget;

/// Where a mapping sends what it gave up on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationSettings {
    /// What takes the failure record.
    pub target: DestinationTarget,
    /// Whether the failure record carries the event under `payload`: as an object to a topic of Kafka, as an
    /// escaped JSON string to all others. A bucket and a topic get it unless it is said not to, as AWS does it.
    pub include_payload: bool,
}

/// What takes a failure record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestinationTarget {
    /// A file that gets one JSON line per failure record.
    File(PathBuf),
    /// An endpoint that gets the failure record as a POST.
    Http(HttpSettings),
    /// A function of the config file that gets the failure record as its event.
    Function(FunctionName),
    /// A queue of SQS that gets the failure record as a message.
    Sqs(SqsTarget),
    /// A topic of SNS that gets the failure record as a message.
    Sns(SnsTarget),
    /// A bucket of S3 that gets the failure record as an object.
    S3(S3Target),
    /// A bus of EventBridge that gets the failure record as an event.
    EventBus(EventBusTarget),
    /// A topic of Kafka that gets a message for each record that was given up, where the source's failure
    /// records can be taken apart, and else one for each failure record.
    Kafka(KafkaTarget),
}

impl DestinationSettings {
    /// Reads what stands under `on_failure`.
    pub(crate) fn read(it: Item<'_, '_>, base: &Path) -> Option<Self> {
        it.fields(|fields| {
            let mut reader = SettingsReader { fields };
            let include_payload = reader.written(&settings::INCLUDE_PAYLOAD, |it| it.bool());
            let file = reader.written(&settings::FAILURE_FILE, |it| {
                it.fields(|fields| {
                    let path = SettingsReader { fields }
                        .required(&settings::FAILURE_FILE_PATH, |it| it.file_path(base));
                    Some(DestinationTarget::File(path?))
                })
            });
            let http = reader.written(&settings::FAILURE_HTTP, |it| {
                let specs = [&settings::FAILURE_URL, &settings::FAILURE_HEADERS, &settings::FAILURE_CA_FILE];
                read_http(it, specs, base).map(DestinationTarget::Http)
            });
            let function = reader.written(&settings::FAILURE_FUNCTION, |it| {
                it.fields(|fields| {
                    let name = SettingsReader { fields }
                        .required(&settings::FAILURE_FUNCTION_NAME, read_function_name);
                    Some(DestinationTarget::Function(name?))
                })
            });
            let sqs = reader.written(&settings::FAILURE_SQS, |it| aws::read_sqs(it, base));
            let sns = reader.written(&settings::FAILURE_SNS, |it| aws::read_sns(it, base));
            let s3 = reader.written(&settings::FAILURE_S3, |it| aws::read_s3(it, base));
            let event_bus = reader.written(&settings::FAILURE_BUS, |it| event_bus::read_event_bus(it, base));
            let kafka = reader.written(&settings::FAILURE_KAFKA, |it| kafka::read_kafka(it, base));
            let arn = reader.written(&settings::FAILURE_ARN, aws::read_arn);
            one_target(reader.fields);
            let target =
                [file, http, function, sqs, sns, s3, event_bus, kafka, arn].into_iter().flatten().next()?;
            let include_payload = include_payload
                .unwrap_or(matches!(target, DestinationTarget::S3(_) | DestinationTarget::Kafka(_)));
            Some(Self { target, include_payload })
        })
    }
}

/// Notes when not exactly one target is written.
fn one_target(fields: &mut Fields<'_>) {
    let known = [
        &settings::FAILURE_FILE,
        &settings::FAILURE_HTTP,
        &settings::FAILURE_FUNCTION,
        &settings::FAILURE_SQS,
        &settings::FAILURE_SNS,
        &settings::FAILURE_S3,
        &settings::FAILURE_BUS,
        &settings::FAILURE_KAFKA,
        &settings::FAILURE_ARN,
    ];
    let known = known.map(|spec| spec.key());
    let written: Vec<_> = known.into_iter().filter_map(|word| fields.key(word)).collect();
    let path = fields.path().to_owned();
    let message = format!("must hold exactly one of {}", words(&known));
    if let [_, second, ..] = written.as_slice() {
        fields.push(Finding::new(Code::ONE_OF, path, &second.place, message).fix("keep one of them"));
    } else if written.is_empty() && fields.is_map() {
        fields.push(
            Finding::new(Code::ONE_OF, path, fields.place(), message)
                .fix("say where to: `file: { path: dead.ndjson }`"),
        );
    }
}

/// What AWS says of a name of a function that is none.
const NAME_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";

/// A function as a mapping names it: by its name under `functions:` or in one of AWS's longer forms. Which it
/// is shows when all functions are known.
pub(crate) fn read_function_name(mut it: Item<'_, '_>) -> Option<FunctionName> {
    let text = it.again().text()?;
    if LambdaName::parse(&text).is_some() {
        return Some(FunctionName(text));
    }
    let shown = if matches!(it.node().value, Value::Expanded(_)) { "(expanded)" } else { &text };
    let message = if text.chars().count() > FUNCTION_NAME_CHARS_MAX {
        validation(
            &shown.chars().take(40).collect::<String>(),
            "functionName",
            "have length less than or equal to 256",
        )
    } else {
        validation(
            &shown.escape_debug().to_string(),
            "functionName",
            &format!("satisfy regular expression pattern: {NAME_PATTERN}"),
        )
    };
    let fix = "write the name of a function under `functions:`, of 64 letters, digits, `-` and `_` at most, or the ARN of a function of Lambda";
    it.wrong(Code::NOT_ALLOWED, message, Some(fix.to_owned()));
    None
}
