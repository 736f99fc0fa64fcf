//! What a function asks for single records of a batch.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::function::{FakeDestination, function};
use crate::world::{Order, World, until};

#[tokio::test(start_paused = true)]
async fn a_rejected_record_goes_to_the_destination_at_once_and_what_is_asked_to_wait_does() {
    let world = World::new();
    let (source, function, destination) = (world.source(), function(), Arc::new(FakeDestination::default()));
    source.append("a", &["1", "reject me", "later", "2"]);
    let mut order =
        Order { destination: Some(Arc::clone(&destination)), ..world.order("m", &source, &function) };
    order.plan.retry.item_actions = true;
    let began = Instant::now();
    let running = world.run(order);
    until("the destination has it", || destination.taken().len() == 1).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(destination.taken()[0]["requestContext"]["condition"], "RecordRejected");
    let waiting = running.track("a", "Retrying").await;
    assert_eq!(waiting.attempt, Some(2));
    until("the rest was tried again", || function.batches().len() == 2).await;
    assert!(began.elapsed() >= Duration::from_secs(60), "{:?}", began.elapsed());
    assert_eq!(function.batches()[1], ["later", "2"]);
    assert_eq!(
        (running.count("on_failure_destination_delivered_event_count"), running.count("retries")),
        (1, 1)
    );
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_what_is_asked_for_is_ignored() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1", "later", "2"]);
    let began = Instant::now();
    let running = world.run(world.order("m", &source, &function));
    until("the rest was tried again", || function.batches().len() == 2).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    running.close().await;
}
