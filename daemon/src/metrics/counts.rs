//! The core's counts as exported counters: one row each, and sums over the lives of a mapping's task.

use forebay_batcher::Counts;

/// One counter: its name without prefix, its help, where it stands in [`Counts`].
pub type Counter = (&'static str, &'static str, fn(&Counts) -> u64);

/// Every count of the core. AWS's names where AWS has one.
pub const COUNTERS: [Counter; 28] = [
    ("polled_event_count", "Records read from the source, filtered ones included", |it| it.polled),
    ("filtered_out_event_count", "Records that matched no filter", |it| it.filtered_out),
    ("skipped_event_count", "Records read again that were already finished", |it| it.skipped),
    ("restored_event_count", "Records of batches that were tried before the last start", |it| it.restored),
    ("invoked_event_count", "Records sent to the function, counted again at every retry", |it| it.invoked),
    ("first_invoked_event_count", "Records sent to the function for the first time since start", |it| {
        it.invoked_first
    }),
    (
        "failed_invoke_event_count",
        "Records in failed attempts and records that a function reported as failed",
        |it| it.failed,
    ),
    ("succeeded_event_count", "Records whose attempt succeeded", |it| it.succeeded),
    ("given_up_uninvoked_event_count", "Records given up before any attempt since start", |it| {
        it.given_up_uninvoked
    }),
    ("dropped_event_count", "Records discarded because a setting says so", |it| it.dropped),
    (
        "paused_event_count",
        "Records that came to wait for an operator, their attempts or time used up",
        |it| it.paused,
    ),
    ("decided_skip_event_count", "Records that waited and that an operator skipped", |it| it.decided_skip),
    ("decided_retry_event_count", "Records that waited and that an operator had tried again", |it| {
        it.decided_retry
    }),
    ("decided_send_event_count", "Records that waited and that an operator sent to the destination", |it| {
        it.decided_send
    }),
    ("on_failure_destination_delivered_event_count", "Records that a destination took", |it| it.delivered),
    ("destination_delivery_failures", "Failure records that a destination refused", |it| {
        it.delivery_failures
    }),
    ("deleted_event_count", "Messages deleted from their queue", |it| it.deleted),
    ("handed_back_event_count", "Messages given back to their queue unfinished", |it| it.handed_back),
    ("receipts_lost", "Messages whose receipt became void while they were held", |it| it.receipts_lost),
    ("gaps", "Stretches that the source had dropped before they were read", |it| it.gaps),
    ("halved_batches", "Failed batches that were halved", |it| it.halved),
    ("retries", "Retries spent", |it| it.retried),
    ("not_reached_invokes", "Attempts that did not reach the function", |it| it.not_reached),
    ("rate_limited", "Times that a batch was ready and waited for the mapping's rate limit", |it| {
        it.rate_limited
    }),
    ("checkpoints_committed", "Checkpoints that became durable", |it| it.committed),
    ("windows_ended", "Tumbling windows whose last invocation succeeded", |it| it.windows_ended),
    ("windows_terminated_early", "Tumbling windows ended early: their state was too large", |it| {
        it.windows_terminated_early
    }),
    ("windows_given_up", "Last invocations of tumbling windows that were given up", |it| it.windows_given_up),
];

/// Counts of all lives of a mapping's task: counters never go back when a machine starts anew.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    former: [u64; COUNTERS.len()],
    current: Counts,
}

impl Totals {
    /// What the running machine counts now.
    pub(crate) fn set(&mut self, current: Counts) {
        self.current = current;
    }

    /// The running machine is gone; the next one counts from zero.
    pub(crate) fn end_life(&mut self) {
        // With those of the lives before: a counter that goes back looks like a restart to whoever takes its
        // rate.
        self.former = self.values();
        self.current = Counts::default();
    }

    /// The sums, in the order of [`COUNTERS`].
    pub(crate) fn values(&self) -> [u64; COUNTERS.len()] {
        std::array::from_fn(|at| self.former[at] + (COUNTERS[at].2)(&self.current))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_life_adds_to_the_former_ones() {
        let mut totals = Totals::default();
        totals.set(Counts { polled: 7, windows_given_up: 1, ..Counts::default() });
        totals.end_life();
        totals.set(Counts { polled: 2, ..Counts::default() });
        let values = totals.values();
        assert_eq!((values[0], values[COUNTERS.len() - 1]), (9, 1));
    }

    #[test]
    fn every_count_of_the_core_is_exported_once() {
        // One field at a time is set by its place in the debug text, so that a field added to the core fails
        // here.
        let n_fields = format!("{:?}", Counts::default()).matches(": ").count();
        assert_eq!(n_fields, COUNTERS.len());
        let names: std::collections::BTreeSet<_> = COUNTERS.iter().map(|it| it.0).collect();
        assert_eq!(names.len(), COUNTERS.len());
    }
}
