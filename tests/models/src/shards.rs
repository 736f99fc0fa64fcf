//! A tree of shards, as Kinesis and the streams of DynamoDB keep it: shards split and merge, are listed in
//! pages, read by iterators that end and are refused to whoever comes too often, or pushed to a subscriber.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use bytes::Bytes;
use forebay_batcher::{Gap, Origin, Position, ShortBytes, Watermark};

use crate::stream::{Cursor, Log, Style};

/// A subscription younger than this keeps its place against another of its consumer.
const TAKE_OVER_MS: u64 = 5_000;

/// What a tree allows, in milliseconds, calls and bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// An iterator that is older is void.
    pub iterator_ms: u64,
    /// Reads of one shard within a second, whoever asks.
    pub calls_per_s: usize,
    /// Records that one read brings at most.
    pub records_max: usize,
    /// A subscription ends after this time.
    pub subscription_ms: u64,
    /// Pushes that may be under way to a subscriber which has not taken them.
    pub credits: usize,
}

impl Default for Limits {
    /// As Kinesis has them, with two pushes under way.
    fn default() -> Self {
        Self {
            iterator_ms: 300_000,
            calls_per_s: 5,
            records_max: 10_000,
            subscription_ms: 300_000,
            credits: 2,
        }
    }
}

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such shard, or it is no longer listed.
    NoShard,
    /// The iterator is too old, or was never given out.
    IteratorExpired,
    /// Too many calls within a second.
    Throttled,
    /// The consumer has a subscription to this shard that is younger than five seconds.
    Subscribed,
    /// The subscription has ended: by its time, or because its consumer is gone.
    SubscriptionEnded,
    /// What was asked for is no place in the shard, or lies in the future.
    NoPlace,
}

/// What a tree does when an iterator is asked for at a record that retention took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenTrimmed {
    /// It refuses.
    Refuse,
    /// It begins at the first record that is there.
    BeginLater,
}

/// One shard: its place in the tree and what it holds.
#[derive(Debug)]
pub struct Shard {
    /// The shards that it came from; both of a merge.
    pub parents: Vec<usize>,
    /// The part of all hashes that it takes.
    pub hashes: RangeInclusive<u128>,
    /// What it holds.
    pub log: Log<Bytes>,
    /// When each record of the log arrived, in milliseconds.
    pub arrivals_ms: Vec<u64>,
    /// Nobody lists it any more: retention took it.
    pub is_gone: bool,
    calls_ms: VecDeque<u64>,
}

/// What one read, or one push, brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Indexes of the records in the shard's log.
    pub items: Vec<usize>,
    /// The bound above all that was passed; `None` when nothing was.
    pub passed: Option<Position>,
    /// What retention took before it was read.
    pub gap: Option<Gap>,
    /// The shard was read to its end: these come after it.
    pub children: Option<Vec<usize>>,
    /// The iterator that reads on; `None` at the end. Pushes have none.
    pub next: Option<u64>,
    /// There are records behind it.
    pub is_behind: bool,
}

#[derive(Debug)]
struct Iterator {
    shard: usize,
    cursor: Cursor,
    made_ms: u64,
}

#[derive(Debug)]
struct Subscription {
    shard: usize,
    consumer: String,
    cursor: Cursor,
    began_ms: u64,
    ends_ms: u64,
    under_way: VecDeque<Batch>,
    is_over: bool,
}

/// The tree.
#[derive(Debug)]
pub struct ShardTree {
    limits: Limits,
    style: Style,
    shards: Vec<Shard>,
    iterators: BTreeMap<u64, Iterator>,
    subscriptions: BTreeMap<u64, Subscription>,
    next: u64,
    next_number: u64,
}

impl ShardTree {
    /// A tree without a shard.
    pub fn new(style: Style, limits: Limits) -> Self {
        let (shards, iterators, subscriptions) = Default::default();
        Self { limits, style, shards, iterators, subscriptions, next: 0, next_number: 1 }
    }

    /// All shards that ever were; those that are gone say so.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// A shard without parents.
    pub fn add_root(&mut self, hashes: RangeInclusive<u128>) -> usize {
        self.add(Vec::new(), hashes)
    }

