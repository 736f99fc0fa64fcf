//! The tree of shards: it splits, merges, is trimmed and forgets; engines list it in pages, read it by
//! iterators that end, or are pushed to.

use std::collections::BTreeSet;

use bytes::Bytes;
use forebay_batcher::{Gap, Rule, SourceNotice, TrackInfo, TrackName, unlisted};
use forebay_models::shards::{Batch, Refusal, ShardTree};

use super::engine::TrackReader;
use super::events::Event;
use super::feeding::Fetched;
use super::options::Shape;
use super::setup::name_of;
use super::{Rig, Side, Stage};
use crate::coverage::Point;
use crate::oracle::{Violation, holds};

/// At most so many shards stand in a world.
const SHARDS_MAX: usize = 24;
const CONSUMER: &str = "us";

/// The tree.
#[derive(Debug)]
pub(super) struct TreeSide {
    pub(super) tree: ShardTree,
}

impl Rig {
    fn tree(&self) -> Option<&ShardTree> {
        match &self.side {
            Side::Tree(side) => Some(&side.tree),
            Side::Group(_) | Side::Channel(_) => None,
        }
    }

    fn tree_mut(&mut self) -> Option<&mut ShardTree> {
        match &mut self.side {
            Side::Tree(side) => Some(&mut side.tree),
            Side::Group(_) | Side::Channel(_) => None,
        }
    }

    /// Shards that take records.
    pub(super) fn open_shards(&self) -> Vec<usize> {
        let all = self.tree().map_or(&[][..], ShardTree::shards).iter().enumerate();
        all.filter(|(_, it)| !it.log.is_ended()).map(|(at, _)| at).collect()
    }

    /// Records go to one shard. The one before of the same key is in it, or in what it came from.
    pub(super) fn put(&mut self, shard: usize, n: u32) {
        let now_ms = self.now_ms();
        for _ in 0..n {
            let key = self.draw_key();
            let before = key.and_then(|key| self.last_of_key(shard, key));
            let uid = self.new_fact(shard, key, before);
            let data = self.draw_body(uid);
            let Some(tree) = self.tree_mut() else { return };
            let item = tree.put_at(shard, data, now_ms);
            let position = tree.shards()[shard].log.items()[item].position.clone();
            self.book.facts[uid as usize].position = position;
        }
        self.wake(Some(shard));
    }

    /// The last record of a key in a shard or in those before it. Keys have no hashes here: both children of a
    /// split may take any.
    fn last_of_key(&self, shard: usize, key: u32) -> Option<u32> {
        let own = self.book.by_source.get(shard).into_iter().flatten().rev();
        let found = own.copied().find(|uid| self.book.facts[*uid as usize].key == Some(key));
        found.or_else(|| {
            let parents = self.tree()?.shards()[shard].parents.clone();
            parents.into_iter().filter_map(|it| self.last_of_key(it, key)).max()
        })
    }

    /// A shard splits, or two merge.
    pub(super) fn reshard(&mut self) {
        let open = self.open_shards();
        let n_shards = self.tree().map_or(0, |tree| tree.shards().len());
        if self.stage != Stage::Faults || open.is_empty() || n_shards >= SHARDS_MAX {
            return;
        }
        let draw = self.draw();
        let first = open[draw.below(u32::try_from(open.len()).expect("few shards")) as usize];
        let other = open.iter().copied().find(|it| *it != first);
        let merged = other.filter(|_| draw.chance(400));
        let shards = match merged {
            Some(other) => {
                self.coverage.hit(Point::ShardsMerged);
                vec![first, other]
            }
            None => {
                self.coverage.hit(Point::ShardSplit);
                vec![first]
            }
        };
        let Some(tree) = self.tree_mut() else { return };
        match merged {
            Some(other) => _ = tree.merge(first, other),
            None => _ = tree.split(first),
        }
        let n_shards = tree.shards().len();
        self.book.by_source.resize(n_shards, Vec::new());
        self.note(&[30, first as u64], |now| format!("{now:>12} shards {shards:?} end"));
        self.book.changed = true;
        shards.into_iter().for_each(|it| self.wake(Some(it)));
        // Often a child has a record before anybody knows of it.
        if self.draw().chance(500) {
            let open = self.open_shards();
            let newest = open[open.len() - 1];
            self.put(newest, 1);
        }
    }

