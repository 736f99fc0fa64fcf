//! A daemon's folder with one mapping of a stream behind a gate, which is pulled, pushed or a table's, and what
//! its function was given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_tests::daemon::Daemon;
use forebay_tests::dynamodb_local::DynamoDbLocal;
use forebay_tests::function::{Answer, Function, lambda_of_nothing};
use forebay_tests::gate::Gate;
use forebay_tests::kinesis_local::{ACCOUNT, KinesisLocal};
use forebay_tests::{http, wait};
use serde_json::{Value, json};

use crate::journal::Journal;
use crate::scene::Scene;

/// What is read, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A stream of Kinesis.
    Pulled,
    /// The same by AWS's SDK.
    PulledBySdk,
    /// The same by enhanced fan-out.
    Pushed,
    /// The stream of a table of DynamoDB.
    Table,
}

impl Way {
    /// The settings of the source `orders`.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Pulled => "kinesis: { stream: orders, poll_interval: 0.25 }",
            Self::PulledBySdk => "kinesis: { stream: orders, poll_interval: 0.25, transport: sdk }",
            Self::Pushed => "kinesis: { stream: orders, fan_out: { consumer_name: forebay } }",
            Self::Table => "dynamodb: { table: orders, poll_interval: 0.25 }",
        }
    }

    /// The one of Kinesis' code and DynamoDB's that this way has.
    pub(crate) fn code(self, kinesis: &'static str, dynamodb: &'static str) -> &'static str {
        if self == Self::Table { dynamodb } else { kinesis }
    }

    /// What brings records.
    pub(crate) fn reading(self) -> &'static str {
        if self == Self::Pushed { "SubscribeToShard" } else { "GetRecords" }
    }
}

/// The real server.
enum Server {
    Kinesis(KinesisLocal),
    Tables(DynamoDbLocal),
}

/// The folder, the server and the gate before it.
pub(crate) struct World {
    pub(crate) scene: Scene,
    pub(crate) gate: Gate,
    pub(crate) journal: Journal,
    server: Server,
    n_written: std::cell::Cell<usize>,
    _function: Function,
}

impl World {
    /// With a stream that is there.
    pub(crate) fn new(way: Way) -> Self {
        let world = Self::without_stream(way);
        world.create();
        world
    }

    /// The config names a stream that nobody has made.
    pub(crate) fn without_stream(way: Way) -> Self {
        let server = match way {
            Way::Table => Server::Tables(DynamoDbLocal::start()),
            Way::Pulled | Way::PulledBySdk | Way::Pushed => Server::Kinesis(KinesisLocal::start()),
        };
        let endpoint = match &server {
            Server::Kinesis(it) => it.endpoint(),
            Server::Tables(it) => it.endpoint(),
        };
        let (scene, gate, journal) = (Scene::new(), Gate::before(&endpoint), Journal::default());
        let function = journal.function();
        write_config(&scene, &gate, &function, way.source());
        Self { scene, gate, journal, server, n_written: 0.into(), _function: function }
    }

    pub(crate) fn create(&self) {
        match &self.server {
            Server::Kinesis(it) => drop(it.create("orders", 1)),
            Server::Tables(it) => drop(it.create("orders")),
        }
    }

    pub(crate) fn delete(&self) {
        match &self.server {
            Server::Kinesis(it) => {
                it.call("DeleteStream", &json!({ "StreamName": "orders", "EnforceConsumerDeletion": true }));
            }
            Server::Tables(it) => drop(it.call("DeleteTable", &json!({ "TableName": "orders" }))),
        }
    }

    /// Writes so many records, past the gate. Each has a number of its own that goes up.
    pub(crate) fn write(&self, n_records: usize) {
        for _ in 0..n_records {
            let n = self.n_written.replace(self.n_written.get() + 1);
            match &self.server {
                Server::Kinesis(it) => drop(it.put("orders", "k", &n.to_string())),
                Server::Tables(it) => it.put("orders", "k", 0, n),
            }
        }
    }

