//! Many messages through a real queue to a Python function: none lost, none deleted unfinished, and the same
//! under kill -9.

use std::ops::Range;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use forebay_tests::daemon::Daemon;
use forebay_tests::wait;
use serde_json::json;

use crate::queues::{Batch, Journal, Message, Queue, Queues, python};
use crate::scene::is_long;

/// Whoever fails, fails at its first receive and is named: the others of its batch are deleted, it is not.
const APP: &str = r#"
from journal import began, ended

def handler(event, context):
    began(event, context)
    first = [r for r in event["Records"] if r["attributes"]["ApproximateReceiveCount"] == "1"]
    return ended(context, failed=[r for r in first if r["body"].endswith("fails once")])
"#;

const VISIBILITY_MS: u64 = 8_000;
/// Messages that the queue holds at most: a backlog, and no more memory than the server has.
const BACKLOG: usize = 5_000;

#[test]
fn every_message_is_finished_once_and_then_deleted() {
    let n = if is_long() { 100_000 } else { 10_000 };
    let (queues, queue) = world();
    let daemon = Daemon::start(queues.scene.folder());
    let mut journal = queues.journal();
    feed(&queue, 0..n, &mut journal, |_| {});
    journal.await_all(n, &queue, daemon);

    judge(&journal, n, &[]);
}

#[test]
fn killed_again_and_again_it_finishes_every_message_and_repeats_only_what_was_in_flight() {
    let (n, n_kills) = if is_long() { (100_000, 20) } else { (5_000, 5) };
    let (queues, queue) = world();
    let mut daemon = Some(Daemon::start(queues.scene.folder()));
    let mut journal = queues.journal();
    let mut kills = Vec::new();
    let kill_every = n / (n_kills + 1);
    feed(&queue, 0..n, &mut journal, |n_done| {
        // Killed at another moment of its work each time, not at a time.
        if kills.len() < n_kills && n_done > (kills.len() + 1) * kill_every + kills.len() % 7 {
            daemon.take().expect("it runs").kill();
            kills.push(now());
            daemon = Some(Daemon::start(queues.scene.folder()));
        }
    });
    journal.await_all(n, &queue, daemon.take().expect("it runs"));
    assert_eq!(kills.len(), n_kills);

    judge(&journal, n, &kills);
}

fn world() -> (Queues, Queue) {
    let queues = Queues::new();
    queues.scene.write("code/app.py", APP);
    let queue = queues.create("orders", json!({ "VisibilityTimeout": (VISIBILITY_MS / 1_000).to_string() }));
    let settings = "function_name: seen, function_response_types: [ReportBatchItemFailures]";
    queues.config(&[python("seen", "timeout: 5")], &[queues.mapping("orders", &queue, 2, settings)]);
    (queues, queue)
}

fn body(n: usize) -> String {
    if n.is_multiple_of(97) { format!("order {n} fails once") } else { format!("order {n}") }
}

/// Sends messages beside the work, with a bounded backlog, and tells how many are done until all were sent.
fn feed(queue: &Queue, messages: Range<usize>, journal: &mut Journal, mut at: impl FnMut(usize)) {
    let n = messages.end;
    for start in messages.step_by(500) {
        let bodies: Vec<String> = (start..n.min(start + 500)).map(body).collect();
        thread::scope(|scope| {
            let sender = scope.spawn(|| queue.send(&bodies));
            while !sender.is_finished() {
                at(journal.n_done());
                thread::park_timeout(std::time::Duration::from_millis(5));
            }
        });
        wait::until_count("room in the queue", start.saturating_sub(BACKLOG), || {
            let n_done = journal.n_done();
            at(n_done);
            n_done
        });
    }
    wait::until_count("most messages", n - n / 50, || {
        let n_done = journal.n_done();
        at(n_done);
        n_done
    });
}

/// None is lost: each was finished by the function. None was deleted unfinished: else it could not have been
/// finished later. A message comes again only when the function failed it or a kill took its batch, and not
/// before its visibility is over.
fn judge(journal: &Journal, n: usize, kills: &[u64]) {
    let missing: Vec<String> = (0..n).map(body).filter(|it| !journal.done.contains(it)).collect();
    assert!(
        missing.is_empty(),
        "{} were deleted unfinished, such as {:?}",
        missing.len(),
        &missing[..missing.len().min(5)]
    );
    assert_eq!(journal.done.len(), n, "nothing else came");
    let (mut n_failed, mut n_killed) = (0, 0);
    let mut ends: Vec<u64> = journal.batches.iter().filter_map(|it| it.ended).collect();
    ends.sort_unstable();
    for (body, times) in journal.by_body() {
        for pair in times.windows(2) {
            let [(before, message), (after, again)] = pair else { unreachable!("windows of two") };
            let story = || format!("{body}: {before:?}\nthen {after:?}");
            assert!(again.n_receives > message.n_receives, "a receive of its own for each: {}", story());
            let failed = before.failed.contains(body);
            let killed = kills.iter().any(|kill| was_in_flight(&ends, before, *kill) && *kill < after.began);
            n_failed += usize::from(failed);
            n_killed += usize::from(killed && !failed);
            assert!(failed || killed, "it came again though it was done: {}", story());
            assert!(
                after.began >= shown_again_at(message, before),
                "it came again before its visibility was over: {}",
                story()
            );
        }
    }
    let batches = journal.batches.len();
    eprintln!(
        "sqs: {n} messages in {batches} batches, {} kills: again after a failure {n_failed}, after a kill {n_killed}",
        kills.len()
    );
    // Four environments of ten messages run; as many are finished and on their way to be deleted.
    assert!(n_killed <= kills.len() * 8 * 10, "no more is repeated than was in flight");
}

/// Whether a batch was given and perhaps not settled yet when the daemon was killed: it ran, or was among the
/// last that had ended before. A queue that stands still for seconds leaves as many unsettled.
fn was_in_flight(ends: &[u64], batch: &Batch, kill: u64) -> bool {
    const SETTLING_US: u64 = 3_000_000;
    const SETTLING_BATCHES: usize = 40;
    let Some(ended) = batch.ended.filter(|it| *it <= kill) else { return batch.began <= kill };
    let n_since = ends.partition_point(|it| *it <= kill) - ends.partition_point(|it| *it <= ended);
    ended + SETTLING_US >= kill || n_since < SETTLING_BATCHES
}

/// The earliest that a message can come again: for the first receive the queue itself says when that was.
/// What waited for its function may have been hidden for longer half a visibility before.
fn shown_again_at(message: &Message, batch: &Batch) -> u64 {
    let received_us = message.first_received * 1_000;
    if message.n_receives == 1 {
        received_us + VISIBILITY_MS * 1_000
    } else {
        batch.began + VISIBILITY_MS * 500
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since.as_micros()).expect("it fits for long")
}
