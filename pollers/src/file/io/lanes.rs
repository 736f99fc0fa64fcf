//! Which job is tried next and which waits for what: plain values under one lock, no thread and no IO.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::file::mounts::LaneName;

/// Between two looks at what nobody tells of, while something happens there.
const TICK_MIN: Duration = Duration::from_millis(100);
/// The same when nothing has happened for a while.
const TICK_MAX: Duration = Duration::from_millis(500);

/// Names a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::file) struct JobKey(pub(super) u64);

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::file) enum JobOutcome {
    /// It is done and has left its result.
    Done,
    /// Nothing to do, and nobody will tell when there is: it is tried again at the next tick.
    Look,
    /// Nothing to do; whoever watches wakes it.
    Listen,
    /// There is more to do, after the others had a turn.
    More,
}

/// The job panicked, and said so.
#[derive(Debug)]
pub(super) struct Panicked(pub(super) String);

/// What is tried until it is done.
pub(super) struct Job {
    pub(super) key: JobKey,
    pub(super) lane: LaneName,
    pub(super) attempt: Box<dyn FnMut() -> JobOutcome + Send>,
    pub(super) until: Instant,
    pub(super) done: oneshot::Sender<Result<(), Panicked>>,
}

/// One file system.
#[derive(Default)]
struct DeviceLane {
    ready: VecDeque<Job>,
    running: Option<RunningJob>,
    /// The number of its last turn.
    turn: u64,
}

struct RunningJob {
    key: JobKey,
    since: Instant,
    /// It was woken while it ran: what it did not see is there now.
    is_rung: bool,
}

/// All jobs. A reader has at most one here, a subscriber at most one listing, so their number is bounded by
/// them.
#[derive(Default)]
pub(super) struct JobLanes {
    lanes: BTreeMap<LaneName, DeviceLane>,
    waiting: BTreeMap<JobKey, Job>,
    by_time: BTreeSet<(Instant, JobKey)>,
    /// Those of the waiting that are tried at each tick.
    ticking: BTreeSet<JobKey>,
    tick: Option<(Instant, Duration)>,
    n_turns: u64,
    /// A job that was looked for at ticks has found something since the last one.
    has_found: bool,
    pub(super) n_workers: usize,
    pub(super) n_idle: usize,
    stops: bool,
}

impl JobLanes {
    /// A job to be tried at once.
    pub(super) fn push(&mut self, job: Job) {
        // One that waits under the same name was given up by whoever asked.
        self.unpark(job.key);
        let lane = self.lanes.entry(job.lane.clone()).or_default();
        lane.ready.retain(|it| !it.done.is_closed());
        lane.ready.push_back(job);
    }

    /// The next job to try; its lane is taken until [`JobLanes::file`].
    pub(super) fn take(&mut self, now: Instant) -> Option<Job> {
        let free = self.lanes.values_mut().filter(|it| it.running.is_none());
        // One job of a file system at a time, the one that waited longest: a mount that hangs holds its own
        // lane only.
        let lane = free.filter(|it| !it.ready.is_empty()).min_by_key(|it| it.turn)?;
        let job = lane.ready.pop_front()?;
        self.n_turns += 1;
        lane.turn = self.n_turns;
        lane.running = Some(RunningJob { key: job.key, since: now, is_rung: false });
        Some(job)
    }

    /// Whether a job could be tried now.
    pub(super) fn has_ready(&self) -> bool {
        self.lanes.values().any(|it| it.running.is_none() && !it.ready.is_empty())
    }

