//! Topics of a real cluster, a folder, and functions that write down what they are given of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_tests::function::{Answer, Function, lambda_of_nothing, take_time};
use forebay_tests::kafka::{Kafka, KafkaClient, Sent};
use forebay_tests::wait;
use serde_json::Value;

use crate::journal::Journal;
use crate::scene::Scene;

/// A folder beside a cluster.
pub(crate) struct Topics {
    pub(crate) scene: Scene,
    pub(crate) client: KafkaClient,
    pub(crate) bootstrap: String,
}

impl Topics {
    pub(crate) fn of(kafka: &Kafka) -> Self {
        Self::at(kafka.client(), kafka.bootstrap())
    }

    pub(crate) fn at(client: KafkaClient, bootstrap: String) -> Self {
        Self { scene: Scene::new(), client, bootstrap }
    }

    /// What stands under `source` for these topics, as `[a, b]`, and more.
    pub(crate) fn source(&self, topics: &str, more: &str) -> String {
        let servers: Vec<String> = self.bootstrap.split(',').map(|it| format!("\"{it}\"")).collect();
        format!("kafka: {{ bootstrap_servers: [{}], topics: {topics}{more} }}", servers.join(", "))
    }

    /// The mapping `name` of a source from its first record to the function `seen`, with more settings.
    pub(crate) fn mapping(name: &str, source: &str, more: &str) -> String {
        format!(
            "\n- {{ name: {name}, source: {{ {source} }}, function_name: seen, starting_position: TRIM_HORIZON{more} }}"
        )
    }

    /// Writes the config: one function `seen`, and these mappings.
    pub(crate) fn config(&self, function: &Function, mappings: &str) {
        let (executor, lambda) = (function.executor(), lambda_of_nothing());
        self.scene.write(
            "forebay.yaml",
            &format!(
                "aws: {{ endpoints: {{ lambda: \"{lambda}\" }}, region: us-east-1, access_key_id: x, secret_access_key: x }}\n\
                 functions:\n  seen: {{ executor: {executor}, timeout: 30 }}\nevent_source_mappings:{mappings}\n"
            ),
        );
    }
}

/// One record that a function was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// Topic and partition, as the event names them.
    pub(crate) section: String,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    /// `None` for a tombstone.
    pub(crate) value: Option<String>,
}

/// The records of an event, in its order.
pub(crate) fn given_by(event: &Value) -> impl Iterator<Item = Given> {
    let sections = event["records"].as_object().into_iter().flatten();
    sections.flat_map(|(section, records)| {
        records.as_array().into_iter().flatten().map(|it| Given {
            section: section.clone(),
            offset: it["offset"].as_i64().expect("a record has an offset"),
            key: text(&it["key"]),
            value: text(&it["value"]),
        })
    })
}

fn text(base64: &Value) -> Option<String> {
    let bytes = STANDARD.decode(base64.as_str()?).expect("it is base64");
    Some(String::from_utf8(bytes).expect("it is a text"))
}

/// What a journal holds of topics.
pub(crate) trait GivesTopics {
    fn given(&self) -> Vec<Given>;
    fn values(&self) -> Vec<String>;
    fn await_value(&self, value: &str);
    fn await_values(&self, n: usize);
}

impl GivesTopics for Journal {
    fn given(&self) -> Vec<Given> {
        self.events().iter().flat_map(given_by).collect()
    }

    fn values(&self) -> Vec<String> {
        self.given().into_iter().filter_map(|it| it.value).collect()
    }

    fn await_value(&self, value: &str) {
        let is_there = || self.values().iter().any(|it| it == value).then_some(());
        wait::until_told(value, is_there, || format!("{:?}", self.values()));
    }

    fn await_values(&self, n: usize) {
        wait::until_count("records", n, || self.given().len());
    }
}

/// Writes records of thirty keys, each with a number of its key's from 0 on, a hundred at a time, until it is over;
/// how many there are then.
pub(crate) fn write_until(is_over: &AtomicBool, client: &KafkaClient, topic: &str, pause: Duration) -> usize {
    let mut n = 0;
    while !is_over.load(Ordering::SeqCst) {
        let to = n + 100;
        let record = |n: usize| Sent::of(&format!("key {}", n % 30), &(n / 30).to_string());
        client.send(topic, &(n..to).map(record).collect::<Vec<_>>());
        n = to;
        take_time(pause);
    }
    n
}

/// Counts records whose value is a number of their key's, from 0 on: what comes for the first time must come in
/// order, each key's by itself.
#[derive(Clone, Default)]
pub(crate) struct InOrder(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    next: BTreeMap<String, usize>,
    n_first: usize,
    n_repeated: usize,
    /// What came before the one that it follows.
    early: Vec<(String, usize)>,
}

impl InOrder {
    /// A function that counts, and keeps nothing else.
    pub(crate) fn function(&self) -> Function {
        self.function_after(Duration::ZERO)
    }

    /// The same that takes so long.
    pub(crate) fn function_after(&self, wait: Duration) -> Function {
        let counts = self.clone();
        Function::start(move |event| {
            {
                let mut counts = counts.lock();
                given_by(event).for_each(|it| counts.take(it));
            }
            take_time(wait);
            Answer::Done(String::new())
        })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().expect("nothing panics under this lock")
    }

    /// How many came that had not come before.
    pub(crate) fn n_first(&self) -> usize {
        self.lock().n_first
    }

    /// How many came again.
    pub(crate) fn n_repeated(&self) -> usize {
        self.lock().n_repeated
    }

    /// All of them came, each key's in order.
    pub(crate) fn await_all(&self, n: usize) {
        wait::until_count("all records, each key's in order", n, || self.n_first());
        let counts = self.lock();
        assert_eq!((counts.n_first, counts.early.first()), (n, None));
    }
}

impl Counts {
    fn take(&mut self, record: Given) {
        let key = record.key.expect("each has a key");
        let number: usize = record.value.and_then(|it| it.parse().ok()).expect("each has a number");
        let next = self.next.entry(key.clone()).or_default();
        match number.cmp(next) {
            std::cmp::Ordering::Less => self.n_repeated += 1,
            std::cmp::Ordering::Equal => {
                *next += 1;
                self.n_first += 1;
            }
            std::cmp::Ordering::Greater => self.early.push((key, number)),
        }
    }
}
