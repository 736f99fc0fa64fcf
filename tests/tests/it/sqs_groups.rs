//! A FIFO queue with many groups and failures: order per group, and no two batches of one group at once.

use std::collections::BTreeMap;

use forebay_tests::daemon::Daemon;
use serde_json::json;

use crate::queues::{Journal, Queues, python};
use crate::scene::is_long;

const N_GROUPS: usize = 200;

/// One of twenty messages fails at its first receive. It is named, and so fails with it what follows in its
/// group: by the mapping's guard.
const NAMES_IT: &str = r#"
import time
from journal import began, ended

def handler(event, context):
    began(event, context)
    time.sleep(0.02)
    first = [r for r in event["Records"] if r["attributes"]["ApproximateReceiveCount"] == "1"]
    return ended(context, failed=[r for r in first if r["body"].endswith("fails once")])
"#;

/// The same by an exception: all of the batch fails.
const RAISES: &str = r#"
import time
from journal import began, ended

def handler(event, context):
    began(event, context)
    time.sleep(0.02)
    if any(r["body"].endswith("fails once") and r["attributes"]["ApproximateReceiveCount"] == "1" for r in event["Records"]):
        ended(context, failed=event["Records"])
        raise ValueError("it fails once")
    return ended(context)
"#;

#[test]
fn groups_keep_their_order_when_messages_are_named_as_failed() {
    let settings = "function_name: seen, function_response_types: [ReportBatchItemFailures], fifo_stop_at_first_failure: true";
    run(NAMES_IT, settings);
}

#[test]
fn groups_keep_their_order_when_whole_batches_fail() {
    run(RAISES, "function_name: seen");
}

fn run(app: &str, settings: &str) {
    let n_each = if is_long() { 50 } else { 8 };
    let queues = Queues::new();
    queues.scene.write("code/app.py", app);
    let queue = queues.create("orders.fifo", json!({ "VisibilityTimeout": "3" }));
    let function = python("seen", "timeout: 2, reserved_concurrent_executions: 6");
    queues.config(&[function], &[queues.mapping("orders", &queue, 1, settings)]);
    let message = |idx: usize| {
        let (group, n) = (idx % N_GROUPS, idx / N_GROUPS);
        // One of twenty, in another place of each group.
        let fails = if (idx / N_GROUPS + 7 * group).is_multiple_of(20) { " fails once" } else { "" };
        (format!("{n} of g{group}{fails}"), Some(format!("g{group}")))
    };
    let n = N_GROUPS * n_each;
    let messages: Vec<_> = (0..n).map(message).collect();
    queues.server.send(&queue.url, &messages);
    let daemon = Daemon::start(queues.scene.folder());
    let mut journal = queues.journal();
    journal.await_all(n, &queue, daemon);
    let failures: usize = journal.batches.iter().map(|it| it.failed.len()).sum();
    eprintln!(
        "sqs groups: {n} messages of {N_GROUPS} groups in {} batches, {failures} failed",
        journal.batches.len()
    );
    assert!(failures >= n / 25, "too few failures to prove anything: {failures}");

    judge_order(&journal, n_each);
    judge_overlap(&journal);
}

/// In each group a message is done once, and after all before it: what follows a failed one in its batch does
/// not count as done.
fn judge_order(journal: &Journal, n_each: usize) {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for batch in &journal.batches {
        let mut stopped: Vec<&str> = Vec::new();
        for it in &batch.messages {
            if batch.failed.contains(&it.body) {
                stopped.push(&it.group);
            } else if !stopped.contains(&it.group.as_str()) {
                let n = it
                    .body
                    .split(' ')
                    .next()
                    .and_then(|it| it.parse().ok())
                    .expect("a body begins with a number");
                groups.entry(&it.group).or_default().push(n);
            }
        }
    }
    assert_eq!(groups.len(), N_GROUPS);
    let expected: Vec<usize> = (0..n_each).collect();
    let wrong: Vec<_> = groups.iter().filter(|(_, it)| **it != expected).collect();
    assert!(wrong.is_empty(), "{} groups were done out of order, such as {:?}", wrong.len(), wrong[0]);
}

fn judge_overlap(journal: &Journal) {
    let mut groups: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for batch in &journal.batches {
        let mut names: Vec<&str> = batch.messages.iter().map(|it| it.group.as_str()).collect();
        names.dedup();
        names.sort_unstable();
        names.dedup();
        let span = (batch.began, batch.ended.expect("nothing was killed"));
        names.into_iter().for_each(|it| groups.entry(it).or_default().push(span));
    }
    for (group, mut spans) in groups {
        spans.sort_unstable();
        for pair in spans.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "two batches of {group} ran at once: {pair:?}");
        }
    }
}
