//! What `source: { numbers: … }` may say. These doc comments are the manual.

use std::sync::Arc;

use forebay_clients::Clients;
use forebay_config::aws::partition_of;
use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
use forebay_config::{Fields, Finding, Node};
use forebay_pollers::{BoxFuture, Source, SourceError, SourceSettings};

use super::NumbersSource;

const TRACKS_MAX: u32 = 100;
const UP_TO_MAX: u64 = 1_000_000;

pub(super) static SPECS: [SettingSpec; 2] = [
    SettingSpec::new(
        "event_source_mappings[].source.numbers.tracks",
        Shape::Integer { min: 1, max: TRACKS_MAX as i64 },
        DefaultValue::Integer(1),
        "How many tracks count beside each other.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.numbers.up_to",
        Shape::Integer { min: 1, max: UP_TO_MAX.cast_signed() },
        DefaultValue::Required,
        "The last number of each track.",
    ),
];

/// Settings of the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct NumbersSettings {
    n_tracks: u32,
    up_to: u64,
}

impl NumbersSettings {
    pub(super) fn parse(settings: &Node) -> Result<Self, Vec<Finding>> {
        Fields::read(settings, "source.numbers", |fields| {
            let n_tracks = fields.optional("tracks", |it| it.integer(1..=TRACKS_MAX));
            let up_to = fields.required("up_to", |it| it.integer(1..=UP_TO_MAX));
            Some(Self { n_tracks: n_tracks.unwrap_or(1), up_to: up_to? })
        })
    }
}

impl SourceSettings for NumbersSettings {
    fn identity(&self) -> String {
        format!("numbers:{}x{}", self.n_tracks, self.up_to)
    }

    fn arn(&self, region: &str, account: &str) -> Option<String> {
        let Self { n_tracks, up_to } = self;
        Some(format!("arn:{}:numbers:{region}:{account}:series/{n_tracks}x{up_to}", partition_of(region)))
    }

    fn connect<'a>(&'a self, _clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        let source: Arc<dyn Source> = Arc::new(NumbersSource { n_tracks: self.n_tracks, up_to: self.up_to });
        Box::pin(async { Ok(source) })
    }
}
