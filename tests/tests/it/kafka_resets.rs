//! Offsets of a real consumer group that an operator resets with Kafka's own tool.

use forebay_tests::daemon::Daemon;
use forebay_tests::http;
use forebay_tests::kafka::tools::reset_offsets;
use forebay_tests::kafka::{Kafka, Sent};
use forebay_tests::wait;
use serde_json::Value;

use crate::journal::Journal;
use crate::kafka_world::{GivesTopics as _, Topics};

fn ask(daemon: &Daemon, method: &str, path: &str) -> Value {
    let (status, answer) = http::send(&daemon.admin, method, path, "").expect("the daemon answers");
    assert_eq!(status, 200, "{path}: {answer}");
    serde_json::from_str(&answer).expect("it is JSON")
}

#[test]
fn offsets_that_are_reset_while_a_mapping_is_paused_are_taken_over_when_it_is_resumed_or_not() {
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("reset", 1);
    let records: Vec<Sent> = (0..10).map(|n| Sent::of("k", &n.to_string())).collect();
    it.client.send("reset", &records);
    let (followed, ignored) = (Journal::default(), Journal::default());
    let functions = (followed.function(), ignored.function());
    let source = |more: &str| it.source("[reset]", more);
    it.scene.write(
        "forebay.yaml",
        &format!(
            "functions:\n  seen: {{ executor: {} }}\n  kept: {{ executor: {} }}\nevent_source_mappings:{}{}\n",
            functions.0.executor(),
            functions.1.executor(),
            Topics::mapping("followed", &source(""), ""),
            Topics::mapping("ignored", &source(", offset_resets: ignored"), "").replace(": seen", ": kept"),
        ),
    );
    let daemon = Daemon::start(it.scene.folder());
    followed.await_values(10);
    ignored.await_values(10);
    for name in ["followed", "ignored"] {
        let path = format!("/v1/mappings/{name}");
        ask(&daemon, "POST", &format!("{path}/pause"));
        let state = || ask(&daemon, "GET", &format!("{path}/status"))["state"].to_string();
        wait::until_told("a pause", || (state() == "\"Paused\"").then_some(()), state);
        reset_offsets(&it.bootstrap, name, "reset", 7);
        it.client.send("reset", &[Sent::of("k", name)]);
        ask(&daemon, "POST", &format!("{path}/resume"));
    }
    followed.await_value("ignored");
    ignored.await_value("ignored");
    let written = |from: usize| (from..10).map(|n| n.to_string());
    let rest = || ["followed", "ignored"].map(str::to_owned);
    assert_eq!(followed.values(), written(0).chain(written(7)).chain(rest()).collect::<Vec<_>>());
    assert_eq!(ignored.values(), written(0).chain(rest()).collect::<Vec<_>>());
    assert!(daemon.log().contains("FB-0432"), "it is told: {}", daemon.log());
    // What was taken over is taken over once: neither a kill nor a stop brings it back.
    daemon.kill();
    let daemon = Daemon::start(it.scene.folder());
    it.client.send("reset", &[Sent::of("k", "last")]);
    followed.await_value("last");
    assert_eq!(followed.values().len(), 16, "{:?}", followed.values());
    assert_eq!(daemon.stop().code(), Some(0));
}
