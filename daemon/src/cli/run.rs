//! `forebay run`: reads the config, starts everything, waits for signals, drains.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use forebay_checkpoints::{CheckpointStore, RocksOptions, RocksStore, StoreError};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::config::ConfigArgs;
use super::{DataDir, output};
use crate::admin::{Admin, AdminError, BoundListener, Inspections, Reloads};
use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::compiled::CompiledConfig;
use crate::config_files::{self, Loaded};
use crate::control::{ControlHandle, NoteError, Service, StartError};
use crate::data_dir;
use crate::dump::dump;
use crate::effective;
use crate::exit::Exit;
use crate::front::{self, FrontError, Listen, Prepared, Running};
use crate::logs::{self, LogError, LogFormat};
use crate::open_files;
use crate::registry::Registry;
use crate::reload::{self, Cause, ConfigWatch, Fixed, LiveSettings, ReloadOutcome, ReloadRequest, Reloader};
use crate::sentence::chain;
use crate::shutdown;
use crate::signals::{SignalWish, Signals};
use crate::watchdog::Watchdog;
use forebay_clients::caught::caught;

/// How long killing the functions' processes may take after a second signal.
const KILL_MAX: Duration = Duration::from_secs(1);
/// Threads beside those that work, for what blocks a moment: names to look up, small files to read.
const BLOCKING_MAX: usize = 64;
/// How long the last lines of the log may take to be written.
const LOG_END_MAX: Duration = Duration::from_secs(1);
/// How long the runtime may take to end once nothing runs.
const RUNTIME_END_MAX: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    data: DataDir,
    /// The admin listener; port 0 takes a free one. Default: the config's `admin.listen`, else
    /// 127.0.0.1:9470.
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,
    /// The listener for Lambda's API, or `off`; port 0 takes a free one. Default: the config's `api.listen`,
    /// else 127.0.0.1:9471.
    #[arg(long, value_name = "ADDRESS")]
    api_listen: Option<Listen>,
    /// How the log is written. Default: text on a terminal, JSON otherwise. $FOREBAY_LOG filters it.
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

impl RunArgs {
    pub(super) fn execute(self) -> Exit {
        let filter = std::env::var(logs::VARIABLE).ok();
        match logs::start(self.log_format.unwrap_or_else(LogFormat::of_stderr), filter.as_deref()) {
            Ok(()) => {}
            Err(error @ LogError::Filter { .. }) => {
                output::complain(Some("FB-0512"), error);
                return Exit::Config;
            }
            Err(error @ LogError::Thread(_)) => {
                output::complain(Some("FB-0513"), error);
                return Exit::Failed;
            }
        }
        let exit = self.run();
        // The runtime is down by now: these are the last lines.
        logs::flush(LOG_END_MAX);
        exit
    }

    fn run(self) -> Exit {
        // Looked at before it is read, so that no change is missed. Where nobody says what to read, reading
        // it says so.
        let names = config_files::chosen(self.config.flags()).unwrap_or_default();
        let watch = ConfigWatch::new(&names);
        let (loaded, compiled) = match self.config.read() {
            Ok(read) => read,
            Err(exit) => return exit,
        };
        let Some(folder) = data_dir::choose(self.data.data_dir.clone(), compiled.settings.data_dir.clone())
        else {
            error!(code = "FB-0508", "there is no home folder to keep data in: say --data-dir");
            return Exit::Config;
        };
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let started =
            runtime.enable_all().thread_name("forebay-work").max_blocking_threads(BLOCKING_MAX).build();
        let started =
            started.and_then(|runtime| Ok((runtime, Watchdog::start(compiled.settings.shutdown_grace)?)));
        let (runtime, watchdog) = match started {
            Ok(started) => started,
            Err(error) => {
                error!(code = "FB-0513", %error, "the process cannot start its threads");
                return Exit::Failed;
            }
        };
        let fixed = Fixed {
            admin_flag: self.admin_listen,
            admin: self.admin_listen.unwrap_or(compiled.settings.admin_listen),
            api_flag: self.api_listen,
            api: self.api_listen.map_or(compiled.settings.api.listen, |it| it.0),
            data_flag: self.data.data_dir,
            data_dir: Some(folder.clone()),
            commit_interval: compiled.settings.commit_interval,
        };
        let begun = Begun { loaded, compiled, names, watch, fixed, folder, watchdog: &watchdog };
        let whole = async {
            match start(begun).await {
                Ok(running) => running.serve().await,
                Err(refusal) => refusal.tell(),
            }
        };
        let exit = runtime.block_on(caught(whole)).unwrap_or_else(|error| {
            error!(code = "FB-0501", error, "the process's own loop died: it ends");
            Exit::Failed
        });
        // What follows asks other threads to end, and these need not.
        watchdog.ends(exit);
        runtime.shutdown_timeout(RUNTIME_END_MAX);
        exit
    }
}