    fn add(&mut self, parents: Vec<usize>, hashes: RangeInclusive<u128>) -> usize {
        let log = Log::new(self.style, self.next_number);
        let (arrivals_ms, calls_ms) = Default::default();
        self.shards.push(Shard { parents, hashes, log, arrivals_ms, is_gone: false, calls_ms });
        self.shards.len() - 1
    }

    /// Appends a record to a shard.
    ///
    /// # Panics
    /// When the shard is closed.
    pub fn put(&mut self, shard: usize, data: Bytes) -> usize {
        self.put_at(shard, data, 0)
    }

    /// Appends a record to a shard at this time.
    ///
    /// # Panics
    /// When the shard is closed.
    pub fn put_at(&mut self, shard: usize, data: Bytes, now_ms: u64) -> usize {
        self.shards[shard].arrivals_ms.push(now_ms);
        // Numbers go up over all shards, as sequence numbers do: a child's are above its parents'.
        let log = &mut self.shards[shard].log;
        log.skip_to(self.next_number);
        self.next_number += 1;
        let idx = log.append([data]);
        self.push_on();
        idx
    }

    /// Closes a shard; its children each take a half of its hashes.
    pub fn split(&mut self, shard: usize) -> [usize; 2] {
        let (low, high) = self.shards[shard].hashes.clone().into_inner();
        self.split_at(shard, (low + (high - low) / 2).saturating_add(1))
    }

    /// Closes a shard; its second child takes its hashes from this one on.
    pub fn split_at(&mut self, shard: usize, high: u128) -> [usize; 2] {
        // Nothing is pushed before the children are there, for the end of a shard tells them.
        self.shards[shard].log.end();
        let (first, last) = self.shards[shard].hashes.clone().into_inner();
        let children =
            [first..=high.saturating_sub(1), high..=last].map(|hashes| self.add(vec![shard], hashes));
        self.push_on();
        children
    }

    /// Closes a shard for one child that takes all its hashes, as shards of tables do every few hours.
    pub fn roll_over(&mut self, shard: usize) -> usize {
        self.shards[shard].log.end();
        let child = self.add(vec![shard], self.shards[shard].hashes.clone());
        self.push_on();
        child
    }

    /// Closes two shards whose hashes lie beside one another, for one child.
    pub fn merge(&mut self, a: usize, b: usize) -> usize {
        [a, b].into_iter().for_each(|it| self.shards[it].log.end());
        let [(a_low, a_high), (b_low, b_high)] = [a, b].map(|it| self.shards[it].hashes.clone().into_inner());
        let child = self.add(vec![a, b], a_low.min(b_low)..=a_high.max(b_high));
        self.push_on();
        child
    }

    /// Closes a shard without a child, as when its stream is disabled.
    pub fn close(&mut self, shard: usize) {
        self.shards[shard].log.end();
        self.push_on();
    }

    /// Retention takes all records before `idx`; an iterator that stands before them finds a gap.
    pub fn trim(&mut self, shard: usize, idx: usize) {
        self.shards[shard].log.trim(idx);
    }

    /// Retention takes a closed shard whole: it is not listed any more.
    pub fn forget(&mut self, shard: usize) {
        assert!(self.shards[shard].log.is_ended(), "an open shard stays listed");
        self.shards[shard].is_gone = true;
    }

    /// Shards that are listed, after the one that the last page ended with, and whether there are more.
    pub fn list(&self, after: Option<usize>, page_max: usize) -> (Vec<usize>, bool) {
        let listed = (after.map_or(0, |it| it + 1)..self.shards.len()).filter(|it| !self.shards[*it].is_gone);
        // One more than the page holds, which tells whether there are more.
        let mut page: Vec<usize> = listed.take(page_max.max(1) + 1).collect();
        let has_more = page.len() > page_max.max(1);
        page.truncate(page_max.max(1));
        (page, has_more)
    }

    /// The shards that came from this one.
    pub fn children(&self, shard: usize) -> Vec<usize> {
        (0..self.shards.len()).filter(|it| self.shards[*it].parents.contains(&shard)).collect()
    }

