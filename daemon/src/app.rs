//! The process: a fleet of mappings and functions, started from a checked config, changed by another, drained.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::Close;
use forebay_checkpoints::CheckpointStore;
use forebay_clients::AwsError;
use forebay_invoker::EndpointError;
use forebay_invoker::executors::process::ProcessError;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use crate::blueprint::Blueprint;
use crate::budget::BudgetTooSmall;
use crate::clock::Clock;
use crate::fleet::{Changes, Fleet};
use crate::registry::Registry;

/// The last part of the grace time is kept for stopping functions and closing the store.
const CLOSING_MAX: Duration = Duration::from_secs(1);

/// The process cannot be built from its config.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An endpoint's settings cannot be used.
    #[error("{who} cannot be built")]
    Endpoint {
        /// Which function or destination.
        who: String,
        /// Why.
        #[source]
        cause: EndpointError,
    },
    /// A service of AWS cannot be called with these settings.
    #[error("{who} cannot be built")]
    Aws {
        /// Which function or destination.
        who: String,
        /// Why.
        #[source]
        cause: AwsError,
    },
    /// A function's program cannot be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Some functions cannot be built; none is missing here.
    #[error("{} of the functions cannot be run", .0.len())]
    Functions(Vec<Self>),
    /// The memory does not suffice.
    #[error(transparent)]
    Memory(#[from] BudgetTooSmall),
}

impl BuildError {
    /// The code that an operator looks up.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Endpoint { cause, .. } => cause.code(),
            Self::Aws { cause, .. } => cause.code(),
            Self::Process(it) => it.code().0,
            Self::Functions(all) => all.first().map_or("FB-0513", Self::code),
            Self::Memory(_) => "FB-0515",
        }
    }
}

/// All that runs.
pub struct App {
    fleet: Fleet,
    store: Arc<dyn CheckpointStore>,
    clock: Clock,
}

impl App {
    /// Builds everything and starts the mappings that are enabled.
    ///
    /// # Errors
    /// See [`BuildError`]; nothing was started then.
    pub async fn start(blueprint: Blueprint, store: Arc<dyn CheckpointStore>, clock: Clock) -> Result<Self, BuildError> {
        let mut fleet = Fleet::new(Arc::default(), Arc::clone(&store), clock);
        fleet.apply(blueprint).await?;
        Ok(Self { fleet, store, clock })
    }

    /// Goes on with another config: only what differs is touched. May be dropped; then all or nothing of it has happened.
    ///
    /// # Errors
    /// See [`BuildError`]; nothing has changed then.
    pub async fn change(&mut self, blueprint: Blueprint) -> Result<Changes, BuildError> {
        self.fleet.apply(blueprint).await
    }

    /// The mappings.
    pub fn registry(&self) -> &Arc<Registry> {
        self.fleet.registry()
    }

    /// Ends everything: polling stops at once, what runs may finish within `grace`, what is finished is committed.
    pub async fn drain(&mut self, grace: Duration) {
        let until = Instant::now() + grace;
        let work_until = grace.saturating_sub(CLOSING_MAX.min(grace / 10));
        self.fleet.end(Close::Within(self.clock.now().tick.after(work_until)));
        if timeout_at(until, self.fleet.ended()).await.is_err() {
            let n_open = self.fleet.n_tasks();
            warn!(n_open, "the grace time is over: mappings that have not ended are left; their records come again");
            self.fleet.abandon().await;
        }
        // A long poll that is still open is awaited while there is time, for a shared one may outlive the mappings that it was sent for; what
        // it would bring later shows itself when its visibility is over.
        if timeout_at(until.max(Instant::now() + CLOSING_MAX), self.fleet.stop_feeds()).await.is_err() {
            warn!("a source is still being read: its messages come again when their visibility is over");
        }
        self.store.close().await;
        info!("drained");
    }

    /// Ends everything now: the functions' processes are killed; nothing is waited for but that.
    pub async fn kill(&mut self) {
        self.fleet.stop_functions(Duration::ZERO).await;
    }

    /// Writes the state of every track to the log.
    pub async fn dump(&self) {
        for entry in self.registry().entries() {
            let lifecycle = entry.lifecycle();
            let (mapping, source) = (entry.name(), entry.source_kind());
            info!(mapping, source, state = lifecycle.word(), "{lifecycle}");
            for track in entry.tracks().await.unwrap_or_default() {
                info!(mapping, source, track = track.label, state = track.state, position = track.position, "{}", track.sentence);
            }
        }
    }
}
