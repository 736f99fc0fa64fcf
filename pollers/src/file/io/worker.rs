//! The threads that try jobs: as many as file systems are busy, each ended when it has had nothing to do for
//! a while.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::lanes::{Job, Panicked};
use super::{Shared, WORKERS_MAX};

/// A thread beyond the first ends when it had nothing to do for this long.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Sees to it that a job that is ready is tried: a thread that rests is called, else one more is started.
pub(super) fn call(shared: &Arc<Shared>) -> std::io::Result<()> {
    let mut lanes = shared.lanes();
    if !lanes.has_ready() {
        return Ok(());
    }
    if lanes.n_idle == 0 && lanes.n_workers < WORKERS_MAX {
        let worker = Arc::clone(shared);
        let name = format!("forebay-files-{}", lanes.n_workers + 1);
        match std::thread::Builder::new().name(name).spawn(move || run(&worker)) {
            // It is joined by nobody: a file system may hold it for ever.
            Ok(_) => lanes.n_workers += 1,
            Err(error) if lanes.n_workers == 0 => return Err(error),
            // The others do it, later.
            Err(_) => {}
        }
    }
    drop(lanes);
    shared.bell.notify_one();
    Ok(())
}

fn run(shared: &Arc<Shared>) {
    while let Some(mut job) = next(shared) {
        let tried = catch_unwind(AssertUnwindSafe(|| (job.attempt)()));
        let tried = tried.map_err(|panic| {
            // What the job holds may be half done: it is dropped here, guarded as well, and whoever asked
            // begins anew.
            let text = panic
                .downcast_ref::<&str>()
                .map(|it| (*it).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            Panicked(text.unwrap_or_else(|| "it said nothing".to_owned()))
        });
        file(shared, job, tried);
    }
}

fn file(shared: &Arc<Shared>, job: Job, tried: Result<super::JobOutcome, Panicked>) {
    let mut lanes = shared.lanes();
    let is_earlier = lanes.file(job, tried, Instant::now());
    // Of the same lane the next one is taken by this thread, another by another.
    drop(lanes);
    if is_earlier {
        shared.alarm.ring();
    }
}

/// The next job; `None` when this thread is not needed any more.
fn next(shared: &Arc<Shared>) -> Option<Job> {
    let mut lanes = shared.lanes();
    let idle_until = Instant::now() + IDLE_MAX;
    loop {
        let now = Instant::now();
        let is_spare = now >= idle_until && lanes.n_workers > 1;
        if lanes.stops() {
            lanes.n_workers -= 1;
            return None;
        }
        if let Some(job) = lanes.take(now) {
            return Some(job);
        }
        if is_spare {
            lanes.n_workers -= 1;
            return None;
        }
        lanes.n_idle += 1;
        lanes = if lanes.n_workers > 1 {
            let left = idle_until.saturating_duration_since(now).max(Duration::from_millis(1));
            shared.bell.wait_timeout(lanes, left).unwrap_or_else(PoisonError::into_inner).0
        } else {
            shared.bell.wait(lanes).unwrap_or_else(PoisonError::into_inner)
        };
        lanes.n_idle -= 1;
    }
}
