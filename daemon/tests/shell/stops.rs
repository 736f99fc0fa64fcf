//! How mappings end: what runs is finished and committed, what hangs is left, nothing new begins.

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_batcher::Close;
use forebay_daemon::lifecycle::Lifecycle;
use tokio::time::Instant;

use crate::function::function;
use crate::world::{World, until};

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_runs_commits_it_and_takes_nothing_new() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["hang", "1", "2", "3", "4", "5", "6", "7"]);
    let running = world.run(world.order("m", &source, &function));
    until("the first batch runs", || function.n_running() == 1).await;
    running.handle.end(Close::Within(world.clock.now().tick.after(Duration::from_secs(20))));
    until("it is closing", || running.entry.lifecycle().word() == "Disabling").await;
    let n_reads = source.n_reads();
    source.append("a", &["8"]);
    function.release();
    running.task.await.unwrap();
    assert_eq!(function.batches(), [["hang", "1", "2", "3"]], "no batch begins after a close");
    assert_eq!(source.n_reads(), n_reads, "and no read");
    let running = world.run(world.order("m", &source, &function));
    until("the rest came", || function.seen().len() == 9).await;
    assert_eq!(function.seen()[4..], ["4", "5", "6", "7", "8"], "nothing is repeated after a clean stop");
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn other_limits_hold_from_the_next_batch_on_and_disturb_nothing_that_runs() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["hang", "1", "2", "3", "4", "5", "6", "7", "8"]);
    let running = world.run(world.order("m", &source, &function));
    until("the first batch runs", || function.n_running() == 1).await;
    running.wiring.plan.send_modify(|plan| plan.batch.records_max = NonZeroU32::new(2).unwrap());
    assert_eq!(running.entry.lifecycle(), Lifecycle::Enabled);
    function.release();
    until("all came", || function.seen().len() == 9).await;
    let sizes: Vec<_> = function.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 2, 2, 1], "the batch that ran was not cut again, the next ones are");
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_mapping_closes_at_once() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1"]);
    let running = world.run(world.order("m", &source, &function));
    running.track("a", "NoRecords").await;
    let began = Instant::now();
    running.close().await;
    assert!(
        began.elapsed() < Duration::from_millis(100),
        "an open read is answered, not waited out: {:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_at_its_time_even_when_a_function_hangs() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["hang"]);
    let running = world.run(world.order("m", &source, &function));
    until("it hangs", || function.n_running() == 1).await;
    let began = Instant::now();
    running.handle.end(Close::Within(world.clock.now().tick.after(Duration::from_secs(20))));
    running.task.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 20);
    let running = world.run(world.order("m", &source, &function));
    function.release();
    until("the record came again", || function.seen() == ["hang", "hang"]).await;
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_cannot_start_can_be_closed() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.set_down(true);
    let running = world.run(world.order("m", &source, &function));
    until("its start failed", || running.entry.lifecycle().word() == "Enabling").await;
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_track_that_ended_is_forgotten_when_the_source_lists_it_no_more() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1", "2"]);
    source.append("b", &["3"]);
    let running = world.run(world.order("m", &source, &function));
    until("all was seen", || function.seen().len() == 3).await;
    source.end("a");
    source.end("b");
    running.track("a", "Ended").await;
    running.track("b", "Ended").await;
    let n_rows = world.store.inner.n_rows();
    source.unlist("a");
    until("one track is forgotten", || world.store.inner.n_rows() < n_rows).await;
    let kept: Vec<_> = running.entry.tracks().await.unwrap().into_iter().map(|it| it.label).collect();
    assert_eq!(kept, ["b"], "what is still listed is kept: it must not be read again");
    running.close().await;
    let running = world.run(world.order("m", &source, &function));
    running.track("b", "Ended").await;
    running.close().await;
    assert_eq!(function.seen().len(), 3, "nothing was read twice");
}
