//! What a queue's mapping says of itself when nothing seems to happen: messages that failed and are hidden, a
//! filter that drops everything.

use forebay_models::sqs::Attributes;
use forebay_tests::daemon::{Daemon, run};
use forebay_tests::wait;
use serde_json::Value;

use crate::sqs_world::World;

fn why(world: &World) -> String {
    run(world.scene.folder(), &["why", "messages", "--data-dir", "data"]).1
}

#[test]
fn a_queue_whose_only_message_failed_tells_what_failed_when_it_comes_again_and_how_often_it_came() {
    let world = World::new("orders", Attributes { visibility_s: 30, ..Attributes::default() }, "");
    world.send_one("raises");
    let daemon = Daemon::start(world.scene.folder());
    let status: Value = serde_json::from_str(&world.await_status(&daemon, r#""Hidden""#)).expect("JSON");
    let track = &status["tracks"][0];
    assert_eq!(
        (&track["hidden"]["messages"], &track["hidden"]["receives"]),
        (&1.into(), &1.into()),
        "{status}"
    );
    assert!(track["error"].as_str().is_some_and(|it| it.contains("it was asked to")), "{status}");
    let (since, until) = (track["since"].as_str(), track["until"].as_str());
    assert!(since.is_some() && until > since, "it says when it comes again: {status}");
    assert_eq!(status["severity"], "trouble", "{status}");
    let told = why(&world);
    for word in
        ["A message failed", "it was asked to", "it had come once", "comes again in", "redrive policy"]
    {
        assert!(told.contains(word), "{word}: {told}");
    }
    daemon.kill();
}

#[test]
fn how_often_a_message_came_is_what_its_queue_says_whoever_received_it() {
    let world = World::new("orders", Attributes { visibility_s: 3, ..Attributes::default() }, "");
    world.send_one("raises");
    let daemon = Daemon::start(world.scene.folder());
    wait::until("a second failure", || (world.given().len() >= 2).then_some(()));
    daemon.kill();
    let daemon = Daemon::start(world.scene.folder());
    let status: Value = serde_json::from_str(&world.await_status(&daemon, r#""Hidden""#)).expect("JSON");
    assert!(status["tracks"][0]["hidden"]["receives"].as_u64() >= Some(3), "{status}");
    daemon.kill();
}

#[test]
fn a_filter_that_drops_all_that_is_read_is_told_with_how_many() {
    let filter = r#"filter_criteria: { filter: [{ pattern: '{"body":["nothing like it"]}' }] }"#;
    let world = World::new("orders", Attributes::default(), filter);
    world.send(7);
    let daemon = Daemon::start(world.scene.folder());
    world.await_empty();
    let status = world.await_status(&daemon, r#""filtered":7"#);
    assert!(status.contains(r#""AllFiltered""#) && status.contains(r#""severity":"none""#), "{status}");
    let told = why(&world);
    assert!(
        told.contains("the last 7 that were read were all dropped by the filter")
            && told.contains("forebay pattern test"),
        "{told}"
    );
    world.send(1);
    world.await_status(&daemon, r#""filtered":8"#);
    daemon.kill();
}