    /// Retention takes the first records of a track.
    pub(super) fn trim(&mut self) {
        if self.stage != Stage::Faults {
            return;
        }
        let n_sources = self.book.by_source.len();
        if n_sources == 0 {
            return;
        }
        let source = self.draw().below(u32::try_from(n_sources).expect("few tracks")) as usize;
        let n_items = u32::try_from(self.book.by_source[source].len()).expect("worlds are small");
        let to = self.draw().between(0, n_items) as usize;
        match &mut self.side {
            Side::Tree(side) => side.tree.trim(source, to),
            Side::Group(side) => side.group.log(source).trim(to),
            Side::Channel(_) => return,
        }
        self.note(&[31, source as u64, to as u64], |now| {
            format!("{now:>12} retention takes {to} of track {source}")
        });
        for uid in &self.book.by_source[source][..to] {
            self.book.facts[*uid as usize].gone = true;
        }
        self.book.changed = true;
        self.wake(Some(source));
    }

    /// Retention takes closed shards whole: they are not listed any more.
    pub(super) fn forget_shards(&mut self) {
        if self.stage != Stage::Faults {
            return;
        }
        let Some(tree) = self.tree() else { return };
        let closed = tree.shards().iter().enumerate().filter(|(_, it)| it.log.is_ended() && !it.is_gone);
        let closed: Vec<usize> = closed.map(|(at, _)| at).collect();
        for shard in closed {
            // What came first is taken first.
            let is_next =
                |tree: &ShardTree| tree.shards()[shard].parents.iter().all(|it| tree.shards()[*it].is_gone);
            if !self.tree().is_some_and(is_next) || !self.draw().chance(500) {
                continue;
            }
            self.coverage.hit(Point::ShardForgotten);
            let Some(tree) = self.tree_mut() else { return };
            tree.forget(shard);
            self.note(&[32, shard as u64], |now| format!("{now:>12} shard {shard} is not listed any more"));
            for uid in self.book.by_source.get(shard).into_iter().flatten() {
                self.book.facts[*uid as usize].gone = true;
            }
            self.wake(Some(shard));
        }
        self.book.changed = true;
    }

    fn info(&self, shard: usize) -> TrackInfo {
        let parents = self.tree().map_or(&[][..], |tree| &tree.shards()[shard].parents);
        let name = name_of(shard);
        TrackInfo { label: name.0.clone(), name, parents: parents.iter().map(|it| name_of(*it)).collect() }
    }

    /// What is listed, page by page.
    pub(super) fn listed(&mut self) -> Vec<TrackInfo> {
        let page_max = self.options.page_max as usize;
        let (mut all, mut after) = (Vec::new(), None);
        while let Some(tree) = self.tree() {
            let (page, has_more) = tree.list(after, page_max);
            after = page.last().copied().or(after);
            all.extend(page);
            if !has_more {
                break;
            }
            self.coverage.hit(Point::ListedInPages);
        }
        all.into_iter().map(|it| self.info(it)).collect()
    }

    /// An engine lists the tree now and then.
    pub(super) fn list(&mut self, at: usize, life: u32) {
        if !self.is_alive(at, life) || self.engines[at].is_closing {
            return;
        }
        let listed = self.listed();
        let first = self.first();
        let known = self.engines[at].table.known();
        let mut found = listed.clone();
        found.retain(|it| !known.0.contains_key(&it.name));
        known.order_behind_unlisted(&mut found, &listed);
        self.engines[at].table.discovered(found, &first);
        let tick = self.now_us + 1000 * u64::from(self.options.list_every_ms);
        self.at(tick, Event::List { at, life });
    }

