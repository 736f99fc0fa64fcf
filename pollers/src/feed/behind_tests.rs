//! Receives that outlive who ordered them, and calls whose answers are slow.
#![cfg(feature = "sqs")]

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{
    ExtendId, Extended, Place, Read, ReadId, ReadOrder, Receipt, Settle, SettleId, Settled, Settlement, Tick,
};
use tokio::time::Instant;

use super::*;
use crate::contract::QueueSubject;
use crate::source::Known;
use crate::sqs::fake::FakeSubject;

const VISIBILITY: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_secs(10);

struct Mapping {
    subscriber: Subscriber,
    zero: Instant,
}

impl Mapping {
    fn join(feed: &Feed, name: &str) -> Self {
        Self::join_with(feed, name, None)
    }

    fn join_with(feed: &Feed, name: &str, filter: Option<Arc<dyn RecordFilter>>) -> Self {
        let zero = Instant::now();
        let known = Known::default();
        let subscription =
            Subscription { consumer: name.into(), known, filter, has_window: false, zero, events_max: 16 };
        Self { subscriber: feed.subscribe(subscription), zero }
    }

    fn order(&self, id: u64) {
        self.subscriber.read(ReadOrder {
            id: ReadId(id),
            track: None,
            records_max: 10,
            bytes_max: u64::MAX,
            wait: WAIT,
            lanes: 1,
        });
    }

    /// The next event, which comes without the clock being moved.
    async fn event(&mut self) -> FeedEvent {
        let asked = Instant::now();
        let event = self.event_in_time().await;
        assert_eq!(asked.elapsed(), Duration::ZERO, "{event:?} was waited for");
        event
    }

    async fn event_in_time(&mut self) -> FeedEvent {
        self.subscriber.events.recv().await.expect("the feed lives")
    }

    async fn read(&mut self) -> Read {
        match self.event_in_time().await {
            FeedEvent::Read(_, read) => read.expect("the queue is well"),
            event => panic!("{event:?} instead of a read"),
        }
    }

    async fn settle(&mut self, receipts: &[Receipt], how: Settle) -> Vec<Settled> {
        let settlements = receipts.iter().map(|it| Settlement { receipt: it.clone(), how }).collect();
        self.subscriber.settle(SettleId(1), settlements);
        match self.event().await {
            FeedEvent::Settled(SettleId(1), answers) => answers.into_iter().map(|(_, it)| it).collect(),
            event => panic!("{event:?} instead of a settlement"),
        }
    }

    fn tick(&self, at: Instant) -> Tick {
        Tick::default().after(at - self.zero)
    }
}

fn receipts(read: &Read) -> Vec<Receipt> {
    let receipt = |it: &forebay_batcher::Record| it.receipt().expect("a queue").clone();
    read.records.iter().map(receipt).collect()
}

fn visible_until(read: &Read) -> Option<Tick> {
    match read.records.first().map(|it| &it.place) {
        Some(Place::Queue(place)) => place.visible_until,
        _ => panic!("a message"),
    }
}

