//! Queues of a real server, functions that keep a journal, and what the journal says.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use forebay_tests::daemon::Daemon;
use forebay_tests::elasticmq::ElasticMq;
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::scene::Scene;

/// Writes down what a function was given and how it ended, each with one write, so that a kill leaves whole
/// lines or none.
const JOURNAL_PY: &str = r#"
import json, os, pathlib, time

JOURNAL = os.open(pathlib.Path(__file__).resolve().parent.parent / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

def write(**line):
    os.write(JOURNAL, (json.dumps(line) + "\n").encode())

def began(event, context):
    def message(r):
        a = r["attributes"]
        return [r["body"], a.get("MessageGroupId"), int(a["ApproximateReceiveCount"]), int(a["ApproximateFirstReceiveTimestamp"])]
    write(batch=context.aws_request_id, at=time.time_ns() // 1000, messages=[message(r) for r in event["Records"]])

def ended(context, failed=()):
    write(batch=context.aws_request_id, at=time.time_ns() // 1000, failed=[r["body"] for r in failed])
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in failed]}
"#;

/// A folder of its own and queues of its own on the server that tests share.
pub(crate) struct Queues {
    pub(crate) scene: Scene,
    pub(crate) server: &'static ElasticMq,
}

/// A queue.
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) url: String,
    server: &'static ElasticMq,
}

impl Queues {
    pub(crate) fn new() -> Self {
        let it = Self { scene: Scene::new(), server: ElasticMq::shared() };
        it.scene.write("code/journal.py", JOURNAL_PY);
        it
    }

    /// Makes a queue; a FIFO queue when its name says so.
    pub(crate) fn create(&self, name: &str, mut attributes: Value) -> Queue {
        let own = self
            .scene
            .folder()
            .file_name()
            .and_then(|it| it.to_str())
            .expect("a folder has a name")
            .replace('.', "");
        let name = format!("{own}-{name}");
        if name.ends_with(".fifo") {
            attributes["FifoQueue"] = json!("true");
        }
        let url = self.server.create(&name, &attributes);
        Queue { name, url, server: self.server }
    }

    /// Writes the config: functions as lines `name: { … }`, and mappings as [`Self::mapping`] makes them.
    pub(crate) fn config(&self, functions: &[String], mappings: &[String]) {
        let aws = format!(
            "aws: {{ endpoint: \"{}\", access_key_id: x, secret_access_key: x }}\n",
            self.server.endpoint()
        );
        let functions: String = functions.iter().map(|it| format!("  {it}\n")).collect();
        self.scene.write(
            "forebay.yaml",
            &format!("{aws}functions:\n{functions}event_source_mappings:\n{}", mappings.concat()),
        );
    }

    /// A mapping, called like its function, with further settings of its own as a flow map's inside.
    pub(crate) fn mapping(&self, name: &str, queue: &Queue, wait_time: u32, settings: &str) -> String {
        let queue = &queue.name;
        format!(
            "  - {{ name: {name}, source: {{ sqs: {{ queue: {queue}, wait_time: {wait_time} }} }}, {settings} }}\n"
        )
    }

    /// The same, and it shares the queue with the others of it.
    pub(crate) fn sharing(&self, name: &str, queue: &Queue, wait_time: u32, settings: &str) -> String {
        self.mapping(name, queue, wait_time, settings).replace("wait_time", "share: fan_out, wait_time")
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal {
            path: self.scene.path("journal"),
            n_bytes: 0,
            batches: Vec::new(),
            idx_by_id: BTreeMap::new(),
            done: HashSet::new(),
        }
    }
}

/// A function `name` with the handler `app.handler` of the scene's code.
pub(crate) fn python(name: &str, settings: &str) -> String {
    format!(
        "{name}: {{ executor: {{ process: {{ runtime: python3, handler: app.handler, code: ./code }} }}, {settings} }}"
    )
}