    /// Waits until all that was written was given: each once, in its order.
    pub(crate) fn await_given(&self) {
        let wanted: Vec<usize> = (0..self.n_written.get()).collect();
        let given = || self.journal.records().iter().map(number_of).collect::<Vec<usize>>();
        let told = || format!("given: {:?}; the log:\n{}", given(), self.log());
        wait::until_told("all records", || (given().len() >= wanted.len()).then_some(()), told);
        assert_eq!(given(), wanted, "each once, in its order");
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.scene.path("log")).unwrap_or_default()
    }

    pub(crate) fn start(&self) -> Daemon {
        Daemon::start(self.scene.folder())
    }
}

/// The config of the one mapping `orders`.
pub(crate) fn write_config(scene: &Scene, gate: &Gate, function: &Function, source: &str) {
    let mapping = format!(
        "\n- {{ name: orders, source: {{ {source} }}, function_name: seen, starting_position: TRIM_HORIZON }}"
    );
    write_mappings(scene, gate, function, &mapping);
}

/// A config with these mappings, and the function `seen`.
pub(crate) fn write_mappings(scene: &Scene, gate: &Gate, function: &Function, mappings: &str) {
    let (endpoint, lambda, executor) = (gate.endpoint(), lambda_of_nothing(), function.executor());
    scene.write(
        "forebay.yaml",
        &format!(
            "aws: {{ endpoints: {{ kinesis: \"{endpoint}\", dynamodb: \"{endpoint}\", lambda: \"{lambda}\" }}, region: us-east-1, \
             access_key_id: \"{ACCOUNT}\", secret_access_key: x }}\nfunctions: {{ seen: {{ executor: {executor}, timeout: 10 }} }}\n\
             event_source_mappings:{mappings}\n"
        ),
    );
}

/// Waits until the status of the mapping holds these words, and gives it: work is taken meanwhile, and the page
/// that operators look at says so as well.
pub(crate) fn await_told(daemon: &Daemon, words: &str) -> String {
    let status =
        || http::get(&daemon.admin, "/v1/mappings/orders/status").map(|(_, body)| body).unwrap_or_default();
    let told = wait::until_told(
        &format!("{words} in the status"),
        || Some(status()).filter(|it| it.contains(words)),
        || format!("the status is {}; the log:\n{}", status(), daemon.log()),
    );
    let (code, page) = http::get(&daemon.admin, "/readyz?verbose").expect("the daemon answers");
    assert!(code == 200, "{code} {page}");
    told
}

/// The number that a record was written with.
pub(crate) fn number_of(record: &Value) -> usize {
    let text = match record["kinesis"]["data"].as_str() {
        Some(data) => String::from_utf8(STANDARD.decode(data).expect("base64")).expect("a text"),
        None => record["dynamodb"]["NewImage"]["n"]["N"].as_str().expect("it has an n").to_owned(),
    };
    text.split_whitespace()
        .next()
        .and_then(|it| it.parse().ok())
        .unwrap_or_else(|| panic!("{text:.99} is no number"))
}

/// How often each number was given.
pub(crate) type Counted = Arc<Mutex<BTreeMap<usize, usize>>>;

/// A function that counts what it is given, and keeps nothing else.
pub(crate) fn counting(given: &Counted) -> Function {
    let given = Arc::clone(given);
    Function::start(move |event| {
        let mut given = given.lock().expect("nothing panics under this lock");
        for record in event["Records"].as_array().into_iter().flatten() {
            *given.entry(number_of(record)).or_default() += 1;
        }
        Answer::Done(String::new())
    })
}

/// How often each number was given.
pub(crate) fn times(journal: &Journal) -> BTreeMap<usize, usize> {
    journal.records().iter().fold(BTreeMap::new(), |mut times, it| {
        *times.entry(number_of(it)).or_default() += 1;
        times
    })
}
