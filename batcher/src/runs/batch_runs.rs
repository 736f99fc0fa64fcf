//! All batch runs of a machine, each in a slot that its id names: a look is an index, an id that is over is
//! known by its number, and what a slot stands in serves the next that has it.

use super::run::BatchRun;
use crate::attempt::Limits;
use crate::hold::{BatchRunId, Hold};

/// All batch runs of a machine.
#[derive(Debug, Default)]
pub(crate) struct BatchRuns {
    #[expect(clippy::vec_box, reason = "a list that grows would move each run, and runs are large")]
    slots: Vec<Box<Slot>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    /// Whose it is; `None` while it is free.
    id: Option<BatchRunId>,
    /// As new while it is free.
    run: BatchRun,
}

impl BatchRuns {
    /// A batch run with nothing to do yet. `number` is never used twice and grows.
    pub(crate) fn begin(&mut self, number: u64, limits: Limits) -> (BatchRunId, &mut BatchRun) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize].run.limits = limits;
                slot
            }
            None => {
                self.slots.push(Box::new(Slot { id: None, run: BatchRun::new(limits) }));
                u32::try_from(self.slots.len() - 1).expect("fewer batch_runs than memory has room for")
            }
        };
        let id = BatchRunId { number, slot };
        let its = &mut self.slots[slot as usize];
        its.id = Some(id);
        (id, &mut its.run)
    }

    pub(crate) fn get(&self, id: BatchRunId) -> Option<&BatchRun> {
        let slot = self.slots.get(id.slot as usize)?;
        (slot.id == Some(id)).then_some(&slot.run)
    }

    pub(crate) fn get_mut(&mut self, id: BatchRunId) -> Option<&mut BatchRun> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        (slot.id == Some(id)).then_some(&mut slot.run)
    }

    /// A batch run is over: what it held.
    pub(crate) fn remove(&mut self, id: BatchRunId) -> Option<Vec<Hold>> {
        let holds = self.get_mut(id)?.clear();
        self.slots[id.slot as usize].id = None;
        self.free.push(id.slot);
        Some(holds)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// All of them, in the order in which they were made.
    pub(crate) fn in_order(&self) -> Vec<(BatchRunId, &BatchRun)> {
        let mut all: Vec<(BatchRunId, &BatchRun)> =
            self.slots.iter().filter_map(|slot| Some((slot.id?, &slot.run))).collect();
        // Slots are used again, so their order is not that of the batches; whoever acts on all does it oldest
        // first.
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::TrackIdx;
    use crate::runs::run::Status;

    #[test]
    fn an_id_that_is_over_finds_nothing_though_its_slot_is_used_again() {
        let mut batch_runs = BatchRuns::default();
        let (first, _) = batch_runs.begin(7, limits());
        let (other, _) = batch_runs.begin(8, limits());
        assert!(batch_runs.remove(first).is_some());
        let (next, _) = batch_runs.begin(9, limits());
        assert_eq!(next.slot, first.slot);
        assert!(
            batch_runs.get(first).is_none()
                && batch_runs.get_mut(first).is_none()
                && batch_runs.remove(first).is_none()
        );
        assert_eq!(batch_runs.in_order().into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [other, next]);
        assert_eq!(batch_runs.len(), 2);
    }

    #[test]
    fn nothing_of_one_that_is_over_is_in_the_next_of_its_slot() {
        let mut batch_runs = BatchRuns::default();
        let (first, run) = batch_runs.begin(7, limits());
        run.holds.push(Hold::Lane(TrackIdx(1), 2));
        run.status = Status::Paused;
        run.is_hit = true;
        run.lost.insert(TrackIdx(1));
        run.stopped.insert(bytes::Bytes::from_static(b"g"));
        run.failing_since = Some(crate::time::Tick(3));
        run.not_reached =
            Some((crate::attempt::NotReached::Config, crate::time::Tick(3), "it is gone".into()));
        assert_eq!(batch_runs.remove(first), Some(vec![Hold::Lane(TrackIdx(1), 2)]));
        let (_, run) = batch_runs.begin(8, Limits { bisect: true, ..limits() });
        let new = BatchRun::new(Limits { bisect: true, ..limits() });
        assert_eq!(format!("{run:?}"), format!("{new:?}"));
    }

    fn limits() -> Limits {
        Limits {
            retries_max: None,
            record_age_max: None,
            bisect: false,
            partial_responses: false,
            item_actions: false,
            redelivery: crate::plan::Redelivery::ByUs,
            stop_group_at_first_failure: false,
        }
    }
}
