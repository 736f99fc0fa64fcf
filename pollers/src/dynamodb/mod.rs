//! Streams of DynamoDB's tables, read by polls. `docs/sources/dynamodb.md` is the manual.
//!
//! Shards are read as those of every kind are (`crate::shards`). `client` makes the calls, `wire` reads
//! their answers; `reader` is what differs from other kinds; `fake` is a stream in memory.

mod choice;
mod client;
mod error;
mod event;
#[cfg(test)]
mod fake;
mod reader;
mod settings;
#[cfg(test)]
mod tests;
mod wire;
mod words;

use std::path::Path;

use forebay_config::aws::AwsWords;
use forebay_config::profile::{FilterMismatch, Setting, SourceShape};
use forebay_config::settings::SettingSpec;
use forebay_config::{Finding, Node, Redelivery, SourceProfile};

use self::settings::DynamoSettings;
use crate::source::{SourceKind, SourceSettings};

/// `source: { dynamodb: … }`
#[derive(Debug)]
pub struct DynamoKind;

static PROFILE: SourceProfile = SourceProfile {
    kind: "dynamodb",
    shape: SourceShape::Tracks,
    batch_size_default: 100,
    batch_size_max: 10_000,
    window_ms_default: 0,
    batch_size_without_window_max: None,
    settings: &[
        Setting::BatchingWindow,
        Setting::StartingPosition,
        Setting::ParallelizationFactor,
        Setting::RetryAttempts,
        Setting::RecordAge,
        Setting::Bisect,
        Setting::ResponseTypes,
        Setting::OnFailure,
        Setting::TumblingWindow,
    ],
    // It stands in the record as JSON and is matched as it stands.
    data_key: Some("dynamodb"),
    filter_mismatch: FilterMismatch::Drop,
    plain_data_patterns: false,
    mixes_tracks: false,
    retries_to_destination: None,
    redelivery: Redelivery::ByUs,
    concurrency_default: None,
    function_timeout_max: 900,
};

impl SourceKind for DynamoKind {
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
        DynamoSettings::parse(settings, base).map(|it| Box::new(it) as Box<dyn SourceSettings>)
    }
}