    /// What became of a job. `true` when whoever waits must be up earlier than it thought.
    pub(super) fn file(&mut self, job: Job, tried: Result<JobOutcome, Panicked>, now: Instant) -> bool {
        let is_rung =
            self.lanes.get_mut(&job.lane).and_then(|it| it.running.take()).is_some_and(|it| it.is_rung);
        if job.done.is_closed() {
            self.forget_idle(&job.lane);
            return false;
        }
        match tried {
            Ok(JobOutcome::Done) => {
                self.has_found = true;
                // The caller may have stopped waiting; the result lies where it finds it again.
                _ = job.done.send(Ok(()));
            }
            Err(panicked) => _ = job.done.send(Err(panicked)),
            Ok(JobOutcome::More) => return self.again(job),
            // It was told while it looked, perhaps behind the place where it looked.
            Ok(JobOutcome::Look | JobOutcome::Listen) if is_rung => return self.again(job),
            Ok(JobOutcome::Look | JobOutcome::Listen) if job.until <= now => _ = job.done.send(Ok(())),
            Ok(how) => return self.park(job, how == JobOutcome::Look, now),
        }
        false
    }

    fn again(&mut self, job: Job) -> bool {
        self.lanes.entry(job.lane.clone()).or_default().ready.push_back(job);
        false
    }

    fn park(&mut self, job: Job, ticks: bool, now: Instant) -> bool {
        let lane = job.lane.clone();
        let first = self.next_due();
        self.by_time.insert((job.until, job.key));
        if ticks {
            self.ticking.insert(job.key);
            self.tick.get_or_insert((now + TICK_MIN, TICK_MIN));
        }
        self.waiting.insert(job.key, job);
        self.forget_idle(&lane);
        first.is_none_or(|first| self.next_due().is_some_and(|it| it < first))
    }

    fn unpark(&mut self, key: JobKey) -> Option<Job> {
        let job = self.waiting.remove(&key)?;
        self.by_time.remove(&(job.until, key));
        self.ticking.remove(&key);
        Some(job)
    }

    /// Whoever waits under this name is tried again. `true` when there is a job to try now.
    pub(super) fn wake(&mut self, key: JobKey) -> bool {
        if let Some(job) = self.unpark(key) {
            self.again(job);
            return true;
        }
        for running in self.lanes.values_mut().filter_map(|it| it.running.as_mut()).filter(|it| it.key == key)
        {
            running.is_rung = true;
        }
        false
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let over = self.by_time.first().map(|(at, _)| *at);
        over.into_iter().chain(self.tick.map(|(at, _)| at)).min()
    }

    /// Answers those whose time is over, and makes ready what is looked at by ticks. `true` when there is a
    /// job to try now.
    pub(super) fn handle_due(&mut self, now: Instant) -> bool {
        while let Some((_, key)) = self.by_time.first().filter(|(until, _)| *until <= now).copied() {
            if let Some(job) = self.unpark(key) {
                _ = job.done.send(Ok(()));
            }
        }
        let Some((_, every)) = self.tick.filter(|(at, _)| *at <= now) else { return false };
        let every =
            if std::mem::take(&mut self.has_found) { TICK_MIN } else { (every * 5 / 4).min(TICK_MAX) };
        self.tick = (!self.ticking.is_empty()).then(|| (now + every, every));
        for key in self.ticking.clone() {
            if let Some(job) = self.unpark(key) {
                self.again(job);
            }
        }
        self.has_ready()
    }

    /// Since when a lane hangs: its job has run for too long, or all threads are held by such lanes.
    pub(super) fn hangs_since(
        &self,
        lane: &LaneName,
        now: Instant,
        hang_max: Duration,
        workers_max: usize,
    ) -> Option<Duration> {
        let hang =
            |it: &RunningJob| Some(now.saturating_duration_since(it.since)).filter(|it| *it >= hang_max);
        let running = self.lanes.get(lane).and_then(|it| it.running.as_ref());
        match running {
            Some(running) => hang(running),
            None => {
                let hanging: Vec<Duration> =
                    self.lanes.values().filter_map(|it| it.running.as_ref()).filter_map(hang).collect();
                hanging.iter().min().copied().filter(|_| hanging.len() >= workers_max)
            }
        }
    }

    /// Nobody will ask any more.
    pub(super) fn stop(&mut self) {
        self.stops = true;
    }

