//! What every source must do, as a suite: run over each kind's fake, and by tests over the real thing. It
//! panics where a rule is broken.

mod channel;
mod group;
mod queue;
pub mod shapes;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Origin, Place, Position, Record, TrackIdx, Watermark};
use forebay_config::StartingPosition;
use serde_json::value::RawValue;

pub use self::channel::{ChannelSubject, check_channel};
pub use self::group::{GroupSubject, check_group};
pub use self::queue::{QueueSubject, check_queue};
pub use self::tree::{TreeSubject, a_throttled_reader_keeps_its_place, check_tree};
use crate::source::{Known, RawRead, RawRecord, Room, Source, SourceError, Standing, TrackName};

/// A source and a hand that writes into it. Records written to a track must differ from each other.
pub trait Subject: Send {
    /// The source, connected.
    fn source(&self) -> Arc<dyn Source>;
    /// Connects anew, as a new process would: what the old one remembered is gone.
    fn restart(&mut self);
    /// Makes a track; its first record may be what brings it into being.
    fn add_track(&mut self) -> usize;
    /// Writes further records.
    fn append(&mut self, track: usize, n_records: usize);
    /// The data of all records written to a track so far.
    fn written(&self, track: usize) -> Vec<Vec<u8>>;
    /// Nothing more will come on this track.
    fn end(&mut self, track: usize);
    /// What a function reports under `itemIdentifier` when this record failed, as JSON.
    fn reported(&self, record: &Record) -> String {
        serde_json::Value::from(String::from_utf8_lossy(record.id.0.as_slice())).to_string()
    }
    /// Breaks the way to the source, or heals it.
    fn set_broken(&mut self, is_broken: bool);
}

/// Runs the whole suite, each rule on a subject of its own.
pub async fn check(subject: impl Fn() -> Box<dyn Subject>) {
    check_endless(&subject).await;
    an_ended_track_says_so(subject()).await;
}

/// The same for a source whose tracks have no end.
pub async fn check_endless(subject: impl Fn() -> Box<dyn Subject>) {
    positions_are_in_reading_order(subject()).await;
    for seed in 1..=24 {
        nothing_is_lost_or_repeated(subject(), seed).await;
    }
    latest_gives_exactly_what_comes_after(subject()).await;
    a_new_track_is_read_from_its_first_record(subject()).await;
    a_known_track_is_not_told_again(subject()).await;
    an_empty_read_stands_where_it_stood(subject()).await;
    a_broken_source_goes_on_where_it_stood(subject()).await;
    the_event_has_exactly_the_promised_bytes(subject()).await;
}

/// Byte order of positions is reading order, `passed` lies above all that was read and not above what is to
/// come.
pub async fn positions_are_in_reading_order(mut subject: Box<dyn Subject>) {
    let track = subject.add_track();
    subject.append(track, 50);
    let source = subject.source();
    let name = only_track(source.as_ref()).await;
    let mut reader = open(source.as_ref(), &name, &first(source.as_ref())).await;
    let mut bound: Option<Position> = None;
    for n_records in [7, 1, 30, 1000] {
        let read = reader.read(room(n_records)).await.expect("the source works");
        let passed = read.passed.clone().expect("something was read");
        for pair in read.records.windows(2) {
            assert!(pair[0].position < pair[1].position, "positions must ascend in reading order");
        }
        let is_pushed = source.tracks().is_some_and(|it| it.facts().pushes);
        assert!(
            is_pushed || read.records.len() <= n_records as usize,
            "a read brings no more records than there is room for"
        );
        assert!(
            read.records.iter().all(|it| it.position < passed),
            "passed must lie above every record that was read"
        );
        let lowest = read.records.first().map(|it| it.position.clone());
        assert!(lowest >= bound.filter(|_| lowest.is_some()), "passed must not lie above what is to come");
        bound = Some(passed);
    }
}

/// Random splits into reads, restarts and bounds: what is read is what was written.
pub async fn nothing_is_lost_or_repeated(mut subject: Box<dyn Subject>, seed: u64) {
    let mut draw = Draw(seed);
    let track = subject.add_track();
    subject.append(track, 1 + draw.below(20));
    let mut source = subject.source();
    let name = only_track(source.as_ref()).await;
    let mut at = first(source.as_ref());
    let mut reader = open(source.as_ref(), &name, &at).await;
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for _ in 0..60 {
        match draw.below(6) {
            0 => subject.append(track, draw.below(30)),
            1 => reader = open(source.as_ref(), &name, &at).await,
            2 => {
                subject.restart();
                source = subject.source();
                reader = open(source.as_ref(), &name, &at).await;
            }
            _ => {
                let n_records = u32::try_from(1 + draw.below(12)).expect("it is small");
                let read = reader.read(room(n_records)).await.expect("the source works");
                // The bound may be the first open record as well as `passed`: give some records back.
                let kept =
                    if draw.below(3) == 0 { draw.below(read.records.len() + 1) } else { read.records.len() };
                seen.extend(read.records[..kept].iter().map(|it| it.data.to_vec()));
                if let Some(back) = read.records.get(kept) {
                    at = Watermark::At(back.position.clone());
                    reader = open(source.as_ref(), &name, &at).await;
                } else if let Some(passed) = read.passed {
                    at = Watermark::At(passed);
                }
            }
        }
    }
    // A track may have one reader only.
    drop(reader);
    seen.extend(read_rest(source.as_ref(), &name, &at).await.iter().map(|it| it.data.to_vec()));
    assert_eq!(seen, subject.written(track), "seed {seed}");
}

