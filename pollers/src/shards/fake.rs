//! The strict tree of shards as a stream, in memory: for the suites of tracks and of trees. Time is tokio's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::Watermark;
use forebay_models::shards::{Limits, Refusal, Shard, ShardTree, WhenTrimmed};
use forebay_models::stream::Style;
use tokio::time::Instant;

use super::calls::{
    IteratorAt, Page, ShardCalls, ShardInfo, ShardRead, ShardRecord, ShardTraits, StreamDescription,
    Subscriptions,
};
use super::error::ShardError;
use super::fake_push::PushManners;
use super::pace::Rate;
use super::source::ShardSource;
use super::stream::{ShardStream, StreamFacts};
use crate::contract::{Subject, TreeSubject};
use crate::source::{BoxFuture, Source, TrackName};

/// The server's time when a test begins.
pub(crate) const BEGAN_MS: i64 = 1_545_084_650_987;
const PAGE: usize = 2;

/// How the server of a kind speaks, and how the kind reads it.
pub(crate) trait Accent: Send + Sync {
    /// What a stream that was made so often says of itself.
    fn description(&self, n_made: i64) -> StreamDescription;
    /// What it says when it refuses, and in which words.
    fn refused(&self, refusal: Refusal) -> ShardError;
    /// A sequence number of the tree as the server writes it.
    fn sequence(&self, number: u64) -> String;
    /// What was written so; `None` for what no shard of the server has.
    fn number(&self, sequence: &str) -> Option<u64>;
    /// A record with its index in the shard, as the kind's client makes it.
    fn record(&self, idx: usize, sequence: String, value: &Bytes, arrival_ms: i64) -> ShardRecord;
    /// Whether reads say how far behind they are, and ends of shards what comes after them. Otherwise
    /// children are asked for.
    fn tells_all(&self) -> bool;
    /// How the kind reads it.
    fn reading(&self) -> (Box<dyn ShardTraits>, StreamFacts);
}

/// A stream in memory.
pub(crate) struct FakeStream {
    me: Weak<Self>,
    pub(super) accent: Arc<dyn Accent>,
    state: Mutex<FakeState>,
    /// Its shards are pushed.
    pushes: bool,
    zero: Instant,
    /// How far this machine's clock is ahead of the server's.
    clock_ahead_ms: AtomicI64,
}

pub(super) struct FakeState {
    pub(super) tree: ShardTree,
    pub(super) when_trimmed: WhenTrimmed,
    is_broken: bool,
    /// How often the stream was made.
    n_made: i64,
    /// Ends of shards tell no children.
    tells_no_children: bool,
    is_disabled: bool,
    /// How long a description takes, and how often it was asked for.
    description_takes: Duration,
    n_described: usize,
    /// Nothing can be read of a shard that has no records left.
    is_horizon_refused: bool,
    pub(super) push: PushManners,
}

impl FakeState {
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }
}

