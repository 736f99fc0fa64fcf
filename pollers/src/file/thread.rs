//! The source's own thread: everything that may block on the file system happens here, one thing after the other.
//!
//! A job is tried at once, then again at every tick until it is done or its time is over. So a thousand readers that wait cost one look
//! at a thousand open files each tick, and no wake-up can be lost: a file is looked at, not listened to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Between two looks while something happens.
const TICK_MIN: Duration = Duration::from_millis(100);
/// Between two looks when nothing has happened for a while.
const TICK_MAX: Duration = Duration::from_millis(500);

/// How a try ended.
pub(super) enum Tried {
    /// It is done and has left its result.
    Done,
    /// Nothing to do; try again at the next tick.
    Nothing,
    /// There is more to do, after the others had a turn.
    More,
}

/// What is tried until it is done.
struct Job {
    attempt: Box<dyn FnMut() -> Tried + Send>,
    until: Instant,
    done: oneshot::Sender<()>,
}

/// The thread. Dropping it ends and joins it; jobs that wait are dropped, which their callers see.
pub(super) struct IoThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Jobs that came in. A reader has at most one here, a subscriber at most one listing, so the list is bounded by them.
#[derive(Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    bell: Condvar,
}

#[derive(Default)]
struct Inbox {
    jobs: Vec<Job>,
    stops: bool,
}

impl IoThread {
    /// Starts it.
    pub(super) fn start(name: &str) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || Worker::new(worker).run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Tries `attempt` at once, and again until it is done or `until`; then the receiver is told. It fails when the thread is gone.
    pub(super) fn ask(&self, until: Instant, attempt: impl FnMut() -> Tried + Send + 'static) -> oneshot::Receiver<()> {
        let (done, receiver) = oneshot::channel();
        self.shared.inbox.lock().expect("nothing panics under this lock").jobs.push(Job { attempt: Box::new(attempt), until, done });
        self.shared.bell.notify_one();
        receiver
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.shared.inbox.lock().expect("nothing panics under this lock").stops = true;
        self.shared.bell.notify_one();
        // A panic was already printed; there is nobody to hand it to.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Worker {
    shared: Arc<Shared>,
    /// By the end of their wait; the number tells equal ones apart.
    waiting: BTreeMap<(Instant, u64), Job>,
    n_waits: u64,
    busy: VecDeque<Job>,
    tick: Duration,
    tick_at: Instant,
}

impl Worker {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, waiting: BTreeMap::new(), n_waits: 0, busy: VecDeque::new(), tick: TICK_MIN, tick_at: Instant::now() + TICK_MIN }
    }

    fn run(mut self) {
        while let Some(new) = self.next_jobs() {
            self.busy.extend(new);
            for _ in 0..self.busy.len() {
                let job = self.busy.pop_front().expect("one was counted");
                self.attempt(job);
            }
            let now = Instant::now();
            if now >= self.tick_at {
                let n_before = self.waiting.len();
                for job in std::mem::take(&mut self.waiting).into_values() {
                    self.attempt(job);
                }
                self.tick = if self.waiting.len() < n_before { TICK_MIN } else { (self.tick * 5 / 4).min(TICK_MAX) };
                self.tick_at = Instant::now() + self.tick;
            } else {
                self.expire(now);
            }
        }
    }

    fn attempt(&mut self, mut job: Job) {
        if job.done.is_closed() {
            return;
        }
        match (job.attempt)() {
            // The caller may have stopped waiting; the result lies where it finds it again.
            Tried::Done => _ = job.done.send(()),
            Tried::More => self.busy.push_back(job),
            Tried::Nothing if job.until <= Instant::now() => _ = job.done.send(()),
            Tried::Nothing => {
                self.n_waits += 1;
                self.waiting.insert((job.until, self.n_waits), job);
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some(first) = self.waiting.first_entry().filter(|it| it.key().0 <= now) {
            _ = first.remove().done.send(());
        }
    }

    /// Waits for new jobs, the tick, or the end of somebody's wait; `None` at the end.
    fn next_jobs(&self) -> Option<Vec<Job>> {
        let mut inbox = self.shared.inbox.lock().expect("nothing panics under this lock");
        loop {
            if inbox.stops {
                return None;
            }
            if !inbox.jobs.is_empty() || !self.busy.is_empty() {
                return Some(std::mem::take(&mut inbox.jobs));
            }
            let expiry = self.waiting.first_key_value().map(|((until, _), _)| *until);
            let Some(next) = expiry.map(|expiry| expiry.min(self.tick_at)) else {
                inbox = self.shared.bell.wait(inbox).expect("nothing panics under this lock");
                continue;
            };
            let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return Some(Vec::new());
            };
            inbox = self.shared.bell.wait_timeout(inbox, left).expect("nothing panics under this lock").0;
        }
    }
}
