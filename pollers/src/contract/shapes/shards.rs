//! The strict tree of shards as a source, read by pull or by push. Time is tokio's.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{Origin, ShortBytes, Watermark};
use forebay_config::StartingPosition;
use forebay_models::shards::{Batch, Limits, Refusal, ShardTree};
use forebay_models::stream::Style;
use tokio::time::Instant;

use super::plain::{PlainFormat, record};
use crate::contract::{Subject, TreeSubject};
use crate::source::{
    Backlog, BoxFuture, EventFormat, Explorer, Input, Known, Listing, RawRead, Reader, Room, Source,
    SourceError, Stand, TrackInfo, TrackName, Tracks, TracksFacts,
};

const CONSUMER: &str = "us";
/// How long a reader waits before it looks again.
const POLL: Duration = Duration::from_millis(250);

/// How records reach a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It asks with an iterator.
    Pull,
    /// It subscribes and is sent them.
    Push,
}

/// A stream of shards in memory.
pub struct FakeShards {
    shared: Arc<SharedShards>,
    way: Way,
    readers_max: Option<NonZeroUsize>,
}

struct SharedShards {
    tree: Mutex<ShardTree>,
    zero: Instant,
    is_broken: AtomicBool,
    n_listings: AtomicUsize,
    /// Readers that pull: open now, ever, and the most at once.
    n_open: AtomicUsize,
    n_opened: AtomicUsize,
    n_open_max: AtomicUsize,
}

impl SharedShards {
    fn lock(&self) -> Result<MutexGuard<'_, ShardTree>, SourceError> {
        match self.is_broken.load(Ordering::SeqCst) {
            true => Err(down("it is not reached")),
            false => Ok(self.tree.lock().expect("nothing panics under this lock")),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_millis()).expect("tests are short")
    }
}

fn down(why: &str) -> SourceError {
    SourceError::Down { what: "the stream".to_owned(), code: SourceError::DOWN, cause: why.to_owned().into() }
}

fn label(shard: usize) -> String {
    format!("shard-{shard:012}")
}

/// The name in the store holds the stream's identity, so that one made anew inherits nothing.
fn name(shard: usize) -> TrackName {
    TrackName(format!("stream made at 1/{}", label(shard)))
}

fn number(name: &TrackName) -> Result<usize, SourceError> {
    let number = name.0.rsplit('-').next().and_then(|it| it.parse().ok());
    number.ok_or_else(|| down("the track is none of this stream"))
}

fn info(tree: &ShardTree, shard: usize) -> TrackInfo {
    let parents = tree.shards()[shard].parents.iter().map(|it| name(*it)).collect();
    TrackInfo { name: name(shard), label: label(shard), parents }
}

impl FakeShards {
    /// A stream without shards. Mappings share it whole: any number of readers a shard when it is pulled with
    /// `None`.
    pub fn new(way: Way, limits: Limits, readers_max: Option<NonZeroUsize>) -> Self {
        let tree = Mutex::new(ShardTree::new(Style::Aggregates, limits));
        let shared = Arc::new(SharedShards {
            tree,
            zero: Instant::now(),
            is_broken: AtomicBool::new(false),
            n_listings: AtomicUsize::new(0),
            n_open: AtomicUsize::new(0),
            n_opened: AtomicUsize::new(0),
            n_open_max: AtomicUsize::new(0),
        });
        Self { shared, way, readers_max }
    }

    /// Another connection to the same stream.
    pub fn reconnect(&self) -> Arc<dyn Source> {
        let (shared, way, readers_max) = (Arc::clone(&self.shared), self.way, self.readers_max);
        Arc::new(Self { shared, way, readers_max })
    }

    /// The tree.
    pub fn tree(&self) -> MutexGuard<'_, ShardTree> {
        self.shared.tree.lock().expect("nothing panics under this lock")
    }

    /// How often it was listed.
    pub fn n_listings(&self) -> usize {
        self.shared.n_listings.load(Ordering::SeqCst)
    }

    /// Readers that were ever opened to pull.
    pub fn n_opened(&self) -> usize {
        self.shared.n_opened.load(Ordering::SeqCst)
    }

    /// The most readers that pulled at once.
    pub fn n_open_max(&self) -> usize {
        self.shared.n_open_max.load(Ordering::SeqCst)
    }

    fn origin(&self, shard: usize, start: StartingPosition) -> (TrackName, Origin) {
        let tree = self.tree();
        let log = &tree.shards()[shard].log;
        let origin = match start {
            StartingPosition::Latest => log.origin_latest(),
            StartingPosition::TrimHorizon | StartingPosition::AtTimestamp(_) => log.origin_first(),
        };
        (name(shard), origin)
    }
}

