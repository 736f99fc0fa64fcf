//! The strict tree of shards as a client, in memory: for the suites of tracks and of trees. Time is tokio's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::Watermark;
use forebay_models::shards::{Limits, Refusal, ShardTree, WhenTrimmed};
use forebay_models::stream::Style;
use tokio::time::Instant;

use super::KinesisSource;
use super::choice::Choice;
use super::client::{IteratorAt, Kinesis, Page, ShardInfo, ShardRead, ShardRecord, StreamDescription};
use super::error::KinesisError;
use super::pace::Pace;
use super::stream::KinesisStream;
use crate::contract::{Subject, TreeSubject};
use crate::source::{BoxFuture, Source, TrackName};

const ARN: &str = "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream";
/// Sequence numbers as AWS has them: 56 digits, of which the last 22 count.
const NUMBER: &str = "4959033827149025660855969253836157";
/// The server's time when a test begins.
const BEGAN_MS: i64 = 1_545_084_650_987;
const PAGE: usize = 2;

/// A stream in memory.
pub struct FakeKinesis {
    state: Mutex<FakeState>,
    zero: Instant,
    /// How far this machine's clock is ahead of the server's.
    clock_ahead_ms: AtomicI64,
}

struct FakeState {
    /// It allows any number of calls.
    is_free: bool,
    tree: ShardTree,
    when_trimmed: WhenTrimmed,
    is_broken: bool,
    /// How often the stream was made.
    n_made: i64,
    /// Ends of shards tell no children.
    tells_no_children: bool,
}

