//! The lines that wait to be written: bounded in bytes, so that nobody waits for whoever reads the log; what
//! does not fit is dropped, counted and told.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::notice::LogNotice;
use crate::lock::lock;

/// The most that waits to be written, in bytes: lines of a minute or two at the usual pace.
pub const BUFFER_BYTES_MAX: usize = 4 << 20;
/// What functions print may fill so much of it, so that one that prints without end leaves room for what
/// Forebay has to say.
pub const PRINTED_BYTES_MAX: usize = BUFFER_BYTES_MAX / 2;
/// What a line costs beside its bytes.
const LINE_COST: usize = 32;
/// The writer takes whole lines up to about this size with one call.
const CHUNK_BYTES: usize = 64 << 10;

/// Who says a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    /// Forebay itself.
    Own,
    /// A function printed it.
    Function,
}

/// Lines on their way from all threads to the one that writes. The lock is held for a few moves of memory,
/// never while anything is written.
#[derive(Debug)]
pub(super) struct Buffer {
    state: Mutex<BufferState>,
    /// Rings when there are lines.
    filled: Condvar,
    /// Rings when the writer should not rest after a failure any longer.
    again: Condvar,
    /// Rings when something was written, or could not be.
    moved: Condvar,
    n_dropped: AtomicU64,
    n_failures: AtomicU64,
}

#[derive(Debug)]
struct BufferState {
    lines: VecDeque<Box<[u8]>>,
    /// What the lines cost, those included that are being written.
    bytes: usize,
    own: Door,
    printed: Door,
    /// Writes that failed since the last one that did not, and what the last of them said.
    failing: Option<(u64, String)>,
    /// How often a write has failed for good or for a while; only ever grows.
    n_failed: u64,
    notice: LogNotice,
}

/// Lets lines of one voice in. Once shut it opens when a quarter of its room is free, so that one notice
/// stands for many lines.
#[derive(Debug)]
struct Door {
    bytes_max: usize,
    is_shut: bool,
    n_dropped: u64,
}

impl Door {
    fn new(bytes_max: usize) -> Self {
        Self { bytes_max, is_shut: false, n_dropped: 0 }
    }

    fn admits(&mut self, held_bytes: usize, cost: usize) -> bool {
        // It stays shut until much was read: a few gaps that are told, and not one behind every other line.
        self.is_shut |= held_bytes + cost > self.bytes_max;
        self.n_dropped += u64::from(self.is_shut);
        !self.is_shut
    }

    /// How many lines were dropped, when there is room again.
    fn reopen(&mut self, held_bytes: usize) -> Option<u64> {
        if !self.is_shut || held_bytes > self.bytes_max / 4 * 3 {
            return None;
        }
        self.is_shut = false;
        Some(std::mem::take(&mut self.n_dropped))
    }
}

impl Buffer {
    pub(super) fn new(notice: LogNotice) -> Self {
        let state = BufferState {
            lines: VecDeque::new(),
            bytes: 0,
            own: Door::new(BUFFER_BYTES_MAX),
            printed: Door::new(PRINTED_BYTES_MAX),
            failing: None,
            n_failed: 0,
            notice,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            again: Condvar::new(),
            moved: Condvar::new(),
            n_dropped: AtomicU64::new(0),
            n_failures: AtomicU64::new(0),
        }
    }

    /// Takes a line, or drops it where there is no room.
    pub(super) fn push(&self, voice: Voice, line: Box<[u8]>) {
        let cost = line.len() + LINE_COST;
        let mut state = self.lock();
        let bytes = state.bytes;
        let door = match voice {
            Voice::Own => &mut state.own,
            Voice::Function => &mut state.printed,
        };
        if !door.admits(bytes, cost) {
            self.n_dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.bytes += cost;
        state.lines.push_back(line);
        drop(state);
        // Behind the lock, so that who wakes need not wait for it.
        self.filled.notify_one();
    }

    /// Waits for lines and moves as many of them to `chunk` as are written at once; what they cost.
    pub(super) fn take(&self, chunk: &mut Vec<u8>) -> usize {
        let mut state = self.lock();
        while state.lines.is_empty() {
            state = wait(&self.filled, state);
        }
        let mut cost = 0;
        while let Some(line) = state.lines.pop_front() {
            chunk.extend_from_slice(&line);
            cost += line.len() + LINE_COST;
            // Behind the first line in any case: one that is longer than a chunk is written, too.
            if chunk.len() + state.lines.front().map_or(0, |it| it.len()) > CHUNK_BYTES {
                break;
            }
        }
        cost
    }

    /// Lines of this cost were written: there is room again, and a word about what was lost meanwhile stands
    /// where it is missing.
    pub(super) fn written(&self, cost: usize) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(cost);
        let bytes = state.bytes;
        // Why there was a gap stands before how large it was.
        let notices = [
            state.failing.take().map(|(n, error)| state.notice.unwritable(n, &error)),
            state.own.reopen(bytes).map(|n| state.notice.dropped(n, Voice::Own)),
            state.printed.reopen(bytes).map(|n| state.notice.dropped(n, Voice::Function)),
        ];
        // Here is the gap that they tell of: in front of what comes next, whatever the bound.
        for line in notices.into_iter().flatten() {
            state.bytes += line.len() + LINE_COST;
            state.lines.push_back(line);
        }
        self.moved.notify_all();
    }

    /// A write failed, and is tried again.
    pub(super) fn failed(&self, error: &io::Error) {
        self.n_failures.fetch_add(1, Ordering::Relaxed);
        // Whoever made standard error non-blocking has only asked to be written to later.
        if error.kind() == io::ErrorKind::WouldBlock {
            return;
        }
        let mut state = self.lock();
        let n = state.failing.as_ref().map_or(0, |(n, _)| *n) + 1;
        state.failing = Some((n, error.to_string()));
        state.n_failed += 1;
        self.moved.notify_all();
    }

    /// Rests after a failure, until somebody wants the log to be whole.
    pub(super) fn rest(&self, span: Duration) {
        // What wakes it early, whatever it was, costs one more try.
        drop(self.again.wait_timeout(self.lock(), span));
    }

    /// Waits until all is written, or cannot be, or the time is over; whether all is.
    pub(super) fn flush(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut state = self.lock();
        let n_failed = state.n_failed;
        // A writer that rests behind a failure tries at once.
        self.again.notify_all();
        // Another failure ends the wait: what cannot be written is not written in time either.
        while state.bytes > 0 && state.n_failed == n_failed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = match self.moved.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        state.bytes == 0
    }

    /// Lines that were dropped since the start, and writes that failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.n_dropped.load(Ordering::Relaxed), self.n_failures.load(Ordering::Relaxed))
    }

    /// What is wrong with the log now, for people.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.lock();
        let n_waiting = state.lines.len();
        match &state.failing {
            Some((n, error)) => {
                Some(format!("it could not be written {n} times in a row ({error}); {n_waiting} lines wait"))
            }
            None if state.own.is_shut || state.printed.is_shut => {
                let n_dropped = state.own.n_dropped + state.printed.n_dropped;
                Some(format!(
                    "nobody reads it fast enough: {n_waiting} lines wait, {n_dropped} more were dropped"
                ))
            }
            None => None,
        }
    }

    /// Nothing under this lock panics but for want of memory, and a half moved line is better than none.
    fn lock(&self) -> MutexGuard<'_, BufferState> {
        lock(&self.state)
    }
}

fn wait<'a>(bell: &Condvar, state: MutexGuard<'a, BufferState>) -> MutexGuard<'a, BufferState> {
    bell.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner)
}
