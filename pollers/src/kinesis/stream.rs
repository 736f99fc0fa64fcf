//! A stream: which one it is, its shards, and where they begin.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay_config::{Arn, StartingPosition};
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::choice::Choice;
use super::client::{IteratorAt, Kinesis, ShardInfo, StreamDescription};
use super::error::KinesisError;
use super::pace::Pace;
use super::place::{PartsDone, Sequence, ShardPlace};
use crate::source::{SourceError, TrackInfo, TrackName};

/// That a stream is the same is believed for so long.
const SAME_FOR: Duration = Duration::from_secs(5);
/// A stream has 20,000 shards at most and a page of theirs 1,000: more pages are a server that goes in
/// circles.
const PAGES_MAX: usize = 1_000;
/// Shards whose end is looked for at once.
const SHARDS_AT_ONCE: usize = 32;
/// The end of a shard is looked for from so long ago on, the shortest that the server takes: longer ones are
/// for a clock that is fast. Times of arrival are exact to about a second.
const AGO_MS: [i64; 5] = [5_000, 60_000, 600_000, 3_600_000, 86_400_000];
/// Reads until the end of a shard is reached; what comes then was written meanwhile.
const READS_MAX: usize = 64;
const RECORDS_MAX: u32 = 10_000;

/// A stream that was found.
pub(super) struct KinesisStream {
    pub(super) kinesis: Arc<dyn Kinesis>,
    pub(super) what: String,
    pub(super) arn: String,
    pub(super) region: String,
    pub(super) choice: Choice,
    pub(super) pace: Pace,
    /// A shard ended and its children were not told there.
    pub(super) ended: Notify,
    /// When it was described last, and what it was.
    seen: Mutex<(Instant, StreamDescription)>,
}

impl KinesisStream {
    pub(super) fn new(
        kinesis: Arc<dyn Kinesis>,
        what: String,
        choice: Choice,
        it: StreamDescription,
    ) -> Self {
        let arn = Arn::parse(&it.arn);
        let region = arn.as_ref().map(|it| it.region.clone()).unwrap_or_default();
        let identity = arn.map(|it| format!("arn:{}:iam::{}:role/forebay", it.partition, it.account));
        let choice = Choice { identity_arn: choice.identity_arn.or(identity), ..choice };
        let arn = it.arn.clone();
        let (pace, ended, seen) = (Pace::default(), Notify::new(), Mutex::new((Instant::now(), it)));
        Self { kinesis, what, arn, region, choice, pace, ended, seen }
    }

