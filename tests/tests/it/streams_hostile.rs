//! Streams that are missing, refused, throttled, unreachable, half answered, long or wide: each ends in the
//! documented state, with a word that says what to do, goes on by itself, and loses and repeats nothing. Real
//! servers behind a gate that does what they never do.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use forebay_tests::daemon::Daemon;
use forebay_tests::gate::Treatment;
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::api_scene::await_state;
use crate::journal::Journal;
use crate::scene::{Scene, is_long};
use crate::streams_played::{STREAM, Shape, TABLES, play};
use crate::streams_world::{Counted, Way, World, await_told, counting, times, write_config, write_mappings};

/// Lambda's limit to an event.
const EVENT_BYTES_MAX: usize = 6 << 20;

/// Makes a test of each function for each way to read a stream.
macro_rules! with_each_way {
    ($($test:ident),* $(,)?) => {
        mod pulled {
            $(#[test] fn $test() { super::$test(super::Way::Pulled); })*
        }
        mod pulled_by_the_sdk {
            $(#[test] fn $test() { super::$test(super::Way::PulledBySdk); })*
        }
        mod pushed {
            $(#[test] fn $test() { super::$test(super::Way::Pushed); })*
        }
        mod of_a_table {
            $(#[test] fn $test() { super::$test(super::Way::Table); })*
        }
    };
}

with_each_way! {
    a_stream_that_is_missing_is_told_and_read_once_it_is_there,
    a_stream_that_is_deleted_is_told_and_one_made_anew_is_read_from_its_first_record,
    what_a_server_refuses_is_told_with_what_to_do_and_costs_nothing,
    a_clock_that_is_off_by_an_hour_costs_nothing,
    an_endpoint_that_is_down_at_the_start_or_for_a_while_is_told_and_costs_nothing,
    an_answer_that_is_cut_off_in_the_middle_is_asked_for_again_and_costs_nothing,
}

fn a_stream_that_is_missing_is_told_and_read_once_it_is_there(way: Way) {
    let world = World::without_stream(way);
    let daemon = world.start();
    let told = await_told(&daemon, way.code("FB-0240", "FB-0250"));
    assert!(told.contains("Create it, or correct"), "{told}");
    world.create();
    world.write(5);
    world.await_given();
    assert!(daemon.stop().success());
}

fn a_stream_that_is_deleted_is_told_and_one_made_anew_is_read_from_its_first_record(way: Way) {
    let world = World::new(way);
    world.write(5);
    let daemon = world.start();
    world.await_given();
    world.delete();
    await_told(&daemon, way.code("FB-0240", "FB-0250"));
    world.create();
    world.write(5);
    world.await_given();
    assert!(daemon.stop().success());
}

fn what_a_server_refuses_is_told_with_what_to_do_and_costs_nothing(way: Way) {
    let world = World::new(way);
    world.write(5);
    let daemon = world.start();
    world.await_given();
    let denied = "User: arn:aws:iam::000000000000:user/forebay is not authorized to perform: it";
    let allow = way.code("kinesis:DescribeStreamSummary", "dynamodb:DescribeTable");
    for (status, code, message, told) in [
        (400, "AccessDeniedException", denied, way.code("FB-0241", "FB-0251")),
        (400, "UnrecognizedClientException", "The security token is invalid", way.code("FB-0241", "FB-0251")),
        (
            400,
            way.code("ProvisionedThroughputExceededException", "ThrottlingException"),
            "Rate exceeded",
            "slow",
        ),
        (400, "LimitExceededException", "Rate exceeded", "slow"),
        (500, "InternalFailure", "an internal error", way.code("FB-0243", "FB-0253")),
    ] {
        world.gate.refuse(status, code, message);
        if way == Way::Pushed {
            // What is pushed goes on until its connection ends.
            world.gate.break_connections();
        }
        await_told(&daemon, told);
        if told.ends_with("41") || told.ends_with("51") {
            // What was refused stands at the end of what to do, and is not cut away.
            let status = await_told(&daemon, &format!("{code}: {message})\",\"code\":\"{told}\""));
            assert!(status.contains(allow), "{status}");
        }
        world.write(2);
        world.gate.heal();
        world.await_given();
    }
    let log = daemon.log();
    assert!(!log.contains("records were lost"), "{log}");
    assert!(daemon.stop().success());
}

fn a_clock_that_is_off_by_an_hour_costs_nothing(way: Way) {
    let world = World::new(way);
    world.write(3);
    world.gate.set_clock_ahead(3_600);
    let daemon = world.start();
    if way == Way::PulledBySdk {
        let told = await_told(&daemon, "FB-0245");
        assert!(told.contains("set it by NTP"), "{told}");
        world.gate.set_clock_ahead(0);
    }
    // Our own code signs with the server's time, as its refusal shows it, at the first call already.
    world.await_given();
    assert_eq!(daemon.log().contains("this machine's clock is off"), way == Way::PulledBySdk);
    world.write(3);
    world.await_given();
    assert!(daemon.stop().success());
}

fn an_endpoint_that_is_down_at_the_start_or_for_a_while_is_told_and_costs_nothing(way: Way) {
    let mut world = World::new(way);
    world.write(5);
    world.gate.go_down();
    let daemon = world.start();
    for _ in 0..2 {
        let told = await_told(&daemon, way.code("FB-0242", "FB-0252"));
        assert!(told.contains("check `aws.endpoint`, `aws.region` and the network"), "{told}");
        world.gate.come_up();
        world.await_given();
        world.gate.go_down();
        world.write(3);
    }
    world.gate.come_up();
    world.await_given();
    assert!(daemon.stop().success());
}

fn an_answer_that_is_cut_off_in_the_middle_is_asked_for_again_and_costs_nothing(way: Way) {
    let world = World::new(way);
    world.write(20);
    // Every answer with records is longer.
    let reading = way.reading();
    world
        .gate
        .set(move |it| if it.operation == reading { Treatment::BrokenOff(150) } else { Treatment::Passed });
    let daemon = world.start();
    wait::until("answers that were cut off", || (world.gate.n_calls(reading).1 >= 3).then_some(()));
    if way != Way::Pushed {
        await_told(&daemon, way.code("FB-0242", "FB-0252"));
    }
    assert_eq!(world.journal.events(), Vec::<Value>::new(), "of half an answer nothing is given");
    world.gate.heal();
    world.await_given();
    let log = daemon.log();
    assert!(!log.contains("records were lost"), "{log}");
    assert!(daemon.stop().success());
}

#[test]
fn a_create_is_refused_without_permission_and_waits_for_an_endpoint_that_is_down() {
    for (arn, service) in [(STREAM, "Kinesis"), (TABLES, "DynamoDB Streams")] {
        let (scene, journal) = (Scene::new(), Journal::default());
        let function = journal.function();
        let shape = Shape { n_shards: 1, n_records: Arc::new(1.into()), n_bytes: 10, ..Shape::default() };
        let mut gate = play(shape.clone());
        write_mappings(&scene, &gate, &function, " []");
        let daemon = Daemon::start(scene.folder());
        let api = daemon.socket();
        let asked =
            json!({ "EventSourceArn": arn, "FunctionName": "seen", "StartingPosition": "TRIM_HORIZON" });
        let denied = "User: arn:aws:iam::000000000000:user/forebay is not authorized to perform: it";
        gate.refuse(400, "AccessDeniedException", denied);
        let (status, kind, message) = api.create(&asked).refusal();
        assert_eq!((status, kind.as_str()), (400, "InvalidParameterValueException"), "{message}");
        let words = format!("The execution role does not have permissions to call GetRecords on {service} (");
        assert!(message.starts_with(&words) && message.contains(denied), "{message}");
        gate.set(move |call| shape.answer(call));
        gate.go_down();
        let made = api.create(&asked).expect(202);
        let uuid = made["UUID"].as_str().expect("a mapping has an id");
        // Its first start fails after two pauses of a second or two at the most, each as long as chance wants.
        let state = api.get(uuid).expect(200)["State"].clone();
        assert!(state == "Creating" || state == "Enabling", "{state}");
        gate.come_up();
        await_state(&api, uuid, "Enabled");
        wait::until_told("the record", || (times(&journal).len() == 1).then_some(()), || daemon.log());
        assert!(daemon.stop().success());
    }
}

#[test]
fn an_answer_of_ten_megabytes_is_given_whole_and_in_events_of_six() {
    // Ten records of a megabyte, and as many changes with images of 400 kB as are ten megabytes.
    for (way, n_records, n_bytes) in [
        (Way::Pulled, 10, 1_000_000),
        (Way::PulledBySdk, 10, 1_000_000),
        (Way::Pushed, 10, 1_000_000),
        (Way::Table, 26, 400_000),
    ] {
        let (scene, journal) = (Scene::new(), Journal::default());
        let function = journal.function();
        let shape = Shape { n_shards: 1, n_records: Arc::new(n_records.into()), n_bytes, ..Shape::default() };
        let gate = play(shape.clone());
        // A batch waits until it is full, which six megabytes are first.
        let mapping = format!(
            "\n- {{ name: orders, source: {{ {} }}, function_name: seen, starting_position: TRIM_HORIZON, \
             maximum_batching_window_in_seconds: 3 }}",
            way.source()
        );
        write_mappings(&scene, &gate, &function, &mapping);
        let daemon = Daemon::start(scene.folder());
        let given = || journal.records().len();
        wait::until_told("all records", || (given() >= n_records).then_some(()), || daemon.log());
        assert_eq!(times(&journal), (0..n_records).map(|it| (it, 1)).collect(), "{way:?}");
        assert!(journal.records().iter().all(|it| it.to_string().len() > n_bytes), "{way:?}: each is whole");
        let longest = shape.longest.load(Ordering::SeqCst);
        assert!(longest > 10_000_000, "{way:?}: the longest answer had {longest} bytes");
        let lengths: Vec<usize> = journal.events().iter().map(|it| it.to_string().len()).collect();
        let longest = lengths.iter().max().expect("something was given");
        assert!((4_000_000..=EVENT_BYTES_MAX).contains(longest), "{way:?}: events of {lengths:?} bytes");
        assert!(daemon.stop().success());
    }
}

#[test]
fn two_thousand_shards_are_all_read_and_a_kill_loses_nothing() {
    for (way, n_shards, source) in [
        (Way::Pulled, 2_000, "kinesis: { stream: orders, poll_interval: 10 }"),
        // A connection for each.
        (Way::Pushed, 2_000, Way::Pushed.source()),
        // Several pages of them all the same.
        (Way::Table, if is_long() { 2_000 } else { 300 }, "dynamodb: { table: orders, poll_interval: 10 }"),
    ] {
        let (scene, given) = (Scene::new(), Counted::default());
        let function = counting(&given);
        let n_given = || given.lock().expect("nothing panics under this lock").len();
        let shape = Shape { n_shards, n_records: Arc::new(1.into()), n_bytes: 10, ..Shape::default() };
        let gate = play(shape.clone());
        write_config(&scene, &gate, &function, source);
        let daemon = Daemon::start(scene.folder());
        wait::until_count("the first record of each shard", n_shards, n_given);
        let (n_begun, _) =
            gate.n_calls(if way == Way::Pushed { "SubscribeToShard" } else { "GetShardIterator" });
        assert!(n_begun <= n_shards, "{n_begun} iterators or subscriptions");
        daemon.kill();
        shape.n_records.store(2, Ordering::SeqCst);
        let daemon = Daemon::start(scene.folder());
        wait::until_count("the second record of each shard", 2 * n_shards, n_given);
        let wanted = (0..n_shards).flat_map(|it| [1_000 * it, 1_000 * it + 1]);
        let given = given.lock().expect("nothing panics under this lock").clone();
        assert!(given.into_keys().eq(wanted), "{way:?}: each is given");
        assert!(daemon.stop().success());
    }
}
