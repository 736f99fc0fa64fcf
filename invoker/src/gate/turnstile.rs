//! Who gets the next slot of one function: decisions without a clock, a lock or a task.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::ops::Bound;
use std::time::Duration;

use forebay_batcher::{NotReached, Rate, RatePlan, Tick};

use super::delay::{asked_delay, probe_delay};
use super::state::{Closed, GateState};

/// One mapping's number at one function's turnstile; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeatId(u32);

/// The right to one slot. It comes back by [`Turnstile::finish`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    seat: SeatId,
    era: u64,
    is_begun: bool,
}

/// How a slot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotEnding {
    /// The function was reached, whatever it answered.
    Reached,
    /// Nothing was tried.
    Unused,
    /// The function was not reached.
    NotReached {
        /// In which way.
        why: NotReached,
        /// When the platform asked to come back.
        retry_after: Option<Duration>,
    },
}

/// The slots of one function and the mappings that want them.
#[derive(Debug)]
pub(crate) struct Turnstile {
    slots: u32,
    in_use: u32,
    seats: BTreeMap<SeatId, Seat>,
    /// Those that want a slot: of a thousand mappings most want none.
    hungry: BTreeSet<SeatId>,
    n_seats_ever: u32,
    /// Who got the last slot: the next one goes to the seat after it.
    last: SeatId,
    closed: Option<Probing>,
    limiter: Option<Limiter>,
    /// Grows when the turnstile closes: what slots of an earlier era bring back is old news.
    era: u64,
    seed: u64,
}

#[derive(Debug)]
struct Seat {
    max: u32,
    wants: u32,
    /// Slots it holds, those not yet picked up included.
    in_use: u32,
    /// Granted and not yet picked up.
    ready: u32,
}

/// The rate limit of the function. How many records a slot is for is known when it is used: until then no
/// other is granted.
#[derive(Debug)]
struct Limiter {
    plan: RatePlan,
    rate: Rate,
    /// Slots that were granted and whose invocation has not begun.
    n_idle: u32,
}

/// The function was not reached: one probe at a time, the next one at `until`.
#[derive(Debug)]
struct Probing {
    until: Tick,
    why: NotReached,
    n_failures: u32,
    /// The platform itself asked for the pause.
    asked: bool,
    probe_out: bool,
}

impl Turnstile {
    pub(crate) fn new(seed: u64) -> Self {
        let last = SeatId(0);
        Self {
            slots: 0,
            in_use: 0,
            seats: BTreeMap::new(),
            hungry: BTreeSet::new(),
            n_seats_ever: 0,
            last,
            closed: None,
            limiter: None,
            era: 0,
            seed,
        }
    }

    /// Sets the function's slots. Slots granted and not yet picked up are taken back as far as they exceed
    /// it.
    pub(crate) fn limit(&mut self, slots: u32) {
        self.slots = slots;
        // What runs cannot be taken back; what nobody has picked up can.
        self.take_back(self.in_use.saturating_sub(slots));
    }

    /// Sets how much may be started of the function in a second.
    pub(crate) fn rate(&mut self, plan: Option<RatePlan>) {
        let idle = self.seats.values().fold(0, |sum, seat| sum + seat.ready);
        self.limiter = plan.map(|plan| Limiter { plan, rate: Rate::default(), n_idle: idle });
    }

    /// The invocation of a slot begins, with so many records.
    pub(crate) fn begin(&mut self, ticket: &mut Ticket, n_records: usize, now: Tick) {
        ticket.is_begun = true;
        if let Some(limiter) = &mut self.limiter {
            // A slot that was picked up before the limit was set is not among those counted.
            limiter.n_idle = limiter.n_idle.saturating_sub(1);
            limiter.rate.take(&limiter.plan, n_records, now);
        }
    }

    /// A new mapping, which wants nothing yet.
    pub(crate) fn join(&mut self, max: Option<NonZeroU32>) -> SeatId {
        self.n_seats_ever += 1;
        let id = SeatId(self.n_seats_ever);
        self.seats
            .insert(id, Seat { max: max.map_or(u32::MAX, NonZeroU32::get), wants: 0, in_use: 0, ready: 0 });
        id
    }

    /// The mapping is gone; the slots that it runs come back by themselves.
    pub(crate) fn leave(&mut self, id: SeatId) {
        self.want(id, 0);
        self.seats.remove(&id);
        self.hungry.remove(&id);
    }

