//! `forebay run`: reads the config, starts everything, waits for signals, drains.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use forebay_checkpoints::{CheckpointStore, RocksOptions, RocksStore, StoreError};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::config::{ConfigArgs, rows};
use super::{DataDir, output};
use crate::admin::{Admin, AdminError, Bound};
use crate::app::{App, BuildError};
use crate::blueprint::Blueprint;
use crate::clock::Clock;
use crate::config_files::Loaded;
use crate::data_dir;
use crate::exit::Exit;
use crate::logs::{self, LogFormat};
use crate::open_files;
use crate::sentence::chain;
use crate::shutdown::{Signals, Wish};

/// How long killing the functions' processes may take after a second signal.
const KILL_MAX: Duration = Duration::from_secs(1);
/// How long the runtime may take to end once nothing runs.
const RUNTIME_END_MAX: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    data: DataDir,
    /// The admin listener; port 0 takes a free one. Default: the config's `admin.listen`, else 127.0.0.1:9470.
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,
    /// How the log is written. Default: text on a terminal, JSON otherwise. $FOREBAY_LOG filters it.
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

impl RunArgs {
    pub(super) fn execute(self) -> Exit {
        let filter = std::env::var(logs::VARIABLE).ok();
        if let Err(error) = logs::start(self.log_format.unwrap_or_else(LogFormat::of_stderr), filter.as_deref()) {
            output::complain(Some("FB-0512"), error);
            return Exit::Config;
        }
        let (loaded, blueprint) = match self.config.read() {
            Ok(read) => read,
            Err(exit) => return exit,
        };
        let Some(folder) = data_dir::choose(self.data.data_dir, blueprint.settings.data_dir.clone()) else {
            error!(code = "FB-0508", "there is no home folder to keep data in: say --data-dir");
            return Exit::Config;
        };
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                error!(%error, "the process cannot start its threads");
                return Exit::Failed;
            }
        };
        let address = self.admin_listen.unwrap_or(blueprint.settings.admin_listen);
        let exit = runtime.block_on(async {
            match start(&loaded, blueprint, folder, address).await {
                Ok(running) => running.serve().await,
                Err(refusal) => refusal.tell(),
            }
        });
        runtime.shutdown_timeout(RUNTIME_END_MAX);
        exit
    }
}

/// Why the process does not start.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("the process cannot listen to signals")]
    Signals(#[source] std::io::Error),
}

impl Refusal {
    fn tell(self) -> Exit {
        let error = chain(&self);
        let (code, exit) = match &self {
            // Another process that has the folder may end.
            Self::Store(it @ StoreError::InUse { .. }) => (it.code(), Exit::Temporary),
            Self::Store(it) => (it.code(), if it.is_transient() { Exit::Temporary } else { Exit::Failed }),
            Self::Build(it) => (it.code(), Exit::Config),
            Self::Admin(it @ AdminError::NotLoopback(_)) => (it.code(), Exit::Config),
            Self::Admin(it) => (it.code(), Exit::Failed),
            Self::Signals(_) => ("FB-0513", Exit::Failed),
        };
        if let Self::Build(BuildError::Functions(all)) = &self {
            for it in all {
                error!(code = it.code(), error = chain(it), "a function cannot be run");
            }
        }
        error!(code, error, "forebay does not start");
        exit
    }
}

struct RunningProcess {
    app: App,
    admin: Admin,
    signals: Signals,
    draining: CancellationToken,
    grace: Duration,
}

async fn start(loaded: &Loaded, blueprint: Blueprint, folder: PathBuf, address: SocketAddr) -> Result<RunningProcess, Refusal> {
    // First of all, so that no signal finds the process half built and ends it as it stands.
    let signals = Signals::listen().map_err(Refusal::Signals)?;
    let clock = Clock::start();
    let open_files_max = open_files::raise();
    info!(version = env!("CARGO_PKG_VERSION"), data_dir = %folder.display(), open_files_max, "forebay starts");
    tell_settings(loaded, &blueprint);
    let grace = blueprint.settings.shutdown_grace;
    let store: Arc<dyn CheckpointStore> = Arc::new(RocksStore::open(RocksOptions::new(&folder)).await?);
    // Before anything is read: a process whose place is taken touches nothing.
    let bound = Bound::bind(address, &folder).await?;
    let health = store.health();
    let app = App::start(blueprint, store, clock).await?;
    let draining = CancellationToken::new();
    let admin = bound.serve(Arc::clone(app.registry()), health, clock, draining.clone());
    Ok(RunningProcess { app, admin, signals, draining, grace })
}

/// The effective settings of every mapping, one line each.
fn tell_settings(loaded: &Loaded, blueprint: &Blueprint) {
    for it in &blueprint.mappings {
        let mapping = it.mapping.name.as_str();
        let rows = rows(loaded, blueprint, mapping).unwrap_or_default();
        let settings: Vec<_> = rows.iter().filter(|it| !it.value.is_empty()).map(|it| format!("{}={}", it.path, it.value)).collect();
        info!(mapping, source = it.profile.kind, settings = settings.join(" "), "effective settings");
    }
}

impl RunningProcess {
    async fn serve(mut self) -> Exit {
        loop {
            match self.signals.next().await {
                Wish::End(_) => break,
                Wish::Dump => self.app.dump().await,
                Wish::Reload => warn!(
                    code = "FB-0514",
                    "SIGHUP: reading the config again while running is not supported yet; restart to use a changed config"
                ),
            }
        }
        info!(grace_s = self.grace.as_secs_f64(), "draining: no new work is taken; a second signal ends at once");
        self.draining.cancel();
        let ended = tokio::select! {
            biased;
            code = second(&mut self.signals) => Err(code),
            () = self.app.drain(self.grace) => Ok(()),
        };
        match ended {
            Ok(()) => {
                self.admin.stop().await;
                Exit::Done
            }
            Err(code) => {
                warn!("second signal: ending now");
                if timeout(KILL_MAX, self.app.kill()).await.is_err() {
                    error!("functions could not all be killed in time");
                }
                Exit::Signal(code)
            }
        }
    }
}

/// The second signal that asks to end.
async fn second(signals: &mut Signals) -> u8 {
    loop {
        match signals.next().await {
            Wish::End(code) => return code,
            Wish::Dump | Wish::Reload => info!("the process is draining"),
        }
    }
}