    /// The end of a shard tells what comes after it, as far as all that goes before that is known; else the
    /// next listing does.
    pub(super) fn discover(&mut self, at: usize, children: &[usize]) {
        let known = self.engines[at].table.known();
        let found = children.iter().map(|it| self.info(*it));
        let (found, unsure): (Vec<_>, Vec<_>) = found.partition(|it| known.has_parents_of(it));
        let first = self.first();
        self.engines[at].table.discovered(found, &first);
        if !unsure.is_empty() {
            self.coverage.hit(Point::ParentUnlisted);
            let (tick, life) = (self.soon(50), self.engines[at].life);
            self.at(tick, Event::List { at, life });
        }
    }

    /// An engine forgets the ended tracks that are not listed any more.
    pub(super) fn sweep(&mut self, at: usize, life: u32) {
        if !self.is_alive(at, life) || self.engines[at].is_closing || self.engines[at].is_fenced {
            return;
        }
        let listed = self.listed();
        let engine = &mut self.engines[at];
        let gone: Vec<TrackName> = unlisted(engine.table.ended_names(), &listed);
        let store = &mut self.stores[engine.store];
        if engine.lease == store.lease {
            if !gone.is_empty() {
                self.coverage.hit(Point::TrackForgotten);
            }
            gone.iter().for_each(|it| _ = store.rows.remove(it));
            engine.table.forgotten(&gone);
        }
        let tick = self.now_us + 3000 * u64::from(self.options.list_every_ms);
        self.at(tick, Event::Sweep { at, life });
    }

    /// What a shard has for its reader.
    pub(super) fn fetch_from_shard(
        &mut self,
        reader: &mut TrackReader,
    ) -> Result<Option<Fetched>, SourceNotice> {
        let batch = match self.options.shape {
            Shape::Push => self.take_push(reader),
            Shape::Tree | Shape::Group | Shape::Channel => self.ask_with_iterator(reader),
        };
        match batch {
            Ok(batch) => Ok(batch.and_then(|it| {
                let is_nothing = it.items.is_empty() && it.gap.is_none() && it.children.is_none();
                (!is_nothing).then_some(Fetched {
                    items: it.items,
                    passed: it.passed,
                    gap: it.gap,
                    children: it.children,
                })
            })),
            // The shard is gone with all that was not read of it: that is its end, and a gap.
            Err(Refusal::NoShard) => {
                let last = self.book.by_source.get(reader.source).and_then(|it| it.last());
                let last = last.map(|uid| self.book.facts[*uid as usize].position.clone());
                let end =
                    last.and_then(|it| it.as_number()).map(|it| forebay_batcher::Position::number(it + 1));
                let is_read = reader.at.position() >= end.as_ref();
                let gap = end.clone().filter(|_| !is_read);
                let gap = gap.map(|to| Gap { from: reader.at.position().cloned(), to });
                let passed = if is_read { None } else { end };
                Ok(Some(Fetched { items: Vec::new(), passed, gap, children: Some(Vec::new()) }))
            }
            Err(Refusal::Throttled) => {
                self.coverage.hit(Point::ReadThrottled);
                let retry_after = Some(std::time::Duration::from_millis(500));
                Err(SourceNotice::Throttled { retry_after })
            }
            Err(
                refusal @ (Refusal::IteratorExpired
                | Refusal::Subscribed
                | Refusal::SubscriptionEnded
                | Refusal::NoPlace),
            ) => {
                self.coverage.hit(Point::SubscriptionTaken);
                Err(SourceNotice::Down { error: format!("{refusal:?}").into() })
            }
        }
    }

    fn ask_with_iterator(&mut self, reader: &mut TrackReader) -> Result<Option<Batch>, Refusal> {
        let (now_ms, n_max) = (self.now_ms(), self.options.fetch_max as usize);
        let mut has_died = false;
        let Some(tree) = self.tree_mut() else { return Ok(None) };
        let batch = loop {
            let iterator = match reader.iterator {
                Some(iterator) => iterator,
                None => *reader.iterator.insert(tree.iterator(reader.source, &reader.at, now_ms)?),
            };
            match tree.read(iterator, n_max, now_ms) {
                Ok(batch) => break batch,
                // One that is too old is made anew where the last read ended; one that came too often stays.
                Err(Refusal::IteratorExpired) if !has_died => (reader.iterator, has_died) = (None, true),
                Err(refusal) => return Err(refusal),
            }
        };
        reader.iterator = batch.next;
        if has_died {
            self.coverage.hit(Point::IteratorDied);
        }
        Ok(Some(batch))
    }

