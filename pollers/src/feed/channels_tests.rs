//! Stories of a feed over a queue whose channel dies.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_batcher::{Lost, ReadId, ReadOrder, Receipt, Settle, SettleId, Settled, Settlement};
use tokio::time::Instant;

use super::*;
use crate::contract::shapes::ChannelQueueSubject;
use crate::contract::{ChannelSubject, QueueSubject};
use crate::source::Known;

struct Mapping {
    subscriber: Subscriber,
    next_id: u64,
    /// The receipts that it holds, with what their messages are called.
    held: Vec<(String, Receipt)>,
    n_lost: usize,
    n_generations_lost: usize,
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
        Self { subscriber, next_id: 0, held: Vec::new(), n_lost: 0, n_generations_lost: 0 }
    }

    /// Orders once and hears what comes within a second; what is void is held no more.
    async fn receive(&mut self) -> Vec<String> {
        self.next_id += 1;
        self.subscriber.read(ReadOrder {
            id: ReadId(self.next_id),
            track: None,
            records_max: 10,
            bytes_max: u64::MAX,
            wait: Duration::from_millis(500),
            lanes: 1,
        });
        let mut came = Vec::new();
        self.listen(&mut came).await;
        came.sort();
        came
    }

    async fn listen(&mut self, came: &mut Vec<String>) {
        while let Ok(event) =
            tokio::time::timeout(Duration::from_secs(1), self.subscriber.events.recv()).await
        {
            match event.expect("the feed lives") {
                FeedEvent::Read(_, read) => {
                    for it in read.map(|it| it.records).unwrap_or_default() {
                        let name = String::from_utf8(it.id.0.as_slice().to_vec()).expect("it is a number");
                        let receipt = it.receipt().expect("it is a queue").clone();
                        came.push(name.clone());
                        self.held.push((name, receipt));
                    }
                }
                FeedEvent::Lost(Lost::Generation(dead)) => {
                    let before = self.held.len();
                    self.held.retain(|(_, receipt)| receipt.generation != dead);
                    self.n_generations_lost += 1;
                    self.n_lost += before - self.held.len();
                }
                FeedEvent::Settled(_, answers) => {
                    assert!(answers.iter().all(|it| it.1 == Settled::Done), "{answers:?}");
                }
                event => panic!("{event:?} is nothing of a queue"),
            }
        }
    }

    async fn finish(&mut self, names: &[&str]) {
        let (done, held) = std::mem::take(&mut self.held).into_iter().partition(|it| names.contains(&&*it.0));
        self.held = held;
        let done: Vec<(String, Receipt)> = done;
        assert_eq!(done.len(), names.len(), "it holds what it finishes");
        let how = Settle::Delete;
        let settlements = done.into_iter().map(|(_, receipt)| Settlement { receipt, how }).collect();
        self.subscriber.settle(SettleId(1), settlements);
        self.listen(&mut Vec::new()).await;
    }
}

fn subject(n: usize) -> (ChannelQueueSubject, Feed) {
    fed(ChannelQueueSubject::default(), n)
}

fn fed(mut subject: ChannelQueueSubject, n: usize) -> (ChannelQueueSubject, Feed) {
    (0..n).for_each(|it| subject.send(&it.to_string(), None));
    let feed = Feed::start(subject.source(), FeedLimits::default());
    (subject, feed)
}

#[tokio::test(start_paused = true)]
async fn a_mapping_hears_that_its_receipts_are_void_and_the_messages_come_again() {
    for subject in [ChannelQueueSubject::competed_for(), ChannelQueueSubject::default()] {
        let (mut subject, feed) = fed(subject, 4);
        let mut one = Mapping::join(&feed, "one");
        assert_eq!(one.receive().await, ["1", "2", "3", "4"]);
        one.finish(&["2"]).await;
        subject.kill();
        assert_eq!(one.receive().await, ["1", "3", "4"]);
        assert_eq!((one.n_generations_lost, one.n_lost, one.held.len()), (1, 3, 3), "told once");
        one.finish(&["1", "3", "4"]).await;
        assert_eq!(subject.n_left(), 0);
        feed.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_mappings_share_comes_again_only_for_those_who_have_not_finished_it() {
    let (mut subject, feed) = subject(3);
    feed.expect("one".into());
    feed.expect("two".into());
    let (mut one, mut two) = (Mapping::join(&feed, "one"), Mapping::join(&feed, "two"));
    let mut all: [BTreeSet<String>; 2] = Default::default();
    while all.iter().any(|it| it.len() < 3) {
        all[0].extend(one.receive().await);
        all[1].extend(two.receive().await);
    }
    one.finish(&["1", "2"]).await;
    two.finish(&["1"]).await;
    assert_eq!(subject.n_left(), 2, "both have finished one of them");
    subject.kill();
    let mut again: [BTreeSet<String>; 2] = Default::default();
    while again[1].len() < 2 {
        again[0].extend(one.receive().await);
        again[1].extend(two.receive().await);
    }
    assert_eq!(again.map(|it| it.into_iter().collect::<Vec<_>>()), [vec!["3"], vec!["2", "3"]]);
    assert_eq!((one.n_lost, two.n_lost), (1, 2));
    assert_eq!((one.n_generations_lost, two.n_generations_lost), (1, 1), "each is told once");
    one.finish(&["3"]).await;
    two.finish(&["2", "3"]).await;
    assert_eq!(subject.n_left(), 0);
    feed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_mapping_when_its_channel_dies_is_not_handed_out_any_more() {
    let (mut subject, feed) = subject(3);
    feed.expect("one".into());
    feed.expect("two".into());
    let (mut one, mut two) = (Mapping::join(&feed, "one"), Mapping::join(&feed, "two"));
    // The other has not asked: its copies wait for it.
    assert_eq!(one.receive().await, ["1", "2", "3"]);
    subject.kill();
    one.listen(&mut Vec::new()).await;
    assert_eq!(two.receive().await, ["1", "2", "3"]);
    two.finish(&["1", "2", "3"]).await;
    assert_eq!(one.receive().await, ["1", "2", "3"]);
    one.finish(&["1", "2", "3"]).await;
    assert_eq!(subject.n_left(), 0);
    feed.stop().await;
}
