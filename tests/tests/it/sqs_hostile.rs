//! Queues that are missing, refused, deleted, unreachable, damaged or half answered: each ends in the
//! documented state, with a word that says what to do, and goes on by itself. Against the strict model, whose
//! faults no real server can be asked for.

use std::time::{Duration, Instant};

use forebay_models::sqs::{Action, Attributes, Fault, MESSAGE_BYTES_MAX, Refusal, Sent};
use forebay_tests::daemon::Daemon;
use forebay_tests::strict_sqs::StrictSqs;
use forebay_tests::wait;

use crate::scene::is_long;
use crate::sqs_world::World;
use crate::transports::with_both;

with_both! {
    a_wrong_queue_url_is_told_with_what_to_do_and_taken_once_the_queue_is_there,
    a_queue_that_is_asked_for_by_name_and_refused_is_told_and_taken_once_it_is_allowed,
    permissions_taken_away_while_it_runs_are_told_and_what_was_finished_is_deleted_once_they_are_back,
    a_queue_that_is_gone_does_not_hold_a_stop_back,
    wrong_keys_are_told_as_such,
    a_queue_deleted_while_it_runs_is_told_and_read_again_when_it_is_made_again,
    an_endpoint_that_is_down_for_a_while_loses_and_repeats_nothing_but_what_visibility_explains,
    an_endpoint_that_is_down_at_the_start_is_told_and_taken_once_it_answers,
    a_group_whose_receipts_lapse_while_it_runs_keeps_its_order_and_never_runs_twice_at_once,
    a_message_of_a_mebibyte_arrives_whole_and_a_batch_over_six_megabytes_is_split,
    a_damaged_message_is_told_left_to_the_queue_and_taken_when_it_comes_whole,
    entries_that_were_not_deleted_are_deleted_later_and_no_message_comes_twice,
    many_deletes_refused_at_once_are_made_soon_after_they_are_allowed,
    answers_that_are_lost_are_asked_for_again_and_messages_of_a_lost_receive_come_again,
    receipts_that_are_lost_while_the_function_runs_cost_one_repeat_each_and_are_told,
    a_queue_that_asks_to_slow_down_is_obeyed_and_everything_arrives_once,
    a_message_that_the_queue_hands_out_twice_is_deleted_in_the_end,
    what_a_stop_gives_back_is_visible_at_once_and_counted_once,
}

/// Lambda's limit to an event.
const EVENT_BYTES_MAX: usize = 6 << 20;

fn visible_again_after(visibility_s: u64) -> Attributes {
    Attributes { visibility_s, ..Attributes::default() }
}

fn a_wrong_queue_url_is_told_with_what_to_do_and_taken_once_the_queue_is_there() {
    let world = World::without_queue(StrictSqs::start(), "missing", "");
    let daemon = Daemon::start(world.scene.folder());
    let status = world.await_status(&daemon, "FB-0210");
    assert!(status.contains("Create it, or correct `queue_url`"), "{status}");
    world.assert_ready_and_told(&daemon, "FB-0210");
    world.server.create("missing", Attributes::default());
    world.send(10);
    world.await_given(10);
    world.ends_with_each_once(daemon, 10);
}

fn a_queue_that_is_asked_for_by_name_and_refused_is_told_and_taken_once_it_is_allowed() {
    let world = World::new("orders", Attributes::default(), "");
    world.config("queue: orders, wait_time: 1", "");
    world.server.plant(None, Fault::Refuse(Refusal::access_denied("GetQueueUrl")), None);
    world.send(10);
    let daemon = Daemon::start(world.scene.folder());
    let status = world.await_status(&daemon, "FB-0211");
    assert!(
        status.contains("sqs:ReceiveMessage") && status.contains("is not authorized to perform"),
        "{status}"
    );
    world.assert_ready_and_told(&daemon, "FB-0211");
    world.server.heal();
    world.ends_with_each_once(daemon, 10);
}

fn permissions_taken_away_while_it_runs_are_told_and_what_was_finished_is_deleted_once_they_are_back() {
    let world = World::new("orders", Attributes::default(), "");
    world.hold();
    world.send(10);
    let daemon = Daemon::start(world.scene.folder());
    world.await_given(10);
    for action in [Action::ReceiveMessage, Action::DeleteMessageBatch, Action::ChangeMessageVisibilityBatch] {
        world.server.plant(action, Fault::Refuse(Refusal::access_denied(&format!("{action:?}"))), None);
    }
    world.let_go();
    world.await_status(&daemon, "FB-0211");
    wait::until("deletes that are refused", || {
        (refused(&world, Action::DeleteMessageBatch) >= 2).then_some(())
    });
    assert_eq!(world.server.counts("orders"), (0, 10, 0), "nothing is deleted, nothing is shown");
    world.server.heal();
    world.ends_with_each_once(daemon, 10);
}

