//! What worlds learnt to choose last: places in the core that others hardly reach.

use std::time::Duration;

use forebay_batcher::Redelivery;

use super::{Kind, Options, Stubborn, count};
use crate::choices::{Choices, Stream};

impl Options {
    /// What worlds learnt to choose last.
    pub(super) fn draw_latest(&mut self, choices: &mut Choices) {
        let latest = choices.latest();
        if self.kind == Kind::Queue {
            if latest.chance(60) && self.plan.retry.redelivery == Redelivery::ByUs {
                self.refuse_what_is_lost(latest);
            }
            return;
        }
        if self.plan.mixes_tracks {
            // What batches of several tracks can do wrong is rare enough by itself.
            return;
        }
        self.lanes_change = latest.chance(80);
        if self.lanes_change {
            self.plan.lanes = count(latest.pick(&[2, 3, 5]));
            self.n_keys = latest.pick(&[12, 4, 0]);
            if self.stubborn == Stubborn::Nothing {
                (self.faults.plan_change, self.faults.function_error) =
                    (1000, self.faults.function_error.max(300));
                self.plan.retry.retries_max = latest.pick(&[None, Some(4)]);
            }
        }
        if self.stubborn == Stubborn::Nothing && !self.cramped && latest.chance(40) {
            // Tracks take turns with a memory that what fails on one of them fills.
            self.n_tracks = 4;
            self.plan.held_bytes_max = latest.pick(&[500, 1500]);
            self.plan.retry.retries_max = None;
            self.faults.function_error = self.faults.function_error.max(600);
        }
        if latest.chance(60) {
            // Batches that wait for the only slot while commits fail.
            self.plan.concurrency_max = Some(count(1));
            self.plan.lanes = count(latest.pick(&[5, 3]).max(self.plan.lanes.get()));
            self.faults.commit_failed = self.faults.commit_failed.max(300);
        }
    }

    /// Messages of few groups are given up and refused, while what was finished before them lapses before it
    /// is deleted.
    fn refuse_what_is_lost(&mut self, latest: &mut Stream) {
        (self.n_keys, self.n_records) = (latest.pick(&[2, 1]), self.n_records.max(20));
        (self.filtered, self.receives_max, self.latency_max_ms, self.safety_ms) = (0, None, 50, 90_000);
        self.plan.batch.records_max = count(latest.pick(&[1, 2]));
        (self.plan.has_destination, self.plan.retry.retries_max) = (true, Some(0));
        (self.faults.function_error, self.faults.refuse) = (latest.pick(&[300, 600]), 600);
        (self.faults.settle_late, self.faults.slow_destination) = (latest.pick(&[300, 600]), 600);
        if let Some(queue) = &mut self.plan.queue {
            (queue.visibility, queue.wait_max) = (Some(Duration::from_secs(3)), Duration::from_secs(1));
            queue.receive_max = count(10);
        }
    }
}