impl FakeStream {
    pub(super) fn lock(&self) -> MutexGuard<'_, FakeState> {
        self.state.lock().expect("nothing panics under this lock")
    }

    pub(super) fn me(&self) -> Arc<Self> {
        self.me.upgrade().expect("whoever calls holds it")
    }

    pub(super) fn working(&self) -> Result<MutexGuard<'_, FakeState>, ShardError> {
        let state = self.lock();
        match state.is_broken {
            true => Err(self.reading().unusable("it is broken".to_owned())),
            false => Ok(state),
        }
    }

    fn reading(&self) -> Box<dyn ShardTraits> {
        self.accent.reading().0
    }

    pub(super) fn told(&self, refusal: Refusal) -> ShardError {
        self.accent.refused(refusal)
    }

    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_millis()).expect("tests are short")
    }

    fn put(&self, shard: usize, data: Bytes) {
        let now_ms = self.now();
        self.lock().tree.put_at(shard, data, now_ms);
    }

    pub(super) fn record(&self, shard: &Shard, idx: usize) -> ShardRecord {
        let item = &shard.log.items()[idx];
        let arrival_ms = BEGAN_MS + i64::try_from(shard.arrivals_ms[idx]).unwrap_or(i64::MAX);
        self.accent.record(idx, self.accent.sequence(item.name), &item.value, arrival_ms)
    }

    pub(super) fn info(&self, tree: &ShardTree, shard: usize) -> ShardInfo {
        let it = &tree.shards()[shard];
        let is_closed = it.log.is_ended();
        let last = it.log.items().last().filter(|_| is_closed && !self.accent.tells_all());
        ShardInfo {
            id: id(shard),
            parents: it.parents.iter().map(|it| id(*it)).collect(),
            is_closed,
            last: last.map(|it| self.accent.sequence(it.name)),
            n_digits: 0,
        }
    }

    /// A shard by its name, and a place in it.
    pub(super) fn place(
        &self,
        state: &FakeState,
        shard: &str,
        begin: &IteratorAt,
        now_ms: u64,
    ) -> Result<(usize, Watermark), ShardError> {
        let tree = &state.tree;
        let shard = number_of(shard, tree.shards().len()).ok_or_else(|| self.told(Refusal::NoShard))?;
        let from = match begin {
            // At the first that retention has left.
            IteratorAt::First => tree.at_time(shard, 0, now_ms),
            IteratorAt::Latest => Ok(Watermark::Origin(tree.shards()[shard].log.origin_latest())),
            IteratorAt::Time(at) => {
                tree.at_time(shard, u64::try_from(at - BEGAN_MS).unwrap_or_default(), now_ms)
            }
            IteratorAt::At(text) => {
                let number = self.accent.number(text).ok_or_else(|| self.told(Refusal::NoPlace))?;
                tree.at_number(shard, number, state.when_trimmed)
            }
        };
        Ok((shard, from.map_err(|it| self.told(it))?))
    }

    fn begin(&self, shard: &str, begin: IteratorAt) -> Result<String, ShardError> {
        let (mut state, now_ms) = (self.working()?, self.now());
        let (shard, from) = self.place(&state, shard, &begin, now_ms)?;
        let iterator = state.tree.iterator(shard, &from, now_ms);
        iterator.map(|it| format!("iterator:{it}")).map_err(|it| self.told(it))
    }

    fn read(&self, iterator: &str, n_max: u32) -> Result<ShardRead, ShardError> {
        let (mut state, now_ms) = (self.working()?, self.now());
        let number = iterator.strip_prefix("iterator:").and_then(|it| it.parse().ok());
        let number: u64 = number.ok_or_else(|| self.told(Refusal::NoPlace))?;
        let tells_children = self.accent.tells_all() && !state.tells_no_children;
        let is_horizon_refused = state.is_horizon_refused;
        let tree = &mut state.tree;
        let batch = tree.read(number, n_max as usize, now_ms).map_err(|it| self.told(it))?;
        // Who tells a gap by refusing refuses here, too.
        if is_horizon_refused && batch.items.is_empty() {
            return Err(self.told(Refusal::NoPlace));
        }
        if batch.gap.is_some() && !self.accent.tells_all() {
            return Err(self.told(Refusal::NoPlace));
        }
        // An iterator does not say whose it is; its records and its end do.
        let shard = tree.shard_of(number).ok_or_else(|| self.told(Refusal::IteratorExpired))?;
        let held = &tree.shards()[shard];
        let children = batch.children.filter(|_| tells_children).unwrap_or_default();
        Ok(ShardRead {
            records: batch.items.into_iter().map(|it| self.record(held, it)).collect(),
            next: batch.next.map(|it| format!("iterator:{it}")),
            behind_ms: self.accent.tells_all().then_some(if batch.is_behind { 1_000 } else { 0 }),
            children: children.iter().map(|it| self.info(tree, *it)).collect(),
        })
    }
}

fn id(shard: usize) -> String {
    format!("shardId-{shard:012}")
}

pub(super) fn number_of(id: &str, n_shards: usize) -> Option<usize> {
    let number = id.strip_prefix("shardId-").and_then(|it| it.parse().ok());
    number.filter(|it| *it < n_shards)
}

impl ShardCalls for FakeStream {
    fn describe(&self) -> BoxFuture<'_, Result<StreamDescription, ShardError>> {
        Box::pin(async {
            let takes = {
                let mut state = self.lock();
                state.n_described += 1;
                state.description_takes
            };
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            let state = self.working()?;
            let description = self.accent.description(state.n_made);
            Ok(StreamDescription { is_disabled: state.is_disabled, ..description })
        })
    }

    fn list(&self, after: Option<String>) -> BoxFuture<'_, Result<Page, ShardError>> {
        Box::pin(async move {
            let state = self.working()?;
            let after = after.and_then(|it| it.parse().ok());
            let (page, has_more) = state.tree.list(after, PAGE);
            let next = page.last().filter(|_| has_more).map(ToString::to_string);
            Ok(Page { shards: page.into_iter().map(|it| self.info(&state.tree, it)).collect(), next })
        })
    }

    fn iterator<'a>(
        &'a self,
        shard: &'a str,
        begin: IteratorAt,
    ) -> BoxFuture<'a, Result<String, ShardError>> {
        Box::pin(async move { self.begin(shard, begin) })
    }

    fn records<'a>(&'a self, iterator: &'a str, n_max: u32) -> BoxFuture<'a, Result<ShardRead, ShardError>> {
        Box::pin(async move { self.read(iterator, n_max) })
    }

    fn children<'a>(&'a self, shard: &'a str) -> BoxFuture<'a, Result<Vec<ShardInfo>, ShardError>> {
        Box::pin(async move {
            let state = self.working()?;
            let is_asked = !self.accent.tells_all() && !state.tells_no_children;
            let shard = number_of(shard, state.tree.shards().len()).filter(|_| is_asked);
            let children = shard.map(|it| state.tree.children(it)).unwrap_or_default();
            Ok(children.into_iter().map(|it| self.info(&state.tree, it)).collect())
        })
    }

    fn subscriptions(&self) -> Option<&dyn Subscriptions> {
        self.pushes.then_some(self as &dyn Subscriptions)
    }

    fn now_ms(&self) -> i64 {
        let now = i64::try_from(self.now()).unwrap_or(i64::MAX);
        BEGAN_MS + now + self.clock_ahead_ms.load(Ordering::SeqCst)
    }
}

