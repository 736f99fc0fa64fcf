//! What a source of shards must do beyond what every source of tracks does: lineage, iterators that end,
//! throttles, trimming, pushes that wait for their reader.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_batcher::Watermark;

use super::{Draw, Subject, data, first, open, read_rest, room};
use crate::source::{Known, RawRead, Reader, Room, Source, SourceError, TrackInfo, TrackName};

/// A stream whose shards split and merge, and a hand in it.
pub trait TreeSubject: Subject {
    /// Splits a shard, and says which came of it.
    fn split(&mut self, track: usize) -> [usize; 2];
    /// Merges two shards into one.
    fn merge(&mut self, a: usize, b: usize) -> usize;
    /// Retention takes the first records of a shard.
    fn trim(&mut self, track: usize, n_records: usize);
    /// The name of a shard in the store.
    fn name(&self, track: usize) -> TrackName;
    /// Pushes that were sent and that nobody has taken; none where readers pull.
    fn n_waiting_on_us(&self) -> usize;
}

/// Runs the rules of shards, each on a subject of its own. On tokio's paused clock, or it takes minutes.
pub async fn check_tree(subject: impl Fn() -> Box<dyn TreeSubject>) {
    the_end_of_a_shard_tells_its_children(subject()).await;
    for seed in 1..=24 {
        a_tree_is_read_whole_through_its_ends(subject(), seed).await;
    }
    an_empty_shard_that_was_closed_ends(subject()).await;
    a_reader_that_rests_for_long_goes_on_where_it_stood(subject()).await;
    what_retention_took_is_told_as_a_gap(subject()).await;
    what_nobody_takes_is_not_pushed_without_end(subject()).await;
}

/// A reader that comes too often is told so, and goes on where it stood when it comes later. The subject
/// allows few calls a second.
pub async fn a_throttled_reader_keeps_its_place(mut subject: Box<dyn TreeSubject>) {
    let track = subject.add_track();
    subject.append(track, 40);
    let source = subject.source();
    let mut reader = open(source.as_ref(), &subject.name(track), &first(source.as_ref())).await;
    let (mut seen, mut n_throttled) = (Vec::new(), 0);
    while seen.len() < 40 {
        match reader.read(room(1)).await {
            Ok(read) => seen.extend(data(&read.records)),
            Err(SourceError::Throttled { retry_after, .. }) => {
                n_throttled += 1;
                tokio::time::sleep(retry_after.unwrap_or(Duration::from_secs(1))).await;
            }
            Err(error) => panic!("it is only asked too often: {error}"),
        }
    }
    assert!(n_throttled > 0, "forty reads in no time are too many");
    assert_eq!(seen, subject.written(track));
}

/// The read that ends a shard tells what comes after it, with all parents.
async fn the_end_of_a_shard_tells_its_children(mut subject: Box<dyn TreeSubject>) {
    let root = subject.add_track();
    subject.append(root, 3);
    let [low, high] = subject.split(root);
    let child = subject.merge(low, high);
    let source = subject.source();
    let children = |read: RawRead| {
        let told = |it: TrackInfo| (it.name, it.parents);
        read.children.into_iter().map(told).collect::<Vec<_>>()
    };
    let name = |track: usize| subject.name(track);
    let end = last_read(source.as_ref(), &name(root)).await;
    assert_eq!(children(end), [(name(low), vec![name(root)]), (name(high), vec![name(root)])]);
    for parent in [low, high] {
        let end = last_read(source.as_ref(), &name(parent)).await;
        assert_eq!(children(end), [(name(child), vec![name(low), name(high)])]);
    }
}

/// Splits and merges at random, read by what the ends of shards tell alone: every record once, and a child is
/// known when its parent has ended.
async fn a_tree_is_read_whole_through_its_ends(mut subject: Box<dyn TreeSubject>, seed: u64) {
    let mut draw = Draw(seed);
    let root = subject.add_track();
    let source = subject.source();
    let mut open_shards = vec![root];
    let mut all = vec![root];
    for _ in 0..12 {
        let at = draw.below(open_shards.len());
        subject.append(open_shards[at], draw.below(5));
        match draw.below(3) {
            0 => {
                let parent = open_shards.remove(at);
                let children = subject.split(parent);
                open_shards.extend(children);
                all.extend(children);
            }
            1 if open_shards.len() > 1 => {
                let a = open_shards.remove(at);
                let b = open_shards.remove(draw.below(open_shards.len()));
                let child = subject.merge(a, b);
                open_shards.push(child);
                all.push(child);
            }
            _ => {}
        }
    }
    open_shards.iter().for_each(|it| subject.end(*it));
    let mut to_read = vec![subject.name(root)];
    let mut seen: BTreeMap<TrackName, Vec<Vec<u8>>> = BTreeMap::new();
    while let Some(name) = to_read.pop() {
        if seen.contains_key(&name) {
            continue;
        }
        let mut reader = open(source.as_ref(), &name, &first(source.as_ref())).await;
        let mut records = Vec::new();
        loop {
            let n_max = u32::try_from(1 + draw.below(4)).expect("it is small");
            let read = reader.read(room(n_max)).await.expect("the source works");
            records.extend(data(&read.records));
            if read.ended {
                to_read.extend(read.children.into_iter().map(|it| it.name));
                break;
            }
        }
        seen.insert(name, records);
    }
    let written = all.iter().map(|it| (subject.name(*it), subject.written(*it))).collect();
    assert_eq!(seen, written, "seed {seed}");
}

