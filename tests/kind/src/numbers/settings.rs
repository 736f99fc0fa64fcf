//! What `source: { numbers: … }` may say. These doc comments are the manual.

use std::path::Path;
use std::sync::Arc;

use forebay_clients::{Clients, aws_identity};
use forebay_config::aws::partition_of;
use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
use forebay_config::{AwsScope, AwsSettings, Fields, Finding, Node};
use forebay_pollers::{BoxFuture, Source, SourceError, SourceSettings};

use super::NumbersSource;
use super::service::{NUMBERS, last_number};

const TRACKS_MAX: u32 = 100;
const UP_TO_MAX: u64 = 1_000_000;
const SCOPE: AwsScope<'static> = AwsScope { services: &[&NUMBERS], names_account: false };

pub(super) static SPECS: [SettingSpec; 3] = [
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
    SettingSpec::new(
        "event_source_mappings[].source.numbers.aws",
        Shape::Aws(SCOPE),
        DefaultValue::Absent("the service of numbers is not asked"),
        "Asks the service of numbers how far to count, `up_to` at the most, and says what differs there from the top level's `aws`.",
    ),
];

/// Settings of the source.
#[derive(Debug, Clone)]
pub(super) struct NumbersSettings {
    n_tracks: u32,
    up_to: u64,
    aws: Option<AwsSettings>,
}

impl NumbersSettings {
    pub(super) fn parse(settings: &Node, base: &Path) -> Result<Self, Vec<Finding>> {
        Fields::read(settings, "source.numbers", |fields| {
            let n_tracks = fields.optional("tracks", |it| it.integer(1..=TRACKS_MAX));
            let up_to = fields.required("up_to", |it| it.integer(1..=UP_TO_MAX));
            let aws = fields.optional("aws", |it| AwsSettings::read(it, SCOPE, base));
            Some(Self { n_tracks: n_tracks.unwrap_or(1), up_to: up_to?, aws })
        })
    }
}

impl SourceSettings for NumbersSettings {
    fn identity(&self) -> String {
        let asked = self.aws.as_ref().map(|it| format!(" asked{}", aws_identity(it, &NUMBERS)));
        format!("numbers:{}x{}{}", self.n_tracks, self.up_to, asked.unwrap_or_default())
    }

    fn arn(&self, region: &str, account: &str) -> Option<String> {
        let Self { n_tracks, up_to, aws: _ } = self;
        Some(format!("arn:{}:numbers:{region}:{account}:series/{n_tracks}x{up_to}", partition_of(region)))
    }

    fn connect<'a>(&'a self, clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async {
            let up_to = match &self.aws {
                Some(own) => last_number(own, clients).await?.min(self.up_to),
                None => self.up_to,
            };
            Ok(Arc::new(NumbersSource { n_tracks: self.n_tracks, up_to }) as Arc<dyn Source>)
        })
    }
}
