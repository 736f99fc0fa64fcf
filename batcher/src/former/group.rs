//! Where batches mix tracks, all lanes form one group: what could start now of all of them fills one batch
//! after the other.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::batch_reason::BatchReason;
use crate::plan::BatchPlan;
use crate::record::TrackIdx;
use crate::time::Tick;

/// What of one lane could start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) n_records: usize,
    pub(crate) bytes: u64,
    /// Since when the first of them waits.
    pub(crate) since: Tick,
    /// Its track has no more.
    pub(crate) is_ended: bool,
}

/// All lanes that could start now, with running sums.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Lanes in the order in which they came to have something that could start; entries that have nothing
    /// any more are skipped.
    line: VecDeque<(TrackIdx, u32)>,
    /// The same by the age of their first records, where a window makes a difference.
    by_age: BTreeSet<(Tick, TrackIdx, u32)>,
    n_records: usize,
    bytes: u64,
    n_lanes: u32,
    n_ended: u32,
    /// Since when a batch could be made, and why it is closed.
    ready: Option<(Tick, BatchReason)>,
    /// The deadline of its window, as the timers know it.
    pub(super) window_at: Option<Tick>,
}

impl Group {
    /// What of a lane could start now, against what was counted of it before.
    pub(crate) fn count(&mut self, lane: (TrackIdx, u32), before: Option<Counted>, now: Option<Counted>) {
        if before == now {
            return;
        }
        if let Some(it) = before {
            self.n_records -= it.n_records;
            self.bytes -= it.bytes;
            self.n_lanes -= 1;
            self.n_ended -= u32::from(it.is_ended);
        }
        if let Some(it) = now {
            self.n_records += it.n_records;
            self.bytes += it.bytes;
            self.n_lanes += 1;
            self.n_ended += u32::from(it.is_ended);
        }
        let (before, now) = (before.map(|it| it.since), now.map(|it| it.since));
        if before != now {
            before.map(|since| self.by_age.remove(&(since, lane.0, lane.1)));
            now.map(|since| self.by_age.insert((since, lane.0, lane.1)));
        }
    }

    /// A lane that came to have something gets its turn.
    pub(crate) fn stand_in_line(&mut self, lane: (TrackIdx, u32)) {
        self.line.push_back(lane);
    }

    /// The lane whose turn it is to give records.
    pub(crate) fn next_lane(&mut self) -> Option<(TrackIdx, u32)> {
        self.line.pop_front()
    }

    /// One that could give none now keeps its turn.
    pub(crate) fn keeps_turn(&mut self, lane: (TrackIdx, u32)) {
        self.line.push_front(lane);
    }

    /// Looks whether a batch could be made now, and when one could.
    pub(crate) fn look(
        &mut self,
        plan: &BatchPlan,
        envelope_bytes: u64,
        is_out_of_room: bool,
        now: Tick,
    ) -> Option<Tick> {
        let Some((oldest, ..)) = self.by_age.first().filter(|_| self.n_records > 0) else {
            self.ready = None;
            return None;
        };
        let closes = oldest.after(plan.window);
        let why = if self.n_records >= plan.records_max.get() as usize {
            Some(BatchReason::Count)
        } else if envelope_bytes + self.bytes > plan.bytes_max || is_out_of_room {
            Some(BatchReason::Bytes)
        // A track that has no more need not wait for a batch of others: its children wait for its end.
        } else if self.n_ended > 0 {
            Some(BatchReason::Ended)
        } else {
            (closes <= now).then_some(BatchReason::Window)
        };
        // Batch after batch may be taken of it; what is left has not waited longer than its oldest record.
        self.ready = why.map(|why| (self.ready.map_or(now, |(since, _)| since.max(*oldest)), why));
        if self.ready.is_some() { None } else { Some(closes) }
    }

    /// Since when a batch waits for a slot, and why it is closed.
    pub(crate) fn ready(&self) -> Option<(Tick, BatchReason)> {
        self.ready
    }

    /// How many batches could be made now: as many as are full, one more for what is left when that need not
    /// wait, and never more than there are lanes, for no lane is in two.
    pub(crate) fn n_batches(&self, plan: &BatchPlan) -> u32 {
        let Some((_, why)) = self.ready else { return 0 };
        let records_max = plan.records_max.get() as usize;
        let n_full = (self.n_records / records_max)
            .max(usize::try_from(self.bytes / plan.bytes_max.max(1)).unwrap_or(0));
        let waits = plan.window > Duration::ZERO && why == BatchReason::Count;
        let has_part = !waits && !self.n_records.is_multiple_of(records_max);
        u32::try_from(n_full + usize::from(has_part)).unwrap_or(u32::MAX).clamp(1, self.n_lanes.max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// Ten records and a thousand bytes make a batch.
    #[test]
    fn as_many_batches_are_counted_as_are_full_and_one_for_the_rest_unless_it_waits() {
        let check = |lanes: &[(usize, u64)], window_ms: u64, age_ms: u64, n_batches: u32| {
            let plan = BatchPlan {
                records_max: NonZeroU32::new(10).expect("not zero"),
                bytes_max: 1_000,
                window: Duration::from_millis(window_ms),
            };
            let mut group = Group::default();
            for (track, (n_records, bytes)) in (0..).zip(lanes.iter().copied()) {
                let counted = Counted { n_records, bytes, since: Tick::default(), is_ended: false };
                group.count((TrackIdx(track), 0), None, Some(counted));
            }
            group.look(&plan, 0, false, Tick::default().after(Duration::from_millis(age_ms)));
            assert_eq!(
                group.n_batches(&plan),
                n_batches,
                "{lanes:?}, a window of {window_ms} ms, {age_ms} ms old"
            );
        };
        check(&[], 0, 0, 0);
        check(&[(4, 40); 5], 0, 0, 2);
        check(&[(4, 40); 6], 0, 0, 3);
        // What is left waits for the end of its window, or does not any more.
        check(&[(4, 40); 6], 100, 0, 2);
        check(&[(4, 40); 2], 100, 0, 0);
        check(&[(4, 40); 2], 100, 100, 1);
        // By their bytes there are more.
        check(&[(2, 800); 5], 100, 0, 4);
        // No lane is in two.
        check(&[(60, 600)], 0, 0, 1);
        check(&[(60, 600), (1, 10)], 0, 0, 2);
    }
}
