//! Slots per function and per mapping; a function that is not reached gets one probe at a time.

mod delay;
mod state;
mod turnstile;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_batcher::{NotReached, Outcome, RatePlan, SlotId, Tick};
use forebay_config::FunctionName;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub use state::{Closed, GateState};
use turnstile::{SeatId, SlotEnding, Ticket, Turnstile};

/// All slots of a process.
#[derive(Debug)]
pub struct Gate {
    doors: Mutex<BTreeMap<FunctionName, Arc<FunctionDoor>>>,
    n_slots_ever: AtomicU64,
    clock: TickClock,
    seed: u64,
}

/// One function's turnstile and the bells of those who wait at it.
#[derive(Debug)]
struct FunctionDoor {
    inner: Mutex<GateInner>,
    clock: TickClock,
}

#[derive(Debug)]
struct GateInner {
    turnstile: Turnstile,
    bells: BTreeMap<SeatId, Arc<Notify>>,
}

/// One mapping's place at the gate. Dropping it gives up what it wants; slots in use stay good.
#[derive(Debug)]
pub struct GateSeat {
    gate: Arc<Gate>,
    door: Arc<FunctionDoor>,
    id: SeatId,
    bell: Arc<Notify>,
}

/// A slot in use. Dropping it gives it back, as reached.
#[derive(Debug)]
pub struct Slot {
    /// Its number, unique in the process.
    pub id: SlotId,
    door: Arc<FunctionDoor>,
    ticket: Option<Ticket>,
}

impl Gate {
    /// A gate without functions. `seed` drives the jitter of its delays.
    pub fn new(seed: u64) -> Arc<Self> {
        let clock = TickClock { origin: Instant::now() };
        Arc::new(Self { doors: Mutex::default(), n_slots_ever: AtomicU64::new(0), clock, seed })
    }

    /// Sets how many invocations of a function may run at once; zero runs none, and so does a function whose
    /// limit was never set. A new limit holds from the next slot.
    pub fn limit(&self, function: &FunctionName, slots: u32) {
        self.door(function).change(|turnstile, _| turnstile.limit(slots));
    }

    /// A function is run in another way from here on: it has all its slots again, and starts within `rate`,
    /// whatever was told about its former self. Whoever holds a place or a slot keeps those of the former
    /// one.
    pub fn renew(&self, function: &FunctionName, slots: u32, rate: Option<RatePlan>) {
        self.forget(function);
        self.door(function).change(|turnstile, _| {
            turnstile.limit(slots);
            turnstile.rate(rate);
        });
    }

    /// A function is gone. Whoever holds a place or a slot keeps it.
    pub fn forget(&self, function: &FunctionName) {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).remove(function);
    }

    /// A place for one mapping. `mapping_max` bounds its own slots; wants of one function are served in turn.
    pub fn join(self: &Arc<Self>, function: &FunctionName, mapping_max: Option<NonZeroU32>) -> GateSeat {
        let door = self.door(function);
        let bell = Arc::new(Notify::new());
        let mut inner = door.lock();
        let id = inner.turnstile.join(mapping_max);
        inner.bells.insert(id, Arc::clone(&bell));
        drop(inner);
        GateSeat { gate: Arc::clone(self), door, id, bell }
    }

    /// What operators see of a function's gate.
    pub fn state(&self, function: &FunctionName) -> GateState {
        self.door(function).lock().turnstile.state(self.clock.now())
    }

    fn door(&self, function: &FunctionName) -> Arc<FunctionDoor> {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        // Each function has a jitter of its own, so that those behind one platform are not probed in step.
        let seed = self.seed.wrapping_add(doors.len() as u64);
        let new = || FunctionDoor {
            inner: Mutex::new(GateInner { turnstile: Turnstile::new(seed), bells: BTreeMap::new() }),
            clock: self.clock,
        };
        Arc::clone(doors.entry(function.clone()).or_insert_with(|| Arc::new(new())))
    }
}

impl GateSeat {
    /// Replaces what the mapping wants: the slots that it could use besides those it was handed. Zero
    /// withdraws; a slot handed out lowers it by one.
    pub fn want(&self, n: u32) {
        self.door.change(|turnstile, _| turnstile.want(self.id, n));
    }

    /// What operators see of the function's gate.
    pub fn state(&self) -> GateState {
        self.door.lock().turnstile.state(self.door.clock.now())
    }

    /// The next slot. Can be dropped without losing anything.
    pub async fn granted(&mut self) -> Slot {
        loop {
            let opens_at = match self.take() {
                Ok(slot) => return slot,
                Err(opens_at) => opens_at,
            };
            match opens_at {
                // A slot that is granted rings; the end of a pause rings nobody, so it is waited for here.
                Some(at) => tokio::select! {
                    () = self.bell.notified() => {}
                    () = sleep_until(at) => {}
                },
                None => self.bell.notified().await,
            }
        }
    }

