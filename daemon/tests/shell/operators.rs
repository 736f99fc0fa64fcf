//! What operators are told: the worst first, the last error, what waits, the next records; and that looking
//! changes nothing.

use std::time::Duration;

use forebay_config::StartingPosition;
use forebay_daemon::inspector::{Glimpse, PeekError, PeekFrom};
use forebay_daemon::last_error::ErrorOf;
use forebay_daemon::positions::TrackPosition;
use forebay_daemon::why::{Severity, Why};
use forebay_pollers::PlaceError;

use crate::function::function;
use crate::source::Without;
use crate::world::{Order, Running, World, until};

impl Running {
    async fn why(&self) -> Why {
        Why::of(&self.entry.whole_status().await)
    }
}

fn glimpse(n: usize, track: Option<&str>, from: PeekFrom) -> Glimpse {
    Glimpse { n, track: track.map(str::to_owned), from }
}

#[tokio::test(start_paused = true)]
async fn the_worst_track_speaks_for_the_mapping() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("fine", &["1"]);
    let running = world.run(world.order("m", &source, &function));
    running.track("fine", "NoRecords").await;
    let why = running.why().await;
    assert!(why.severity == Severity::None && why.why.starts_with("Waiting for records"), "{why:?}");
    assert_eq!(why.advice, None, "nothing is to be done");
    source.append("poisoned", &["poison"]);
    running.track("poisoned", "Retrying").await;
    let why = running.why().await;
    assert!(
        why.severity == Severity::Trouble && why.why.starts_with("poisoned: A batch has failed"),
        "{why:?}"
    );
    assert!(why.why.contains("(poisoned); attempt 2 of it is in") && why.advice.is_some(), "{why:?}");
    source.append("broken", &["1"]);
    source.take_down("broken");
    running.track("broken", "SourceDown").await;
    let why = running.why().await;
    assert!(
        why.why.starts_with("broken: The source has not been readable")
            && why.code.is_some_and(|it| it.0 == "FB-0504"),
        "{why:?}"
    );
    world.store.inner.fill();
    source.append("fine", &["2"]);
    running.track("fine", "StoreFull").await;
    let why = running.why().await;
    assert!(
        why.why.contains("The disk of the data folder has been full")
            && why.code.is_some_and(|it| it.0 == "FB-0402"),
        "{why:?}"
    );
    world.store.inner.empty();
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_in_retry_tells_its_attempt_and_since_when_while_it_runs() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    let mut order = world.order("m", &source, &function);
    order.plan.retry.retries_max = None;
    order.plan.retry.bisect = false;
    source.append("a", &["poison"]);
    let running = world.run(order);
    until("it was tried six times", || function.batches().len() == 6).await;
    let status = running.track("a", "Retrying").await;
    assert_eq!((status.attempt, status.error.as_deref()), (Some(7), Some("poisoned")));
    assert!(status.since.unwrap() < status.until.unwrap());
    assert!(
        status.sentence.contains("failed 6 times") && status.sentence.contains("attempt 7 of it is in"),
        "{}",
        status.sentence
    );
    let error = running.entry.last_error().unwrap();
    assert_eq!(
        (error.of, error.track.as_deref(), error.message.as_str()),
        (ErrorOf::Function, Some("a"), "poisoned")
    );
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_slot_is_told_who_has_it() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["hang 1"]);
    source.append("b", &["hang 2"]);
    source.append("c", &["3"]);
    let running = world.run(world.order("m", &source, &function));
    until("both slots are taken", || function.n_running() == 2).await;
    let waiting = running
        .entry
        .tracks()
        .await
        .unwrap()
        .into_iter()
        .find(|it| it.state == "WaitingForSlot")
        .expect("one waits");
    assert!(
        waiting.sentence.contains("all 2 of its function are in use by this mapping"),
        "{}",
        waiting.sentence
    );
    assert_eq!(running.why().await.severity, Severity::Waiting);
    function.release();
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn peeking_shows_what_comes_next_as_the_function_would_see_it_and_consumes_nothing() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1", "hang", "drop me", "2", "3", "4"]);
    source.append("b", &["5"]);
    let mut order =
        Order { filter: Some(std::sync::Arc::new(Without("drop"))), ..world.order("m", &source, &function) };
    order.plan.batch.records_max = 1.try_into().unwrap();
    let running = world.run(order);
    until("it hangs and the rest is durable", || {
        function.n_running() == 1 && running.count("checkpoints_committed") >= 2
    })
    .await;
    let inspector = running.entry.inspector().unwrap();
    let peek =
        async |glimpse: Glimpse| inspector.peek(&running.entry.places().await.unwrap(), &glimpse).await;
    let seen = peek(glimpse(3, Some("a"), PeekFrom::Here)).await.unwrap();
    let told: Vec<_> = seen
        .iter()
        .map(|it| (it.record.as_str().unwrap(), it.position.as_deref().unwrap(), it.matches_filter))
        .collect();
    assert_eq!(
        told,
        [("hang", "1", true), ("drop me", "2", false), ("2", "3", true)],
        "from what is not finished"
    );
    let bodies = async |glimpse: Glimpse| -> Vec<String> {
        peek(glimpse).await.unwrap().iter().map(|it| it.record.as_str().unwrap().to_owned()).collect()
    };
    let all = glimpse(100, None, PeekFrom::Start(StartingPosition::TrimHorizon));
    assert_eq!(bodies(all).await, ["1", "hang", "drop me", "2", "3", "4", "5"]);
    assert_eq!(bodies(glimpse(1, Some("a"), PeekFrom::Place("4".into()))).await, ["3"]);
    assert!(matches!(peek(glimpse(1, None, PeekFrom::Place("4".into()))).await, Err(PeekError::WhichTrack)));
    assert!(matches!(peek(glimpse(1, Some("x"), PeekFrom::Here)).await, Err(PeekError::NoTrack(_))));
    let nowhere = glimpse(1, Some("a"), PeekFrom::Place("7".into()));
    assert!(matches!(peek(nowhere).await, Err(PeekError::Place(PlaceError::None(_)))));
    function.release();
    until("all was seen once", || function.seen().len() == 6).await;
    running.close().await;
    let mut seen = function.seen();
    seen.sort();
    assert_eq!(seen, ["1", "2", "3", "4", "5", "hang"]);
}

