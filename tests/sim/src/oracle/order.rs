//! O-1 and O-2: order of a key, lanes of an attempt.

use forebay_batcher::{Attempt, Place, Rule};

use super::{Oracle, Violation, holds};

impl Oracle {
    /// O-1: records of one key are never in flight twice and never overtake.
    pub(crate) fn o1_no_record_overtakes(&self, entries: &[usize]) -> Result<(), Violation> {
        for (at, entry) in entries.iter().enumerate() {
            let held = &self.entries[*entry];
            holds(Rule::O1, !held.in_flight, || format!("record {} is in flight twice", held.uid))?;
            let mut before = self.truths[held.uid as usize].before;
            while let Some(uid) = before {
                if self.is_done_with(uid) {
                    break;
                }
                let truth = &self.truths[uid as usize];
                let handed = !self.is_queue && self.entries[uid as usize].handed;
                let along = entries[..at].iter().any(|other| self.entries[*other].uid == uid);
                let skipped = !truth.wanted || (truth.gone && !handed);
                holds(Rule::O1, along || skipped, || {
                    format!("record {} overtakes record {uid} of its key", held.uid)
                })?;
                if along {
                    break;
                }
                before = truth.before;
            }
        }
        Ok(())
    }

    /// O-1 for groups: no two batches with a common group in flight.
    pub(crate) fn o1_no_group_is_in_flight_twice(&self, entries: &[usize]) -> Result<(), Violation> {
        for entry in entries {
            let Some(group) = self.truth_of(*entry).key else { continue };
            let is_its = |other: &usize| self.truth_of(*other).key == Some(group);
            let shared = self.flights.values().any(|flight| flight.entries.iter().any(is_its));
            holds(Rule::O1, !shared, || format!("group {group} is in flight twice"))?;
        }
        Ok(())
    }

    /// O-2: an attempt holds all its lanes; no lane is held twice.
    pub(crate) fn o2_no_lane_is_held_twice(&self, attempt: &Attempt) -> Result<Vec<(u32, u32)>, Violation> {
        let mut lanes = Vec::new();
        if self.is_queue || self.lanes_vary {
            return Ok(lanes);
        }
        for record in attempt.slice.records() {
            let Place::Track(track, position) = &record.place else { continue };
            let lane =
                (track.0, forebay_batcher::lanes::lane_of(&record.key, position, self.plan().lanes.get()));
            if !lanes.contains(&lane) {
                lanes.push(lane);
            }
        }
        for flight in self.flights.values() {
            let shared = flight.lanes.iter().find(|lane| lanes.contains(lane));
            holds(Rule::O2, shared.is_none(), || format!("lane {shared:?} is held twice"))?;
        }
        Ok(lanes)
    }

    /// The record was finished as the living machine knows it, or as the source does.
    fn is_done_with(&self, uid: u32) -> bool {
        if self.is_queue {
            let truth = &self.truths[uid as usize];
            truth.gone
                || self
                    .entries
                    .iter()
                    .any(|entry| entry.uid == uid && entry.finished && entry.life == self.life)
        } else {
            self.entries[uid as usize].finished
        }
    }
}
