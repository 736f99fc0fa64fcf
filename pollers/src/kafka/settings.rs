//! What `source: { kafka: … }` may say. These doc comments are the manual.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use forebay_clients::{BrokerAccess, Clients};
use forebay_config::brokers::{MSK_SCOPE, MskCluster};
use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
use forebay_config::{
    Arn, AwsSettings, BrokerSettings, Code, Fields, Finding, Item, Node, SchemaRegistrySettings,
    broker_specs, schema_registry_rows,
};
use sha2::{Digest, Sha256};

use super::client::{Isolation, KafkaCluster};
use super::event::{EventChoice, KafkaFormat, NullValue};
use super::failure::KafkaFailure;
use super::group::{self, GroupTerms};
use super::msk_words::is_cluster;
use super::resets::ResetChoice;
use super::schema_reading::SchemaReading;
use super::source::KafkaSource;
use super::topics::{TopicChoice, is_topic};
use crate::source::{BoxFuture, Source, SourceError, SourceSettings};

/// A topic, a pattern or a group is not written as it must be.
const BAD_TOPIC: Code = Code("FB-0385");
/// Both cannot be obeyed.
const BAD_RESETS: Code = Code("FB-0431");
const GROUP_CHARS_MAX: usize = 200;

const NULL_VALUES: &[&str] = &["null", "absent"];
const KEYLESS: &[&str] = &["in_order", "any_lane"];
const RESETS: &[&str] = &["followed", "ignored"];
const ISOLATION: &[&str] = &["read_committed", "read_uncommitted"];

/// The same for `explain`, the schema and the manual.
pub(super) static SPECS: LazyLock<Vec<SettingSpec>> = LazyLock::new(|| {
    let own = [
        SettingSpec::new(
            "event_source_mappings[].source.kafka.topics",
            Shape::TextList,
            DefaultValue::Absent("`topic_pattern`"),
            "The topics by name. One that is not there is told, and read once it is.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.topic_pattern",
            Shape::Text,
            DefaultValue::Absent("`topics`"),
            "A regular expression for whole names in place of `topics`, such as `orders-.*`. Topics that start to match are found within 30 seconds and read from their first record. Those that begin with `__` are Kafka's own and never meant.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.consumer_group_id",
            Shape::Text,
            DefaultValue::Absent("the mapping's name"),
            "The consumer group whose committed offsets follow what is finished, for tools that show lag. What it has committed before the mapping is made goes before `starting_position`. Without `group` no consumer may be in it; with it only the same mapping on other nodes.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.offset_resets",
            Shape::Word(RESETS),
            DefaultValue::Word(RESETS[0]),
            "Which place wins when somebody has committed another offset for the group while the mapping did not run, such as by `kafka-consumer-groups.sh --reset-offsets` while it was paused: with `followed` that offset, with `ignored` the position that is kept here. Not with `group`, whose members always follow it.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.isolation_level",
            Shape::Word(ISOLATION),
            DefaultValue::Word(ISOLATION[0]),
            "Whether records of transactions that are open or were aborted are left out (`read_committed`) or given as any other.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.keyless_records",
            Shape::Word(KEYLESS),
            DefaultValue::Word(KEYLESS[0]),
            "With a `parallelization_factor`: whether records without a key keep their order among themselves (`in_order`), or go on any lane.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.null_values",
            Shape::Word(NULL_VALUES),
            DefaultValue::Word(NULL_VALUES[0]),
            "How a record without a value, a tombstone, stands in the event: with `\"value\": null`, or without `value`.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.cluster_arn",
            Shape::Text,
            DefaultValue::Absent("events say `SelfManagedKafka`"),
            "The ARN of a cluster of MSK: events say `aws:kafka` and carry it as `eventSourceArn`. Without `bootstrap_servers` MSK is asked where its brokers are (`GetBootstrapBrokers`).",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.aws",
            Shape::Aws(MSK_SCOPE),
            DefaultValue::Absent("what stands under the top level's `aws`"),
            "What differs from the top level's `aws` where MSK is asked for the brokers of `cluster_arn`.",
        ),
    ];
    let mut brokers = broker_specs!("event_source_mappings[].source.kafka");
    brokers[0].default = DefaultValue::Absent("MSK is asked for those of `cluster_arn`; required without it");
    let registry = schema_registry_rows!("event_source_mappings[].source.kafka.schema_registry");
    brokers.into_iter().chain(own).chain(group::specs()).chain(registry).collect()
});

