//! E-1 and E-2: what waits for an operator, and what he decides.

use std::sync::Arc;

use forebay_batcher::lanes::lane_of;
use forebay_batcher::{
    Attempt, Checkpoint, Condition, Decision, DecisionId, Now, OnExhausted, OpenSlice, OrderKey, Paused,
    Place, Plan, Record, Rule, TrackIdx, TrackState,
};

use super::numbers::slice_of;
use super::ownership::{is_finished_in, order_key};
use super::{Entry, Oracle, Ownership, Violation, holds};

/// A decision that is not told to be durable yet.
#[derive(Debug)]
pub(crate) struct Pending {
    decision: Decision,
    /// The records that it is about, each with the ownership that it is held by.
    records: Vec<(u32, TrackIdx)>,
}

impl Oracle {
    /// Some plan limits the age of records, and some plan lets what is used up wait or has cuts last: a batch amid
    /// which a record becomes too old goes on as two.
    pub(super) fn is_parted_by_age(&self) -> bool {
        let parts = |plan: &Plan| plan.retry.on_exhausted == OnExhausted::Pause || plan.durable_cuts;
        self.plans.iter().any(|plan| parts(plan))
            && self.plans.iter().any(|plan| plan.retry.record_age_max.is_some())
    }

    /// What is given up for this was sent by an operator: every plan lets it wait for one.
    pub(super) fn is_of_operator(&self, condition: Condition) -> bool {
        matches!(condition, Condition::RetriesExhausted | Condition::AgeExceeded)
            && self.plans.iter().all(|plan| plan.retry.on_exhausted == OnExhausted::Pause)
    }

    /// E-1: what waits for an operator used up what a limit allows, where the plan says so, and is told of
    /// once.
    pub(crate) fn hear_of_a_pause(&mut self, paused: &Paused, now: Now) -> Result<(), Violation> {
        let may_pause = self.plans.iter().any(|plan| plan.retry.on_exhausted == OnExhausted::Pause)
            && matches!(paused.condition, Condition::RetriesExhausted | Condition::AgeExceeded);
        holds(Rule::E1, may_pause, || format!("records wait for an operator by {:?}", paused.condition))?;
        self.w2_only_what_a_limit_gives_up_is_given_up(paused.condition, &paused.slice, now)?;
        let entries: Vec<usize> = paused.slice.records().iter().map(|record| self.entry_of(record)).collect();
        self.hear_of_a_giving_up(&entries, paused.condition, now.tick.0);
        for (entry, record) in entries.into_iter().zip(paused.slice.records()) {
            if let Place::Track(track, _) = &record.place {
                self.f1_no_action_after_the_track_is_lost(*track, "a pause")?;
            }
            let held = &mut self.entries[entry];
            holds(Rule::E1, held.paused_since.is_none(), || {
                format!("record {} is told to wait for an operator twice", held.uid)
            })?;
            let n = held.tried + u32::from(paused.condition == Condition::AgeExceeded && !held.given_up);
            holds(Rule::N6, n == paused.n_invokes, || {
                format!("record {} was tried {n} times and waits after {}", held.uid, paused.n_invokes)
            })?;
            (held.paused_since, held.given_up, held.tried) = (Some(paused.since), true, n);
            (held.begun, held.not_reached_us) = (true, None);
            self.tally.paused += 1;
        }
        Ok(())
    }

    /// E-1: what waits for an operator is not tried, and neither is what he sent or what stands behind it on
    /// its lane.
    pub(crate) fn e1_nothing_begins_without_a_decision(
        &self,
        attempt: &Attempt,
        entries: &[usize],
    ) -> Result<(), Violation> {
        for (record, entry) in attempt.slice.records().iter().zip(entries) {
            let held = &self.entries[*entry];
            holds(Rule::E1, held.paused_since.is_none(), || {
                format!("record {} waits for an operator and is tried", held.uid)
            })?;
            holds(Rule::E2, !held.is_sent, || {
                format!("record {} was sent to the destination and is tried", held.uid)
            })?;
            let Place::Track(track, _) = &record.place else { continue };
            let before = self.first_that_waits_before(*track, *entry);
            holds(Rule::E1, before.is_none(), || {
                format!("record {} is tried, and before it on its lane record {before:?} waits", held.uid)
            })?;
        }
        Ok(())
    }

