//! The reader of one file: hands its cursor to the threads that look and waits. Decides nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use forebay_batcher::{Position, Watermark};

use super::cursor::{FileCursor, Looked};
use super::evidence::FileStart;
use super::io::{Io, JobKey, JobLane, JobOutcome, lock};
use crate::source::{BoxFuture, RawRead, Reader, Room, SourceError};

/// Reads a file that is open.
pub(super) struct FileReader {
    /// Locked by whoever looks, for as long as the file system takes.
    cursor: Arc<Mutex<FileCursor>>,
    /// What was found, until a read takes it: a lock that is never held for long.
    tray: Arc<Mutex<Option<Result<RawRead, SourceError>>>>,
    io: Io,
    lane: JobLane,
    key: JobKey,
    path: PathBuf,
    passed: Position,
}

impl FileReader {
    pub(super) fn new(cursor: FileCursor, io: Io, lane: JobLane) -> Self {
        let (key, path, passed) = (cursor.key(), cursor.path().to_owned(), cursor.position());
        Self { cursor: Arc::new(Mutex::new(cursor)), tray: Arc::default(), io, lane, key, path, passed }
    }
}

impl Reader for FileReader {
    /// What a dropped read had already found lies in the tray, and the next read hands it on.
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(async move {
            let (cursor, tray) = (Arc::clone(&self.cursor), Arc::clone(&self.tray));
            let attempt = move || attempt(&cursor, &tray, room);
            let asked = self.io.ask(&self.lane, self.key, Instant::now() + room.wait, attempt);
            let done = match asked {
                Ok(asked) => asked.done().await,
                Err(error) => Err(error),
            };
            done.map_err(|error| error.on(&self.path))?;
            let read = lock(&self.tray).take();
            let read = read
                .unwrap_or_else(|| Ok(RawRead { passed: Some(self.passed.clone()), ..RawRead::default() }))?;
            if let Some(passed) = &read.passed {
                self.passed = passed.clone();
            }
            Ok(read)
        })
    }
}

fn attempt(
    cursor: &Mutex<FileCursor>,
    tray: &Mutex<Option<Result<RawRead, SourceError>>>,
    room: Room,
) -> JobOutcome {
    let mut cursor = lock(cursor);
    if lock(tray).is_some() {
        return JobOutcome::Done;
    }
    match cursor.look(room) {
        Looked::Found(read) => {
            *lock(tray) = Some(read);
            JobOutcome::Done
        }
        Looked::Nothing(how) => how,
    }
}

/// Reads a file that is gone: it has ended where its reader stood.
pub(super) struct Gone {
    passed: Position,
}

impl Gone {
    /// For a reader that stood at `bound`.
    pub(super) fn at(bound: &Watermark) -> Self {
        let passed = match bound {
            Watermark::At(position) => position.clone(),
            Watermark::Origin(_) => Position::number(FileStart::of(bound).map_or(0, |it| it.offset())),
        };
        Self { passed }
    }
}

impl Reader for Gone {
    fn read(&mut self, _room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        let read = RawRead { passed: Some(self.passed.clone()), ended: true, ..RawRead::default() };
        Box::pin(async move { Ok(read) })
    }
}