    /// An iterator at a bound.
    ///
    /// # Errors
    /// [`Refusal::NoShard`].
    pub fn iterator(&mut self, shard: usize, from: &Watermark, now_ms: u64) -> Result<u64, Refusal> {
        let cursor = self.listed(shard)?.log.open(from);
        Ok(self.give(Iterator { shard, cursor, made_ms: now_ms }))
    }

    /// An iterator at the record of this number.
    ///
    /// # Errors
    /// As [`Self::at_number`].
    pub fn iterator_at_number(
        &mut self,
        shard: usize,
        number: u64,
        when_trimmed: WhenTrimmed,
        now_ms: u64,
    ) -> Result<u64, Refusal> {
        let from = self.at_number(shard, number, when_trimmed)?;
        self.iterator(shard, &from, now_ms)
    }

    /// An iterator at the first record that arrived at this time or later.
    ///
    /// # Errors
    /// As [`Self::at_time`].
    pub fn iterator_at_time(&mut self, shard: usize, at_ms: u64, now_ms: u64) -> Result<u64, Refusal> {
        let from = self.at_time(shard, at_ms, now_ms)?;
        self.iterator(shard, &from, now_ms)
    }

    /// An iterator at what comes from now on.
    ///
    /// # Errors
    /// [`Refusal::NoShard`].
    pub fn iterator_at_latest(&mut self, shard: usize, now_ms: u64) -> Result<u64, Refusal> {
        let from = Watermark::Origin(self.listed(shard)?.log.origin_latest());
        self.iterator(shard, &from, now_ms)
    }

    /// An iterator at the first record whose number is above this one.
    ///
    /// # Errors
    /// As [`Self::behind_number`].
    pub fn iterator_behind_number(&mut self, shard: usize, number: u64, now_ms: u64) -> Result<u64, Refusal> {
        let from = self.behind_number(shard, number)?;
        self.iterator(shard, &from, now_ms)
    }

    /// Where the record of this number stands.
    ///
    /// # Errors
    /// [`Refusal::NoPlace`] where the shard never had it, and where retention took it and that is refused;
    /// [`Refusal::NoShard`].
    pub fn at_number(
        &self,
        shard: usize,
        number: u64,
        when_trimmed: WhenTrimmed,
    ) -> Result<Watermark, Refusal> {
        let log = &self.listed(shard)?.log;
        let idx = log.items().iter().position(|it| it.name == number).ok_or(Refusal::NoPlace)?;
        if when_trimmed == WhenTrimmed::Refuse && !log.is_kept(idx) {
            return Err(Refusal::NoPlace);
        }
        Ok(from_idx(log, idx))
    }

    /// Where the first record stands that arrived at this time or later.
    ///
    /// # Errors
    /// [`Refusal::NoPlace`] where the time lies in the future, [`Refusal::NoShard`].
    pub fn at_time(&self, shard: usize, at_ms: u64, now_ms: u64) -> Result<Watermark, Refusal> {
        if at_ms > now_ms {
            return Err(Refusal::NoPlace);
        }
        let shard = self.listed(shard)?;
        Ok(from_idx(&shard.log, shard.arrivals_ms.partition_point(|it| *it < at_ms)))
    }

    /// Where the first record stands whose number is above this one, which need not be that of a record.
    ///
    /// # Errors
    /// [`Refusal::NoPlace`] where no record has come to that number yet, [`Refusal::NoShard`].
    pub fn behind_number(&self, shard: usize, number: u64) -> Result<Watermark, Refusal> {
        if number >= self.next_number {
            return Err(Refusal::NoPlace);
        }
        let log = &self.listed(shard)?.log;
        Ok(from_idx(log, log.items().partition_point(|it| it.name <= number)))
    }

    /// The number that every record from now on is above.
    pub fn last_number(&self) -> u64 {
        self.next_number - 1
    }

