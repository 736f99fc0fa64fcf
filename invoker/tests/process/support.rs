//! A function in a folder of its own, its executor, and the lines it printed.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_batcher::{BatchLane, Position, Reply, TrackIdx};
use forebay_config::FunctionName;
use forebay_config::function::{ExecutorSettings, Function, ProcessSettings, Runtime, Sandbox};
use forebay_invoker::executors::process::{
    FunctionLine, LogSink, ProcessError, ProcessExecutor, ProcessOptions, Stream,
};
use forebay_invoker::{Event, Executor, HandOff, HandOffs, HandedBatch, InvokeError};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a test says about its function.
pub(crate) struct Setup {
    pub(crate) runtime: Runtime,
    pub(crate) handler: &'static str,
    pub(crate) timeout: Duration,
    pub(crate) concurrency: Option<u32>,
    pub(crate) idle_ttl: Duration,
    pub(crate) environment: BTreeMap<String, String>,
    /// Where the code is; a temporary folder with `files` where none is said.
    pub(crate) code: Option<PathBuf>,
    pub(crate) files: Vec<(&'static str, String)>,
}

impl Setup {
    pub(crate) fn python(app: &str) -> Self {
        Self::new(Runtime::Python3, "app.handler", vec![("app.py", app.to_owned())])
    }

    /// A client of the Runtime API that a test writes itself: `app` runs instead of our bootstrap's loop,
    /// with `raw.py` at hand.
    pub(crate) fn raw(app: &str) -> Self {
        let app = format!("from raw import *\n{app}");
        Self::new(
            Runtime::Python3,
            "app.handler",
            vec![("raw.py", include_str!("raw.py").to_owned()), ("app.py", app)],
        )
    }

    pub(crate) fn node(app: &str) -> Self {
        Self::new(Runtime::Nodejs, "app.handler", vec![("app.js", app.to_owned())])
    }

    pub(crate) fn provided(bootstrap: &str) -> Self {
        Self::new(Runtime::Provided, "", vec![("bootstrap", bootstrap.to_owned())])
    }

    pub(crate) fn new(runtime: Runtime, handler: &'static str, files: Vec<(&'static str, String)>) -> Self {
        Self {
            runtime,
            handler,
            timeout: Duration::from_secs(30),
            concurrency: Some(1),
            idle_ttl: Duration::from_secs(600),
            environment: BTreeMap::new(),
            code: None,
            files,
        }
    }

    pub(crate) async fn start(self) -> Host {
        self.try_start().await.unwrap()
    }

    pub(crate) async fn try_start(self) -> Result<Host, ProcessError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in &self.files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let settings = ProcessSettings {
            runtime: self.runtime,
            handler: self.handler.to_owned(),
            code: self.code.unwrap_or_else(|| PathBuf::from(".")),
            environment: self.environment,
            memory_size: NonZeroU32::new(128).unwrap(),
            idle_ttl: self.idle_ttl,
            sandbox: Sandbox::None,
        };
        let function = Function {
            name: FunctionName::parse("tested").unwrap(),
            executor: ExecutorSettings::Process(settings.clone()),
            timeout: self.timeout,
            concurrency: self.concurrency,
            rate: None,
        };
        let lines = Arc::new(Lines::default());
        let options = ProcessOptions {
            region: "eu-north-1".to_owned(),
            account: "123456789012".to_owned(),
            base: folder.path().to_owned(),
            interpreters: Arc::default(),
            log: Arc::clone(&lines) as Arc<dyn LogSink>,
        };
        let executor = ProcessExecutor::new(&function, &settings, options).await?;
        Ok(Host { executor, lines, folder })
    }
}

/// Where the batch of each event lies.
fn hand_off() -> HandOff {
    let (first, last) = (Position::number(7), Position::number(9));
    let batch = HandedBatch {
        track: "logs/ä b.log",
        lane: BatchLane { track: TrackIdx(1), lane: 0, n_lanes: 4 },
        n_records: 3,
        positions: Some((&first, &last)),
        window: None,
    };
    HandOffs::of("orders").tell(batch, false)
}

/// A function that can be invoked.
pub(crate) struct Host {
    pub(crate) executor: ProcessExecutor,
    pub(crate) lines: Arc<Lines>,
    pub(crate) folder: TempDir,
}