/// A shard that was closed before anything was written to it ends with its first read.
async fn an_empty_shard_that_was_closed_ends(mut subject: Box<dyn TreeSubject>) {
    let root = subject.add_track();
    let children = subject.split(root).map(|it| subject.name(it));
    let end = last_read(subject.source().as_ref(), &subject.name(root)).await;
    assert_eq!(end.children.into_iter().map(|it| it.name).collect::<Vec<_>>(), children);
}

/// Iterators and subscriptions end by time: a reader that was not asked for an hour reads on.
async fn a_reader_that_rests_for_long_goes_on_where_it_stood(mut subject: Box<dyn TreeSubject>) {
    let track = subject.add_track();
    subject.append(track, 4);
    let source = subject.source();
    let mut reader = open(source.as_ref(), &subject.name(track), &first(source.as_ref())).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.extend(read_until_nothing(reader.as_mut()).await);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        subject.append(track, 4);
    }
    seen.extend(read_until_nothing(reader.as_mut()).await);
    assert_eq!(seen, subject.written(track));
}

/// What retention took before it was read is never passed over silently.
async fn what_retention_took_is_told_as_a_gap(mut subject: Box<dyn TreeSubject>) {
    let track = subject.add_track();
    subject.append(track, 10);
    let source = subject.source();
    let name = subject.name(track);
    let mut reader = open(source.as_ref(), &name, &first(source.as_ref())).await;
    let two = reader.read(room(2)).await.expect("the source works");
    drop(reader);
    let bound = two.records.get(1).map(|it| Watermark::At(it.position.clone())).expect("two came");
    subject.trim(track, 7);
    let mut reader = open(source.as_ref(), &name, &bound).await;
    let read = reader.read(room(100)).await.expect("the source works");
    let gap = read.gap.expect("a gap is told");
    assert_eq!(Some(&gap.to), read.records.first().map(|it| &it.position));
    assert_eq!(data(&read.records), subject.written(track)[7..]);
    drop(reader);
    let records = read_rest(source.as_ref(), &name, &first(source.as_ref())).await;
    assert_eq!(records.len(), 3);
}

/// Between two reads no more than a few pushes are under way, however much there is.
async fn what_nobody_takes_is_not_pushed_without_end(mut subject: Box<dyn TreeSubject>) {
    let track = subject.add_track();
    subject.append(track, 1);
    let source = subject.source();
    let mut reader = open(source.as_ref(), &subject.name(track), &first(source.as_ref())).await;
    let mut seen = data(&reader.read(room(1)).await.expect("the source works").records);
    for _ in 0..50 {
        subject.append(track, 1);
        assert!(subject.n_waiting_on_us() <= 2, "a push waits until it is taken");
    }
    seen.extend(read_until_nothing(reader.as_mut()).await);
    assert_eq!(seen, subject.written(track));
    assert_eq!(
        source.tracks().expect("it has tracks").list(&Known::default()).await.map(|it| it.tracks.len()).ok(),
        Some(1)
    );
}

async fn read_until_nothing(reader: &mut dyn Reader) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    loop {
        let read =
            reader.read(Room { wait: Duration::from_secs(1), ..room(3) }).await.expect("the source works");
        if read.records.is_empty() {
            return seen;
        }
        seen.extend(data(&read.records));
    }
}

async fn last_read(source: &dyn Source, name: &TrackName) -> RawRead {
    let mut reader = open(source, name, &first(source)).await;
    loop {
        let read = reader.read(room(2)).await.expect("the source works");
        if read.ended {
            return read;
        }
        assert!(read.children.is_empty(), "children are told with the end");
    }
}
