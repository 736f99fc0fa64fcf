//! What may go wrong around a mapping and what it does then.

use std::sync::Arc;

use forebay_checkpoints::MappingId;
use forebay_daemon::budget::Budget;
use forebay_daemon::lifecycle::Lifecycle;
use forebay_daemon::why::{Severity, Why};

use crate::function::{FakeDestination, function};
use crate::log::Log;
use crate::world::{Order, World, until};

#[tokio::test(start_paused = true)]
async fn a_full_store_stops_new_work_and_work_resumes_by_itself() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1"]);
    let running = world.run(world.order("m", &source, &function));
    until("the first commit is durable", || running.count("checkpoints_committed") >= 1).await;
    world.store.inner.fill();
    source.append("a", &["2"]);
    let full = running.track("a", "StoreFull").await;
    assert!(full.sentence.starts_with("The disk of the data folder has been full"), "{}", full.sentence);
    assert_eq!(world.registry.store_failing().len(), 1);
    let n_seen = function.seen().len();
    source.append("a", &["3", "4", "5"]);
    tokio::time::advance(std::time::Duration::from_secs(120)).await;
    assert_eq!(function.seen().len(), n_seen, "no new work is taken");
    world.store.inner.empty();
    until("all was seen", || function.seen() == ["1", "2", "3", "4", "5"]).await;
    until("the store is fine again", || world.registry.store_failing().is_empty()).await;
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_track_that_cannot_be_read_is_told_once_whatever_the_others_do() {
    let log = Log::default();
    let _here = log.listen();
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("broken", &["1"]);
    source.append("fine", &["a"]);
    source.take_down("broken");
    let running = world.run(world.order("m", &source, &function));
    let mut n_seen = 1;
    while source.n_failed("broken") < 4 {
        until("the other track is read", || function.seen().len() == n_seen).await;
        let n_failed = source.n_failed("broken");
        source.append("fine", &["a"]);
        n_seen += 1;
        until("it failed once more", || source.n_failed("broken") > n_failed).await;
    }
    running.close().await;
    assert_eq!((log.n_lines("source not readable"), log.n_lines("source readable again")), (1, 0));
    assert!(log.n_lines("track=\"broken\"") >= 1);
}

