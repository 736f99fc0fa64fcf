//! A stream: which one it is, its shards, and where they begin.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay_batcher::{RecordId, ShortArena};
use forebay_config::StartingPosition;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::calls::{ShardCalls, ShardInfo, ShardRead, ShardRecord, ShardTraits, StreamDescription};
use super::error::ShardError;
use super::pace::{Pace, Rate};
use super::place::{Sequence, SequenceBytes, ShardPlace};
use crate::source::{SourceError, TrackInfo, TrackName};

/// That a stream is the same is believed for so long.
const SAME_FOR: Duration = Duration::from_secs(5);
/// A stream has 20,000 shards at most and a page of theirs at least 100, unless it is asked for less: more
/// pages are a server that goes in circles.
const PAGES_MAX: usize = 1_000;
/// Shards whose end is looked for at once.
const SHARDS_AT_ONCE: usize = 32;

/// How a stream is read.
#[derive(Debug, Clone)]
pub(crate) struct StreamFacts {
    /// What people call it.
    pub(crate) what: String,
    /// Readers of one shard that do not wait for one another for long.
    pub(crate) readers_max: NonZeroUsize,
    /// The most records that one call may ask for.
    pub(crate) records_max: u32,
    /// How often a shard may be read.
    pub(crate) rate: Rate,
    /// The longest pause between two reads that bring nothing.
    pub(crate) poll_interval: Duration,
}

/// A stream that was found.
pub(crate) struct ShardStream {
    pub(crate) calls: Arc<dyn ShardCalls>,
    pub(super) traits: Box<dyn ShardTraits>,
    pub(super) facts: StreamFacts,
    pub(super) pace: Pace,
    /// A shard ended and its children were not told there.
    pub(super) ended: Notify,
    /// Shards that were listed as closed when the stream was listed last.
    closed: Mutex<BTreeSet<String>>,
    /// How long its numbers are where the server writes zeros before them.
    n_digits: tokio::sync::OnceCell<usize>,
    /// When it was described last, and what it was.
    seen: Mutex<(Instant, StreamDescription)>,
    /// One asks for all which stream it is; how often that was done.
    asking: (tokio::sync::Mutex<()>, AtomicU64),
}

impl ShardStream {
    pub(super) fn new(
        calls: Arc<dyn ShardCalls>,
        traits: Box<dyn ShardTraits>,
        facts: StreamFacts,
        it: StreamDescription,
    ) -> Self {
        let (pace, ended, seen) = (Pace::new(facts.rate), Notify::new(), Mutex::new((Instant::now(), it)));
        let (closed, n_digits, asking) = Default::default();
        Self { calls, traits, facts, pace, ended, closed, n_digits, seen, asking }
    }

    /// What people call it.
    pub(super) fn what(&self) -> &str {
        &self.facts.what
    }