    /// A slot that can be had at once.
    pub fn free(&self) -> Option<Slot> {
        self.take().ok()
    }

    /// A slot that is ready; else when time alone may change that.
    fn take(&self) -> Result<Slot, Option<Instant>> {
        let now = self.door.clock.now();
        let mut inner = self.door.lock();
        // A pause may have ended since the last change, and nothing else turns it then.
        inner.turn(now);
        let Some(ticket) = inner.turnstile.take(self.id) else {
            return Err(inner.turnstile.waits(self.id, now).map(|at| self.door.clock.instant(at)));
        };
        drop(inner);
        let id = SlotId(self.gate.n_slots_ever.fetch_add(1, Ordering::Relaxed));
        Ok(Slot { id, door: Arc::clone(&self.door), ticket: Some(ticket) })
    }
}

impl Drop for GateSeat {
    fn drop(&mut self) {
        // Granted a slot between these two steps, it gives that back as it leaves.
        self.door.lock().bells.remove(&self.id);
        self.door.change(|turnstile, _| turnstile.leave(self.id));
    }
}

impl Slot {
    /// The invocation begins, with so many records: what the function's rate limit counts.
    pub fn begin(&mut self, n_records: usize) {
        if let Some(ticket) = &mut self.ticket {
            self.door.change(|turnstile, now| turnstile.begin(ticket, n_records, now));
        }
    }

    /// Gives the slot back with what its attempt told about the function.
    pub fn settle(self, outcome: &Outcome) {
        match outcome {
            Outcome::Succeeded(_)
            | Outcome::PartlyFailed { .. }
            | Outcome::Failed { .. }
            | Outcome::TooLarge => drop(self),
            Outcome::NotReached { why, retry_after, .. } => self.not_reached(*why, *retry_after),
        }
    }

    /// Gives the slot back after an attempt that did not reach the function: the function's slots open again
    /// one at a time, after `retry_after` or a growing delay; the first attempt that reaches it opens them
    /// all.
    pub fn not_reached(mut self, why: NotReached, retry_after: Option<Duration>) {
        self.finish(SlotEnding::NotReached { why, retry_after });
    }

    /// Gives the slot back without having tried anything, which tells nothing about the function.
    pub fn unused(mut self) {
        self.finish(SlotEnding::Unused);
    }

    fn finish(&mut self, ending: SlotEnding) {
        // Taken out, so that the drop that follows has nothing left to give back.
        if let Some(ticket) = self.ticket.take() {
            self.door.change(|turnstile, now| turnstile.finish(ticket, ending, now));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.finish(SlotEnding::Reached);
    }
}

impl FunctionDoor {
    fn lock(&self) -> MutexGuard<'_, GateInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the turnstile, hands out what that set free, and wakes everyone when the time to wait for has
    /// changed; within a rate limit only who waits for it.
    fn change(&self, change: impl FnOnce(&mut Turnstile, Tick)) {
        let now = self.clock.now();
        let mut inner = self.lock();
        // Who waits has seen this: only where it changes are they woken, for a thousand mappings may wait
        // here.
        let before = inner.turnstile.next_opening(now);
        change(&mut inner.turnstile, now);
        inner.turn(now);
        let opening = inner.turnstile.next_opening(now);
        match opening {
            _ if opening == before => {}
            (_, Some(next)) if !inner.turnstile.is_closed(now) => {
                inner.bells.get(&next).into_iter().for_each(|bell| bell.notify_one())
            }
            (_, Some(_) | None) => inner.bells.values().for_each(|bell| bell.notify_one()),
        }
    }
}

impl GateInner {
    fn turn(&mut self, now: Tick) {
        for id in self.turnstile.turn(now) {
            // One that is leaving has no bell: see the drop of its seat.
            if let Some(bell) = self.bells.get(&id) {
                bell.notify_one();
            }
        }
    }
}

/// Tokio's clock as ticks since the gate was made.
#[derive(Debug, Clone, Copy)]
struct TickClock {
    origin: Instant,
}

impl TickClock {
    fn now(self) -> Tick {
        Tick(0).after(self.origin.elapsed())
    }

    /// One microsecond late rather than early, so that who wakes then finds the tick passed.
    fn instant(self, tick: Tick) -> Instant {
        self.origin + Duration::from_micros(tick.0 + 1)
    }
}

#[cfg(test)]
#[path = "gate/tests.rs"]
mod tests;