/// LATEST means exactly what comes after the origins were asked for; a restart in between changes nothing.
pub async fn latest_gives_exactly_what_comes_after(mut subject: Box<dyn Subject>) {
    let track = subject.add_track();
    subject.append(track, 9);
    let origins =
        subject.source().explorer().origins(StartingPosition::Latest).await.expect("the source works");
    let [(name, origin)] = <[(TrackName, Origin); 1]>::try_from(origins).expect("there is one track");
    subject.append(track, 5);
    subject.restart();
    let source = subject.source();
    let read = read_rest(source.as_ref(), &name, &Watermark::Origin(origin)).await;
    assert_eq!(data(&read), subject.written(track)[9..]);

    let origins = source.explorer().origins(StartingPosition::TrimHorizon).await.expect("the source works");
    let (name, origin) = origins.into_iter().next().expect("there is one track");
    assert_eq!(
        data(&read_rest(source.as_ref(), &name, &Watermark::Origin(origin)).await),
        subject.written(track)
    );
}

/// A track that was not there when the mapping began is read from its first record.
pub async fn a_new_track_is_read_from_its_first_record(mut subject: Box<dyn Subject>) {
    let old = subject.add_track();
    subject.append(old, 2);
    let source = subject.source();
    let origins = source.explorer().origins(StartingPosition::Latest).await.expect("the source works");
    let known = Known(origins.into_iter().map(|(name, _)| (name, Standing::Open)).collect());
    let new = subject.add_track();
    subject.append(new, 3);
    let listing = source.tracks().expect("it has tracks").list(&known).await.expect("the source works");
    assert_eq!(listing.tracks.len(), 1, "the new track and no other is told");
    let read = read_rest(source.as_ref(), &listing.tracks[0].name, &first(source.as_ref())).await;
    assert_eq!(data(&read), subject.written(new));
}

/// What a mapping knows it is not told again, not even after a restart and further records.
pub async fn a_known_track_is_not_told_again(mut subject: Box<dyn Subject>) {
    let track = subject.add_track();
    subject.append(track, 1);
    let known = Known([(only_track(subject.source().as_ref()).await, Standing::Open)].into());
    for _ in 0..3 {
        subject.append(track, 40);
        let listing =
            subject.source().tracks().expect("it has tracks").list(&known).await.expect("the source works");
        assert_eq!(listing.tracks, [], "a track is told once");
        subject.restart();
    }
}

/// A track that has ended is read to its last record, then says so, also to a reader that opens it
/// afterwards.
pub async fn an_ended_track_says_so(mut subject: Box<dyn Subject>) {
    let track = subject.add_track();
    subject.append(track, 8);
    let source = subject.source();
    let name = only_track(source.as_ref()).await;
    let mut reader = open(source.as_ref(), &name, &first(source.as_ref())).await;
    let mut reads = vec![reader.read(room(3)).await.expect("the source works")];
    subject.end(track);
    source.tracks().expect("it has tracks").list(&Known::default()).await.expect("the source works");
    while !reads.last().is_some_and(|read| read.ended) {
        assert!(reads.len() < 1000, "an ended track must say so");
        reads.push(reader.read(room(3)).await.expect("the source works"));
    }
    let records: Vec<RawRecord> = reads.into_iter().flat_map(|read| read.records).collect();
    assert_eq!(data(&records), subject.written(track));
}

/// A read that brings nothing does not move.
pub async fn an_empty_read_stands_where_it_stood(mut subject: Box<dyn Subject>) {
    let track = subject.add_track();
    subject.append(track, 4);
    let source = subject.source();
    let name = only_track(source.as_ref()).await;
    let mut reader = open(source.as_ref(), &name, &first(source.as_ref())).await;
    let all = reader.read(room(100)).await.expect("the source works");
    let nothing = reader.read(room(100)).await.expect("the source works");
    assert_eq!((nothing.records.len(), nothing.passed, nothing.ended), (0, all.passed, false));
}