fn a_queue_that_is_gone_does_not_hold_a_stop_back() {
    let world = World::new("orders", Attributes::default(), "");
    world.hold();
    world.send(5);
    let daemon = Daemon::start(world.scene.folder());
    world.await_given(5);
    world.server.delete_queue("orders");
    world.let_go();
    wait::until("deletes without a queue", || {
        (refused(&world, Action::DeleteMessageBatch) >= 1).then_some(())
    });
    let stopped = Instant::now();
    assert!(daemon.stop().success());
    assert!(
        stopped.elapsed() < Duration::from_secs(15),
        "it took {:?}, with a grace of 25 s",
        stopped.elapsed()
    );
}

fn wrong_keys_are_told_as_such() {
    let world = World::new("orders", Attributes::default(), "");
    world.server.plant(None, Fault::Refuse(Refusal::bad_signature()), None);
    let daemon = Daemon::start(world.scene.folder());
    let status = world.await_status(&daemon, "FB-0211");
    assert!(status.contains("does not match the signature"), "{status}");
    assert!(daemon.stop().success());
}

fn a_queue_deleted_while_it_runs_is_told_and_read_again_when_it_is_made_again() {
    let world = World::new("orders", Attributes::default(), "");
    world.hold();
    world.send(5);
    let daemon = Daemon::start(world.scene.folder());
    world.await_given(5);
    world.server.delete_queue("orders");
    wait::until("the error in the log", || daemon.log().contains("FB-0210").then_some(()));
    // What ran while the queue was there ends, and has nothing to be deleted from.
    world.let_go();
    let status = world.await_status(&daemon, "The specified queue does not exist.");
    assert!(status.contains("Create it, or correct `queue_url`"), "{status}");
    wait::until("deletes without a queue", || {
        (refused(&world, Action::DeleteMessageBatch) >= 1).then_some(())
    });
    world.server.create("orders", Attributes::default());
    world.send_one("after");
    wait::until("the message of the new queue", || world.times().contains_key("after").then_some(()));
    world.await_empty();
    assert!(daemon.stop().success(), "nothing of the old queue holds the daemon back");
    assert!(world.times().values().all(|it| *it == 1), "{:?}", world.times());
}

fn an_endpoint_that_is_down_for_a_while_loses_and_repeats_nothing_but_what_visibility_explains() {
    let mut world = World::new("orders", Attributes::default(), "");
    world.hold();
    world.send(20);
    let daemon = Daemon::start(world.scene.folder());
    world.await_given(20);
    world.server.go_down();
    let down = Instant::now();
    world.let_go();
    let status = world.await_status(&daemon, "FB-0212");
    assert!(status.contains("check `aws.endpoint`, `aws.region` and the network"), "{status}");
    world.assert_ready_and_told(&daemon, "FB-0212");
    let span = Duration::from_secs(if is_long() { 61 } else { 3 });
    while down.elapsed() < span {
        let half = (down.elapsed() + Duration::from_secs(30)).min(span);
        wait::until("the end of the outage", || (down.elapsed() >= half).then_some(()));
    }
    world.server.come_up();
    world.server.send("orders", (20..30).map(|n| Sent::plain(&format!("message {n}"))));
    world.await_given(30);
    world.await_empty();
    assert!(daemon.stop().success());
    if is_long() {
        // Nobody could hide them for longer: each message is given as often as the queue handed it out.
        for fate in world.server.fates("orders") {
            assert!(world.times()[&fate.body] <= fate.n_receives as usize, "{fate:?}");
        }
    } else {
        world.assert_each_once(30);
    }
}

fn an_endpoint_that_is_down_at_the_start_is_told_and_taken_once_it_answers() {
    let mut world = World::new("orders", Attributes::default(), "");
    world.send(10);
    world.server.go_down();
    let daemon = Daemon::start(world.scene.folder());
    world.await_status(&daemon, "FB-0212");
    world.assert_ready_and_told(&daemon, "FB-0212");
    world.server.come_up();
    world.await_given(10);
    world.ends_with_each_once(daemon, 10);
}