/// Why the process does not start.
#[derive(Debug, thiserror::Error)]
enum StartRefusal {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Front(#[from] FrontError),
    #[error("the process cannot listen to signals")]
    Signals(#[source] std::io::Error),
}

impl From<StartError> for StartRefusal {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Build(error) => error.into(),
            StartError::Store(error) => error.into(),
            StartError::Note(error) => error.into(),
        }
    }
}

impl StartRefusal {
    fn tell(self) -> Exit {
        let error = chain(&self);
        let (code, exit) = match &self {
            // Another process that has the folder may end.
            Self::Store(it @ StoreError::InUse { .. }) => (it.code(), Exit::Temporary),
            Self::Store(it) => (it.code(), if it.is_transient() { Exit::Temporary } else { Exit::Failed }),
            Self::Build(it) => (it.code(), Exit::Config),
            Self::Note(_) => ("FB-0536", Exit::Failed),
            Self::Admin(it @ AdminError::NotLoopback(_)) => (it.code(), Exit::Config),
            Self::Admin(it) => (it.code(), Exit::Failed),
            // A secret that its keeper could not give just now.
            Self::Front(it) if it.is_transient() => (it.code(), Exit::Temporary),
            Self::Front(it @ (FrontError::Bind { .. } | FrontError::AddressFile { .. })) => {
                (it.code(), Exit::Failed)
            }
            Self::Front(it) => (it.code(), Exit::Config),
            Self::Signals(_) => ("FB-0513", Exit::Failed),
        };
        // Each with its page, so that all are mended before the next try.
        if let Self::Build(BuildError::Functions(all)) = &self {
            for it in all {
                error!(code = it.code(), error = chain(it), "a function cannot be run");
            }
        }
        error!(code, error, "forebay does not start");
        exit
    }
}

struct RunningProcess<'a> {
    watchdog: &'a Watchdog,
    control: ControlHandle,
    registry: Arc<Registry>,
    store: Arc<dyn CheckpointStore>,
    clock: Clock,
    admin: Admin,
    front: Running,
    signals: Signals,
    draining: CancellationToken,
    settings: LiveSettings,
    reloader: Reloader,
    requests: mpsc::Receiver<ReloadRequest>,
    watch: ConfigWatch,
}

/// What the process is started with.
struct Begun<'a> {
    watchdog: &'a Watchdog,
    loaded: Loaded,
    compiled: CompiledConfig,
    names: Vec<String>,
    watch: ConfigWatch,
    fixed: Fixed,
    folder: PathBuf,
}

