//! Reads one file from an offset on, line by line, and knows when the file's life is over. It runs on the
//! threads of `io`.

mod fill;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_batcher::{Gap, OrderKey, Position, UnixMillis};

use super::attention::Attention;
use super::client::{FileSystem, Kind, OpenFile, Stat};
use super::content::ContentNotice;
use super::error::FileError;
use super::event::{FileFacts, Truncated, record_id};
use super::evidence::Evidence;
use super::identity::Identity;
use super::io::{JobKey, JobOutcome, lock};
use super::lines::{LineBody, body, leading_nuls};
use super::long::Long;
use super::open_files::Handle;
use super::sightings::Sightings;
use super::window::Window;
use crate::source::{RawRead, RawRecord, Room, SourceError};

/// Bytes looked through in one turn before others have theirs.
const TURN_BYTES: u64 = 4 << 20;
/// The order within a file is that of its lines: all have one key.
const KEY: &[u8] = b"file";
/// Kept of an over-long line besides its first bytes: a byte order mark and a carriage return.
const SPARE_BYTES: usize = 4;

/// Where the rest of the limits come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct LookLimits {
    pub(super) line_bytes_max: usize,
    pub(super) rotate_wait: Duration,
}

/// What a look at the file brought.
pub(super) enum Looked {
    Found(Result<RawRead, SourceError>),
    /// Nothing: it is tried again so.
    Nothing(JobOutcome),
}

/// A file that a cursor is to read.
pub(super) struct Opened {
    pub(super) system: Arc<dyn FileSystem>,
    pub(super) handle: Arc<Handle>,
    pub(super) path: PathBuf,
    pub(super) attention: Attention,
}

/// A place in one file.
pub(super) struct FileCursor {
    system: Arc<dyn FileSystem>,
    handle: Arc<Handle>,
    attention: Attention,
    sightings: Arc<Mutex<Sightings>>,
    identity: Identity,
    path: PathBuf,
    facts: Arc<FileFacts>,
    limits: LookLimits,
    /// The first byte of the next line.
    offset: u64,
    /// The same as it is kept.
    place: Position,
    /// What is kept of the bytes before the place that reading began at.
    check: Option<[u8; 4]>,
    /// The file from the offset on, as far as it was read and kept, and some bytes before.
    window: Window,
    /// Bytes of the window's rest in which no line ends.
    n_scanned: usize,
    /// NUL bytes between the offset and its line: filler, left by a writer that went on behind a truncation.
    n_filler: u64,
    /// NUL bytes behind the window up to the end of the file, as far as it was looked at: reserved, perhaps,
    /// and not written yet.
    n_reserved: u64,
    /// Up to here NUL bytes are data: they were found in the middle of a line.
    data_to: u64,
    /// An over-long line whose end was not found yet; the window's rest follows it.
    long: Option<Long>,
    /// When what the window holds reached the file: its time of modification when the bytes were read.
    arrival: UnixMillis,
    /// What tells that the file is still the same; `None` before it was looked at.
    evidence: Option<Evidence>,
    seen: Option<Stat>,
    /// Since when the file has neither a path of ours nor new bytes.
    away_since: Option<Instant>,
    life: FileLife,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileLife {
    Goes,
    /// It is over: what is in the buffer is the last of it. The file had been seen to be this long.
    Over {
        lost_to: Option<u64>,
    },
}

impl FileCursor {
    pub(super) fn new(
        opened: Opened,
        sightings: Arc<Mutex<Sightings>>,
        identity: Identity,
        limits: LookLimits,
        (offset, check): (u64, Option<[u8; 4]>),
    ) -> Self {
        let Opened { system, handle, path, attention } = opened;
        let facts = Arc::new(FileFacts::new(&identity.name(), &path.to_string_lossy()));
        Self {
            system,
            handle,
            attention,
            sightings,
            identity,
            path,
            facts,
            limits,
            offset,
            place: check
                .map_or_else(|| Position::number(offset), |check| Position::checked_number(offset, check)),
            check,
            window: Window::default(),
            n_scanned: 0,
            n_filler: 0,
            n_reserved: 0,
            data_to: 0,
            long: None,
            arrival: UnixMillis(0),
            evidence: None,
            seen: None,
            away_since: None,
            life: FileLife::Goes,
        }
    }

