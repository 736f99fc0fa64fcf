//! A source of records that a test appends: one track for each name, positions are indices.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{OrderKey, Origin, Position, Record, RecordId, ShortBytes, UnixMillis, Watermark};
use forebay_clients::Clients;
use forebay_config::StartingPosition;
use forebay_daemon::clock::Clock;
use forebay_pollers::{
    Backlog, BoxFuture, EventFormat, Explorer, Input, Known, Listing, PlaceError, RawRead, RawRecord, Reader,
    RecordFilter, Renderer, Room, Source, SourceError, SourceSettings, Stand, TrackInfo, TrackName, Tracks,
    TracksFacts,
};
use serde_json::value::RawValue;
use tokio::sync::Notify;

/// What a test appends to, and what its mappings connect to.
#[derive(Debug, Clone)]
pub(crate) struct FakeSource(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tracks: Mutex<BTreeMap<String, Vec<(String, UnixMillis)>>>,
    bell: Notify,
    clock: Clock,
    down: AtomicBool,
    /// Tracks that cannot be read, and how often that was found out.
    tracks_down: Mutex<BTreeMap<String, u32>>,
    /// Tracks that have no more records.
    ended: Mutex<BTreeSet<String>>,
    /// Tracks that are not listed any more.
    unlisted: Mutex<BTreeSet<String>>,
    n_panics_in_first: AtomicU32,
    n_panics_in_render: AtomicU32,
    /// Records that cannot be rendered, and tracks that cannot be read, without a panic.
    panics_over: Mutex<Option<String>>,
    n_panics_in_rediscovery: AtomicU32,
    n_reads: AtomicU32,
    /// The most records that a read had room for.
    room_max: AtomicU32,
    /// Records that are to wait on a track at least.
    waiting_min: AtomicU32,
    n_opened: AtomicU32,
    n_backlogs: AtomicU32,
}

impl FakeSource {
    pub(crate) fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            tracks: Mutex::default(),
            bell: Notify::new(),
            clock,
            down: AtomicBool::new(false),
            tracks_down: Mutex::default(),
            ended: Mutex::default(),
            unlisted: Mutex::default(),
            n_panics_in_first: AtomicU32::new(0),
            n_panics_in_render: AtomicU32::new(0),
            panics_over: Mutex::default(),
            n_panics_in_rediscovery: AtomicU32::new(0),
            n_reads: AtomicU32::new(0),
            room_max: AtomicU32::new(0),
            waiting_min: AtomicU32::new(0),
            n_opened: AtomicU32::new(0),
            n_backlogs: AtomicU32::new(0),
        }))
    }

    /// Appends records; a track that is not there comes to be.
    pub(crate) fn append(&self, track: &str, records: &[&str]) {
        let now = self.0.clock.now().unix;
        let mut tracks = self.0.tracks.lock().unwrap();
        let log = tracks.entry(track.to_owned()).or_default();
        log.extend(records.iter().map(|it| ((*it).to_owned(), now)));
        drop(tracks);
        self.0.bell.notify_waiters();
    }

    /// The track has no more records.
    pub(crate) fn end(&self, track: &str) {
        self.0.ended.lock().unwrap().insert(track.to_owned());
        self.0.bell.notify_waiters();
    }

    /// The track is not listed any more.
    pub(crate) fn unlist(&self, track: &str) {
        self.0.unlisted.lock().unwrap().insert(track.to_owned());
    }

    /// Makes everything fail until told otherwise.
    pub(crate) fn set_down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
        self.0.bell.notify_waiters();
    }

    /// Makes every read of a track fail.
    pub(crate) fn take_down(&self, track: &str) {
        self.0.tracks_down.lock().unwrap().insert(track.to_owned(), 0);
        self.0.bell.notify_waiters();
    }

    /// How often reads of a track that was taken down have failed.
    pub(crate) fn n_failed(&self, track: &str) -> u32 {
        self.0.tracks_down.lock().unwrap()[track]
    }

    /// The next track that is discovered makes the mapping's loop panic.
    pub(crate) fn panic_in_first(&self) {
        self.0.n_panics_in_first.store(1, Ordering::SeqCst);
    }

    /// The next record that is rendered makes the renderer panic.
    pub(crate) fn panic_in_render(&self) {
        self.0.n_panics_in_render.store(1, Ordering::SeqCst);
    }

    /// The next listing makes the feed panic.
    pub(crate) fn panic_in_feed(&self) {
        self.0.n_panics_in_rediscovery.store(1, Ordering::SeqCst);
    }

    /// Whatever reads this track, or renders this record, panics; `None` ends that.
    pub(crate) fn panic_over(&self, what: Option<&str>) {
        *self.0.panics_over.lock().unwrap() = what.map(str::to_owned);
    }

    fn check_panic(&self, what: &str) {
        let panics = self.0.panics_over.lock().unwrap().as_deref() == Some(what);
        assert!(!panics, "the test wants {what} to be its death");
    }

    /// How often readers were asked.
    pub(crate) fn n_reads(&self) -> u32 {
        self.0.n_reads.load(Ordering::SeqCst)
    }

    /// The most records that a read had room for since the last call.
    pub(crate) fn take_room_max(&self) -> u32 {
        self.0.room_max.swap(0, Ordering::SeqCst)
    }

    /// Its reads are counted: so many records of a track may wait.
    pub(crate) fn set_waiting_min(&self, n: u32) {
        self.0.waiting_min.store(n, Ordering::SeqCst);
    }

    /// How many readers were opened.
    pub(crate) fn n_opened(&self) -> u32 {
        self.0.n_opened.load(Ordering::SeqCst)
    }

    /// How often the backlog was asked for.
    pub(crate) fn n_backlogs(&self) -> u32 {
        self.0.n_backlogs.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), SourceError> {
        if self.0.down.load(Ordering::SeqCst) {
            return Err(SourceError::Down {
                what: "the fake".into(),
                code: SourceError::DOWN,
                cause: "pulled the plug".into(),
            });
        }
        Ok(())
    }

    fn check_track(&self, track: &str) -> Result<(), SourceError> {
        match self.0.tracks_down.lock().unwrap().get_mut(track) {
            None => Ok(()),
            Some(n_failed) => {
                *n_failed += 1;
                Err(SourceError::Down {
                    what: track.to_owned(),
                    code: SourceError::DOWN,
                    cause: "it was taken down".into(),
                })
            }
        }
    }

    fn len(&self, track: &str) -> u64 {
        self.0.tracks.lock().unwrap().get(track).map_or(0, Vec::len) as u64
    }
}

