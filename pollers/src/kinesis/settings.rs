//! What `source: { kinesis: … }` may say. These doc comments are the manual.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_clients::{AwsError, AwsTarget, Clients, aws_identity};
use forebay_config::aws::{AwsService, partition_of};
use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
use forebay_config::{AwsScope, AwsSettings, Code, Fields, Finding, Node, aws_service};

use super::choice::{Choice, WhichStream};
use super::client;
use super::error::KinesisError;
use super::reader::{KinesisTraits, facts};
use crate::shards::{ShardError, ShardSource};
use crate::source::{BoxFuture, Source, SourceError, SourceSettings};

/// The service of streams.
pub(super) static KINESIS: AwsService = aws_service!("kinesis", "KINESIS", "Kinesis in JSON");
/// The stream is not written as it must be.
const BAD_STREAM: Code = Code("FB-0244");
/// The settings of `aws` that have a meaning for a stream.
const SCOPE: AwsScope<'static> = AwsScope { services: &[&KINESIS], names_account: false };
const POLL_MS_MIN: u64 = 250;
const POLL_MS_MAX: u64 = 60_000;
/// As AWS polls.
const POLL_MS: u64 = 1_000;

/// The same for `explain`, the schema and the manual.
pub(super) static SPECS: [SettingSpec; 5] = [
    SettingSpec::new(
        "event_source_mappings[].source.kinesis.stream",
        Shape::Text,
        DefaultValue::Required,
        "The stream's name or its ARN, whose region goes before the shared one.",
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
        "event_source_mappings[].source.kinesis.deaggregate",
        Shape::Switch,
        DefaultValue::Switch(false),
        "Whether a record of the Kinesis Producer Library that holds several is given as those. Without it functions get it whole, as on AWS.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.kinesis.invoke_identity_arn",
        Shape::Text,
        DefaultValue::Absent("the role `forebay` of the stream's account"),
        "`invokeIdentityArn` of every record in an event: on AWS the ARN of the function's role. Forebay assumes no role.",
    ),
];

/// Settings of the Kinesis source.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct KinesisSettings {
    /// `stream`: a name or an ARN.
    pub(super) which: WhichStream,
    /// `aws`: what it is called with, where that differs.
    pub(super) aws: AwsSettings,
    /// `poll_interval`, `deaggregate`, `invoke_identity_arn`.
    pub(super) choice: Choice,
}

impl fmt::Debug for KinesisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity())
    }
}

impl KinesisSettings {
    /// Reads them, without IO.
    pub(super) fn parse(settings: &Node, base: &Path) -> Result<Self, Vec<Finding>> {
        Fields::read(settings, "source.kinesis", |fields| {
            let stream = fields.required("stream", |it| it.text());
            let aws = fields.optional("aws", |it| AwsSettings::read(it, SCOPE, base));
            let [min, max] = [POLL_MS_MIN, POLL_MS_MAX].map(Duration::from_millis);
            let poll_interval = fields.optional("poll_interval", |it| it.seconds(min..=max));
            let deaggregate = fields.optional("deaggregate", |it| it.bool());
            let identity_arn = fields.optional("invoke_identity_arn", |it| it.text());
            let which = WhichStream::parse(&stream?).map_err(|(message, fix)| {
                let place =
                    fields.node("stream").map_or_else(|| fields.place().clone(), |it| it.place.clone());
                let finding = Finding::new(BAD_STREAM, format!("{}.stream", fields.path()), &place, message);
                fields.push(finding.fix(fix));
            });
            Some(Self {
                which: which.ok()?,
                aws: aws.unwrap_or_default(),
                choice: Choice {
                    poll_interval: poll_interval.unwrap_or(Duration::from_millis(POLL_MS)),
                    deaggregates: deaggregate.unwrap_or(false),
                    identity_arn,
                },
            })
        })
    }
}

impl SourceSettings for KinesisSettings {
    fn identity(&self) -> String {
        let Choice { poll_interval, deaggregates, identity_arn } = &self.choice;
        let aws = aws_identity(&self.aws, &KINESIS);
        let identity = identity_arn.as_ref().map(|it| format!(" identity={it}")).unwrap_or_default();
        let deaggregated = if *deaggregates { " deaggregated" } else { "" };
        let poll_ms = poll_interval.as_millis();
        format!("kinesis:{}{aws}{identity} poll={poll_ms}ms{deaggregated}", self.which)
    }

    fn arn(&self, region: &str, account: &str) -> Option<String> {
        let name = match &self.which {
            WhichStream::Arn(arn) => return Some(arn.to_string()),
            WhichStream::Name(name) => name,
        };
        let region = self.aws.region.as_deref().unwrap_or(region);
        Some(format!("arn:{}:kinesis:{region}:{account}:stream/{name}", partition_of(region)))
    }

    fn connect<'a>(&'a self, clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async move {
            let what = format!("stream {}", self.which);
            let region = match &self.which {
                WhichStream::Arn(arn) => Some(arn.region.as_str()),
                WhichStream::Name(_) => None,
            };
            let target = AwsTarget { service: &KINESIS, own: &self.aws, region, endpoint: None };
            let told = |it: AwsError| ShardError::from(KinesisError::from(it)).on(&what);
            let access = clients.aws_access(target).await.map_err(told)?;
            let calls = client::connect(&self.which, access);
            // Mappings read the same when they call it by the same ARN at the same place and choose the same.
            let place = self.aws.endpoint_of(&KINESIS).unwrap_or("AWS");
            let terms = format!("at {place} with {:?}", self.choice);
            let (traits, facts) = (Box::new(KinesisTraits(self.choice.clone())), facts(what, &self.choice));
            Ok(Arc::new(ShardSource::connect(calls, traits, facts, &terms).await?) as Arc<dyn Source>)
        })
    }
}
