//! Which environments there are, who has which, and whether another may be started. Most recently used first;
//! the rest fades away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_batcher::Backoff;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::environment::{Environment, Fate};

/// How long an environment that has just answered is waited for before another one is started.
const RETURN_PATIENCE: Duration = Duration::from_millis(50);

/// The environments of one function.
pub(super) struct EnvironmentPool {
    inner: Mutex<PoolState>,
    changed: Notify,
    environments_max: usize,
}

#[derive(Default)]
struct PoolState {
    entries: BTreeMap<u64, PooledEnvironment>,
    /// Places that are taken, environments being started and being ended included.
    n_places: usize,
    /// Free environments, the most recently used one last.
    idle: Vec<(Instant, u64)>,
    n_started: u64,
    n_failed_starts: u32,
    next_start: Option<Instant>,
    is_closed: bool,
    /// The next look at idle environments panics.
    #[cfg(test)]
    dies_at_reap: bool,
}

struct PooledEnvironment {
    environment: Arc<Environment>,
    /// Counts the turns it was given.
    turn: u64,
    standing: EnvironmentStanding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EnvironmentStanding {
    /// Works on a turn, or is on its way to the end.
    Busy,
    /// Has answered and is not back for the next event; it has until this instant.
    Returning(Instant),
    Idle,
}

/// What a caller gets.
pub(super) enum PoolSeat {
    /// A running environment.
    Warm(EnvironmentLease),
    /// The right to start one.
    New(PoolPlace),
}

/// Nobody gets a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSeat {
    /// All environments are taken.
    #[error("all environments are busy")]
    Busy,
    /// The executor is being stopped.
    #[error("the executor is stopped")]
    Closed,
}

