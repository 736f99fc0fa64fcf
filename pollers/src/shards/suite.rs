//! What every kind whose streams are trees of shards must do beyond the suites of tracks and of trees, over
//! the stream in memory.

use std::time::Duration;

use forebay_batcher::Watermark;
use forebay_config::StartingPosition;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::fake::FakeStreamSubject;
use crate::contract::{Subject, TreeSubject, read_rest, room};
use crate::source::{Known, PlaceError, RawRead, RawRecord, Source, SourceError, Standing, TrackName};

/// Runs the rules, each on a stream of its own that allows any number of calls.
pub(crate) async fn check_stream(subject: impl Fn() -> FakeStreamSubject) {
    latest_leaves_out_what_closed_shards_hold_and_reads_their_children_whole(subject()).await;
    a_stream_that_was_made_anew_inherits_nothing(subject()).await;
    a_shard_that_retention_took_whole_ends_with_a_gap(subject()).await;
    a_restart_at_the_last_record_tells_no_gap(subject()).await;
    a_shard_that_ends_without_telling_its_children_has_them_listed_at_once(subject()).await;
    an_operator_names_a_sequence_number_that_the_shard_has(subject()).await;
    hundreds_of_shards_that_begin_at_once_ask_once_which_stream_it_is(subject()).await;
}

/// The same for a stream that is pushed: what is its own about reads that stop in the middle of a shard is left
/// out, for a push comes whole.
pub(crate) async fn check_pushed_stream(subject: impl Fn() -> FakeStreamSubject) {
    latest_leaves_out_what_closed_shards_hold_and_reads_their_children_whole(subject()).await;
    a_stream_that_was_made_anew_inherits_nothing(subject()).await;
    a_restart_at_the_last_record_tells_no_gap(subject()).await;
    an_operator_names_a_sequence_number_that_the_shard_has(subject()).await;
}

/// The start of a source's tracks.
pub(crate) fn first(source: &dyn Source) -> Watermark {
    Watermark::Origin(source.tracks().unwrap().first())
}

/// The data of records as texts.
pub(crate) fn texts(records: &[RawRecord]) -> Vec<String> {
    records.iter().map(|it| String::from_utf8_lossy(&it.data).into_owned()).collect()
}

async fn latest_leaves_out_what_closed_shards_hold_and_reads_their_children_whole(
    mut subject: FakeStreamSubject,
) {
    let root = subject.add_track();
    subject.append(root, 3);
    let [low, high] = subject.split(root);
    let origins = subject.source().explorer().origins(StartingPosition::Latest).await.unwrap();
    subject.append(low, 2);
    let source = subject.source();
    let mut read = Vec::new();
    for (name, origin) in origins {
        read.extend(texts(&read_rest(source.as_ref(), &name, &Watermark::Origin(origin)).await));
    }
    assert_eq!(read, subject.written(low).iter().map(|it| String::from_utf8_lossy(it)).collect::<Vec<_>>());
    // One that appears later is read from its first record.
    let [later, _] = subject.split(high);
    subject.append(later, 2);
    let known = Known::default();
    let listed = source.tracks().unwrap().list(&known).await.unwrap().tracks;
    let info = listed.iter().find(|it| it.name == subject.name(later)).unwrap();
    assert_eq!(info.parents, [subject.name(high)]);
    assert_eq!(read_rest(source.as_ref(), &info.name, &first(source.as_ref())).await.len(), 2);
}

async fn a_stream_that_was_made_anew_inherits_nothing(mut subject: FakeStreamSubject) {
    let track = subject.add_track();
    subject.append(track, 2);
    let (source, old) = (subject.source(), subject.name(track));
    let mut reader = source.tracks().unwrap().open(&old, &first(source.as_ref())).await.unwrap();
    reader.read(room(1)).await.unwrap();
    subject.make_anew();
    tokio::time::sleep(Duration::from_secs(901)).await;
    let error = reader.read(room(1)).await.unwrap_err();
    assert!(matches!(error, SourceError::PositionLost { .. }), "{error}");
    subject.restart();
    let source = subject.source();
    let opened = source.tracks().unwrap().open(&old, &first(source.as_ref())).await;
    assert!(matches!(opened.err(), Some(SourceError::PositionLost { .. })));
    let listed = source.tracks().unwrap().list(&Known::default()).await.unwrap().tracks;
    assert_ne!(listed[0].name, old);
    assert_eq!(read_rest(source.as_ref(), &listed[0].name, &first(source.as_ref())).await.len(), 2);
}

