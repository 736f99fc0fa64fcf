//! The admin listener over a real socket on loopback.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use forebay_api::server::{Access, CallerRate, Guard, Hosts, Policy};
use forebay_batcher::UnixMillis;
use forebay_checkpoints::{CheckpointStore, MemoryStore};
use forebay_daemon::admin::{Admin, AdminError, BoundListener, Inspections, Reloads, Steering};
use forebay_daemon::clock::Clock;
use forebay_daemon::control::ChangeError;
use forebay_daemon::lifecycle::Lifecycle;
use forebay_daemon::metrics::Gauges;
use forebay_daemon::registry::{Entry, Registry};
use forebay_daemon::reload::{ReloadOutcome, ReloadRequest, ReloadStatus};
use forebay_pollers::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

pub(crate) struct Listening {
    pub(crate) admin: Admin,
    registry: Arc<Registry>,
    entry: Arc<Entry>,
    draining: CancellationToken,
    store: MemoryStore,
    folder: tempfile::TempDir,
    pub(crate) asked: Receiver<ReloadRequest>,
    status: Arc<ReloadStatus>,
}

/// Pauses nothing, and the API made one mapping, `made`: what a real one does is seen where the whole daemon
/// runs.
struct NoSteering;

impl Steering for NoSteering {
    fn pause<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<(), ChangeError>> {
        Box::pin(async { Ok(()) })
    }

    fn resume<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<(), ChangeError>> {
        Box::pin(async { Err(ChangeError::Ending) })
    }

    fn exported<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<serde_json::Value>> {
        let made = serde_json::json!({ "name": "made", "enabled": true, "source": { "sqs": { "queue": "q" } }, "function_name": "f" });
        Box::pin(async move { (name == "made").then_some(made) })
    }
}

/// Lets everybody in, as a process without keys does.
pub(crate) fn open_guard() -> Guard {
    let rate = CallerRate { requests_per_second: NonZeroU32::MAX, requests_burst: NonZeroU32::MAX };
    Guard::new(Policy { account: "000000000000".into(), access: Access::Open, hosts: Hosts::default(), rate })
}

async fn listening() -> Listening {
    let registry = Arc::new(Registry::default());
    let (entry, _) = Entry::new("m", "fake", "fake:there".into(), "f".into());
    registry.insert(entry);
    listening_to(registry).await
}

/// A listener over mappings, of which one is called `m`.
pub(crate) async fn listening_to(registry: Arc<Registry>) -> Listening {
    listening_behind(registry, &open_guard()).await
}

/// The same behind a guard.
pub(crate) async fn listening_behind(registry: Arc<Registry>, guard: &Guard) -> Listening {
    let folder = tempfile::tempdir().unwrap();
    let entry = registry.entry("m").unwrap();
    let draining = CancellationToken::new();
    let store = MemoryStore::default();
    let bound = BoundListener::bind("127.0.0.1:0".parse().unwrap(), folder.path()).await.unwrap();
    let (requests, asked) = forebay_daemon::reload::requests();
    let status = Arc::new(ReloadStatus::default());
    let reloads = Reloads { requests, status: Arc::clone(&status) };
    let inspections = Inspections {
        registry: Arc::clone(&registry),
        store: store.health(),
        clock: Clock::start_at(UnixMillis(0)),
        draining: draining.clone(),
        reloads,
        steering: Arc::new(NoSteering),
    };
    let admin = bound.serve(inspections, guard);
    Listening { admin, registry, entry, draining, store, folder, asked, status }
}

impl Listening {
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.get_as(path, &self.admin.address().to_string()).await
    }

    async fn get_as(&self, path: &str, host: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await
    }

    async fn post(&self, path: &str, header: &str) -> (u16, String) {
        self.ask(&format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{header}content-length: 0\r\nconnection: close\r\n\r\n")).await
    }

    pub(crate) async fn ask(&self, request: &str) -> (u16, String) {
        let mut connection = TcpStream::connect(self.admin.address()).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }
}

#[tokio::test]
async fn readiness_follows_start_store_and_drain_and_not_a_remote_source() {
    let it = listening().await;
    assert_eq!(it.get("/livez").await.0, 200);
    assert_eq!((it.get("/startupz").await.0, it.get("/readyz").await.0), (503, 503), "not tried yet");
    it.entry.set_lifecycle(Lifecycle::Enabling { error: "no route".into(), n_failures: 2 });
    assert_eq!(
        (it.get("/startupz").await.0, it.get("/readyz").await.0),
        (200, 200),
        "a source that is down does not count"
    );
    let (_, verbose) = it.get("/readyz?verbose").await;
    assert_eq!(verbose, "ok\nm [Enabling] Could not be started 2 times in a row (no route); tried again.\n");
    it.entry.set_lifecycle(Lifecycle::Enabled);
    it.registry.insert(Entry::new("late", "fake", "fake:there".into(), "f".into()).0);
    assert_eq!(
        (it.get("/startupz").await.0, it.get("/readyz").await.0),
        (200, 200),
        "nor does a mapping that comes later"
    );
    it.entry.metrics().set(Default::default(), Gauges { store_failing: true, ..Gauges::default() });
    let (status, body) = it.get("/readyz").await;
    assert!(status == 503 && body.contains("no new work is taken"), "{body}");
    it.entry.metrics().set(Default::default(), Gauges::default());
    it.store.fill();
    assert_eq!(
        it.get("/readyz").await,
        (503, "the disk of the data folder is full: no new work is taken\n".into())
    );
    it.store.empty();
    assert_eq!(it.get("/readyz").await.0, 200);
    it.draining.cancel();
    assert_eq!(it.get("/readyz").await, (503, "draining\n".into()));
    it.admin.stop().await;
}