/// Lets the feed take what it was told; the clock stands still.
async fn settle_down() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_rests_is_answered_at_once_and_what_its_receives_bring_is_shown_at_once() {
    let mut subject = FakeSubject::competed_for(None);
    let feed = Feed::start(subject.source(), FeedLimits::default());
    let mut mapping = Mapping::join(&feed, "m");
    (1..=3).for_each(|id| mapping.order(id));
    settle_down().await;
    mapping.subscriber.rest();
    for id in 1..=3 {
        let FeedEvent::Read(ReadId(answered), Ok(read)) = mapping.event().await else {
            panic!("each order is answered")
        };
        assert_eq!((answered, read.records.len()), (id, 0));
    }
    mapping.order(4);
    assert!(
        matches!(mapping.event().await, FeedEvent::Read(ReadId(4), Ok(_))),
        "nothing is received any more"
    );
    drop(mapping);
    subject.send("late", None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        (subject.n_left(), subject.n_visible()),
        (1, 1),
        "an open receive brought it, and it was shown"
    );
    feed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_receive_brings_for_one_who_listens_no_more_is_shown_at_once() {
    let mut subject = FakeSubject::competed_for(None);
    let feed = Feed::start(subject.source(), FeedLimits::default());
    let mut mapping = Mapping::join(&feed, "m");
    mapping.order(1);
    settle_down().await;
    // Its leave is on the way.
    mapping.subscriber.events.close();
    subject.send("late", None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((subject.n_left(), subject.n_visible()), (1, 1));
    feed.stop().await;
}

/// Panics over the message of this body.
struct DiesOver(&'static str);

impl RecordFilter for DiesOver {
    fn needs_data(&self) -> bool {
        true
    }

    fn passes(&self, _metadata: &[u8], data: Option<&[u8]>) -> bool {
        assert!(!String::from_utf8_lossy(data.unwrap()).contains(self.0), "the test wants the filter to die");
        true
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_message_of_its_group_that_could_not_be_rendered_does_not_overtake_it() {
    for mut subject in [FakeSubject::competed_for(None), FakeSubject::new()] {
        [("poison", 1), ("behind", 1), ("other", 2)]
            .into_iter()
            .for_each(|(body, group)| subject.send(body, Some(group)));
        let feed = Feed::start(subject.source(), FeedLimits::default());
        let mut mapping = Mapping::join_with(&feed, "m", Some(Arc::new(DiesOver("poison"))));
        mapping.order(1);
        let read = mapping.read().await;
        let bodies: Vec<serde_json::Value> =
            read.records.iter().map(|it| serde_json::from_slice(&it.bytes).unwrap()).collect();
        assert_eq!(bodies.iter().map(|it| it["body"].as_str()).collect::<Vec<_>>(), [Some("other")]);
        settle_down().await;
        assert_eq!(subject.n_visible(), 0, "both are left until their visibility is over, not tried at once");
        feed.stop().await;
    }
}

/// A message that its queue gives out so often: a mapping has it, with one of these used up, and rests while
/// three more receives are open.
async fn rest_with_three_receives_open(receives_max: u32) -> (FakeSubject, Feed, Mapping, Read) {
    let mut subject = FakeSubject::competed_for(Some(receives_max));
    let feed = Feed::start(subject.source(), FeedLimits::default());
    let mut mapping = Mapping::join(&feed, "m");
    subject.send("message", None);
    mapping.order(1);
    let read = mapping.read().await;
    (2..=4).for_each(|id| mapping.order(id));
    settle_down().await;
    mapping.subscriber.rest();
    for _ in 2..=4 {
        mapping.event().await;
    }
    (subject, feed, mapping, read)
}

#[tokio::test(start_paused = true)]
async fn what_its_queue_would_take_away_is_shown_when_the_last_receive_is_back() {
    let (subject, feed, mut mapping, read) = rest_with_three_receives_open(4).await;
    assert_eq!(
        mapping.settle(&receipts(&read), Settle::Release).await,
        [Settled::Done],
        "the mapping need not wait"
    );
    drop(mapping);
    tokio::time::sleep(WAIT - Duration::from_secs(1)).await;
    assert_eq!(subject.n_visible(), 0, "three receives could use up the three that are left");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(subject.n_visible(), 1, "long before its visibility is over");
    feed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_can_be_given_often_enough_is_shown_at_once_though_receives_are_open() {
    let (subject, feed, mut mapping, read) = rest_with_three_receives_open(5).await;
    mapping.settle(&receipts(&read), Settle::Release).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Each receive that was open has brought it once more at most, and shown it again.
    assert_eq!(subject.n_visible(), 1);
    feed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_stops_answers_everybody_and_hands_back_what_is_in_the_air() {
    let mut subject = FakeSubject::competed_for(None);
    let feed = Feed::start(subject.source(), FeedLimits::default());
    let mut mapping = Mapping::join(&feed, "m");
    mapping.order(1);
    settle_down().await;
    // The answer is on its way when the feed is told to stop.
    subject.set_lag(Duration::from_secs(3));
    subject.send("in the air", None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((subject.n_left(), subject.n_visible()), (1, 0));
    feed.stop().await;
    assert_eq!(subject.n_visible(), 1, "nobody has it, so everybody may");
    assert!(mapping.read().await.records.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shared_feed_that_stops_hands_back_what_is_in_the_air() {
    let mut subject = FakeSubject::new();
    let feed = Feed::start(subject.source(), FeedLimits::default());
    ["one", "other"].iter().for_each(|it| feed.expect((*it).into()));
    let (mut one, other) = (Mapping::join(&feed, "one"), Mapping::join(&feed, "other"));
    one.order(1);
    other.order(1);
    settle_down().await;
    subject.set_lag(Duration::from_secs(3));
    subject.send("in the air", None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((subject.n_left(), subject.n_visible()), (1, 0));
    feed.stop().await;
    assert_eq!(subject.n_visible(), 1);
    assert!(one.read().await.records.is_empty());
}

#[tokio::test(start_paused = true)]
async fn visibility_counts_from_before_a_slow_receive_was_sent() {
    for mut subject in [FakeSubject::competed_for(None), FakeSubject::new()] {
        subject.send("slow", None);
        subject.set_lag(Duration::from_secs(7));
        let feed = Feed::start(subject.source(), FeedLimits::default());
        feed.expect("m".into());
        let mut mapping = Mapping::join(&feed, "m");
        let sent = Instant::now();
        mapping.order(1);
        let until = visible_until(&mapping.read().await);
        assert_eq!(sent.elapsed(), Duration::from_secs(7));
        assert!(until.is_some_and(|it| it <= mapping.tick(sent + VISIBILITY)), "{until:?}");
        feed.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn visibility_counts_from_before_a_slow_extension_was_sent() {
    for n_mappings in [1, 2] {
        let mut subject = if n_mappings == 1 { FakeSubject::competed_for(None) } else { FakeSubject::new() };
        subject.send("slow", None);
        let feed = Feed::start(subject.source(), FeedLimits::default());
        let names = ["m", "n"];
        names[..n_mappings].iter().for_each(|it| feed.expect((*it).into()));
        let mut mappings: Vec<Mapping> =
            names[..n_mappings].iter().map(|it| Mapping::join(&feed, it)).collect();
        mappings.iter().for_each(|it| it.order(1));
        let mapping = &mut mappings[0];
        let read = mapping.read().await;
        subject.set_lag(Duration::from_secs(7));
        let sent = Instant::now();
        mapping.subscriber.extend(ExtendId(1), receipts(&read), VISIBILITY);
        let FeedEvent::Extended(ExtendId(1), answers) = mapping.event_in_time().await else {
            panic!("an extension")
        };
        assert!(sent.elapsed() >= Duration::from_secs(7));
        let [(_, Extended::Until(until))] = answers[..] else { panic!("{answers:?}") };
        assert!(until <= mapping.tick(sent + VISIBILITY), "{until:?}");
        feed.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_shared_counts_from_before_its_slow_receive_was_sent() {
    let mut subject = FakeSubject::new();
    subject.send("slow", None);
    subject.set_lag(Duration::from_secs(7));
    let feed = Feed::start(subject.source(), FeedLimits::default());
    ["m", "n"].iter().for_each(|it| feed.expect((*it).into()));
    let (mut mapping, other) = (Mapping::join(&feed, "m"), Mapping::join(&feed, "n"));
    let sent = Instant::now();
    mapping.order(1);
    other.order(1);
    let until = visible_until(&mapping.read().await);
    assert!(until.is_some_and(|it| it <= mapping.tick(sent + VISIBILITY)), "{until:?}");
    feed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_mapping_counts_from_before_its_slow_extension_was_sent() {
    let mut subject = FakeSubject::new();
    let feed = Feed::start(subject.source(), FeedLimits::default());
    ["m", "busy"].iter().for_each(|it| feed.expect((*it).into()));
    let (mut mapping, mut busy) = (Mapping::join(&feed, "m"), Mapping::join(&feed, "busy"));
    subject.send("waits", None);
    let sent = Instant::now();
    mapping.order(1);
    mapping.read().await;
    // A third of the visibility later it is hidden for longer, and that takes its time.
    subject.set_lag(Duration::from_secs(7));
    tokio::time::sleep(VISIBILITY / 3 + Duration::from_secs(8)).await;
    busy.order(1);
    let until = visible_until(&busy.read().await);
    let longest = busy.tick(sent + VISIBILITY / 3 + VISIBILITY);
    assert!(
        until.is_some_and(|it| it > busy.tick(sent + VISIBILITY) && it <= longest),
        "{until:?}, and {longest:?} is the longest"
    );
    feed.stop().await;
}