async fn a_shard_that_retention_took_whole_ends_with_a_gap(mut subject: FakeStreamSubject) {
    let track = subject.add_track();
    subject.append(track, 4);
    let (source, name) = (subject.source(), subject.name(track));
    let tracks = source.tracks().unwrap();
    let mut reader = tracks.open(&name, &first(source.as_ref())).await.unwrap();
    let passed = reader.read(room(2)).await.unwrap().passed.unwrap();
    subject.end(track);
    subject.forget(track);
    let bounds = [Watermark::At(passed.clone()), first(source.as_ref())];
    for bound in bounds {
        let mut late = tracks.open(&name, &bound).await.unwrap();
        let end: RawRead = late.read(room(2)).await.unwrap();
        assert!(end.ended && end.gap.is_some() && end.records.is_empty(), "{end:?}");
    }
    tokio::time::sleep(Duration::from_secs(901)).await;
    let end = reader.read(room(2)).await.unwrap();
    assert_eq!((end.ended, end.gap.map(|it| it.from)), (true, Some(Some(passed))));
}

async fn a_restart_at_the_last_record_tells_no_gap(mut subject: FakeStreamSubject) {
    let track = subject.add_track();
    subject.append(track, 4);
    let name = subject.name(track);
    let mut at = first(subject.source().as_ref());
    let mut n_read = 0;
    for _ in 0..6 {
        subject.restart();
        let source = subject.source();
        let mut reader = source.tracks().unwrap().open(&name, &at).await.unwrap();
        let read = reader.read(room(1)).await.unwrap();
        assert_eq!(read.gap, None);
        n_read += read.records.len();
        at = Watermark::At(read.passed.unwrap());
    }
    assert_eq!(n_read, 4);
}

async fn a_shard_that_ends_without_telling_its_children_has_them_listed_at_once(
    mut subject: FakeStreamSubject,
) {
    subject.set_tells_no_children(true);
    let root = subject.add_track();
    subject.split(root);
    let source = subject.source();
    let tracks = source.tracks().unwrap();
    let mut reader = tracks.open(&subject.name(root), &first(source.as_ref())).await.unwrap();
    assert!(reader.read(room(1)).await.unwrap().ended);
    tokio::time::timeout(Duration::from_secs(1), tracks.changed()).await.expect("it says so");
}

async fn hundreds_of_shards_that_begin_at_once_ask_once_which_stream_it_is(mut subject: FakeStreamSubject) {
    let shards: Vec<usize> = (0..300).map(|_| subject.add_track()).collect();
    subject.set_description_takes(Duration::from_millis(100));
    let source = subject.source();
    let begin = async |name: TrackName| {
        let mut reader = source.tracks().unwrap().open(&name, &first(source.as_ref())).await?;
        reader.read(room(1)).await
    };
    for is_broken in [false, true] {
        // What was known of it is too old by then.
        tokio::time::sleep(Duration::from_secs(60)).await;
        subject.set_broken(is_broken);
        let (n_before, began) = (subject.n_described(), Instant::now());
        let begun = join_all(shards.iter().map(|it| begin(subject.name(*it)))).await;
        assert!(begun.iter().all(|it| it.is_err() == is_broken));
        // Where the one who asks hears nothing the others do not wait for one another.
        assert!(is_broken || subject.n_described() == n_before + 1, "{}", subject.n_described() - n_before);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

async fn an_operator_names_a_sequence_number_that_the_shard_has(mut subject: FakeStreamSubject) {
    let track = subject.add_track();
    subject.append(track, 3);
    let (source, name) = (subject.source(), subject.name(track));
    let read = read_rest(source.as_ref(), &name, &first(source.as_ref())).await;
    let told = String::from_utf8(read[1].id.0.as_slice().to_vec()).unwrap();
    let bound = source.explorer().bound(&name, &told).await.unwrap();
    assert_eq!(read_rest(source.as_ref(), &name, &bound).await.len(), 2);
    for wrong in ["17", "abc", ""] {
        assert!(matches!(source.explorer().bound(&name, wrong).await, Err(PlaceError::None(_))), "{wrong}");
    }
    let known = Known([(name.clone(), Standing::Open)].into());
    assert_eq!(source.explorer().describe(&known).await.unwrap()[0].label, "shardId-000000000000");
}

/// The stream allows as many calls as the real one.
pub(crate) async fn all_readers_of_a_shard_together_call_no_more_often_than_it_allows(
    mut subject: FakeStreamSubject,
) {
    let track = subject.add_track();
    subject.append(track, 20);
    let (source, name) = (subject.source(), subject.name(track));
    let origin = source.explorer().origins(StartingPosition::Latest);
    let read = |n| {
        let (source, name) = (subject.source(), name.clone());
        async move {
            let mut reader = source.tracks().unwrap().open(&name, &first(source.as_ref())).await.unwrap();
            let mut n_read = 0;
            while n_read < 20 {
                n_read += reader.read(room(n)).await.expect("it is never throttled").records.len();
            }
        }
    };
    let (origin, ..) = tokio::join!(origin, read(1), read(2), read(3));
    origin.expect("it is never throttled");
}