/// The fake in the hands of the contract suites.
pub(crate) struct FakeStreamSubject {
    fake: Arc<FakeStream>,
    /// It allows any number of calls.
    is_free: bool,
    source: Arc<dyn Source>,
}

impl FakeStreamSubject {
    /// A stream without shards, with these limits.
    pub(crate) fn new(accent: Arc<dyn Accent>, limits: Limits, when_trimmed: WhenTrimmed) -> Self {
        Self::read_by(accent, limits, when_trimmed, false)
    }

    /// The same, with shards that are pushed.
    pub(crate) fn pushed(accent: Arc<dyn Accent>, limits: Limits, when_trimmed: WhenTrimmed) -> Self {
        Self::read_by(accent, limits, when_trimmed, true)
    }

    fn read_by(accent: Arc<dyn Accent>, limits: Limits, when_trimmed: WhenTrimmed, pushes: bool) -> Self {
        let tree = ShardTree::new(Style::Aggregates, limits);
        let state = FakeState {
            tree,
            when_trimmed,
            is_broken: false,
            n_made: 1,
            tells_no_children: false,
            is_disabled: false,
            description_takes: Duration::ZERO,
            n_described: 0,
            is_horizon_refused: false,
            push: PushManners::default(),
        };
        let (state, zero, clock_ahead_ms) = (Mutex::new(state), Instant::now(), AtomicI64::new(0));
        let fake = Arc::new_cyclic(|me| FakeStream {
            me: Weak::clone(me),
            accent,
            state,
            pushes,
            zero,
            clock_ahead_ms,
        });
        let is_free = limits.calls_per_s == usize::MAX;
        Self { source: connect(&fake, is_free), fake, is_free }
    }

    /// This machine's clock is so far ahead of the server's.
    pub(crate) fn set_clock_ahead(&self, ahead_ms: i64) {
        self.fake.clock_ahead_ms.store(ahead_ms, Ordering::SeqCst);
    }

    /// Ends of shards tell their children, or do not.
    pub(crate) fn set_tells_no_children(&self, tells_no_children: bool) {
        self.fake.lock().tells_no_children = tells_no_children;
    }

    /// A description takes so long.
    pub(crate) fn set_description_takes(&self, takes: Duration) {
        self.fake.lock().description_takes = takes;
    }

    /// How often the stream was asked what it is.
    pub(crate) fn n_described(&self) -> usize {
        self.fake.lock().n_described
    }

    /// Retention takes all records of a closed shard, which is still listed.
    pub(crate) fn empty(&mut self, track: usize) {
        let mut state = self.fake.lock();
        let n_records = state.tree.shards()[track].log.items().len();
        state.tree.trim(track, n_records);
        state.is_horizon_refused = true;
    }

    /// The stream is switched off.
    pub(crate) fn disable(&mut self) {
        self.fake.lock().is_disabled = true;
    }

    /// How it pushes from now on.
    pub(crate) fn set_manners(&self, manners: PushManners) {
        self.fake.lock().push = manners;
    }

    /// All connections break.
    pub(crate) fn break_subscriptions(&self) {
        self.fake.lock().tree.break_subscriptions();
    }

    /// How often it was subscribed to, refusals included.
    pub(crate) fn n_subscribed(&self) -> usize {
        self.fake.lock().push.n_subscribed
    }

    /// Subscriptions that are open.
    pub(crate) fn n_open(&self) -> usize {
        self.fake.lock().tree.n_subscriptions()
    }

    /// Appends one record.
    pub(crate) fn put(&mut self, track: usize, data: Bytes) {
        self.fake.put(track, data);
    }

    /// Retention takes a closed shard whole.
    pub(crate) fn forget(&mut self, track: usize) {
        self.fake.lock().tree.forget(track);
    }

    /// The stream is deleted and made anew under its name; what its shards hold is the same.
    pub(crate) fn make_anew(&mut self) {
        self.fake.lock().n_made += 1;
    }
}

fn connect(fake: &Arc<FakeStream>, is_free: bool) -> Arc<dyn Source> {
    let (traits, mut facts) = fake.accent.reading();
    if is_free {
        facts.rate = Rate { between: Duration::ZERO, ..facts.rate };
    }
    let description = fake.accent.description(fake.lock().n_made);
    let name = description.arn.clone();
    let stream = ShardStream::new(Arc::clone(fake) as _, traits, facts, description);
    Arc::new(ShardSource::new(stream, name))
}

impl Subject for FakeStreamSubject {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    fn restart(&mut self) {
        self.source = connect(&self.fake, self.is_free);
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
        let shard = &state.tree.shards()[track];
        (0..shard.log.items().len()).map(|it| self.fake.record(shard, it).data.to_vec()).collect()
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
        let identity = self.fake.accent.description(self.fake.lock().n_made).identity;
        TrackName(format!("{identity}/{}", id(track)))
    }

    fn n_waiting_on_us(&self) -> usize {
        self.fake.lock().tree.n_under_way()
    }
}
