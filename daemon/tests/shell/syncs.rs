//! Written and synced: what waits for a sync of the store, and what does not.

use std::time::Duration;

use forebay_batcher::Close;

use crate::function::function;
use crate::world::{World, until};

#[tokio::test(start_paused = true)]
async fn no_fresh_batch_waits_for_a_sync_and_a_retry_does() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    let running = world.run(world.order("m", &source, &function));
    source.append("a", &["1"]);
    until("the first commit is durable", || running.count("checkpoints_committed") >= 1).await;
    world.store.inner.hold_syncs();
    let n_durable = running.count("checkpoints_committed");
    for n in 0..20 {
        source.append("a", &["2"]);
        until("it was seen", || function.seen().len() == 2 + n).await;
    }
    assert_eq!(running.count("checkpoints_committed"), n_durable, "nothing was synced");
    source.append("a", &["poison"]);
    until("it was tried once", || function.seen().len() == 22).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(function.seen().len(), 22, "its count is not durable");
    world.store.inner.sync();
    until("it was tried again", || function.seen().len() == 23).await;
    assert!(running.count("checkpoints_committed") > n_durable);
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_close_waits_for_the_sync_of_what_was_finished() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    let running = world.run(world.order("m", &source, &function));
    world.store.inner.hold_syncs();
    source.append("a", &["1"]);
    until("it was seen", || function.seen().len() == 1).await;
    running.handle.end(Close::Finish);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(!running.task.is_finished());
    world.store.inner.sync();
    running.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_sync_left_in_doubt_is_written_again() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    let running = world.run(world.order("m", &source, &function));
    source.append("a", &["1"]);
    until("the first commit is durable", || running.count("checkpoints_committed") >= 1).await;
    world.store.inner.hold_syncs();
    source.append("a", &["2"]);
    let n_writes = world.store.inner.n_writes();
    until("it was written", || world.store.inner.n_writes() > n_writes).await;
    // Its answer is on its way.
    running.track("a", "NoRecords").await;
    world.store.inner.fail_sync();
    until("that is told", || !world.registry.store_failing().is_empty()).await;
    until("it was written once more", || world.store.inner.n_writes() > n_writes + 1).await;
    until("the store is fine again", || world.registry.store_failing().is_empty()).await;
    running.close().await;
}
