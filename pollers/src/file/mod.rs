//! Text files, followed as `tail -F` does: a record a line. `docs/sources/file.md` is the manual.
//!
//! A track is a file's identity (`identity`), a position the byte offset of a line, a batch holds one file.
//! Everything that may block happens on a few threads that all file sources share (`io`); files are watched
//! where the system can (`attention`, `watching`), and those at their end are closed when descriptors are
//! short (`open_files`).

mod ancestry;
mod attention;
mod client;
mod content;
mod cursor;
mod ears;
mod error;
mod event;
mod evidence;
mod exclude;
#[cfg(any(test, feature = "fakes"))]
pub mod fake;
mod identity;
mod io;
mod lines;
mod long;
mod mounts;
mod open_files;
mod origins;
mod places;
mod reader;
#[cfg(test)]
pub(crate) mod samples;
mod settings;
mod sightings;
#[cfg(test)]
mod tests;
mod walk;
mod watching;
mod window;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use forebay_batcher::{Origin, Position, ShortBytes, UnixMillis, Watermark};
use forebay_config::profile::{FilterMismatch, Setting, SourceShape};
use forebay_config::settings::SettingSpec;
use forebay_config::{Finding, Node, Redelivery, SourceProfile, StartingPosition};
use tokio::sync::oneshot;

use self::attention::Attention;
use self::client::FileSystem;
use self::cursor::{FileCursor, LookLimits, Opened};
use self::ears::Ears;
use self::error::FileError;
use self::evidence::FileStart;
use self::identity::Identity;
use self::io::{Io, JobKey, JobLane, JobOutcome, lock};
use self::mounts::LaneName;
use self::open_files::OpenFiles;
use self::reader::FileReader;
use self::settings::FileSettings;
use self::sightings::{Found, Sightings};
use self::walk::{Listed, Walk, WalkRoute};
use self::watching::Watching;
use crate::source::{
    Backlog, BoxFuture, EventFormat, Explorer, Input, Known, Listing, PlaceError, Reader, Source,
    SourceError, SourceKind, SourceSettings, Stand, TrackInfo, TrackName, Tracks,
};

/// `source: { file: … }`
#[derive(Debug)]
pub struct FileKind;

/// `parallelization_factor` is not among them: the order of a file is that of its lines, so one batch of it
/// runs at a time.
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
    retries_to_destination: None,
    redelivery: Redelivery::ByUs,
    concurrency_default: None,
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
}

/// How often files are listed whose changes are told: changes of an ancestor of their folder, and what else
/// nobody tells of.
const LIST_TOLD: Duration = Duration::from_secs(30);
/// The same where changes are not told.
const LIST_UNTOLD: Duration = Duration::from_secs(1);
/// Between two listings of a folder in which much happens: this many times what a listing takes, a second at
/// most.
const LIST_PAUSE: u32 = 4;
const LIST_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Files that a path or pattern names.
pub(crate) struct FileSource {
    files: Arc<dyn FileSystem>,
    sightings: Arc<Mutex<Sightings>>,
    limits: LookLimits,
    what: String,
    route: Arc<WalkRoute>,
    io: Io,
    lane: JobLane,
    ears: Arc<Ears>,
    is_settled: Arc<AtomicBool>,
    /// How long the last listing took.
    list_micros: Arc<AtomicU64>,
}

impl FileSource {
    fn start(settings: FileSettings, files: Arc<dyn FileSystem>) -> Result<Self, SourceError> {
        let what = settings.path.to_string();
        let io = Io::of_process().map_err(|error| FileError::NoThread(error).on(Path::new(&what)))?;
        Ok(Self::with(settings, files, io, OpenFiles::of_process()))
    }

