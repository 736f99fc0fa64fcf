//! The structures inside requests and answers, in AWS's words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Seconds since 1970, as AWS writes times. Kept as milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EpochMillis(pub i64);

impl Serialize for EpochMillis {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of the next 200,000 years fit")]
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for EpochMillis {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a float ends at the bounds")]
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(|seconds| Self((seconds * 1000.0).round() as i64))
    }
}

/// Where a new mapping starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StartingPosition {
    /// At the first record that is there.
    TrimHorizon,
    /// Behind the last.
    Latest,
    /// At a time.
    AtTimestamp,
}

/// Declares a structure of optional members that is left out of JSON where it has none.
macro_rules! structure {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        pub struct $name {
            $($(#[$member_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $member: Option<$type>,)*
        }
    };
}

structure! {
    /// What a mapping lets through.
    FilterCriteria {
        /// A record that matches any of them passes.
        filters: Vec<Filter>,
    }
}

structure! {
    /// One filter.
    Filter {
        /// Its pattern, a JSON document in a text.
        pattern: String,
    }
}

structure! {
    /// Where records go that were given up on.
    DestinationConfig {
        /// Those given up on.
        on_failure: Destination,
        /// Not for mappings.
        on_success: Destination,
    }
}

structure! {
    /// One destination.
    Destination {
        /// An ARN, `kafka://topic`, or nothing to clear it.
        destination: String,
    }
}

structure! {
    /// How many batches of a queue run at once.
    ScalingConfig {
        /// At most so many.
        maximum_concurrency: u32,
    }
}

structure! {
    /// Pollers of its own.
    ProvisionedPollerConfig {
        /// At most so many.
        maximum_pollers: u32,
        /// At least so many.
        minimum_pollers: u32,
        /// Mappings of one group share their pollers.
        poller_group_name: String,
    }
}

structure! {
    /// Which metrics are sent.
    MetricsConfig {
        /// Their groups.
        metrics: Vec<String>,
    }
}

structure! {
    /// What is logged.
    LoggingConfig {
        /// From this level on.
        system_log_level: String,
    }
}

structure! {
    /// Where a cluster of one's own is.
    SelfManagedEventSource {
        /// `KAFKA_BOOTSTRAP_SERVERS` to a list of `host:port`.
        endpoints: BTreeMap<String, Vec<String>>,
    }
}

structure! {
    /// A secret or an address by which a source is reached.
    SourceAccessConfiguration {
        /// What it is.
        #[serde(rename = "Type")]
        access_type: String,
        /// Where it is.
        #[serde(rename = "URI")]
        uri: String,
    }
}

structure! {
    /// Settings of a managed Kafka cluster.
    ManagedKafkaConfig {
        /// The consumer group.
        consumer_group_id: String,
        /// The schema registry.
        schema_registry_config: SchemaRegistryConfig,
    }
}

structure! {
    /// Settings of a Kafka cluster of one's own.
    SelfManagedKafkaConfig {
        /// The consumer group.
        consumer_group_id: String,
        /// `Stream` or `Queue`.
        consumption_mode: String,
        /// The schema registry.
        schema_registry_config: SchemaRegistryConfig,
    }
}

structure! {
    /// A schema registry.
    SchemaRegistryConfig {
        /// How it is reached.
        access_configs: Vec<SchemaRegistryAccess>,
        /// `JSON` or `SOURCE`.
        event_record_format: String,
        /// Where it is.
        #[serde(rename = "SchemaRegistryURI")]
        schema_registry_uri: String,
        /// What of a record it decodes.
        schema_validation_configs: Vec<SchemaValidation>,
    }
}

structure! {
    /// A secret by which a registry is reached.
    SchemaRegistryAccess {
        /// What it is.
        #[serde(rename = "Type")]
        access_type: String,
        /// Where it is.
        #[serde(rename = "URI")]
        uri: String,
    }
}

structure! {
    /// A part of a record that a registry decodes.
    SchemaValidation {
        /// `KEY` or `VALUE`.
        attribute: String,
    }
}

structure! {
    /// Settings of a document database.
    DocumentDbConfig {
        /// The collection; all of them where none is named.
        collection_name: String,
        /// The database.
        database_name: String,
        /// `UpdateLookup` or `Default`.
        full_document: String,
    }
}
