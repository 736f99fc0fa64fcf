//! What `source: { sqs: … }` may say. These doc comments are the manual.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_clients::{AwsTarget, Clients, Transport, aws_identity};
use forebay_config::aws::{NamedAccount, is_queue_name, partition_of};
use forebay_config::destination::SQS;
use forebay_config::document::Value;
use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
use forebay_config::{AwsScope, AwsSettings, Code, Fields, Finding, Node, QueueUrl};

use super::error::SqsError;
use super::{SqsSource, transport};
use crate::source::{BoxFuture, Source, SourceError, SourceSettings};

/// The queue, the endpoint or the region is not written as it must be.
const BAD_QUEUE: Code = Code("FB-0217");
/// The settings of `aws` that have a meaning for a queue.
const SCOPE: AwsScope<'static> = AwsScope { services: &[&SQS], names_account: true };
const WAIT_SECONDS_MAX: u64 = 20;
/// The longest that SQS hides a message.
const RETRY_AFTER_SECONDS_MAX: u64 = 12 * 60 * 60;
const WAIT_MAX: Duration = Duration::from_secs(WAIT_SECONDS_MAX);

/// The same for `explain`, the schema and the manual.
pub(super) static SPECS: [SettingSpec; 7] = [
    SettingSpec::new(
        "event_source_mappings[].source.sqs.queue_url",
        Shape::Text,
        DefaultValue::Absent("`queue` names it"),
        "The queue's URL. Its host is not called where `aws` names an endpoint; its region goes before the shared one.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.queue",
        Shape::Text,
        DefaultValue::Absent("`queue_url` names it"),
        "The queue's name instead of its URL, which is asked for at start.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.aws",
        Shape::Aws(SCOPE),
        DefaultValue::Absent("what stands under the top level's `aws`"),
        "What differs from the top level's `aws` for this queue. An `account_id` here is that of the owner of the `queue`.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.wait_time",
        Shape::Integer { min: 1, max: WAIT_SECONDS_MAX.cast_signed() },
        DefaultValue::Integer(WAIT_SECONDS_MAX.cast_signed()),
        "Seconds that a receive waits for messages.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.retry_after",
        Shape::Integer { min: 1, max: RETRY_AFTER_SECONDS_MAX.cast_signed() },
        DefaultValue::Absent("what is left of the queue's visibility timeout, as on AWS"),
        "Seconds after which a message that failed is shown again.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.share",
        Shape::Word(&["fan_out", "compete"]),
        DefaultValue::Word("compete"),
        "Where several mappings read the queue: with `compete` each message is for one of them, as on AWS; `fan_out` gives each every message, which is deleted when all have finished it.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.transport",
        Shape::Word(&Transport::WORDS),
        DefaultValue::Word(Transport::WORDS[0]),
        "Who makes the calls: `plain`, our own code, or `sdk`, AWS's SDK. Both do the same. Measured in CPU seconds per million messages: the whole daemon with `plain` 18.3, a bare loop over the SDK 43.0.",
    ),
];

/// Settings of the SQS source.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SqsSettings {
    /// `queue_url`, or `queue` with the queue's name: exactly one.
    pub(super) which: Which,
    /// `aws`: what it is called with, where that differs.
    pub(super) aws: AwsSettings,
    /// `wait_time`, whole seconds, 1 to 20, default 20: the longest long poll. A third of the queue's
    /// visibility timeout is a limit too.
    pub(super) wait: Duration,
    /// `share`, default `compete`: as on AWS, each message is for one of the mappings of a queue, and one
    /// that the filter of that mapping does not let through is deleted. `fan_out`: they each get every
    /// message.
    pub(super) fans_out: bool,
    /// `retry_after`, whole seconds, 1 to 43,200: when a message that failed is shown again. Without it, when
    /// its visibility is over.
    pub(super) retry_after: Option<Duration>,
    /// `transport`, `plain` or `sdk`, default `plain`: who makes the calls.
    pub(super) transport: Transport,
}

/// Which queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    Url(QueueUrl),
    Name(String),
}

impl fmt::Debug for SqsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity())
    }
}

impl Which {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Url(url) => url.as_str(),
            Self::Name(name) => name,
        }
    }
}

/// Whether the settings name a FIFO queue, as far as they can be read.
pub(super) fn names_fifo(settings: &Node) -> bool {
    // Before anything is checked: what cannot be read is told by `parse`, not here.
    let Value::Map(entries) = &settings.value else { return false };
    entries.iter().filter(|(key, _)| key.name == "queue_url" || key.name == "queue").any(|(_, node)| {
        match &node.value {
            Value::String(text) | Value::Expanded(text) => text.ends_with(".fifo"),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => false,
        }
    })
}