fn take_one(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
}

impl SourceSettings for FakeSource {
    fn identity(&self) -> String {
        format!("fake:{:p}", Arc::as_ptr(&self.0))
    }

    fn connect<'a>(&'a self, _clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async move {
            self.check()?;
            Ok(Arc::new(self.clone()) as Arc<dyn Source>)
        })
    }
}

impl Source for FakeSource {
    fn input(&self) -> Input<'_> {
        Input::Tracks(self)
    }

    fn format(&self) -> &dyn EventFormat {
        self
    }

    fn explorer(&self) -> &dyn Explorer {
        self
    }
}

impl Tracks for FakeSource {
    fn facts(&self) -> TracksFacts {
        let waiting_min = self.0.waiting_min.load(Ordering::SeqCst);
        TracksFacts { waiting_min, ..TracksFacts::default() }
    }

    fn list<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        Box::pin(async move {
            self.check()?;
            let tracks = self.0.tracks.lock().unwrap();
            let unlisted = self.0.unlisted.lock().unwrap();
            let listed = tracks.keys().filter(|it| !unlisted.contains(*it));
            let new = listed.map(|it| TrackName(it.clone())).filter(|it| !known.0.contains_key(it));
            let tracks =
                new.map(|name| TrackInfo { label: name.0.clone(), name, parents: Vec::new() }).collect();
            Ok(Listing { tracks, trouble: None })
        })
    }

    fn rediscover_every(&self) -> Duration {
        assert!(!take_one(&self.0.n_panics_in_rediscovery), "the test wants the feed to die");
        Duration::from_secs(1)
    }

    fn first(&self) -> Origin {
        assert!(!take_one(&self.0.n_panics_in_first), "the test wants the loop to die");
        origin_at(0)
    }

    fn open<'a>(
        &'a self,
        track: &'a TrackName,
        from: &'a Watermark,
    ) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>> {
        Box::pin(async move {
            self.check()?;
            self.0.n_opened.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(FakeReader { source: self.clone(), track: track.0.clone(), next: index(from) })
                as Box<dyn Reader>)
        })
    }
}

impl Explorer for FakeSource {
    fn describe<'a>(&'a self, _known: &'a Known) -> BoxFuture<'a, Result<Vec<TrackInfo>, SourceError>> {
        static NONE: Known = Known(BTreeMap::new());
        Box::pin(async { Ok(self.list(&NONE).await?.tracks) })
    }