    /// Replaces what a mapping wants; slots granted and not yet picked up are part of it.
    pub(crate) fn want(&mut self, id: SeatId, n: u32) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        // What was granted beyond the new wish goes to the others: nobody would pick it up.
        let n_surplus = seat.ready.saturating_sub(n);
        seat.ready -= n_surplus;
        seat.in_use -= n_surplus;
        seat.wants = n - seat.ready;
        self.hungry.remove(&id);
        if seat.wants > 0 {
            self.hungry.insert(id);
        }
        self.in_use -= n_surplus;
        self.not_idle(n_surplus);
        self.probe_withdrawn(n_surplus);
    }

    /// Grants all that can be granted, and names whom. To be called after every other change.
    pub(crate) fn turn(&mut self, now: Tick) -> Vec<SeatId> {
        let mut granted = Vec::new();
        while self.in_use < self.slots
            && self.limiter.as_ref().is_none_or(|limiter| limiter.n_idle == 0 && limiter.rate.opens() <= now)
            && self.closed.as_ref().is_none_or(|closed| !closed.probe_out && closed.until <= now)
        {
            let Some(id) = self.whose_turn() else { break };
            let seat = self.seats.get_mut(&id).expect("whose_turn names seats");
            seat.wants -= 1;
            if seat.wants == 0 {
                self.hungry.remove(&id);
            }
            seat.ready += 1;
            // In use from here on, picked up or not: else it would be granted to the next one, too.
            seat.in_use += 1;
            self.in_use += 1;
            self.last = id;
            if let Some(limiter) = &mut self.limiter {
                limiter.n_idle += 1;
            }
            if let Some(closed) = &mut self.closed {
                closed.probe_out = true;
            }
            granted.push(id);
        }
        granted
    }

    /// The first seat after the last one served that wants a slot and may have it.
    fn whose_turn(&self) -> Option<SeatId> {
        // From the seat behind the one served last, once around: who wants much waits for who wants little.
        let after = self.hungry.range((Bound::Excluded(self.last), Bound::Unbounded));
        let up_to = self.hungry.range(..=self.last);
        let may =
            |id: &&SeatId| self.seats.get(id).is_some_and(|seat| seat.wants > 0 && seat.in_use < seat.max);
        after.chain(up_to).find(may).copied()
    }

    /// Picks up a granted slot.
    pub(crate) fn take(&mut self, id: SeatId) -> Option<Ticket> {
        let seat = self.seats.get_mut(&id).filter(|seat| seat.ready > 0)?;
        seat.ready -= 1;
        Some(Ticket { seat: id, era: self.era, is_begun: false })
    }

    /// A slot comes back.
    pub(crate) fn finish(&mut self, ticket: Ticket, ending: SlotEnding, now: Tick) {
        self.in_use -= 1;
        // The mapping may have left while its slot was out.
        if let Some(seat) = self.seats.get_mut(&ticket.seat) {
            seat.in_use -= 1;
        }
        // One that never began takes nothing of the rate, and must not keep the others waiting for it.
        self.not_idle(u32::from(!ticket.is_begun));
        // A throttle says that the rate itself was too high, so it grows anew.
        if let (Some(limiter), SlotEnding::NotReached { why: NotReached::Throttled, .. }) =
            (&mut self.limiter, ending)
        {
            limiter.rate.slow_down(now);
        }
        let is_news = ticket.era == self.era;
        match (&mut self.closed, ending) {
            (None, SlotEnding::Reached | SlotEnding::Unused) => {}
            // A function that asked for a pause gets it, whatever became of earlier attempts.
            (Some(closed), SlotEnding::Reached) if is_news || !closed.asked => self.closed = None,
            (Some(_), SlotEnding::Reached) => {}
            // Only a slot of this era is the probe: another goes in its place.
            (Some(closed), SlotEnding::Unused) => closed.probe_out &= !is_news,
            (_, SlotEnding::NotReached { why, retry_after }) if is_news => self.close(why, retry_after, now),
            // An attempt from before it closed failed for the same reason and lengthens no backoff; but
            // what the platform asks for holds, whoever was told.
            (Some(closed), SlotEnding::NotReached { retry_after: Some(asked), .. }) => {
                closed.until = closed.until.max(now.after(asked_delay(asked)));
                closed.asked = true;
            }
            (Some(_) | None, SlotEnding::NotReached { .. }) => {}
        }
    }

    fn close(&mut self, why: NotReached, retry_after: Option<Duration>, now: Tick) {
        // Nothing that was granted before may pass the closed gate.
        self.take_back(u32::MAX);
        let n_failures = self.closed.as_ref().map_or(0, |closed| closed.n_failures);
        // The era makes the jitter of each closing another one.
        let delay = retry_after.map_or_else(|| probe_delay(n_failures, self.seed ^ self.era), asked_delay);
        self.era += 1;
        let n_failures = n_failures.saturating_add(1);
        self.closed = Some(Probing {
            until: now.after(delay),
            why,
            n_failures,
            asked: retry_after.is_some(),
            probe_out: false,
        });
    }

    /// Takes up to `n` slots back that are granted and not yet picked up; their seats want them again.
    fn take_back(&mut self, n: u32) {
        let mut n_left = n;
        for (id, seat) in &mut self.seats {
            let n_back = seat.ready.min(n_left);
            seat.ready -= n_back;
            seat.in_use -= n_back;
            seat.wants += n_back;
            if n_back > 0 {
                self.hungry.insert(*id);
            }
            self.in_use -= n_back;
            n_left -= n_back;
        }
        self.not_idle(n - n_left);
        self.probe_withdrawn(n - n_left);
    }

    /// So many slots were given back that no invocation has used.
    fn not_idle(&mut self, n: u32) {
        if let Some(limiter) = &mut self.limiter {
            limiter.n_idle = limiter.n_idle.saturating_sub(n);
        }
    }

    /// While closed the only slot that can wait to be picked up is the probe.
    fn probe_withdrawn(&mut self, n_back: u32) {
        if let Some(closed) = self.closed.as_mut().filter(|_| n_back > 0) {
            closed.probe_out = false;
        }
    }

    /// When the next slot may go, as far as time alone decides that; `None` when it changes nothing.
    pub(crate) fn opens_at(&self, now: Tick) -> Option<Tick> {
        let probe = self
            .closed
            .as_ref()
            .filter(|closed| !closed.probe_out && closed.until > now)
            .map(|closed| closed.until);
        // While a probe is out its ending decides, not the time.
        if self.closed.as_ref().is_some_and(|closed| closed.probe_out) {
            None
        } else {
            // Both must let it go, so the later one counts.
            probe.max(self.rate_opens_at(now))
        }
    }

    /// When the rate limit lets the next one start; `None` when it does now.
    fn rate_opens_at(&self, now: Tick) -> Option<Tick> {
        self.limiter.as_ref().map(|limiter| limiter.rate.opens()).filter(|opens| *opens > now)
    }

    /// Nobody gets a slot, for the function was not reached.
    pub(crate) fn is_closed(&self, now: Tick) -> bool {
        self.closed.as_ref().is_some_and(|closed| closed.until > now)
    }

    /// Who waits for the time at which the next slot may go: while the rate limit alone holds it, only who
    /// gets it.
    pub(crate) fn waits(&self, id: SeatId, now: Tick) -> Option<Tick> {
        self.opens_at(now).filter(|_| self.is_closed(now) || self.whose_turn() == Some(id))
    }

    /// What those who wait must know of: when the next slot may go, and whose turn it is where that alone
    /// matters.
    pub(crate) fn next_opening(&self, now: Tick) -> (Option<Tick>, Option<SeatId>) {
        (self.opens_at(now), self.limiter.as_ref().and_then(|_| self.whose_turn()))
    }

    pub(crate) fn state(&self, now: Tick) -> GateState {
        GateState {
            slots: self.slots,
            in_use: self.in_use,
            waiting: self.seats.values().fold(0, |sum, seat| sum.saturating_add(seat.wants)),
            rate_opens_in: self.rate_opens_at(now).map(|opens| now.until(opens)),
            closed: self.closed.as_ref().map(|closed| Closed {
                why: closed.why,
                n_failures: closed.n_failures,
                probe_in: now.until(closed.until),
                probe_out: closed.probe_out,
            }),
        }
    }
}

#[cfg(test)]
#[path = "turnstile_tests.rs"]
mod tests;
