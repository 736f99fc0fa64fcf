//! What `source: { kinesis: … }` may say. These doc comments are the manual.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_clients::{AwsAccess, AwsTarget, Clients, Transport, aws_identity};
use forebay_config::aws::{NamedAccount, partition_of};
use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
use forebay_config::{Arn, AwsScope, AwsSettings, Code, Fields, Finding, Node};

use super::choice::{Choice, WhichConsumer, WhichStream, is_name};
use super::client::KINESIS;
use super::error::KinesisError;
use super::fan_out::PushedStream;
use super::reader::{KinesisTraits, facts};
use super::transport;
use crate::shards::{ShardCalls, ShardError, ShardSource};
use crate::source::{BoxFuture, Source, SourceError, SourceSettings};

/// The stream is not written as it must be.
const BAD_STREAM: Code = Code("FB-0244");
/// The settings of `aws` that have a meaning for a stream.
const SCOPE: AwsScope<'static> = AwsScope { services: &[&KINESIS], names_account: false };
const POLL_MS_MIN: u64 = 250;
const POLL_MS_MAX: u64 = 60_000;
/// As AWS polls.
const POLL_MS: u64 = 1_000;

/// The same for `explain`, the schema and the manual.
pub(super) static SPECS: [SettingSpec; 8] = [
    SettingSpec::new(
        "event_source_mappings[].source.kinesis.stream",
        Shape::Text,
        DefaultValue::Required,
        "The stream's name or its ARN, whose region goes before the shared one. The ARN of a consumer of enhanced fan-out is its stream, pushed to that consumer.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.kinesis.aws",
        Shape::Aws(SCOPE),
        DefaultValue::Absent("what stands under the top level's `aws`"),
        "What differs from the top level's `aws` for this stream.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.kinesis.poll_interval",
        Shape::Seconds { min_ms: POLL_MS_MIN, max_ms: POLL_MS_MAX },
        DefaultValue::Millis(POLL_MS),
        "The longest pause in seconds between two reads of a shard that bring nothing. While there is more to read a shard is read five times a second, as often as it allows.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.kinesis.fan_out",
        Shape::Group,
        DefaultValue::Absent("shards are polled, unless `stream` is the ARN of a consumer"),
        "Enhanced fan-out: shards are pushed to a consumer, which has two megabytes a second of each shard to itself. It costs money on AWS.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.kinesis.fan_out.consumer_name",
        Shape::Text,
        DefaultValue::Required,
        "The consumer's name. It is registered if it is not there, and never deregistered. No other program may read as this consumer.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.kinesis.deaggregate",
        Shape::Switch,
        DefaultValue::Absent("`false`, and `true` where shards are pushed, as on AWS"),
        "Whether a record of the Kinesis Producer Library that holds several is given as those, or whole.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.kinesis.invoke_identity_arn",
        Shape::Text,
        DefaultValue::Absent("the role `forebay` of the stream's account"),
        "`invokeIdentityArn` of every record in an event: on AWS the ARN of the function's role. Here it is a text in the event and no more.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.kinesis.transport",
        Shape::Word(&Transport::WORDS),
        DefaultValue::Word(Transport::WORDS[0]),
        "Who makes the calls: `plain`, our own code, or `sdk`, AWS's SDK, which takes more CPU (for a queue more than twice as much, see `sqs.transport`). Both do the same.",
    ),
];

/// Settings of the Kinesis source.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct KinesisSettings {
    /// `stream`: a name or an ARN.
    pub(super) which: WhichStream,
    /// The consumer that `stream` or `fan_out` names.
    pub(super) consumer: Option<WhichConsumer>,
    /// `aws`: what it is called with, where that differs.
    pub(super) aws: AwsSettings,
    /// `poll_interval`, `deaggregate`, `invoke_identity_arn`, `transport`.
    pub(super) choice: Choice,
}

impl fmt::Debug for KinesisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity())
    }
}

impl KinesisSettings {
    /// The same calls, with shards pushed where a consumer reads them.
    async fn fanned_out(
        &self,
        calls: Arc<dyn ShardCalls>,
        access: AwsAccess,
    ) -> Result<Arc<dyn ShardCalls>, ShardError> {
        match &self.consumer {
            None => Ok(calls),
            Some(it) => Ok(Arc::new(PushedStream::connect(calls, access, &self.which, it).await?)),
        }
    }

