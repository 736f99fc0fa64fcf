//! One queue, several mappings: each gets what its filter lets through, and a message is deleted when all
//! have finished it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use forebay_tests::daemon::{Daemon, run};
use forebay_tests::function::{Answer, Function};
use forebay_tests::{http, wait};
use serde_json::{Value, json};

use crate::queues::Queues;
use crate::scene::is_long;

/// How often each body came.
type Seen = Arc<Mutex<BTreeMap<String, usize>>>;

fn n_messages() -> usize {
    if is_long() { 10_000 } else { 1_000 }
}

/// A function that counts, takes its time, and fails each body that `fails` names as often as that says.
fn function(seen: &Seen, pause: Duration, fails: fn(&str) -> usize) -> Function {
    let seen = Arc::clone(seen);
    Function::start(move |event| {
        thread::park_timeout(pause);
        let mut seen = seen.lock().expect("no holder panics");
        let mut failed = Vec::new();
        for record in event["Records"].as_array().expect("records are a list") {
            let body = record["body"].as_str().expect("a body is a text");
            let n = seen.entry(body.to_owned()).or_default();
            *n += 1;
            if *n <= fails(body) {
                failed.push(json!({ "itemIdentifier": record["messageId"] }));
            }
        }
        Answer::Done(json!({ "batchItemFailures": failed }).to_string())
    })
}

fn counts(seen: &Seen) -> BTreeMap<String, usize> {
    seen.lock().expect("no holder panics").clone()
}

fn body(n: usize) -> String {
    json!({ "n": n, "kind": if n.is_multiple_of(4) { "audited" } else { "plain" } }).to_string()
}

#[test]
fn mappings_of_one_queue_each_get_what_they_want_and_one_that_fails_repeats_nothing_for_the_others() {
    let (orders, audit) = (Seen::default(), Seen::default());
    let all = function(&orders, Duration::ZERO, |_| 0);
    // Slow, and each twentieth message fails the first time.
    let some = function(&audit, Duration::from_millis(20), |body| {
        let n = serde_json::from_str::<Value>(body).ok().and_then(|it| it["n"].as_u64()).expect("a number");
        usize::from(n.is_multiple_of(20))
    });
    let queues = Queues::new();
    let queue = queues.create("shared", json!({ "VisibilityTimeout": "5" }));
    let filter = r#"filter_criteria: { filter: [{ pattern: '{"body":{"kind":["audited"]}}' }] }"#;
    let reports = "function_response_types: [ReportBatchItemFailures]";
    queues.config(
        &[
            format!("orders: {{ executor: {}, timeout: 10 }}", all.executor()),
            format!("audit: {{ executor: {}, timeout: 10 }}", some.executor()),
        ],
        &[
            queues.sharing("orders", &queue, 2, &format!("function_name: orders, {reports}")),
            queues.sharing("audit", &queue, 2, &format!("function_name: audit, {reports}, {filter}")),
        ],
    );
    queue.send(&(0..n_messages()).map(body).collect::<Vec<_>>());
    let daemon = Daemon::start(queues.scene.folder());
    queue.await_empty();
    assert!(daemon.stop().success());
    let (orders, audit) = (counts(&orders), counts(&audit));
    assert_eq!((orders.len(), audit.len()), (n_messages(), n_messages() / 4));
    assert!(orders.values().all(|n| *n == 1), "nothing comes again for the one that finished it");
    let twice = audit.values().filter(|n| **n == 2).count();
    assert_eq!(
        (twice, audit.values().filter(|n| **n > 2).count()),
        (n_messages() / 20, 0),
        "what failed comes again once"
    );
}

#[test]
fn mappings_that_compete_get_each_message_once_between_them() {
    let (one, other) = (Seen::default(), Seen::default());
    let (a, b) =
        (function(&one, Duration::from_millis(5), |_| 0), function(&other, Duration::from_millis(5), |_| 0));
    let queues = Queues::new();
    let queue = queues.create("competed", json!({ "VisibilityTimeout": "30" }));
    let mapping = |name: &str| queues.mapping(name, &queue, 2, &format!("function_name: {name}"));
    queues.config(
        &[
            format!("one: {{ executor: {}, timeout: 10 }}", a.executor()),
            format!("other: {{ executor: {}, timeout: 10 }}", b.executor()),
        ],
        &[mapping("one"), mapping("other")],
    );
    queue.send(&(0..n_messages()).map(body).collect::<Vec<_>>());
    let daemon = Daemon::start(queues.scene.folder());
    queue.await_empty();
    assert!(daemon.stop().success());
    let (one, other) = (counts(&one), counts(&other));
    assert_eq!(one.len() + other.len(), n_messages());
    assert!(!one.is_empty() && !other.is_empty(), "{} and {}", one.len(), other.len());
}