    /// The name of its jobs.
    pub(super) fn key(&self) -> JobKey {
        self.attention.key()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where its next read begins.
    pub(super) fn position(&self) -> Position {
        self.place.clone()
    }

    /// Nothing was found: a read that stands where it stood.
    fn nothing(&self) -> RawRead {
        RawRead { passed: Some(self.position()), ..RawRead::default() }
    }

    /// Looks once.
    pub(super) fn look(&mut self, room: Room) -> Looked {
        match self.advance(room) {
            Ok(Some(read)) => Looked::Found(Ok(read)),
            Ok(None) => Looked::Nothing(self.attention.pace(self.away_since.is_some())),
            Err(LookEnd::Turn) => Looked::Nothing(JobOutcome::More),
            Err(LookEnd::Error(error)) => Looked::Found(Err(error)),
        }
    }

    fn advance(&mut self, room: Room) -> Result<Option<RawRead>, LookEnd> {
        let start = self.offset;
        let mut n_looked = 0;
        loop {
            let records = self.cut(room);
            if !records.is_empty() || self.offset > start {
                return Ok(Some(RawRead { records, ..self.nothing() }));
            }
            if self.life != FileLife::Goes {
                return Ok(Some(self.last()));
            }
            // A line without an end would otherwise hold the thread of its file system for gigabytes.
            if n_looked >= TURN_BYTES {
                return Err(LookEnd::Turn);
            }
            match self.fill()? {
                0 if self.life == FileLife::Goes && !self.is_left_for_good()? => {
                    // What was written before the watch began is seen by one look more.
                    if !self.begins_to_listen() {
                        return Ok(None);
                    }
                }
                n => n_looked += n,
            }
        }
    }

    /// Cuts whole lines off the window, as many as there is room for.
    fn cut(&mut self, room: Room) -> Vec<RawRecord> {
        let mut records: Vec<RawRecord> = Vec::new();
        let mut n_bytes = 0;
        while let Some(found) = memchr::memchr(b'\n', &self.window.rest()[self.n_scanned..]) {
            let end = self.n_scanned + found;
            let line_bytes = self.long.as_ref().map_or(end, |long| long.kept.len()) as u64;
            // One line is always given, however small the room: a line that is larger would stop its file for
            // good.
            let fits = records.is_empty()
                || (records.len() < room.records_max as usize && n_bytes + line_bytes <= room.bytes_max);
            if !fits {
                // The end of this line was found; it is not looked for again from its beginning.
                self.n_scanned = end;
                return records;
            }
            let rest = self.window.take(end + 1).slice(..end);
            let rest = self.without_filler(rest);
            let (line, beyond, line_len) = Long::join(self.long.take(), rest);
            records.extend(self.record(&line, beyond));
            n_bytes += line_bytes;
            self.n_scanned = 0;
            self.pass(line_len + 1);
        }
        self.set_aside();
        records
    }

    /// The line that was cut without the NUL bytes that it begins with.
    fn without_filler(&mut self, line: Bytes) -> Bytes {
        let n_nuls = if self.long.is_none() { leading_nuls(&line) } else { 0 };
        self.n_filler += n_nuls as u64;
        if self.n_filler > 0 && self.tell_once(ContentNotice::Filler) {
            let n_bytes = self.n_filler;
            tracing::warn!(path = %self.path.display(), offset = self.offset, n_bytes, "NUL bytes before a line are passed over");
        }
        line.slice(n_nuls..)
    }

    /// Moves behind a line of so many bytes, and behind the filler before it.
    fn pass(&mut self, n_bytes: u64) {
        self.offset += std::mem::take(&mut self.n_filler) + n_bytes;
        if let Some(evidence) = &self.evidence {
            self.place = evidence.place(self.offset, self.window.before());
        }
    }

    /// No line ends in the window: of an over-long one only the first bytes are kept.
    fn set_aside(&mut self) {
        let keep_max = self.limits.line_bytes_max + SPARE_BYTES;
        if self.long.is_none() {
            // A hole of gigabytes is passed over piece by piece and never held.
            let n_nuls = leading_nuls(self.window.rest());
            self.n_filler += self.window.take(n_nuls).len() as u64;
        }
        let n_rest = self.window.rest().len();
        if let Some(long) = &mut self.long {
            long.skip(&self.window.take(n_rest));
        } else if n_rest > keep_max {
            let mut long = Long::new(self.window.take(keep_max));
            long.skip(&self.window.take(n_rest - keep_max));
            self.long = Some(long);
        }
        self.n_scanned = self.window.rest().len();
        self.window.shrink();
    }

    /// The record of a line at the offset, unless it is empty.
    fn record(&self, line: &Bytes, beyond: u64) -> Option<RawRecord> {
        let file: Arc<FileFacts> = Arc::clone(&self.facts);
        let (data, facts): (_, Arc<dyn std::any::Any + Send + Sync>) = match body(
            line,
            beyond,
            self.offset,
            self.limits.line_bytes_max,
        ) {
            LineBody::Empty => return None,
            LineBody::Whole(data) => (data, file),
            LineBody::Truncated(data, length) => {
                tracing::warn!(path = %self.path.display(), offset = self.offset, length, "line longer than line_bytes_max was truncated");
                (data, Arc::new(Truncated { file, length }))
            }
        };
        let (id, position) = (record_id(self.offset), self.place.clone());
        Some(RawRecord {
            id,
            position,
            key: OrderKey::Key(Bytes::from_static(KEY)),
            arrival: self.arrival,
            data,
            facts,
        })
    }

    /// The file was truncated or written anew. What was read of it is still handed on; what was seen but not
    /// read is told as a gap.
    fn end_life(&mut self, end: u64, why: &'static str) {
        tracing::warn!(path = %self.path.display(), read_to = end, "file ends here, what it holds now is read as a new one: {why}");
        lock(&self.sightings).end_life(&self.identity);
        self.life = FileLife::Over {
            lost_to: self.seen.map(|seen| seen.size).filter(|size| *size > end + self.n_reserved),
        };
    }

    /// Whether a file that was closed at its end stands there still, as its path tells: then it need not be
    /// opened.
    fn is_still_at(&self, end: u64) -> bool {
        if self.handle.is_open() {
            return false;
        }
        let stat = self
            .system
            .stat(&self.path)
            .ok()
            .filter(|it| it.kind == Kind::File && it.key.is_same(&self.identity.key));
        stat.zip(self.seen).is_some_and(|(stat, seen)| {
            stat.size == end && stat.size == seen.size && stat.modified == seen.modified
        })
    }

    /// The file, opened again where it was closed for others; `None` when it is nowhere any more, which ends
    /// its life.
    fn file(&mut self) -> Result<Option<Arc<dyn OpenFile>>, LookEnd> {
        if let Some(file) = self.handle.file() {
            return Ok(Some(file));
        }
        let Some((path, _)) = lock(&self.sightings).seek(&self.identity).map_err(LookEnd::Error)? else {
            tracing::warn!(path = %self.path.display(), offset = self.offset, "file is gone; what was not read of it is lost");
            self.life = FileLife::Over { lost_to: None };
            return Ok(None);
        };
        let file =
            self.handle.open(self.system.as_ref(), &path).map_err(|error| LookEnd::Error(error.on(&path)))?;
        // Between the look and the opening another may have taken its path.
        if !file.stat().map_err(|error| self.failed(error))?.key.is_same(&self.identity.key) {
            self.handle.close();
            return Err(LookEnd::Turn);
        }
        self.path = path;
        Ok(Some(file))
    }

    /// Begins to watch a file that has come to its end; `false` when that was done before or cannot be.
    fn begins_to_listen(&mut self) -> bool {
        let handle = &self.handle;
        self.attention.begin(|| handle.file())
    }

    /// Whether the file, read to its end, has had no path of ours and no new bytes for long enough.
    fn is_left_for_good(&mut self) -> Result<bool, LookEnd> {
        let is_deleted = self.seen.is_some_and(|seen| seen.n_links == 0);
        let is_away = is_deleted || lock(&self.sightings).has_left(&self.identity);
        if !is_away {
            self.away_since = None;
            self.handle.pin(false);
            return Ok(false);
        }
        // From here on only the descriptor leads to it for certain.
        if self.file()?.is_none() {
            return Ok(true);
        }
        self.handle.pin(true);
        let since = *self.away_since.get_or_insert_with(Instant::now);
        let is_over = since.elapsed() >= self.limits.rotate_wait;
        if is_over {
            tracing::info!(path = %self.path.display(), "file was renamed away or deleted, and is read to its end");
            self.life = FileLife::Over { lost_to: None };
        }
        Ok(is_over)
    }

    /// The last read of a life: a line without an end, if there is one.
    fn last(&mut self) -> RawRead {
        let n_rest = self.window.rest().len();
        let rest = self.window.take(n_rest);
        let rest = self.without_filler(rest);
        let (line, beyond, n_bytes) = Long::join(self.long.take(), rest);
        let records = self.record(&line, beyond).into_iter().collect();
        self.pass(n_bytes);
        let lost_to = match std::mem::replace(&mut self.life, FileLife::Over { lost_to: None }) {
            FileLife::Over { lost_to } => lost_to,
            FileLife::Goes => None,
        };
        let gap = lost_to.map(|to| Gap { from: Some(self.place.clone()), to: Position::number(to) });
        if let Some(to) = lost_to {
            // Behind the gap, or the end of this life would stand before what is told as lost.
            (self.offset, self.place) = (to, Position::number(to));
        }
        RawRead { records, ended: true, gap, ..self.nothing() }
    }

    /// Whether this is to be told of the file now: each thing is told once.
    fn tell_once(&self, what: ContentNotice) -> bool {
        lock(&self.sightings).tell_once(&self.identity.key, what)
    }

    fn failed(&self, error: std::io::Error) -> LookEnd {
        LookEnd::Error(FileError::of(error).on(&self.path))
    }
}

/// Why a look ended early.
enum LookEnd {
    /// Others are to have their turn.
    Turn,
    Error(SourceError),
}