#[tokio::test(start_paused = true)]
async fn commits_that_fail_are_made_again() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1"]);
    let running = world.run(world.order("m", &source, &function));
    until("the first commit is durable", || running.count("checkpoints_committed") >= 1).await;
    world.store.inner.fail_next(3);
    source.append("a", &["2"]);
    until("the store failed", || !world.registry.store_failing().is_empty()).await;
    until("it is made good", || world.registry.store_failing().is_empty()).await;
    running.close().await;
    let running = world.run(world.order("m", &source, &function));
    source.append("a", &["3"]);
    until("the next record was seen", || function.seen() == ["1", "2", "3"]).await;
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_refuses_holds_the_track_until_it_takes() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    let destination = Arc::new(FakeDestination::default());
    destination.refuse(3);
    source.append("a", &["1", "poison", "2"]);
    let running = world
        .run(Order { destination: Some(Arc::clone(&destination)), ..world.order("m", &source, &function) });
    let refused = running.track("a", "DestinationRefuses").await;
    assert!(refused.sentence.contains("no thanks"), "{}", refused.sentence);
    until("the poison was taken", || destination.taken().len() == 1).await;
    assert_eq!(destination.taken()[0]["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(destination.taken()[0]["FakeBatchInfo"]["batchSize"], 1);
    until("the track is committed past it", || {
        running.count("on_failure_destination_delivered_event_count") == 1
    })
    .await;
    assert_eq!(running.count("destination_delivery_failures"), 3);
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_panics_spends_a_retry_and_the_mapping_goes_on() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["panic", "1"]);
    let running = world.run(world.order("m", &source, &function));
    until("its neighbour was seen", || function.batches().contains(&vec!["1".to_owned()])).await;
    until("the record was dropped", || running.count("dropped_event_count") == 1).await;
    assert_eq!(running.entry.metrics().n_restarts(), 0);
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_dies_is_started_again_after_its_invocations_ended() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1"]);
    let running = world.run(world.order("m", &source, &function));
    let other_function = crate::function::function();
    let other_source = world.source();
    let other = world.run(world.order("other", &other_source, &other_function));
    until("the first record is durable", || running.count("checkpoints_committed") >= 1).await;
    source.append("a", &["hang"]);
    until("an invocation hangs", || function.n_running() == 1).await;
    source.panic_in_first();
    source.append("b", &["b1"]);
    until("the task died", || running.entry.metrics().n_restarts() == 1).await;
    let Lifecycle::Restarting { error } = running.entry.lifecycle() else {
        panic!("{:?}", running.entry.lifecycle())
    };
    assert!(error.contains("the test wants the loop to die"), "{error}");
    other_source.append("x", &["x1"]);
    until("another mapping never noticed", || other_function.seen() == ["x1"]).await;
    assert_eq!(function.batches().len(), 2, "the next life waits for the invocation of the former (O-1)");
    function.release();
    until("it runs again", || running.entry.lifecycle() == Lifecycle::Enabled).await;
    until("the batch was tried again and the new track read", || function.seen().len() == 4).await;
    let mut seen = function.seen();
    seen.sort();
    assert_eq!(seen, ["1", "b1", "hang", "hang"], "only what was in flight is repeated");
    until("counters did not go back", || running.count("polled_event_count") >= 4).await;
    running.close().await;
    other.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_dies_is_connected_anew() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1"]);
    let running = world.run(world.order("m", &source, &function));
    until("the first record is durable", || running.count("checkpoints_committed") >= 1).await;
    source.panic_in_feed();
    until("the feed died", || running.entry.metrics().n_restarts() == 1).await;
    source.append("a", &["2"]);
    until("all was seen", || function.seen() == ["1", "2"]).await;
    assert_eq!(running.entry.metrics().n_restarts(), 1);
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_renderer_that_panics_once_repeats_nothing_and_ends_nothing() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.panic_in_render();
    source.append("a", &["1"]);
    let running = world.run(world.order("m", &source, &function));
    until("it was seen", || function.seen() == ["1"]).await;
    assert_eq!(running.entry.metrics().n_restarts(), 0);
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_one_track_or_record_stops_that_track_and_no_other() {
    for what in ["bad", "b2"] {
        let world = World::new();
        let (source, function) = (world.source(), function());
        source.panic_over(Some(what));
        source.append("good", &["g"]);
        source.append("bad", &["b1", "b2", "b3"]);
        let running = world.run(world.order("m", &source, &function));
        let down = running.track("bad", "SourceDown").await;
        assert!(
            down.sentence.contains(&format!("the test wants {what} to be its death")),
            "{}",
            down.sentence
        );
        let seen_of =
            |word: char| function.seen().into_iter().filter(|it| it.starts_with(word)).collect::<Vec<_>>();
        assert_eq!(
            seen_of('b'),
            if what == "b2" { vec!["b1"] } else { vec![] },
            "what comes before it is not held up, and nothing passes it"
        );
        source.append("good", &["g"]);
        until("the other track goes on", || seen_of('g').len() == 2).await;
        source.panic_over(None);
        until("it goes on by itself", || seen_of('b') == ["b1", "b2", "b3"]).await;
        assert_eq!(running.entry.metrics().n_restarts(), 0);
        running.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn failures_that_differ_are_told_once_each_and_not_in_turns() {
    let log = Log::default();
    let _here = log.listen();
    let world = World::new();
    let (source, function) = (world.source(), function());
    let running = world.run(world.order("m", &source, &function));
    let mut n_seen = 0;
    for word in ["poison", "half", "poison", "half", "poison", "half"] {
        source.append("a", &[word]);
        // A first attempt and two retries, which come after a second and more: less than a minute for all of
        // it.
        n_seen += 3;
        until("it was given up", || running.count("dropped_event_count") == n_seen / 3).await;
    }
    running.close().await;
    assert_eq!((log.n_lines("poisoned"), log.n_lines("batch failed in part")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_function_is_asked_again_and_no_retry_is_spent() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    function.throttle(5);
    source.append("a", &["1"]);
    let running = world.run(world.order("m", &source, &function));
    let waiting = running.track("a", "NotReached").await;
    assert!(waiting.sentence.starts_with("The function has no free concurrency"), "{}", waiting.sentence);
    assert!(waiting.sentence.contains("; it is asked again in "), "{}", waiting.sentence);
    until("it was seen", || function.seen() == ["1"]).await;
    until("it succeeded", || running.count("succeeded_event_count") == 1).await;
    assert_eq!((running.count("retries"), running.count("not_reached_invokes")), (0, 5));
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_function_that_hangs_does_not_slow_another_mapping() {
    let world = World::new();
    let (stuck, busy) = (function(), function());
    let (source_of_stuck, source_of_busy) = (world.source(), world.source());
    source_of_stuck.append("a", &["hang", "1", "2", "3", "4", "5"]);
    let first = world.run(world.order("stuck", &source_of_stuck, &stuck));
    until("it hangs", || stuck.n_running() == 1).await;
    let records: Vec<_> = (0..1_000).map(|it| it.to_string()).collect();
    source_of_busy.append("a", &records.iter().map(String::as_str).collect::<Vec<_>>());
    let second = world.run(world.order("busy", &source_of_busy, &busy));
    until("the other is through", || busy.seen().len() == 1_000).await;
    assert_eq!(stuck.batches().len(), 1);
    stuck.release();
    first.close().await;
    second.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_function_that_hangs_fills_its_share_and_what_may_be_lent_and_no_more() {
    const MB: u64 = 1 << 20;
    let world = World::with_budget(Budget::new(20 * MB, Some(8 * MB), 2).unwrap());
    let (source, function) = (world.source(), function());
    let long = "x".repeat(100_000);
    let records: Vec<_> =
        (0..400).map(|it| if it == 0 { "hang".to_owned() } else { format!("{it} {long}") }).collect();
    source.append("a", &records.iter().map(String::as_str).collect::<Vec<_>>());
    let mut order = world.order("m", &source, &function);
    order.plan.batch.records_max = 1_000.try_into().unwrap();
    let running = world.run(order);
    until("it hangs", || function.n_running() == 1).await;
    let held = || running.entry.metrics().gauges().held_bytes;
    until("it borrowed", || held() > 10 * MB).await;
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    let n_reads = source.n_reads();
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    assert_eq!(source.n_reads(), n_reads, "nothing more is read");
    // The other mapping's share stays free; one read may go over the limit by its last record.
    assert!(held() <= 12 * MB + 200_000, "{}", held());
    function.release();
    until("all was seen", || function.seen().len() == 400).await;
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_running_mapping_that_is_fenced_stops_with_all_its_tracks_and_says_so() {
    let log = Log::default();
    let _here = log.listen();
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["a1"]);
    source.append("b", &["b1"]);
    let running = world.run(world.order("m", &source, &function));
    until("both tracks are durable", || running.count("checkpoints_committed") >= 2).await;
    world.store.inner.fence(&MappingId("m".into())).unwrap();
    // What runs when the fence comes is refused at its commit.
    source.append("a", &["a2"]);
    let fenced = running.track("a", "Fenced").await;
    assert_eq!(
        (fenced.sentence.as_str(), fenced.code.map(|it| it.0)),
        ("Stopped: another owner has taken this mapping over.", Some("FB-0401"))
    );
    running.track("b", "Fenced").await;
    let n_commits = || world.store.asked().iter().filter(|it| it.starts_with("commit")).count();
    let (n_seen, n_asked) = (function.seen().len(), n_commits());
    source.append("a", &["a3"]);
    source.append("b", &["b2"]);
    source.append("new", &["c1"]);
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert_eq!(
        (function.seen().len(), n_commits()),
        (n_seen, n_asked),
        "nothing goes on: {:?}",
        function.seen()
    );
    assert_eq!(log.n_lines("another owner has the mapping"), 1);
    let why = Why::of(&running.entry.whole_status().await);
    assert_eq!((why.severity, why.code.map(|it| it.0)), (Severity::Trouble, Some("FB-0401")));
    running.close().await;
    // Whoever takes it over again goes on from what was durable: only what was refused is repeated.
    let running = world.run(world.order("m", &source, &function));
    until("all was seen", || function.seen().len() == n_seen + 4).await;
    let mut again = function.seen().split_off(n_seen);
    again.sort();
    assert_eq!(again, ["a2", "a3", "b2", "c1"]);
    running.close().await;
}
