//! Kafka's topics, read partition by partition, all of them or those that a group's coordinator assigns (`group`). `docs/sources/kafka.md` is the
//! manual.
//!
//! A track is a partition, a position an offset with what tells its record apart (`place`). `reader` reads a
//! partition over `brokers`, the seam to `client`, the only folder that knows librdkafka; `fake` is a cluster in
//! memory. With a schema registry `schema_reading` stands around it, and `decoded` is what it makes of records.

mod brokers;
mod client;
#[cfg(feature = "schemas")]
mod decoded;
mod event;
mod failure;
#[cfg(test)]
mod fake;
mod group;
mod joining;
mod msk_words;
mod note;
mod page;
mod partition;
mod place;
mod reader;
mod registry_words;
mod resets;
#[cfg(feature = "schemas")]
mod schema_reading;
#[cfg(not(feature = "schemas"))]
#[path = "no_schemas.rs"]
mod schema_reading;
#[cfg(test)]
#[cfg(feature = "schemas")]
mod schema_tests;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod topics;
mod words;

use std::path::Path;

use forebay_config::aws::words::AwsWords;
use forebay_config::profile::{FilterMismatch, Setting, SourceShape};
use forebay_config::settings::SettingSpec;
use forebay_config::{Finding, Node, Redelivery, SourceProfile};

use self::settings::KafkaSettings;
use crate::source::{SourceKind, SourceSettings};

/// `source: { kafka: … }`
#[derive(Debug)]
pub struct KafkaKind;

static PROFILE: SourceProfile = SourceProfile {
    kind: "kafka",
    shape: SourceShape::Tracks,
    batch_size_default: 100,
    batch_size_max: 10_000,
    window_ms_default: 500,
    batch_size_without_window_max: None,
    settings: &[
        Setting::BatchingWindow,
        Setting::StartingPosition,
        Setting::AtTimestamp,
        Setting::ParallelizationFactor,
        Setting::RetryAttempts,
        Setting::RecordAge,
        Setting::Bisect,
        Setting::ResponseTypes,
        Setting::OnFailure,
        Setting::ProvisionedPollers,
    ],
    data_key: Some("value"),
    filter_mismatch: FilterMismatch::MetadataOnly,
    plain_data_patterns: true,
    mixes_tracks: true,
    retries_to_destination: Some(10),
    redelivery: Redelivery::ByUs,
    concurrency_default: None,
    function_timeout_max: 840,
};

impl SourceKind for KafkaKind {
    fn profile(&self) -> &'static SourceProfile {
        &PROFILE
    }

    fn settings(&self) -> &'static [SettingSpec] {
        &settings::SPECS
    }

    fn aws_words(&self) -> &'static [&'static AwsWords] {
        &words::ALL
    }

    fn parse(&self, settings: &Node, base: &Path) -> Result<Box<dyn SourceSettings>, Vec<Finding>> {
        KafkaSettings::parse(settings, base).map(|it| Box::new(it) as Box<dyn SourceSettings>)
    }
}
