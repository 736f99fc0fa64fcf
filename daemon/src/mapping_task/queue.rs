//! What a queue asks of a mapping that tracks do not: how it is received from, its one line of state, and a
//! word about its visibility.

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_batcher::{Plan, QueuePlan};
use forebay_config::PollerPlan;
use forebay_pollers::{Demand, QueueFacts};
use tracing::warn;

use super::wiring::Wiring;
use crate::registry::Entry;

/// Receives that run at first, as on AWS.
const POLLERS_START: NonZeroU32 = NonZeroU32::new(5).expect("five is not zero");
/// The most receives at once, as on AWS.
const POLLERS_MAX: NonZeroU32 = NonZeroU32::new(1_250).expect("it is not zero");

/// Batches that are taken to run at once where nothing limits them.
const BATCHES_UNLIMITED: u64 = 10;

/// Receives that AWS adds in a minute while messages come.
const GROWTH: NonZeroU32 = NonZeroU32::new(300).expect("it is not zero");
/// The same in provisioned mode, where 1,000 batches more may run each minute and a poller runs ten.
const PROVISIONED_GROWTH: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");
/// Batches that one poller of the provisioned mode may have out.
const PROVISIONED_BATCHES: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");

/// How the queue is received from: five receives at first, one when it is idle, never more than batches may
/// run; or as many as the operator says are kept.
pub(super) fn plan(facts: &QueueFacts, wait_max: Option<Duration>, limits: ReceiveLimits) -> QueuePlan {
    let (pollers_min, pollers_start, pollers_max, pollers_growth, batches_max) = match limits.pollers {
        Some(PollerPlan { min, max }) => {
            // What is provisioned is there before the first message.
            (min, min, max, PROVISIONED_GROWTH, max.saturating_mul(PROVISIONED_BATCHES))
        }
        None => {
            // A receive beyond the batches that may run would only hide its messages from whoever else reads
            // the queue.
            let max = limits.concurrency_max.map_or(POLLERS_MAX, |it| it.min(POLLERS_MAX));
            (NonZeroU32::MIN, POLLERS_START.min(max), max, GROWTH, max)
        }
    };
    QueuePlan {
        receive_max: facts.receive_max,
        // A server refuses a wait that is longer than its own.
        wait_max: wait_max.map_or(facts.wait_max, |it| it.min(facts.wait_max)),
        visibility: facts.visibility,
        retry_after: facts.retry_after,
        pollers_start,
        pollers_max,
        pollers_min,
        pollers_growth,
        batches_max,
    }
}

/// How much of the queue can be out at once: all batches that may run, and what the memory holds.
pub(super) fn demand(plan: &Plan) -> Demand {
    let batches = plan.concurrency_max.map_or(BATCHES_UNLIMITED, |it| u64::from(it.get()));
    Demand {
        records: batches.saturating_mul(u64::from(plan.batch.records_max.get())),
        bytes: plan.held_bytes_max,
    }
}

/// What the mapping says about its receives; never both.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReceiveLimits {
    pub(super) concurrency_max: Option<NonZeroU32>,
    pub(super) pollers: Option<PollerPlan>,
}

/// AWS refuses a mapping whose function may outlast the visibility of its messages. Here they are hidden for
/// longer while it runs, so it is a warning: whoever else reads the queue may rely on the timeout.
pub(super) fn tell_visibility(entry: &Entry, facts: &QueueFacts, function_timeout: Option<Duration>) {
    let Some((visibility, timeout)) =
        facts.visibility_set.zip(function_timeout).filter(|(visibility, timeout)| visibility < timeout)
    else {
        return;
    };
    let (mapping, source) = (entry.name(), entry.source_kind());
    let (visibility, timeout) = (visibility.as_secs(), timeout.as_secs());
    warn!(
        code = "FB-0218",
        mapping,
        source,
        "Queue visibility timeout: {visibility} seconds is less than Function timeout: {timeout} seconds; messages are hidden for longer while it runs"
    );
}

/// Mappings that compete for a queue and let different messages through take them away from one another.
pub(super) fn tell_trap(entry: &Entry, wiring: &Wiring) {
    let Some(trap) = wiring.feeds.trap(&wiring.source.identity(), entry.name()) else { return };
    warn!(code = "FB-0222", mapping = entry.name(), source = entry.source_kind(), "{trap}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_five_receives_at_first_and_never_more_than_batches_may_run() {
        let facts = QueueFacts {
            receive_max: NonZeroU32::new(10).unwrap(),
            wait_max: Duration::from_secs(10),
            visibility: Some(Duration::from_secs(30)),
            visibility_set: Some(Duration::from_secs(30)),
            retry_after: None,
            fans_out: false,
        };
        let pollers = |max: Option<u32>| {
            let plan = plan(
                &facts,
                None,
                ReceiveLimits { concurrency_max: max.and_then(NonZeroU32::new), pollers: None },
            );
            (plan.pollers_min.get(), plan.pollers_start.get(), plan.pollers_max.get())
        };
        assert_eq!(pollers(None), (1, 5, 1_250));
        assert_eq!(pollers(Some(1)), (1, 1, 1));
        assert_eq!(pollers(Some(40)), (1, 5, 40));
        let kept = PollerPlan { min: NonZeroU32::new(2).unwrap(), max: NonZeroU32::new(20).unwrap() };
        let plan = plan(&facts, None, ReceiveLimits { concurrency_max: None, pollers: Some(kept) });
        assert_eq!(
            (plan.pollers_min.get(), plan.pollers_start.get(), plan.pollers_max.get()),
            (2, 2, 20),
            "as provisioned"
        );
        assert_eq!((plan.batches_max.get(), plan.pollers_growth.get()), (200, 100));
    }
}