    fn with(settings: FileSettings, files: Arc<dyn FileSystem>, io: Io, open_files: Arc<OpenFiles>) -> Self {
        let FileSettings { path, exclude, line_bytes_max, rotate_wait, by_path } = settings;
        let what = path.to_string();
        let route = Arc::new(WalkRoute::of(&path));
        let ears = Ears::new(Arc::clone(&route));
        let (shared, is_local) = files.lane(&path.folder());
        let own = is_local.then(|| LaneName(shared.0.join(&what)));
        let is_settled = Arc::new(AtomicBool::new(false));
        let watching = Watching::new(io.clone(), Arc::clone(&ears), files.is_told(), Arc::clone(&is_settled));
        let sightings =
            Sightings::new(Arc::clone(&files), (open_files, watching), path, exclude, rotate_wait)
                .by_path(by_path);
        Self {
            files,
            sightings: Arc::new(Mutex::new(sightings)),
            limits: LookLimits { line_bytes_max, rotate_wait },
            what,
            route,
            io,
            lane: JobLane { shared, own },
            ears,
            is_settled,
            list_micros: Arc::default(),
        }
    }

    /// Runs `job` where it may block.
    fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Sightings) -> T + Send + 'static,
    ) -> BoxFuture<'_, Result<T, SourceError>> {
        let sightings = Arc::clone(&self.sightings);
        let (sender, receiver) = oneshot::channel();
        let mut work = Some((job, sender));
        let attempt = move || {
            if let Some((job, sender)) = work.take() {
                // Whoever asked may be gone.
                drop(sender.send(job(&mut lock(&sightings))));
            }
            JobOutcome::Done
        };
        self.asked(self.io.key(), attempt, receiver)
    }

    /// Lists the files, then runs `job` with the listing.
    fn run_listed<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Sightings, Listed) -> T + Send + 'static,
    ) -> BoxFuture<'_, Result<T, SourceError>> {
        let (sightings, list_micros) = (Arc::clone(&self.sightings), Arc::clone(&self.list_micros));
        let (files, route) = (Arc::clone(&self.files), Arc::clone(&self.route));
        let (sender, receiver) = oneshot::channel();
        let mut work = Some((job, sender));
        let mut walk = None;
        let mut took = Duration::ZERO;
        let attempt = move || {
            let began = Instant::now();
            let walk = walk.get_or_insert_with(|| Walk::new(Arc::clone(&files), Arc::clone(&route)));
            let Some(listed) = walk.advance() else {
                took += began.elapsed();
                return JobOutcome::More;
            };
            if let Some((job, sender)) = work.take() {
                drop(sender.send(job(&mut lock(&sightings), listed)));
            }
            list_micros.store(
                u64::try_from((took + began.elapsed()).as_micros()).unwrap_or(u64::MAX),
                Ordering::Relaxed,
            );
            JobOutcome::Done
        };
        self.asked(self.io.key(), attempt, receiver)
    }

    fn asked<T: Send + 'static>(
        &self,
        key: JobKey,
        attempt: impl FnMut() -> JobOutcome + Send + 'static,
        receiver: oneshot::Receiver<T>,
    ) -> BoxFuture<'_, Result<T, SourceError>> {
        let asked = self.io.ask(&self.lane, key, Instant::now(), attempt);
        Box::pin(async move {
            let path = Path::new(&self.what);
            asked.map_err(|error| error.on(path))?.done().await.map_err(|error| error.on(path))?;
            receiver.await.map_err(|_| FileError::ThreadDied.on(path))
        })
    }

    /// A cursor in a track's file; `None` when there is no such file.
    async fn cursor(&self, identity: Identity, start: FileStart) -> Result<Option<FileCursor>, SourceError> {
        let (shared, limits, io, system) =
            (Arc::clone(&self.sightings), self.limits, self.io.clone(), Arc::clone(&self.files));
        let wanted = identity.clone();
        let is_at_hand = self.run(move |sightings| sightings.is_at_hand(&wanted)).await?;
        let open = move |sightings: &mut Sightings| match sightings.find(&identity)? {
            Found::Here(path, handle) => {
                let file = handle
                    .file()
                    .map_or_else(|| handle.open(system.as_ref(), &path), Ok)
                    .map_err(|error| error.on(&path))?;
                let place = start.find(file.as_ref()).map_err(|error| FileError::of(error).on(&path))?;
                let opened = Opened { system, handle, path, attention: Attention::new(io) };
                Ok(Some(FileCursor::new(opened, shared, identity, limits, place)))
            }
            Found::Gone => Ok(None),
        };
        if is_at_hand {
            return self.run(open).await?;
        }
        let listed = move |sightings: &mut Sightings, listed| {
            sightings.look(listed);
            open(sightings)
        };
        self.run_listed(listed).await?
    }
}

