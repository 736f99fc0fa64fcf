//! What operators and their programs read of a mapping, to the byte: JSON, health, series and the log.

use std::sync::Arc;
use std::time::Duration;

use expect_test::{ExpectFile, expect_file};
use forebay_batcher::{Counts, Fault, UnixMillis};
use forebay_config::Code;
use forebay_daemon::dump::dump;
use forebay_daemon::last_error::{ErrorOf, LastError};
use forebay_daemon::lifecycle::Lifecycle;
use forebay_daemon::metrics::Gauges;
use forebay_daemon::registry::{Command, Entry, Registry};
use forebay_daemon::status::{HiddenStatus, ReceivesStatus, TrackView, Weight};
use tokio::sync::mpsc::Receiver;

use crate::admin::{Listening, listening_to};
use crate::log::Log;

/// A time that the clock of these tests does not reach, so that no age grows while they run.
const FAR: UnixMillis = UnixMillis(4_102_444_800_000);

fn error() -> Fault {
    Fault::new(Code("FB-0504"), "no route")
}

fn lifecycles() -> [(&'static str, Lifecycle); 12] {
    [
        ("a-creating", Lifecycle::Creating),
        ("b-failed", Lifecycle::Enabling { error: error(), n_failures: 1 }),
        ("c-failing", Lifecycle::Enabling { error: "no route".into(), n_failures: 7 }),
        ("d-enabled", Lifecycle::Enabled),
        ("e-restarting", Lifecycle::Restarting { error: "it panicked".into() }),
        ("f-disabled", Lifecycle::Disabled),
        ("g-disabling", Lifecycle::Disabling),
        ("h-updating", Lifecycle::Updating),
        ("i-deleting", Lifecycle::Deleting { erased: false }),
        ("j-erased", Lifecycle::Deleting { erased: true }),
        ("k-paused", Lifecycle::Paused),
        ("m", Lifecycle::Unfit { error: "its queue is gone".into() }),
    ]
}

fn mapping(name: &str) -> (Arc<Entry>, Receiver<Command>) {
    Entry::new(name, "fake", "fake:there".into(), "f".into())
}

fn track(name: &str, state: &'static str, sentence: &str, weight: Weight) -> TrackView {
    TrackView {
        track: name.to_owned(),
        label: format!("{name}.log"),
        state,
        sentence: sentence.to_owned(),
        position: None,
        since: None,
        until: None,
        attempt: None,
        error: None,
        code: None,
        receives: None,
        hidden: None,
        filtered: None,
        weight,
    }
}

/// One that says all that can be said, among others.
fn tracks() -> Vec<TrackView> {
    let failing = TrackView {
        position: Some("4096".into()),
        since: Some("1970-01-01T00:01:34.000Z".into()),
        until: Some("1970-01-01T00:01:42.500Z".into()),
        attempt: Some(7),
        error: Some("boom".into()),
        code: Some(Code("FB-0503")),
        receives: Some(ReceivesStatus { open: 2, max: 5 }),
        hidden: Some(HiddenStatus { messages: 3, receives: Some(4) }),
        filtered: Some(9),
        ..track("b", "DestinationRefuses", "The destination refuses.", Weight::Trouble(5))
    };
    let idle = track("a", "NoRecords", "Nothing came.", Weight::Idle);
    vec![idle, failing, track("c", "DestinationRefuses", "It refuses too.", Weight::Trouble(4))]
}

/// Tells these tracks to whoever asks, as a mapping's task does.
fn answer(mut commands: Receiver<Command>, tracks: Vec<TrackView>) {
    tokio::spawn(async move {
        while let Some(Command::State(asker)) = commands.recv().await {
            // Whoever asked may have gone.
            let _ = asker.send(tracks.clone());
        }
    });
}

/// A listener over one mapping that runs and tells these tracks.
async fn running(tracks: Vec<TrackView>) -> (Listening, Arc<Entry>) {
    let registry = Arc::new(Registry::default());
    let (entry, commands) = mapping("m");
    entry.set_lifecycle(Lifecycle::Enabled);
    answer(commands, tracks);
    registry.insert(Arc::clone(&entry));
    (listening_to(registry).await, entry)
}

async fn check(it: &Listening, path: &str, expected: ExpectFile) {
    let (_, body) = it.get(path).await;
    // One member of JSON to a line, in its order.
    expected.assert_eq(&body.replace(",\"", ",\n\"").replace("},{", "},\n{"));
}

#[tokio::test]
async fn each_state_of_a_mappings_life_is_told_in_these_words() {
    let registry = Arc::new(Registry::default());
    for (name, lifecycle) in lifecycles() {
        let (entry, _) = mapping(name);
        entry.set_lifecycle(lifecycle);
        registry.insert(entry);
    }
    let it = listening_to(registry).await;
    check(&it, "/v1/mappings", expect_file!["pages/lives.json"]).await;
    check(&it, "/readyz?verbose", expect_file!["pages/lives.txt"]).await;
    it.admin.stop().await;
}

#[tokio::test]
async fn a_mapping_that_runs_is_told_with_its_tracks_and_all_that_it_measures() {
    let (it, entry) = running(tracks()).await;
    entry.set_trouble(Some(error()));
    entry.set_last_result("OK");
    entry.note_error(LastError::new(
        ErrorOf::Destination,
        "b.log",
        &"refused\nat line 1".into(),
        UnixMillis(1_500),
    ));
    let gauges = Gauges {
        n_in_flight: 2,
        held_bytes: 3,
        n_tracks: 4,
        n_paused: 5,
        iterator_age_ms: 6,
        committed_at: Some(FAR),
        store_failing: true,
    };
    entry.metrics().set(Counts { polled: 11, ..Counts::default() }, Gauges::default());
    entry.metrics().restarted();
    entry.metrics().set(Counts { polled: 1, windows_given_up: 12, ..Counts::default() }, gauges);
    entry.metrics().invoked(Duration::from_millis(20));
    entry.metrics().batch_records.observe(7.0);
    check(&it, "/v1/mappings", expect_file!["pages/running_among_others.json"]).await;
    check(&it, "/v1/mappings/m/status", expect_file!["pages/running.json"]).await;
    check(&it, "/readyz?verbose", expect_file!["pages/running.txt"]).await;
    let (_, metrics) = it.get("/metrics").await;
    let series: Vec<&str> = metrics.lines().filter(|it| it.contains("mapping=\"m\"")).collect();
    expect_file!["pages/running_series.txt"].assert_eq(&series.join("\n"));
    it.admin.stop().await;
}

#[tokio::test]
async fn what_hinders_a_mapping_speaks_where_no_track_is_worse() {
    let (it, entry) = running(vec![track("a", "NoRecords", "Nothing came.", Weight::Idle)]).await;
    check(&it, "/v1/mappings", expect_file!["pages/idle.json"]).await;
    entry.set_trouble(Some(error()));
    check(&it, "/v1/mappings", expect_file!["pages/hindered.json"]).await;
    it.admin.stop().await;
}

#[tokio::test]
async fn a_mapping_that_runs_and_has_no_tracks_is_told_so() {
    let (it, _) = running(Vec::new()).await;
    check(&it, "/v1/mappings", expect_file!["pages/no_tracks.json"]).await;
    it.admin.stop().await;
}

#[tokio::test]
async fn a_signal_has_each_mapping_and_track_written_to_the_log() {
    let registry = Registry::default();
    let (entry, commands) = mapping("m");
    entry.set_lifecycle(Lifecycle::Enabled);
    answer(commands, tracks());
    registry.insert(entry);
    let (resting, _) = mapping("n");
    resting.set_lifecycle(Lifecycle::Paused);
    registry.insert(resting);
    let log = Log::default();
    let listens = log.listen();
    dump(&registry).await;
    drop(listens);
    expect_file!["pages/log.txt"].assert_eq(&log.untimed());
}
