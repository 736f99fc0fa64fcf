//! What a queue asks of a mapping that tracks do not: how it is received from, its one line of state, and a word about its visibility.

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_batcher::QueuePlan;
use forebay_pollers::QueueFacts;
use tracing::warn;

use crate::registry::Entry;

/// Receives that run at first, as on AWS.
const POLLERS_START: NonZeroU32 = NonZeroU32::new(5).expect("five is not zero");
/// The most receives at once, as on AWS.
const POLLERS_MAX: NonZeroU32 = NonZeroU32::new(1_250).expect("it is not zero");

/// How the queue is received from: five receives at first, one when it is idle, never more than batches may run.
pub(super) fn plan(facts: &QueueFacts, wait_max: Option<Duration>, concurrency_max: Option<NonZeroU32>) -> QueuePlan {
    let pollers_max = concurrency_max.map_or(POLLERS_MAX, |it| it.min(POLLERS_MAX));
    QueuePlan {
        receive_max: facts.receive_max,
        wait_max: wait_max.map_or(facts.wait_max, |it| it.min(facts.wait_max)),
        visibility: facts.visibility,
        pollers_start: POLLERS_START.min(pollers_max),
        pollers_max,
        pollers_min: NonZeroU32::MIN,
    }
}

/// AWS refuses a mapping whose function may outlast the visibility of its messages. Here they are hidden for longer while it runs, so it is
/// a warning: whoever else reads the queue may rely on the timeout.
pub(super) fn tell_visibility(entry: &Entry, facts: &QueueFacts, function_timeout: Option<Duration>) {
    let Some((visibility, timeout)) = facts.visibility_set.zip(function_timeout).filter(|(visibility, timeout)| visibility < timeout)
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
            fans_out: false,
        };
        let pollers = |max: Option<u32>| {
            let plan = plan(&facts, None, max.and_then(NonZeroU32::new));
            (plan.pollers_min.get(), plan.pollers_start.get(), plan.pollers_max.get())
        };
        assert_eq!(pollers(None), (1, 5, 1_250));
        assert_eq!(pollers(Some(1)), (1, 1, 1));
        assert_eq!(pollers(Some(40)), (1, 5, 40));
    }
}