#[tokio::test]
async fn mappings_and_metrics_are_told() {
    let it = listening().await;
    let (status, body) = it.get("/v1/mappings/m/status").await;
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &told["state"], &told["last_processing_result"]),
        (200, &"Creating".into(), &"No records processed".into())
    );
    assert_eq!(told["counts"]["polled_event_count"], 0);
    let (_, list) = it.get("/v1/mappings").await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&list).unwrap()["mappings"][0]["name"], "m");
    assert_eq!(it.get("/v1/mappings/other/status").await.0, 404);
    let series = "forebay_polled_event_count_total{mapping=\"m\",source=\"fake\"} 0";
    assert!(it.get("/metrics").await.1.contains(series));
    it.registry.remove("m");
    assert!(!it.get("/metrics").await.1.contains("mapping=\"m\""));
    it.admin.stop().await;
}

#[tokio::test]
async fn a_name_that_is_not_loopback_is_misdirected() {
    let it = listening().await;
    assert_eq!(it.get_as("/livez", "rebound.example.com").await.0, 421);
    assert_eq!(it.get_as("/metrics", "10.1.2.3:9470").await.0, 421);
    assert_eq!(it.get_as("/livez", "localhost:1").await.0, 200);
    it.admin.stop().await;
}

#[tokio::test]
async fn the_address_is_written_down_while_the_listener_stands() {
    let it = listening().await;
    let file = it.folder.path().join("admin.addr");
    let written: SocketAddr = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    assert_eq!(written, it.admin.address());
    let taken = BoundListener::bind(written, it.folder.path()).await.unwrap_err();
    assert_eq!(taken.code(), "FB-0506");
    it.admin.stop().await;
    assert!(!file.exists());
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused() {
    let refused = BoundListener::bind("0.0.0.0:0".parse().unwrap(), std::path::Path::new("/nowhere"))
        .await
        .unwrap_err();
    assert!(matches!(refused, AdminError::NotLoopback(_)), "{refused}");
}

#[tokio::test]
async fn a_reload_is_answered_with_what_became_of_it_and_a_rejection_stays_visible() {
    let mut it = listening().await;
    let rejected: ReloadOutcome = serde_json::from_value(
        serde_json::json!({ "outcome": "rejected", "code": "FB-0107", "message": "FB-0107: no", "details": [], "drawn": "" }),
    )
    .unwrap();
    let mut asked = std::mem::replace(&mut it.asked, tokio::sync::mpsc::channel(1).1);
    let status = Arc::clone(&it.status);
    let answering = tokio::spawn(async move {
        let request = asked.recv().await.unwrap();
        status.note(&rejected, UnixMillis(1_500));
        request.send(rejected).unwrap();
        let request = asked.recv().await.unwrap();
        let applied = ReloadOutcome::Applied(Default::default());
        status.note(&applied, UnixMillis(2_500));
        request.send(applied).unwrap();
    });
    let (code, body) = it.post("/v1/reload", "").await;
    assert!(code == 422 && body.contains("\"code\":\"FB-0107\""), "{code} {body}");
    let (_, page) = it.get("/readyz?verbose").await;
    assert!(
        page.contains("config [Rejected] What was read at 1970-01-01T00:00:01.500Z is not in use, the former config is: FB-0107: no\n"),
        "{page}"
    );
    let page = it.get("/metrics").await.1;
    assert!(
        page.contains("forebay_config_reloads_total{outcome=\"rejected\"} 1\n")
            && page.contains("forebay_config_rejected 1.0\n"),
        "{page}"
    );
    assert_eq!(
        it.post("/v1/reload", "origin: http://example.com\r\n").await.0,
        403,
        "no web page asks for it"
    );
    assert_eq!(it.get("/v1/reload").await.0, 405);
    assert_eq!(it.post("/v1/reload", "").await.0, 200);
    assert!(!it.get("/readyz?verbose").await.1.contains("Rejected"));
    answering.await.unwrap();
    assert_eq!(it.post("/v1/reload", "").await.0, 503, "nobody takes requests any more");
    it.admin.stop().await;
}
