//! Mappings that share a queue come, change and go while it is read: who goes keeps nobody waiting, who stays
//! misses nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use forebay_tests::daemon::{Daemon, run};
use forebay_tests::function::{Answer, Function};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::queues::Queues;

type Seen = Arc<Mutex<BTreeMap<String, usize>>>;

/// A function that counts the bodies it is given.
fn function(seen: &Seen) -> Function {
    let seen = Arc::clone(seen);
    Function::start(move |event: &Value| {
        for record in event["Records"].as_array().expect("records are a list") {
            let body = record["body"].as_str().expect("a body is a text");
            *seen.lock().expect("no holder panics").entry(body.to_owned()).or_default() += 1;
        }
        Answer::Done("{}".to_owned())
    })
}

fn await_seen(seen: &Seen, wanted: usize) {
    let n = || seen.lock().expect("no holder panics").len();
    wait::until_told(
        &format!("{wanted} messages"),
        || (n() >= wanted).then_some(()),
        || format!("there were {}", n()),
    );
    let seen = seen.lock().expect("no holder panics");
    assert_eq!(seen.len(), wanted);
    assert!(seen.values().all(|n| *n == 1), "each once: {seen:?}");
}

#[test]
fn a_shared_queue_follows_who_reads_it() {
    let (one, two) = (Seen::default(), Seen::default());
    let (f, g) = (function(&one), function(&two));
    let queues = Queues::new();
    let queue = queues.create("living", json!({ "VisibilityTimeout": "20" }));
    let functions = [
        format!("one: {{ executor: {}, timeout: 10 }}", f.executor()),
        format!("two: {{ executor: {}, timeout: 10 }}", g.executor()),
    ];
    let mapping = |name: &str, wait: u32, more: &str| {
        queues.sharing(name, &queue, wait, &format!("function_name: {name}{more}"))
    };
    let reload = |mappings: &[String], said: &str| {
        queues.config(&functions, mappings);
        let (code, out, err) = run(queues.scene.folder(), &["reload", "--data-dir", "data"]);
        assert_eq!((code, out.trim()), (0, said), "{err}");
    };
    let send = |range: std::ops::Range<usize>| {
        queue.send(&range.map(|n| format!("{n}")).collect::<Vec<_>>());
        queue.await_empty();
    };
    queues.config(&functions, &[mapping("one", 1, "")]);
    let daemon = Daemon::start(queues.scene.folder());
    send(0..20);
    await_seen(&one, 20);

    // A second one joins and gets all that comes from here on.
    reload(&[mapping("one", 1, ""), mapping("two", 1, "")], "added: two; unchanged: 1");
    send(20..40);
    await_seen(&one, 40);
    await_seen(&two, 20);

    // Other words about the queue: it is connected anew for both, and no message misses either.
    reload(&[mapping("one", 2, ""), mapping("two", 1, "")], "changed: one, two; unchanged: 0");
    send(40..60);
    await_seen(&one, 60);
    await_seen(&two, 40);

    // One rests: messages are deleted without it. It comes back for what is new.
    reload(&[mapping("one", 2, ""), mapping("two", 1, ", enabled: false")], "disabled: two; unchanged: 1");
    send(60..80);
    await_seen(&one, 80);
    await_seen(&two, 40);
    reload(&[mapping("two", 1, "")], "enabled: two; removed: one; unchanged: 0");
    send(80..100);
    await_seen(&two, 60);
    await_seen(&one, 80);
    assert!(daemon.stop().success());
}