    fn take_push(&mut self, reader: &mut TrackReader) -> Result<Option<Batch>, Refusal> {
        let now_ms = self.now_ms();
        let mut has_ended = false;
        let Some(tree) = self.tree_mut() else { return Ok(None) };
        let push = loop {
            let subscription = match reader.subscription {
                Some(subscription) => subscription,
                None => {
                    let new = tree.subscribe(CONSUMER, reader.source, &reader.at, now_ms)?;
                    *reader.subscription.insert(new)
                }
            };
            match tree.take_push(subscription, now_ms) {
                Ok(push) => break push,
                Err(Refusal::SubscriptionEnded) if !has_ended => {
                    (reader.subscription, has_ended) = (None, true);
                }
                Err(refusal) => return Err(refusal),
            }
        };
        if has_ended {
            self.coverage.hit(Point::SubscriptionEnded);
        }
        Ok(push)
    }

    /// A reader that goes ends its subscription.
    pub(super) fn leave_subscription(&mut self, subscription: Option<u64>) {
        if let (Some(subscription), Some(tree)) = (subscription, self.tree_mut()) {
            tree.unsubscribe(subscription);
        }
    }

    /// N-1 for what is pushed: what was sent and lies with the readers is no more than the credits of each
    /// subscription and one push taken.
    pub(super) fn n1_what_is_pushed_is_bounded(&mut self) -> Result<(), Violation> {
        if self.options.shape != Shape::Push {
            return Ok(());
        }
        let Some(tree) = self.tree() else { return Ok(()) };
        let (credits, push_max) = (self.options.credits as usize, self.options.push_max as usize);
        let is_bounded = tree.n_under_way() <= credits * tree.n_subscriptions();
        let readers: Vec<usize> =
            self.engines.iter().flat_map(|it| it.readers.values().map(|it| it.rest.len())).collect();
        let is_full = tree.n_under_way() > 0 && tree.n_under_way() == credits * tree.n_subscriptions();
        if is_full && readers.iter().any(|it| *it > 0) {
            self.coverage.hit(Point::PushUnderPressure);
        }
        holds(Rule::N1, is_bounded && readers.iter().all(|it| *it <= push_max), || {
            format!("readers hold {readers:?} records that were pushed, of {push_max} in a push")
        })
    }

    /// Names of shards that no engine may take for new.
    pub(super) fn draw_body(&mut self, uid: u32) -> Bytes {
        let n_bytes = self.draw().pick(&[20_usize, 40, 90, 200]);
        let mut bytes = vec![b' '; n_bytes];
        bytes[..4].copy_from_slice(&uid.to_le_bytes());
        Bytes::from(bytes)
    }

    /// The key of a new record.
    pub(super) fn draw_key(&mut self) -> Option<u32> {
        let n_keys = self.options.n_keys;
        (n_keys > 0).then(|| self.draw().below(n_keys))
    }

    /// Shards that are not finished: open ones, and closed ones that no store has ended.
    pub(super) fn unfinished_shards(&self) -> BTreeSet<usize> {
        let Some(tree) = self.tree() else { return BTreeSet::new() };
        let ended = |shard: usize| {
            let kept = self.stores[0].rows.get(&name_of(shard)).and_then(|it| it.synced.as_ref());
            kept.is_some_and(|it| it.ended && it.slices.is_empty() && it.finished.is_empty())
        };
        let is_open = |at: &usize| {
            let shard = &tree.shards()[*at];
            !shard.is_gone && shard.log.is_ended() && !ended(*at)
        };
        (0..tree.shards().len()).filter(is_open).collect()
    }
}
