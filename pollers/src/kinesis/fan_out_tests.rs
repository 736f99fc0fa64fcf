//! Streams whose shards are pushed, over the strict tree of shards: subscriptions that end, break off, are
//! refused, or never tell the end of a shard.

use std::time::Duration;

use forebay_batcher::Watermark;
use forebay_models::shards::{Limits, WhenTrimmed};

use super::fake::pushed;
use crate::contract::{Subject, TreeSubject, check, check_tree, room};
use crate::shards::fake::FakeStreamSubject;
use crate::shards::fake_push::PushManners;
use crate::shards::suite::{check_pushed_stream, first, texts};
use crate::source::{Known, Reader, Room, SourceError};

fn subject(when_trimmed: WhenTrimmed) -> FakeStreamSubject {
    pushed(Limits { calls_per_s: usize::MAX, ..Limits::default() }, when_trimmed)
}

fn stream() -> FakeStreamSubject {
    subject(WhenTrimmed::Refuse)
}

fn waiting(wait: Duration) -> Room {
    Room { wait, ..room(1_000) }
}

async fn open(subject: &FakeStreamSubject, track: usize, from: &Watermark) -> Box<dyn Reader> {
    let source = subject.source();
    source.tracks().unwrap().open(&subject.name(track), from).await.unwrap()
}

async fn begin(subject: &FakeStreamSubject, track: usize) -> Box<dyn Reader> {
    open(subject, track, &first(subject.source().as_ref())).await
}

/// Reads, a second at a time, until so many records have come; none may be lost on the way.
async fn read_up_to(reader: &mut dyn Reader, n_records: usize) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..600 {
        let read = reader.read(waiting(Duration::from_secs(1))).await.unwrap();
        assert_eq!(read.gap, None);
        seen.extend(texts(&read.records));
        if seen.len() >= n_records {
            return seen;
        }
    }
    panic!("{} of {n_records} records came in ten minutes", seen.len());
}

