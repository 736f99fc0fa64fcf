//! What is judged while the machine waits: that nothing could go on meanwhile, and that what it says of
//! itself is so.

use forebay_batcher::{Machine, Rule};

use super::World;
use crate::oracle::{Violation, holds};

/// Of so many steps one is followed by a look at sums and states.
const JUDGED_EVERY: u64 = 8;
/// A wait of this length is looked at always.
const LONG_US: u64 = 200_000;

impl World {
    /// The machine will do nothing until then: nothing waits meanwhile that could go on. Now and then the
    /// sums and states are looked at too.
    pub(super) fn judge_the_wait(&self, until_us: u64) -> Result<(), Violation> {
        let Some(machine) = self.machine.as_ref().filter(|_| !self.is_closing() && !self.may_be_behind())
        else {
            return Ok(());
        };
        let is_sampled = self.n_steps.is_multiple_of(JUDGED_EVERY);
        if is_sampled || until_us > self.now_us + LONG_US {
            self.oracle.s1_nothing_waits_beside_a_free_slot(self.demand(until_us))?;
        }
        if is_sampled {
            let now_us = self.now_us;
            let is_read = |track| self.reads.values().any(|read| read.order.track == track);
            let has_room = machine.held_bytes() < self.plan.held_bytes_max;
            self.oracle.s3_what_failed_is_asked_again(until_us, has_room, is_read)?;
            self.oracle.n1_held_bytes_are_the_sum(machine.held_bytes(), now_us)?;
            self.oracle.n9_states_are_so(machine, now_us)?;
            self.s1_what_is_there_is_read(machine)?;
            self.s2_all_others_are_done()?;
        }
        Ok(())
    }

    /// S-1: a track of which the machine has nothing is read when there is something and room for it; one
    /// with slices of a former life is read to the end of them whatever room there is, for they hold its
    /// lanes.
    fn s1_what_is_there_is_read(&self, machine: &Machine) -> Result<(), Violation> {
        if self.oracle.is_queue {
            return Ok(());
        }
        let has_room = machine.held_bytes() < self.plan.held_bytes_max;
        for (owner, reader) in &self.owners {
            let Some(it) = self.oracle.owners.get(owner) else { continue };
            let may_act = !it.over && !it.position_lost && it.closed_until_us.is_none();
            let may_read = may_act && it.read_pause.is_none() && it.commit_failing.is_none();
            let waits = self.tracks[reader.source].log.is_behind(&reader.cursor);
            let is_read = || self.reads.values().any(|read| read.order.track == Some(*owner));
            let is_owed = self.oracle.is_filling(*owner) || (has_room && !self.oracle.has_open(*owner));
            holds(Rule::S1, !may_read || !waits || is_read() || !is_owed, || {
                format!(
                    "{owner:?} has records that nobody reads, and the machine has none of it, or slices that lack theirs"
                )
            })?;
        }
        Ok(())
    }
}