    /// Reads them, without IO.
    pub(super) fn parse(settings: &Node, base: &Path) -> Result<Self, Vec<Finding>> {
        Fields::read(settings, "source.kinesis", |fields| {
            let stream = fields.required("stream", |it| it.text());
            let aws = fields.optional("aws", |it| AwsSettings::read(it, SCOPE, base));
            let [min, max] = [POLL_MS_MIN, POLL_MS_MAX].map(Duration::from_millis);
            let poll_interval = fields.optional("poll_interval", |it| it.seconds(min..=max));
            let fan_out = fields.optional("fan_out", |it| it.fields(consumer_name));
            let deaggregate = fields.optional("deaggregate", |it| it.bool());
            let identity_arn = fields.optional("invoke_identity_arn", |it| it.text());
            let transport = fields.optional("transport", |it| it.word(&Transport::ALL));
            let which = WhichStream::parse(&stream?).map_err(|(message, fix)| {
                let place =
                    fields.node("stream").map_or_else(|| fields.place().clone(), |it| it.place.clone());
                let finding = Finding::new(BAD_STREAM, format!("{}.stream", fields.path()), &place, message);
                fields.push(finding.fix(fix));
            });
            let (which, consumer) = which.ok()?;
            if consumer.is_some() {
                refuse(fields, "fan_out", "names a consumer, and `stream` does so too", "remove one of them");
            }
            let consumer = consumer.or_else(|| fan_out.map(WhichConsumer::Name));
            let is_pushed = consumer.is_some();
            if is_pushed {
                refuse(fields, "poll_interval", "has no meaning for shards that are pushed", "remove it");
            }
            Some(Self {
                which,
                consumer,
                aws: aws.unwrap_or_default(),
                choice: Choice {
                    poll_interval: poll_interval.unwrap_or(Duration::from_millis(POLL_MS)),
                    deaggregates: deaggregate.unwrap_or(is_pushed),
                    identity_arn,
                    transport: transport.unwrap_or_default(),
                },
            })
        })
    }
}

/// What `fan_out` says.
fn consumer_name(fields: &mut Fields<'_>) -> Option<String> {
    let name = fields.required("consumer_name", |it| it.text())?;
    if !is_name(&name) {
        let fix = "write 1 to 128 letters, digits, `_`, `.` and `-`";
        refuse(fields, "consumer_name", "is no name of a consumer", fix);
    }
    Some(name)
}

/// Refuses a setting where it is written.
fn refuse(fields: &mut Fields<'_>, key: &'static str, message: &str, fix: &str) {
    if let Some(node) = fields.node(key) {
        let finding = Finding::new(BAD_STREAM, format!("{}.{key}", fields.path()), &node.place, message);
        fields.push(finding.fix(fix));
    }
}

impl SourceSettings for KinesisSettings {
    fn identity(&self) -> String {
        let Choice { poll_interval, deaggregates, identity_arn, transport } = &self.choice;
        let aws = aws_identity(&self.aws, &KINESIS);
        let identity = identity_arn.as_ref().map(|it| format!(" identity={it}")).unwrap_or_default();
        let deaggregated = if *deaggregates { " deaggregated" } else { "" };
        let by_sdk = if *transport == Transport::Sdk { " transport=sdk" } else { "" };
        let poll_ms = poll_interval.as_millis();
        let consumer = match &self.consumer {
            None => String::new(),
            Some(WhichConsumer::Arn(it)) => format!(" consumer={it}"),
            Some(WhichConsumer::Name(it)) => format!(" consumer={it}"),
        };
        format!("kinesis:{}{consumer}{aws}{identity} poll={poll_ms}ms{deaggregated}{by_sdk}", self.which)
    }

    fn arn(&self, region: &str, account: &str) -> Option<String> {
        if let Some(WhichConsumer::Arn(arn)) = &self.consumer {
            return Some(arn.to_string());
        }
        let name = match &self.which {
            WhichStream::Arn(arn) => return Some(arn.to_string()),
            WhichStream::Name(name) => name,
        };
        let region = self.aws.region.as_deref().unwrap_or(region);
        Some(format!("arn:{}:kinesis:{region}:{account}:stream/{name}", partition_of(region)))
    }

    fn account(&self) -> Option<NamedAccount<'_>> {
        match &self.which {
            WhichStream::Arn(Arn { account, region, .. }) => {
                Some(NamedAccount { account, region: Some(region), own: &self.aws })
            }
            WhichStream::Name(_) => None,
        }
    }

    fn connect<'a>(&'a self, clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async move {
            let what = format!("stream {}", self.which);
            let (region, account) = match &self.which {
                WhichStream::Arn(arn) => (Some(arn.region.as_str()), Some(arn.account.as_str())),
                WhichStream::Name(_) => (None, None),
            };
            let target = AwsTarget { service: &KINESIS, own: &self.aws, region, account, endpoint: None };
            let told = |it: KinesisError| ShardError::from(it).on(&what);
            let access = clients.aws_access(target).await.map_err(|it| told(it.into()))?;
            let calls =
                transport::connect(&self.which, access.clone(), self.choice.transport).map_err(told)?;
            let calls = self.fanned_out(calls, access).await.map_err(|it| it.on(&what))?;
            // Mappings read the same when they call it by the same ARN at the same place and choose the same.
            let place = self.aws.endpoint_of(&KINESIS).unwrap_or("AWS");
            let terms = format!("at {place} with {:?} as {:?}", self.choice, self.consumer);
            let mut facts = facts(what, &self.choice);
            if self.consumer.is_some() {
                // A second subscription of a consumer would end the first one.
                facts.readers_max = NonZeroUsize::MIN;
            }
            let traits = Box::new(KinesisTraits(self.choice.clone()));
            Ok(Arc::new(ShardSource::connect(calls, traits, facts, &terms).await?) as Arc<dyn Source>)
        })
    }
}
