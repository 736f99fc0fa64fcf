//! The gate: slots up to the concurrency; after an attempt that did not reach the function it waits, then
//! lets one probe through.

use std::time::Duration;

use forebay_batcher::SlotId;

use super::World;
use super::events::Event;
use crate::oracle::{Demand, Violation};

/// The gate of the mapping's function.
#[derive(Debug, Default)]
pub(super) struct Gate {
    want: u32,
    n_coming: u32,
    n_out: u32,
    next_slot: u64,
    shut_until_us: u64,
    probing: bool,
    n_not_reached: u32,
}

impl World {
    /// The machine tells how many slots it could use.
    pub(super) fn gate_wants(&mut self, want: u32) {
        self.gate.want = want;
        self.pump_gate();
    }

    /// A batch waits for a slot.
    pub(super) fn gate_is_wanted(&self) -> bool {
        self.gate.want > 0
    }

    /// A new process has a new gate.
    pub(super) fn gate_begins(&mut self) {
        self.gate = Gate { next_slot: self.gate.next_slot, ..Gate::default() };
    }

    /// A slot came back.
    pub(super) fn gate_takes_back(&mut self) {
        self.gate.n_out = self.gate.n_out.saturating_sub(1);
        self.pump_gate();
    }

    /// What the machine asks for, and whether it would get it.
    pub(super) fn demand(&self, until_us: u64) -> Demand {
        let limit = if self.gate.probing { 1 } else { self.concurrency() };
        let has_free_slot =
            self.now_us >= self.gate.shut_until_us && self.gate.n_coming + self.gate.n_out < limit;
        Demand { now_us: until_us, want: self.gate.want, has_free_slot }
    }

    /// An attempt reached the function.
    pub(super) fn gate_hears_of_an_answer(&mut self) {
        self.gate.probing = false;
        self.gate.n_not_reached = 0;
    }

    /// An attempt did not reach the function: all wait.
    pub(super) fn gate_hears_of_none(&mut self, retry_after: Option<Duration>) {
        let doubled = Duration::from_secs(1 << self.gate.n_not_reached.min(5));
        let wait = retry_after.unwrap_or(doubled);
        self.gate.n_not_reached += 1;
        self.gate.probing = true;
        self.gate.shut_until_us = self.now_us + u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        let life = self.life;
        self.events.push(self.gate.shut_until_us, Event::GateOpens { life });
    }

    /// Grants what may be granted.
    pub(super) fn pump_gate(&mut self) {
        let limit = if self.gate.probing { 1 } else { self.concurrency() };
        while self.machine.is_some()
            && self.now_us >= self.gate.shut_until_us
            && self.gate.want > self.gate.n_coming
            && self.gate.n_coming + self.gate.n_out < limit
        {
            self.gate.n_coming += 1;
            let at = if self.choices.chance(100) { self.latency() } else { self.now_us + 10 };
            let life = self.life;
            self.events.push(at, Event::SlotFree { life });
        }
    }

    /// A slot is granted, unless the wish was withdrawn meanwhile.
    pub(super) fn grant_slot(&mut self) -> Result<(), Violation> {
        self.gate.n_coming -= 1;
        if self.gate.want == 0 {
            return Ok(());
        }
        self.gate.want -= 1;
        self.gate.n_out += 1;
        self.gate.next_slot += 1;
        let slot = SlotId(self.gate.next_slot);
        self.oracle.slots.push(slot);
        self.trace.note(&[2, slot.0], || format!("{:>12} slot {}", self.now_us, slot.0));
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_slot(slot, now);
        }
        Ok(())
    }

    fn concurrency(&self) -> u32 {
        self.plan.concurrency_max.map_or(8, std::num::NonZeroU32::get)
    }
}
