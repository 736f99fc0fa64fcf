//! RabbitMQ's queues, over AMQP 0-9-1. `docs/sources/rabbitmq.md` is the manual.
//!
//! `reader` is what the feed receives from and settles with: it keeps one channel open (`line`) and the books of
//! what that is owed (`ledger`). `broker` is the seam to `client`, the only file that knows lapin's channels;
//! `fake` is a broker in memory.

mod broker;
mod client;
mod event;
#[cfg(test)]
mod fake;
mod ledger;
mod line;
mod message;
#[cfg(test)]
mod node_tests;
mod properties;
mod reader;
mod settings;
mod source;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::path::Path;

use forebay_config::profile::{FilterMismatch, Setting, SourceShape};
use forebay_config::settings::SettingSpec;
use forebay_config::{Finding, Node, Redelivery, SourceProfile};

use self::settings::RabbitSettings;
use crate::source::{SourceKind, SourceSettings};

/// `source: { rabbitmq: … }`
#[derive(Debug)]
pub struct RabbitKind;

static PROFILE: SourceProfile = SourceProfile {
    kind: "rabbitmq",
    shape: SourceShape::Queue,
    batch_size_default: 100,
    batch_size_max: 10_000,
    window_ms_default: 500,
    batch_size_without_window_max: None,
    settings: &[
        Setting::BatchingWindow,
        Setting::RetryAttempts,
        Setting::RecordAge,
        Setting::Bisect,
        Setting::ResponseTypes,
        Setting::OnFailure,
        Setting::MaximumConcurrency,
    ],
    data_key: Some("data"),
    filter_mismatch: FilterMismatch::MetadataOnly,
    plain_data_patterns: true,
    mixes_tracks: false,
    retries_to_destination: Some(10),
    // What is handed back for each failure would come again at once, and a delivery limit would count it.
    redelivery: Redelivery::ByUs,
    concurrency_default: Some(NonZeroU32::MIN),
    function_timeout_max: 840,
};

impl SourceKind for RabbitKind {
    fn profile(&self) -> &'static SourceProfile {
        &PROFILE
    }

    fn settings(&self) -> &'static [SettingSpec] {
        &settings::SPECS
    }

    fn parse(&self, settings: &Node, base: &Path) -> Result<Box<dyn SourceSettings>, Vec<Finding>> {
        RabbitSettings::parse(settings, base).map(|it| Box::new(it) as Box<dyn SourceSettings>)
    }
}
