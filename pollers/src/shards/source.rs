//! A stream of shards as a source: its tracks, and what operators ask of it.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Origin, Watermark};
use forebay_config::StartingPosition;

use super::calls::{IteratorAt, ShardCalls, ShardTraits};
use super::error::ShardError;
use super::place::{Sequence, ShardPlace};
use super::reader::ShardReader;
use super::stream::{ShardStream, StreamFacts};
use crate::source::{
    Backlog, BoxFuture, EventFormat, Explorer, Input, Known, Listing, PlaceError, Reader, Source,
    SourceError, Stand, TrackInfo, TrackName, Tracks, TracksFacts, WindowFacts,
};

/// Shards are listed anew this often; children are told at the end of their parent besides.
const LIST_EVERY: Duration = Duration::from_secs(30);
/// A shard takes a thousand records a second and is read five times: with half of this a read, one that is
/// behind is read more than twice as fast as it is written.
const WAITING_MIN: u32 = 1_000;

/// A stream that was found.
pub(crate) struct ShardSource {
    stream: Arc<ShardStream>,
    name: String,
}

impl ShardSource {
    /// Asks a stream what it is. Streams of one ARN that are read on the same `terms` are one.
    ///
    /// # Errors
    /// It cannot be asked, or is not there.
    pub(crate) async fn connect(
        calls: Arc<dyn ShardCalls>,
        traits: Box<dyn ShardTraits>,
        facts: StreamFacts,
        terms: &str,
    ) -> Result<Self, SourceError> {
        let description = calls.describe().await.map_err(|error| error.on(&facts.what))?;
        let name = format!("{} {terms}", description.arn);
        Ok(Self::new(ShardStream::new(calls, traits, facts, description), name))
    }

    pub(super) fn new(stream: ShardStream, name: String) -> Self {
        Self { stream: Arc::new(stream), name }
    }

    fn told(&self) -> impl Fn(ShardError) -> SourceError {
        |error| error.on(self.stream.what())
    }
}

impl Source for ShardSource {
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn note(&self) -> Option<String> {
        self.stream.calls.note()
    }

    fn input(&self) -> Input<'_> {
        Input::Tracks(self)
    }

    fn format(&self) -> &dyn EventFormat {
        self.stream.traits.format()
    }

    fn explorer(&self) -> &dyn Explorer {
        self
    }
}

impl Tracks for ShardSource {
    fn facts(&self) -> TracksFacts {
        TracksFacts {
            readers_max: Some(self.stream.facts.readers_max),
            lists_for_all: true,
            pushes: self.stream.is_pushed(),
            hears_commits: false,
            waiting_min: WAITING_MIN,
        }
    }

    fn list<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        Box::pin(async {
            let mut tracks = self.stream.tracks().await.map_err(self.told())?;
            tracks.retain(|it| !known.0.contains_key(&it.name));
            let is_disabled = self.stream.description().is_disabled;
            let trouble = if is_disabled { self.stream.traits.disabled() } else { None };
            Ok(Listing { tracks, trouble: trouble.map(self.told()) })
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

    fn window_facts(&self, track: &TrackName) -> Option<WindowFacts> {
        let shard_id = track.0.rsplit_once('/').map_or("", |(_, shard)| shard).to_owned();
        Some(WindowFacts { shard_id, event_source_arn: self.stream.description().arn })
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

impl Explorer for ShardSource {
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
            let number = self.stream.written(&sequence).await.map_err(self.told())?;
            match self.stream.calls.iterator(&shard, IteratorAt::At(number)).await {
                // The server took the number without reading: whether there is such a record shows when the
                // shard is read.
                Ok(_) => Ok(Watermark::At(sequence.position(None))),
                Err(error) if error.is_of_place() => {
                    Err(PlaceError::None(format!("{shard} has no record {told}: {}", error.said)))
                }
                Err(error) => Err(self.told()(error).into()),
            }
        })
    }

    /// A shard tells at most how long ago its next record came, and not how many there are.
    fn backlog<'a>(&'a self, _stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async { Ok(Backlog::default()) })
    }
}
