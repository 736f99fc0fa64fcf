//! The thread that waits: for what inotify tells, and for the end of somebody's time. It never touches a file
//! system.

use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::Shared;

/// The least time between two fetches of news: a writer of many short lines wakes its reader this often at
/// most.
const PAUSE: Duration = Duration::from_millis(5);

/// Wakes the thread.
pub(super) struct ThreadWaker(OwnedFd);

impl ThreadWaker {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(super) fn ring(&self) {
        // It fails only when it has been rung more often than a number can tell.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    fn quiet(&self) {
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
    }
}

/// Starts it. It ends when nobody asks any more.
pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<()> {
    let run = move || {
        // A panic here would leave every reader without news: it is told, and the thread goes on.
        while catch_unwind(AssertUnwindSafe(|| run(&shared))).is_err() {
            tracing::error!(code = "FB-0234", "the thread that hears of files panicked and goes on");
        }
    };
    std::thread::Builder::new().name("forebay-files".to_owned()).spawn(run).map(drop)
}

fn run(shared: &Arc<Shared>) {
    let mut quiet_until = Instant::now();
    loop {
        let now = Instant::now();
        let (due, is_ready) = {
            let mut lanes = shared.lanes();
            if lanes.stops() {
                return;
            }
            let is_ready = lanes.handle_due(now);
            (lanes.next_due(), is_ready)
        };
        if is_ready {
            shared.ring();
        }
        let hears = quiet_until <= now;
        let until = if hears { due } else { Some(due.map_or(quiet_until, |due| due.min(quiet_until))) };
        if wait(shared, hears, until) {
            shared.watches.hear();
            quiet_until = Instant::now() + PAUSE;
        }
    }
}

/// Waits for news, the alarm or a time; `true` when there is news.
fn wait(shared: &Shared, hears: bool, until: Option<Instant>) -> bool {
    // A wait ends a little late and never early, so that what is due is due.
    let left = until.map(|it| it.saturating_duration_since(Instant::now()) + Duration::from_micros(50));
    let left = left.map(|it| Timespec::try_from(it).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 }));
    let alarm = shared.alarm.0.as_fd();
    let inotify = shared.watches.inotify().filter(|_| hears);
    let mut fds: Vec<PollFd<'_>> = [Some(alarm), inotify]
        .into_iter()
        .flatten()
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    if poll(&mut fds, left.as_ref()).is_err() {
        // Interrupted, which is as good as the alarm.
        return false;
    }
    let is_on = |fd: &PollFd<'_>| !fd.revents().is_empty();
    if is_on(&fds[0]) {
        shared.alarm.quiet();
    }
    fds.get(1).is_some_and(is_on)
}
