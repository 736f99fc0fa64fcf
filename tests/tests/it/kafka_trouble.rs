//! Topics of a real cluster in trouble: a network that is cut, a record that no event can hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use forebay_tests::daemon::Daemon;
use forebay_tests::function::take_time;
use forebay_tests::kafka::{Kafka, Sent};
use forebay_tests::wait;
use forebay_tests::wire::Wire;
use serde_json::Value;

use crate::journal::Journal;
use crate::kafka_world::{GivesTopics as _, InOrder, Topics, write_until};
use crate::scene::is_long;

/// So long is the network gone in the long run.
const CUT: Duration = Duration::from_secs(60);
const LARGE_BYTES: usize = 50 << 20;

#[test]
fn a_network_that_is_cut_under_load_is_told_and_loses_nothing_once_it_is_whole() {
    let wire = Wire::new();
    let kafka = Kafka::start_behind(&wire);
    let it = Topics::at(kafka.client(), kafka.wired_bootstrap());
    it.client.create_topic("wired", 4);
    let counts = InOrder::default();
    let function = counts.function();
    it.config(&function, &Topics::mapping("wired", &it.source("[wired]", ""), ", batch_size: 10"));
    let daemon = Daemon::start(it.scene.folder());
    let is_over = AtomicBool::new(false);
    let n_written = thread::scope(|threads| {
        let writer = threads.spawn(|| write_until(&is_over, &it.client, "wired", Duration::from_millis(50)));
        wait::until_count("records before the cut", 300, || counts.n_first());
        let cut_at = Instant::now();
        wire.cut();
        let is_told = || daemon.log().contains("FB-0380").then_some(());
        wait::until_told("that the brokers do not answer", is_told, || daemon.log());
        if is_long() {
            take_time(CUT.saturating_sub(cut_at.elapsed()));
        }
        let before = counts.n_first();
        wire.mend();
        wait::until_count("records after it", before + 300, || counts.n_first());
        is_over.store(true, Ordering::SeqCst);
        writer.join().expect("the writer ends")
    });
    counts.await_all(n_written);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_record_that_no_event_can_hold_is_given_up_by_name_and_its_neighbours_are_done_once() {
    let room = (LARGE_BYTES + (1 << 20)).to_string();
    let kafka = Kafka::start_with(&format!("message.max.bytes={room}\nlog.segment.bytes=104857600\n"));
    let it = Topics::of(&kafka);
    it.client.create_topic("large", 1);
    it.client.create_topic_with("dead", 1, &[("max.message.bytes", "1048576")]);
    let value = |text: &str| Sent::of("k", text);
    let large = Sent { value: Some(vec![b'x'; LARGE_BYTES]), ..value("") }.header("h", Some(b"of it"));
    let writer = it.client.clone().with("message.max.bytes", &room);
    writer.send("large", &[value("before"), large, value("after")]);
    let journal = Journal::default();
    let function = journal.function();
    let more = ", batch_size: 10, destination_config: { on_failure: { kafka: { topic: dead } } }";
    it.config(&function, &Topics::mapping("large", &it.source("[large]", ""), more));
    let daemon = Daemon::start(it.scene.folder());
    let is_done = || (journal.values().len() >= 2).then_some(());
    wait::until_told("both neighbours", is_done, || daemon.log());
    let told = || it.client.read("dead").pop();
    let told = wait::until_told("the record in its topic", told, || daemon.log());
    assert_eq!(journal.values(), ["before", "after"]);
    let record: Value =
        serde_json::from_slice(told.value.as_deref().unwrap_or_default()).expect("it is JSON");
    assert_eq!(record["requestContext"]["condition"], "MaximumPayloadSizeExceeded", "{record}");
    assert_eq!((told.key.as_deref(), &record["payload"]), (Some(&b"k"[..]), &Value::Null), "{record}");
    assert_eq!(told.headers, [("h".to_owned(), Some(b"of it".to_vec()))]);
    assert_eq!(daemon.stop().code(), Some(0));
}