    fn first_that_waits_before(&self, track: TrackIdx, entry: usize) -> Option<usize> {
        let owner = self.owners.get(&track)?;
        let [n_lanes] = self.numbers_of_lanes(owner)[..] else { return None };
        let lane = |uid: usize| {
            let truth = &self.truths[uid];
            lane_of(&truth.key.map_or(OrderKey::Free, order_key), &truth.position, n_lanes)
        };
        let place = &self.truths[entry].position;
        let before = self.handed_of(track).take_while(|uid| self.truths[*uid].position < *place);
        let mut waiting = before.filter(|uid| {
            let held = &self.entries[*uid];
            held.paused_since.is_some() && !held.finished
        });
        waiting.find(|uid| lane(*uid) == lane(entry))
    }

    /// E-1: nothing that waits is told to a destination or dropped.
    pub(crate) fn e1_nothing_is_given_up_without_a_decision(
        &self,
        records: &[Record],
        condition: Condition,
    ) -> Result<(), Violation> {
        for record in records {
            let held = &self.entries[self.entry_of(record)];
            holds(Rule::E1, held.paused_since.is_none(), || {
                format!("record {} waits for an operator and is given up", held.uid)
            })?;
            holds(Rule::E1, held.is_sent || !self.is_of_operator(condition), || {
                format!("record {} is given up, and no operator said so", held.uid)
            })?;
        }
        Ok(())
    }

    /// E-1 and E-2: a checkpoint says what waits, and what an operator decided.
    pub(super) fn e1_a_checkpoint_says_what_waits(
        &self,
        uid: usize,
        slice: &OpenSlice,
    ) -> Result<(), Violation> {
        let held = &self.entries[uid];
        let said = slice.given_up.as_ref().and_then(|it| it.paused_since);
        // What it says first the machine tells when its turn has come.
        let is_kept = held.paused_since.is_none() || said == held.paused_since;
        holds(Rule::E1, is_kept, || {
            format!("a checkpoint forgets that record {uid} waits for an operator: it says {said:?}")
        })?;
        holds(Rule::E2, said.is_none() || !held.is_sent, || {
            format!("a checkpoint says that record {uid} waits, which an operator sent to the destination")
        })?;
        let is_pardoned =
            slice.given_up.is_some() || held.in_flight || slice.is_age_pardoned == held.is_pardoned;
        holds(Rule::E2, is_pardoned, || {
            format!(
                "a checkpoint says of record {uid} that its age is no hindrance: {}",
                slice.is_age_pardoned
            )
        })
    }

    /// E-1: an operator sees what waits, and nothing else.
    pub(crate) fn e1_the_list_is_right(&self, list: &[Paused], n_paused: usize) -> Result<(), Violation> {
        holds(Rule::E1, list.len() == n_paused, || {
            format!("{n_paused} batches wait, and {} are listed", list.len())
        })?;
        let listed: Vec<usize> =
            list.iter().flat_map(|it| it.slice.records()).map(|record| self.entry_of(record)).collect();
        for uid in &listed {
            let held = &self.entries[*uid];
            holds(Rule::E1, held.paused_since.is_some() && !held.finished, || {
                format!("record {uid} is listed and does not wait")
            })?;
        }
        for (track, owner) in &self.owners {
            let missing = self.first_of_a_lane_that_waits(*track, owner).filter(|uid| !listed.contains(uid));
            holds(Rule::E1, missing.is_none(), || format!("record {missing:?} waits and is not listed"))?;
        }
        Ok(())
    }

    /// A record that stands first on its lane and waits for an operator, as far as that can be told. Before it
    /// may stand the end of its window, which holds no record.
    fn first_of_a_lane_that_waits(&self, track: TrackIdx, owner: &Ownership) -> Option<usize> {
        let is_known = !owner.over && !owner.position_lost && !self.mixes_tracks && !self.is_filling(track);
        let firsts = if is_known { self.firsts_of_lanes(track, owner) } else { Vec::new() };
        let waits = |entry: &&&Entry| {
            entry.paused_since.is_some() && !self.stands_behind_an_end(owner, entry.uid as usize)
        };
        firsts.iter().find(waits).map(|entry| entry.uid as usize)
    }

