//! SIGTERM during long polls, again and again: what was not started is visible at once, every receive is
//! explained, and none ends among the dead letters untried.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use forebay_tests::daemon::Daemon;
use forebay_tests::elasticmq::Received;
use forebay_tests::function::{Answer, Function};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::queues::{Queue, Queues};
use crate::scene::is_long;

const N_MESSAGES: usize = 40;
/// As many receives run at once, at most.
const N_POLLS: u32 = 5;
/// One queue takes a message away after as many receives; the other never does.
const RECEIVES_MAX: u32 = 3;
/// How long after the daemon's end a message may stay hidden that was not started.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

/// Bodies that the function was given.
type Seen = Arc<Mutex<Vec<String>>>;

#[test]
fn what_a_stop_leaves_unstarted_is_visible_within_a_second() {
    let n_stops = if is_long() { 200 } else { 20 };
    let seen = Seen::default();
    let function = Function::start({
        let seen = Arc::clone(&seen);
        move |event| note(&seen, event)
    });
    let queues = Queues::new();
    // Minutes: whatever is visible was handed back.
    let dead = queues.create("dead", json!({}));
    let redrive = json!({ "deadLetterTargetArn": dead.arn(), "maxReceiveCount": RECEIVES_MAX }).to_string();
    let strict = queues.create("strict", json!({ "VisibilityTimeout": "600", "RedrivePolicy": redrive }));
    let patient = queues.create("patient", json!({ "VisibilityTimeout": "600" }));
    let (mut n_back, mut n_received) = (0, 0);
    for stop in 0..n_stops {
        // The last receive of each is the test's own. A message that was handed back may come once with each
        // receive that is still open.
        let (queue, receives_max) =
            if stop % 2 == 0 { (&strict, RECEIVES_MAX) } else { (&patient, 1 + N_POLLS + 1) };
        // In one of four stops messages wait for their window too.
        let window =
            if stop / 2 % 4 == 3 { ", batch_size: 100, maximum_batching_window_in_seconds: 60" } else { "" };
        let settings =
            format!("function_name: seen, scaling_config: {{ maximum_concurrency: {N_POLLS} }}{window}");
        queues.config(
            &[format!("seen: {{ executor: {}, timeout: 10 }}", function.executor())],
            &[queues.mapping("orders", queue, 3, &settings)],
        );
        let daemon = Daemon::start(queues.scene.folder());
        seen.lock().expect("no holder panics").clear();
        let n_sent = stop_during_long_polls(daemon, queue, stop / 2, &seen);
        let back = take_back(&queues, queue, &seen, n_sent);
        for it in &back {
            assert!(it.n_receives <= receives_max, "{it:?} cannot have been received so often by one daemon");
        }
        n_received += back.iter().filter(|it| it.n_receives > 1).count();
        n_back += back.len();
    }
    assert_eq!(dead.counts(), (0, 0), "a dead letter that was never tried");
    eprintln!(
        "sqs stops: {n_stops} stops, {n_back} messages unstarted, {n_received} of them received and handed back"
    );
    assert!(n_received >= n_stops, "long polls must have brought messages that could not start");
}

fn note(seen: &Seen, event: &Value) -> Answer {
    let bodies = event["Records"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| it["body"].as_str())
        .map(str::to_owned);
    seen.lock().expect("no holder panics").extend(bodies);
    Answer::Done(String::new())
}

/// Sends messages around the signal, at another place each time, and waits for the daemon's end. How many it
/// sent.
fn stop_during_long_polls(daemon: Daemon, queue: &Queue, stop: usize, seen: &Seen) -> usize {
    let before = (stop / 4) % 4;
    let mut n_sent = N_MESSAGES;
    let send = |tens: std::ops::Range<usize>| {
        for ten in tens {
            queue.send(&(0..10).map(|it| format!("{stop}: {ten}{it}")).collect::<Vec<_>>());
        }
    };
    match stop % 4 {
        // Long polls are open for sure: a message went through them and nothing else is there. All is sent
        // when it already drains.
        0 => {
            queue.send(&["first".to_owned()]);
            wait::until("the first message", || {
                (!seen.lock().expect("no holder panics").is_empty()).then_some(())
            });
            let n_drains = n_drains(&daemon);
            daemon.signal("TERM");
            wait::until("the drain in the log", || (self::n_drains(&daemon) > n_drains).then_some(()));
            if before.is_multiple_of(2) {
                // One for several polls: it must not go through them all.
                queue.send(&["last".to_owned()]);
                n_sent = 2;
            } else {
                send(0..N_MESSAGES / 10);
                n_sent += 1;
            }
        }
        // Sent while the signal comes.
        1 | 2 => thread::scope(|scope| {
            scope.spawn(|| send(before..N_MESSAGES / 10));
            send(0..before);
            daemon.signal("TERM");
        }),
        // Received and waiting for their window.
        _ => {
            send(0..N_MESSAGES / 10);
            wait::until("messages in flight", || (queue.counts().1 as usize > before * 5).then_some(()));
            daemon.signal("TERM");
        }
    }
    assert_eq!(daemon.wait().code(), Some(0));
    n_sent
}

/// All that the function was not given is received at once.
fn take_back(queues: &Queues, queue: &Queue, seen: &Seen, n_sent: usize) -> Vec<Received> {
    let ended = Instant::now();
    let seen = seen.lock().expect("no holder panics").clone();
    let n_left = n_sent - seen.len();
    let mut back: Vec<Received> = Vec::new();
    while back.len() < n_left {
        let more = queues.server.receive(&queue.url);
        let hidden = || {
            format!(
                "{} of {n_left} visible, counts {:?}, after {:?}",
                back.len(),
                queue.counts(),
                ended.elapsed()
            )
        };
        assert!(!more.is_empty() || ended.elapsed() < SHOWN_WITHIN, "{}", hidden());
        if !more.is_empty() {
            queues.server.delete(&queue.url, &more);
            back.extend(more);
        }
    }
    assert_eq!(queue.counts(), (0, 0), "what was started is deleted");
    let seen: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
    for it in &back {
        assert!(!seen.contains(it.body.as_str()), "{} was finished and is still there", it.body);
    }
    back
}

/// How often a daemon of this folder has begun to drain.
fn n_drains(daemon: &Daemon) -> usize {
    daemon.log().matches("draining:").count()
}
