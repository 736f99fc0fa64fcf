//! Tumbling windows over a stream of a real server: the event, and a sum that survives kills.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_tests::calendar::Civil;
use forebay_tests::daemon::Daemon;
use forebay_tests::function::{Answer, Function};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::journal::Journal;
use crate::kinesis::Streams;

const SECONDS: u64 = 3;

/// A function that carries a sum of numbers over each window, and how many they were.
fn summing(journal: &Journal) -> Function {
    journal.function_that(|event| {
        let number = |name: &str| event["state"][name].as_u64().unwrap_or(0);
        let given = numbers(event);
        let state = json!({ "sum": number("sum") + given.values().sum::<u64>(), "n": number("n") + given.len() as u64 });
        Answer::Done(json!({ "state": state }).to_string())
    })
}

/// The numbers that an event brings, by the names of their records.
fn numbers(event: &Value) -> BTreeMap<String, u64> {
    let records = event["Records"].as_array().into_iter().flatten();
    let number = |record: &Value| {
        let data = STANDARD.decode(record["kinesis"]["data"].as_str().expect("a text")).expect("base64");
        String::from_utf8(data).expect("a text").parse().expect("a number")
    };
    records.map(|it| (it["eventID"].as_str().expect("a name").to_owned(), number(it))).collect()
}

/// The sums that windows ended with, by their starts; of an end that came again after a kill the last counts.
fn ends(journal: &Journal) -> BTreeMap<String, Value> {
    let events = journal.events();
    let ends = events.iter().filter(|it| it["isFinalInvokeForWindow"] == json!(true));
    ends.map(|it| (it["window"]["start"].as_str().expect("a time").to_owned(), it["state"].clone())).collect()
}

#[test]
fn a_sum_over_tumbling_windows_with_a_kill_in_each_equals_the_sum_outside() {
    let it = Streams::new();
    let arn = it.server.create("orders", 1);
    let journal = Journal::default();
    let function = summing(&journal);
    it.config(
        &[("sum".to_owned(), &function)],
        &format!(
            "\n- {{ name: orders, source: {{ kinesis: {{ stream: \"{arn}\", poll_interval: 0.25 }} }}, function_name: sum, \
             starting_position: TRIM_HORIZON, batch_size: 4, tumbling_window_in_seconds: {SECONDS} }}"
        ),
    );
    let mut n_written = 0_u64;
    let mut put = || {
        n_written += 1;
        it.server.put("orders", "k", &n_written.to_string());
        n_written
    };
    let n_given =
        || journal.events().iter().flat_map(numbers).collect::<BTreeMap<String, u64>>().len() as u64;
    let mut daemon = Daemon::start(it.scene.folder());
    for n_windows in 1..=3 {
        let written = (0..6).map(|_| put()).last().expect("some");
        wait::until_told("records are given", || (n_given() >= written).then_some(()), || daemon.log());
        // In the middle of a window.
        daemon.kill();
        put();
        daemon = Daemon::start(it.scene.folder());
        wait::until_told(
            "a window ends",
            || {
                put();
                (ends(&journal).len() >= n_windows).then_some(())
            },
            || daemon.log(),
        );
    }
    let ends = ends(&journal);
    let mut outside: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (name, number) in journal.events().iter().flat_map(numbers).collect::<BTreeMap<String, u64>>() {
        let (sum, n) = outside.entry(start_of(&journal, &name)).or_default();
        (*sum, *n) = (*sum + number, *n + 1);
    }
    for (start, state) in &ends {
        let (sum, n) = outside[start];
        assert_eq!(state, &json!({ "sum": sum, "n": n }), "the window of {start}: {ends:?}");
    }
    let events = journal.events();
    let last = events.iter().rfind(|it| it["isFinalInvokeForWindow"] == json!(true)).expect("windows ended");
    let shard = it.server.shards("orders")[0].id.clone();
    let expected = json!({
        "Records": [],
        "window": { "start": last["window"]["start"], "end": last["window"]["end"] },
        "state": last["state"],
        "shardId": shard,
        "eventSourceARN": arn,
        "isFinalInvokeForWindow": true,
        "isWindowTerminatedEarly": false,
    });
    assert_eq!(last.to_string(), expected.to_string());
    let first = &events[0];
    assert_eq!((&first["state"], &first["isFinalInvokeForWindow"]), (&json!({}), &json!(false)));
    assert!(daemon.metrics().contains("windows_ended"), "{}", daemon.metrics());
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_window_that_is_open_when_its_shard_splits_goes_on_in_the_first_child() {
    // Fifteen minutes: hardly ever does one begin between the records.
    let went_on = (0..3).any(|n| goes_on_over_a_split(&format!("orders{n}")));
    assert!(went_on, "three windows ended while a shard was split");
}

/// Whether the window of the parent was that of the child.
fn goes_on_over_a_split(stream: &str) -> bool {
    let it = Streams::new();
    it.server.create(stream, 1);
    let journal = Journal::default();
    let function = summing(&journal);
    it.config(
        &[("sum".to_owned(), &function)],
        &format!(
            "\n- {{ name: orders, source: {{ kinesis: {{ stream: {stream}, poll_interval: 0.25 }} }}, function_name: sum, \
             starting_position: TRIM_HORIZON, tumbling_window_in_seconds: 900, carry_windows_into_child_shards: true }}"
        ),
    );
    let daemon = Daemon::start(it.scene.folder());
    let n_given = || journal.events().iter().flat_map(numbers).count();
    let await_given = |n: usize| {
        wait::until_told("records are given", || (n_given() >= n).then_some(()), || daemon.log());
    };
    it.server.put(stream, "k", "1");
    await_given(1);
    let parent = it.server.shards(stream).remove(0);
    it.server.split(stream, &parent);
    let children = it.server.shards(stream).split_off(1);
    let mut n_written = 1;
    let mut put_into = |shard: &str| {
        for key in 0.. {
            n_written += 1;
            if it.server.put(stream, &format!("key {key}"), "10").0 == shard {
                return n_written;
            }
        }
        unreachable!("some key is in each half")
    };
    let ids: Vec<&str> = children.iter().map(|it| it.id.as_str()).collect();
    let n = put_into(ids[0]);
    await_given(n);
    let n = put_into(ids[1]);
    await_given(n);
    let events = journal.events();
    let first_of = |shard: &str| {
        events
            .iter()
            .find(|it| it["shardId"] == json!(shard))
            .unwrap_or_else(|| panic!("{shard}: {events:?}"))
    };
    let (before, heir, other) = (first_of(&parent.id), first_of(ids[0]), first_of(ids[1]));
    let is_end = |it: &&Value| it["isFinalInvokeForWindow"] == json!(true);
    if before["window"] != heir["window"] || events.iter().any(|it| is_end(&it)) {
        return false;
    }
    assert_eq!(heir["state"], json!({ "sum": 1, "n": 1 }), "{events:?}");
    assert_eq!(other["state"], json!({}), "{events:?}");
    assert_eq!(daemon.stop().code(), Some(0));
    true
}

/// When the window of a record starts, by the time of its arrival.
fn start_of(journal: &Journal, name: &str) -> String {
    let events = journal.events();
    let mut records =
        events.iter().flat_map(|event| event["Records"].as_array().cloned().unwrap_or_default());
    let record = records.find(|it| it["eventID"] == json!(name)).expect("it was given");
    let arrival = record["kinesis"]["approximateArrivalTimestamp"].as_f64().expect("a number");
    Civil::of((arrival as u64) / SECONDS * SECONDS).iso()
}