impl EnvironmentPool {
    pub(super) fn new(environments_max: usize) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), changed: Notify::new(), environments_max })
    }

    /// A free environment, or the right to start one, waiting for it as long as `patience`.
    pub(super) async fn take(self: &Arc<Self>, patience: Duration) -> Result<PoolSeat, NoSeat> {
        let give_up = Instant::now() + patience;
        let prefer_warm = Instant::now() + RETURN_PATIENCE;
        loop {
            // Heard from here on: what changes after the look below still wakes it.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = Instant::now();
            let mut wake = give_up;
            {
                let mut inner = self.lock();
                if inner.is_closed {
                    return Err(NoSeat::Closed);
                }
                if let Some(lease) = self.pop_idle(&mut inner) {
                    return Ok(PoolSeat::Warm(lease));
                }
                // Nobody else looks for the overdue: one that hangs after its answer is ended by who needs
                // its place.
                let returning = inner.end_overdue(now);
                if inner.n_places < self.environments_max {
                    // One that has just answered is mostly back sooner than another has started.
                    if returning.is_none() || now >= prefer_warm {
                        inner.n_places += 1;
                        return Ok(PoolSeat::New(PoolPlace { pool: Arc::clone(self) }));
                    }
                    wake = wake.min(prefer_warm);
                }
                // Then one is overdue, and the next round ends it.
                wake = returning.map_or(wake, |it| wake.min(it));
            }
            // With no place at all there is nothing to wait for.
            if now >= give_up || self.environments_max == 0 {
                return Err(NoSeat::Busy);
            }
            drop(tokio::time::timeout_at(wake, changed).await);
        }
    }

    fn pop_idle(self: &Arc<Self>, inner: &mut PoolState) -> Option<EnvironmentLease> {
        while let Some((_, number)) = inner.idle.pop() {
            if let Some(entry) = inner.entries.get_mut(&number) {
                entry.standing = EnvironmentStanding::Busy;
                // Tells this lease from the former ones, whose end may be told late: see `answered`.
                entry.turn += 1;
                return Some(EnvironmentLease {
                    pool: Arc::clone(self),
                    environment: Arc::clone(&entry.environment),
                    turn: entry.turn,
                    is_over: false,
                });
            }
        }
        None
    }

    /// The most environments at once.
    pub(super) fn environments_max(&self) -> usize {
        self.environments_max
    }

    /// The number of the next environment.
    pub(super) fn number(&self) -> u64 {
        let mut inner = self.lock();
        inner.n_started += 1;
        inner.n_started
    }

    /// Enters an environment that was just started; its starter has it.
    pub(super) fn enter(self: &Arc<Self>, environment: Arc<Environment>) -> EnvironmentLease {
        let mut inner = self.lock();
        // The pool was closed while it was being started, and has ended only what it knew of.
        if inner.is_closed {
            environment.end(Fate::Stopped);
        }
        let entry = PooledEnvironment {
            environment: Arc::clone(&environment),
            turn: 1,
            standing: EnvironmentStanding::Busy,
        };
        inner.entries.insert(environment.number, entry);
        EnvironmentLease { pool: Arc::clone(self), environment, turn: 1, is_over: false }
    }

    /// The environment asks for its next event.
    pub(super) fn returned(&self, number: u64) {
        let mut inner = self.lock();
        let is_closed = inner.is_closed;
        let Some(entry) = inner.entries.get_mut(&number) else { return };
        entry.standing = EnvironmentStanding::Idle;
        // Nobody takes it any more, and the reaper has ended.
        if is_closed {
            entry.environment.end(Fate::Retires);
        } else {
            inner.idle.push((Instant::now(), number));
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Nothing is left of the environment.
    pub(super) fn forget(&self, number: u64) {
        let mut inner = self.lock();
        inner.entries.remove(&number);
        inner.idle.retain(|it| it.1 != number);
    }

    /// Ends the environments that were idle for `ttl`, and tells when to look again.
    pub(super) fn reap(&self, ttl: Duration) -> Instant {
        let now = Instant::now();
        let mut inner = self.lock();
        #[cfg(test)]
        assert!(!std::mem::take(&mut inner.dies_at_reap), "the test wants the reaper to die");
        // In the order of their return, so the oldest stand in front.
        let n_expired = inner.idle.iter().take_while(|(since, _)| *since + ttl <= now).count();
        let expired: Vec<_> = inner.idle.drain(..n_expired).collect();
        for (_, number) in expired {
            if let Some(entry) = inner.entries.get_mut(&number) {
                entry.standing = EnvironmentStanding::Busy;
                entry.environment.end(Fate::Retires);
            }
        }
        // What is not idle by now cannot have been so for `ttl` before that.
        inner.idle.first().map_or(now, |(since, _)| *since) + ttl
    }

    /// When the next process may be started: later and later while starts fail.
    pub(super) fn next_start(&self) -> Option<Instant> {
        self.lock().next_start
    }

    /// A runtime did not start, within a turn.
    pub(super) fn start_failed(&self) {
        let mut inner = self.lock();
        let delay = Backoff::START.delay(inner.n_failed_starts, 0);
        inner.n_failed_starts = inner.n_failed_starts.saturating_add(1);
        inner.next_start = Some(Instant::now() + delay);
    }

    /// A runtime did start.
    pub(super) fn start_succeeded(&self) {
        let mut inner = self.lock();
        (inner.n_failed_starts, inner.next_start) = (0, None);
    }

    /// Whether [`Self::close`] was called.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Gives out no more; ends what is free, and what becomes free.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.is_closed = true;
        for (_, number) in std::mem::take(&mut inner.idle) {
            if let Some(entry) = inner.entries.get(&number) {
                entry.environment.end(Fate::Retires);
            }
        }
        // Those on their way back would wait for an event that nobody sends.
        for entry in inner.entries.values() {
            if matches!(entry.standing, EnvironmentStanding::Returning(_)) {
                entry.environment.end(Fate::Retires);
            }
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Kills everything.
    pub(super) fn kill_all(&self) {
        self.close();
        for entry in self.lock().entries.values() {
            entry.environment.end(Fate::Stopped);
        }
    }

    /// Waits until all places are free. Can be dropped without losing anything.
    pub(super) async fn emptied(&self) {
        loop {
            let changed = self.changed.notified();
            // Heard before the look, so that a place freed in between wakes it.
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.lock().n_places == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Waits until the pool is closed. Can be dropped without losing anything.
    pub(super) async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            // Heard before the look, so that a close in between wakes it.
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PoolState {
    /// Ends environments that answered and did not come back in time; tells when the next one is due, if any
    /// is awaited.
    fn end_overdue(&mut self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for entry in self.entries.values_mut() {
            let EnvironmentStanding::Returning(until) = entry.standing else { continue };
            if until <= now {
                // On its way to the end: from here on nobody waits for it, and nobody ends it again.
                entry.standing = EnvironmentStanding::Busy;
                entry.environment.end(Fate::Killed);
            } else {
                next = Some(next.map_or(until, |it: Instant| it.min(until)));
            }
        }
        next
    }
}

/// Room for one environment, held until nothing is left of it.
pub(super) struct PoolPlace {
    pool: Arc<EnvironmentPool>,
}

impl Drop for PoolPlace {
    fn drop(&mut self) {
        self.pool.lock().n_places -= 1;
        self.pool.changed.notify_waiters();
    }
}

/// An environment for one turn. Dropped before the turn is over, it takes the environment with it.
pub(super) struct EnvironmentLease {
    pool: Arc<EnvironmentPool>,
    environment: Arc<Environment>,
    turn: u64,
    is_over: bool,
}

impl EnvironmentLease {
    /// The environment.
    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The turn was answered by the environment, which is given until `until` to come back by itself.
    pub(super) fn answered(mut self, until: Instant) {
        self.is_over = true;
        let mut inner = self.pool.lock();
        let is_closed = inner.is_closed;
        // It may be back, and at work on another turn, before who waited for its answer gets here.
        if let Some(entry) = inner.entries.get_mut(&self.environment.number)
            && entry.turn == self.turn
            && entry.standing == EnvironmentStanding::Busy
        {
            entry.standing = EnvironmentStanding::Returning(until);
            if is_closed {
                entry.environment.end(Fate::Retires);
            }
        }
    }
}

impl Drop for EnvironmentLease {
    fn drop(&mut self) {
        if !self.is_over {
            self.environment.end(Fate::Killed);
        }
    }
}

#[cfg(test)]
mod tests;
