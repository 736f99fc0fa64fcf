//! A source of numbered records over tracks, in memory: the least that a kind of source is.
//!
//! Each track counts from 1 to `up_to` and ends. `settings` is what a config says of it, `words` what
//! Lambda's API says, `tracks` what is read, `explorer` what operators ask, `event` what a function gets, `service` a
//! service of AWS's manner that it may ask.

mod event;
mod explorer;
mod service;
mod settings;
mod tracks;
mod words;

use std::path::Path;

use forebay_config::aws::AwsWords;
use forebay_config::profile::{FilterMismatch, Setting, SourceShape};
use forebay_config::settings::SettingSpec;
use forebay_config::{Finding, Node, Redelivery, SourceProfile};
use forebay_pollers::{EventFormat, Explorer, Input, Source, SourceKind, SourceSettings};

use self::settings::NumbersSettings;

/// `source: { numbers: … }`
#[derive(Debug)]
pub(crate) struct NumbersKind;

static PROFILE: SourceProfile = SourceProfile {
    kind: "numbers",
    shape: SourceShape::Tracks,
    batch_size_default: 100,
    batch_size_max: 10_000,
    window_ms_default: 0,
    batch_size_without_window_max: None,
    settings: &[
        Setting::BatchingWindow,
        Setting::StartingPosition,
        Setting::RetryAttempts,
        Setting::RecordAge,
        Setting::Bisect,
        Setting::ResponseTypes,
        Setting::OnFailure,
    ],
    data_key: None,
    filter_mismatch: FilterMismatch::Drop,
    plain_data_patterns: false,
    mixes_tracks: false,
    retries_to_destination: None,
    redelivery: Redelivery::ByUs,
    concurrency_default: None,
    function_timeout_max: 900,
};

impl SourceKind for NumbersKind {
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
        NumbersSettings::parse(settings, base).map(|it| Box::new(it) as Box<dyn SourceSettings>)
    }
}

/// Tracks that each count to the same number.
#[derive(Debug, Clone, Copy)]
struct NumbersSource {
    n_tracks: u32,
    up_to: u64,
}

impl Source for NumbersSource {
    fn input(&self) -> Input<'_> {
        Input::Tracks(self)
    }

    fn format(&self) -> &dyn EventFormat {
        &event::NumbersFormat
    }

    fn explorer(&self) -> &dyn Explorer {
        self
    }
}
