//! Kinesis streams, read by polls or pushed. `docs/sources/kinesis.md` is the manual.
//!
//! Shards are read as those of every kind are (`crate::shards`). `plain` makes the calls, or `sdk`, the
//! only file that knows AWS's SDK; `reader` is what differs; `fake` is a stream in memory.

mod aggregate;
mod choice;
mod client;
mod data;
mod error;
mod event;
#[cfg(test)]
mod fake;
mod fan_out;
#[cfg(test)]
mod fan_out_tests;
mod plain;
mod reader;
mod sdk;
mod settings;
#[cfg(test)]
mod tests;
mod transport;
#[cfg(test)]
mod transport_tests;
mod words;

use std::path::Path;

use forebay_config::aws::AwsWords;
use forebay_config::profile::{FilterMismatch, Setting, SourceShape};
use forebay_config::settings::SettingSpec;
use forebay_config::{Finding, Node, Redelivery, SourceProfile};

use self::settings::KinesisSettings;
use crate::source::{SourceKind, SourceSettings};

/// `source: { kinesis: … }`
#[derive(Debug)]
pub struct KinesisKind;

static PROFILE: SourceProfile = SourceProfile {
    kind: "kinesis",
    shape: SourceShape::Tracks,
    batch_size_default: 100,
    batch_size_max: 10_000,
    window_ms_default: 0,
    batch_size_without_window_max: None,
    settings: &[
        Setting::BatchingWindow,
        Setting::StartingPosition,
        Setting::AtTimestamp,
        Setting::ParallelizationFactor,
        Setting::TumblingWindow,
        Setting::RetryAttempts,
        Setting::RecordAge,
        Setting::Bisect,
        Setting::ResponseTypes,
        Setting::OnFailure,
    ],
    data_key: Some("data"),
    filter_mismatch: FilterMismatch::Drop,
    plain_data_patterns: false,
    mixes_tracks: false,
    retries_to_destination: None,
    redelivery: Redelivery::ByUs,
    concurrency_default: None,
    function_timeout_max: 900,
};

impl SourceKind for KinesisKind {
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
        KinesisSettings::parse(settings, base).map(|it| Box::new(it) as Box<dyn SourceSettings>)
    }
}
