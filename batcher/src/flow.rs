//! How a chain goes on: from its first step to the next, to a slot, a destination or its end.

mod attempts;
mod notices;
mod parting;
mod remains;

use std::collections::BTreeSet;

use forebay_config::Redelivery;

use crate::action::*;
use crate::attempt::{Condition, Next, Outcome, Slice, Then, Told, Tried, n_named, next};
use crate::backoff::{ask_again_delay, retry_delay};
use crate::chain::{Chain, ChainId, Hold, Status, Step, What, group_of};
use crate::machine::{Machine, Ready};
use crate::record::{Place, Record, TrackIdx};
use crate::time::Tick;
use crate::timers::Timer;
use crate::tracks::Track;

impl Machine {
    pub(crate) fn add_chain(&mut self, chain: Chain) -> ChainId {
        let number = self.next_id();
        self.chains.insert(number, chain)
    }

    /// Looks at a chain's first step and puts the chain where it must wait; ends it when nothing is left.
    pub(crate) fn advance(&mut self, id: ChainId) {
        if self.is_closing() {
            self.hand_back(id);
        }
        loop {
            self.convert_filled(id);
            self.drop_dead(id);
            if let Some(parted) = self.part(id) {
                self.advance(parted);
            }
            let Some(chain) = self.chains.get(id) else { return };
            let Some(step) = chain.steps.front() else {
                self.end_chain(id);
                return;
            };
            let status = match &step.what {
                What::Filling(_) => Status::Filling,
                // C-2: what is left of a track that was closed is its next owner's.
                What::Try(_) if self.is_draining(chain) => Status::New,
                What::Try(tried) if tried.n_invokes > 0 && !self.is_durable(chain, step) => Status::Durable,
                What::Try(tried) if tried.not_before > self.now.tick => Status::Retry { until: tried.not_before },
                What::Try(_) => Status::Ready { since: self.now.tick },
                What::Tell(told) if !self.has_taker(told) => {
                    self.discard_first(id);
                    continue;
                }
                What::Tell(_) if !self.is_durable(chain, step) => Status::Durable,
                What::Tell(told)
                    if told.n_refused > 0 && matches!(&chain.status, Status::Redeliver { until, .. } if *until > self.now.tick) =>
                {
                    chain.status.clone()
                }
                What::Tell(_) if self.is_draining(chain) => Status::New,
                What::Tell(_) => {
                    self.deliver(id);
                    return;
                }
            };
            self.set_status(id, status);
            return;
        }
    }

    fn set_status(&mut self, id: ChainId, status: Status) {
        let Some(chain) = self.chains.get_mut(id) else { return };
        let was_ready = matches!(chain.status, Status::Ready { .. });
        let is_ready = matches!(status, Status::Ready { .. });
        let (before, now) = (deadlines(&chain.status), deadlines(&status));
        let is_not_reached = chain.not_reached().is_some();
        if status == Status::Durable {
            for idx in chain.tracks() {
                if let Some(track) = self.tracks.by_idx.get_mut(idx) {
                    track.wait_for_commit(id);
                }
            }
        }
        if !(was_ready && is_ready) {
            chain.status = status;
        }
        for (timer, before, now) in [(Timer::Retry(id), before.0, now.0), (Timer::Redeliver(id), before.1, now.1)] {
            if before.is_some() || now.is_some() {
                self.timers.set(timer, now);
            }
        }
        match (was_ready, is_ready) {
            (false, true) => {
                self.n_ready += 1;
                // A slice that did not reach the function keeps its place.
                if is_not_reached { self.ready.push_front(Ready::Chain(id)) } else { self.ready.push_back(Ready::Chain(id)) }
            }
            (true, false) => self.n_ready -= 1,
            (true, true) | (false, false) => {}
        }
    }

    /// Whether the step is in a durable checkpoint of every track that it touches.
    fn is_durable(&self, chain: &Chain, step: &Step) -> bool {
        chain.holds.iter().all(|hold| match hold {
            // A track that is not ours any more keeps nothing waiting.
            Hold::Lane(idx, _) => {
                self.tracks.by_idx.get(*idx).is_none_or(|track| !track.is_active() || track.committing.durable >= step.mark)
            }
            Hold::Group(_) => true,
        })
    }