impl FakeKinesis {
    /// A stream without shards.
    pub fn new(limits: Limits, when_trimmed: WhenTrimmed) -> Self {
        let tree = ShardTree::new(Style::Aggregates, limits);
        let is_free = limits.calls_per_s == usize::MAX;
        let state =
            FakeState { is_free, tree, when_trimmed, is_broken: false, n_made: 1, tells_no_children: false };
        Self { state: Mutex::new(state), zero: Instant::now(), clock_ahead_ms: AtomicI64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, FakeState> {
        self.state.lock().expect("nothing panics under this lock")
    }

    fn working(&self) -> Result<MutexGuard<'_, FakeState>, KinesisError> {
        let state = self.lock();
        match state.is_broken {
            true => Err(KinesisError::Unreachable("it is broken".to_owned())),
            false => Ok(state),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_millis()).expect("tests are short")
    }

    fn put(&self, shard: usize, data: Bytes) {
        let now_ms = self.now();
        self.lock().tree.put_at(shard, data, now_ms);
    }

    fn begin(&self, shard: &str, begin: IteratorAt) -> Result<String, KinesisError> {
        let (mut state, now_ms) = (self.working()?, self.now());
        let when_trimmed = state.when_trimmed;
        let tree = &mut state.tree;
        let shard = number_of(shard, tree.shards().len())?;
        let iterator = match begin {
            IteratorAt::First => {
                let from = Watermark::Origin(tree.shards()[shard].log.origin_first());
                tree.iterator(shard, &from, now_ms)
            }
            IteratorAt::Time(at) => {
                let at = u64::try_from(at - BEGAN_MS).unwrap_or_default();
                tree.iterator_at_time(shard, at, now_ms)
            }
            IteratorAt::At(text) => {
                let number = text.strip_prefix(NUMBER).and_then(|it| it.parse().ok());
                let number = number.ok_or_else(|| told(Refusal::NoPlace))?;
                tree.iterator_at_number(shard, number, when_trimmed, now_ms)
            }
        };
        iterator.map(|it| format!("iterator {it}")).map_err(told)
    }

    fn read(&self, iterator: &str, n_max: u32) -> Result<ShardRead, KinesisError> {
        let (mut state, now_ms) = (self.working()?, self.now());
        let number = iterator.strip_prefix("iterator ").and_then(|it| it.parse().ok());
        let number: u64 = number.ok_or_else(|| told(Refusal::NoPlace))?;
        let tells_no_children = state.tells_no_children;
        let tree = &mut state.tree;
        let batch = tree.read(number, n_max as usize, now_ms).map_err(told)?;
        // An iterator does not say whose it is; its records and its end do.
        let shard = tree.shard_of(number).ok_or_else(|| told(Refusal::IteratorExpired))?;
        let held = &tree.shards()[shard];
        let record = |idx: usize| ShardRecord {
            sequence: format!("{NUMBER}{:022}", held.log.items()[idx].name),
            key: format!("key {}", idx % 3),
            data: held.log.items()[idx].value.clone(),
            arrival_ms: BEGAN_MS + i64::try_from(held.arrivals_ms[idx]).unwrap_or(i64::MAX),
            is_encrypted: false,
        };
        let children = batch.children.unwrap_or_default();
        Ok(ShardRead {
            records: batch.items.into_iter().map(record).collect(),
            next: batch.next.map(|it| format!("iterator {it}")),
            behind_ms: Some(if batch.is_behind { 1_000 } else { 0 }),
            children: children.iter().filter(|_| !tells_no_children).map(|it| info(tree, *it)).collect(),
        })
    }
}

fn id(shard: usize) -> String {
    format!("shardId-{shard:012}")
}

fn number_of(id: &str, n_shards: usize) -> Result<usize, KinesisError> {
    let number = id.strip_prefix("shardId-").and_then(|it| it.parse().ok());
    number.filter(|it| *it < n_shards).ok_or_else(|| told(Refusal::NoShard))
}

fn info(tree: &ShardTree, shard: usize) -> ShardInfo {
    let it = &tree.shards()[shard];
    ShardInfo {
        id: id(shard),
        parents: it.parents.iter().map(|it| id(*it)).collect(),
        is_closed: it.log.is_ended(),
    }
}

fn told(refusal: Refusal) -> KinesisError {
    let code = match refusal {
        Refusal::NoShard => "ResourceNotFoundException",
        Refusal::IteratorExpired => "ExpiredIteratorException",
        Refusal::Throttled => "ProvisionedThroughputExceededException",
        Refusal::NoPlace => "InvalidArgumentException",
        Refusal::Subscribed | Refusal::SubscriptionEnded => "ResourceInUseException",
    };
    KinesisError::answered(code, format!("{refusal:?}"))
}

impl Kinesis for FakeKinesis {
    fn describe(&self) -> BoxFuture<'_, Result<StreamDescription, KinesisError>> {
        Box::pin(async {
            let created_ms = BEGAN_MS + self.working()?.n_made;
            Ok(StreamDescription { arn: ARN.to_owned(), created_ms })
        })
    }

    fn list(&self, after: Option<String>) -> BoxFuture<'_, Result<Page, KinesisError>> {
        Box::pin(async move {
            let state = self.working()?;
            let after = after.and_then(|it| it.parse().ok());
            let (page, has_more) = state.tree.list(after, PAGE);
            let next = page.last().filter(|_| has_more).map(ToString::to_string);
            Ok(Page { shards: page.into_iter().map(|it| info(&state.tree, it)).collect(), next })
        })
    }

    fn iterator<'a>(
        &'a self,
        shard: &'a str,
        begin: IteratorAt,
    ) -> BoxFuture<'a, Result<String, KinesisError>> {
        Box::pin(async move { self.begin(shard, begin) })
    }

    fn records<'a>(
        &'a self,
        iterator: &'a str,
        n_max: u32,
    ) -> BoxFuture<'a, Result<ShardRead, KinesisError>> {
        Box::pin(async move { self.read(iterator, n_max) })
    }

    fn now_ms(&self) -> i64 {
        let now = i64::try_from(self.now()).unwrap_or(i64::MAX);
        BEGAN_MS + now + self.clock_ahead_ms.load(Ordering::SeqCst)
    }
}

/// The fake in the hands of the contract suites.
pub struct FakeStreamSubject {
    fake: Arc<FakeKinesis>,
    choice: Choice,
    source: Arc<dyn Source>,
}

