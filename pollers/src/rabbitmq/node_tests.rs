//! The contract of queues over a real node of RabbitMQ. A channel that dies at a given moment, and hours that pass,
//! are the fake's; tests of the whole have the node killed under load.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use forebay_batcher::{Settle, Settled, Settlement};
use forebay_clients::Clients;
use forebay_config::{Document, document::Format};
use forebay_tests::rabbitmq::{PASSWORD, Rabbit, RabbitAdmin, RabbitMessage, USER};
use serde_json::json;
use tempfile::TempDir;

use super::settings::RabbitSettings;
use crate::contract::{QueueSubject, check_queue};
use crate::source::{Demand, Source, SourceSettings as _};

/// A queue of its own on a node.
struct NodeSubject {
    node: Arc<Mutex<Rabbit>>,
    admin: RabbitAdmin,
    queue: String,
    source: Arc<dyn Source>,
}

impl NodeSubject {
    fn new(node: &Arc<Mutex<Rabbit>>, folder: &TempDir) -> Self {
        static N_QUEUES: AtomicU32 = AtomicU32::new(0);
        let queue = format!("contract-{}", N_QUEUES.fetch_add(1, Ordering::Relaxed));
        let (admin, host) = {
            let node = node.lock().expect("nothing panics under this lock");
            (node.admin(), node.host())
        };
        // A quorum queue tells its count every five seconds only.
        admin.declare(&queue, "classic", json!({}));
        let text = format!(
            "{{ hosts: ['{host}'], username: {USER}, password: 'file:password', queues: [{queue}], delivery_ids: present }}"
        );
        let settings = Document::parse("test", &text, Format::Yaml, folder.path()).expect("it is YAML");
        let settings = RabbitSettings::parse(&settings.root, folder.path()).expect("they are right");
        let clients = Clients::default();
        let connected = settings.connect(&clients);
        let source = futures_util::FutureExt::now_or_never(connected).map(|it| it.expect("it is reached"));
        let source = source.unwrap_or_else(|| panic!("a connection is made by the first receive"));
        Self { node: Arc::clone(node), admin, queue, source }
    }
}

impl QueueSubject for NodeSubject {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    fn send(&mut self, body: &str, _group: Option<u32>) {
        self.admin.publish(&self.queue, &RabbitMessage::named("", body));
    }

    /// An ack is on its way for a moment, and has no answer.
    fn n_left(&self) -> usize {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let n = self.admin.queue(&self.queue)["messages"].as_u64();
            if n == Some(0) || Instant::now() > until {
                return n.map_or(usize::MAX, |it| usize::try_from(it).expect("it is small"));
            }
        }
    }

    fn set_broken(&mut self, is_broken: bool) {
        let mut node = self.node.lock().expect("nothing panics under this lock");
        if is_broken { node.kill() } else { node.launch() }
    }

    fn delay(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn n_seeds(&self) -> u64 {
        if std::env::var_os("FOREBAY_LONG").is_some() { 24 } else { 3 }
    }

    fn has_groups(&self) -> bool {
        false
    }
}

fn secret(folder: &Path) {
    let path = folder.join("password");
    fs::write(&path, PASSWORD).expect("a file can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file's mode can be set");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_of_queues_holds_over_a_real_node() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    secret(folder.path());
    let node = Arc::new(Mutex::new(Rabbit::start("{collect_statistics_interval, 500}")));
    check_queue(|| Box::new(NodeSubject::new(&node, &folder))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_prefetch_holds_on_the_same_channel_and_what_was_owed_stays_so() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    secret(folder.path());
    let node = Arc::new(Mutex::new(Rabbit::start("{collect_statistics_interval, 500}")));
    let mut subject = NodeSubject::new(&node, &folder);
    let queue = subject.source().queue().expect("it is a queue");
    (0..20).for_each(|n| subject.send(&n.to_string(), None));
    queue.handle_demand(Demand { records: 2, bytes: 64 << 20 });
    let mut held = Vec::new();
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        held.extend(queue.receive(20, Duration::from_millis(200)).await.expect("the node works"));
    }
    assert_eq!(held.len(), 4, "no more is pushed than may be owed");
    queue.handle_demand(Demand { records: 20, bytes: 64 << 20 });
    while held.len() < 20 {
        let more = queue.receive(20, Duration::from_secs(15)).await.expect("the node works");
        assert!(!more.is_empty(), "more is pushed");
        held.extend(more);
    }
    let settlements = held.into_iter().map(|it| Settlement { receipt: it.receipt, how: Settle::Delete });
    let answers = queue.settle(settlements.collect()).await;
    assert!(answers.iter().all(|(_, settled)| *settled == Settled::Done), "{answers:?}");
    assert_eq!(subject.n_left(), 0);
}