fn a_group_whose_receipts_lapse_while_it_runs_keeps_its_order_and_never_runs_twice_at_once() {
    let world = World::new("orders.fifo", visible_again_after(3), "");
    world.server.plant(Action::ChangeMessageVisibilityBatch, Fault::FailEvery(1), None);
    world.hold();
    let grouped = |n: usize| Sent {
        group: Some(format!("g{}", n % 2)),
        deduplication: Some(n.to_string()),
        ..Sent::plain(&format!("message {n:02}"))
    };
    world.server.send("orders.fifo", (0..10).map(grouped));
    let daemon = Daemon::start(world.scene.folder());
    world.await_given(10);
    wait::until("the messages' second receive", || {
        world.server.fates("orders.fifo").iter().any(|it| it.n_receives > 1).then_some(())
    });
    assert!(
        world.times().values().all(|it| *it == 1),
        "while its first batch runs, nothing else of a group does: {:?}",
        world.times()
    );
    world.server.send("orders.fifo", (10..14).map(grouped));
    world.server.heal();
    world.let_go();
    world.await_given(14);
    world.await_empty();
    assert!(daemon.stop().success());
    for group in ["g0", "g1"] {
        let given: Vec<String> =
            world.given().into_iter().filter(|it| it.group == group).map(|it| it.body).collect();
        let last = |body: &String| given.iter().rposition(|it| it == body);
        let mut bodies = given.clone();
        bodies.sort();
        bodies.dedup();
        assert!(bodies.windows(2).all(|it| last(&it[0]) < last(&it[1])), "{given:?}");
    }
    for fate in world.server.fates("orders.fifo") {
        assert!(
            world.times()[&fate.body] <= fate.n_receives as usize,
            "{fate:?} was given {} times",
            world.times()[&fate.body]
        );
    }
}

fn a_message_of_a_mebibyte_arrives_whole_and_a_batch_over_six_megabytes_is_split() {
    let world = World::new(
        "orders",
        visible_again_after(60),
        "batch_size: 20\nmaximum_batching_window_in_seconds: 2",
    );
    // To the byte, and in letters of two bytes.
    let n_letters = (MESSAGE_BYTES_MAX - 4) / 2;
    for n in 0..14 {
        world.send_one(&format!("{n:02} {}.", "\u{e9}".repeat(n_letters)));
    }
    let daemon = Daemon::start(world.scene.folder());
    world.await_given(14);
    world.ends_with_each_once(daemon, 14);
    let given = world.given();
    let largest = given.iter().map(|it| it.event_bytes).max().expect("something was given");
    assert!((5 << 20..=EVENT_BYTES_MAX).contains(&largest), "the largest event has {largest} bytes");
    assert!(
        given.iter().all(|it| it.body_chars == n_letters + 4 && it.event_bytes <= EVENT_BYTES_MAX),
        "every body is whole"
    );
}

fn a_damaged_message_is_told_left_to_the_queue_and_taken_when_it_comes_whole() {
    for fault in [Fault::DamageBody, Fault::DamageAttributes] {
        // One receive at a time: the first brings the message, and damaged.
        let world =
            World::new("orders", visible_again_after(3), "scaling_config: { maximum_concurrency: 1 }");
        world.server.plant(Action::ReceiveMessage, fault, Some(1));
        let sent = Sent {
            attributes: [("Title".to_owned(), text("The Whistler"))].into(),
            ..Sent::plain("message")
        };
        world.server.send("orders", [sent]);
        let daemon = Daemon::start(world.scene.folder());
        world.await_given(1);
        world.await_empty();
        assert!(daemon.log().contains("FB-0216"), "{}", daemon.log());
        assert!(daemon.stop().success());
        let given: Vec<u32> = world.given().iter().map(|it| it.n_receives).collect();
        assert_eq!(given, [2], "the damaged one was not given");
    }
}

fn entries_that_were_not_deleted_are_deleted_later_and_no_message_comes_twice() {
    let world = World::new("orders", Attributes::default(), "");
    world.server.plant(Action::DeleteMessageBatch, Fault::FailEvery(2), Some(6));
    world.send(60);
    let daemon = Daemon::start(world.scene.folder());
    world.ends_with_each_once(daemon, 60);
    let failed: usize = world.server.calls(Action::DeleteMessageBatch).iter().map(|it| it.failed.len()).sum();
    assert!(failed > 6, "entries did fail: {failed}");
    assert!(world.log().contains("FB-0219") && world.log().contains("InternalError"), "{}", world.log());
}