    /// Reads with an iterator, which stays good for its time: a read that is repeated brings the same.
    ///
    /// # Errors
    /// [`Refusal::IteratorExpired`], [`Refusal::Throttled`], [`Refusal::NoShard`].
    pub fn read(&mut self, iterator: u64, records_max: usize, now_ms: u64) -> Result<Batch, Refusal> {
        let it = self.iterators.get(&iterator).ok_or(Refusal::IteratorExpired)?;
        if now_ms.saturating_sub(it.made_ms) > self.limits.iterator_ms {
            return Err(Refusal::IteratorExpired);
        }
        // A copy: the same iterator must bring the same again, for an answer may be lost on its way.
        let (shard, mut cursor) = (it.shard, it.cursor.clone());
        self.listed(shard)?;
        // Counted although it may bring nothing: the limit is on calls.
        self.count_call(shard, now_ms)?;
        let n_max = records_max.min(self.limits.records_max);
        let mut batch = self.pass(shard, &mut cursor, n_max);
        if batch.children.is_none() {
            batch.next = Some(self.give(Iterator { shard, cursor, made_ms: now_ms }));
        }
        Ok(batch)
    }

    /// The shard that an iterator reads.
    pub fn shard_of(&self, iterator: u64) -> Option<usize> {
        self.iterators.get(&iterator).map(|it| it.shard)
    }

    /// Subscribes a consumer to a shard from a bound on. One subscription may be open for each pair: a new
    /// one takes the place of an older one.
    ///
    /// # Errors
    /// [`Refusal::Subscribed`], [`Refusal::NoShard`].
    pub fn subscribe(
        &mut self,
        consumer: &str,
        shard: usize,
        from: &Watermark,
        now_ms: u64,
    ) -> Result<u64, Refusal> {
        let cursor = self.listed(shard)?.log.open(from);
        let is_same = |it: &Subscription| it.shard == shard && it.consumer == consumer;
        let is_young = |it: &Subscription| now_ms < it.began_ms + TAKE_OVER_MS;
        if self.subscriptions.values().any(|it| is_same(it) && !it.is_over && is_young(it)) {
            return Err(Refusal::Subscribed);
        }
        // A reader that died without a word must not keep its successor out for minutes.
        self.subscriptions.retain(|_, it| !is_same(it));
        self.next += 1;
        let subscription = Subscription {
            shard,
            consumer: consumer.to_owned(),
            cursor,
            began_ms: now_ms,
            ends_ms: now_ms + self.limits.subscription_ms,
            under_way: VecDeque::new(),
            is_over: false,
        };
        self.subscriptions.insert(self.next, subscription);
        self.push_on();
        Ok(self.next)
    }

    /// The next push of a subscription, when one is under way; taking it gives a credit back.
    ///
    /// # Errors
    /// [`Refusal::SubscriptionEnded`], after all that was under way was taken.
    pub fn take_push(&mut self, subscription: u64, now_ms: u64) -> Result<Option<Batch>, Refusal> {
        let it = self.subscriptions.get_mut(&subscription).ok_or(Refusal::SubscriptionEnded)?;
        let push = it.under_way.pop_front();
        // What was on its way when the time was over still arrives.
        if push.is_none() && (it.is_over || now_ms >= it.ends_ms) {
            self.subscriptions.remove(&subscription);
            return Err(Refusal::SubscriptionEnded);
        }
        self.push_on();
        Ok(push)
    }

    /// Ends a subscription, as its subscriber does when it goes.
    pub fn unsubscribe(&mut self, subscription: u64) {
        self.subscriptions.remove(&subscription);
    }

    /// Ends all subscriptions with what is under way, as when their connections break.
    pub fn break_subscriptions(&mut self) {
        self.subscriptions.clear();
    }

    /// Pushes that were sent and not taken, over all subscriptions.
    pub fn n_under_way(&self) -> usize {
        self.subscriptions.values().map(|it| it.under_way.len()).sum()
    }

    /// Subscriptions that are open.
    pub fn n_subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    fn listed(&self, shard: usize) -> Result<&Shard, Refusal> {
        self.shards.get(shard).filter(|it| !it.is_gone).ok_or(Refusal::NoShard)
    }

    fn give(&mut self, iterator: Iterator) -> u64 {
        self.next += 1;
        self.iterators.insert(self.next, iterator);
        self.next
    }

