//! A process that stands still: it hears nothing for a while, and then everything at once. Network, queue and
//! store go on meanwhile.

use super::events::Event;
use super::{Phase, World};
use crate::coverage::Point;

/// Calls that a process makes when it goes on, a commit after another, are answered by then.
const CATCHES_UP_US: u64 = 200_000;

/// Until when the process stands still.
#[derive(Debug, Default)]
pub(super) struct Stall {
    until_us: u64,
    timeouts_first: bool,
}

impl Stall {
    /// When something that is due at this tick is heard of.
    pub(super) fn at_the_earliest(&self, tick_us: u64) -> u64 {
        tick_us.max(self.until_us)
    }

    /// Whether the timeouts that fell due meanwhile are heard of before the news of that time.
    pub(super) fn hears_timeouts_first(&self, tick_us: u64) -> bool {
        self.timeouts_first && self.until_us == tick_us
    }
}

impl World {
    /// The process stands still from here on.
    pub(super) fn stall(&mut self, seconds: u32, timeouts_first: bool) {
        if self.machine.is_none() || self.phase != Phase::Safety || self.is_stalled() {
            return;
        }
        self.coverage.hit(Point::Stalled);
        let until_us = self.now_us + 1_000_000 * u64::from(seconds);
        self.stall = Stall { until_us, timeouts_first };
        self.oracle.stirred_us = until_us;
        if self.oracle.excuse_what_lapses(&self.queue.queue, self.now_us, until_us) {
            self.coverage.hit(Point::LapsedInStall);
        }
    }

    /// A new process does not stand still.
    pub(super) fn stall_ends(&mut self) {
        self.stall = Stall::default();
    }

    /// Puts off what a process that stands still cannot hear; gives back what happens all the same.
    pub(super) fn put_off(&mut self, event: Event) -> Option<Event> {
        if self.is_stalled() && self.is_news(&event) {
            self.events.push(self.stall.until_us, event);
            return None;
        }
        Some(event)
    }

    /// It stands still, or has not heard all of what came meanwhile, or has only just sent what that asks
    /// for.
    pub(super) fn may_be_behind(&self) -> bool {
        self.now_us <= self.stall.until_us + CATCHES_UP_US
    }

    fn is_stalled(&self) -> bool {
        self.now_us < self.stall.until_us
    }

    /// Whether the machine itself would hear of this.
    fn is_news(&self, event: &Event) -> bool {
        match event {
            // A queue hands its messages out; that they arrive is an event of its own.
            Event::ReadAnswer { .. } => !self.oracle.is_queue,
            Event::Regain { .. }
            | Event::LoseTrack { .. }
            | Event::Revoke { .. }
            | Event::ChannelDies
            | Event::ChangePlan
            | Event::ChangeLanes
            | Event::Close
            | Event::Decide
            | Event::ReadArrives { .. }
            | Event::ReadFails { .. }
            | Event::ReadAgain { .. }
            | Event::SlotFree { .. }
            | Event::Answer { .. }
            | Event::Delivered { .. }
            | Event::Committed { .. }
            | Event::Settled { .. }
            | Event::Extended { .. } => true,
            Event::Append { .. }
            | Event::Control { .. }
            | Event::Trim { .. }
            | Event::Compact { .. }
            | Event::EndTrack { .. }
            | Event::Fence { .. }
            | Event::QueueWakes
            | Event::PoisonHeals
            | Event::StopWaiting { .. }
            | Event::StopNow { .. }
            | Event::Start
            | Event::StepClock
            | Event::Heal
            | Event::GateOpens { .. }
            | Event::CommitLands { .. }
            | Event::StoreSyncs
            | Event::SettleLands { .. }
            | Event::ExtendLands { .. }
            | Event::Stall { .. } => false,
        }
    }
}