/// While the source is broken every read is an error that may heal; then a reader goes on where the last one
/// stood.
pub async fn a_broken_source_goes_on_where_it_stood(mut subject: Box<dyn Subject>) {
    let track = subject.add_track();
    subject.append(track, 6);
    let source = subject.source();
    let name = only_track(source.as_ref()).await;
    let mut reader = open(source.as_ref(), &name, &first(source.as_ref())).await;
    let mut seen = reader.read(room(2)).await.expect("the source works");
    subject.append(track, 6);
    subject.set_broken(true);
    let known = Known([(name.clone(), Standing::Open)].into());
    let listing = source.tracks().expect("it has tracks").list(&known).await;
    assert!(
        listing.map_or_else(|error| error.is_transient(), |it| it.trouble.is_some()),
        "a broken source does not look empty"
    );
    let error = loop {
        match reader.read(room(100)).await {
            Ok(read) if read.records.is_empty() => {}
            Ok(read) => {
                seen.passed = read.passed;
                seen.records.extend(read.records);
            }
            Err(error) => break error,
        }
    };
    assert!(error.is_transient(), "a source that may heal says so: {error}");
    drop(reader);
    subject.set_broken(false);
    let at = seen.passed.clone().map_or_else(|| first(source.as_ref()), Watermark::At);
    seen.records.extend(read_rest(source.as_ref(), &name, &at).await);
    assert_eq!(data(&seen.records), subject.written(track));
}

/// An event of n records has `envelope_bytes`, theirs and n − 1 commas; it is valid JSON, and each record
/// answers to its name.
pub async fn the_event_has_exactly_the_promised_bytes(mut subject: Box<dyn Subject>) {
    let track = subject.add_track();
    subject.append(track, 12);
    let source = subject.source();
    let name = only_track(source.as_ref()).await;
    let raws = read_rest(source.as_ref(), &name, &first(source.as_ref())).await;
    let renderer = source.format().renderer(false);
    let render = |raw: &RawRecord| {
        let mut bytes = b"before".to_vec();
        renderer.render(raw, &mut bytes);
        assert!(bytes.starts_with(b"before"), "rendering appends");
        Record {
            id: raw.id.clone(),
            place: Place::Track(TrackIdx(0), raw.position.clone()),
            key: raw.key.clone(),
            arrival: raw.arrival,
            bytes: bytes.split_off(6).into(),
            section: renderer.section(raw),
        }
    };
    let records: Vec<Record> = raws.iter().map(render).collect();
    for n_records in 1..=records.len() {
        let batch = &records[..n_records];
        let event = source.format().wrap(batch).concat();
        let sections: std::collections::BTreeMap<u32, u64> =
            batch.iter().map(|it| (it.section.idx, it.section.bytes.into())).collect();
        let promised: u64 = source.format().envelope_bytes()
            + batch.iter().map(Record::n_bytes).sum::<u64>()
            + sections.values().sum::<u64>();
        assert_eq!(event.len() as u64, promised + n_records as u64 - 1);
        serde_json::from_slice::<serde_json::Value>(&event).expect("an event is valid JSON");
        let (key, info) = source.format().batch_info(batch);
        assert!(key.ends_with("BatchInfo") && info["batchSize"] == n_records, "{key}: {info}");
    }
    for record in &records {
        let name = RawValue::from_string(subject.reported(record)).expect("it is JSON");
        assert_eq!(
            source.format().identify(&name).as_ref(),
            Some(&record.id),
            "a record answers to its name"
        );
    }
    for other in ["null", "{}", "[]", "true", "\"\""] {
        let other = RawValue::from_string(other.to_owned()).expect("it is JSON");
        assert_eq!(source.format().identify(&other), None, "{other} names no record");
    }
}

/// Room for some records, without waiting.
pub fn room(records_max: u32) -> Room {
    Room { records_max, bytes_max: 1 << 20, wait: Duration::ZERO }
}

/// Reads until a read brings nothing and does not move.
pub async fn read_rest(source: &dyn Source, name: &TrackName, from: &Watermark) -> Vec<RawRecord> {
    let mut reader = open(source, name, from).await;
    let mut records = Vec::new();
    let mut passed: Option<Position> = None;
    loop {
        let read: RawRead = reader.read(room(1000)).await.expect("the source works");
        let is_done = read.ended || (read.records.is_empty() && read.passed == passed);
        records.extend(read.records);
        passed = read.passed;
        if is_done {
            return records;
        }
    }
}

async fn only_track(source: &dyn Source) -> TrackName {
    let listing =
        source.tracks().expect("it has tracks").list(&Known::default()).await.expect("the source works");
    let [track] = <[_; 1]>::try_from(listing.tracks).expect("there is one track");
    track.name
}

async fn open(source: &dyn Source, name: &TrackName, from: &Watermark) -> Box<dyn crate::source::Reader> {
    let opened: Result<_, SourceError> = source.tracks().expect("it has tracks").open(name, from).await;
    opened.expect("the source works")
}

fn first(source: &dyn Source) -> Watermark {
    Watermark::Origin(source.tracks().expect("it has tracks").first())
}

fn data(records: &[RawRecord]) -> Vec<Vec<u8>> {
    records.iter().map(|it| it.data.to_vec()).collect()
}

/// Numbers from a seed (SplitMix64), so that a failing run can be repeated.
pub struct Draw(pub u64);

impl Draw {
    /// A number below `n`; zero when `n` is.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % (n.max(1) as u64)).expect("it is below a usize")
    }
}
