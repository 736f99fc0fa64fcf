//! Text files, followed as `tail -F` does: a record a line. `docs/sources/file.md` is the manual.
//!
//! A track is a file's identity (`identity`), a position the byte offset of a line, a batch holds one file. Everything that may block
//! happens on the source's own thread (`thread`).

mod client;
mod content;
mod cursor;
mod error;
mod event;
mod evidence;
mod exclude;
#[cfg(any(test, feature = "fakes"))]
pub mod fake;
mod identity;
mod lines;
mod long;
mod origins;
mod places;
mod reader;
mod settings;
mod sightings;
#[cfg(test)]
mod tests;
mod thread;
mod window;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use forebay_batcher::{Origin, Position, Record, RecordId, ShortBytes, UnixMillis, Watermark};
use forebay_config::profile::{FilterMismatch, Setting, SourceShape};
use forebay_config::settings::SettingSpec;
use forebay_config::{Finding, Node, SourceProfile, StartingPosition};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use self::client::FileSystem;
use self::cursor::{Cursor, Limits};
use self::error::FileError;
use self::evidence::Start;
use self::identity::Identity;
use self::reader::FileReader;
use self::settings::FileSettings;
use self::sightings::{Found, Sightings};
use self::thread::{IoThread, Tried};
use crate::places::{Backlog, PlaceError, Stand};
use crate::source::{BoxFuture, Known, Listing, Reader, Renderer, Source, SourceError, SourceKind, SourceSettings, TrackInfo, TrackName};

/// `source: { file: … }`
#[derive(Debug)]
pub struct FileKind;

/// `parallelization_factor` is not among them: the order of a file is that of its lines, so one batch of it runs at a time.
static PROFILE: SourceProfile = SourceProfile {
    kind: "file",
    shape: SourceShape::Tracks,
    batch_size_default: 100,
    batch_size_max: 10_000,
    window_ms_default: 0,
    batch_size_without_window_max: None,
    settings: &[
        Setting::BatchingWindow,
        Setting::StartingPosition,
        Setting::RetryAttempts,
        Setting::RecordAge,
        Setting::Bisect,
        Setting::ResponseTypes,
        Setting::OnFailure,
        Setting::MaximumConcurrency,
    ],
    data_key: Some("body"),
    filter_mismatch: FilterMismatch::Drop,
    plain_data_patterns: true,
    mixes_tracks: false,
    function_timeout_max: 900,
};

impl SourceKind for FileKind {
    fn profile(&self) -> &'static SourceProfile {
        &PROFILE
    }

    fn settings(&self) -> &'static [SettingSpec] {
        &settings::SPECS
    }

    fn parse(&self, settings: &Node, base: &Path) -> Result<Box<dyn SourceSettings>, Vec<Finding>> {
        FileSettings::parse(settings, base).map(|it| Box::new(it) as Box<dyn SourceSettings>)
    }

    #[cfg(any(test, feature = "fakes"))]
    fn subject(&self) -> crate::contract::AnySubject {
        crate::contract::AnySubject::Tracks(Box::new(fake::FakeSubject::new()))
    }
}

/// Files that a path or pattern names.
pub(crate) struct FileSource {
    sightings: Arc<Mutex<Sightings>>,
    limits: Limits,
    what: String,
    thread: Arc<IoThread>,
}

impl FileSource {
    fn start(settings: FileSettings, files: Arc<dyn FileSystem>) -> Result<Self, SourceError> {
        let FileSettings { path, exclude, line_bytes_max, rotate_wait } = settings;
        let what = path.to_string();
        let thread = IoThread::start("forebay-files").map_err(|error| FileError::of(error).on(Path::new(&what)))?;
        let sightings = Arc::new(Mutex::new(Sightings::new(files, path, exclude, rotate_wait)));
        Ok(Self { sightings, limits: Limits { line_bytes_max, rotate_wait }, what, thread: Arc::new(thread) })
    }