    fn count_call(&mut self, shard: usize, now_ms: u64) -> Result<(), Refusal> {
        let calls = &mut self.shards[shard].calls_ms;
        while calls.front().is_some_and(|at| now_ms.saturating_sub(*at) >= 1_000) {
            calls.pop_front();
        }
        if calls.len() >= self.limits.calls_per_s {
            return Err(Refusal::Throttled);
        }
        calls.push_back(now_ms);
        Ok(())
    }

    fn pass(&self, shard: usize, cursor: &mut Cursor, n_max: usize) -> Batch {
        let mut left = n_max;
        let passage = self.shards[shard].log.read(cursor, |_| {
            let has_room = left > 0;
            left = left.saturating_sub(1);
            has_room
        });
        let children = passage.ended.then(|| self.children(shard));
        let is_behind = self.shards[shard].log.is_behind(cursor);
        Batch {
            items: passage.items,
            passed: passage.passed,
            gap: passage.gap,
            children,
            next: None,
            is_behind,
        }
    }

    /// Sends what can be sent: a subscriber that takes nothing gets no more than its credits.
    fn push_on(&mut self) {
        let mut subscriptions = std::mem::take(&mut self.subscriptions);
        for it in subscriptions.values_mut() {
            while !it.is_over && it.under_way.len() < self.limits.credits {
                let log = &self.shards[it.shard].log;
                if log.is_idle(&it.cursor) {
                    break;
                }
                let push = self.pass(it.shard, &mut it.cursor, self.limits.records_max);
                it.is_over = push.children.is_some();
                it.under_way.push_back(push);
            }
        }
        self.subscriptions = subscriptions;
    }
}

