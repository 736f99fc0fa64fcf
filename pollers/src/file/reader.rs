//! The reader of one file: hands its cursor to the source's thread and waits. Decides nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use forebay_batcher::{Position, Watermark};

use super::cursor::Cursor;
use super::error::FileError;
use super::evidence::Start;
use super::thread::IoThread;
use crate::source::{BoxFuture, RawRead, Reader, Room, SourceError};

/// Reads a file that is open.
pub(super) struct FileReader {
    cursor: Arc<Mutex<Cursor>>,
    thread: Arc<IoThread>,
}

impl FileReader {
    pub(super) fn new(cursor: Cursor, thread: Arc<IoThread>) -> Self {
        Self { cursor: Arc::new(Mutex::new(cursor)), thread }
    }
}

impl Reader for FileReader {
    /// What a dropped read had already found lies in the cursor, and the next read hands it on.
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(async move {
            let cursor = Arc::clone(&self.cursor);
            let attempt = move || cursor.lock().expect("nothing panics under this lock").attempt(room);
            let done = self.thread.ask(Instant::now() + room.wait, attempt);
            done.await.map_err(|_| FileError::ThreadDied.on(&PathBuf::from("file")))?;
            let mut cursor = self.cursor.lock().expect("nothing panics under this lock");
            cursor.take_ready().unwrap_or_else(|| Ok(cursor.nothing()))
        })
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
            Watermark::Origin(_) => Position::number(Start::of(bound).map_or(0, |it| it.offset())),
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
