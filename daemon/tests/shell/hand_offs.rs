//! What a function is told of its batch, and cuts that outlast a life of their mapping.

use std::time::Duration;

use forebay_batcher::Plan;

use crate::function::function;
use crate::world::{Order, World, until};

fn durable(order: Order) -> Order {
    Order { plan: Plan { durable_cuts: true, ..order.plan.clone() }, ..order }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_a_killed_life_tried_comes_again_whole_and_under_its_name() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["hang1", "2", "3"]);
    let running = world.run(durable(world.order("m", &source, &function)));
    until("the batch is tried", || function.n_running() == 1).await;
    // What comes meanwhile would have fitted in: three of four records are there.
    source.append("a", &["4", "5"]);
    running.task.abort();
    let _ = running.task.await;
    function.release();
    let again = world.run(durable(world.order("m", &source, &function)));
    until("all was tried", || function.seen().iter().any(|it| it == "5")).await;
    let batches = function.batches();
    assert_eq!(batches[..2], [["hang1", "2", "3"], ["hang1", "2", "3"]], "{batches:?}");
    assert_eq!(batches[2], ["4", "5"], "{batches:?}");
    let told = function.hand_offs();
    assert!(told[0].is_some() && told[0] == told[1], "{told:?}");
    assert_ne!(told[1], told[2]);
    assert_ne!(told[1].as_ref().unwrap().identity(), told[2].as_ref().unwrap().identity());
    again.close().await;
}

#[tokio::test(start_paused = true)]
async fn without_durable_cuts_a_batch_has_a_place_and_no_name() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1"]);
    let running = world.run(world.order("m", &source, &function));
    until("it was tried", || function.seen().len() == 1).await;
    let told = function.hand_offs().remove(0).unwrap();
    assert_eq!(told.identity(), None);
    running.close().await;
    // In a life with durable cuts each has one.
    let named = world.run(durable(world.order("m", &source, &function)));
    source.append("a", &["2"]);
    until("the next was tried", || function.seen().len() == 2).await;
    assert!(function.hand_offs().remove(1).unwrap().identity().is_some());
    named.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_cut_is_not_synced_waits_and_why_says_so() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    let running = world.run(durable(world.order("m", &source, &function)));
    source.append("a", &["1"]);
    until("the first was tried", || function.seen().len() == 1).await;
    until("and is durable", || running.count("checkpoints_committed") >= 2).await;
    world.store.inner.hold_syncs();
    source.append("a", &["2"]);
    let track = running.track("a", "WritingBatch").await;
    assert!(track.sentence.contains("batch_identity"), "{track:?}");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(function.seen().len(), 1, "nothing is tried that a crash could cut anew");
    world.store.inner.sync();
    until("it was tried", || function.seen().len() == 2).await;
    running.close().await;
}