    /// Nothing is left of a chain: its lanes and groups are free.
    fn end_chain(&mut self, id: ChainId) {
        self.set_status(id, Status::New);
        let Some(chain) = self.chains.remove(id) else { return };
        self.release(id, chain.holds);
    }

    fn release(&mut self, id: ChainId, holds: Vec<Hold>) {
        for hold in holds {
            match hold {
                Hold::Lane(idx, lane) => {
                    if let Some(track) = self.tracks.by_idx.get_mut(idx) {
                        track.lanes.free(lane, id);
                    }
                    self.pump_track(idx);
                    self.touch_lane(idx, lane);
                }
                Hold::Group(group) => self.release_group(&group),
            }
        }
    }

    /// Lets go of what no step of a chain needs any more.
    pub(crate) fn release_unneeded(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get_mut(id) else { return };
        if chain.holds.len() < 2 || chain.steps.is_empty() {
            // With the last step all of it ends.
            return;
        }
        let n_lanes = |idx: TrackIdx| self.tracks.by_idx.get(idx).map_or(1, Track::n_lanes);
        let needed: BTreeSet<Hold> = chain
            .steps
            .iter()
            .flat_map(|step| step.records())
            .filter_map(|record| match &record.place {
                Place::Track(idx, position) => Some(Hold::Lane(*idx, crate::lanes::lane_of(&record.key, position, n_lanes(*idx)))),
                Place::Queue { .. } => group_of(record).cloned().map(Hold::Group),
            })
            .collect();
        let (kept, free) = std::mem::take(&mut chain.holds).into_iter().partition(|hold| needed.contains(hold));
        chain.holds = kept;
        self.release(id, free);
    }

    fn mark_chain_dirty(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get(id) else { return };
        let tracks = chain.tracks();
        if !chain.steps.is_empty() {
            self.tell_of(id);
        }
        for idx in tracks {
            if let Some(track) = self.tracks.by_idx.get_mut(idx) {
                track.is_dirty = true;
            }
            self.pump_track(idx);
        }
    }

    /// From now on the checkpoints of a chain's tracks speak of it.
    pub(crate) fn tell_of(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get(id) else { return };
        for idx in chain.tracks() {
            if let Some(track) = self.tracks.by_idx.get_mut(idx) {
                track.lanes.tell(id);
            }
        }
    }

    /// W-2: finished by success or by delivery.
    pub(crate) fn finish(&mut self, id: ChainId, records: &[Record]) {
        let mut rest = records;
        while let Some(first) = rest.first() {
            let Place::Track(idx, _) = first.place else {
                self.settle_all(records, Settle::Delete);
                break;
            };
            let n = rest.iter().take_while(|record| matches!(record.place, Place::Track(it, _) if it == idx)).count();
            if !self.chains.get(id).is_some_and(|chain| chain.lost.contains(&idx)) {
                self.finish_on_track(idx, &rest[..n]);
            }
            rest = &rest[n..];
        }
        self.give_room(records);
    }

    fn after_pop(&mut self, id: ChainId) {
        self.set_status(id, Status::New);
        self.mark_chain_dirty(id);
        self.release_unneeded(id);
    }

    /// Looks at a chain anew: what it waited for is over, or its first step is another. S-5: not at one that waits after a refusal.
    pub(crate) fn look_again(&mut self, id: ChainId) {
        self.set_status(id, Status::New);
        self.advance(id);
    }
}

/// When a chain with this status is tried again, and when it is told of again.
fn deadlines(status: &Status) -> (Option<Tick>, Option<Tick>) {
    match status {
        Status::Retry { until } => (Some(*until), None),
        Status::Redeliver { until, .. } => (None, Some(*until)),
        Status::New | Status::Filling | Status::Durable | Status::Ready { .. } | Status::InFlight { .. } | Status::Delivering { .. } => {
            (None, None)
        }
    }
}
