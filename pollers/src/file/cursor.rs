//! Reads one file from an offset on, line by line, and knows when the file's life is over. It runs on the threads of `io`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_batcher::{Gap, OrderKey, Position, UnixMillis};

use super::attention::Attention;
use super::client::{FileSystem, Kind, OpenFile, Stat};
use super::error::FileError;
use super::event::{FileFacts, Truncated, record_id};
use super::identity::{HEAD_MAX, Identity};
use super::io::{Key, Tried, lock};
use super::lines::{Body, body};
use super::open_files::Handle;
use super::sightings::{Sightings, read_up_to};
use crate::source::{RawRead, RawRecord, Room, SourceError};

/// Bytes asked for at once.
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes looked through in one turn before others have theirs.
const TURN_BYTES: u64 = 4 << 20;
/// The order within a file is that of its lines: all have one key.
const KEY: &[u8] = b"file";
/// Kept of an over-long line besides its first bytes: a byte order mark and a carriage return.
const SPARE_BYTES: usize = 4;

/// Where the rest of the limits come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) line_bytes_max: usize,
    pub(super) rotate_wait: Duration,
}

/// What a look at the file brought.
pub(super) enum Looked {
    Found(Result<RawRead, SourceError>),
    /// Nothing: it is tried again so.
    Nothing(Tried),
}

/// A file that a cursor is to read.
pub(super) struct Opened {
    pub(super) system: Arc<dyn FileSystem>,
    pub(super) handle: Arc<Handle>,
    pub(super) path: PathBuf,
    pub(super) attention: Attention,
}

/// A place in one file.
pub(super) struct Cursor {
    system: Arc<dyn FileSystem>,
    handle: Arc<Handle>,
    attention: Attention,
    sightings: Arc<Mutex<Sightings>>,
    identity: Identity,
    path: PathBuf,
    facts: Arc<FileFacts>,
    limits: Limits,
    /// The first byte of the next line.
    offset: u64,
    /// The file from there on, as far as it was read and kept.
    buffer: Bytes,
    /// Bytes of the buffer in which no line ends.
    n_scanned: usize,
    /// An over-long line whose end was not found yet; the buffer follows it.
    long: Option<Long>,
    /// When what the buffer holds reached the file: its time of modification when the bytes were read.
    arrival: UnixMillis,
    /// The first bytes of the file, to see that it is still the same.
    head: Vec<u8>,
    seen: Option<Stat>,
    /// Since when the file has neither a path of ours nor new bytes.
    away_since: Option<Instant>,
    life: Life,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Goes,
    /// It is over: what is in the buffer is the last of it. The file had been seen to be this long.
    Over {
        lost_to: Option<u64>,
    },
}

/// The beginning of an over-long line.
struct Long {
    kept: Bytes,
    n_skipped: u64,
    last: u8,
}