    /// Runs `job` on the thread.
    fn run<T: Send + 'static>(&self, job: impl FnOnce(&mut Sightings) -> T + Send + 'static) -> BoxFuture<'_, Result<T, SourceError>> {
        let sightings = Arc::clone(&self.sightings);
        let (sender, receiver) = oneshot::channel();
        let mut work = Some((job, sender));
        let done = self.thread.ask(Instant::now(), move || {
            if let Some((job, sender)) = work.take() {
                // Whoever asked may be gone.
                drop(sender.send(job(&mut sightings.lock().expect("nothing panics under this lock"))));
            }
            Tried::Done
        });
        Box::pin(async move {
            let died = || FileError::ThreadDied.on(Path::new(&self.what));
            done.await.map_err(|_| died())?;
            receiver.await.map_err(|_| died())
        })
    }
}

impl Source for FileSource {
    fn tracks<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        let known = known.clone();
        self.run(move |sightings| sightings.tracks(&known, now()))
    }

    fn describe<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Vec<TrackInfo>, SourceError>> {
        let known = known.clone();
        self.run(move |sightings| sightings.describe(&known))
    }

    fn rediscover_every(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn origins(&self, start: StartingPosition) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>> {
        let origins = self.run(move |sightings| sightings.origins(start, now()));
        Box::pin(async move { origins.await? })
    }

    fn first(&self) -> Origin {
        Origin(ShortBytes::new(b""))
    }

    fn places<'a>(&'a self, known: &'a Known, start: StartingPosition) -> BoxFuture<'a, Result<Vec<(TrackName, Origin)>, PlaceError>> {
        let known = known.clone();
        let places = self.run(move |sightings| places::of(sightings, &known, start, now()));
        Box::pin(async move { places.await? })
    }

    fn bound<'a>(&'a self, track: &'a TrackName, told: &'a str) -> BoxFuture<'a, Result<Watermark, PlaceError>> {
        let (track, told) = (track.clone(), told.to_owned());
        let bound = self.run(move |sightings| places::bound(sightings, &track, &told));
        Box::pin(async move { bound.await? })
    }

    fn backlog<'a>(&'a self, stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        let stands = stands.to_vec();
        let n_bytes = self.run(move |sightings| places::n_bytes_behind(sightings, &stands, now()));
        Box::pin(async move { Ok(Backlog { records: None, bytes: Some(n_bytes.await??) }) })
    }

    fn end_of_stretch(&self, kept: Position) -> Position {
        evidence::end_of_stretch(kept)
    }

    fn open<'a>(&'a self, track: &'a TrackName, from: &'a Watermark) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>> {
        let lost = |why: &str| SourceError::PositionLost { what: format!("track {}", track.0), why: why.to_owned() };
        let identity = Identity::parse(track).ok_or_else(|| lost("its name is none of a file"));
        let start = Start::of(from).ok_or_else(|| lost("the position is no offset"));
        let (shared, thread, limits) = (Arc::clone(&self.sightings), Arc::clone(&self.thread), self.limits);
        Box::pin(async move {
            let (identity, start) = (identity?, start?);
            let opened = self.run(move |sightings| match sightings.find(&identity)? {
                Found::Here(path, file) => {
                    let place = start.find(file.as_ref()).map_err(|error| FileError::of(error).on(&path))?;
                    Ok(Some(Cursor::new(file, shared, identity, path, limits, place)))
                }
                Found::Gone => Ok(None),
            });
            let reader: Box<dyn Reader> = match opened.await?? {
                Some(cursor) => Box::new(FileReader::new(cursor, thread)),
                None => {
                    tracing::warn!(track = %track.0, offset = start.offset(), "file is gone; what was not read of it is lost");
                    Box::new(reader::Gone::at(from))
                }
            };
            Ok(reader)
        })
    }

    fn renderer(&self) -> Arc<dyn Renderer> {
        Arc::new(event::FileRenderer)
    }

    fn envelope_bytes(&self) -> u64 {
        event::ENVELOPE_BYTES
    }

    fn wrap(&self, batch: &[Record]) -> Vec<Bytes> {
        event::wrap(batch)
    }

    fn identify(&self, reported: &RawValue) -> Option<RecordId> {
        event::identify(reported)
    }

    fn batch_info(&self, records: &[Record]) -> (&'static str, serde_json::Value) {
        ("FileBatchInfo", event::batch_info(records))
    }

    fn original_key(&self, _record: &Record) -> Option<Bytes> {
        None
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
