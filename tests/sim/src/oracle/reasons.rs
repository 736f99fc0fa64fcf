//! B-2: a batch is what its reason says.

use forebay_batcher::lanes::lane_of;
use forebay_batcher::{Attempt, BatchReason, OrderKey, Record, Rule, TrackIdx};

use super::ownership::order_key;
use super::{Oracle, Violation, holds};

impl Oracle {
    /// B-2: a batch that is tried for the first time has the count, the bytes or the age that its reason
    /// names; what was tried before has none of them. What is left of a batch after its expired records were
    /// split off keeps the reason of the whole.
    pub(crate) fn b2_a_batch_is_what_its_reason_says(
        &self,
        attempt: &Attempt,
        entries: &[usize],
        now_us: u64,
    ) -> Result<(), Violation> {
        if self.is_queue || self.plans.iter().any(|plan| plan.retry.record_age_max.is_some()) {
            return Ok(());
        }
        // A cut that is to last waits for its commit, whatever the plan is by then.
        if self.plan().durable_cuts && self.plans.len() > 1 {
            return Ok(());
        }
        let batch = &self.plan().batch;
        let n_bytes = self.event_bytes(attempt.slice.records()) + super::limits::state_bytes(attempt);
        let n_records = entries.len();
        let is_fresh = entries.iter().all(|entry| !self.entries[*entry].begun);
        let first_us = entries.iter().map(|entry| self.entries[*entry].handed_us).min().unwrap_or(0);
        // The next record may be of a section that the batch does not have yet.
        let section = attempt
            .slice
            .records()
            .iter()
            .map(|it| u64::from(it.section.bytes))
            .filter(|_| self.mixes_tracks)
            .max()
            .unwrap_or(0);
        let is_full = || {
            n_bytes >= batch.bytes_max
                || self.next_of(entries).any(|next| n_bytes + 1 + section + next > batch.bytes_max)
        };
        let is_so = match attempt.why {
            // What waits on one lane may be enough by count and not fit by size; where batches mix tracks the
            // filled batch says why itself.
            BatchReason::Count => {
                is_fresh
                    && (n_records == batch.records_max.get() as usize || (!self.mixes_tracks && is_full()))
            }
            BatchReason::Bytes => is_fresh && (is_full() || self.full_us.is_some_and(|at| at >= first_us)),
            BatchReason::Window => is_fresh && first_us + self.window_us() <= now_us,
            BatchReason::Ended => {
                is_fresh && self.owners_of(entries).any(|track| self.owners[&track].is_at_end)
            }
            BatchReason::TumblingWindow => is_fresh && self.is_cut_by_a_window(attempt, entries),
            BatchReason::Source => false,
            BatchReason::Retry | BatchReason::Half | BatchReason::NotReached => !is_fresh,
        };
        holds(Rule::B2, is_so, || {
            let waited_us = now_us - first_us;
            format!(
                "a batch of {n_records} records and {n_bytes} bytes, the first {waited_us} us old, is tried for its {:?}",
                attempt.why
            )
        })
    }

    /// The window of an attempt can get no more: time has passed its end, or its lane goes on with another.
    fn is_cut_by_a_window(&self, attempt: &Attempt, entries: &[usize]) -> bool {
        let Some(window) = &attempt.window else { return false };
        let Some(owner) = self.owners.get(&window.track) else { return true };
        let end = window.span.end.0;
        let is_later = |uid: usize| !entries.contains(&uid) && self.truths[uid].arrival.0 >= end;
        owner.time.is_some_and(|(time, _)| time >= end) || self.handed_of(window.track).any(is_later)
    }

    /// The bytes of the event that these records make.
    pub(super) fn event_bytes(&self, records: &[Record]) -> u64 {
        let mut sections = Vec::new();
        let mut n_bytes = self.plan().envelope_bytes + records.len() as u64 - 1;
        for record in records {
            n_bytes += record.n_bytes();
            if !sections.contains(&record.section.idx) {
                sections.push(record.section.idx);
                n_bytes += u64::from(record.section.bytes);
            }
        }
        n_bytes
    }

    /// The bytes of what stands next on the lanes of a batch; where batches mix tracks, on any lane.
    fn next_of(&self, entries: &[usize]) -> impl Iterator<Item = u64> + '_ {
        let lane = |uid: usize| {
            let (truth, n_lanes) =
                (&self.truths[uid], if self.lanes_vary { 1 } else { self.plan().lanes.get() });
            (truth.track, lane_of(&truth.key.map_or(OrderKey::Free, order_key), &truth.position, n_lanes))
        };
        let lanes: Vec<(u32, u32)> = entries.iter().map(|entry| lane(*entry)).collect();
        let entries = entries.to_vec();
        let mut seen = Vec::new();
        let mixes_tracks = self.mixes_tracks;
        let alive = self
            .owners
            .iter()
            .filter(|(_, owner)| !owner.over && !owner.position_lost)
            .map(|(track, _)| *track);
        let owners: Vec<TrackIdx> =
            if mixes_tracks { alive.collect() } else { self.owners_of(&entries).collect() };
        let waiting = owners.into_iter().flat_map(|track| self.handed_of(track));
        let waiting = waiting.filter(move |uid| {
            !self.entries[*uid].begun && !self.entries[*uid].finished && !entries.contains(uid)
        });
        let next = waiting.filter(move |uid| {
            let its = lane(*uid);
            // Where the number of lanes is not known any record may be the next.
            let is_next = (mixes_tracks || lanes.contains(&its)) && (self.lanes_vary || !seen.contains(&its));
            seen.push(its);
            is_next
        });
        next.map(|uid| u64::from(self.truths[uid].n_bytes.max(4)))
    }

    /// The living ownerships that these records of tracks belong to.
    fn owners_of(&self, entries: &[usize]) -> impl Iterator<Item = TrackIdx> + '_ {
        let sources: Vec<usize> = entries.iter().map(|entry| self.truths[*entry].track as usize).collect();
        let alive = self.owners.iter().filter(|(_, owner)| !owner.over && !owner.position_lost);
        alive.filter(move |(_, owner)| sources.contains(&owner.source)).map(|(track, _)| *track)
    }
}