    /// What it was when it was described last.
    pub(super) fn description(&self) -> StreamDescription {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Reads a shard when its turn has come.
    pub(crate) async fn read(
        &self,
        shard: &str,
        iterator: &str,
        n_max: u32,
    ) -> Result<ShardRead, ShardError> {
        sleep_until(self.pace.turn(shard, Instant::now())).await;
        let answer = self.calls.records(iterator, n_max).await?;
        let n_bytes = answer.records.iter().map(|it| self.traits.n_bytes(it)).sum();
        self.pace.answered(shard, n_bytes, Instant::now());
        Ok(answer)
    }

    /// A sequence number that the server wrote.
    pub(crate) fn sequence(&self, text: &str) -> Result<Sequence, ShardError> {
        Sequence::parse(text).ok_or_else(|| self.no_number(text.as_bytes()))
    }

    /// The number of a record.
    pub(crate) fn sequence_of(&self, RecordId(id): &RecordId) -> Result<Sequence, ShardError> {
        Sequence::parse(id.as_slice()).ok_or_else(|| self.no_number(id.as_slice()))
    }

    /// The numbers of the records of a read, in their order: they lie together.
    pub(super) fn sequences_of(&self, records: &[ShardRecord]) -> Result<Vec<Sequence>, ShardError> {
        let (mut numbers, mut arena) = (Vec::with_capacity(records.len()), ShortArena::default());
        for ShardRecord { id: RecordId(id), .. } in records {
            let number = SequenceBytes::parse(id.as_slice()).ok_or_else(|| self.no_number(id.as_slice()))?;
            arena.add(number.as_slice());
            if arena.is_full() {
                numbers.extend(arena.take().map(Sequence::of_bytes));
            }
        }
        numbers.extend(arena.take().map(Sequence::of_bytes));
        Ok(numbers)
    }

    fn no_number(&self, text: &[u8]) -> ShardError {
        self.traits.unusable(format!("{:?} is no sequence number", String::from_utf8_lossy(text)))
    }

    /// Asks the stream what it is.
    pub(super) async fn describe(&self) -> Result<StreamDescription, ShardError> {
        let it = self.calls.describe().await?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), it.clone());
        Ok(it)
    }

    /// The shard that a track is. One of a stream that was deleted and made anew is none of this stream's.
    pub(super) async fn shard(&self, track: &TrackName) -> Result<String, SourceError> {
        if let Some(seen) = self.seen_lately() {
            return self.shard_of(&seen, track);
        }
        // A stream allows some ten descriptions a second, and hundreds of shards may make their iterators at
        // once: one asks, and the others wait for its answer.
        let (asking, n_asked) = &self.asking;
        let n_before = n_asked.load(Ordering::Relaxed);
        let turn = asking.lock().await;
        if let Some(seen) = self.seen_lately() {
            return self.shard_of(&seen, track);
        }
        if n_asked.load(Ordering::Relaxed) != n_before {
            // Who asked for all has failed: one after the other would be long.
            drop(turn);
            return self.shard_anew(track).await;
        }
        let shard = self.shard_anew(track).await;
        n_asked.fetch_add(1, Ordering::Relaxed);
        shard
    }

    fn seen_lately(&self) -> Option<StreamDescription> {
        let (at, seen) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (at.elapsed() < SAME_FOR).then_some(seen)
    }

    /// The same, after the stream was asked what it is.
    pub(super) async fn shard_anew(&self, track: &TrackName) -> Result<String, SourceError> {
        let it = self.describe().await.map_err(|it| it.on(self.what()))?;
        self.shard_of(&it, track)
    }

    fn shard_of(&self, it: &StreamDescription, track: &TrackName) -> Result<String, SourceError> {
        let lost =
            |why: &str| SourceError::PositionLost { what: self.facts.what.clone(), why: why.to_owned() };
        let (stream, shard) = track.0.rsplit_once('/').ok_or_else(|| lost("it names no shard"))?;
        if stream != it.identity {
            return Err(lost("the stream was deleted and made anew since"));
        }
        Ok(shard.to_owned())
    }

    /// All shards that are listed.
    pub(super) async fn shards(&self) -> Result<Vec<ShardInfo>, ShardError> {
        let (mut shards, mut after) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self.calls.list(after).await?;
            shards.extend(page.shards);
            match page.next {
                Some(next) => after = Some(next),
                None => {
                    self.note_closed(&shards);
                    // Known already, or just asked for: it is the same.
                    let _ = self.n_digits.set(digits_of(&shards));
                    return Ok(shards);
                }
            }
        }
        Err(self.traits.unusable(format!("its shards have more than {PAGES_MAX} pages")))
    }

    /// A number as the server writes it.
    pub(super) async fn written(&self, sequence: &Sequence) -> Result<String, ShardError> {
        let ask = async || Ok::<_, ShardError>(digits_of(&self.shards().await?));
        let n_digits = *self.n_digits.get_or_try_init(ask).await?;
        Ok(format!("{:0>n_digits$}", sequence.to_text()))
    }

    fn note_closed(&self, shards: &[ShardInfo]) {
        // Only those that are pushed ask for it.
        if self.is_pushed() {
            let closed = shards.iter().filter(|it| it.is_closed).map(|it| it.id.clone()).collect();
            *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = closed;
        }
    }

    /// Whether a shard was closed when the stream was listed last.
    pub(super) fn is_closed(&self, shard: &str) -> bool {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).contains(shard)
    }

    /// Its shards are pushed to whoever subscribes to them.
    pub(super) fn is_pushed(&self) -> bool {
        self.calls.subscriptions().is_some()
    }

    /// All shards that are listed, as tracks.
    pub(super) async fn tracks(&self) -> Result<Vec<TrackInfo>, ShardError> {
        // Before it is listed: one made anew in between has other names with the next listing.
        let it = self.describe().await?;
        Ok(self.shards().await?.iter().map(|shard| track(&it, shard)).collect())
    }

    /// Where each shard that is listed begins. A shard that is closed has nothing that is to come.
    pub(super) async fn origins(
        &self,
        start: StartingPosition,
    ) -> Result<Vec<(TrackName, ShardPlace)>, ShardError> {
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

    async fn origin(&self, shard: &ShardInfo, start: StartingPosition) -> Result<ShardPlace, ShardError> {
        match start {
            StartingPosition::TrimHorizon => Ok(ShardPlace::First),
            StartingPosition::AtTimestamp(at) => Ok(ShardPlace::Time(at)),
            // Its children are listed as well and begin at their own latest, so nothing that is to come is
            // left out.
            StartingPosition::Latest if shard.is_closed => Ok(ShardPlace::End),
            StartingPosition::Latest => self.traits.latest(self, &shard.id).await,
        }
    }
}

/// Those of all shards of a stream are alike.
fn digits_of(shards: &[ShardInfo]) -> usize {
    shards.iter().map(|it| it.n_digits).max().unwrap_or(0)
}

fn name(stream: &str, shard: &str) -> TrackName {
    TrackName(format!("{stream}/{shard}"))
}

fn track(stream: &StreamDescription, shard: &ShardInfo) -> TrackInfo {
    beside(&stream.identity, shard)
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