    fn origins(
        &self,
        start: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>> {
        Box::pin(async move {
            self.check()?;
            let tracks = self.0.tracks.lock().unwrap();
            let origin = |len: usize| match start {
                StartingPosition::TrimHorizon | StartingPosition::AtTimestamp(_) => origin_at(0),
                StartingPosition::Latest => origin_at(len as u64),
            };
            Ok(tracks.iter().map(|(name, log)| (TrackName(name.clone()), origin(log.len()))).collect())
        })
    }

    fn places<'a>(
        &'a self,
        _known: &'a Known,
        start: StartingPosition,
    ) -> BoxFuture<'a, Result<Vec<(TrackName, Origin)>, PlaceError>> {
        Box::pin(async move { Ok(self.origins(start).await?) })
    }

    fn bound<'a>(
        &'a self,
        track: &'a TrackName,
        told: &'a str,
    ) -> BoxFuture<'a, Result<Watermark, PlaceError>> {
        Box::pin(async move {
            let at = told.parse::<u64>().ok().filter(|at| *at <= self.len(&track.0));
            at.map(|at| Watermark::At(Position::number(at)))
                .ok_or_else(|| PlaceError::None(format!("{told} is no index of {}", track.0)))
        })
    }

    fn backlog<'a>(&'a self, stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async move {
            self.0.n_backlogs.fetch_add(1, Ordering::SeqCst);
            self.check()?;
            let behind = |it: &Stand| self.len(&it.track.0) - index(&it.bound);
            Ok(Backlog { records: Some(stands.iter().map(behind).sum()), bytes: None })
        })
    }
}

impl EventFormat for FakeSource {
    fn renderer(&self, _has_window: bool) -> Arc<dyn Renderer> {
        Arc::new(self.clone())
    }

    fn envelope_bytes(&self) -> u64 {
        "[]".len() as u64
    }

    fn wrap(&self, batch: &[Record]) -> Vec<Bytes> {
        let records: Vec<_> = batch.iter().map(|it| std::str::from_utf8(&it.bytes).unwrap()).collect();
        vec![format!("[{}]", records.join(",")).into()]
    }

    fn identify(&self, reported: &RawValue) -> Option<RecordId> {
        let name: String = serde_json::from_str(reported.get()).ok()?;
        Some(RecordId::new(name.as_bytes()))
    }

    fn batch_info(&self, records: &[Record]) -> (&'static str, serde_json::Value) {
        ("FakeBatchInfo", serde_json::json!({ "batchSize": records.len() }))
    }
}

impl Renderer for FakeSource {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        assert!(!take_one(&self.0.n_panics_in_render), "the test wants the renderer to die");
        self.check_panic(std::str::from_utf8(&record.data).unwrap());
        out.push(b'"');
        out.extend_from_slice(&record.data);
        out.push(b'"');
    }
}

/// Seven bytes: shorter than a position, so that it sorts below every one with the same digits; a test's
/// indices are small.
fn origin_at(index: u64) -> Origin {
    Origin(ShortBytes::new(&index.to_be_bytes()[1..]))
}

fn index(bound: &Watermark) -> u64 {
    match bound {
        Watermark::Origin(Origin(bytes)) => {
            bytes.as_slice().iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
        }
        Watermark::At(position) => position.as_number().expect("positions are numbers"),
    }
}

struct FakeReader {
    source: FakeSource,
    track: String,
    next: u64,
}

impl Reader for FakeReader {
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(async move {
            self.source.0.n_reads.fetch_add(1, Ordering::SeqCst);
            self.source.0.room_max.fetch_max(room.records_max, Ordering::SeqCst);
            let until = tokio::time::Instant::now() + room.wait;
            loop {
                let source = self.source.clone();
                let bell = source.0.bell.notified();
                self.source.check()?;
                self.source.check_track(&self.track)?;
                self.source.check_panic(&self.track);
                let ended = self.source.0.ended.lock().unwrap().contains(&self.track);
                if ended
                    || self.source.len(&self.track) > self.next
                    || tokio::time::timeout_at(until, bell).await.is_err()
                {
                    break;
                }
            }
            let tracks = self.source.0.tracks.lock().unwrap();
            let log = &tracks[&self.track];
            let start = usize::try_from(self.next).unwrap();
            let new = &log[start.min(log.len())..];
            let records: Vec<_> = new
                .iter()
                .take(room.records_max as usize)
                .zip(self.next..)
                .map(|((data, arrival), index)| RawRecord {
                    id: RecordId::new(data.as_bytes()),
                    position: Position::number(index),
                    key: OrderKey::Key(Bytes::from_static(b"one")),
                    arrival: *arrival,
                    data: data.clone().into(),
                    facts: Arc::new(()) as Arc<dyn Any + Send + Sync>,
                })
                .collect();
            self.next += records.len() as u64;
            let ended =
                self.source.0.ended.lock().unwrap().contains(&self.track) && self.next == log.len() as u64;
            Ok(RawRead { records, passed: Some(Position::number(self.next)), ended, ..RawRead::default() })
        })
    }
}

/// Lets through what does not begin with this word.
pub(crate) struct Without(pub(crate) &'static str);

impl RecordFilter for Without {
    fn needs_data(&self) -> bool {
        true
    }

    fn passes(&self, _metadata: &[u8], data: Option<&[u8]>) -> bool {
        data.is_some_and(|it| !it.starts_with(self.0.as_bytes()))
    }
}
