//! SQS queues, standard and FIFO. `docs/sources/sqs.md` is the manual.
//!
//! `client` is the only file that knows the SDK; `reader` receives, settles and extends over it; `fake` is a queue in memory.

mod client;
#[cfg(test)]
pub(crate) mod cost_tests;
mod digest;
mod error;
mod event;
#[cfg(any(test, feature = "fakes"))]
pub mod fake;
mod message;
mod reader;
mod settings;
#[cfg(test)]
mod tests;
mod words;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{Origin, Record, RecordId, ShortBytes, Watermark};
use forebay_config::aws::AwsWords;
use forebay_config::profile::{FilterMismatch, Setting, SourceShape};
use forebay_config::settings::SettingSpec;
use forebay_config::{Finding, Node, SourceProfile, StartingPosition};
use serde_json::value::RawValue;

use self::client::{Description, Sqs};
use self::error::SqsError;
use self::reader::{QueueChoice, SqsQueue};
use self::settings::SqsSettings;
use crate::places::{Backlog, PlaceError, Stand};
use crate::source::{BoxFuture, Known, Listing, Queue, Reader, Renderer, Source, SourceError, SourceKind, SourceSettings, TrackName};

/// `source: { sqs: … }`
#[derive(Debug)]
pub struct SqsKind;

static STANDARD: SourceProfile = SourceProfile {
    kind: "sqs",
    shape: SourceShape::Queue,
    batch_size_default: 10,
    batch_size_max: 10_000,
    window_ms_default: 0,
    batch_size_without_window_max: Some(10),
    settings: &[
        Setting::BatchingWindow,
        Setting::RetryAttempts,
        Setting::RecordAge,
        Setting::ResponseTypes,
        Setting::OnFailure,
        Setting::MaximumConcurrency,
        Setting::ProvisionedPollers,
    ],
    data_key: Some("body"),
    filter_mismatch: FilterMismatch::Drop,
    plain_data_patterns: true,
    mixes_tracks: false,
    function_timeout_max: 900,
};

static FIFO: SourceProfile = SourceProfile {
    shape: SourceShape::GroupQueue,
    batch_size_max: 10,
    batch_size_without_window_max: None,
    settings: &[
        Setting::RetryAttempts,
        Setting::RecordAge,
        Setting::ResponseTypes,
        Setting::OnFailure,
        Setting::MaximumConcurrency,
        Setting::ProvisionedPollers,
    ],
    ..STANDARD
};

impl SourceKind for SqsKind {
    fn profile(&self) -> &'static SourceProfile {
        &STANDARD
    }

    fn settings(&self) -> &'static [SettingSpec] {
        &settings::SPECS
    }

    fn aws_words(&self) -> &'static [&'static AwsWords] {
        &words::ALL
    }

    fn profile_of(&self, settings: &Node) -> &'static SourceProfile {
        if settings::names_fifo(settings) { &FIFO } else { &STANDARD }
    }

    fn parse(&self, settings: &Node, base: &Path) -> Result<Box<dyn SourceSettings>, Vec<Finding>> {
        SqsSettings::parse(settings, base).map(|it| Box::new(it) as Box<dyn SourceSettings>)
    }

    #[cfg(any(test, feature = "fakes"))]
    fn subject(&self) -> crate::contract::AnySubject {
        crate::contract::AnySubject::Queue(Box::new(fake::FakeSubject::new()))
    }
}

/// A queue that was found.
pub(crate) struct SqsSource {
    sqs: Arc<dyn Sqs>,
    what: String,
    queue: Arc<SqsQueue>,
    name: String,
    terms: String,
}

impl SqsSource {
    async fn connect(sqs: Arc<dyn Sqs>, settings: &SqsSettings, what: String) -> Result<Self, SourceError> {
        let description: Description = match sqs.describe().await {
            Ok(it) => it,
            Err(error) => return Err(error.on(&what)),
        };
        if description.visibility.is_zero() {
            return Err(SqsError::NoVisibility.on(&what));
        }
        // Mappings read the same when they call it by the same ARN at the same place.
        let place = settings.aws.endpoint_of("sqs").unwrap_or("AWS");
        let name = format!("{} at {place}", description.arn);
        let terms = settings.terms();
        let choice = QueueChoice { fans_out: settings.fans_out, retry_after: settings.retry_after };
        let queue = SqsQueue::new(Arc::clone(&sqs), &description, choice, what.clone());
        Ok(Self { sqs, what, queue: Arc::new(queue), name, terms })
    }
}

impl Source for SqsSource {
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn terms(&self) -> &str {
        &self.terms
    }

    fn tracks<'a>(&'a self, _known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        Box::pin(async { Ok(Listing::default()) })
    }

    fn rediscover_every(&self) -> Duration {
        // A queue has no tracks that could appear.
        Duration::from_secs(24 * 60 * 60)
    }

    fn origins(&self, _start: StartingPosition) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn first(&self) -> Origin {
        Origin(ShortBytes::new(b""))
    }

    fn places<'a>(&'a self, _known: &'a Known, _start: StartingPosition) -> BoxFuture<'a, Result<Vec<(TrackName, Origin)>, PlaceError>> {
        Box::pin(async { Err(PlaceError::queue()) })
    }

    fn bound<'a>(&'a self, _track: &'a TrackName, _told: &'a str) -> BoxFuture<'a, Result<Watermark, PlaceError>> {
        Box::pin(async { Err(PlaceError::queue()) })
    }

    /// Messages that nobody has received; those in flight are claimed.
    fn backlog<'a>(&'a self, _stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async {
            let n_visible = self.sqs.n_visible().await.map_err(|error| error.on(&self.what))?;
            Ok(Backlog { records: Some(n_visible), bytes: None })
        })
    }

    fn open<'a>(&'a self, track: &'a TrackName, _from: &'a Watermark) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>> {
        let error = SourceError::PositionLost { what: format!("track {}", track.0), why: "a queue has no tracks".to_owned() };
        Box::pin(async { Err(error) })
    }

    fn renderer(&self) -> Arc<dyn Renderer> {
        self.renderer_for(false)
    }

    fn renderer_for(&self, has_window: bool) -> Arc<dyn Renderer> {
        Arc::new(event::SqsRenderer { has_window })
    }

    fn queue(&self) -> Option<Arc<dyn Queue>> {
        Some(Arc::clone(&self.queue) as Arc<dyn Queue>)
    }

    fn envelope_bytes(&self) -> u64 {
        event::ENVELOPE_BYTES
    }

    fn wrap(&self, batch: &[Record]) -> Vec<Bytes> {
        event::wrap(batch)
    }

    fn identify(&self, reported: &RawValue) -> Option<RecordId> {
        event::identify(reported)
    }

    fn batch_info(&self, records: &[Record]) -> (&'static str, serde_json::Value) {
        ("SQSBatchInfo", event::batch_info(records))
    }

    fn original_key(&self, _record: &Record) -> Option<Bytes> {
        None
    }
}
