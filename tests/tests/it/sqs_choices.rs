//! What a mapping of a queue may choose: filters, retries and ages of our own, destinations, FIFO groups, and
//! what it may not.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_models::sqs::{Action, Attributes, Redrive, Sent};
use forebay_tests::daemon::{Daemon, run};
use forebay_tests::strict_sqs::StrictSqs;
use forebay_tests::{http, wait};

use crate::sqs_world::World;

fn grouped(body: &str, group: &str) -> Sent {
    Sent { group: Some(group.to_owned()), deduplication: Some(body.to_owned()), ..Sent::plain(body) }
}

const ON_FAILURE: &str = "destination_config: { on_failure: { file: { path: dead.ndjson } } }";

#[test]
fn messages_that_no_filter_wants_are_deleted_and_never_given() {
    let world = World::new(
        "orders",
        Attributes::default(),
        r#"filter_criteria: { filter: [{ pattern: '{"body":{"wanted":[true]}}' }] }"#,
    );
    for n in 0..40 {
        world.send_one(&format!("{{\"wanted\": {}, \"n\":  {n}}}", n % 4 == 0));
    }
    world.send_one("no JSON at all");
    let daemon = Daemon::start(world.scene.folder());
    world.await_empty();
    // Counts are told a moment later.
    let n_filtered = || http::metric(&daemon.metrics(), "forebay_filtered_out_event_count", "messages");
    wait::until("all that was filtered out to be counted", || (n_filtered() >= 31.0).then_some(()));
    assert_eq!(n_filtered(), 31.0);
    assert!(daemon.stop().success());
    let times = world.times();
    assert_eq!(times.len(), 10);
    assert!(
        times.iter().all(|(body, n)| body.contains("true, \"n\":  ") && *n == 1),
        "bodies come as they were sent: {times:?}"
    );
    assert!(world.server.fates("orders").iter().all(|it| it.n_receives == 1));
}

#[test]
fn failed_messages_are_left_to_the_redrive_policy_as_on_aws() {
    let redrive = Some(Redrive { queue: "dead".to_owned(), receives_max: 3 });
    let world = World::new(
        "orders",
        Attributes { visibility_s: 2, redrive, ..Attributes::default() },
        "batch_size: 1",
    );
    world.server.create("dead", Attributes::default());
    world.send_one("raises");
    world.send_one("fine");
    let daemon = Daemon::start(world.scene.folder());
    wait::until("the dead letter", || (world.server.counts("dead") == (1, 0, 0)).then_some(()));
    assert!(daemon.stop().success());
    let receives = |body: &str| {
        world.given().iter().filter(|it| it.body == body).map(|it| it.n_receives).collect::<Vec<_>>()
    };
    assert_eq!((receives("raises"), receives("fine")), (vec![1, 2, 3], vec![1]));
    assert!(
        world
            .server
            .calls(Action::ChangeMessageVisibilityBatch)
            .iter()
            .all(|it| it.request["Entries"][0]["VisibilityTimeout"] != 0)
    );
}

#[test]
fn with_retries_of_our_own_a_failed_message_stays_hidden_and_goes_to_the_destination_in_the_end() {
    let world = World::new(
        "orders",
        Attributes { visibility_s: 3, ..Attributes::default() },
        &format!("batch_size: 1\nmaximum_retry_attempts: 2\n{ON_FAILURE}"),
    );
    world.send_one("raises");
    world.send_one("fine");
    let daemon = Daemon::start(world.scene.folder());
    wait::until("the failure record", || (world.scene.dead().len() == 1).then_some(()));
    world.await_empty();
    assert!(daemon.stop().success());
    let receives = |body: &str| {
        world.given().iter().filter(|it| it.body == body).map(|it| it.n_receives).collect::<Vec<_>>()
    };
    assert_eq!(
        (receives("raises"), receives("fine")),
        (vec![1, 1, 1], vec![1]),
        "three tries of one receive"
    );
    let record = &world.scene.dead()[0];
    assert_eq!(record["requestContext"]["condition"], "RetryAttemptsExhausted", "{record}");
    assert_eq!(
        (&record["requestContext"]["approximateInvokeCount"], &record["SQSBatchInfo"]["batchSize"]),
        (&3.into(), &1.into()),
        "{record}"
    );
    let fates: BTreeMap<String, u32> =
        world.server.fates("orders").into_iter().map(|it| (it.body, it.n_receives)).collect();
    assert_eq!(fates["raises"], 1, "no receive count was spent on retries");
}

#[test]
fn a_message_older_than_the_mapping_allows_goes_to_the_destination_untried() {
    for (age_max, is_given) in [(3_600, false), (10_800, true)] {
        let server = StrictSqs::start_late(Duration::from_secs(7_200));
        server.create("orders", Attributes::default());
        let world = World::without_queue(
            server,
            "orders",
            &format!("maximum_record_age_in_seconds: {age_max}\n{ON_FAILURE}"),
        );
        world.send(3);
        let daemon = Daemon::start(world.scene.folder());
        world.await_empty();
        assert!(daemon.stop().success());
        let dead = world.scene.dead();
        let n_dead: u64 = dead.iter().filter_map(|it| it["SQSBatchInfo"]["batchSize"].as_u64()).sum();
        assert_eq!((world.given().len(), n_dead), if is_given { (3, 0) } else { (0, 3) }, "{dead:?}");
        assert!(dead.iter().all(|it| it["requestContext"]["condition"] == "RecordAgeExceeded"), "{dead:?}");
    }
}