/// At the first record from this index on that retention has left.
fn from_idx(log: &Log<Bytes>, idx: usize) -> Watermark {
    let n_items = log.items().len();
    let idx = (idx..n_items).find(|it| log.is_kept(*it)).unwrap_or(n_items);
    Watermark::Origin(Origin(ShortBytes::new(format!("end {idx}").as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (ShardTree, usize) {
        let mut tree = ShardTree::new(Style::Numbers, Limits { records_max: 4, ..Limits::default() });
        let root = tree.add_root(0..=u128::MAX);
        (tree, root)
    }

    fn first(tree: &ShardTree) -> Watermark {
        Watermark::Origin(tree.shards()[0].log.origin_first())
    }

    #[test]
    fn the_end_of_a_shard_tells_its_children_and_their_numbers_are_above_its_own() {
        let (mut tree, root) = tree();
        tree.put(root, Bytes::from_static(b"a"));
        let [low, high] = tree.split(root);
        let child = tree.merge(low, high);
        tree.put(child, Bytes::from_static(b"b"));
        let at = tree.iterator(root, &first(&tree), 0).unwrap();
        let read = tree.read(at, 9, 0).unwrap();
        assert_eq!((read.items.len(), read.children, read.next), (1, Some(vec![low, high]), None));
        assert_eq!(tree.shards()[child].parents, [low, high]);
        assert!(tree.shards()[child].log.items()[0].position > tree.shards()[root].log.items()[0].position);
        assert_eq!(tree.shards()[high].hashes, u128::MAX / 2 + 1..=u128::MAX);
    }

    #[test]
    fn a_subscriber_that_waits_at_the_end_hears_of_the_children_of_a_split_and_of_a_merge() {
        let (mut tree, root) = tree();
        let ends_with = |tree: &mut ShardTree, shard: usize, split: &dyn Fn(&mut ShardTree) -> Vec<usize>| {
            let from = Watermark::Origin(tree.shards()[shard].log.origin_first());
            let subscription = tree.subscribe("us", shard, &from, 0).unwrap();
            let children = split(tree);
            assert_eq!(tree.take_push(subscription, 0).unwrap().unwrap().children, Some(children));
        };
        ends_with(&mut tree, root, &|tree| tree.split(root).into());
        ends_with(&mut tree, 2, &|tree| vec![tree.merge(1, 2)]);
    }

    #[test]
    fn an_iterator_reads_the_same_again_until_its_time_is_over_and_calls_are_counted() {
        let (mut tree, root) = tree();
        (0..6).for_each(|_| _ = tree.put(root, Bytes::from_static(b"a")));
        let at = tree.iterator(root, &first(&tree), 0).unwrap();
        let once = tree.read(at, 9, 0).unwrap();
        assert_eq!(once.items, [0, 1, 2, 3]);
        assert_eq!(tree.read(at, 9, 0).unwrap().items, once.items);
        (0..3).for_each(|_| _ = tree.read(at, 9, 0).unwrap());
        assert_eq!(tree.read(at, 9, 999), Err(Refusal::Throttled));
        assert_eq!(tree.read(once.next.unwrap(), 9, 1_000).unwrap().items, [4, 5]);
        assert_eq!(tree.read(at, 9, 300_001), Err(Refusal::IteratorExpired));
    }

    #[test]
    fn an_iterator_begins_at_a_number_or_a_time_and_what_is_not_there_is_refused() {
        let (mut tree, root) = tree();
        (0..3).for_each(|it| _ = tree.put_at(root, Bytes::from_static(b"a"), it * 100));
        let items = |tree: &mut ShardTree, at: Result<u64, Refusal>| {
            at.map(|it| tree.read(it, 9, 1_000).unwrap().items)
        };
        let at_time = |tree: &mut ShardTree, at_ms| {
            let at = tree.iterator_at_time(root, at_ms, 1_000);
            items(tree, at)
        };
        assert_eq!(at_time(&mut tree, 100), Ok(vec![1, 2]));
        assert_eq!(at_time(&mut tree, 1_000), Ok(vec![]));
        assert_eq!(at_time(&mut tree, 1_001), Err(Refusal::NoPlace));
        tree.trim(root, 2);
        let mut at_number = |number, when| {
            let at = tree.iterator_at_number(root, number, when, 1_000);
            items(&mut tree, at)
        };
        assert_eq!(at_number(3, WhenTrimmed::Refuse), Ok(vec![2]));
        assert_eq!(at_number(2, WhenTrimmed::Refuse), Err(Refusal::NoPlace));
        assert_eq!(at_number(2, WhenTrimmed::BeginLater), Ok(vec![2]));
        assert_eq!(at_number(9, WhenTrimmed::BeginLater), Err(Refusal::NoPlace));
    }

    #[test]
    fn shards_are_listed_in_pages_without_those_that_are_gone() {
        let (mut tree, root) = tree();
        let [low, high] = tree.split(root);
        assert_eq!(tree.list(None, 2), (vec![root, low], true));
        tree.forget(root);
        assert_eq!(tree.list(None, 2), (vec![low, high], false));
        assert_eq!(tree.list(Some(low), 2), (vec![high], false));
        assert_eq!(tree.iterator(root, &first(&tree), 0), Err(Refusal::NoShard));
    }

    #[test]
    fn a_subscriber_that_takes_nothing_gets_no_more_than_its_credits() {
        let (mut tree, root) = tree();
        let subscription = tree.subscribe("us", root, &first(&tree), 0).unwrap();
        (0..20).for_each(|_| _ = tree.put(root, Bytes::from_static(b"a")));
        assert_eq!(tree.n_under_way(), 2);
        assert_eq!(tree.subscribe("us", root, &first(&tree), 0), Err(Refusal::Subscribed));
        assert_eq!(
            tree.take_push(subscription, 0).unwrap().unwrap().items.len(),
            1,
            "as soon as there is one"
        );
        tree.close(root);
        let mut n = 1;
        let end = loop {
            let push = tree.take_push(subscription, 0).unwrap().unwrap();
            n += push.items.len();
            if let Some(children) = push.children {
                break children;
            }
        };
        assert_eq!((n, end), (20, vec![]));
        assert_eq!(tree.take_push(subscription, 0), Err(Refusal::SubscriptionEnded));
        let again = tree.subscribe("us", root, &first(&tree), 0).unwrap();
        while tree.take_push(again, 400_000).is_ok() {}
        assert_eq!(tree.n_subscriptions(), 0, "its time is over");
    }
}
