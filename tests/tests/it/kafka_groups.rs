//! Several nodes share the partitions of a topic: joins, leaves, kills and pauses, and what the group has then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use forebay_tests::daemon::Daemon;
use forebay_tests::function::Function;
use forebay_tests::kafka::tools::describe_members;
use forebay_tests::kafka::{Kafka, KafkaClient, Sent};
use forebay_tests::wait;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::journal::Journal;
use crate::kafka_world::{GivesTopics as _, InOrder, Topics};
use crate::scene::is_long;

const KEYS: usize = 96;
/// Longer than the session of a node.
const PAUSE: Duration = Duration::from_secs(5);

/// A node that is one of several with the same mapping: a folder with a store of its own, and its process.
struct GroupNode {
    topics: Topics,
    daemon: Option<Daemon>,
}

impl GroupNode {
    fn new(function: &Function, source: &str, more: &str) -> Self {
        let topics = Topics::of(Kafka::shared());
        let source = topics.source("[]", "").replace("topics: []", source);
        topics.config(function, &Topics::mapping("shared", &source, more));
        Self { topics, daemon: None }
    }

    fn start(&mut self) {
        self.daemon = Some(Daemon::start(self.topics.scene.folder()));
    }

    fn is_running(&self) -> bool {
        self.daemon.is_some()
    }

    fn stop(&mut self) {
        let daemon = self.daemon.take().expect("it runs");
        assert_eq!(daemon.stop().code(), Some(0));
    }

    fn kill(&mut self) {
        self.daemon.take().expect("it runs").kill();
    }

    fn signal(&self, name: &str) {
        self.daemon.as_ref().expect("it runs").signal(name);
    }

    fn log(&self) -> String {
        self.daemon.as_ref().map(Daemon::log).unwrap_or_default()
    }

    /// How often its log says so.
    fn n_said(&self, words: &str) -> usize {
        self.log().lines().filter(|it| it.contains(words)).count()
    }

    fn await_said(&self, words: &str, n: usize) {
        wait::until_told(words, || (self.n_said(words) >= n).then_some(()), || self.log());
    }
}

const ASSIGNED: &str = "the group assigned tracks";
const GIVEN_BACK: &str = "track given back to the group";
const TAKEN: &str = "the group gave a track to another member";

/// Records of many keys, each with a number of its own that goes up: so many, or until it is told to stop, and
/// slowly enough that there are always some to come. How many they are.
fn write(client: &KafkaClient, topic: &str, n_max: usize, is_over: &AtomicBool) -> usize {
    let mut n = 0;
    while n < n_max && !is_over.load(Ordering::SeqCst) {
        let to = n_max.min(n + if is_long() { 10_000 } else { 200 });
        let record = |n: usize| Sent::of(&format!("key {}", n % KEYS), &(n / KEYS).to_string());
        client.send(topic, &(n..to).map(record).collect::<Vec<_>>());
        n = to;
        thread::park_timeout(Duration::from_millis(20));
    }
    n
}

/// Looks at what a group has committed until it is told to stop: it never goes back.
fn watch(client: &KafkaClient, topic: &str, is_over: &AtomicBool) {
    let mut before: Vec<Option<i64>> = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
        let now = client.committed(topic, topic);
        for (partition, (before, now)) in before.iter().zip(&now).enumerate() {
            assert!(now >= before, "{topic}-{partition} went back from {before:?} to {now:?}");
        }
        before = now;
        thread::park_timeout(Duration::from_millis(200));
    }
}

/// All of a topic is committed.
fn await_committed(client: &KafkaClient, topic: &str) {
    let ends: Vec<Option<i64>> = client.ends(topic).iter().map(|it| Some(it.high)).collect();
    let seen = || client.committed(topic, topic);
    wait::until_told("the group to have all", || (seen() == ends).then_some(()), || format!("{:?}", seen()));
}

