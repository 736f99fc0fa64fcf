//! Messages of a queue whose batch runs do not go on as they were: left, lost, stopped behind a lost one of
//! their group, handed back at a close.

use bytes::Bytes;

use super::*;
use crate::receipts::LostReceipts;

impl Runs {
    /// Messages that failed and that their queue brings again; later messages of their groups go back too, so
    /// that none overtakes.
    pub(super) fn leave(&mut self, left: &[Record], id: BatchRunId, leaving: Leaving<'_>, books: &mut Books) {
        if left.is_empty() {
            return;
        }
        books.receipts.leave(left, leaving, &mut books.cx);
        let groups: BTreeSet<Bytes> = left.iter().filter_map(Record::group).cloned().collect();
        self.take_groups_out(id, &groups, books);
        books.receipts.send_groups_back(left, &mut books.cx);
    }

    /// sends back what stands behind a lost message of these groups, in this batch run and among what
    /// waits.
    pub(super) fn stop_groups(&mut self, id: BatchRunId, groups: &BTreeSet<Bytes>, books: &mut Books) {
        if !groups.is_empty() {
            self.take_groups_out(id, groups, books);
            books.receipts.send_waiting_of_groups_back(groups, &mut books.cx);
        }
    }

    fn take_groups_out(&mut self, id: BatchRunId, groups: &BTreeSet<Bytes>, books: &mut Books) {
        let Some(run) = self.batch_runs.get_mut(id).filter(|_| !groups.is_empty()) else { return };
        let mut n_out = run.n_out();
        let back = run.take_records(|record| {
            let rests = n_out == 0;
            n_out = n_out.saturating_sub(1);
            rests && record.group().is_some_and(|group| groups.contains(group))
        });
        books.receipts.give_back(back, &mut books.cx);
        // S-1: what comes again of these groups need not wait for the rest of the batch.
        self.release_unneeded(id, books);
    }

    /// messages that were finished could not be deleted in time and come again; what is held of their
    /// groups and has not started goes back, so that they are repeated before anything that follows them.
    pub(crate) fn handle_groups_lost(&mut self, groups: &BTreeSet<Bytes>, books: &mut Books) {
        let batch_runs: BTreeSet<BatchRunId> =
            groups.iter().filter_map(|group| books.receipts.holder(group)).collect();
        books.receipts.send_waiting_of_groups_back(groups, &mut books.cx);
        for id in batch_runs {
            self.take_groups_out(id, groups, books);
            if let Some(run) = self.batch_runs.get_mut(id).filter(|run| run.is_out()) {
                // What is out runs on; if that does not end it, it goes back as well.
                run.stopped.extend(groups.iter().cloned());
            } else if self.batch_runs.get(id).is_some_and(|run| !run.waits_after_refusal()) {
                self.look_again(id, books);
            }
        }
    }

    /// gives back what is left of a queue's batch; of one whose first step is still out, the steps
    /// behind it.
    pub(super) fn hand_back(&mut self, id: BatchRunId, books: &mut Books) {
        let Some(run) = self.batch_runs.get_mut(id) else { return };
        if !run.records().any(|it| matches!(it.place, Place::Queue { .. })) {
            return;
        }
        let is_out = run.is_out();
        let mut n_out = run.n_out();
        let records = run.take_records(|_| {
            let rests = n_out == 0;
            n_out = n_out.saturating_sub(1);
            rests
        });
        books.receipts.give_back(records, &mut books.cx);
        if !is_out {
            self.advance(id, books);
        }
    }

    /// What was not started of all batch runs goes back at once; what is out is awaited.
    pub(crate) fn handle_close(&mut self, books: &mut Books) {
        let ids: Vec<BatchRunId> = self.batch_runs.in_order().into_iter().map(|(id, _)| id).collect();
        for id in ids {
            self.hand_back(id, books);
        }
    }

    /// Receipts are void: their batch runs forget them, and what is held behind them in their groups goes
    /// back.
    pub(crate) fn handle_receipts_lost(&mut self, lost: LostReceipts, books: &mut Books) {
        if lost.is_in_run {
            let is_hit = |run: &BatchRun| run.records().any(|record| !books.is_alive(record));
            let hit: Vec<BatchRunId> = self
                .batch_runs
                .in_order()
                .into_iter()
                .filter(|(_, run)| is_hit(run))
                .map(|(id, _)| id)
                .collect();
            for id in hit {
                self.drop_dead_records(id, books);
            }
        }
        books.receipts.send_groups_back(&lost.waiting, &mut books.cx);
        books.cx.give_room(&lost.waiting);
    }
}
