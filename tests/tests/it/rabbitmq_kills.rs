//! Queues of a real RabbitMQ while processes on both sides are killed.

use std::time::Duration;

use forebay_tests::daemon::Daemon;
use forebay_tests::function::take_time;
use forebay_tests::rabbitmq::{Rabbit, RabbitMessage};
use forebay_tests::wait;
use serde_json::json;

use crate::rabbitmq_world::{Counts, Queues, done, numbered};
use crate::scene::is_long;

#[test]
fn queues_are_emptied_over_kills_of_ours_and_of_the_broker_and_nothing_is_lost() {
    let (n, n_kills, n_restarts) = if is_long() { (20_000, 20, 10) } else { (2_000, 5, 2) };
    let mut rabbit = Rabbit::start("");
    let (admin, counts) = (rabbit.admin(), Counts::default());
    admin.declare("quorum", "quorum", json!({ "x-delivery-limit": 100 }));
    admin.declare("classic", "classic", json!({}));
    let it = Queues::at(rabbit.host());
    let function = counts.function(|event| {
        // Slow enough to be caught in the middle.
        take_time(Duration::from_millis(20));
        done(event)
    });
    let more =
        ", batch_size: 20, maximum_batching_window_in_seconds: 0, scaling_config: { maximum_concurrency: 4 }";
    it.config(&function, &it.source("[quorum, classic]", ""), more);
    let mut daemon = Some(Daemon::start(it.scene.folder()));
    let put = |from: usize, to: usize| {
        admin.publish_all("quorum", &numbered(from, (from + to) / 2));
        admin.publish_all("classic", &numbered((from + to) / 2, to));
    };
    let mut n_put = 0;
    let n_rounds = n_kills + n_restarts;
    let mut n_broken = 0;
    for round in 1..=n_rounds {
        let before = counts.n_first();
        let to = n * round / n_rounds;
        put(n_put, to);
        n_put = to;
        wait::until_told(
            "some of them",
            || (counts.n_first() > before).then_some(()),
            || daemon.as_ref().map(Daemon::log).unwrap_or_default(),
        );
        // Kills of the broker stand among those of ours.
        if round % (n_rounds / n_restarts) == 0 && n_broken < n_restarts {
            n_broken += 1;
            rabbit.kill();
            rabbit.launch();
        } else {
            if let Some(running) = daemon.take() {
                running.kill();
            }
            daemon = Some(Daemon::start(it.scene.folder()));
        }
    }
    wait::until_told(
        "all of them",
        || (counts.n_first() == n).then_some(()),
        || format!("{} of {n}\n{}", counts.n_first(), daemon.as_ref().map(Daemon::log).unwrap_or_default()),
    );
    admin.await_n_messages("quorum", 0);
    admin.await_n_messages("classic", 0);
    // What was unacked at a kill: as much as a channel may owe, which is twice what four batches hold.
    let most = n_rounds * 2 * 4 * 20;
    assert!(counts.n_repeats() <= most, "{} repeats", counts.n_repeats());
    assert_eq!(daemon.map(|it| it.stop().code()), Some(Some(0)));
}

#[test]
fn a_broker_that_is_down_at_start_is_named_and_read_once_it_is_there_and_connections_that_are_closed_come_back()
 {
    let mut rabbit = Rabbit::prepare("", None);
    let counts = Counts::default();
    let it = Queues::at(rabbit.host());
    let function = counts.function(done);
    it.config(&function, &it.source("[patient]", ""), ", batch_size: 1");
    let daemon = Daemon::start(it.scene.folder());
    it.await_why(&daemon, "FB-0410");
    rabbit.launch();
    let admin = rabbit.admin();
    admin.declare("patient", "classic", json!({}));
    admin.publish_all("patient", &numbered(0, 5));
    wait::until_told("what waited", || (counts.n_first() == 5).then_some(()), || daemon.log());
    // The plugin learns of connections with a delay.
    wait::until("a connection", || (admin.close_connections() > 0).then_some(()));
    admin.publish("patient", &RabbitMessage::named("5", "5"));
    wait::until_told("what came later", || (counts.n_first() == 6).then_some(()), || daemon.log());
    assert!(daemon.log().contains("channel lost"), "{}", daemon.log());
    admin.await_n_messages("patient", 0);
    assert_eq!(daemon.stop().code(), Some(0));
}