async fn start(begun: Begun<'_>) -> Result<RunningProcess<'_>, StartRefusal> {
    let Begun { watchdog, loaded, compiled, names, mut watch, fixed, folder } = begun;
    // First of all, so that no signal finds the process half built and ends it as it stands.
    let signals = Signals::listen().map_err(StartRefusal::Signals)?;
    watchdog.listen().map_err(StartRefusal::Signals)?;
    let clock = Clock::start();
    let open_files = open_files::raise();
    let (open_files_max, followed_files_open_max) = (open_files.all, open_files.followed);
    info!(version = env!("CARGO_PKG_VERSION"), data_dir = %folder.display(), open_files_max, followed_files_open_max, "forebay starts");
    effective::lines(&loaded, &compiled).iter().for_each(effective::EffectiveLine::tell);
    let forebay_config::Settings { shutdown_grace, watch_config, .. } = compiled.settings;
    let settings = LiveSettings { shutdown_grace, watch_config };
    watch.also(&reload::named_files(&loaded, &compiled));
    watch.set_enabled(watch_config);
    let options =
        RocksOptions { commit_interval: compiled.settings.commit_interval, ..RocksOptions::new(&folder) };
    let store: Arc<dyn CheckpointStore> = Arc::new(RocksStore::open(options).await?);
    // Before anything is read: a process whose place is taken touches nothing.
    let bound = BoundListener::bind(fixed.admin, &folder).await?;
    let prepared = Prepared::of(&compiled.settings, fixed.api).await?;
    // All listeners stand before a mapping begins and answer after that: a taken port stops nothing half way,
    // and nobody is answered by half a process.
    let front = front::Bound::bind(fixed.api, &folder).await?;
    let health = store.health();
    let registry = Arc::<Registry>::default();
    let control = ControlHandle::start(compiled, Arc::clone(&registry), Arc::clone(&store), clock).await?;
    let draining = CancellationToken::new();
    let reloader = Reloader::new(names, fixed, clock);
    let (sender, requests) = reload::requests();
    let guard = prepared.guard();
    let reloads = Reloads { requests: sender, status: Arc::clone(reloader.status()) };
    let inspections = Inspections {
        registry: Arc::clone(&registry),
        store: health,
        clock,
        draining: draining.clone(),
        reloads,
        steering: Arc::new(control.clone()),
    };
    let admin = bound.serve(inspections, &guard);
    let front = front.serve(prepared, guard, admin.pages(), Service::new(control.clone(), clock));
    Ok(RunningProcess {
        watchdog,
        control,
        registry,
        store,
        clock,
        admin,
        front,
        signals,
        draining,
        settings,
        reloader,
        requests,
        watch,
    })
}

/// What the process hears while it runs.
enum ProcessNews {
    Wish(SignalWish),
    Asked(ReloadRequest),
    FilesChanged,
}

impl RunningProcess<'_> {
    async fn serve(mut self) -> Exit {
        loop {
            // Each branch may be dropped: signals, requests and changes that were not fetched stay to be
            // fetched.
            let news = tokio::select! {
                biased;
                wish = self.signals.next() => ProcessNews::Wish(wish),
                Some(request) = self.requests.recv() => ProcessNews::Asked(request),
                () = self.watch.changed() => ProcessNews::FilesChanged,
            };
            let (cause, asker) = match news {
                ProcessNews::Wish(SignalWish::End(_)) => break,
                ProcessNews::Wish(SignalWish::Dump) => {
                    dump(&self.registry).await;
                    continue;
                }
                ProcessNews::Wish(SignalWish::Reload) => (Cause::Signal, None),
                ProcessNews::Asked(request) => (Cause::Asked, Some(request)),
                ProcessNews::FilesChanged => (Cause::Files, None),
            };
            let Some(outcome) = self.reload(cause).await else { break };
            if let Some(asker) = asker {
                // Whoever asked and went away does not mind.
                let _ = asker.send(outcome);
            }
        }
        self.drain().await
    }

    /// Reads the config again; `None` when a signal to end came meanwhile.
    async fn reload(&mut self, cause: Cause) -> Option<ReloadOutcome> {
        let Self { watchdog, control, front, signals, settings, reloader, watch, .. } = self;
        let outcome = tokio::select! {
            biased;
            _ = ended(signals) => return None,
            outcome = caught(reloader.reload(control, front, settings, watch, cause)) => outcome,
        };
        // Whatever came of it: after a rejection the settings are the former ones.
        watchdog.set_grace(settings.shutdown_grace);
        // What reads a config is not all ours: a text that it panics over is a config that is not taken.
        Some(outcome.unwrap_or_else(|panic| reloader.died(&panic, cause)))
    }

    async fn drain(mut self) -> Exit {
        let grace = self.settings.shutdown_grace;
        info!(grace_s = grace.as_secs_f64(), "draining: no new work is taken; a second signal ends at once");
        // Not ready first: whoever sends work looks elsewhere while what runs is finished.
        self.draining.cancel();
        self.front.drain();
        self.requests.close();
        // Whoever waits for a reload is told by its end.
        while self.requests.try_recv().is_ok() {}
        let code = tokio::select! {
            biased;
            code = ended(&mut self.signals) => Some(code),
            () = shutdown::drain(&self.control, &*self.store, self.clock, grace) => None,
        };
        let Some(code) = code else {
            // Last of all: whoever watches sees the drain to its end.
            tokio::join!(self.front.stop(), self.admin.stop());
            return Exit::Done;
        };
        warn!("second signal: ending now");
        if timeout(KILL_MAX, shutdown::kill(&self.control)).await.is_err() {
            error!("functions could not all be killed in time");
        }
        Exit::Signal(code)
    }
}

/// The next signal that asks to end.
async fn ended(signals: &mut Signals) -> u8 {
    loop {
        match signals.next().await {
            SignalWish::End(code) => return code,
            SignalWish::Dump | SignalWish::Reload => {
                info!("not now: the process is reading its config or draining")
            }
        }
    }
}