impl FakeStreamSubject {
    /// A stream that allows any number of calls, for suites that read anew at once.
    pub fn new() -> Self {
        let limits = Limits { calls_per_s: usize::MAX, ..Limits::default() };
        Self::with(limits, WhenTrimmed::Refuse)
    }

    /// A stream with these limits.
    pub fn with(limits: Limits, when_trimmed: WhenTrimmed) -> Self {
        let choice =
            Choice { poll_interval: Duration::from_secs(1), deaggregates: false, identity_arn: None };
        let fake = Arc::new(FakeKinesis::new(limits, when_trimmed));
        let source = connect(&fake, &choice);
        Self { fake, choice, source }
    }

    /// From now on aggregates are taken apart, or left whole.
    pub fn set_deaggregates(&mut self, deaggregates: bool) {
        self.choice.deaggregates = deaggregates;
        self.restart();
    }

    /// This machine's clock is so far ahead of the server's.
    pub fn set_clock_ahead(&self, ahead_ms: i64) {
        self.fake.clock_ahead_ms.store(ahead_ms, Ordering::SeqCst);
    }

    /// Ends of shards tell their children, or do not.
    pub fn set_tells_no_children(&self, tells_no_children: bool) {
        self.fake.lock().tells_no_children = tells_no_children;
    }

    /// Appends one record.
    pub fn put(&mut self, track: usize, data: Bytes) {
        self.fake.put(track, data);
    }

    /// Retention takes a closed shard whole.
    pub fn forget(&mut self, track: usize) {
        self.fake.lock().tree.forget(track);
    }

    /// The stream is deleted and made anew under its name; what its shards hold is the same.
    pub fn make_anew(&mut self) {
        self.fake.lock().n_made += 1;
    }
}

impl Default for FakeStreamSubject {
    fn default() -> Self {
        Self::new()
    }
}

fn connect(fake: &Arc<FakeKinesis>, choice: &Choice) -> Arc<dyn Source> {
    let description = StreamDescription { arn: ARN.to_owned(), created_ms: BEGAN_MS + fake.lock().n_made };
    let (kinesis, what) = (Arc::clone(fake) as Arc<dyn Kinesis>, "stream lambda-stream".to_owned());
    let mut stream = KinesisStream::new(kinesis, what, choice.clone(), description);
    if fake.lock().is_free {
        stream.pace = Pace::every(Duration::ZERO);
    }
    Arc::new(KinesisSource { stream: Arc::new(stream), name: ARN.to_owned() })
}

impl Subject for FakeStreamSubject {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    fn restart(&mut self) {
        self.source = connect(&self.fake, &self.choice);
    }

    fn add_track(&mut self) -> usize {
        self.fake.lock().tree.add_root(0..=u128::MAX)
    }

    fn append(&mut self, track: usize, n_records: usize) {
        for _ in 0..n_records {
            let n = self.fake.lock().tree.shards()[track].log.items().len();
            self.fake.put(track, Bytes::from(format!("{{\"shard\":{track},\"n\":{n}}}")));
        }
    }

    fn written(&self, track: usize) -> Vec<Vec<u8>> {
        let state = self.fake.lock();
        state.tree.shards()[track].log.items().iter().map(|it| it.value.to_vec()).collect()
    }

    fn end(&mut self, track: usize) {
        self.fake.lock().tree.close(track);
    }

    fn set_broken(&mut self, is_broken: bool) {
        self.fake.lock().is_broken = is_broken;
    }
}

impl TreeSubject for FakeStreamSubject {
    fn split(&mut self, track: usize) -> [usize; 2] {
        self.fake.lock().tree.split(track)
    }

    fn merge(&mut self, a: usize, b: usize) -> usize {
        self.fake.lock().tree.merge(a, b)
    }

    fn trim(&mut self, track: usize, n_records: usize) {
        self.fake.lock().tree.trim(track, n_records);
    }

    fn name(&self, track: usize) -> TrackName {
        TrackName(format!("{ARN} made at {}/{}", BEGAN_MS + self.fake.lock().n_made, id(track)))
    }

    fn n_waiting_on_us(&self) -> usize {
        0
    }
}