impl Source for FakeShards {
    fn input(&self) -> Input<'_> {
        Input::Tracks(self)
    }
    fn format(&self) -> &dyn EventFormat {
        &PlainFormat
    }
    fn explorer(&self) -> &dyn Explorer {
        self
    }
}

impl Tracks for FakeShards {
    fn facts(&self) -> TracksFacts {
        let pushes = self.way == Way::Push;
        // One subscription a shard.
        let readers_max = if pushes { NonZeroUsize::new(1) } else { self.readers_max };
        TracksFacts { readers_max, lists_for_all: true, pushes, waiting_min: 0, hears_commits: false }
    }

    fn list<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        self.shared.n_listings.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let tree = self.shared.lock()?;
            let (mut tracks, mut after) = (Vec::new(), None);
            loop {
                let (page, has_more) = tree.list(after, 2);
                after = page.last().copied();
                tracks.extend(page.into_iter().map(|it| info(&tree, it)));
                if !has_more {
                    break;
                }
            }
            tracks.retain(|it| !known.0.contains_key(&it.name));
            Ok(Listing { tracks, trouble: None })
        })
    }

    fn rediscover_every(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn first(&self) -> Origin {
        Origin(ShortBytes::new(b"first"))
    }

    fn open<'a>(
        &'a self,
        track: &'a TrackName,
        from: &'a Watermark,
    ) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>> {
        Box::pin(async move {
            let (shared, shard, at) = (Arc::clone(&self.shared), number(track)?, from.clone());
            Ok(match self.way {
                Way::Pull => Box::new(PullReader::new(shared, shard, at)) as Box<dyn Reader>,
                Way::Push => Box::new(PushReader { shared, shard, at, subscription: None }),
            })
        })
    }
}

impl Explorer for FakeShards {
    fn origins(
        &self,
        start: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>> {
        Box::pin(async move {
            let (shards, _) = self.shared.lock()?.list(None, usize::MAX - 1);
            Ok(shards.into_iter().map(|it| self.origin(it, start)).collect())
        })
    }

    fn backlog<'a>(&'a self, _stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async { Ok(Backlog::default()) })
    }
}

/// The raw read of a batch that the tree gave.
fn raw_read(tree: &ShardTree, shard: usize, batch: Batch) -> RawRead {
    let items = tree.shards()[shard].log.items();
    let record = |idx: usize| record(items[idx].position.clone(), items[idx].name, items[idx].value.clone());
    RawRead {
        records: batch.items.into_iter().map(record).collect(),
        passed: batch.passed,
        ended: batch.children.is_some(),
        children: batch.children.unwrap_or_default().into_iter().map(|it| info(tree, it)).collect(),
        gap: batch.gap,
    }
}

/// Moves a reader's place with what it read; `None` when nothing came.
fn moved(at: &mut Watermark, read: RawRead) -> Option<RawRead> {
    if read.records.is_empty() && !read.ended && read.gap.is_none() {
        return None;
    }
    let read = RawRead { passed: read.passed.or_else(|| at.position().cloned()), ..read };
    if let Some(passed) = &read.passed {
        *at = Watermark::At(passed.clone());
    }
    Some(read)
}

fn refused(refusal: Refusal) -> SourceError {
    match refusal {
        Refusal::Throttled => {
            SourceError::Throttled { what: "the shard".to_owned(), retry_after: Some(Duration::from_secs(1)) }
        }
        Refusal::NoShard => {
            SourceError::PositionLost { what: "the shard".to_owned(), why: "it is gone".to_owned() }
        }
        it @ (Refusal::IteratorExpired
        | Refusal::Subscribed
        | Refusal::SubscriptionEnded
        | Refusal::NoPlace) => down(&format!("{it:?}")),
    }
}

struct PullReader {
    shared: Arc<SharedShards>,
    shard: usize,
    at: Watermark,
    iterator: Option<u64>,
}

impl PullReader {
    fn new(shared: Arc<SharedShards>, shard: usize, at: Watermark) -> Self {
        let n_open = shared.n_open.fetch_add(1, Ordering::SeqCst) + 1;
        shared.n_open_max.fetch_max(n_open, Ordering::SeqCst);
        shared.n_opened.fetch_add(1, Ordering::SeqCst);
        Self { shared, shard, at, iterator: None }
    }

