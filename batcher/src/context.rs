//! What all machines of one mapping share: its plan, the time, the ids, the deadlines, the memory, the counts
//! and what must be done next.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::action::Action;
use crate::backoff::mix;
use crate::former::Former;
use crate::plan::Plan;
use crate::rate::Rate;
use crate::record::Record;
use crate::state::Counts;
use crate::time::Now;
use crate::timers::Timers;

/// What all machines of one mapping share. Nothing here belongs to one of them; the batch former stands here
/// because each of them brings it what could use a slot, and it asks none of them anything.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) plan: Arc<Plan>,
    seed: u64,
    pub(crate) now: Now,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) timers: Timers,
    pub(crate) next_id: u64,
    /// Grows with every change that a checkpoint must say.
    pub(crate) mark: u64,
    closing: Closing,
    pub(crate) counts: Counts,
    pub(crate) held_bytes: u64,
    /// What was started, against the plan's rate limit.
    pub(crate) rate: Rate,
    pub(crate) former: Former,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    Open,
    Finishing,
    Abandoned,
}

impl Context {
    pub(crate) fn new(plan: Arc<Plan>, seed: u64) -> Self {
        Self {
            plan,
            seed,
            now: Now::default(),
            actions: VecDeque::new(),
            timers: Timers::default(),
            next_id: 1,
            mark: 1,
            closing: Closing::Open,
            counts: Counts::default(),
            held_bytes: 0,
            rate: Rate::default(),
            former: Former::default(),
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing != Closing::Open
    }

    /// Whether this is what closes it.
    pub(crate) fn close(&mut self) -> bool {
        let is_first = self.closing == Closing::Open;
        if is_first {
            self.closing = Closing::Finishing;
        }
        is_first
    }

    /// Nothing is to be done any more.
    pub(crate) fn abandon(&mut self) {
        self.closing = Closing::Abandoned;
        self.actions.clear();
        self.timers.clear();
        self.former = Former::default();
        self.held_bytes = 0;
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(crate) fn seed_of(&self, what: u64) -> u64 {
        mix(self.seed ^ what.rotate_left(32))
    }

    /// Gives back what records held.
    pub(crate) fn give_room(&mut self, records: &[Record]) {
        let bytes: u64 = records.iter().map(Record::held_bytes).sum();
        // N-1: nothing is given back that was not held.
        crate::rule!(N1, bytes <= self.held_bytes);
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
    }
}