impl Cursor {
    pub(super) fn new(opened: Opened, sightings: Arc<Mutex<Sightings>>, identity: Identity, limits: Limits, offset: u64) -> Self {
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
            buffer: Bytes::new(),
            n_scanned: 0,
            long: None,
            arrival: UnixMillis(0),
            head: Vec::new(),
            seen: None,
            away_since: None,
            life: Life::Goes,
        }
    }

    /// The name of its jobs.
    pub(super) fn key(&self) -> Key {
        self.attention.key()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where its next read begins.
    pub(super) fn position(&self) -> Position {
        Position::number(self.offset)
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
            Err(Stop::Turn) => Looked::Nothing(Tried::More),
            Err(Stop::Error(error)) => Looked::Found(Err(error)),
        }
    }

    fn advance(&mut self, room: Room) -> Result<Option<RawRead>, Stop> {
        let start = self.offset;
        let mut n_looked = 0;
        loop {
            let records = self.cut(room);
            if !records.is_empty() || self.offset > start {
                return Ok(Some(RawRead { records, ..self.nothing() }));
            }
            if self.life != Life::Goes {
                return Ok(Some(self.last()));
            }
            if n_looked >= TURN_BYTES {
                return Err(Stop::Turn);
            }
            match self.fill()? {
                0 if self.life == Life::Goes && !self.is_left_for_good()? => {
                    // What was written before the watch began is seen by one look more.
                    if !self.begins_to_listen() {
                        return Ok(None);
                    }
                }
                n => n_looked += n,
            }
        }
    }

    /// Cuts whole lines off the buffer, as many as there is room for.
    fn cut(&mut self, room: Room) -> Vec<RawRecord> {
        let mut records: Vec<RawRecord> = Vec::new();
        let mut n_bytes = 0;
        while let Some(found) = memchr::memchr(b'\n', &self.buffer[self.n_scanned..]) {
            let end = self.n_scanned + found;
            let line_bytes = self.long.as_ref().map_or(end, |long| long.kept.len()) as u64;
            let fits = records.is_empty() || (records.len() < room.records_max as usize && n_bytes + line_bytes <= room.bytes_max);
            if !fits {
                self.n_scanned = end;
                return records;
            }
            let rest = self.buffer.split_to(end + 1).slice(..end);
            let (line, beyond, line_len) = Long::join(self.long.take(), rest);
            records.extend(self.record(&line, beyond));
            n_bytes += line_bytes;
            self.n_scanned = 0;
            self.offset += line_len + 1;
        }
        self.set_aside();
        records
    }

    /// No line ends in the buffer: of an over-long one only the first bytes are kept.
    fn set_aside(&mut self) {
        let keep_max = self.limits.line_bytes_max + SPARE_BYTES;
        if let Some(long) = &mut self.long {
            long.skip(&std::mem::take(&mut self.buffer));
        } else if self.buffer.len() > keep_max {
            let rest = self.buffer.split_off(keep_max);
            let mut long = Long { kept: std::mem::take(&mut self.buffer), n_skipped: 0, last: 0 };
            long.skip(&rest);
            self.long = Some(long);
        }
        self.n_scanned = self.buffer.len();
    }

    /// The record of a line at the offset, unless it is empty.
    fn record(&self, line: &Bytes, beyond: u64) -> Option<RawRecord> {
        let file: Arc<FileFacts> = Arc::clone(&self.facts);
        let (data, facts): (_, Arc<dyn std::any::Any + Send + Sync>) = match body(line, beyond, self.offset, self.limits.line_bytes_max) {
            Body::Empty => return None,
            Body::Whole(data) => (data, file),
            Body::Truncated(data, length) => {
                tracing::warn!(path = %self.path.display(), offset = self.offset, length, "line longer than line_bytes_max was truncated");
                (data, Arc::new(Truncated { file, length }))
            }
        };
        let (id, position) = (record_id(self.offset), Position::number(self.offset));
        Some(RawRecord { id, position, key: OrderKey::Key(Bytes::from_static(KEY)), arrival: self.arrival, data, facts })
    }

    /// Reads more of the file behind the buffer. Zero: there is no more, or the file's life is over.
    fn fill(&mut self) -> Result<u64, Stop> {
        let end = self.offset + self.long.as_ref().map_or(0, Long::n_bytes) + self.buffer.len() as u64;
        if self.is_still_at(end) {
            return Ok(0);
        }
        let Some(file) = self.file()? else { return Ok(0) };
        let stat = file.stat().map_err(|error| self.failed(error))?;
        if stat.size < end {
            self.end_life(end, "it is shorter than what was read");
            return Ok(0);
        }
        let is_as_seen = self.seen.is_some_and(|seen| seen.size == stat.size && seen.modified == stat.modified);
        let chunk =
            if stat.size > end { read_up_to(file.as_ref(), end, CHUNK_BYTES).map_err(|error| self.failed(error))? } else { Vec::new() };
        // The head is compared after the bytes were read: had the file been written anew in between, they would be of the wrong life.
        if (!is_as_seen || !chunk.is_empty()) && !self.is_same_life(file.as_ref())? {
            self.end_life(end, "its first bytes have changed");
            return Ok(0);
        }
        self.seen = Some(stat);
        if chunk.is_empty() {
            return Ok(0);
        }
        self.away_since = None;
        self.arrival = stat.modified;
        Ok(self.keep(chunk))
    }

    fn keep(&mut self, chunk: Vec<u8>) -> u64 {
        let n_bytes = chunk.len() as u64;
        self.buffer = if self.buffer.is_empty() { chunk.into() } else { [&self.buffer[..], &chunk].concat().into() };
        n_bytes
    }

    /// Whether the file still begins as it did. The first time its fingerprint is compared, and that the offset begins a line.
    fn is_same_life(&mut self, file: &dyn OpenFile) -> Result<bool, Stop> {
        let head = read_up_to(file, 0, HEAD_MAX).map_err(|error| self.failed(error))?;
        let is_same = if self.head.is_empty() {
            let before = self.offset.checked_sub(1).map(|at| read_up_to(file, at, 1)).transpose();
            let before = before.map_err(|error| self.failed(error))?;
            self.identity.fits(&head) && before.is_none_or(|byte| byte == b"\n")
        } else {
            head.starts_with(&self.head)
        };
        if is_same {
            self.head = head;
        }
        Ok(is_same)
    }

    /// The file was truncated or written anew. What was read of it is still handed on; what was seen but not read is told as a gap.
    fn end_life(&mut self, end: u64, why: &'static str) {
        tracing::warn!(path = %self.path.display(), read_to = end, "file ends here, what it holds now is read as a new one: {why}");
        lock(&self.sightings).end_life(&self.identity);
        self.life = Life::Over { lost_to: self.seen.map(|seen| seen.size).filter(|size| *size > end) };
    }

    /// Whether a file that was closed at its end stands there still, as its path tells: then it need not be opened.
    fn is_still_at(&self, end: u64) -> bool {
        if self.handle.is_open() {
            return false;
        }
        let stat = self.system.stat(&self.path).ok().filter(|it| it.kind == Kind::File && it.key.is_same(&self.identity.key));
        stat.zip(self.seen).is_some_and(|(stat, seen)| stat.size == end && stat.size == seen.size && stat.modified == seen.modified)
    }

    /// The file, opened again where it was closed for others; `None` when it is nowhere any more, which ends its life.
    fn file(&mut self) -> Result<Option<Arc<dyn OpenFile>>, Stop> {
        if let Some(file) = self.handle.file() {
            return Ok(Some(file));
        }
        let Some((path, _)) = lock(&self.sightings).seek(&self.identity).map_err(Stop::Error)? else {
            tracing::warn!(path = %self.path.display(), offset = self.offset, "file is gone; what was not read of it is lost");
            self.life = Life::Over { lost_to: None };
            return Ok(None);
        };
        let file = self.handle.open(self.system.as_ref(), &path).map_err(|error| Stop::Error(error.on(&path)))?;
        // Between the look and the opening another may have taken its path.
        if !file.stat().map_err(|error| self.failed(error))?.key.is_same(&self.identity.key) {
            self.handle.close();
            return Err(Stop::Turn);
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
    fn is_left_for_good(&mut self) -> Result<bool, Stop> {
        let is_deleted = self.seen.is_some_and(|seen| seen.n_links == 0);
        let is_away = is_deleted || lock(&self.sightings).has_left(&self.identity.key);
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
            self.life = Life::Over { lost_to: None };
        }
        Ok(is_over)
    }

    /// The last read of a life: a line without an end, if there is one.
    fn last(&mut self) -> RawRead {
        let rest = std::mem::take(&mut self.buffer);
        let (line, beyond, n_bytes) = Long::join(self.long.take(), rest);
        let records = self.record(&line, beyond).into_iter().collect();
        self.offset += n_bytes;
        let lost_to = match std::mem::replace(&mut self.life, Life::Over { lost_to: None }) {
            Life::Over { lost_to } => lost_to,
            Life::Goes => None,
        };
        let gap = lost_to.map(|to| Gap { from: Some(Position::number(self.offset)), to: Position::number(to) });
        self.offset = lost_to.unwrap_or(self.offset);
        RawRead { records, ended: true, gap, ..self.nothing() }
    }

    fn failed(&self, error: std::io::Error) -> Stop {
        Stop::Error(FileError::of(error).on(&self.path))
    }
}

impl Long {
    fn skip(&mut self, bytes: &[u8]) {
        self.last = bytes.last().copied().unwrap_or(self.last);
        self.n_skipped += bytes.len() as u64;
    }

    /// A line that may be over-long, and the bytes that were read of it last: what is kept, what is beyond, how many bytes it has.
    fn join(long: Option<Self>, rest: Bytes) -> (Bytes, u64, u64) {
        let Some(mut long) = long else {
            let n_bytes = rest.len() as u64;
            return (rest, 0, n_bytes);
        };
        long.skip(&rest);
        let n_bytes = long.n_bytes();
        (long.kept, long.n_skipped - u64::from(long.last == b'\r'), n_bytes)
    }

    fn n_bytes(&self) -> u64 {
        self.kept.len() as u64 + self.n_skipped
    }
}

/// Why a look ended early.
enum Stop {
    /// Others are to have their turn.
    Turn,
    Error(SourceError),
}
