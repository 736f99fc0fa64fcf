//! Stories of a queue that several mappings share.
#![cfg(feature = "sqs")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_batcher::{
    ExtendId, Extended, Place, ReadId, ReadOrder, Receipt, Settle, SettleId, Settled, Settlement,
};
use tokio::time::Instant;

use super::*;
use crate::contract::{Draw, QueueSubject};
use crate::source::Known;
use crate::sqs::fake::FakeSubject;

/// Lets through what its word stands in.
struct Contains(&'static str);

impl RecordFilter for Contains {
    fn needs_data(&self) -> bool {
        true
    }

    fn passes(&self, _metadata: &[u8], data: Option<&[u8]>) -> bool {
        String::from_utf8_lossy(data.unwrap()).contains(self.0)
    }
}

/// Panics over what its word stands in, until told otherwise, and lets all through.
struct PanicsOver(&'static str, Arc<AtomicBool>);

impl RecordFilter for PanicsOver {
    fn needs_data(&self) -> bool {
        true
    }

    fn passes(&self, _metadata: &[u8], data: Option<&[u8]>) -> bool {
        let panics = String::from_utf8_lossy(data.unwrap()).contains(self.0) && self.1.load(Ordering::SeqCst);
        assert!(!panics, "the test wants the filter to die");
        true
    }
}

/// A mapping played by hand.
struct Player {
    subscriber: Subscriber,
    n: u64,
    orders: BTreeSet<u64>,
    held: Vec<(String, Receipt)>,
    finished: BTreeMap<String, u32>,
    settling: BTreeMap<u64, Vec<(String, Receipt, Settle)>>,
}

impl Player {
    fn new(feed: &Feed, name: &str, word: Option<&'static str>) -> Self {
        Self::with_filter(feed, name, word.map(|word| Arc::new(Contains(word)) as _))
    }

    fn with_filter(feed: &Feed, name: &str, filter: Option<Arc<dyn RecordFilter>>) -> Self {
        let known = Known::default();
        let subscription = Subscription {
            consumer: name.into(),
            known,
            filter,
            has_window: false,
            zero: Instant::now(),
            events_max: 16,
        };
        let subscriber = feed.subscribe(subscription);
        Self {
            subscriber,
            n: 0,
            orders: BTreeSet::new(),
            held: Vec::new(),
            finished: BTreeMap::new(),
            settling: BTreeMap::new(),
        }
    }

    fn order(&mut self, records_max: u32) {
        self.n += 1;
        self.orders.insert(self.n);
        let wait = Duration::from_secs(5);
        self.subscriber.read(ReadOrder {
            id: ReadId(self.n),
            track: None,
            records_max,
            bytes_max: u64::MAX,
            wait,
            lanes: 1,
        });
    }

    fn settle(&mut self, how: impl Fn(&str) -> Settle) {
        self.n += 1;
        let all: Vec<_> = self.held.drain(..).map(|(body, receipt)| (how(&body), body, receipt)).collect();
        let settlements =
            all.iter().map(|(how, _, receipt)| Settlement { receipt: receipt.clone(), how: *how }).collect();
        self.settling
            .insert(self.n, all.into_iter().map(|(how, body, receipt)| (body, receipt, how)).collect());
        self.subscriber.settle(SettleId(self.n), settlements);
    }

    /// Takes news until there is none for a moment.
    async fn listen(&mut self) {
        while let Ok(event) =
            tokio::time::timeout(Duration::from_millis(200), self.subscriber.events.recv()).await
        {
            match event.expect("the feed lives") {
                FeedEvent::Read(ReadId(id), read) => {
                    assert!(self.orders.remove(&id), "an order is answered once");
                    for record in read.map(|it| it.records).unwrap_or_default() {
                        let body =
                            serde_json::from_slice::<serde_json::Value>(&record.bytes).unwrap()["body"]
                                .as_str()
                                .unwrap()
                                .to_owned();
                        assert!(
                            !self.finished.contains_key(&body),
                            "{body} came again after it was finished"
                        );
                        let Place::Queue(place) = record.place else { panic!("a queue") };
                        assert!(place.visible_until.is_some());
                        self.held.retain(|(held, _)| *held != body);
                        self.held.push((body, place.receipt));
                    }
                }
                FeedEvent::Settled(SettleId(id), answers) => {
                    let answers: BTreeMap<Receipt, Settled> = answers.into_iter().collect();
                    for (body, receipt, how) in self.settling.remove(&id).expect("it was asked") {
                        if how == Settle::Delete && answers[&receipt] == Settled::Done {
                            *self.finished.entry(body).or_default() += 1;
                        }
                    }
                }
                FeedEvent::Extended(_, answers) => {
                    assert!(answers.iter().all(|(_, it)| matches!(it, Extended::Until(_))), "{answers:?}")
                }
                FeedEvent::Assigned(_) | FeedEvent::Revoking(..) | FeedEvent::Taken(_) => panic!("a queue"),
                FeedEvent::Discovered(_) | FeedEvent::Lost(_) | FeedEvent::Trouble(_) | FeedEvent::Healed => {
                }
            }
        }
    }
}

fn world(n: usize) -> (FakeSubject, Feed) {
    world_of(FakeSubject::new(), n)
}

fn world_of(mut subject: FakeSubject, n: usize) -> (FakeSubject, Feed) {
    for it in 0..n {
        subject.send(&format!("message {it} {}", if it % 3 == 0 { "third" } else { "other" }), None);
    }
    let feed = Feed::start(subject.source(), FeedLimits::default());
    (subject, feed)
}

#[tokio::test(start_paused = true)]
async fn a_shared_message_is_deleted_when_each_mapping_that_wants_it_has_finished_it() {
    let (subject, feed) = world(9);
    for name in ["all", "thirds"] {
        feed.expect(name.into());
    }
    let (mut all, mut thirds) =
        (Player::new(&feed, "all", None), Player::new(&feed, "thirds", Some("third")));
    all.order(10);
    thirds.order(10);
    all.listen().await;
    thirds.listen().await;
    assert_eq!((all.held.len(), thirds.held.len()), (9, 3), "one receive serves both");
    all.settle(|_| Settle::Delete);
    all.listen().await;
    assert_eq!(subject.n_left(), 3, "what one filters out waits for nobody");
    thirds.settle(|_| Settle::Delete);
    thirds.listen().await;
    assert_eq!((subject.n_left(), all.finished.len(), thirds.finished.len()), (0, 9, 3));
}

/// Lets mappings take and finish what they get until the queue holds so many messages.
async fn play_until(players: &mut [&mut Player], subject: &FakeSubject, n_left: usize) {
    for _ in 0..60 {
        for player in players.iter_mut() {
            player.order(10);
            player.listen().await;
            player.settle(|_| Settle::Delete);
            player.listen().await;
        }
        if subject.n_left() == n_left {
            return;
        }
        tokio::time::advance(Duration::from_secs(5)).await;
    }
    panic!("{} messages are left, not {n_left}", subject.n_left());
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_a_message_leaves_it_to_the_queue_and_holds_up_no_other() {
    for (subject, names) in [
        (FakeSubject::competed_for(None), &["one"][..]),
        (FakeSubject::new(), &["one"][..]),
        (FakeSubject::new(), &["one", "two"][..]),
    ] {
        let (subject, feed) = world_of(subject, 9);
        for name in names {
            feed.expect((*name).into());
        }
        let panics = Arc::new(AtomicBool::new(true));
        let mut one =
            Player::with_filter(&feed, "one", Some(Arc::new(PanicsOver("third", Arc::clone(&panics)))));
        let mut two = names.get(1).map(|name| Player::new(&feed, name, None));
        let mut players: Vec<&mut Player> = std::iter::once(&mut one).chain(two.as_mut()).collect();
        play_until(&mut players, &subject, 3).await;
        assert_eq!(players[0].finished.len(), 6);
        panics.store(false, Ordering::SeqCst);
        play_until(&mut players, &subject, 0).await;
        assert!(players.iter().all(|it| it.finished.len() == 9), "P1: none is lost, none finished twice");
        assert!(!feed.has_ended());
    }
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_comes_late_misses_nothing() {
    let (subject, feed) = world(4);
    for name in ["early", "late"] {
        feed.expect(name.into());
    }
    let mut early = Player::new(&feed, "early", None);
    early.order(10);
    // Longer than the patience of the first receive.
    tokio::time::advance(Duration::from_secs(4)).await;
    while early.finished.len() < 4 {
        early.listen().await;
        early.settle(|_| Settle::Delete);
        early.order(10);
    }
    assert_eq!(subject.n_left(), 4, "the late one is missed");
    let mut late = Player::new(&feed, "late", None);
    for _ in 0..40 {
        late.order(10);
        late.listen().await;
        late.settle(|_| Settle::Delete);
        early.order(10);
        early.listen().await;
        tokio::time::advance(Duration::from_secs(5)).await;
    }
    assert_eq!((subject.n_left(), late.finished.len()), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_busy_mapping_stays_hidden_and_keeps_the_others_going() {
    let (subject, feed) = world(5);
    for name in ["quick", "busy"] {
        feed.expect(name.into());
    }
    let (mut quick, mut busy) = (Player::new(&feed, "quick", None), Player::new(&feed, "busy", None));
    quick.order(10);
    quick.listen().await;
    assert_eq!(quick.held.len(), 5);
    quick.settle(|_| Settle::Delete);
    for _ in 0..30 {
        quick.order(10);
        tokio::time::advance(Duration::from_secs(6)).await;
        quick.listen().await;
        assert!(quick.held.is_empty(), "nothing comes again while it waits for the other");
    }
    busy.order(10);
    busy.listen().await;
    assert_eq!(busy.held.len(), 5);
    busy.n += 1;
    busy.subscriber.extend(
        ExtendId(busy.n),
        busy.held.iter().map(|(_, it)| it.clone()).collect(),
        Duration::from_secs(30),
    );
    busy.settle(|_| Settle::Delete);
    busy.listen().await;
    assert_eq!(subject.n_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_is_dismissed_keeps_nothing_in_the_queue() {
    let (subject, feed) = world(3);
    for name in ["stays", "goes"] {
        feed.expect(name.into());
    }
    let (mut stays, mut goes) = (Player::new(&feed, "stays", None), Player::new(&feed, "goes", None));
    goes.order(10);
    goes.listen().await;
    drop(goes);
    feed.dismiss("goes".into());
    for _ in 0..20 {
        stays.order(10);
        stays.listen().await;
        stays.settle(|_| Settle::Delete);
        stays.listen().await;
        tokio::time::advance(Duration::from_secs(5)).await;
    }
    assert_eq!((subject.n_left(), stays.finished.len()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_mapping_has_a_limit_in_bytes_and_what_is_over_it_comes_later() {
    let mut subject = FakeSubject::new();
    let n = 40;
    for it in 0..n {
        subject.send(&format!("{it} {}", "x".repeat(900_000)), None);
    }
    let feed = Feed::start(subject.source(), FeedLimits::default());
    for name in ["quick", "busy"] {
        feed.expect(name.into());
    }
    let (mut quick, mut busy) = (Player::new(&feed, "quick", None), Player::new(&feed, "busy", None));
    while quick.finished.len() < 15 {
        quick.order(1);
        quick.listen().await;
        quick.settle(|_| Settle::Delete);
        quick.listen().await;
    }
    // The fake's messages have groups, which must be kept: receiving stops instead.
    for _ in 0..20 {
        quick.order(1);
        quick.listen().await;
        quick.settle(|_| Settle::Delete);
    }
    assert!(quick.finished.len() < 25, "{} messages wait", quick.finished.len());
    for _ in 0..400 {
        for player in [&mut quick, &mut busy] {
            player.order(10);
            player.listen().await;
            player.settle(|_| Settle::Delete);
            player.listen().await;
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!((subject.n_left(), quick.finished.len(), busy.finished.len()), (0, n, n));
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_a_mapping_that_leaves_is_shown_at_once_and_what_it_was_given_is_not() {
    let (mut subject, feed) = world(0);
    for name in ["stays", "leaves"] {
        feed.expect(name.into());
    }
    let (mut stays, mut leaves) = (Player::new(&feed, "stays", None), Player::new(&feed, "leaves", None));
    leaves.order(1);
    leaves.listen().await;
    ["given", "waiting"].iter().for_each(|body| subject.send(body, None));
    leaves.listen().await;
    assert_eq!(leaves.held.len(), 1);
    stays.order(10);
    stays.listen().await;
    stays.order(10);
    stays.listen().await;
    assert_eq!(stays.held.len(), 2);
    stays.settle(|_| Settle::Delete);
    stays.listen().await;
    drop(leaves);
    let mut again = Player::new(&feed, "leaves", None);
    again.order(10);
    again.listen().await;
    let bodies: Vec<&str> = again.held.iter().map(|(body, _)| body.as_str()).collect();
    assert_eq!(bodies, ["waiting"], "the other may still run");
}

/// Random play: whatever fails, is handed back, lapses or breaks, each mapping finishes what it wants once,
/// and then the queue is empty.
#[tokio::test(start_paused = true)]
async fn random_play_ends_with_everything_finished_once_by_each_who_wants_it() {
    for seed in 0..40 {
        let mut draw = Draw(seed);
        let (mut subject, feed) = world(30);
        for name in ["all", "thirds", "others"] {
            feed.expect(name.into());
        }
        let words = [("all", None), ("thirds", Some("third")), ("others", Some("other"))];
        let mut players: Vec<Player> =
            words.iter().map(|(name, word)| Player::new(&feed, name, *word)).collect();
        let mut rounds = 0;
        while subject.n_left() > 0 {
            rounds += 1;
            assert!(rounds < 600, "seed {seed}: {} messages are left", subject.n_left());
            let at = draw.below(players.len());
            if draw.below(40) == 0 {
                // A restart of the mapping: what it finished is remembered by its name.
                let (name, word) = words[at];
                let finished = std::mem::take(&mut players[at].finished);
                players[at] = Player { finished, ..Player::new(&feed, name, word) };
            }
            let is_broken = rounds < 200 && draw.below(10) == 0;
            subject.set_broken(is_broken);
            let player = &mut players[at];
            if player.orders.len() < 3 {
                player.order(1 + u32::try_from(draw.below(10)).unwrap());
            }
            player.listen().await;
            let how = [Settle::Delete, Settle::Delete, Settle::Delete, Settle::Leave, Settle::Release]
                [draw.below(5)];
            player.settle(|_| how);
            player.listen().await;
            subject.set_broken(false);
            tokio::time::advance(Duration::from_millis(500 * draw.below(30) as u64)).await;
        }
        let finished: Vec<usize> = players.iter().map(|it| it.finished.len()).collect();
        assert_eq!(finished, [30, 10, 20], "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_receive_brings_that_was_sent_before_a_second_mapping_came_is_for_both() {
    let (mut subject, feed) = world(0);
    feed.expect("first".into());
    let mut first = Player::new(&feed, "first", None);
    first.order(10);
    first.listen().await;
    feed.expect("second".into());
    let mut second = Player::new(&feed, "second", None);
    second.listen().await;
    for it in 0..4 {
        subject.send(&format!("message {it}"), None);
    }
    first.listen().await;
    first.order(10);
    first.listen().await;
    first.settle(|_| Settle::Delete);
    first.listen().await;
    assert_eq!(
        (first.finished.len(), subject.n_left()),
        (4, 4),
        "nothing is deleted that the second has not finished"
    );
    second.order(10);
    second.listen().await;
    second.settle(|_| Settle::Delete);
    second.listen().await;
    assert_eq!((second.finished.len(), subject.n_left()), (4, 0));
}