    /// Reads once. An iterator that is too old is renewed where the last read ended; one that was refused for
    /// coming too often stays.
    fn ask(&mut self, records_max: usize) -> Result<RawRead, SourceError> {
        let now_ms = self.shared.now_ms();
        let mut tree = self.shared.lock()?;
        let mut is_renewed = false;
        loop {
            let iterator = match self.iterator {
                Some(iterator) => iterator,
                None => *self.iterator.insert(tree.iterator(self.shard, &self.at, now_ms).map_err(refused)?),
            };
            match tree.read(iterator, records_max, now_ms) {
                Ok(batch) => {
                    self.iterator = batch.next;
                    return Ok(raw_read(&tree, self.shard, batch));
                }
                Err(Refusal::IteratorExpired) if !is_renewed => {
                    (self.iterator, is_renewed) = (None, true);
                }
                Err(refusal) => return Err(refused(refusal)),
            }
        }
    }
}

impl Drop for PullReader {
    fn drop(&mut self) {
        self.shared.n_open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Reader for PullReader {
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(async move {
            let until = Instant::now() + room.wait;
            loop {
                let read = self.ask(room.records_max as usize)?;
                if let Some(read) = moved(&mut self.at, read) {
                    return Ok(read);
                }
                if Instant::now() >= until {
                    return Ok(RawRead { passed: self.at.position().cloned(), ..RawRead::default() });
                }
                tokio::time::sleep_until(until.min(Instant::now() + POLL)).await;
            }
        })
    }
}

struct PushReader {
    shared: Arc<SharedShards>,
    shard: usize,
    at: Watermark,
    subscription: Option<u64>,
}

impl PushReader {
    /// What was pushed, if anything was. A subscription that has ended is renewed where the last push ended.
    fn take(&mut self) -> Result<Option<RawRead>, SourceError> {
        let now_ms = self.shared.now_ms();
        let mut tree = self.shared.lock()?;
        loop {
            let subscription = match self.subscription {
                Some(subscription) => subscription,
                None => {
                    let new = tree.subscribe(CONSUMER, self.shard, &self.at, now_ms).map_err(refused)?;
                    *self.subscription.insert(new)
                }
            };
            match tree.take_push(subscription, now_ms) {
                Ok(push) => return Ok(push.map(|it| raw_read(&tree, self.shard, it))),
                Err(Refusal::SubscriptionEnded) => self.subscription = None,
                Err(refusal) => return Err(refused(refusal)),
            }
        }
    }
}

impl Reader for PushReader {
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(async move {
            let until = Instant::now() + room.wait;
            loop {
                let push = self.take()?;
                if let Some(read) = push.and_then(|it| moved(&mut self.at, it)) {
                    return Ok(read);
                }
                if Instant::now() >= until {
                    return Ok(RawRead { passed: self.at.position().cloned(), ..RawRead::default() });
                }
                tokio::time::sleep_until(until.min(Instant::now() + POLL)).await;
            }
        })
    }
}

impl Drop for PushReader {
    /// The next reader of the shard may subscribe at once.
    fn drop(&mut self) {
        if let (Some(subscription), Ok(mut tree)) = (self.subscription, self.shared.tree.lock()) {
            tree.unsubscribe(subscription);
        }
    }
}

/// The fake in the hands of the contract suite.
pub struct ShardSubject {
    fake: FakeShards,
    source: Arc<dyn Source>,
}

impl ShardSubject {
    /// With no shard yet. `limits` are the tree's.
    pub fn new(way: Way, limits: Limits) -> Self {
        let fake = FakeShards::new(way, limits, None);
        let source = fake.reconnect();
        Self { fake, source }
    }
}

impl Subject for ShardSubject {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    fn restart(&mut self) {
        self.source = self.fake.reconnect();
    }

    fn add_track(&mut self) -> usize {
        self.fake.tree().add_root(0..=u128::MAX)
    }

    fn append(&mut self, track: usize, n_records: usize) {
        let mut tree = self.fake.tree();
        for _ in 0..n_records {
            let n = tree.shards()[track].log.items().len();
            tree.put(track, Bytes::from(format!("{{\"shard\":{track},\"n\":{n}}}")));
        }
    }

    fn written(&self, track: usize) -> Vec<Vec<u8>> {
        self.fake.tree().shards()[track].log.items().iter().map(|it| it.value.to_vec()).collect()
    }

    fn end(&mut self, track: usize) {
        self.fake.tree().close(track);
    }

    fn set_broken(&mut self, is_broken: bool) {
        self.fake.shared.is_broken.store(is_broken, Ordering::SeqCst);
    }
}

impl TreeSubject for ShardSubject {
    fn split(&mut self, track: usize) -> [usize; 2] {
        self.fake.tree().split(track)
    }

    fn merge(&mut self, a: usize, b: usize) -> usize {
        self.fake.tree().merge(a, b)
    }

    fn trim(&mut self, track: usize, n_records: usize) {
        self.fake.tree().trim(track, n_records);
    }

    fn name(&self, track: usize) -> TrackName {
        name(track)
    }

    fn n_waiting_on_us(&self) -> usize {
        self.fake.tree().n_under_way()
    }
}
