//! Topics of a real cluster under load: lanes by key, kills, leaders that go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use forebay_tests::daemon::Daemon;
use forebay_tests::kafka::three::ThreeKafkas;
use forebay_tests::kafka::{Kafka, KafkaClient, Sent};
use forebay_tests::wait;

use crate::kafka_world::{InOrder, Topics, write_until};
use crate::scene::is_long;

const KEYS: usize = 320;

/// So many records of many keys, each with a number of its own that goes up; written from `from` on.
fn write(client: &KafkaClient, topic: &str, from: usize, to: usize) {
    for chunk in (from..to).collect::<Vec<_>>().chunks(10_000) {
        let record = |n: &usize| Sent::of(&format!("key {}", n % KEYS), &(n / KEYS).to_string());
        client.send(topic, &chunk.iter().map(record).collect::<Vec<_>>());
    }
}

#[test]
fn records_of_many_keys_keep_their_order_on_twenty_lanes_and_over_kills() {
    let (n, n_kills) = if is_long() { (1_000_000, 20) } else { (40_000, 5) };
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("lanes", 16);
    let counts = InOrder::default();
    let function = counts.function();
    let source = it.source("[lanes]", "");
    it.config(&function, &Topics::mapping("lanes", &source, ", parallelization_factor: 20, batch_size: 100"));
    write(&it.client, "lanes", 0, n / 2);
    let daemon = Daemon::start(it.scene.folder());
    counts.await_all(n / 2);
    assert_eq!(counts.n_repeated(), 0, "nothing fails: nothing comes twice");
    let mut daemon = Some(daemon);
    thread::scope(|threads| {
        threads.spawn(|| write(&it.client, "lanes", n / 2, n));
        for kill in 1..=n_kills {
            let goal = n / 2 + kill * (n / 2) / (n_kills + 1);
            wait::until_count("some more", goal, || counts.n_first());
            if let Some(running) = daemon.take() {
                running.kill();
            }
            daemon = Some(Daemon::start(it.scene.folder()));
        }
    });
    counts.await_all(n);
    assert_eq!(daemon.and_then(|it| it.stop().code()), Some(0));
}

#[test]
fn leaders_that_are_killed_and_come_again_under_load_lose_nothing() {
    let n_kills = if is_long() { 10 } else { 2 };
    let mut kafka = ThreeKafkas::start();
    let it = Topics::at(kafka.client(), kafka.bootstrap());
    it.client.create_topic("led", 6);
    let counts = InOrder::default();
    let function = counts.function();
    it.config(&function, &Topics::mapping("led", &it.source("[led]", ""), ", batch_size: 10"));
    let daemon = Daemon::start(it.scene.folder());
    let is_over = AtomicBool::new(false);
    let n_written = thread::scope(|threads| {
        let writer = threads.spawn(|| {
            // One that neither loses nor doubles what a leader took with it.
            let client = it.client.clone().with("enable.idempotence", "true");
            write_until(&is_over, &client, "led", Duration::from_millis(20))
        });
        for kill in 0..n_kills {
            let before = counts.n_first();
            wait::until_count("records before a kill", before + 300, || counts.n_first());
            kafka.kill(kill % 3 + 1);
            let before = counts.n_first();
            wait::until_count("records without a node", before + 300, || counts.n_first());
            kafka.restart(kill % 3 + 1);
            it.client.await_leaders("led", 6);
        }
        is_over.store(true, Ordering::SeqCst);
        writer.join().expect("the writer ends")
    });
    counts.await_all(n_written);
    assert_eq!(daemon.stop().code(), Some(0));
}
