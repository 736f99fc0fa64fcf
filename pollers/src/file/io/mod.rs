//! Everything that may block on a file system, for all file sources of the process: one thread that hears and
//! waits, a few that look.
//!
//! | thread | what it does | how many |
//! |---|---|---|
//! | `forebay-files` | hears what inotify tells, and knows when a wait is over; never touches a file system | one |
//! | `forebay-files-N` | tries jobs, one after the other | one for each file system that is busy, [`WORKERS_MAX`] at most |
//!
//! A job belongs to a *lane*, its file system: of one lane one job runs at a time, so a file system that
//! hangs (NFS whose server is away) holds one thread and its own lane, and is named to whoever asks for more
//! of it. A job that panics is an error of who asked. Nobody joins these threads, for one may hang as long as
//! its file system does; they end with the process.

mod lanes;
mod watcher;
mod watches;
mod worker;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use self::lanes::{Job, JobLanes, Panicked};
pub(super) use self::lanes::{JobKey, JobOutcome};
pub(super) use self::watches::{EntryChange, Hears, Watch, WatchNews, Watches};
use super::error::FileError;
use super::mounts::LaneName;

/// Threads that may look at the same time.
const WORKERS_MAX: usize = 8;
/// A job that runs for this long hangs.
const HANG_MAX: Duration = Duration::from_secs(10);

/// The threads. Clones share them; when the last is dropped they end, each as soon as what it does returns.
#[derive(Clone)]
pub(super) struct Io {
    owner: Arc<Owner>,
}

/// What the threads share. They hold it for themselves, so that only [`Owner`] tells that nobody asks any
/// more.
struct Shared {
    lanes: Mutex<JobLanes>,
    /// Rings when a job is ready.
    bell: Condvar,
    watches: Arc<Watches>,
    /// Wakes the thread that waits, when it has to be up earlier than it thinks.
    alarm: watcher::ThreadWaker,
    next_key: AtomicU64,
    /// A job that runs for this long hangs.
    hang_max: Duration,
}

struct Owner(Arc<Shared>);

/// Where a source's jobs are tried.
#[derive(Debug, Clone)]
pub(super) struct JobLane {
    /// With all others of its file system.
    pub(super) shared: LaneName,
    /// By itself, when the shared one is held by somebody whose link led to a file system that hangs; `None`
    /// where all would hang alike.
    pub(super) own: Option<LaneName>,
}

/// A job that was asked for.
pub(super) struct Asked {
    io: Io,
    lane: LaneName,
    done: oneshot::Receiver<Result<(), Panicked>>,
    until: Instant,
}

impl Io {
    /// The threads of this process; they start with the first call that succeeds.
    pub(super) fn of_process() -> std::io::Result<Self> {
        static OF_PROCESS: OnceLock<Mutex<Option<Io>>> = OnceLock::new();
        let mut io = lock(OF_PROCESS.get_or_init(Mutex::default));
        if io.is_none() {
            *io = Some(Self::start(HANG_MAX)?);
        }
        Ok(io.as_ref().expect("it was put there").clone())
    }

    /// Threads of one's own.
    pub(super) fn start(hang_max: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            lanes: Mutex::default(),
            bell: Condvar::new(),
            watches: Arc::new(Watches::start()),
            alarm: watcher::ThreadWaker::new()?,
            next_key: AtomicU64::new(0),
            hang_max,
        });
        watcher::start(Arc::clone(&shared))?;
        Ok(Self { owner: Arc::new(Owner(shared)) })
    }

    /// What inotify tells.
    pub(super) fn watches(&self) -> &Arc<Watches> {
        &self.owner.0.watches
    }

    /// A name for jobs that can be woken; one job of a name waits at a time.
    pub(super) fn key(&self) -> JobKey {
        JobKey(self.owner.0.next_key.fetch_add(1, Ordering::Relaxed))
    }

    /// The job of this name, if it waits, is tried again now. It never blocks.
    pub(super) fn wake(&self, key: JobKey) {
        let is_ready = self.owner.0.lanes().wake(key);
        if is_ready {
            self.owner.0.ring();
        }
    }

    /// Tries `attempt` as soon as its lane is free, and again until it is done or `until` has come.
    ///
    /// # Errors
    /// The lane's file system hangs, or no thread can be started.
    pub(super) fn ask(
        &self,
        lane: &JobLane,
        key: JobKey,
        until: Instant,
        attempt: impl FnMut() -> JobOutcome + Send + 'static,
    ) -> Result<Asked, FileError> {
        let (sender, done) = oneshot::channel();
        let mut lanes = self.owner.0.lanes();
        let hang_max = self.owner.0.hang_max;
        let hangs = |lane: &LaneName| {
            lanes
                .hangs_since(lane, Instant::now(), hang_max, WORKERS_MAX)
                .map(|since| FileError::hangs(lane, since))
        };
        let lane = match (hangs(&lane.shared), &lane.own) {
            (None, _) => &lane.shared,
            (Some(error), None) => return Err(error),
            (Some(_), Some(own)) => hangs(own).map_or(Ok(own), Err)?,
        };
        lanes.push(Job { key, lane: lane.clone(), attempt: Box::new(attempt), until, done: sender });
        drop(lanes);
        worker::call(&self.owner.0).map_err(FileError::NoThread)?;
        Ok(Asked { io: self.clone(), lane: lane.clone(), done, until })
    }
}

impl Asked {
    /// Waits until it is done or its time is over. May be dropped: then it is not tried any more.
    ///
    /// # Errors
    /// It panicked, or its file system hangs.
    pub(super) async fn done(mut self) -> Result<(), FileError> {
        let hang_max = self.io.owner.0.hang_max;
        let mut patience = self.until.saturating_duration_since(Instant::now()) + hang_max;
        loop {
            match timeout(patience, &mut self.done).await {
                Ok(Ok(Ok(()))) => return Ok(()),
                Ok(Ok(Err(Panicked(what)))) => return Err(FileError::Panicked(what)),
                Ok(Err(_)) => return Err(FileError::ThreadDied),
                Err(_) => {
                    let since = self.io.owner.0.lanes().hangs_since(
                        &self.lane,
                        Instant::now(),
                        hang_max,
                        WORKERS_MAX,
                    );
                    if let Some(since) = since {
                        return Err(FileError::hangs(&self.lane, since));
                    }
                    patience = hang_max;
                }
            }
        }
    }
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, JobLanes> {
        lock(&self.lanes)
    }

    /// There is a job to try.
    fn ring(self: &Arc<Self>) {
        if let Err(error) = worker::call(self) {
            // Those who wait are told when their time is over; the next job that is asked for starts it.
            tracing::warn!(%error, code = "FB-0235", "no thread can be started to look at files; tried again");
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lanes().stop();
        self.0.bell.notify_all();
        self.0.alarm.ring();
    }
}

/// Whoever panicked under a lock has been answered for; what the lock holds is looked at anew by the next
/// job.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
