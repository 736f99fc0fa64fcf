//! Fills a queue, lets one side empty it into the function, and takes the CPU time of that side's process; in
//! turn, several rounds.

mod event;
mod http_loop;
mod sdk_loop;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use forebay_tests::daemon::Daemon;
use forebay_tests::elasticmq::ElasticMq;
use forebay_tests::function::{Answer, Function};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::cpu;

pub(crate) use http_loop::run as http_loop;
pub(crate) use sdk_loop::run as sdk_loop;

const ROUNDS: usize = 3;
/// Receives that a loop has open, as many as Forebay has at first.
const N_TASKS: usize = 5;
/// The loops that Forebay is measured beside, by what starts them: one through AWS's SDK, one that writes and
/// reads the JSON itself and signs nothing.
const LOOPS: [&str; 2] = ["sdk-loop", "http-loop"];
const BODY_BYTES: usize = 256;
/// Enough for the messages of one round.
const HEAP_MB: u32 = 512;

/// What the function has seen.
#[derive(Debug, Default)]
struct Seen {
    n_records: AtomicUsize,
    n_batches: AtomicUsize,
}

/// One side in one round.
struct Figures {
    cpu: Duration,
    took: Duration,
    n_batches: usize,
}

struct Arena {
    server: ElasticMq,
    function: Function,
    seen: Arc<Seen>,
    n: usize,
}

/// Prints a line for each side and round, and the ratios of the medians.
pub(crate) fn run(n: usize) {
    let seen = Arc::new(Seen::default());
    let function = Function::start({
        let seen = Arc::clone(&seen);
        move |event: &Value| {
            seen.n_records.fetch_add(event["Records"].as_array().map_or(0, Vec::len), Ordering::SeqCst);
            seen.n_batches.fetch_add(1, Ordering::SeqCst);
            Answer::Done(String::new())
        }
    });
    let arena = Arena { server: ElasticMq::start_with_heap(HEAP_MB), function, seen, n };
    eprintln!(
        "{n} messages of {BODY_BYTES} bytes a round; CPU is user and system time of the side's own process"
    );
    let mut forebay = Vec::new();
    let mut loops = LOOPS.map(|_| Vec::new());
    for round in 0..ROUNDS {
        forebay.push(arena.tell("forebay", arena.forebay(&format!("forebay-{round}"))));
        for (name, figures) in LOOPS.iter().zip(&mut loops) {
            figures.push(arena.tell(name, arena.plain_loop(name, &format!("{name}-{round}"))));
        }
    }
    let forebay = median(forebay);
    eprintln!("medians: forebay {forebay:.1} CPU seconds per million messages");
    for (name, figures) in LOOPS.iter().zip(loops) {
        let figure = median(figures);
        eprintln!("{name} {figure:.1}: forebay has {:.2} times that", forebay / figure);
    }
}

impl Arena {
    fn forebay(&self, queue: &str) -> Figures {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let url = self.fill(queue);
        let sqs = format!("queue_url: \"{url}\"");
        std::fs::write(
            folder.path().join("forebay.yaml"),
            format!(
                "aws: {{ endpoint: \"{}\", access_key_id: x, secret_access_key: x }}\n\
                 functions:\n  sink: {{ executor: {} }}\n\
                 event_source_mappings:\n  - {{ name: bench, source: {{ sqs: {{ {sqs} }} }}, function_name: sink }}\n",
                self.server.endpoint(),
                self.function.executor()
            ),
        )
        .expect("a file can be written");
        let start = Instant::now();
        let daemon = Daemon::spawn(folder.path());
        let figures = self.empty(&url, daemon.pid(), start);
        daemon.kill();
        figures
    }

    fn plain_loop(&self, name: &str, queue: &str) -> Figures {
        let url = self.fill(queue);
        let me = std::env::current_exe().expect("a program knows its own path");
        let start = Instant::now();
        let mut side = start_loop(&me, &[name, &self.server.endpoint(), &url, &self.function.url()]);
        let figures = self.empty(&url, side.id(), start);
        side.kill().expect("it can be killed");
        side.wait().expect("it can be waited for");
        figures
    }

    fn fill(&self, queue: &str) -> String {
        let url = self.server.create(queue, &json!({ "VisibilityTimeout": "300" }));
        let message = |n: usize| (format!("{n:0BODY_BYTES$}"), None);
        self.server.send(&url, &(0..self.n).map(message).collect::<Vec<_>>());
        self.seen.n_records.store(0, Ordering::SeqCst);
        self.seen.n_batches.store(0, Ordering::SeqCst);
        url
    }

    /// Waits until the queue is empty.
    fn empty(&self, url: &str, pid: u32, start: Instant) -> Figures {
        wait::until_count("all messages", self.n, || self.seen.n_records.load(Ordering::SeqCst));
        let took = start.elapsed();
        wait::until("an empty queue", || (self.server.counts(url) == (0, 0)).then_some(()));
        Figures { cpu: cpu::of(pid), took, n_batches: self.seen.n_batches.load(Ordering::SeqCst) }
    }

    /// CPU seconds per million messages.
    fn tell(&self, side: &str, figures: Figures) -> f64 {
        let Figures { cpu, took, n_batches } = figures;
        let per_million = cpu.as_secs_f64() * 1e6 / self.n as f64;
        let rate = self.n as f64 / took.as_secs_f64();
        eprintln!("{side:9} {per_million:7.1} CPU s per million; {rate:6.0} messages/s, {n_batches} batches");
        per_million
    }
}

fn start_loop(me: &Path, args: &[&str]) -> Child {
    Command::new(me).args(args).stdin(Stdio::null()).spawn().expect("it starts")
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