fn many_deletes_refused_at_once_are_made_soon_after_they_are_allowed() {
    let world = World::new("orders", Attributes::default(), "");
    world.server.plant(
        Action::DeleteMessageBatch,
        Fault::Refuse(Refusal::access_denied("DeleteMessage")),
        None,
    );
    world.send(1_000);
    let daemon = Daemon::start(world.scene.folder());
    world.await_given(1_000);
    wait::until("every delete to be refused", || {
        (refused(&world, Action::DeleteMessageBatch) >= 100).then_some(())
    });
    world.server.heal();
    world.ends_with_each_once(daemon, 1_000);
}

fn answers_that_are_lost_are_asked_for_again_and_messages_of_a_lost_receive_come_again() {
    let world = World::new("orders", visible_again_after(5), "");
    world.server.plant(Action::ReceiveMessage, Fault::Unheard, Some(2));
    world.server.plant(Action::DeleteMessageBatch, Fault::Unheard, Some(3));
    world.send(40);
    let daemon = Daemon::start(world.scene.folder());
    world.await_given(40);
    world.await_empty();
    assert!(daemon.stop().success());
    assert!(world.times().values().all(|it| *it == 1), "a lost delete is no second run: {:?}", world.times());
    let twice = world.server.fates("orders").iter().filter(|it| it.n_receives == 2).count();
    assert_eq!(twice, 20, "what the two lost receives hid came again, and nothing else");
}

fn receipts_that_are_lost_while_the_function_runs_cost_one_repeat_each_and_are_told() {
    let world = World::new("orders", visible_again_after(3), "");
    world.server.plant(Action::ChangeMessageVisibilityBatch, Fault::FailEvery(1), None);
    world.hold();
    world.send(10);
    let daemon = Daemon::start(world.scene.folder());
    world.await_given(10);
    wait::until("the messages' second receive", || {
        world.server.fates("orders").iter().all(|it| it.n_receives > 1).then_some(())
    });
    world.server.heal();
    world.let_go();
    world.await_empty();
    let log = daemon.log();
    assert_eq!(log.matches("FB-0219").count(), 1, "told once, not at every try: {log}");
    assert!(daemon.stop().success());
    for fate in world.server.fates("orders") {
        assert!(
            world.times()[&fate.body] <= fate.n_receives as usize,
            "{fate:?} was given {} times",
            world.times()[&fate.body]
        );
    }
}

fn a_queue_that_asks_to_slow_down_is_obeyed_and_everything_arrives_once() {
    for refusal in [Refusal::throttled(), Refusal::over_limit(), Refusal::internal()] {
        let world = World::new("orders", Attributes::default(), "");
        world.server.plant(Action::ReceiveMessage, Fault::Refuse(refusal.clone()), Some(5));
        world.server.plant(Action::DeleteMessageBatch, Fault::Refuse(refusal), Some(2));
        world.send(30);
        let daemon = Daemon::start(world.scene.folder());
        world.await_given(30);
        world.ends_with_each_once(daemon, 30);
    }
}

fn a_message_that_the_queue_hands_out_twice_is_deleted_in_the_end() {
    let world = World::new("orders", visible_again_after(5), "");
    world.server.plant(Action::ReceiveMessage, Fault::Repeat, None);
    world.send(40);
    let daemon = Daemon::start(world.scene.folder());
    world.await_given(40);
    world.await_empty();
    assert!(daemon.stop().success());
    for fate in world.server.fates("orders") {
        assert!(world.times()[&fate.body] <= fate.n_receives as usize, "{fate:?}");
    }
}

fn what_a_stop_gives_back_is_visible_at_once_and_counted_once() {
    let world = World::new(
        "orders",
        visible_again_after(600),
        "batch_size: 100\nmaximum_batching_window_in_seconds: 300",
    );
    world.send(30);
    let daemon = Daemon::start(world.scene.folder());
    wait::until("messages that wait for their window", || {
        (world.server.counts("orders").1 == 30).then_some(())
    });
    assert!(daemon.stop().success());
    assert_eq!(world.server.counts("orders"), (30, 0, 0));
    assert!(world.given().is_empty());
    let receives: usize = world.server.calls(Action::ReceiveMessage).iter().map(|it| it.received.len()).sum();
    let counted: u32 = world.server.fates("orders").iter().map(|it| it.n_receives).sum();
    assert_eq!(receives, counted as usize, "every receive was answered, and none was for nobody");
}

fn refused(world: &World, action: Action) -> usize {
    world.server.calls(action).iter().filter(|it| it.refused.is_some()).count()
}

fn text(text: &str) -> forebay_models::sqs::Attribute {
    forebay_models::sqs::Attribute {
        data_type: "String".to_owned(),
        text: Some(text.to_owned()),
        binary: None,
    }
}