fn written(subject: &FakeStreamSubject, track: usize) -> Vec<String> {
    subject.written(track).into_iter().map(|it| String::from_utf8(it).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_pushed_stream_passes_the_suite_of_tracks_and_that_of_trees_and_is_read_as_every_one() {
    for when_trimmed in [WhenTrimmed::Refuse, WhenTrimmed::BeginLater] {
        check(|| Box::new(subject(when_trimmed))).await;
        check_tree(|| Box::new(subject(when_trimmed))).await;
    }
    check_pushed_stream(stream).await;
}

#[tokio::test(start_paused = true)]
async fn a_push_is_given_whole_and_whoever_holds_it_counts_it() {
    let mut subject = stream();
    let track = subject.add_track();
    subject.append(track, 9);
    assert!(subject.source().tracks().unwrap().facts().pushes);
    let mut reader = begin(&subject, track).await;
    assert_eq!(reader.read(room(1)).await.unwrap().records.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_rests_for_longer_than_its_retention_tells_no_gap() {
    let mut subject = stream();
    let track = subject.add_track();
    subject.append(track, 3);
    let mut reader = begin(&subject, track).await;
    assert_eq!(read_up_to(reader.as_mut(), 3).await.len(), 3);
    for minute in 0..26 * 60 {
        if minute == 24 * 60 {
            subject.trim(track, 3);
        }
        let read = reader.read(waiting(Duration::from_secs(60))).await.unwrap();
        assert!(read.records.is_empty() && read.gap.is_none(), "minute {minute}: {read:?}");
    }
    let n_subscribed = subject.n_subscribed();
    assert!((300..330).contains(&n_subscribed), "{n_subscribed} subscriptions in 26 hours");
    subject.append(track, 1);
    assert_eq!(read_up_to(reader.as_mut(), 1).await, written(&subject, track)[3..]);
}

#[tokio::test(start_paused = true)]
async fn what_retention_took_while_nobody_read_is_told_as_a_gap_though_the_shard_had_moved() {
    let mut subject = stream();
    let track = subject.add_track();
    subject.append(track, 3);
    let mut reader = begin(&subject, track).await;
    read_up_to(reader.as_mut(), 3).await;
    assert!(reader.read(waiting(Duration::from_secs(10))).await.unwrap().records.is_empty());
    // Where the shard stood is known, and what has come since is gone but for the last record.
    tokio::time::sleep(Duration::from_secs(25 * 3_600)).await;
    subject.break_subscriptions();
    subject.append(track, 4);
    subject.trim(track, 6);
    let read = reader.read(waiting(Duration::from_secs(1))).await.unwrap();
    assert_eq!((texts(&read.records).as_slice(), read.gap.is_some()), (&written(&subject, track)[6..], true));
}

#[tokio::test(start_paused = true)]
async fn pushes_that_break_off_one_by_one_lose_and_repeat_nothing() {
    let mut subject = stream();
    let track = subject.add_track();
    subject.set_manners(PushManners { breaks_off: true, ..PushManners::default() });
    let mut reader = begin(&subject, track).await;
    let mut seen = Vec::new();
    for n_records in 1..20 {
        subject.append(track, n_records);
        seen.extend(read_up_to(reader.as_mut(), n_records).await);
    }
    assert_eq!(seen, written(&subject, track));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_a_killed_process_left_is_waited_for_without_an_error() {
    for refuses_within in [false, true] {
        let mut subject = stream();
        let track = subject.add_track();
        subject.append(track, 2);
        subject.set_manners(PushManners { hears_no_end: true, refuses_within, ..PushManners::default() });
        let mut reader = begin(&subject, track).await;
        let passed = reader.read(room(1)).await.unwrap().passed.unwrap();
        drop(reader);
        subject.restart();
        subject.append(track, 3);
        let mut reader = open(&subject, track, &Watermark::At(passed)).await;
        let began = tokio::time::Instant::now();
        assert_eq!(read_up_to(reader.as_mut(), 3).await, written(&subject, track)[2..]);
        assert!((5..8).contains(&began.elapsed().as_secs()), "{:?} of waiting", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_another_program_is_as_well_is_told() {
    let mut subject = stream();
    let track = subject.add_track();
    subject.append(track, 1);
    subject.set_manners(PushManners { is_taken: true, ..PushManners::default() });
    let mut reader = begin(&subject, track).await;
    let mut told = None;
    for _ in 0..20 {
        match reader.read(waiting(Duration::from_secs(1))).await {
            Ok(read) => assert!(read.records.is_empty(), "{read:?}"),
            Err(error) => told = told.or(Some(error)),
        }
    }
    let error = told.expect("it is told");
    assert!(subject.n_subscribed() >= 7, "it was waited for");
    assert!(matches!(error, SourceError::Down { .. }) && error.is_transient(), "{error}");
    assert_eq!(error.code().to_string(), "FB-0246");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_tells_the_end_of_a_shard_is_asked_for_it() {
    let mut subject = stream();
    let root = subject.add_track();
    subject.set_manners(PushManners { tells_no_end: true, ..PushManners::default() });
    subject.append(root, 3);
    let mut reader = begin(&subject, root).await;
    let mut seen = read_up_to(reader.as_mut(), 3).await;
    subject.append(root, 2);
    let children = subject.split(root).map(|it| subject.name(it));
    let source = subject.source();
    let mut end = None;
    for _ in 0..20 {
        // As its feed does every half a minute.
        source.tracks().unwrap().list(&Known::default()).await.unwrap();
        let read = reader.read(waiting(Duration::from_secs(30))).await.unwrap();
        seen.extend(texts(&read.records));
        if read.ended {
            end = Some(read);
            break;
        }
    }
    assert_eq!(seen, written(&subject, root));
    let end = end.expect("the end is told");
    assert_eq!(end.children.into_iter().map(|it| it.name).collect::<Vec<_>>(), children);
    assert_eq!(subject.n_open(), 0);
}
