//! A function that throttles: no receive count is spent, and nothing reaches the dead-letter queue that was
//! not tried.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use forebay_tests::daemon::Daemon;
use forebay_tests::function::{Answer, Function};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::queues::{Queue, Queues};
use crate::scene::is_long;

/// What the function does and has done.
#[derive(Debug, Default)]
struct Doings {
    is_throttled: AtomicBool,
    n_refused: AtomicUsize,
    /// How often each message was tried.
    tried: Mutex<BTreeMap<String, u32>>,
}

impl Doings {
    fn answer(&self, event: &Value) -> Answer {
        if self.is_throttled.load(Ordering::SeqCst) {
            self.n_refused.fetch_add(1, Ordering::SeqCst);
            return Answer::Throttled(1);
        }
        let mut failures = Vec::new();
        let mut tried = self.tried.lock().expect("no holder panics");
        for record in event["Records"].as_array().expect("an event has records") {
            let body = record["body"].as_str().expect("a body is a text");
            *tried.entry(body.to_owned()).or_default() += 1;
            if body.starts_with("poison") {
                failures.push(json!({ "itemIdentifier": record["messageId"] }));
            }
        }
        Answer::Done(json!({ "batchItemFailures": failures }).to_string())
    }

    fn n_tried(&self) -> usize {
        self.tried.lock().expect("no holder panics").len()
    }

    /// Refuses until it was asked so many times more, each time for a pause of a second. The batch that waits
    /// stays hidden from all others.
    fn throttle(&self, n_refusals: usize, queue: &Queue) {
        let before = self.n_refused.load(Ordering::SeqCst);
        self.is_throttled.store(true, Ordering::SeqCst);
        wait::until_count("refusals", before + n_refusals, || {
            let n_refused = self.n_refused.load(Ordering::SeqCst);
            let (n_visible, n_hidden) = queue.counts();
            assert!(
                n_refused == before || n_hidden > 0,
                "after {} refusals: {n_visible} visible, none hidden",
                n_refused - before
            );
            n_refused
        });
        self.is_throttled.store(false, Ordering::SeqCst);
    }
}

#[test]
fn with_concurrency_one_a_throttled_function_sends_nothing_untried_to_the_dead_letter_queue() {
    // Each pause is a second: so long that every receive count would be spent, were it not for longer hiding.
    let (n, n_refusals) = if is_long() { (10_000, 40) } else { (1_000, 14) };
    let doings = Arc::new(Doings::default());
    let function = Function::start({
        let doings = Arc::clone(&doings);
        move |event| doings.answer(event)
    });
    let queues = Queues::new();
    let dead = queues.create("dead", json!({}));
    let redrive = json!({ "deadLetterTargetArn": dead.arn(), "maxReceiveCount": 3 }).to_string();
    let queue = queues.create("orders", json!({ "VisibilityTimeout": "3", "RedrivePolicy": redrive }));
    let settings = "function_name: seen, scaling_config: { maximum_concurrency: 1 }, function_response_types: [ReportBatchItemFailures]";
    queues.config(
        &[format!(
            "seen: {{ executor: {}, timeout: 2, reserved_concurrent_executions: 1 }}",
            function.executor()
        )],
        &[queues.mapping("orders", &queue, 1, settings)],
    );
    let bodies: Vec<String> =
        (0..n).map(|it| if it % 50 == 7 { format!("poison {it}") } else { format!("order {it}") }).collect();
    queue.send(&bodies);

    doings.is_throttled.store(true, Ordering::SeqCst);
    let daemon = Daemon::start(queues.scene.folder());
    doings.throttle(n_refusals, &queue);
    wait::until_count("a third of the messages", n / 3, || doings.n_tried());
    doings.throttle(5, &queue);
    wait::until_count("all messages", n, || doings.n_tried());
    let n_poison = bodies.iter().filter(|it| it.starts_with("poison")).count();
    wait::until("the dead letters", || (dead.counts() == (n_poison as u64, 0)).then_some(()));
    queue.await_empty();
    assert!(daemon.stop().success());

    let mut letters = Vec::new();
    while letters.len() < n_poison {
        let more = queues.server.receive(&dead.url);
        assert!(!more.is_empty(), "{} of {n_poison} dead letters", letters.len());
        letters.extend(more.into_iter().map(|it| it.body));
    }
    let tried = doings.tried.lock().expect("no holder panics");
    let wrong: Vec<_> =
        letters.iter().filter(|it| !it.starts_with("poison") || tried.get(*it) != Some(&3)).collect();
    assert!(wrong.is_empty(), "each dead letter was tried three times: {wrong:?}");
    let again: Vec<_> =
        tried.iter().filter(|(body, n_tries)| !body.starts_with("poison") && **n_tries != 1).collect();
    assert!(again.is_empty(), "each of the others once: {again:?}");
    let n_refused = doings.n_refused.load(Ordering::SeqCst);
    eprintln!(
        "sqs throttled: {n} messages, {n_refused} refusals, {n_poison} dead letters, each tried three times"
    );
}