#[test]
fn a_mapping_whose_function_hangs_keeps_its_messages_in_the_queue_and_the_other_goes_on() {
    let (quick, stuck) = (Seen::default(), Seen::default());
    let quick_function = function(&quick, Duration::ZERO, |_| 0);
    let stuck_function = function(&stuck, Duration::from_secs(3_600), |_| 0);
    let queues = Queues::new();
    let queue = queues.create("stuck", json!({ "VisibilityTimeout": "30" }));
    queues.config(
        &[
            format!("quick: {{ executor: {}, timeout: 10 }}", quick_function.executor()),
            format!(
                "stuck: {{ executor: {}, timeout: 600, reserved_concurrent_executions: 1 }}",
                stuck_function.executor()
            ),
        ],
        &[
            queues.sharing("quick", &queue, 2, "function_name: quick"),
            queues.sharing("stuck", &queue, 2, "function_name: stuck"),
        ],
    );
    queue.send(&(0..n_messages()).map(body).collect::<Vec<_>>());
    let daemon = Daemon::start(queues.scene.folder());
    wait::until("all for the quick one", || (counts(&quick).len() == n_messages()).then_some(()));
    assert!(counts(&quick).values().all(|n| *n == 1));
    let (visible, hidden) = queue.counts();
    assert_eq!(visible + hidden, n_messages() as u64, "nothing is deleted that the other has not finished");
    daemon.kill();
}

#[test]
fn a_stop_of_mappings_that_share_leaves_no_message_hidden() {
    let (one, other) = (Seen::default(), Seen::default());
    let (a, b) = (function(&one, Duration::ZERO, |_| 0), function(&other, Duration::from_millis(30), |_| 0));
    let queues = Queues::new();
    // Minutes: whatever is visible was handed back.
    let queue = queues.create("stopped", json!({ "VisibilityTimeout": "600" }));
    queues.config(
        &[
            format!("one: {{ executor: {}, timeout: 10 }}", a.executor()),
            format!("other: {{ executor: {}, timeout: 10 }}", b.executor()),
        ],
        &[
            queues.sharing("one", &queue, 5, "function_name: one"),
            queues.sharing("other", &queue, 5, "function_name: other"),
        ],
    );
    let n_stops = if is_long() { 40 } else { 4 };
    for stop in 0..n_stops {
        let daemon = Daemon::start(queues.scene.folder());
        queue.send(&(0..40).map(|n| format!("{stop} {n}")).collect::<Vec<_>>());
        wait::until("a message that both have begun with", || {
            (counts(&one).len() > stop && counts(&other).len() > stop).then_some(())
        });
        assert!(daemon.stop().success());
        let (_, hidden) = queue.counts();
        assert_eq!(hidden, 0, "after stop {stop}");
    }
    let daemon = Daemon::start(queues.scene.folder());
    queue.await_empty();
    assert!(daemon.stop().success());
    assert_eq!((counts(&one).len(), counts(&other).len()), (40 * n_stops, 40 * n_stops));
}

#[test]
fn killed_again_and_again_it_deletes_nothing_that_one_of_the_mappings_has_not_finished() {
    let (one, other) = (Seen::default(), Seen::default());
    let (a, b) =
        (function(&one, Duration::from_millis(2), |_| 0), function(&other, Duration::from_millis(9), |_| 0));
    let queues = Queues::new();
    let queue = queues.create("killed", json!({ "VisibilityTimeout": "5" }));
    queues.config(
        &[
            format!("one: {{ executor: {}, timeout: 10 }}", a.executor()),
            format!("other: {{ executor: {}, timeout: 10 }}", b.executor()),
        ],
        &[
            queues.sharing("one", &queue, 2, "function_name: one"),
            queues.sharing("other", &queue, 2, "function_name: other"),
        ],
    );
    queue.send(&(0..n_messages()).map(body).collect::<Vec<_>>());
    let n_kills = if is_long() { 20 } else { 3 };
    for kill in 1..=n_kills {
        let daemon = Daemon::start(queues.scene.folder());
        let enough = n_messages() * kill / (n_kills + 1);
        wait::until_count("progress before the next kill", enough, || {
            counts(&other).len().min(counts(&one).len())
        });
        daemon.kill();
    }
    let daemon = Daemon::start(queues.scene.folder());
    queue.await_empty();
    assert!(daemon.stop().success());
    assert_eq!(
        (counts(&one).len(), counts(&other).len()),
        (n_messages(), n_messages()),
        "the queue is empty and both have had all"
    );
}

