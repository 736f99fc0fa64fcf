//! Stories of the feed over the file source's fake, and of one track over reads made by hand.
#![cfg(feature = "file")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{
    Gap, OrderKey, Position, Read, ReadId, ReadOrder, RecordId, SourceNotice, TrackIdx, UnixMillis, Watermark,
};
use tokio::time::Instant;

use super::inbox::SubscriberId;
use super::track::{FeedTrack, ReadLimits, ReadStart, Taste};
use super::*;
use crate::contract::Draw;
use crate::file::fake::FakeFiles;
use crate::source::{
    BoxFuture, Known, RawRead, RawRecord, Reader, Renderer, Room, SourceError, Standing, TrackName,
};

const LONG: Duration = Duration::from_secs(3600);
const NONE: [u64; 0] = [];
const LIMITS: ReadLimits = ReadLimits { raw_bytes_max: 1 << 20, readers_max: None };

fn order(id: u64, track: u32, records_max: u32, wait: Duration) -> ReadOrder {
    ReadOrder {
        id: ReadId(id),
        track: Some(TrackIdx(track)),
        records_max,
        bytes_max: 1 << 20,
        wait,
        lanes: 1,
    }
}

fn subscription(known: Known) -> Subscription {
    Subscription {
        consumer: "mapping".into(),
        known,
        filter: None,
        has_window: false,
        zero: Instant::now(),
        events_max: 16,
    }
}

fn logs() -> FakeFiles {
    let files = FakeFiles::new();
    files.disk().make_folder("/logs");
    files
}

fn feed(files: &FakeFiles, limits: FeedLimits) -> Feed {
    Feed::start(files.source("/logs/*.log", Duration::ZERO).unwrap(), limits)
}

fn lines(range: std::ops::Range<usize>) -> Vec<u8> {
    range.flat_map(|it| format!("line {it}\n").into_bytes()).collect()
}

fn bodies(read: &Read) -> Vec<String> {
    let body = |bytes: &[u8]| {
        serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["body"].as_str().unwrap().to_owned()
    };
    read.records.iter().map(|it| body(&it.bytes)).collect()
}

async fn next(subscriber: &mut Subscriber) -> FeedEvent {
    let event = tokio::time::timeout(Duration::from_secs(20), subscriber.events.recv()).await;
    event.expect("an event comes").expect("the feed lives")
}

/// The number of the bound that a read moved to.
fn passed(read: &Read) -> Option<u64> {
    read.passed.as_ref().and_then(Position::as_number)
}

async fn read(subscriber: &mut Subscriber, id: u64) -> Result<Read, SourceNotice> {
    loop {
        match next(subscriber).await {
            FeedEvent::Read(ReadId(it), read) if it == id => return read,
            FeedEvent::Trouble(_) | FeedEvent::Healed | FeedEvent::Discovered(_) => {}
            other => panic!("not asked for: {other:?}"),
        }
    }
}

/// Opens the one track there is from its start under number 0.
async fn open_only(feed: &Feed, subscriber: &mut Subscriber) -> TrackName {
    let FeedEvent::Discovered(tracks) = next(subscriber).await else { panic!("a track is discovered first") };
    let name = tracks[0].name.clone();
    subscriber.open(
        TrackIdx(0),
        name.clone(),
        Watermark::Origin(feed.source().tracks().expect("it has tracks").first()),
    );
    name
}

