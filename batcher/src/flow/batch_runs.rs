//! All batch runs of a machine, each in a slot that its id names: a look is an index, an id that is over is
//! known by its number, and what a slot stands in serves the next that has it.

use super::run::BatchRun;
use crate::hold::BatchRunId;

/// All batch runs of a machine.
#[derive(Debug, Default)]
pub(super) struct BatchRuns {
    #[expect(clippy::vec_box, reason = "a list that grows would move each run, and runs are large")]
    slots: Vec<Box<Option<(BatchRunId, BatchRun)>>>,
    free: Vec<u32>,
}

impl BatchRuns {
    /// `number` is never used twice and grows.
    pub(super) fn insert(&mut self, number: u64, run: BatchRun) -> BatchRunId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Box::new(None));
            u32::try_from(self.slots.len() - 1).expect("fewer batch_runs than memory has room for")
        });
        let id = BatchRunId { number, slot };
        *self.slots[slot as usize] = Some((id, run));
        id
    }

    pub(super) fn get(&self, id: BatchRunId) -> Option<&BatchRun> {
        let (its, run) = self.slots.get(id.slot as usize)?.as_ref().as_ref()?;
        (*its == id).then_some(run)
    }

    pub(super) fn get_mut(&mut self, id: BatchRunId) -> Option<&mut BatchRun> {
        let (its, run) = self.slots.get_mut(id.slot as usize)?.as_mut().as_mut()?;
        (*its == id).then_some(run)
    }

    pub(super) fn remove(&mut self, id: BatchRunId) -> Option<BatchRun> {
        self.get(id)?;
        let (_, run) = self.slots[id.slot as usize].take()?;
        self.free.push(id.slot);
        Some(run)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// All of them, in the order in which they were made.
    pub(super) fn in_order(&self) -> Vec<(BatchRunId, &BatchRun)> {
        let mut all: Vec<(BatchRunId, &BatchRun)> =
            self.slots.iter().filter_map(|it| it.as_ref().as_ref()).map(|it| (it.0, &it.1)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_over_finds_nothing_though_its_slot_is_used_again() {
        let mut batch_runs = BatchRuns::default();
        let first = batch_runs.insert(7, run());
        let other = batch_runs.insert(8, run());
        assert!(batch_runs.remove(first).is_some());
        let next = batch_runs.insert(9, run());
        assert_eq!(next.slot, first.slot);
        assert!(
            batch_runs.get(first).is_none()
                && batch_runs.get_mut(first).is_none()
                && batch_runs.remove(first).is_none()
        );
        assert_eq!(batch_runs.in_order().into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [other, next]);
        assert_eq!(batch_runs.len(), 2);
    }

    fn run() -> BatchRun {
        BatchRun::new(crate::attempt::Limits {
            retries_max: None,
            record_age_max: None,
            bisect: false,
            partial_responses: false,
            item_actions: false,
            redelivery: crate::plan::Redelivery::ByUs,
            stop_group_at_first_failure: false,
        })
    }
}
