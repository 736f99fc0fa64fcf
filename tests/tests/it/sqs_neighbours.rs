//! Mappings beside each other: an idle queue takes no slot of a full one, a hanging function slows no other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use forebay_tests::daemon::Daemon;
use forebay_tests::function::{Answer, Function};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::queues::Queues;
use crate::scene::is_long;

fn n_messages() -> usize {
    if is_long() { 10_000 } else { 1_000 }
}

/// A busy machine must not fail a test: what is told is the ratio, what is tested is that it is of another
/// kind than starving. A slot held through one long poll of the idle queue would cost twenty seconds for each
/// batch.
fn judge(what: &str, alone: Duration, beside: Duration) {
    let ratio = beside.as_secs_f64() / alone.as_secs_f64();
    eprintln!(
        "sqs {what}: {} messages took {alone:.2?} alone and {beside:.2?} beside ({ratio:.2}x)",
        n_messages()
    );
    assert!(beside < alone * 4 + Duration::from_secs(5), "{what}: {alone:?} alone, {beside:?} beside");
}

#[test]
fn an_idle_queue_does_not_starve_a_full_one_of_their_functions_only_slot() {
    let alone = shared_slot(false);
    let beside = shared_slot(true);
    judge("idle beside full", alone, beside);
}

/// How long a full queue took with the only slot of its function.
fn shared_slot(has_idle: bool) -> Duration {
    let n_seen = Arc::new(AtomicUsize::new(0));
    let function = counting(&n_seen);
    let queues = Queues::new();
    let full = queues.create("full", json!({ "VisibilityTimeout": "60" }));
    let idle = queues.create("idle", json!({ "VisibilityTimeout": "60" }));
    let idler = queues.create("idler", json!({ "VisibilityTimeout": "60" }));
    let mut mappings = vec![queues.mapping("full", &full, 20, "function_name: seen")];
    if has_idle {
        // Before the full one in every order there is, and after it.
        mappings.insert(0, queues.mapping("an-idle", &idle, 20, "function_name: seen"));
        mappings.push(queues.mapping("the-idle", &idler, 20, "function_name: seen"));
    }
    queues.config(
        &[format!(
            "seen: {{ executor: {}, timeout: 10, reserved_concurrent_executions: 1 }}",
            function.executor()
        )],
        &mappings,
    );
    let daemon = Daemon::start(queues.scene.folder());
    let took = pass(&full, &n_seen);
    if has_idle {
        // And the idle one is served as soon as it has something.
        idle.send(&["at last".to_owned()]);
        wait::until_count("the idle queue's message", n_messages() + 1, || n_seen.load(Ordering::SeqCst));
    }
    daemon.kill();
    took
}

#[test]
fn two_full_queues_take_turns_at_the_only_slot_of_their_function() {
    let order: Arc<Mutex<Vec<char>>> = Arc::default();
    let function = Function::start({
        let order = Arc::clone(&order);
        move |event| {
            let body = event["Records"][0]["body"].as_str().expect("a body is a text");
            order.lock().expect("no holder panics").push(body.chars().next().expect("it is not empty"));
            // So slow that the next batch of the other queue is there before this one is done.
            thread::park_timeout(Duration::from_millis(30));
            Answer::Done(String::new())
        }
    });
    let queues = Queues::new();
    let (a, b) = (
        queues.create("a", json!({ "VisibilityTimeout": "60" })),
        queues.create("b", json!({ "VisibilityTimeout": "60" })),
    );
    let mappings = [
        queues.mapping("a", &a, 2, "function_name: seen"),
        queues.mapping("b", &b, 2, "function_name: seen"),
    ];
    queues.config(
        &[format!(
            "seen: {{ executor: {}, timeout: 10, reserved_concurrent_executions: 1 }}",
            function.executor()
        )],
        &mappings,
    );
    for (queue, name) in [(&a, 'a'), (&b, 'b')] {
        queue.send(&(0..300).map(|it| format!("{name} {it}")).collect::<Vec<_>>());
    }
    let daemon = Daemon::start(queues.scene.folder());
    let n_invocations = || order.lock().expect("no holder panics").len();
    wait::until_count("all batches", 60, n_invocations);
    a.await_empty();
    b.await_empty();
    assert!(daemon.stop().success());
    // While both have messages neither waits for more than a few batches of the other.
    let order = order.lock().expect("no holder panics");
    let both = order.len() - order.iter().rev().take_while(|it| **it == order[order.len() - 1]).count();
    let longest = order[..both].chunk_by(|one, next| one == next).map(<[char]>::len).max().unwrap_or(0);
    assert!(
        longest <= 4,
        "one queue had the slot {longest} times in a row: {}",
        order.iter().collect::<String>()
    );
}

#[test]
fn a_queue_whose_function_hangs_does_not_slow_another() {
    let alone = beside_hanging(false);
    let beside = beside_hanging(true);
    judge("full beside hanging", alone, beside);
}

/// How long the good queue took; the hanging function still hangs when it is done, and its messages are still
/// hidden.
fn beside_hanging(hangs: bool) -> Duration {
    let (n_seen, n_hanging) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let good = counting(&n_seen);
    let bad = Function::start({
        let n_hanging = Arc::clone(&n_hanging);
        move |_| {
            n_hanging.fetch_add(1, Ordering::SeqCst);
            loop {
                thread::park();
            }
        }
    });
    let queues = Queues::new();
    let good_queue = queues.create("good", json!({ "VisibilityTimeout": "60" }));
    let bad_queue = queues.create("bad", json!({ "VisibilityTimeout": "3" }));
    let mut mappings = vec![queues.mapping("good", &good_queue, 20, "function_name: good")];
    if hangs {
        mappings.insert(0, queues.mapping("bad", &bad_queue, 1, "function_name: bad"));
    }
    let function = |name: &str, executor: String| {
        format!("{name}: {{ executor: {executor}, timeout: 600, reserved_concurrent_executions: 5 }}")
    };
    queues.config(&[function("good", good.executor()), function("bad", bad.executor())], &mappings);
    bad_queue.send(&(0..1_000).map(|it| format!("bad {it}")).collect::<Vec<_>>());
    let daemon = Daemon::start(queues.scene.folder());
    if hangs {
        wait::until_count("invocations that hang", 5, || n_hanging.load(Ordering::SeqCst));
    }
    let took = pass(&good_queue, &n_seen);
    if hangs {
        let (n_left, n_held) = bad_queue.counts();
        assert_eq!(n_left + n_held, 1_000);
        assert!(n_held <= 60, "no more is received than can start: {n_held} are held");
        assert_eq!(n_hanging.load(Ordering::SeqCst), 5, "none was given twice");
    }
    daemon.kill();
    took
}

/// A function that counts records.
fn counting(n_seen: &Arc<AtomicUsize>) -> Function {
    let n_seen = Arc::clone(n_seen);
    Function::start(move |event: &Value| {
        n_seen.fetch_add(event["Records"].as_array().map_or(0, Vec::len), Ordering::SeqCst);
        Answer::Done(String::new())
    })
}

fn pass(queue: &crate::queues::Queue, n_seen: &AtomicUsize) -> Duration {
    let n = n_messages();
    let start = Instant::now();
    let bodies: Vec<String> = (0..n).map(|it| format!("order {it}")).collect();
    for hundred in bodies.chunks(100) {
        queue.send(hundred);
    }
    wait::until_count("all messages of the full queue", n, || n_seen.load(Ordering::SeqCst));
    start.elapsed()
}
