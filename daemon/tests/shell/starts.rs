//! How mappings begin: created before they are enabled, resumed where they were, never afresh by accident.

use forebay_checkpoints::{MappingId, TrackKey};
use forebay_config::StartingPosition;
use forebay_daemon::lifecycle::Lifecycle;

use crate::function::function;
use crate::world::{World, until};

#[tokio::test(start_paused = true)]
async fn a_mapping_is_created_durably_before_it_is_enabled() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1", "2"]);
    let running = world.run(world.order("m", &source, &function));
    until("both records were seen", || function.seen() == ["1", "2"]).await;
    let asked = world.store.asked();
    assert_eq!(
        asked[..3],
        ["acquire of m while Creating", "load of m while Creating", "create of m while Creating"]
    );
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn latest_is_where_the_source_stood_when_the_mapping_was_created_and_stays_there() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["old"]);
    let order =
        || crate::world::Order { start: StartingPosition::Latest, ..world.order("m", &source, &function) };
    let running = world.run(order());
    until("it is enabled", || running.entry.lifecycle() == Lifecycle::Enabled).await;
    running.close().await;
    source.append("a", &["while it was away"]);
    source.append("b", &["a track that appeared later, from its start"]);
    let running = world.run(order());
    until("two records were seen", || function.seen().len() == 2).await;
    let mut seen = function.seen();
    seen.sort();
    assert_eq!(seen, ["a track that appeared later, from its start", "while it was away"]);
    assert_eq!(world.store.asked().iter().filter(|it| it.starts_with("create")).count(), 1);
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_where_it_was_without_repeating() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    for round in 0..3 {
        let running = world.run(world.order("m", &source, &function));
        let records: Vec<_> = (0..10).map(|n| format!("{}", round * 10 + n)).collect();
        source.append("a", &records.iter().map(String::as_str).collect::<Vec<_>>());
        until("the round's records were seen", || function.seen().len() == (round + 1) * 10).await;
        running.close().await;
    }
    let expected: Vec<_> = (0..30).map(|it| it.to_string()).collect();
    assert_eq!(function.seen(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_track_without_its_checkpoint_stays_stopped_and_others_run() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["a1"]);
    source.append("b", &["b1"]);
    let running = world.run(world.order("m", &source, &function));
    until("both tracks were read", || function.seen().len() == 2).await;
    running.close().await;
    world.store.inner.lose(&MappingId("m".into()), &TrackKey("a".into()));
    source.append("a", &["a2"]);
    source.append("b", &["b2"]);
    let running = world.run(world.order("m", &source, &function));
    let lost = running.track("a", "PositionLost").await;
    assert_eq!(
        lost.sentence,
        "Stopped: its position is lost (its checkpoint is missing); it does not start afresh by itself."
    );
    until("the other track went on", || function.seen().contains(&"b2".to_owned())).await;
    running.close().await;
    assert!(!function.seen().contains(&"a2".to_owned()));
    assert_eq!(function.seen().len(), 3, "and nothing was repeated");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_down_at_the_start_is_tried_again_and_said_so() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1"]);
    source.set_down(true);
    let running = world.run(world.order("m", &source, &function));
    until("two starts failed", || {
        matches!(running.entry.lifecycle(), Lifecycle::Enabling { n_failures: 2.., .. })
    })
    .await;
    assert!(
        running.entry.lifecycle().to_string().contains("pulled the plug"),
        "{}",
        running.entry.lifecycle()
    );
    assert!(world.registry.is_started(), "a source that is down does not hold the start up");
    source.set_down(false);
    until("the record was seen", || function.seen() == ["1"]).await;
    running.close().await;
}
