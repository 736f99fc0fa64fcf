//! A node of Kafka: its settings, its process, its folder, which stays while it is down.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::java_server::{JavaServer, fetched, run_java};
use crate::ports::free_port;
use crate::wait;

const FOLDER: &str = "kafka-4.4.0";
const HEAP_MB: u32 = 192;
/// Any 16 bytes do.
const CLUSTER_ID: &str = "AAAAAAAAAAAAAAAAAAAAAQ";
/// Small and quick: for few records, on few cores, and for brokers that go down and come again.
const COMMON: &str = "process.roles=broker,controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
num.partitions=1
num.network.threads=2
num.io.threads=2
num.recovery.threads.per.data.dir=1
background.threads=2
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=4000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=500
auto.create.topics.enable=false
log.segment.bytes=1048576
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.threads=1
log.cleaner.backoff.ms=500
log.index.size.max.bytes=1048576
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
";
const REPLICATION: [&str; 3] = [
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
];
const IN_SYNC: [&str; 3] =
    ["transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr", "min.insync.replicas"];

/// Where a node listens for clients.
#[derive(Debug, Clone)]
pub(super) struct KafkaListener {
    /// Its name in the settings.
    pub(super) name: &'static str,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub(super) protocol: &'static str,
    /// What clients are told.
    pub(super) host: &'static str,
    port: u16,
    /// The port that clients are told.
    told_port: u16,
}

impl KafkaListener {
    pub(super) fn new(name: &'static str, protocol: &'static str, host: &'static str) -> Self {
        let port = free_port();
        Self { name, protocol, host, port, told_port: port }
    }

    /// The same, of which clients are told another port, from where a way leads here.
    pub(super) fn told(self, told_port: u16) -> Self {
        Self { told_port, ..self }
    }

    /// Where it listens, as `host:port`.
    pub(super) fn bound(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The one that asks nobody who calls, over which nodes speak with one another, too.
    pub(super) fn plain() -> Self {
        Self::new("PLAINTEXT", "PLAINTEXT", "127.0.0.1")
    }
}

/// A node of a cluster, running or down.
#[derive(Debug)]
pub(super) struct Node {
    listeners: Vec<KafkaListener>,
    folder: PathBuf,
    server: Option<JavaServer>,
}

impl Node {
    /// A node of a cluster of one.
    pub(super) fn alone(listeners: Vec<KafkaListener>, further: &str) -> Self {
        Self::of_cluster(1, free_port(), &[], listeners, further)
    }

    /// One of several whose controllers are at these ports; none for a cluster of one. Its replicas are spread
    /// over all of them.
    pub(super) fn of_cluster(
        id: usize,
        port: u16,
        controllers: &[u16],
        listeners: Vec<KafkaListener>,
        further: &str,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made").keep();
        let n_nodes = controllers.len().max(1);
        let quorum = if controllers.is_empty() { vec![port] } else { controllers.to_vec() };
        let quorum: Vec<String> = quorum.iter().map(|it| format!("127.0.0.1:{it}")).collect();
        let mut text = format!(
            "{COMMON}node.id={id}\ncontroller.quorum.bootstrap.servers={}\nlog.dirs={}\n",
            quorum.join(","),
            folder.join("data").display()
        );
        let each = |part: &dyn Fn(&KafkaListener) -> String| {
            listeners.iter().map(part).collect::<Vec<_>>().join(",")
        };
        let mut line = |key: &str, value: &str| {
            writeln!(text, "{key}={value}").expect("text can be written to a text");
        };
        let bound = each(&|it| format!("{}://{}", it.name, it.bound()));
        line("listeners", &format!("{bound},CONTROLLER://127.0.0.1:{port}"));
        line("advertised.listeners", &each(&|it| format!("{}://{}:{}", it.name, it.host, it.told_port)));
        let protocols = each(&|it| format!("{}:{}", it.name, it.protocol));
        line("listener.security.protocol.map", &format!("CONTROLLER:PLAINTEXT,{protocols}"));
        REPLICATION.iter().for_each(|key| line(key, &n_nodes.to_string()));
        IN_SYNC.iter().for_each(|key| line(key, &n_nodes.div_ceil(2).to_string()));
        text.push_str(further);
        std::fs::write(folder.join("server.properties"), text).expect("a file can be written");
        Self { listeners, folder, server: None }
    }

    /// Prepares its folder.
    pub(super) fn format(&self, further: &[&str]) {
        let settings = self.settings();
        let fixed = ["format", "-t", CLUSTER_ID, "-c", &settings];
        let (went_well, said) = run(96, "kafka.tools.StorageTool", &[&fixed, further].concat());
        assert!(went_well, "the storage of a node was not formatted: {said}");
    }

    /// Starts it, without waiting.
    pub(super) fn launch(&mut self) {
        let mut arguments = java_arguments(FOLDER);
        arguments.extend(["kafka.Kafka".to_owned(), self.settings()]);
        self.server = Some(JavaServer::start_in(self.folder.clone(), HEAP_MB, arguments));
    }

    /// Waits until it answers. A port that listens is too early.
    pub(super) fn await_ready(&self) {
        let is_ready = || self.log().contains("Kafka Server started");
        wait::until_told("Kafka", || is_ready().then_some(()), || self.log());
    }

    /// SIGKILL; its folder stays.
    pub(super) fn kill(&mut self) {
        self.server.take().expect("it runs").kill();
    }

    /// SIGTERM, and waits for its end; its folder stays.
    pub(super) fn stop(&mut self) {
        self.server.take().expect("it runs").stop();
    }

    pub(super) fn signal(&self, name: &str) {
        self.server.as_ref().expect("it runs").signal(name);
    }

    pub(super) fn is_running(&self) -> bool {
        self.server.is_some()
    }

    /// Where clients find a listener, as `host:port`.
    pub(super) fn address(&self, listener: &str) -> String {
        let it = self.listeners.iter().find(|it| it.name == listener);
        let it = it.unwrap_or_else(|| panic!("there is no listener {listener}"));
        format!("{}:{}", it.host, it.told_port)
    }

    pub(super) fn log(&self) -> String {
        self.server.as_ref().map(JavaServer::log).unwrap_or_default()
    }

    fn settings(&self) -> String {
        self.folder.join("server.properties").display().to_string()
    }
}

/// What ends with its process goes with it; a node that is down has none.
impl Drop for Node {
    fn drop(&mut self) {
        if self.server.take().is_none() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Runs a program of the broker's own libraries to its end.
fn run(heap_mb: u32, class: &str, arguments: &[&str]) -> (bool, String) {
    let mut all = java_arguments(FOLDER);
    all.push(class.to_owned());
    all.extend(arguments.iter().map(|it| (*it).to_owned()));
    run_java(heap_mb, &all)
}

/// What Java is told before the name of a class. Classes that were archived are mapped; without the archive it
/// starts as well.
pub(super) fn java_arguments(folder: &str) -> Vec<String> {
    let folder: &Path = &fetched(folder);
    vec![
        format!("-XX:SharedArchiveFile={}", folder.join("kafka.jsa").display()),
        format!("-Dlog4j2.configurationFile={}", folder.join("log4j2.properties").display()),
        "-cp".to_owned(),
        format!("{}/*", folder.join("lib").display()),
    ]
}