/// Settings of the Kafka source.
#[derive(Clone)]
pub(super) struct KafkaSettings {
    brokers: BrokerSettings,
    topics: TopicChoice,
    group: Option<String>,
    terms: Option<GroupTerms>,
    resets: ResetChoice,
    isolation: Isolation,
    event: EventChoice,
    registry: Option<SchemaRegistrySettings>,
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity())
    }
}

impl KafkaSettings {
    /// Reads them, without IO.
    pub(super) fn parse(settings: &Node, base: &Path) -> Result<Self, Vec<Finding>> {
        Fields::read(settings, "source.kafka", |fields| {
            let cluster_arn = fields.optional("cluster_arn", read_arn);
            let aws = fields.optional("aws", |it| AwsSettings::read(it, MSK_SCOPE, base));
            not_asked(fields);
            let cluster =
                cluster_arn.as_ref().map(|arn| MskCluster { arn: arn.clone(), aws: aws.unwrap_or_default() });
            let brokers = BrokerSettings::read_or_ask(fields, base, cluster);
            let topics = fields.optional("topics", read_topics);
            let pattern = fields.optional("topic_pattern", read_pattern);
            let group = fields.optional("consumer_group_id", read_group);
            let resets = fields.optional("offset_resets", read_resets);
            let isolation = fields.optional("isolation_level", |it| {
                it.word(&[(ISOLATION[0], Isolation::Committed), (ISOLATION[1], Isolation::Uncommitted)])
            });
            let keyless =
                fields.optional("keyless_records", |it| it.word(&[(KEYLESS[0], false), (KEYLESS[1], true)]));
            let null_value = fields.optional("null_values", |it| {
                it.word(&[(NULL_VALUES[0], NullValue::Null), (NULL_VALUES[1], NullValue::Absent)])
            });
            let registry = fields.optional("schema_registry", |it| read_registry(it, base));
            let terms = fields.optional_checked("group", group::read);
            one_choice(fields);
            one_follower(fields);
            Some(Self {
                brokers: brokers?,
                topics: topics.or(pattern)?,
                group,
                terms: terms?,
                resets: resets.unwrap_or_default(),
                isolation: isolation.unwrap_or_default(),
                event: EventChoice {
                    cluster_arn: cluster_arn.map(|it| it.to_string()),
                    null_value: null_value.unwrap_or_default(),
                    keyless_is_free: keyless.unwrap_or_default(),
                },
                registry,
            })
        })
    }
}

/// Notes when not exactly one of the two is written.
fn one_choice(fields: &mut Fields<'_>) {
    let message = "must hold exactly one of `topics`, `topic_pattern`";
    let path = fields.path().to_owned();
    match (fields.has("topics"), fields.key("topic_pattern").map(|it| it.place.clone())) {
        (true, Some(place)) => {
            fields.push(Finding::new(Code::ONE_OF, path, &place, message).fix("keep one of them"));
        }
        (false, None) if fields.is_map() => {
            let place = fields.place();
            fields
                .push(Finding::new(Code::ONE_OF, path, place, message).fix("say which: `topics: [orders]`"));
        }
        (true, None) | (false, _) => {}
    }
}

/// Notes when a member is told not to follow its group.
fn one_follower(fields: &mut Fields<'_>) {
    let place = fields.key("offset_resets").map(|it| it.place.clone());
    if let Some(place) = place.filter(|_| fields.has("group")) {
        let path = format!("{}.offset_resets", fields.path());
        let message = "a member of a group goes on where the group stands, and nowhere else";
        fields.push(Finding::new(BAD_RESETS, path, &place, message).fix("remove `offset_resets` or `group`"));
    }
}

fn read_resets(it: Item<'_, '_>) -> Option<ResetChoice> {
    it.word(&[(RESETS[0], ResetChoice::Followed), (RESETS[1], ResetChoice::Ignored)])
}

fn read_topics(mut it: Item<'_, '_>) -> Option<TopicChoice> {
    let names = it.again().list(|mut it| {
        let text = it.again().text()?;
        if is_topic(&text) {
            return Some(text);
        }
        let fix = "write 1 to 249 letters, digits, `_`, `.` and `-`";
        it.wrong(BAD_TOPIC, "is no name of a topic", Some(fix.to_owned()));
        None
    })?;
    if names.is_empty() {
        it.wrong(BAD_TOPIC, "names no topic", Some("write `[orders]`".to_owned()));
        return None;
    }
    Some(TopicChoice::Named(names))
}