impl Source for FileSource {
    fn input(&self) -> Input<'_> {
        Input::Tracks(self)
    }

    fn format(&self) -> &dyn EventFormat {
        &event::FileFormat
    }

    fn explorer(&self) -> &dyn Explorer {
        self
    }
}

impl Tracks for FileSource {
    fn list<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        let known = known.clone();
        self.run_listed(move |sightings, listed| sightings.tracks(listed, &known, now()))
    }

    fn rediscover_every(&self) -> Duration {
        if self.is_settled.load(Ordering::Relaxed) { LIST_TOLD } else { LIST_UNTOLD }
    }

    /// A folder in which much happens is not listed without end.
    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.ears.rung().await;
            let took = Duration::from_micros(self.list_micros.load(Ordering::Relaxed));
            tokio::time::sleep((took * LIST_PAUSE).min(LIST_PAUSE_MAX)).await;
        })
    }

    fn first(&self) -> Origin {
        Origin(ShortBytes::new(b""))
    }

    fn end_of_stretch(&self, kept: Position) -> Position {
        evidence::end_of_stretch(kept)
    }

    fn open<'a>(
        &'a self,
        track: &'a TrackName,
        from: &'a Watermark,
    ) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>> {
        let lost =
            |why: &str| SourceError::PositionLost { what: format!("track {}", track.0), why: why.to_owned() };
        let identity = Identity::parse(track).ok_or_else(|| lost("its name is none of a file"));
        let start = FileStart::of(from).ok_or_else(|| lost("the position is no offset"));
        Box::pin(async move {
            let (identity, start) = (identity?, start?);
            let reader: Box<dyn Reader> = match self.cursor(identity, start).await? {
                Some(cursor) => Box::new(FileReader::new(cursor, self.io.clone(), self.lane.clone())),
                None => {
                    tracing::warn!(track = %track.0, offset = start.offset(), "file is gone; what was not read of it is lost");
                    Box::new(reader::Gone::at(from))
                }
            };
            Ok(reader)
        })
    }
}

impl Explorer for FileSource {
    fn describe<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Vec<TrackInfo>, SourceError>> {
        let known = known.clone();
        self.run_listed(move |sightings, listed| sightings.describe(listed, &known))
    }

    fn origins(
        &self,
        start: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>> {
        let origins = self.run_listed(move |sightings, listed| sightings.origins(listed, start, now()));
        Box::pin(async move { origins.await? })
    }

    fn places<'a>(
        &'a self,
        known: &'a Known,
        start: StartingPosition,
    ) -> BoxFuture<'a, Result<Vec<(TrackName, Origin)>, PlaceError>> {
        let known = known.clone();
        let places =
            self.run_listed(move |sightings, listed| places::of(sightings, listed, &known, start, now()));
        Box::pin(async move { places.await? })
    }

    fn bound<'a>(
        &'a self,
        track: &'a TrackName,
        told: &'a str,
    ) -> BoxFuture<'a, Result<Watermark, PlaceError>> {
        let (track, told) = (track.clone(), told.to_owned());
        let bound = self.run_listed(move |sightings, listed| places::bound(sightings, listed, &track, &told));
        Box::pin(async move { bound.await? })
    }

    fn backlog<'a>(&'a self, stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        let stands = stands.to_vec();
        let n_bytes = self
            .run_listed(move |sightings, listed| places::n_bytes_behind(sightings, listed, &stands, now()));
        Box::pin(async move { Ok(Backlog { records: None, bytes: Some(n_bytes.await??) }) })
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