#[test]
fn reported_messages_come_again_alone_and_the_rest_is_deleted() {
    let world = World::new(
        "orders",
        Attributes { visibility_s: 3, ..Attributes::default() },
        "function_response_types: [ReportBatchItemFailures]",
    );
    for n in 0..20 {
        world.send_one(&format!("{n} {}", if n % 5 == 0 { "reported" } else { "fine" }));
    }
    let daemon = Daemon::start(world.scene.folder());
    world.await_empty();
    assert!(daemon.stop().success());
    for fate in world.server.fates("orders") {
        assert_eq!(fate.n_receives, if fate.body.contains("reported") { 2 } else { 1 }, "{fate:?}");
        assert_eq!(world.times()[&fate.body], fate.n_receives as usize);
    }
}

#[test]
fn later_messages_of_a_failed_group_are_deleted_as_on_aws_or_stay_with_our_guard() {
    for guarded in [false, true] {
        let settings = format!(
            "function_response_types: [ReportBatchItemFailures]\nfifo_stop_at_first_failure: {guarded}"
        );
        let world =
            World::new("orders.fifo", Attributes { visibility_s: 3, ..Attributes::default() }, &settings);
        let bodies = ["a fine", "b reported", "c fine", "d fine"];
        let messages = bodies.iter().map(|it| grouped(it, "one")).chain([grouped("e fine", "two")]);
        world.server.send("orders.fifo", messages);
        let daemon = Daemon::start(world.scene.folder());
        world.await_empty();
        assert!(daemon.stop().success());
        let times = world.times();
        let again: Vec<&str> =
            times.iter().filter(|(_, n)| **n == 2).map(|(body, _)| body.as_str()).collect();
        assert_eq!(
            again,
            if guarded { vec!["b reported", "c fine", "d fine"] } else { vec!["b reported"] },
            "{times:?}"
        );
        assert_eq!(times["e fine"], 1, "another group goes on");
        let given = world.given();
        let last = |body: &str| given.iter().rposition(|it| it.body == body).expect("it was given");
        assert!(
            !guarded || (last("b reported") < last("c fine") && last("c fine") < last("d fine")),
            "{given:?}"
        );
    }
}

#[test]
fn a_function_slower_than_the_visibility_is_warned_of_and_costs_no_second_receive() {
    let world = World::new("orders", Attributes { visibility_s: 3, ..Attributes::default() }, "");
    world.hold();
    world.send(10);
    let daemon = Daemon::start(world.scene.folder());
    world.await_given(10);
    wait::until("extensions beyond the visibility", || {
        let calls = world.server.calls(Action::ChangeMessageVisibilityBatch);
        (calls.last()?.at > calls.first()?.at + 4_000).then_some(())
    });
    world.let_go();
    world.await_empty();
    let log = daemon.log();
    assert!(
        log.contains("FB-0218")
            && log.contains("Queue visibility timeout: 3 seconds is less than Function timeout: 25 seconds"),
        "{log}"
    );
    assert!(daemon.stop().success());
    world.assert_each_once(10);
}

#[test]
fn a_queue_without_visibility_is_refused_until_it_has_some() {
    let world = World::new("orders", Attributes { visibility_s: 0, ..Attributes::default() }, "");
    world.send(3);
    let daemon = Daemon::start(world.scene.folder());
    let status = world.await_status(&daemon, "FB-0215");
    assert!(status.contains("Give the queue a visibility timeout"), "{status}");
    world
        .server
        .with(|service, _| service.set_attributes("orders", Attributes::default()))
        .expect("the queue is there");
    world.ends_with_each_once(daemon, 3);
}

#[test]
fn what_aws_refuses_of_batches_and_windows_is_refused_in_its_words() {
    let world = World::new("orders", Attributes::default(), "");
    let validate = |queue: &str, settings: &str| {
        world.config(&format!("queue: {queue}"), settings);
        let (code, out, err) = run(world.scene.folder(), &["validate", "-c", "forebay.yaml"]);
        (code, out + &err)
    };
    let (window, large) = ("maximum_batching_window_in_seconds", "batch_size");
    for (queue, settings, words) in [
        (
            "orders",
            format!("{large}: 11"),
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
        ("orders", format!("{large}: 10001\n{window}: 1"), "10000"),
        ("orders", format!("{window}: 301"), "300"),
        ("orders.fifo", format!("{window}: 1"), "Batching window is not supported for FIFO queues"),
        ("orders.fifo", format!("{large}: 11"), "10"),
        (
            "orders",
            "starting_position: LATEST".to_owned(),
            "Unsupported StartingPosition parameter for given event source mapping type.",
        ),
        ("orders", "bisect_batch_on_function_error: true".to_owned(), "Unsupported"),
        ("orders", "tumbling_window_in_seconds: 1".to_owned(), "Unsupported"),
        ("orders", "fifo_stop_at_first_failure: true".to_owned(), "fifo_stop_at_first_failure"),
    ] {
        let (code, text) = validate(queue, &settings);
        assert!(code == 78 && text.contains(words), "{queue} with {settings}: {code}\n{text}");
    }
    for (queue, settings) in [
        ("orders", format!("{large}: 10000\n{window}: 300")),
        ("orders.fifo", format!("{large}: 10\n{window}: 0")),
    ] {
        let (code, text) = validate(queue, &settings);
        assert_eq!(code, 0, "{queue} with {settings}:\n{text}");
    }
}
