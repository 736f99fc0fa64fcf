//! Stories of a feed over a log with a group: who has which track when, and what the group hears of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Position, ReadId, ReadOrder, SourceNotice, TrackIdx, Watermark};
use tokio::time::Instant;

use super::*;
use crate::contract::shapes::{FakeGroup, GroupLogSubject};
use crate::contract::{GroupSubject, Subject};
use crate::source::{Known, Start, TrackName};

struct FeedConsumer {
    subscriber: Subscriber,
    has: BTreeMap<TrackName, TrackIdx>,
    revoking: Vec<TrackIdx>,
    taken: Vec<TrackName>,
    trouble: Option<SourceNotice>,
    answered: Vec<(ReadId, usize)>,
    next_idx: u32,
}

impl FeedConsumer {
    fn join(feed: &Feed, name: &str) -> Self {
        let subscriber = feed.subscribe(Subscription {
            consumer: name.into(),
            known: Known::default(),
            filter: None,
            has_window: false,
            zero: Instant::now(),
            events_max: 64,
        });
        Self {
            subscriber,
            has: BTreeMap::new(),
            revoking: Vec::new(),
            taken: Vec::new(),
            trouble: None,
            answered: Vec::new(),
            next_idx: 0,
        }
    }

    /// Hears what comes within a second; tracks that it is dealt are opened where they start.
    async fn hear(&mut self) {
        while let Ok(event) =
            tokio::time::timeout(Duration::from_secs(1), self.subscriber.events.recv()).await
        {
            match event.expect("the feed lives") {
                FeedEvent::Assigned(dealt) => {
                    for it in dealt {
                        let idx = TrackIdx(self.next_idx);
                        self.next_idx += 1;
                        let (Start::Committed(from) | Start::Policy(from)) = it.start;
                        self.subscriber.open(idx, it.track.name.clone(), from);
                        assert!(self.has.insert(it.track.name, idx).is_none(), "a track is dealt once");
                    }
                }
                FeedEvent::Revoking(tracks, _) => {
                    self.revoking.extend(tracks.iter().map(|it| self.has[it]));
                }
                FeedEvent::Taken(tracks) => {
                    tracks.iter().for_each(|it| _ = self.has.remove(it));
                    self.taken.extend(tracks);
                }
                FeedEvent::Read(id, read) => {
                    self.answered.push((id, read.map(|it| it.records.len()).unwrap_or_default()));
                }
                FeedEvent::Trouble(notice) => self.trouble = Some(notice),
                FeedEvent::Healed => self.trouble = None,
                event => panic!("{event:?} is nothing of a group"),
            }
        }
    }

    fn order(&self, idx: TrackIdx, id: u64, wait: Duration) {
        self.subscriber.read(ReadOrder {
            id: ReadId(id),
            track: Some(idx),
            records_max: 4,
            bytes_max: 1 << 20,
            wait,
            lanes: 1,
        });
    }
}

fn feed(fake: &FakeGroup) -> Feed {
    Feed::start(Arc::new(fake.clone()), FeedLimits::default())
}

fn log(partition: usize) -> TrackName {
    TrackName(format!("log-{partition}"))
}

fn names(member: &FeedConsumer) -> Vec<&str> {
    member.has.keys().map(|it| it.0.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn mappings_are_members_and_a_track_goes_over_with_what_was_committed() {
    let fake = FakeGroup::new(2);
    (0..2).for_each(|it| fake.append(it, 10));
    let feed = feed(&fake);
    let mut one = FeedConsumer::join(&feed, "one");
    one.hear().await;
    assert_eq!(names(&one), ["log-0", "log-1"]);
    let mut two = FeedConsumer::join(&feed, "two");
    one.hear().await;
    assert_eq!((one.revoking.len(), two.has.len()), (1, 0));
    let given = one.revoking[0];
    one.order(given, 1, Duration::ZERO);
    one.hear().await;
    assert_eq!(one.answered, [(ReadId(1), 4)], "what is asked back is still read until it is given");
    one.subscriber.committed(log(1), Watermark::At(Position::number(4)));
    one.subscriber.drained(log(1));
    one.subscriber.committed(log(1), Watermark::At(Position::number(9)));
    two.hear().await;
    assert_eq!(names(&two), ["log-1"]);
    assert_eq!(fake.group().committed(1), Some(4), "what is said after it was given back does not count");
    two.order(TrackIdx(0), 1, Duration::ZERO);
    two.hear().await;
    assert_eq!(two.answered, [(ReadId(1), 4)]);
    feed.stop().await;
    let owners = [0, 1].map(|it| fake.group().owner(it));
    assert_eq!(owners, [None, None], "both have left");
}

#[tokio::test(start_paused = true)]
async fn who_goes_hands_its_tracks_on_at_once_and_a_feed_that_ends_leaves_for_all() {
    let fake = FakeGroup::new(2);
    let (here, there) = (feed(&fake), feed(&fake));
    let mut one = FeedConsumer::join(&here, "one");
    one.hear().await;
    let mut two = FeedConsumer::join(&there, "two");
    drop(one);
    two.hear().await;
    assert_eq!(names(&two), ["log-0", "log-1"], "without waiting for a silence");
    let mut three = FeedConsumer::join(&here, "three");
    two.hear().await;
    assert_eq!(two.revoking.len(), 1);
    two.subscriber.drained(log(1));
    three.hear().await;
    there.stop().await;
    three.hear().await;
    assert_eq!(names(&three), ["log-0", "log-1"]);
    here.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_is_told_before_its_reads_are_answered_and_the_mapping_joins_anew() {
    let fake = FakeGroup::new(1);
    let feed = feed(&fake);
    let mut one = FeedConsumer::join(&feed, "one");
    one.hear().await;
    let idx = one.has[&log(0)];
    one.order(idx, 1, Duration::from_secs(3_600));
    one.hear().await;
    assert_eq!(one.answered, []);
    fake.expire("one");
    fake.group().freeze(true);
    one.hear().await;
    assert_eq!(one.taken, [log(0)]);
    assert_eq!(one.answered, [(ReadId(1), 0)], "an open read of what is gone is answered");
    fake.group().freeze(false);
    one.hear().await;
    assert_eq!(names(&one), ["log-0"], "nobody else wants it: it comes back under another number");
    assert_ne!(one.has[&log(0)], idx);
    feed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_cannot_be_reached_is_told_and_joined_when_it_is_there() {
    let mut subject = GroupLogSubject::new(1);
    subject.set_broken(true);
    let feed = Feed::start(subject.source(), FeedLimits::default());
    let mut one = FeedConsumer::join(&feed, "one");
    one.hear().await;
    assert!(one.trouble.is_some() && one.has.is_empty());
    subject.set_broken(false);
    one.hear().await;
    assert_eq!((one.trouble.clone(), names(&one)), (None, vec!["log-0"]));
    subject.set_broken(true);
    one.hear().await;
    assert!(one.trouble.is_some() && one.has.is_empty(), "out of the group it has nothing");
    subject.set_broken(false);
    subject.expire("one");
    one.hear().await;
    assert_eq!((one.trouble.clone(), names(&one)), (None, vec!["log-0"]));
    feed.stop().await;
}