impl Host {
    pub(crate) async fn try_invoke(&self, event: &str) -> Result<Reply, InvokeError> {
        // In two pieces, as a batch arrives.
        let (head, tail) = event.split_at(event.len() / 2);
        let pieces = vec![Bytes::copy_from_slice(head.as_bytes()), Bytes::copy_from_slice(tail.as_bytes())];
        // Said of every batch of a stream, so every client must read it.
        let event = Event { pieces, hand_off: Some(hand_off()) };
        tokio::time::timeout(PATIENCE, self.executor.invoke(event))
            .await
            .expect("an invocation ends by itself")
    }

    pub(crate) async fn invoke(&self, event: &str) -> Reply {
        self.try_invoke(event).await.unwrap()
    }

    /// The answer of an invocation that succeeds.
    pub(crate) async fn answer(&self, event: &str) -> Value {
        let reply = self.invoke(event).await;
        assert_eq!(reply.function_error, None, "{reply:?}");
        payload(&reply)
    }

    /// The error of an invocation that fails.
    pub(crate) async fn error(&self, event: &str) -> Value {
        let reply = self.invoke(event).await;
        assert_eq!(reply.function_error.as_deref(), Some("Unhandled"), "{reply:?}");
        assert_eq!((reply.status, reply.executed_version.as_deref()), (Some(200), Some("$LATEST")));
        let error = payload(&reply);
        let text = |name: &str| error[name].as_str().unwrap().lines().next().unwrap_or_default().to_owned();
        assert_eq!(
            reply.error.as_deref(),
            Some(&*format!("{}: {}", text("errorType"), text("errorMessage")))
        );
        error
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn stop(&self) {
        tokio::time::timeout(PATIENCE, self.executor.stop(Duration::from_secs(5)))
            .await
            .expect("a stop ends by itself");
    }
}

pub(crate) fn payload(reply: &Reply) -> Value {
    serde_json::from_slice(reply.payload.as_deref().unwrap()).unwrap()
}

/// A line as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) request_id: Option<String>,
    pub(crate) environment: String,
    pub(crate) stream: Stream,
    pub(crate) text: String,
    pub(crate) is_cut: bool,
}

/// The lines a function printed.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<Line>>);

impl LogSink for Lines {
    fn line(&self, line: FunctionLine<'_>) {
        self.0.lock().unwrap().push(Line {
            request_id: line.request_id.map(str::to_owned),
            environment: line.environment.to_owned(),
            stream: line.stream,
            text: line.text.to_owned(),
            is_cut: line.is_cut,
        });
    }
}

impl Lines {
    /// The first line that starts so, once it is there.
    pub(crate) async fn starting(&self, start: &str) -> Line {
        let found = || self.0.lock().unwrap().iter().find(|it| it.text.starts_with(start)).cloned();
        eventually(
            &format!("a line that starts with {start:?}; there are {:?}", self.0.lock().unwrap()),
            found,
        )
        .await
    }
}

/// What `look` finds, as soon as it finds something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    let mut pause = tokio::time::interval(Duration::from_millis(2));
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "waited in vain for {what}");
        pause.tick().await;
    }
}

/// Whether a process runs; one that only waits to be reaped does not.
pub(crate) fn is_running(process: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits until none of the processes runs, and tells how long that took.
pub(crate) async fn gone(processes: &[u64]) -> Duration {
    let start = Instant::now();
    eventually(&format!("the end of {processes:?}"), || {
        (!processes.iter().any(|it| is_running(*it))).then_some(())
    })
    .await;
    start.elapsed()
}

/// A client that `dev/clients.sh` builds.
pub(crate) fn client(name: &str) -> PathBuf {
    let home = std::env::var_os("HOME").expect("HOME is set");
    let folder = Path::new(&home).join(".cache/forebay/clients").join(name);
    assert!(folder.join("built-from").exists(), "{} is missing; run: dev/clients.sh", folder.display());
    folder
}

/// The repository's root. Asked at run time: a target folder shared by two checkouts keeps what was compiled
/// for the other.
pub(crate) fn root() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).parent().unwrap().to_owned()
}