    /// N-9: where something waits for an operator, that is what is said.
    pub(super) fn n9_what_waits_is_said(
        &self,
        track: TrackIdx,
        owner: &Ownership,
        state: &TrackState,
    ) -> Result<(), Violation> {
        let waits = self.first_of_a_lane_that_waits(track, owner);
        let is_said =
            matches!(state, TrackState::Paused { .. } | TrackState::StoreFailing { .. } | TrackState::Closed);
        holds(Rule::N9, waits.is_none() || is_said, || {
            format!("record {waits:?} of {track:?} waits for an operator, and it is said to be {state:?}")
        })
    }

    /// Something of a track that the machine has waits for an operator, read again or not.
    pub(crate) fn anything_waits(&self) -> bool {
        let owners = self.owners.values().filter(|owner| !owner.over && !owner.position_lost);
        let mut uids = owners.flat_map(|owner| &self.by_track[owner.source]);
        uids.any(|uid| {
            let held = &self.entries[*uid as usize];
            held.paused_since.is_some() && !held.finished
        })
    }

    /// E-2: what an operator decided, entered into the books.
    pub(crate) fn hear_of_a_decision(
        &mut self,
        id: DecisionId,
        paused: &Paused,
        decision: Decision,
        now_us: u64,
    ) {
        self.stirred_us = now_us;
        let mut records = Vec::new();
        for record in paused.slice.records() {
            let Place::Track(track, _) = &record.place else { continue };
            let entry = self.entry_of(record);
            records.push((self.entries[entry].uid, *track));
            let held = &mut self.entries[entry];
            held.paused_since = None;
            match decision {
                Decision::Skip => {
                    (held.finished, held.fixed) = (true, true);
                    self.truths[held.uid as usize].n_skipped += 1;
                    self.unsaid.insert(*track);
                    self.tally.decided_skip += 1;
                }
                Decision::Retry => {
                    (held.given_up, held.spent, held.is_pardoned) = (false, 0, true);
                    held.pause = super::Pause::of(now_us, 0);
                    held.retried_us = Some(now_us);
                    self.tally.decided_retry += 1;
                }
                Decision::Send => {
                    held.is_sent = true;
                    self.tally.decided_send += 1;
                }
            }
        }
        self.decisions.insert(id, Pending { decision, records });
    }

    /// E-2: a decision that is told to be durable is so, and is told once.
    pub(crate) fn e2_a_decision_is_durable(
        &mut self,
        id: DecisionId,
        durable: &[Option<Arc<Checkpoint>>],
    ) -> Result<(), Violation> {
        let Some(Pending { decision, records }) = self.decisions.remove(&id) else {
            return holds(Rule::E2, false, || {
                format!("{id:?} is told to be durable, which nobody waits for")
            });
        };
        for (uid, track) in records {
            let truth = &self.truths[uid as usize];
            let Some(owner) = self.owners.get(&track).filter(|owner| !owner.over) else { continue };
            let kept = durable[owner.source].as_ref();
            let slice = kept.and_then(|kept| slice_of(kept, truth));
            let is_so = match decision {
                Decision::Skip => kept.is_some_and(|kept| is_finished_in(kept, &truth.position)),
                Decision::Retry => slice.is_some_and(|it| it.given_up.is_none() && it.is_age_pardoned),
                Decision::Send => {
                    slice.is_some_and(|it| it.given_up.as_ref().is_some_and(|it| it.paused_since.is_none()))
                }
            };
            holds(Rule::E2, is_so, || {
                format!("{decision:?} of record {uid} is told to be durable; durable is {slice:?}")
            })?;
        }
        Ok(())
    }

    /// A track was lost: nobody is told what became of the decisions about it.
    pub(super) fn forget_decisions(&mut self, track: TrackIdx) {
        self.decisions.retain(|_, it| it.records.iter().all(|(_, other)| *other != track));
    }

    /// E-2: at the end every decision was told to be durable, unless its track was lost, or the machine has
    /// not heard of a commit yet.
    pub(crate) fn e2_every_decision_is_told(&self) -> Result<(), Violation> {
        let is_held = |track: &TrackIdx| {
            let is_alive = self.owners.get(track).is_some_and(|owner| !owner.over && !owner.position_lost);
            let is_open = self.commits.values().any(|(other, _)| other == track)
                || self.unsynced.keys().any(|(other, _)| other == track);
            is_alive && !is_open
        };
        let untold = self.decisions.iter().find(|(_, it)| it.records.iter().all(|(_, track)| is_held(track)));
        holds(Rule::E2, untold.is_none(), || format!("{untold:?} was never told to be durable"))
    }
}
