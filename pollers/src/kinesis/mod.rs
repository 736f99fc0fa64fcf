//! Kinesis streams, read by polls. `docs/sources/kinesis.md` is the manual.
//!
//! A track is a shard of one stream, a position a sequence number (`place`). `client` is the only file that
//! knows the SDK; `reader` reads a shard over it; `fake` is a stream in memory.

mod aggregate;
mod choice;
mod client;
mod error;
mod event;
#[cfg(any(test, feature = "fakes"))]
pub mod fake;
mod pace;
mod place;
mod reader;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
mod words;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Origin, Watermark};
use forebay_config::aws::AwsWords;
use forebay_config::profile::{FilterMismatch, Setting, SourceShape};
use forebay_config::settings::SettingSpec;
use forebay_config::{Finding, Node, SourceProfile, StartingPosition};

use self::client::{IteratorAt, Kinesis};
use self::error::KinesisError;
use self::place::{Sequence, ShardPlace};
use self::reader::ShardReader;
use self::settings::KinesisSettings;
use self::stream::KinesisStream;
use crate::source::{
    Backlog, BoxFuture, EventFormat, Explorer, Input, Known, Listing, PlaceError, Reader, Source,
    SourceError, SourceKind, SourceSettings, Stand, TrackInfo, TrackName, Tracks, TracksFacts,
};

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
    function_timeout_max: 900,
};

/// Shards are listed anew this often; children are told at the end of their parent besides.
const LIST_EVERY: Duration = Duration::from_secs(30);
/// Five calls a second are a shard's: with more readers one would wait longer than a second.
const READERS_MAX: usize = 5;

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

/// A stream that was found.
pub(crate) struct KinesisSource {
    stream: Arc<KinesisStream>,
    name: String,
}

impl KinesisSource {
    async fn connect(
        kinesis: Arc<dyn Kinesis>,
        settings: &KinesisSettings,
        what: String,
    ) -> Result<Self, SourceError> {
        let description = kinesis.describe().await.map_err(|error| error.on(&what))?;
        // Mappings read the same when they call it by the same ARN at the same place and choose the same.
        let place = settings.aws.endpoint_of("kinesis").unwrap_or("AWS");
        let name = format!("{} at {place} with {:?}", description.arn, settings.choice);
        let stream = KinesisStream::new(kinesis, what, settings.choice.clone(), description);
        Ok(Self { stream: Arc::new(stream), name })
    }

    fn told(&self) -> impl Fn(KinesisError) -> SourceError {
        |error| error.on(&self.stream.what)
    }
}

impl Source for KinesisSource {
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn input(&self) -> Input<'_> {
        Input::Tracks(self)
    }

    fn format(&self) -> &dyn EventFormat {
        &event::KinesisFormat
    }

    fn explorer(&self) -> &dyn Explorer {
        self
    }
}

impl Tracks for KinesisSource {
    fn facts(&self) -> TracksFacts {
        TracksFacts { readers_max: NonZeroUsize::new(READERS_MAX), lists_for_all: true, pushes: false }
    }

    fn list<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        Box::pin(async {
            let mut tracks = self.stream.tracks().await.map_err(self.told())?;
            tracks.retain(|it| !known.0.contains_key(&it.name));
            Ok(Listing { tracks, trouble: None })
        })
    }

    fn rediscover_every(&self) -> Duration {
        LIST_EVERY
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.stream.ended.notified())
    }

    fn first(&self) -> Origin {
        ShardPlace::First.to_origin()
    }

    fn open<'a>(
        &'a self,
        track: &'a TrackName,
        from: &'a Watermark,
    ) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>> {
        Box::pin(async {
            let reader = ShardReader::open(&self.stream, track, from).await?;
            Ok(Box::new(reader) as Box<dyn Reader>)
        })
    }
}

impl Explorer for KinesisSource {
    fn describe<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Vec<TrackInfo>, SourceError>> {
        Box::pin(async {
            let mut tracks = self.stream.tracks().await.map_err(self.told())?;
            tracks.retain(|it| known.0.contains_key(&it.name));
            Ok(tracks)
        })
    }

    fn origins(
        &self,
        start: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>> {
        Box::pin(async move {
            let origins = self.stream.origins(start).await.map_err(self.told())?;
            Ok(origins.into_iter().map(|(name, place)| (name, place.to_origin())).collect())
        })
    }

    /// Names hold what the stream is: the same shard has the same name.
    fn places<'a>(
        &'a self,
        _known: &'a Known,
        start: StartingPosition,
    ) -> BoxFuture<'a, Result<Vec<(TrackName, Origin)>, PlaceError>> {
        Box::pin(async move { Ok(self.origins(start).await?) })
    }

    /// A sequence number that the shard takes for one of its own.
    fn bound<'a>(
        &'a self,
        track: &'a TrackName,
        told: &'a str,
    ) -> BoxFuture<'a, Result<Watermark, PlaceError>> {
        Box::pin(async move {
            let shard = self.stream.shard(track).await?;
            let Some(sequence) = Sequence::parse(told) else {
                return Err(PlaceError::None(format!("{told} is no sequence number: write its digits")));
            };
            match self.stream.kinesis.iterator(&shard, IteratorAt::At(sequence.to_text())).await {
                Ok(_) => Ok(Watermark::At(sequence.position(None))),
                Err(KinesisError::Invalid(text) | KinesisError::NotFound(text)) => {
                    Err(PlaceError::None(format!("{shard} has no record {told}: {text}")))
                }
                Err(error) => Err(self.told()(error).into()),
            }
        })
    }

    /// Kinesis tells how long ago the next record came, and not how many there are.
    fn backlog<'a>(&'a self, _stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async { Ok(Backlog::default()) })
    }
}