struct Contains(&'static str);

impl RecordFilter for Contains {
    fn needs_data(&self) -> bool {
        true
    }
    fn passes(&self, metadata: &[u8], data: Option<&[u8]>) -> bool {
        serde_json::from_slice::<serde_json::Value>(metadata)
            .expect("a filter sees the record as the event has it");
        std::str::from_utf8(data.unwrap()).unwrap().contains(self.0)
    }
}

#[tokio::test]
async fn each_subscriber_gets_what_its_own_filter_lets_through_and_all_move_on() {
    let files = logs();
    files.disk().append("/logs/a.log", &lines(0..10));
    let feed = feed(&files, FeedLimits::default());
    for (pattern, expected, n_filtered) in
        [("line 3", vec!["line 3"], 9), ("nothing", vec![], 10), ("", vec!["line 0"], 0)]
    {
        let filter: Arc<dyn RecordFilter> = Arc::new(Contains(pattern));
        let mut subscriber =
            feed.subscribe(Subscription { filter: Some(filter), ..subscription(Known::default()) });
        open_only(&feed, &mut subscriber).await;
        subscriber.read(order(1, 0, 100, LONG));
        let read = read(&mut subscriber, 1).await.unwrap();
        assert_eq!(bodies(&read)[..expected.len()], expected);
        assert_eq!((read.n_filtered, passed(&read)), (n_filtered, Some(70)));
    }
    feed.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_stays_for_the_next_order() {
    let files = logs();
    files.disk().append("/logs/a.log", &lines(0..5));
    let feed = feed(&files, FeedLimits::default());
    let mut subscriber = feed.subscribe(subscription(Known::default()));
    open_only(&feed, &mut subscriber).await;
    let mut seen = Vec::new();
    let one = 150;
    for (id, records_max, bytes_max, expected) in
        [(1, 2, 1 << 20, 2), (2, 100, one, 1), (3, 100, 1, 1), (4, 100, 1 << 20, 1)]
    {
        subscriber.read(ReadOrder { bytes_max, ..order(id, 0, records_max, LONG) });
        let read = read(&mut subscriber, id).await.unwrap();
        assert_eq!(read.records.len(), expected, "order {id}");
        seen.extend(bodies(&read));
        assert_eq!(passed(&read), Some(7 * seen.len() as u64));
    }
    assert_eq!(seen, (0..5).map(|it| format!("line {it}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn subscribers_of_any_pace_see_every_record_once_and_in_order() {
    for seed in 0..20 {
        let files = logs();
        let mut draw = Draw(seed);
        files.disk().append("/logs/a.log", &lines(0..400));
        // Reads of some records, and room to share a few of them: those that lag must read on their own.
        let feed = feed(&files, FeedLimits { raw_bytes_max: 200, shared_bytes_max: 13_000 });
        let mut subscribers = Vec::new();
        for _ in 0..3 {
            let mut subscriber = feed.subscribe(subscription(Known::default()));
            open_only(&feed, &mut subscriber).await;
            subscribers.push((subscriber, Vec::new()));
        }
        let mut id = 0;
        while subscribers.iter().any(|(_, seen)| seen.len() < 400) {
            let idx = draw.below(3);
            let (subscriber, seen) = &mut subscribers[idx];
            if seen.len() < 400 {
                id += 1;
                let records_max = u32::try_from(1 + draw.below(20 << idx)).unwrap();
                subscriber.read(ReadOrder {
                    lanes: 1 + u32::try_from(idx).unwrap(),
                    ..order(id, 0, records_max, LONG)
                });
                seen.extend(bodies(&read(subscriber, id).await.unwrap()));
            }
        }
        let all: Vec<String> = (0..400).map(|it| format!("line {it}")).collect();
        assert!(subscribers.iter().all(|(_, seen)| *seen == all), "seed {seed}");
        feed.stop().await;
    }
}

#[tokio::test]
async fn a_track_is_told_once_and_a_known_one_never() {
    let files = logs();
    files.disk().append("/logs/a.log", b"a\n");
    let feed = feed(&files, FeedLimits::default());
    let mut first = feed.subscribe(subscription(Known::default()));
    let name = open_only(&feed, &mut first).await;
    let mut second = feed.subscribe(subscription(Known([(name.clone(), Standing::Open)].into())));
    files.disk().append("/logs/b.log", b"b\n");
    for subscriber in [&mut first, &mut second] {
        let FeedEvent::Discovered(tracks) = next(subscriber).await else { panic!("a track is discovered") };
        assert_eq!(tracks.iter().map(|it| it.label.as_str()).collect::<Vec<_>>(), ["/logs/b.log"]);
    }
}

#[tokio::test]
async fn a_read_that_waits_is_answered_by_what_comes() {
    let files = logs();
    files.disk().append("/logs/a.log", b"a\n");
    let feed = feed(&files, FeedLimits::default());
    let mut subscriber = feed.subscribe(subscription(Known::default()));
    open_only(&feed, &mut subscriber).await;
    for id in 1..4 {
        subscriber.read(order(id, 0, 100, LONG));
        assert_eq!(bodies(&read(&mut subscriber, id).await.unwrap()), ["a"]);
        files.disk().append("/logs/a.log", b"a\n");
    }
}

#[tokio::test]
async fn a_read_whose_wait_is_over_is_answered_empty_where_it_stands() {
    let files = logs();
    files.disk().append("/logs/a.log", b"a\n");
    let feed = feed(&files, FeedLimits::default());
    let mut fast = feed.subscribe(subscription(Known::default()));
    let mut slow = feed.subscribe(subscription(Known::default()));
    open_only(&feed, &mut fast).await;
    open_only(&feed, &mut slow).await;
    for subscriber in [&mut fast, &mut slow] {
        subscriber.read(order(1, 0, 100, LONG));
        read(subscriber, 1).await.unwrap();
    }
    // The slow one's read is under way and waits for long; the fast one joins it and leaves it in time.
    slow.read(order(2, 0, 100, LONG));
    fast.read(order(2, 0, 100, Duration::from_millis(1)));
    let empty = read(&mut fast, 2).await.unwrap();
    assert_eq!((empty.records.len(), passed(&empty)), (0, Some(2)));
    files.disk().append("/logs/a.log", b"b\n");
    assert_eq!(bodies(&read(&mut slow, 2).await.unwrap()), ["b"]);
    fast.read(order(3, 0, 100, LONG));
    assert_eq!(bodies(&read(&mut fast, 3).await.unwrap()), ["b"]);
}

#[tokio::test]
async fn forgetting_a_track_answers_its_read_first_and_leaves_the_others_alone() {
    let files = logs();
    files.disk().append("/logs/a.log", b"a\n");
    let feed = feed(&files, FeedLimits::default());
    let mut stays = feed.subscribe(subscription(Known::default()));
    let mut leaves = feed.subscribe(subscription(Known::default()));
    for subscriber in [&mut stays, &mut leaves] {
        open_only(&feed, subscriber).await;
        subscriber.read(order(1, 0, 100, LONG));
        read(subscriber, 1).await.unwrap();
        subscriber.read(order(2, 0, 100, LONG));
    }
    leaves.forget(TrackIdx(0));
    assert_eq!(passed(&read(&mut leaves, 2).await.unwrap()), Some(2));
    leaves.read(order(3, 0, 100, LONG));
    assert!(matches!(read(&mut leaves, 3).await, Err(SourceNotice::Down { .. })));
    drop(leaves);
    files.disk().append("/logs/a.log", b"b\n");
    assert_eq!(bodies(&read(&mut stays, 2).await.unwrap()), ["b"]);
}

#[tokio::test]
async fn an_error_is_told_once_per_read_and_reading_goes_on_at_the_same_place() {
    let files = logs();
    files.disk().append("/logs/a.log", &lines(0..4));
    let feed = feed(&files, FeedLimits::default());
    let mut subscriber = feed.subscribe(subscription(Known::default()));
    open_only(&feed, &mut subscriber).await;
    subscriber.read(order(1, 0, 2, LONG));
    assert_eq!(bodies(&read(&mut subscriber, 1).await.unwrap()).len(), 2);
    files.disk().is_broken = true;
    let mut id = 2;
    loop {
        // What was read ahead of the trouble may still come.
        subscriber.read(order(id, 0, 1, LONG));
        match read(&mut subscriber, id).await {
            Ok(read) => assert_eq!(bodies(&read), [format!("line {id}")]),
            Err(SourceNotice::Down { error }) => {
                break assert_eq!(error.code, Some(forebay_config::Code("FB-0206")), "{error}");
            }
            Err(other) => panic!("{other:?}"),
        }
        id += 1;
    }
    files.disk().append("/logs/a.log", &lines(4..5));
    files.disk().is_broken = false;
    subscriber.read(order(100, 0, 100, LONG));
    let rest = bodies(&read(&mut subscriber, 100).await.unwrap());
    assert_eq!(rest.last().map(String::as_str), Some("line 4"));
    assert_eq!(rest.len() as u64 + id - 2 + 2, 5);
}

#[tokio::test]
async fn trouble_is_told_once_and_so_is_its_end() {
    let files = FakeFiles::new();
    let feed = feed(&files, FeedLimits::default());
    let mut subscriber = feed.subscribe(subscription(Known::default()));
    let FeedEvent::Trouble(SourceNotice::Down { error }) = next(&mut subscriber).await else {
        panic!("the folder is missing")
    };
    assert!(error.code == Some(forebay_config::Code("FB-0201")) && error.text.contains("/logs"), "{error}");
    files.disk().make_folder("/logs");
    assert!(matches!(next(&mut subscriber).await, FeedEvent::Healed));
}

#[tokio::test]
async fn an_ended_track_is_told_and_its_successor_discovered() {
    let files = logs();
    files.disk().append("/logs/a.log", b"old\n");
    let feed = feed(&files, FeedLimits::default());
    let mut subscriber = feed.subscribe(subscription(Known::default()));
    open_only(&feed, &mut subscriber).await;
    subscriber.read(order(1, 0, 100, LONG));
    read(&mut subscriber, 1).await.unwrap();
    files.disk().truncate("/logs/a.log", 0);
    files.disk().append("/logs/a.log", b"new content\n");
    subscriber.read(order(2, 0, 100, LONG));
    let last = read(&mut subscriber, 2).await.unwrap();
    assert!(last.ended && last.records.is_empty());
    let name = open_only(&feed, &mut subscriber).await;
    assert!(name.0.ends_with("-1"), "it is the file's second life: {name:?}");
    subscriber.read(order(3, 0, 100, LONG));
    assert_eq!(bodies(&read(&mut subscriber, 3).await.unwrap()), ["new content"]);
}

#[tokio::test]
async fn events_wait_for_room_in_the_channel_and_keep_their_order() {
    let files = logs();
    for idx in 0..50 {
        files.disk().append(&format!("/logs/{idx:02}.log"), b"x\n");
    }
    let feed = feed(&files, FeedLimits::default());
    let mut subscriber = feed.subscribe(Subscription { events_max: 1, ..subscription(Known::default()) });
    let FeedEvent::Discovered(tracks) = next(&mut subscriber).await else {
        panic!("tracks are discovered first")
    };
    for (idx, track) in (0..).zip(tracks) {
        subscriber.open(
            TrackIdx(idx),
            track.name,
            Watermark::Origin(feed.source().tracks().expect("it has tracks").first()),
        );
        subscriber.read(order(idx.into(), idx, 100, LONG));
    }
    let mut answered = Vec::new();
    while answered.len() < 50 {
        let FeedEvent::Read(ReadId(id), Ok(read)) = next(&mut subscriber).await else {
            panic!("only reads were asked for")
        };
        assert_eq!(read.records.len(), 1);
        answered.push(id);
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..50).collect::<Vec<_>>());
    for id in 0..50 {
        subscriber.settle(SettleId(id), Vec::new());
    }
    for expected in 0..50 {
        let FeedEvent::Settled(SettleId(id), answers) = next(&mut subscriber).await else {
            panic!("only settlements were asked for")
        };
        assert_eq!((id, answers), (expected, vec![]));
    }
}

#[tokio::test]
async fn stopping_answers_open_reads_and_closes_the_channels() {
    let files = logs();
    files.disk().append("/logs/a.log", b"a\n");
    let feed = feed(&files, FeedLimits::default());
    let source = Arc::downgrade(feed.source());
    let mut subscriber = feed.subscribe(subscription(Known::default()));
    open_only(&feed, &mut subscriber).await;
    subscriber.read(order(1, 0, 100, LONG));
    read(&mut subscriber, 1).await.unwrap();
    subscriber.read(order(2, 0, 100, LONG));
    feed.stop().await;
    assert!(read(&mut subscriber, 2).await.unwrap().records.is_empty());
    assert!(subscriber.events.recv().await.is_none());
    drop(feed);
    assert!(source.upgrade().is_none(), "nobody reads any more");
}

struct NoReader;

impl Reader for NoReader {
    fn read(&mut self, _room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(async { Ok(RawRead::default()) })
    }
}

struct Plain;

impl Renderer for Plain {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        out.extend_from_slice(&record.data);
    }
}

/// One track and its subscribers by number; each line of a story does one thing and says what is started and
/// held.
struct Story {
    track: FeedTrack,
    n_reads: u64,
}

impl Story {
    fn open(&mut self, who: u64, at: u64) {
        self.track.open(SubscriberId(who), TrackIdx(0), Watermark::At(Position::number(at)));
    }

    /// Orders some records: what is served, else what is read for.
    fn order(&mut self, who: u64, records_max: u32) -> Vec<u64> {
        let until = Instant::now() + LONG;
        self.track.order(SubscriberId(who), order(0, 0, records_max, LONG), until);
        self.serve(who)
    }

    fn serve(&mut self, who: u64) -> Vec<u64> {
        let served = self.track.serve(SubscriberId(who), Taste { renderer: &Plain, filter: None });
        let place = |it: &forebay_batcher::Record| match &it.place {
            forebay_batcher::Place::Track(_, position) => position.as_number().unwrap(),
            forebay_batcher::Place::Queue { .. } => panic!("this is a track"),
        };
        served
            .map(|(_, read)| read.expect("nothing panics").records.iter().map(place).collect())
            .unwrap_or_default()
    }

    /// Starts what is to be started, and gives each reader the next ten records.
    fn run(&mut self) -> Vec<u64> {
        let starts = self.track.start(&TrackName("t".into()), LIMITS);
        let places = starts.iter().map(|it| it.from.clone());
        let places =
            places.map(|it| if let Watermark::At(it) = it { it.as_number().unwrap() } else { 0 }).collect();
        for ReadStart { stretch, from, .. } in starts {
            let Watermark::At(from) = from else { panic!("the story begins at a place") };
            let from = from.as_number().unwrap();
            self.n_reads += 1;
            self.track.handle_read(stretch, Some(Box::new(NoReader)), ten_records(from));
        }
        self.track.prune();
        places
    }
}

/// What a reader brings: the ten records from there on.
fn ten_records(from: u64) -> RawRead {
    let records = (from..from + 10).map(|it| RawRecord {
        id: RecordId::new(b"x"),
        position: Position::number(it),
        key: OrderKey::Free,
        arrival: UnixMillis(0),
        data: Bytes::from_static(b"0123456789"),
        facts: Arc::new(()),
    });
    RawRead { records: records.collect(), passed: Some(Position::number(from + 10)), ..RawRead::default() }
}

#[test]
fn a_gap_is_told_to_each_who_passes_it_once_in_however_many_parts_it_takes_what_follows() {
    let mut story = Story { track: FeedTrack::default(), n_reads: 0 };
    for who in [1, 2] {
        story.open(who, 0);
        story.order(who, 4);
    }
    for ReadStart { stretch, .. } in story.track.start(&TrackName("t".into()), LIMITS) {
        let gap = Some(Gap { from: None, to: Position::number(0) });
        story.track.handle_read(stretch, Some(Box::new(NoReader)), RawRead { gap, ..ten_records(0) });
    }
    for who in [1, 2] {
        let taste = Taste { renderer: &Plain, filter: None };
        let mut has_gap = Vec::new();
        while let Some((_, read)) = story.track.serve(SubscriberId(who), taste) {
            has_gap.push(read.expect("nothing panics").gap.is_some());
            story.track.order(SubscriberId(who), order(0, 0, 4, LONG), Instant::now() + LONG);
        }
        assert_eq!(has_gap, [true, false, false]);
    }
}

#[test]
fn a_read_that_several_wait_for_has_the_largest_ones_room_and_its_failure_is_told_to_each() {
    let mut story = Story { track: FeedTrack::default(), n_reads: 0 };
    for (who, at, records_max) in [(1, 0, 3), (2, 0, 10), (3, 50, 4)] {
        story.open(who, at);
        story.order(who, records_max);
    }
    let starts = story.track.start(&TrackName("t".into()), LIMITS);
    assert_eq!(starts.iter().map(|it| it.records_max).collect::<Vec<_>>(), [10, 4]);
    let told: Vec<u64> =
        story.track.handle_failure(starts[0].stretch, None).iter().map(|(who, _)| who.0).collect();
    assert_eq!(told, [1, 2], "the third waits for a read of its own");
}

#[test]
fn one_raw_read_serves_all_who_stand_in_it_and_who_lags_reads_alone_until_the_places_meet() {
    let mut story = Story { track: FeedTrack::default(), n_reads: 0 };
    story.open(1, 0);
    story.open(2, 0);
    assert_eq!((story.order(1, 10), story.order(2, 3)), (vec![], vec![]));
    assert_eq!(story.run(), [0], "one read for both");
    assert_eq!((story.serve(1).len(), story.serve(2)), (10, vec![0, 1, 2]));
    assert_eq!(story.order(2, 3), [3, 4, 5], "what is held is not read again");
    assert_eq!(story.order(1, 10), NONE);
    assert_eq!(story.run(), [10]);
    assert_eq!(story.serve(1).len(), 10);
    story.track.prune();
    let each = 10 + size_of::<RawRecord>() as u64;
    assert_eq!((story.track.held_bytes(), story.track.n_stretches()), (20 * each, 1));
    story.track.evict();
    story.track.prune();
    assert_eq!(story.order(2, 100), NONE, "what it stood in is dropped");
    assert_eq!(story.run(), [6], "so it reads on its own, from where it stands");
    assert_eq!(story.track.n_stretches(), 2);
    assert_eq!(story.serve(2), (6..16).collect::<Vec<_>>());
    assert_eq!(story.order(2, 100), NONE, "its own reader goes on");
    assert_eq!(story.run(), [16]);
    assert_eq!(story.serve(2), (16..26).collect::<Vec<_>>());
    assert_eq!(story.order(1, 100), (20..26).collect::<Vec<_>>(), "the other now takes what this one read");
    assert_eq!((story.order(1, 100), story.order(2, 100)), (vec![], vec![]));
    assert_eq!(story.run(), [26], "the places have met: one read again");
    assert_eq!((story.serve(1).len(), story.serve(2).len(), story.track.n_stretches()), (10, 10, 1));
}

#[tokio::test]
async fn who_stands_below_anothers_origin_misses_nothing_of_what_lies_between() {
    let files = logs();
    files.disk().append("/logs/a.log", &lines(0..10));
    let feed = feed(&files, FeedLimits::default());
    let mut late = feed.subscribe(subscription(Known::default()));
    let mut early = feed.subscribe(subscription(Known::default()));
    let name = open_only(&feed, &mut late).await;
    open_only(&feed, &mut early).await;
    let origin = forebay_batcher::Origin(Position::number(49).0);
    late.open(TrackIdx(0), name.clone(), Watermark::Origin(origin));
    // Room for one rendered record, but for many raw ones: the rest is held.
    late.read(ReadOrder { bytes_max: 150, ..order(1, 0, 100, LONG) });
    assert_eq!(bodies(&read(&mut late, 1).await.unwrap()), ["line 7"]);
    early.open(TrackIdx(0), name, Watermark::At(Position::number(14)));
    early.read(order(1, 0, 100, LONG));
    assert_eq!(bodies(&read(&mut early, 1).await.unwrap())[0], "line 2");
    late.read(order(2, 0, 100, LONG));
    assert_eq!(bodies(&read(&mut late, 2).await.unwrap()), ["line 8", "line 9"]);
}

#[tokio::test]
async fn an_answer_keeps_to_its_bytes_exactly() {
    let files = logs();
    files.disk().append("/logs/a.log", &b"same\n".repeat(10));
    let feed = feed(&files, FeedLimits::default());
    let mut subscriber = feed.subscribe(subscription(Known::default()));
    let name = open_only(&feed, &mut subscriber).await;
    subscriber.read(order(0, 0, 2, LONG));
    let two = read(&mut subscriber, 0).await.unwrap();
    let bytes: u64 = two.records.iter().map(forebay_batcher::Record::n_bytes).sum();
    for (id, bytes_max, expected) in [(1, bytes - 1, 1), (2, bytes, 2), (3, bytes + 1, 2)] {
        subscriber.open(
            TrackIdx(0),
            name.clone(),
            Watermark::Origin(feed.source().tracks().expect("it has tracks").first()),
        );
        subscriber.read(ReadOrder { bytes_max, ..order(id, 0, 100, LONG) });
        assert_eq!(read(&mut subscriber, id).await.unwrap().records.len(), expected, "{bytes_max} bytes");
    }
}