/// Nodes come and go in peace: each partition is handed over with all that was done of it.
fn share_in_peace(protocol: &str, topic: &str, terms: &str) {
    let client = Kafka::shared().client();
    client.create_topic(topic, 6);
    let counts = InOrder::default();
    // Slow enough that something is under way whenever a partition is wanted back.
    let function = counts.function_after(Duration::from_millis(10));
    let source = format!(
        "topics: [{topic}], consumer_group_id: {topic}, group: {{ protocol: {protocol}, rebalance_timeout: 20{terms} }}"
    );
    let more = ", batch_size: 10";
    let mut nodes = [(); 3].map(|()| GroupNode::new(&function, &source, more));
    let is_over = AtomicBool::new(false);
    let some_more = || {
        let goal = counts.n_first() + 500;
        wait::until_count("some more", goal, || counts.n_first());
    };
    let n = thread::scope(|threads| {
        let writer = threads.spawn(|| write(&client, topic, usize::MAX, &is_over));
        nodes[0].start();
        some_more();
        nodes[1].start();
        nodes[0].await_said(GIVEN_BACK, 3);
        nodes[1].await_said(ASSIGNED, 1);
        nodes[2].start();
        nodes[2].await_said(ASSIGNED, 1);
        let two_each = || (describe_members(&Kafka::shared().bootstrap(), topic) == [2, 2, 2]).then_some(());
        wait::until_told("two partitions each", two_each, || nodes[2].log());
        nodes[0].stop();
        some_more();
        nodes[0].start();
        nodes[0].await_said(ASSIGNED, 1);
        some_more();
        is_over.store(true, Ordering::SeqCst);
        writer.join().expect("the writer ends")
    });
    counts.await_all(n);
    assert_eq!(counts.n_repeated(), 0, "nothing is done twice where nodes come and go in peace");
    assert!(nodes.iter().all(|it| it.n_said(TAKEN) == 0), "and nothing is taken");
    nodes.iter_mut().for_each(GroupNode::stop);
    let ends: Vec<Option<i64>> = client.ends(topic).iter().map(|it| Some(it.high)).collect();
    assert_eq!(client.committed(topic, topic), ends, "the last ones are told at the end");
}

#[test]
fn nodes_that_come_and_go_in_peace_hand_over_what_they_have_done_and_repeat_nothing() {
    share_in_peace("classic", "peace-classic", ", session_timeout: 10");
}

#[test]
fn the_same_where_the_brokers_share_out() {
    share_in_peace("consumer", "peace-consumer", "");
}

/// What happens to a node.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    /// It comes, or goes in peace.
    Turn,
    Kill,
    /// It stands still for longer than its session, and goes on.
    Pause,
}

/// Nodes come, go, are killed and stand still under load: nothing is lost, each key keeps its order, and what the
/// group has never goes back.
fn share_in_trouble(protocol: &str, topic: &'static str, terms: &str, mishaps: &[Mishap], n: usize) {
    let client = Kafka::shared().client();
    let n_partitions = if is_long() { 16 } else { 6 };
    client.create_topic(topic, n_partitions);
    let counts = InOrder::default();
    let function = counts.function_after(Duration::from_millis(5));
    let source = format!(
        "topics: [{topic}], group: {{ protocol: {protocol}, rebalance_timeout: 10{terms} }}, consumer_group_id: {topic}"
    );
    let more = ", batch_size: 20, parallelization_factor: 20";
    let mut nodes = [(); 3].map(|()| GroupNode::new(&function, &source, more));
    nodes[0].start();
    nodes[1].start();
    let is_over = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| watch(&client, topic, &is_over));
        let writer = threads.spawn(|| write(&client, topic, n, &is_over));
        for (number, mishap) in mishaps.iter().enumerate() {
            let goal = (counts.n_first() + n / (4 * mishaps.len())).min(n);
            wait::until_count("some more", goal, || counts.n_first());
            // The first stays, so that there is always somebody who goes on.
            let node = &mut nodes[1 + number % 2];
            match (mishap, node.is_running()) {
                (_, false) => node.start(),
                (Mishap::Turn, true) => node.stop(),
                (Mishap::Kill, true) => {
                    node.kill();
                    node.start();
                }
                (Mishap::Pause, true) => {
                    node.signal("STOP");
                    let still = Instant::now();
                    while still.elapsed() < PAUSE {
                        thread::park_timeout(PAUSE.saturating_sub(still.elapsed()));
                    }
                    node.signal("CONT");
                }
            }
        }
        let n = writer.join().expect("the writer ends");
        counts.await_all(n);
        await_committed(&client, topic);
        is_over.store(true, Ordering::SeqCst);
    });
    for node in nodes.iter_mut().filter(|it| it.is_running()) {
        node.stop();
    }
}