impl Queue {
    pub(crate) fn send(&self, bodies: &[String]) {
        let messages: Vec<_> = bodies.iter().map(|it| (it.clone(), None)).collect();
        self.server.send(&self.url, &messages);
    }

    /// Messages that can be received now, and messages in flight.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.server.counts(&self.url)
    }

    pub(crate) fn await_empty(&self) {
        wait::until("an empty queue", || (self.counts() == (0, 0)).then_some(()));
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:sqs:us-east-1:000000000000:{}", self.name)
    }
}

/// One invocation.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Microseconds since 1970.
    pub(crate) began: u64,
    /// `None` while it runs, and when it was killed.
    pub(crate) ended: Option<u64>,
    pub(crate) messages: Vec<Message>,
    /// Bodies of those that it reported as failed.
    pub(crate) failed: HashSet<String>,
}

/// A message as an invocation was given it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) body: String,
    pub(crate) group: String,
    pub(crate) n_receives: u32,
    /// When the queue gave it for the first time, in milliseconds since 1970.
    pub(crate) first_received: u64,
}

/// What the functions of a scene wrote down, read as it grows.
pub(crate) struct Journal {
    path: PathBuf,
    n_bytes: u64,
    pub(crate) batches: Vec<Batch>,
    idx_by_id: BTreeMap<String, usize>,
    /// Bodies of the messages that a function has finished.
    pub(crate) done: HashSet<String>,
}

impl Journal {
    /// Waits until so many messages are done and the queue is empty, stops the daemon, and reads to the end.
    pub(crate) fn await_all(&mut self, n: usize, queue: &Queue, daemon: Daemon) {
        wait::until_count("all messages", n, || self.n_done());
        queue.await_empty();
        let log = daemon.folder.join("log");
        assert!(daemon.stop().success(), "{}", std::fs::read_to_string(log).unwrap_or_default());
        self.n_done();
    }

    /// Reads on; how many messages are done.
    pub(crate) fn n_done(&mut self) -> usize {
        for line in grown(&self.path, &mut self.n_bytes).lines() {
            let line: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
            let id = line["batch"].as_str().expect("a batch has an id").to_owned();
            let at = line["at"].as_u64().expect("a time is a number");
            if let Some(messages) = line["messages"].as_array() {
                self.idx_by_id.insert(id, self.batches.len());
                self.batches.push(Batch {
                    began: at,
                    ended: None,
                    messages: messages.iter().map(message).collect(),
                    failed: HashSet::new(),
                });
                continue;
            }
            let batch = &mut self.batches[self.idx_by_id[&id]];
            batch.ended = Some(at);
            batch.failed = line["failed"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            let done = batch.messages.iter().map(|it| &it.body).filter(|it| !batch.failed.contains(*it));
            self.done.extend(done.cloned());
        }
        self.done.len()
    }

    /// All that was given, by body: which batches, in the order given.
    pub(crate) fn by_body(&self) -> BTreeMap<&str, Vec<(&Batch, &Message)>> {
        let mut all: BTreeMap<&str, Vec<(&Batch, &Message)>> = BTreeMap::new();
        for batch in &self.batches {
            batch.messages.iter().for_each(|it| all.entry(&it.body).or_default().push((batch, it)));
        }
        all
    }
}

fn message(line: &Value) -> Message {
    Message {
        body: line[0].as_str().expect("a body is a text").to_owned(),
        group: line[1].as_str().unwrap_or_default().to_owned(),
        n_receives: line[2].as_u64().and_then(|it| u32::try_from(it).ok()).expect("a count is a number"),
        first_received: line[3].as_u64().expect("a time is a number"),
    }
}

/// The whole lines that a file has grown by.
fn grown(path: &Path, n_bytes: &mut u64) -> String {
    let Ok(mut file) = File::open(path) else { return String::new() };
    file.seek(SeekFrom::Start(*n_bytes)).expect("a file can be read from any place");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("the journal is text");
    text.truncate(text.rfind('\n').map_or(0, |it| it + 1));
    *n_bytes += text.len() as u64;
    text
}
