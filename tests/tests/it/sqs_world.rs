//! A daemon's folder with one mapping from a queue of the strict SQS model to a Python function that writes
//! down what it was given.

use std::collections::BTreeMap;

use forebay_models::sqs::{Attributes, Sent};
use forebay_tests::daemon::Daemon;
use forebay_tests::strict_sqs::StrictSqs;
use forebay_tests::{http, wait};

use crate::scene::Scene;
use crate::transports::transport;

/// Writes down every message of a batch, then does what the bodies ask for; while there is a file `hold` it
/// waits.
const APP: &str = r#"
import json, os, pathlib, time

HERE = pathlib.Path(__file__).resolve().parent.parent
SEEN = os.open(HERE / "seen", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

def handler(event, context):
    n_bytes = len(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode())
    lines, failed = "", []
    for r in event["Records"]:
        n, group, body = r["attributes"]["ApproximateReceiveCount"], r["attributes"].get("MessageGroupId", "-"), r["body"]
        lines += f'{context.aws_request_id}\t{n_bytes}\t{group}\t{n}\t{len(body)}\t{body[:60]}\n'
        if "reported" in body and (n == "1" or "always" in body):
            failed.append({"itemIdentifier": r["messageId"]})
    os.write(SEEN, lines.encode())
    while (HERE / "hold").exists():
        time.sleep(0.01)
    if any("raises" in r["body"] for r in event["Records"]):
        raise ValueError("it was asked to")
    return {"batchItemFailures": failed}
"#;

/// A message that the function was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) batch: String,
    pub(crate) event_bytes: usize,
    pub(crate) group: String,
    pub(crate) n_receives: u32,
    pub(crate) body_chars: usize,
    /// At most sixty characters of it.
    pub(crate) body: String,
}

/// The folder and the server.
pub(crate) struct World {
    pub(crate) scene: Scene,
    pub(crate) server: StrictSqs,
    pub(crate) queue: String,
}

impl World {
    /// A queue that is there, and a config with further settings of the mapping.
    pub(crate) fn new(queue: &str, attributes: Attributes, settings: &str) -> Self {
        let world = Self::without_queue(StrictSqs::start(), queue, settings);
        world.server.create(queue, attributes);
        world
    }

    /// The config names a queue that nobody has made.
    pub(crate) fn without_queue(server: StrictSqs, queue: &str, settings: &str) -> Self {
        let scene = Scene::new();
        scene.write("code/app.py", APP);
        let world = Self { scene, server, queue: queue.to_owned() };
        world.config(&format!("queue_url: \"{}\", wait_time: 1", world.server.url(queue)), settings);
        world
    }

    pub(crate) fn config(&self, source: &str, settings: &str) {
        let settings: String = settings.lines().map(|line| format!("    {}\n", line.trim())).collect();
        let endpoint = self.server.endpoint();
        let transport = transport().map(|it| format!("transport: {it}, ")).unwrap_or_default();
        self.scene.write(
            "forebay.yaml",
            &format!(
                "functions:\n  seen:\n    executor: {{ process: {{ runtime: python3, handler: app.handler, code: ./code }} }}\n    timeout: 25\n\
                 event_source_mappings:\n  - name: messages\n    source: {{ sqs: {{ {source}, {transport}aws: {{ endpoint: \"{endpoint}\", access_key_id: x, \
                 secret_access_key: x }} }} }}\n    function_name: seen\n{settings}"
            ),
        );
    }

    pub(crate) fn send(&self, n: usize) {
        self.server.send(&self.queue, (0..n).map(|n| Sent::plain(&format!("message {n}"))));
    }

    pub(crate) fn send_one(&self, body: &str) {
        self.server.send(&self.queue, [Sent::plain(body)]);
    }

    pub(crate) fn given(&self) -> Vec<Given> {
        let text = self.scene.whole_lines("seen");
        let given = |line: &str| {
            let mut parts = line.splitn(6, '\t').map(str::to_owned);
            let mut part = || parts.next().unwrap_or_else(|| panic!("six parts in {line:?}"));
            let number =
                |text: String| text.parse::<usize>().unwrap_or_else(|error| panic!("{error} in {line:?}"));
            let (batch, event_bytes, group) = (part(), number(part()), part());
            let (n_receives, body_chars) =
                (u32::try_from(number(part())).expect("it is small"), number(part()));
            Given { batch, event_bytes, group, n_receives, body_chars, body: part() }
        };
        text.lines().map(given).collect()
    }

    /// How often each body was given.
    pub(crate) fn times(&self) -> BTreeMap<String, usize> {
        self.given().into_iter().fold(BTreeMap::new(), |mut times, it| {
            *times.entry(it.body).or_default() += 1;
            times
        })
    }

    pub(crate) fn await_given(&self, n_distinct: usize) {
        wait::until("messages given to the function", || (self.times().len() >= n_distinct).then_some(()));
    }

    pub(crate) fn await_empty(&self) {
        let mut last = (0, 0, 0);
        wait::until_told(
            "an empty queue",
            || {
                last = self.server.counts(&self.queue);
                (last == (0, 0, 0)).then_some(())
            },
            || {
                format!(
                    "visible, in flight, delayed: {:?}; the daemon's log:\n{}",
                    self.server.counts(&self.queue),
                    self.log()
                )
            },
        );
    }

    /// Waits until the status of the mapping holds these words, and gives it.
    pub(crate) fn await_status(&self, daemon: &Daemon, words: &str) -> String {
        let status = || {
            http::get(&daemon.admin, "/v1/mappings/messages/status").map(|(_, body)| body).unwrap_or_default()
        };
        wait::until_told(
            &format!("{words} in the status"),
            || Some(status()).filter(|it| it.contains(words)),
            || format!("the status is {}; the log:\n{}", status(), self.log()),
        )
    }

    /// What an operator looks at: work is taken, and the reason is in the verbose page.
    pub(crate) fn assert_ready_and_told(&self, daemon: &Daemon, words: &str) {
        let (code, page) = http::get(&daemon.admin, "/readyz?verbose").expect("the daemon answers");
        assert!(code == 200 && page.contains(words), "{code} {page}");
    }

    /// The queue comes to be empty, the daemon stops cleanly, and every message was given exactly once.
    pub(crate) fn ends_with_each_once(&self, daemon: Daemon, n: usize) {
        self.await_empty();
        assert!(daemon.stop().success());
        self.assert_each_once(n);
    }

    /// Every message was given exactly once, at its first receive.
    pub(crate) fn assert_each_once(&self, n: usize) {
        let given = self.given();
        assert!(given.len() == n && given.iter().all(|it| it.n_receives == 1), "{:?}", self.times());
        assert!(
            self.server.fates(&self.queue).iter().all(|it| it.n_receives == 1),
            "{:?}",
            self.server.fates(&self.queue)
        );
    }

    pub(crate) fn hold(&self) {
        self.scene.write("hold", "");
    }

    pub(crate) fn let_go(&self) {
        std::fs::remove_file(self.scene.path("hold")).expect("the function is held");
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.scene.path("log")).unwrap_or_default()
    }
}