#[tokio::test(start_paused = true)]
async fn a_peek_ends_at_its_bytes() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    let long = "x".repeat(400_000);
    source.append("a", &[&long, &long, &long, &long]);
    let running = world.run(world.order("m", &source, &function));
    until("all was seen", || function.seen().len() == 4).await;
    let inspector = running.entry.inspector().unwrap();
    let from = PeekFrom::Start(StartingPosition::TrimHorizon);
    let seen =
        inspector.peek(&running.entry.places().await.unwrap(), &glimpse(100, None, from)).await.unwrap();
    assert_eq!(seen.len(), 2, "a third would be more than 1 MB");
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_peek_that_has_its_records_or_bytes_opens_no_further_track() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    let long = "x".repeat(400_000);
    let tracks: [(&str, &[&str]); 4] =
        [("a", &["1"]), ("b", &["2", "3"]), ("c", &[&long, &long, &long]), ("d", &["4"])];
    for (track, records) in tracks {
        source.append(track, records);
    }
    let running = world.run(world.order("m", &source, &function));
    until("all was seen", || function.seen().len() == 7).await;
    let inspector = running.entry.inspector().unwrap();
    let places = running.entry.places().await.unwrap();
    for (n, n_seen, n_wanted) in [(1, 1, 1), (2, 2, 2), (3, 3, 2), (100, 5, 3)] {
        let before = source.n_opened();
        let from = PeekFrom::Start(StartingPosition::TrimHorizon);
        let seen = inspector.peek(&places, &glimpse(n, None, from)).await.unwrap();
        assert_eq!((seen.len(), source.n_opened() - before), (n_seen, n_wanted), "{n} wanted");
    }
    let before = source.n_opened();
    let from = PeekFrom::Start(StartingPosition::TrimHorizon);
    assert_eq!(inspector.peek(&places, &glimpse(1, Some("c"), from)).await.unwrap().len(), 1);
    assert_eq!(source.n_opened() - before, 1);
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_backlog_is_what_is_not_finished_and_many_who_ask_within_a_second_ask_the_source_once() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1", "hang", "2", "3"]);
    let mut order = world.order("m", &source, &function);
    order.plan.batch.records_max = 1.try_into().unwrap();
    let running = world.run(order);
    until("it hangs and the rest is durable", || {
        function.n_running() == 1 && running.count("checkpoints_committed") >= 1
    })
    .await;
    let inspector = running.entry.inspector().unwrap();
    let backlog =
        async || inspector.backlog(running.entry.stood().await.unwrap().as_deref()).await.unwrap().records;
    for _ in 0..10 {
        assert_eq!(backlog().await, Some(3));
    }
    assert_eq!(source.n_backlogs(), 1);
    function.release();
    until("all was seen", || function.seen().len() == 4).await;
    until("all is durable", || running.count("checkpoints_committed") >= 4).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!((backlog().await, source.n_backlogs()), (Some(0), 2));
    tokio::time::advance(Duration::from_secs(1)).await;
    source.set_down(true);
    for _ in 0..10 {
        assert!(inspector.backlog(Some(&[])).await.is_err());
    }
    assert_eq!(source.n_backlogs(), 3, "a source that is down is not asked more often either");
    source.set_down(false);
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn positions_tell_what_is_durable_and_which_batches_are_in_retry() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    let mut order = world.order("m", &source, &function);
    order.plan.retry.retries_max = None;
    order.plan.retry.bisect = false;
    source.append("a", &["1", "2", "3", "4", "poison", "5"]);
    let running = world.run(order);
    until("it was tried three times", || function.batches().len() == 4).await;
    running.track("a", "Retrying").await;
    let places = running.entry.places().await.unwrap();
    let told = serde_json::to_value(places.iter().map(TrackPosition::of).collect::<Vec<_>>()).unwrap();
    assert_eq!(
        (&told[0]["label"], &told[0]["position"], &told[0]["finished_above"]),
        (&"a".into(), &"4".into(), &0.into())
    );
    let batch = &told[0]["in_retry"][0];
    assert_eq!(
        (&batch["first"], &batch["last"], &batch["retries_spent"]),
        (&"4".into(), &"5".into(), &3.into()),
        "{told}"
    );
    running.close().await;
}