    pub(super) fn stops(&self) -> bool {
        self.stops
    }

    fn forget_idle(&mut self, name: &LaneName) {
        if self.lanes.get(name).is_some_and(|it| it.ready.is_empty() && it.running.is_none()) {
            self.lanes.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(
        lanes: &mut JobLanes,
        key: u64,
        lane: &str,
        wait: Duration,
    ) -> oneshot::Receiver<Result<(), Panicked>> {
        let (done, receiver) = oneshot::channel();
        let until = Instant::now() + wait;
        lanes.push(Job {
            key: JobKey(key),
            lane: LaneName(lane.into()),
            attempt: Box::new(|| JobOutcome::Look),
            until,
            done,
        });
        receiver
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_lane_whose_job_hangs_keeps_only_its_own_jobs_waiting() {
        let mut lanes = JobLanes::default();
        let now = Instant::now();
        let _jobs = [
            job(&mut lanes, 1, "/nfs", LONG),
            job(&mut lanes, 2, "/nfs", LONG),
            job(&mut lanes, 3, "/", LONG),
        ];
        let taken = [lanes.take(now).unwrap().key, lanes.take(now).unwrap().key];
        assert_eq!(taken.map(|it| it.0).into_iter().collect::<BTreeSet<_>>(), [1, 3].into());
        assert!(lanes.take(now).is_none() && !lanes.has_ready(), "the second of /nfs waits for the first");
        let hangs = |lanes: &JobLanes, lane: &str, n| {
            lanes.hangs_since(&LaneName(lane.into()), now + 2 * LONG, LONG, n).is_some()
        };
        assert!(hangs(&lanes, "/nfs", 8) && !hangs(&lanes, "/home", 8));
        assert!(hangs(&lanes, "/home", 2), "no thread is left for it");
    }

    #[test]
    fn what_is_woken_while_it_is_tried_is_tried_again() {
        let mut lanes = JobLanes::default();
        let now = Instant::now();
        let _waits = job(&mut lanes, 1, "/", LONG);
        let taken = lanes.take(now).unwrap();
        assert!(!lanes.wake(JobKey(1)), "it is being tried");
        lanes.file(taken, Ok(JobOutcome::Listen), now);
        let taken = lanes.take(now).expect("what it did not see may be there now");
        lanes.file(taken, Ok(JobOutcome::Listen), now);
        assert!(lanes.take(now).is_none());
        assert!(lanes.wake(JobKey(1)) && lanes.take(now).is_some());
    }

    #[test]
    fn who_listens_is_not_looked_for_and_whoever_waits_is_answered_in_time() {
        let mut lanes = JobLanes::default();
        let now = Instant::now();
        let (mut listens, _looks) = (job(&mut lanes, 1, "/", LONG), job(&mut lanes, 2, "/", 2 * LONG));
        for how in [JobOutcome::Listen, JobOutcome::Look] {
            let taken = lanes.take(now).unwrap();
            lanes.file(taken, Ok(how), now);
        }
        assert!(lanes.handle_due(now + TICK_MIN));
        let taken = lanes.take(now).unwrap();
        assert_eq!(taken.key, JobKey(2));
        assert!(lanes.take(now).is_none());
        lanes.file(taken, Ok(JobOutcome::Look), now);
        assert!(listens.try_recv().is_err());
        lanes.handle_due(now + LONG + TICK_MIN);
        assert!(matches!(listens.try_recv(), Ok(Ok(()))));
    }

    #[test]
    fn whoever_gave_up_leaves_nothing_behind() {
        let mut lanes = JobLanes::default();
        let now = Instant::now();
        let wait = job(&mut lanes, 1, "/", LONG);
        let taken = lanes.take(now).unwrap();
        drop(wait);
        lanes.file(taken, Ok(JobOutcome::Listen), now);
        assert!(lanes.waiting.is_empty() && lanes.by_time.is_empty() && lanes.lanes.is_empty());
    }
}
