//! What `source: { dynamodb: … }` may say. These doc comments are the manual.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_clients::{AwsClient, AwsError, AwsTarget, Clients, aws_identity};
use forebay_config::aws::{AwsService, NamedAccount};
use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
use forebay_config::{AwsScope, AwsSettings, Code, Fields, Finding, Node, aws_service};

use super::choice::WhichTable;
use super::client::DynamoClient;
use super::error::DynamoError;
use super::reader::{DynamoTraits, facts};
use crate::shards::{ShardError, ShardSource};
use crate::source::{BoxFuture, Source, SourceError, SourceSettings};

/// The service of tables.
static DYNAMODB: AwsService = aws_service!("dynamodb", "DYNAMODB", "DynamoDB in JSON");
/// The service of their streams, which AWS has elsewhere.
static DYNAMODB_STREAMS: AwsService = aws_service!(
    "dynamodbstreams",
    "DYNAMODB_STREAMS",
    "DynamoDB's streams, where that is another than DynamoDB's"
)
.signed_for("dynamodb")
.at_host("streams.dynamodb");
/// The table is not written as it must be.
const BAD_TABLE: Code = Code("FB-0254");
/// The settings of `aws` that have a meaning for a stream.
const SCOPE: AwsScope<'static> = AwsScope { services: &[&DYNAMODB, &DYNAMODB_STREAMS], names_account: false };
const POLL_MS_MIN: u64 = 250;
const POLL_MS_MAX: u64 = 60_000;
/// AWS polls four times as often, and does not count those calls; those of others cost.
const POLL_MS: u64 = 1_000;

/// The same for `explain`, the schema and the manual.
pub(super) static SPECS: [SettingSpec; 3] = [
    SettingSpec::new(
        "event_source_mappings[].source.dynamodb.table",
        Shape::Text,
        DefaultValue::Required,
        "The table's name or its ARN, for its latest stream; or the ARN of one of its streams. The region in an ARN goes before the shared one.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.dynamodb.aws",
        Shape::Aws(SCOPE),
        DefaultValue::Absent("what stands under the top level's `aws`"),
        "What differs from the top level's `aws` for this table.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.dynamodb.poll_interval",
        Shape::Seconds { min_ms: POLL_MS_MIN, max_ms: POLL_MS_MAX },
        DefaultValue::Millis(POLL_MS),
        "The longest pause in seconds between two reads of a shard that bring nothing. While there is more to read a shard is read five times a second.",
    ),
];

/// Settings of the DynamoDB source.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct DynamoSettings {
    /// `table`: a name or an ARN.
    which: WhichTable,
    /// `aws`: what it is called with, where that differs.
    aws: AwsSettings,
    poll_interval: Duration,
}

impl fmt::Debug for DynamoSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity())
    }
}

impl DynamoSettings {
    /// Reads them, without IO.
    pub(super) fn parse(settings: &Node, base: &Path) -> Result<Self, Vec<Finding>> {
        Fields::read(settings, "source.dynamodb", |fields| {
            let table = fields.required("table", |it| it.text());
            let aws = fields.optional("aws", |it| AwsSettings::read(it, SCOPE, base));
            let [min, max] = [POLL_MS_MIN, POLL_MS_MAX].map(Duration::from_millis);
            let poll_interval = fields.optional("poll_interval", |it| it.seconds(min..=max));
            let which = WhichTable::parse(&table?).map_err(|(message, fix)| {
                let place =
                    fields.node("table").map_or_else(|| fields.place().clone(), |it| it.place.clone());
                let finding = Finding::new(BAD_TABLE, format!("{}.table", fields.path()), &place, message);
                fields.push(finding.fix(fix));
            });
            Some(Self {
                which: which.ok()?,
                aws: aws.unwrap_or_default(),
                poll_interval: poll_interval.unwrap_or(Duration::from_millis(POLL_MS)),
            })
        })
    }

    /// A client for tables and one for streams. AWS has a host for each; a server of one's own is both.
    async fn clients(&self, clients: &Clients) -> Result<(AwsClient, AwsClient), AwsError> {
        let (region, account) = (self.which.region(), self.which.account());
        let target = AwsTarget { service: &DYNAMODB, own: &self.aws, region, account, endpoint: None };
        let tables = clients.aws_client(target).await?;
        let is_aws = tables.endpoint().starts_with("https://dynamodb.");
        let own = Some(tables.endpoint()).filter(|_| !is_aws);
        let target = AwsTarget { service: &DYNAMODB_STREAMS, endpoint: own, ..target };
        let streams = clients.aws_client(target).await?;
        Ok((tables, streams))
    }
}

impl SourceSettings for DynamoSettings {
    fn identity(&self) -> String {
        let aws = aws_identity(&self.aws, &DYNAMODB);
        let streams = self.aws.endpoint_of(&DYNAMODB_STREAMS);
        let streams = streams.map_or_else(String::new, |it| format!(" streams={it}"));
        format!("dynamodb:{}{aws}{streams} poll={}ms", self.which, self.poll_interval.as_millis())
    }

    /// Only a stream that is named has an ARN before it was asked for.
    fn arn(&self, _region: &str, _account: &str) -> Option<String> {
        match &self.which {
            WhichTable::Stream(arn) => Some(arn.to_string()),
            WhichTable::Name(_) | WhichTable::Table(_) => None,
        }
    }

    fn account(&self) -> Option<NamedAccount<'_>> {
        let account = self.which.account()?;
        Some(NamedAccount { account, region: self.which.region(), own: &self.aws })
    }

    fn connect<'a>(&'a self, clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async move {
            let facts = facts(&self.which, self.poll_interval);
            let told = |it: AwsError| ShardError::from(DynamoError::from(it)).on(&facts.what);
            let (tables, streams) = self.clients(clients).await.map_err(told)?;
            // Mappings read the same when they call it by the same ARN at the same place and choose the same.
            let terms = format!("at {} every {:?}", streams.endpoint(), self.poll_interval);
            let calls = Arc::new(DynamoClient::new(self.which.clone(), tables, streams));
            let source = ShardSource::connect(calls, Box::new(DynamoTraits), facts, &terms).await?;
            Ok(Arc::new(source) as Arc<dyn Source>)
        })
    }
}
