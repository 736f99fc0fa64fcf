//! How a reader that has come to the end of its file learns of more: it is told, or it looks.
//!
//! | the file | how |
//! |---|---|
//! | is watched | told by inotify |
//! | cannot be watched, or has left its path | looked at, at every tick |
//! | was renamed or changed its rights a moment ago | both, until the listing has told what became of it |

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::client::OpenFile;
use super::io::{Hears, Io, JobKey, JobOutcome, Watch, WatchNews};

/// How long a file is looked at after it was renamed or changed its rights.
const RESTLESS: Duration = Duration::from_secs(3);

/// One reader's attention.
pub(super) struct Attention {
    io: Io,
    ear: Arc<ReaderEar>,
    watch: WatchState,
    restless_until: Option<Instant>,
}

enum WatchState {
    NotYet,
    Watched(#[expect(dead_code, reason = "held for its drop")] Watch),
    Refused,
}

struct ReaderEar {
    io: Io,
    key: JobKey,
    is_stirred: AtomicBool,
    is_gone: AtomicBool,
}

impl Attention {
    pub(super) fn new(io: Io) -> Self {
        let ear = ReaderEar {
            io: io.clone(),
            key: io.key(),
            is_stirred: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
        };
        Self { io, ear: Arc::new(ear), watch: WatchState::NotYet, restless_until: None }
    }

    pub(super) fn key(&self) -> JobKey {
        self.ear.key
    }

    /// Begins to watch the file; `true` when it is watched from now on, so that it must be looked at once
    /// more.
    pub(super) fn begin(&mut self, file: impl FnOnce() -> Option<Arc<dyn OpenFile>>) -> bool {
        if self.ear.is_gone.swap(false, Ordering::Relaxed) {
            self.watch = WatchState::NotYet;
        }
        if !matches!(self.watch, WatchState::NotYet) {
            return false;
        }
        let Some(file) = file() else { return false };
        let ear: Arc<dyn Hears> = Arc::clone(&self.ear) as _;
        self.watch = match file.descriptor().map(|it| self.io.watches().file(it, &ear)) {
            Some(Ok(watch)) => WatchState::Watched(watch),
            Some(Err(_)) | None => WatchState::Refused,
        };
        matches!(self.watch, WatchState::Watched(_))
    }

    /// How a file in which nothing was found is tried again.
    pub(super) fn pace(&mut self, is_away: bool) -> JobOutcome {
        let now = Instant::now();
        if self.ear.is_stirred.swap(false, Ordering::Relaxed) {
            self.restless_until = Some(now + RESTLESS);
        }
        self.restless_until = self.restless_until.filter(|it| *it > now);
        match self.watch {
            WatchState::Watched(_) if !is_away && self.restless_until.is_none() => JobOutcome::Listen,
            WatchState::Watched(_) | WatchState::NotYet | WatchState::Refused => JobOutcome::Look,
        }
    }
}

impl Hears for ReaderEar {
    fn hear(&self, news: &WatchNews) {
        match news {
            WatchNews::Written | WatchNews::Entry { .. } => {}
            WatchNews::Altered | WatchNews::Missed => self.is_stirred.store(true, Ordering::Relaxed),
            WatchNews::Gone => {
                self.is_stirred.store(true, Ordering::Relaxed);
                self.is_gone.store(true, Ordering::Relaxed);
            }
        }
        self.io.wake(self.key);
    }
}