#[test]
fn nodes_that_are_killed_or_stand_still_lose_nothing_and_never_set_the_group_back() {
    let few = [Mishap::Pause, Mishap::Kill, Mishap::Turn];
    let mishaps = if is_long() { many_mishaps() } else { few.to_vec() };
    let n = if is_long() { 1_000_000 } else { 6_000 };
    share_in_trouble("classic", "trouble-classic", ", session_timeout: 3", &mishaps, n);
}

#[test]
fn the_same_where_the_brokers_share_out_and_miss_a_node() {
    let few = [Mishap::Pause];
    let mishaps = if is_long() { many_mishaps() } else { few.to_vec() };
    let n = if is_long() { 1_000_000 } else { 4_000 };
    share_in_trouble("consumer", "trouble-consumer", "", &mishaps, n);
}

/// Fifty joins and leaves, and ten pauses among them.
fn many_mishaps() -> Vec<Mishap> {
    let of = |it: usize| match it % 6 {
        2 => Mishap::Pause,
        4 => Mishap::Kill,
        _ => Mishap::Turn,
    };
    (0..60).map(of).collect()
}

#[test]
fn two_nodes_with_one_instance_id_are_told_apart_and_a_group_that_speaks_otherwise_is_waited_for() {
    let client = Kafka::shared().client();
    client.create_topic("static-a", 2);
    client.create_topic("other", 1);
    let journal = Journal::default();
    let function = journal.function();
    let source = "topic_pattern: \"static-.*\", consumer_group_id: static, group: { session_timeout: 4, instance_id: one }";
    let mut nodes = [(); 2].map(|()| GroupNode::new(&function, source, ""));
    // Somebody of another kind is in the group: it shares out by another rule.
    let foreign: BaseConsumer = client
        .clone()
        .with("group.id", "static")
        .with("partition.assignment.strategy", "range")
        .with("session.timeout.ms", "4000")
        .consumer();
    foreign.subscribe(&["other"]).expect("a name is one");
    let is_in = || {
        let _nothing = foreign.poll(Duration::from_millis(100));
        foreign.assignment().is_ok_and(|it| it.count() == 1).then_some(())
    };
    wait::until("the other member", is_in);
    nodes[0].daemon = Some(Daemon::spawn(nodes[0].topics.scene.folder()));
    let is_refused = || {
        let _nothing = foreign.poll(Duration::from_millis(100));
        (nodes[0].n_said("FB-0399") > 0).then_some(())
    };
    wait::until_told("a group that speaks otherwise", is_refused, || nodes[0].log());
    drop(foreign);
    client.send("static-a", &[Sent::of("k", "first")]);
    journal.await_value("first");
    let is_told = || client.committed("static", "static-a").contains(&Some(1)).then_some(());
    wait::until("the first record to be committed", is_told);
    // The second takes the first's place, which is told so and does not fight.
    nodes[1].daemon = Some(Daemon::spawn(nodes[1].topics.scene.folder()));
    nodes[0].await_said("FB-0398", 1);
    client.send("static-a", &[Sent::of("k", "second")]);
    journal.await_value("second");
    assert_eq!(journal.values(), ["first", "second"]);
    nodes.iter_mut().for_each(GroupNode::stop);
}
