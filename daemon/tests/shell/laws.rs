//! The conservation laws of Lambda's metrics, over the exported series.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_daemon::metrics::Exporter;

use crate::function::{FakeDestination, function};
use crate::source::Without;
use crate::world::{Order, World, until};

/// The values of a mapping's series, by name.
fn series(text: &str, mapping: &str) -> BTreeMap<String, f64> {
    let labels = format!("{{mapping=\"{mapping}\",source=\"fake\"}} ");
    let of =
        |line: &str| line.split_once(&labels).map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
    text.lines().filter_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_polled_is_accounted_for_to_the_last_record() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    let destination = Arc::new(FakeDestination::default());
    let words = [
        "1",
        "drop me",
        "poison",
        "2",
        "half",
        "3",
        "4",
        "drop me too",
        "5",
        "6",
        "poison again",
        "7",
        "8",
        "9",
    ];
    source.append("a", &words);
    function.throttle(2);
    destination.refuse(1);
    let running = world.run(Order {
        destination: Some(Arc::clone(&destination)),
        filter: Some(Arc::new(Without("drop"))),
        ..world.order("m", &source, &function)
    });
    let exporter = Exporter::new(Arc::clone(&world.registry), Arc::default(), world.clock);
    let value =
        |name: &str| series(&exporter.text(), "m").get(&format!("forebay_{name}")).copied().unwrap_or(-1.0);
    let counter = |name: &str| value(&format!("{name}_total"));
    until("three poisons are at the destination", || {
        counter("on_failure_destination_delivered_event_count") >= 3.0
    })
    .await;
    let finished = || {
        counter("succeeded_event_count")
            + counter("dropped_event_count")
            + counter("on_failure_destination_delivered_event_count")
    };
    until("all is finished", || finished() >= 12.0).await;
    assert_eq!(counter("polled_event_count"), 14.0);
    assert_eq!(counter("filtered_out_event_count"), 2.0);
    let accounted = counter("filtered_out_event_count")
        + counter("skipped_event_count")
        + counter("restored_event_count")
        + counter("first_invoked_event_count")
        + counter("given_up_uninvoked_event_count");
    assert_eq!(
        counter("polled_event_count"),
        accounted,
        "polled = filtered + skipped + first invoked + given up before"
    );
    assert_eq!(
        finished(),
        counter("first_invoked_event_count")
            + counter("restored_event_count")
            + counter("given_up_uninvoked_event_count"),
        "dropped + delivered + processed = invoked first"
    );
    assert_eq!(counter("destination_delivery_failures"), 1.0);
    assert_eq!(counter("not_reached_invokes"), 2.0);
    assert_eq!(value("enabled"), 1.0);
    assert_eq!(
        value("batch_records_count"),
        counter("not_reached_invokes") + function.batches().len() as f64
    );
    running.close().await;
    world.registry.remove("m");
    assert!(series(&exporter.text(), "m").is_empty(), "series vanish with their mapping");
}