fn read_pattern(mut it: Item<'_, '_>) -> Option<TopicChoice> {
    let text = it.again().text()?;
    match TopicChoice::like(&text) {
        Ok(choice) => Some(choice),
        Err(error) => {
            // The parser draws where it stopped over several lines.
            let error = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            it.wrong(BAD_TOPIC, format!("is no regular expression: {error}"), None);
            None
        }
    }
}

fn read_group(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    if text.chars().count() <= GROUP_CHARS_MAX && !text.chars().any(char::is_control) {
        return Some(text);
    }
    it.wrong(BAD_TOPIC, "is no name of a group", Some("write 1 to 200 characters".to_owned()));
    None
}

fn read_registry(mut it: Item<'_, '_>, base: &Path) -> Option<SchemaRegistrySettings> {
    if !cfg!(feature = "schemas") {
        let fix = "take a binary with the feature `schemas`, or remove it";
        it.wrong(Code::NOT_ALLOWED, "schema registries are not built in", Some(fix.to_owned()));
        return None;
    }
    SchemaRegistrySettings::read(it, base)
}

/// Notes what MSK is to be asked with where it is not asked.
fn not_asked(fields: &mut Fields<'_>) {
    let place = fields.key("aws").map(|it| it.place.clone());
    if let Some(place) = place.filter(|_| fields.has("bootstrap_servers") || !fields.has("cluster_arn")) {
        let path = format!("{}.aws", fields.path());
        let message = "is for a cluster of MSK that is asked for its brokers: `cluster_arn` without `bootstrap_servers`";
        fields.push(Finding::new(Code::NOT_ALLOWED, path, &place, message).fix("remove it"));
    }
}

fn read_arn(mut it: Item<'_, '_>) -> Option<Arn> {
    let text = it.again().text()?;
    if let Some(arn) = Arn::parse(&text).filter(is_cluster) {
        return Some(arn);
    }
    let fix = "write `arn:aws:kafka:region:account:cluster/name/uuid`";
    it.wrong(BAD_TOPIC, "is no ARN of a cluster of MSK", Some(fix.to_owned()));
    None
}

impl SourceSettings for KafkaSettings {
    fn identity(&self) -> String {
        let servers = match &self.brokers.cluster {
            Some(cluster) => cluster.arn.to_string(),
            None => self.brokers.bootstrap_servers.join(","),
        };
        let group = self.group.as_ref().map(|it| format!(" group={it}")).unwrap_or_default();
        // How it is reached holds references to secrets and no secret; people need not read it.
        let mut rest = format!("{:?} {:?} {:?} {:?}", self.brokers, self.isolation, self.event, self.resets);
        rest.extend(self.registry.iter().map(|it| format!(" {it:?}")));
        rest.extend(self.terms.iter().map(|it| format!(" {it:?}")));
        let digest = hex::encode(&Sha256::digest(rest)[..4]);
        let kind = if matches!(self.topics, TopicChoice::Like(_)) { " like " } else { "/" };
        format!("kafka:{servers}{kind}{}{group} {digest}", self.topics)
    }

    fn arn(&self, _region: &str, _account: &str) -> Option<String> {
        self.event.cluster_arn.clone()
    }

    fn brokers(&self) -> Option<&BrokerSettings> {
        Some(&self.brokers)
    }

    fn reads_topic(&self, topic: &str) -> bool {
        self.topics.holds(topic)
    }

    fn connect<'a>(&'a self, clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async move {
            let what = format!("topics {}", self.topics);
            let told = |error: KafkaFailure| error.on(&what);
            let access = BrokerAccess::look_up(&self.brokers, clients).await;
            let access = access.map_err(|error| told(error.into()))?;
            let cluster = KafkaCluster::shared(&access, self.isolation);
            let schemas = match &self.registry {
                Some(registry) => Some(SchemaReading::connect(registry, clients, &what).await?),
                None => None,
            };
            let format = match &schemas {
                Some(_) => {
                    KafkaFormat::rendering(access.servers(), self.event.clone(), SchemaReading::renderer())
                }
                None => KafkaFormat::new(access.servers(), self.event.clone()),
            };
            let source = KafkaSource {
                brokers: cluster,
                topics: self.topics.clone(),
                group: self.group.clone(),
                terms: self.terms.clone(),
                resets: self.resets,
                format,
                schemas,
                what,
            };
            Ok(Arc::new(source) as Arc<dyn Source>)
        })
    }
}