    /// Asks the stream what it is.
    pub(super) async fn describe(&self) -> Result<StreamDescription, KinesisError> {
        let it = self.kinesis.describe().await?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), it.clone());
        Ok(it)
    }

    /// The shard that a track is. One of a stream that was deleted and made anew is none of this stream's.
    pub(super) async fn shard(&self, track: &TrackName) -> Result<String, SourceError> {
        let lost = |why: &str| SourceError::PositionLost { what: self.what.clone(), why: why.to_owned() };
        let (at, seen) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_fresh = at.elapsed() < SAME_FOR;
        let it = if is_fresh { seen } else { self.describe().await.map_err(|it| it.on(&self.what))? };
        let (stream, shard) = track.0.rsplit_once('/').ok_or_else(|| lost("it names no shard"))?;
        if stream != identity(&it) {
            return Err(lost("the stream was deleted and made anew since"));
        }
        Ok(shard.to_owned())
    }

    /// All shards that are listed.
    pub(super) async fn shards(&self) -> Result<Vec<ShardInfo>, KinesisError> {
        let (mut shards, mut after) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self.kinesis.list(after).await?;
            shards.extend(page.shards);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(shards),
            }
        }
        Err(KinesisError::Refused(format!("ListShards has more than {PAGES_MAX} pages")))
    }

    /// All shards that are listed, as tracks.
    pub(super) async fn tracks(&self) -> Result<Vec<TrackInfo>, KinesisError> {
        // Before it is listed: one made anew in between has other names with the next listing.
        let it = self.describe().await?;
        Ok(self.shards().await?.iter().map(|shard| track(&it, shard)).collect())
    }

    /// Where each shard that is listed begins. A shard that is closed has nothing that is to come.
    pub(super) async fn origins(
        &self,
        start: StartingPosition,
    ) -> Result<Vec<(TrackName, ShardPlace)>, KinesisError> {
        let it = self.describe().await?;
        let shards = self.shards().await?;
        let mut origins = Vec::with_capacity(shards.len());
        for some in shards.chunks(SHARDS_AT_ONCE) {
            let places = join_all(some.iter().map(|shard| self.origin(shard, start))).await;
            for (shard, place) in some.iter().zip(places) {
                origins.push((track(&it, shard).name, place?));
            }
        }
        Ok(origins)
    }

    async fn origin(&self, shard: &ShardInfo, start: StartingPosition) -> Result<ShardPlace, KinesisError> {
        match start {
            StartingPosition::TrimHorizon => Ok(ShardPlace::First),
            StartingPosition::AtTimestamp(at) => Ok(ShardPlace::Time(at)),
            StartingPosition::Latest if shard.is_closed => Ok(ShardPlace::End),
            StartingPosition::Latest => self.latest(&shard.id).await,
        }
    }

    /// The end of a shard as a place that lasts. An iterator at LATEST would be void after five minutes, and
    /// this machine's time may be another than the server's. So the shard is read from a little while ago up
    /// to its end: behind the last record that is there lies what is to come, whatever any clock says. Where
    /// nothing is there, the time does: the server refuses one that it has not reached, so that whatever is
    /// written from now on is later.
    async fn latest(&self, shard: &str) -> Result<ShardPlace, KinesisError> {
        let (at, mut iterator) = self.a_while_ago(shard).await?;
        let mut last = None;
        for _ in 0..READS_MAX {
            sleep_until(self.pace.turn(shard, Instant::now())).await;
            let answer = self.kinesis.records(&iterator, RECORDS_MAX).await?;
            let n_bytes = answer.records.iter().map(|it| it.data.len()).sum();
            self.pace.answered(shard, n_bytes, Instant::now());
            let is_at_end = answer.behind_ms.map_or(answer.records.is_empty(), |it| it == 0);
            last = answer.records.into_iter().next_back().map(|it| it.sequence).or(last);
            match answer.next {
                Some(next) if !is_at_end => iterator = next,
                Some(_) | None => break,
            }
        }
        match last {
            Some(last) => Ok(ShardPlace::At(sequence(&last)?, PartsDone::Whole)),
            None => Ok(ShardPlace::Time(at)),
        }
    }

    /// An iterator at a time that the server has reached, and that time.
    async fn a_while_ago(&self, shard: &str) -> Result<(i64, String), KinesisError> {
        let now_ms = self.kinesis.now_ms();
        let mut refused = String::new();
        for ago in AGO_MS {
            let at = now_ms.saturating_sub(ago).max(0);
            match self.kinesis.iterator(shard, IteratorAt::Time(at)).await {
                Err(KinesisError::Invalid(text)) => refused = text,
                other => return other.map(|iterator| (at, iterator)),
            }
        }
        Err(KinesisError::Clock(refused))
    }
}

/// The name of a stream that one made anew does not have.
fn identity(stream: &StreamDescription) -> String {
    format!("{} made at {}", stream.arn, stream.created_ms)
}

fn name(stream: &str, shard: &str) -> TrackName {
    TrackName(format!("{stream}/{shard}"))
}

fn track(stream: &StreamDescription, shard: &ShardInfo) -> TrackInfo {
    beside(&identity(stream), shard)
}

/// A shard as a track of the stream of this identity.
fn beside(stream: &str, shard: &ShardInfo) -> TrackInfo {
    TrackInfo {
        name: name(stream, &shard.id),
        label: shard.id.clone(),
        parents: shard.parents.iter().map(|it| name(stream, it)).collect(),
    }
}

/// Shards that come after a track, as tracks of its stream.
pub(super) fn children(track: &TrackName, shards: &[ShardInfo]) -> Vec<TrackInfo> {
    let stream = track.0.rsplit_once('/').map_or("", |(stream, _)| stream);
    shards.iter().map(|it| beside(stream, it)).collect()
}

pub(super) fn sequence(text: &str) -> Result<Sequence, KinesisError> {
    Sequence::parse(text).ok_or_else(|| KinesisError::Refused(format!("{text:?} is no sequence number")))
}