impl SqsSettings {
    /// Reads them, without IO.
    pub(super) fn parse(settings: &Node, base: &Path) -> Result<Self, Vec<Finding>> {
        Fields::read(settings, "source.sqs", |fields| {
            let url = fields.optional("queue_url", |it| it.text());
            let name = fields.optional("queue", |it| it.text());
            let aws = fields.optional("aws", |it| AwsSettings::read(it, SCOPE, base));
            let wait = fields.optional("wait_time", |it| it.integer(1..=WAIT_SECONDS_MAX));
            let retry_after = fields.optional("retry_after", |it| it.integer(1..=RETRY_AFTER_SECONDS_MAX));
            let share = fields.optional("share", |it| it.word(&[("fan_out", true), ("compete", false)]));
            let transport = fields.optional("transport", |it| it.word(&Transport::ALL));
            let which = read_which(fields, url, name);
            // Two accounts that differ would read one queue and tell the ARN of another.
            if let (Some(Which::Url(_)), Some(_)) =
                (&which, aws.as_ref().and_then(|it| it.account_id.as_ref()))
            {
                wrong(
                    fields,
                    "aws",
                    "`aws.account_id` has no meaning beside `queue_url`",
                    "remove it: the URL names the account",
                );
                return None;
            }
            Some(Self {
                which: which?,
                aws: aws.unwrap_or_default(),
                wait: wait.map_or(WAIT_MAX, Duration::from_secs),
                fans_out: share.unwrap_or(false),
                retry_after: retry_after.map(Duration::from_secs),
                transport: transport.unwrap_or_default(),
            })
        })
    }

    /// What all must agree on who share the queue.
    pub(super) fn terms(&self) -> String {
        let share = if self.fans_out { "fan_out" } else { "compete" };
        let transport = match self.transport {
            Transport::Plain => "",
            Transport::Sdk => ", transport: sdk",
        };
        match self.retry_after {
            Some(it) => format!("`share: {share}, retry_after: {}{transport}`", it.as_secs()),
            None => format!("`share: {share}{transport}` without `retry_after`"),
        }
    }
}

fn read_which(fields: &mut Fields<'_>, url: Option<String>, name: Option<String>) -> Option<Which> {
    match (url, name) {
        (Some(url), None) => match QueueUrl::parse(&url) {
            Ok(url) => Some(Which::Url(url)),
            Err(mistake) => {
                wrong(fields, "queue_url", &mistake.to_string(), mistake.fix());
                None
            }
        },
        (None, Some(name)) if is_queue_name(&name) => Some(Which::Name(name)),
        (None, Some(_)) => {
            let fix = "write 1 to 80 letters, digits, `-` and `_`, at its end `.fifo` for a FIFO queue; a URL stands under `queue_url`";
            wrong(fields, "queue", "is no name of a queue", fix);
            None
        }
        (Some(_), Some(_)) => {
            wrong(fields, "queue", "`queue` and `queue_url` exclude each other", "keep one of them");
            None
        }
        (None, None) => {
            // A value that could not be read was told already.
            if !fields.has("queue_url") && !fields.has("queue") && fields.is_map() {
                fields.missing("queue_url", "`queue_url` or `queue` is missing");
            }
            None
        }
    }
}

fn wrong(fields: &mut Fields<'_>, key: &'static str, message: &str, fix: &str) {
    let place = fields.node(key).map_or_else(|| fields.place().clone(), |it| it.place.clone());
    let finding = Finding::new(BAD_QUEUE, format!("{}.{key}", fields.path()), &place, message);
    fields.push(finding.fix(fix));
}

impl SourceSettings for SqsSettings {
    fn identity(&self) -> String {
        let mut text = format!("sqs:{}{}", self.which.text(), aws_identity(&self.aws, &SQS));
        // What is at its default is left out, so that the identity of a mapping stays when a setting is added.
        if let Some(retry_after) = self.retry_after {
            text = format!("{text} retry_after={}", retry_after.as_secs());
        }
        if self.fans_out {
            text.push_str(" share=fan_out");
        }
        if self.transport == Transport::Sdk {
            text.push_str(" transport=sdk");
        }
        text
    }

    fn arn(&self, region: &str, account: &str) -> Option<String> {
        let (of_url, in_path, name) = match &self.which {
            Which::Url(url) => (url.region(), url.account(), url.name()),
            Which::Name(name) => (None, None, name.as_str()),
        };
        // What is written goes before what the URL tells, and that before where we run.
        let region = self.aws.region.as_deref().or(of_url).unwrap_or(region);
        let account = self.aws.account_id.as_deref().or(in_path).unwrap_or(account);
        Some(format!("arn:{}:sqs:{region}:{account}:{name}", partition_of(region)))
    }

    fn account(&self) -> Option<NamedAccount<'_>> {
        let (account, region) = match &self.which {
            Which::Url(url) => (url.account_at_aws()?, url.region()),
            Which::Name(_) => (self.aws.account_id.as_deref()?, None),
        };
        Some(NamedAccount { account, region, own: &self.aws })
    }

    fn wait_max(&self) -> Option<Duration> {
        Some(self.wait)
    }

    fn connect<'a>(&'a self, clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async move {
            let what = format!("queue {}", self.which.text());
            let (region, account, endpoint) = match &self.which {
                Which::Url(url) => (url.region(), url.account_at_aws(), Some(url.origin())),
                Which::Name(_) => (None, None, None),
            };
            let target = AwsTarget { service: &SQS, own: &self.aws, region, account, endpoint };
            let sqs = async {
                transport::connect(
                    &self.which,
                    self.aws.account_id.as_deref(),
                    clients.aws_access(target).await?,
                    self.transport,
                )
                .await
            };
            let sqs = sqs.await.map_err(|error: SqsError| error.on(&what))?;
            Ok(Arc::new(SqsSource::connect(sqs, self, what).await?) as Arc<dyn Source>)
        })
    }
}