#[test]
fn mappings_that_want_different_things_of_a_queue_are_told() {
    let seen = Seen::default();
    let it = function(&seen, Duration::ZERO, |_| 0);
    let queues = Queues::new();
    let queue = queues.create("terms", json!({ "VisibilityTimeout": "30" }));
    let own = queues.sharing("one", &queue, 2, "function_name: seen");
    let other = queues
        .sharing("other", &queue, 2, "function_name: seen")
        .replace("wait_time", "retry_after: 3, wait_time");
    queues.config(&[format!("seen: {{ executor: {}, timeout: 10 }}", it.executor())], &[own, other]);
    let daemon = Daemon::start(queues.scene.folder());
    wait::until("the word about it", || daemon.log().contains("FB-0221").then_some(()));
    daemon.kill();
}

#[test]
fn a_mapping_that_competes_beside_one_that_shares_is_told_and_refused_over_the_api() {
    let seen = Seen::default();
    let it = function(&seen, Duration::ZERO, |_| 0);
    let queues = Queues::new();
    let queue = queues.create("mixed", json!({ "VisibilityTimeout": "30" }));
    let functions: Vec<_> = ["one", "other", "third"]
        .iter()
        .map(|name| format!("{name}: {{ executor: {}, timeout: 10 }}", it.executor()))
        .collect();
    let mappings = [
        queues.sharing("one", &queue, 2, "function_name: one"),
        queues.mapping("other", &queue, 2, "function_name: other"),
    ];
    queues.config(&functions, &mappings);
    let daemon = Daemon::start(queues.scene.folder());
    wait::until("the word about it", || daemon.log().contains("FB-0221").then_some(()));
    // Whichever came second says so; when all share, both run.
    queues.config(
        &functions,
        &[mappings[0].clone(), queues.sharing("other", &queue, 2, "function_name: other")],
    );
    let (code, out, err) = run(queues.scene.folder(), &["reload", "--data-dir", "data"]);
    assert_eq!(code, 0, "{out}{err}");
    let state = |name: &str| {
        http::get(&daemon.admin, &format!("/v1/mappings/{name}/status"))
            .map(|(_, body)| body)
            .unwrap_or_default()
    };
    for name in ["one", "other"] {
        let runs = || state(name).contains(r#""state":"Enabled""#).then_some(());
        wait::until_told(&format!("{name} to run"), runs, || state(name));
    }
    let (status, _, message) =
        daemon.api().create(&json!({ "EventSourceArn": queue.arn(), "FunctionName": "third" })).refusal();
    assert!(status == 400 && message.contains("FB-0221") && message.contains("share: fan_out"), "{message}");
    assert!(daemon.stop().success());
}

#[test]
fn mappings_that_compete_and_filter_differently_are_told_of_the_trap() {
    let seen = Seen::default();
    let it = function(&seen, Duration::ZERO, |_| 0);
    let queues = Queues::new();
    let queue = queues.create("trap", json!({ "VisibilityTimeout": "30" }));
    let functions: Vec<_> = ["all", "some"]
        .iter()
        .map(|name| format!("{name}: {{ executor: {}, timeout: 10 }}", it.executor()))
        .collect();
    let filter = r#"filter_criteria: { filter: [{ pattern: '{"body":{"kind":["audited"]}}' }] }"#;
    let some = format!("function_name: some, {filter}");
    queues.config(
        &functions,
        &[queues.mapping("all", &queue, 2, "function_name: all"), queues.mapping("some", &queue, 2, &some)],
    );
    let daemon = Daemon::start(queues.scene.folder());
    wait::until("the word about it", || daemon.log().contains("FB-0222").then_some(()));
    let why = |name: &str| run(queues.scene.folder(), &["why", name, "--data-dir", "data"]).1;
    let told = "is deleted for all, as on AWS (FB-0222)";
    wait::until_told("the note", || why("all").contains(told).then_some(()), || why("all"));
    assert!(why("all").contains("note: It competes for its queue with `some`"), "{}", why("all"));
    assert!(why("some").contains("note: It competes for its queue with `all`"), "{}", why("some"));
    // The same filter, or sharing, is no trap.
    for mappings in [
        [
            queues.mapping("all", &queue, 2, &format!("function_name: all, {filter}")),
            queues.mapping("some", &queue, 2, &some),
        ],
        [queues.sharing("all", &queue, 2, "function_name: all"), queues.sharing("some", &queue, 2, &some)],
    ] {
        queues.config(&functions, &mappings);
        let (code, out, err) = run(queues.scene.folder(), &["reload", "--data-dir", "data"]);
        assert_eq!(code, 0, "{out}{err}");
        wait::until_told("no note", || (!why("all").contains("note:")).then_some(()), || why("all"));
    }
    assert!(!daemon.log().contains("FB-0221"), "who turns around together is no conflict");
    assert!(daemon.stop().success());
}
