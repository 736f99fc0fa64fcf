//! Stories of a feed over a tree of shards: who hears of children, how many readers a shard has, how often
//! the stream is listed, what is held of what is pushed.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{Origin, Read, ReadId, ReadOrder, ShortBytes, TrackIdx, Watermark};
use forebay_models::shards::Limits;
use tokio::time::Instant;

use super::*;
use crate::contract::shapes::{FakeShards, Way};
use crate::source::Known;

const WAIT: Duration = Duration::from_secs(10);

fn unlimited() -> Limits {
    Limits { calls_per_s: usize::MAX, ..Limits::default() }
}

struct Mapping {
    subscriber: Subscriber,
    next_id: u64,
    discovered: Vec<String>,
}

impl Mapping {
    fn join(feed: &Feed, name: &str) -> Self {
        let subscriber = feed.subscribe(Subscription {
            consumer: name.into(),
            known: Known::default(),
            filter: None,
            has_window: false,
            zero: Instant::now(),
            events_max: 64,
        });
        Self { subscriber, next_id: 0, discovered: Vec::new() }
    }

    /// The next event; tracks that it tells of are opened from their first record, in the order that they
    /// were told of.
    async fn event(&mut self) -> FeedEvent {
        let event = self.subscriber.events.recv().await.expect("the feed lives");
        if let FeedEvent::Discovered(found) = &event {
            for it in found {
                let idx = TrackIdx(u32::try_from(self.discovered.len()).expect("there are few"));
                let first = Watermark::Origin(Origin(ShortBytes::new(b"first")));
                self.subscriber.open(idx, it.name.clone(), first);
                self.discovered.push(it.label.clone());
            }
        }
        event
    }

    async fn discover(&mut self, n: usize) {
        while self.discovered.len() < n {
            let event = self.event().await;
            assert!(matches!(event, FeedEvent::Discovered(_)), "{event:?} instead of a shard");
        }
    }

    fn order(&mut self, track: u32, records_max: u32) {
        self.next_id += 1;
        self.subscriber.read(ReadOrder {
            id: ReadId(self.next_id),
            track: Some(TrackIdx(track)),
            records_max,
            bytes_max: 64 << 20,
            wait: WAIT,
            lanes: 1,
        });
    }

    async fn answer(&mut self) -> Read {
        loop {
            match self.event().await {
                FeedEvent::Read(_, read) => return read.expect("the stream is well"),
                FeedEvent::Discovered(_) => {}
                event => panic!("{event:?} instead of a read"),
            }
        }
    }

    async fn read(&mut self, track: u32, records_max: u32) -> Read {
        self.order(track, records_max);
        self.answer().await
    }
}

fn put(fake: &FakeShards, shard: usize, n: usize, n_bytes: usize) {
    let mut tree = fake.tree();
    (0..n).for_each(|_| _ = tree.put(shard, Bytes::from(format!("\"{}\"", "x".repeat(n_bytes)))));
}

#[tokio::test(start_paused = true)]
async fn children_are_told_before_the_end_of_their_parent_and_without_a_listing() {
    for way in [Way::Pull, Way::Push] {
        let fake = FakeShards::new(way, unlimited(), None);
        let root = fake.tree().add_root(0..=u128::MAX);
        let feed = Feed::start(fake.reconnect(), FeedLimits::default());
        let (mut a, mut b) = (Mapping::join(&feed, "a"), Mapping::join(&feed, "b"));
        a.discover(1).await;
        b.discover(1).await;
        put(&fake, root, 2, 1);
        fake.tree().split(root);
        while !a.read(0, 1).await.ended {}
        let label = |n: usize| format!("shard-{n:012}");
        assert_eq!(a.discovered, [label(0), label(1), label(2)], "{way:?}");
        b.discover(3).await;
        assert_eq!(fake.n_listings(), 1, "one listing served both, and the end of the shard told the rest");
        feed.stop().await;
    }
}

/// Of a merge one parent may be a shard that was split off since the last listing.
#[tokio::test(start_paused = true)]
async fn a_child_is_told_of_after_all_that_goes_before_it_though_the_end_of_one_parent_comes_first() {
    for way in [Way::Pull, Way::Push] {
        let fake = FakeShards::new(way, unlimited(), None);
        let one = fake.tree().add_root(0..=9);
        let other = fake.tree().add_root(10..=19);
        let feed = Feed::start(fake.reconnect(), FeedLimits::default());
        let mut mapping = Mapping::join(&feed, "m");
        mapping.discover(2).await;
        let [beside, _] = fake.tree().split(other);
        fake.tree().merge(one, beside);
        while !mapping.read(0, 1).await.ended {}
        mapping.discover(5).await;
        let label = |n: usize| format!("shard-{n:012}");
        assert_eq!(mapping.discovered, [0, 1, 2, 3, 4].map(label), "{way:?}");
        assert_eq!(fake.n_listings(), 2, "it is listed at once, not when the next listing is due");
        feed.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_listed_once_for_all_who_read_it_and_each_hears_of_what_it_does_not_know() {
    let fake = FakeShards::new(Way::Pull, unlimited(), None);
    fake.tree().add_root(0..=u128::MAX);
    let feed = Feed::start(fake.reconnect(), FeedLimits::default());
    let mut mappings: Vec<Mapping> = (0..20).map(|n| Mapping::join(&feed, &n.to_string())).collect();
    for mapping in &mut mappings {
        mapping.discover(1).await;
    }
    let n_listings = fake.n_listings();
    assert!(n_listings <= 2, "{n_listings} listings for twenty who came at once");
    fake.tree().add_root(0..=u128::MAX);
    for mapping in &mut mappings {
        mapping.discover(2).await;
    }
    assert_eq!(fake.n_listings(), n_listings + 1, "the next is for all of them");
    let mut late = Mapping::join(&feed, "late");
    late.discover(2).await;
    feed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn those_who_lag_share_the_readers_that_a_shard_may_have_and_all_get_everything() {
    const N_RECORDS: usize = 60;
    for readers_max in [1, 2] {
        let fake = FakeShards::new(Way::Pull, unlimited(), NonZeroUsize::new(readers_max));
        let root = fake.tree().add_root(0..=u128::MAX);
        put(&fake, root, N_RECORDS, 1_000);
        fake.tree().close(root);
        // Nothing is held for those that lag: each reads for itself.
        let feed = Feed::start(fake.reconnect(), FeedLimits { shared_bytes_max: 1, ..FeedLimits::default() });
        let mut tasks = Vec::new();
        for n in 0..5u32 {
            let mut mapping = Mapping::join(&feed, &n.to_string());
            tasks.push(tokio::spawn(async move {
                mapping.discover(1).await;
                let mut seen = Vec::new();
                loop {
                    let read = mapping.read(0, 1 + n).await;
                    seen.extend(read.records.iter().map(|it| it.id.clone()));
                    if read.ended {
                        return seen;
                    }
                    tokio::time::sleep(Duration::from_millis(u64::from(7 * n + 1))).await;
                }
            }));
        }
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.expect("nothing panics"));
        }
        assert!(
            all.iter().all(|it| it.len() == N_RECORDS && *it == all[0]),
            "each got every record once, in order"
        );
        assert!(fake.n_open_max() <= readers_max, "{} readers at once", fake.n_open_max());
        feed.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_is_told_and_the_reader_goes_on_with_its_iterator() {
    let fake = FakeShards::new(Way::Pull, Limits::default(), None);
    let root = fake.tree().add_root(0..=u128::MAX);
    put(&fake, root, 12, 1);
    let feed = Feed::start(fake.reconnect(), FeedLimits::default());
    let mut mapping = Mapping::join(&feed, "fast");
    mapping.discover(1).await;
    let (mut n, mut n_throttled) = (0, 0);
    while n < 12 {
        mapping.order(0, 1);
        match mapping.event().await {
            FeedEvent::Read(_, Ok(read)) => n += read.records.len(),
            FeedEvent::Read(_, Err(SourceNotice::Throttled { retry_after })) => {
                n_throttled += 1;
                tokio::time::sleep(retry_after.expect("it says when")).await;
            }
            event => panic!("{event:?} instead of a read"),
        }
    }
    assert_eq!((n, fake.n_opened()), (12, 1), "one reader, throttled {n_throttled} times");
    assert!(n_throttled >= 2);
    feed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_pushed_to_those_who_do_not_take_it_is_let_go_when_it_is_too_much_and_comes_again() {
    const N_SHARDS: usize = 8;
    const RECORD: usize = 100_000;
    let fake = FakeShards::new(Way::Push, unlimited(), None);
    for shard in 0..N_SHARDS {
        fake.tree().add_root(0..=u128::MAX);
        put(&fake, shard, 20, RECORD);
    }
    let shared_bytes_max = 5_000_000;
    let feed = Feed::start(fake.reconnect(), FeedLimits { shared_bytes_max, ..FeedLimits::default() });
    let mut mapping = Mapping::join(&feed, "slow");
    mapping.discover(N_SHARDS).await;
    let shards = 0..u32::try_from(N_SHARDS).expect("there are few");
    // One record of each push of twenty is taken: 15 MB are left over.
    for shard in shards.clone() {
        assert_eq!(mapping.read(shard, 1).await.records.len(), 1);
    }
    let n_held = fake.tree().n_subscriptions();
    assert!(n_held <= 2, "what is left of {n_held} pushes is held, 1.9 MB each");
    for shard in shards {
        let mut n = 1;
        while n < 20 {
            n += mapping.read(shard, 3).await.records.len();
        }
        assert_eq!(n, 20, "what was let go is read again, and nothing twice");
    }
    feed.stop().await;
}
