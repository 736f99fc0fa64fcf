//! The process: a fleet of mappings and functions, started from a checked config and what the API made,
//! changed by another config or over the API, drained.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::Close;
use forebay_checkpoints::{CheckpointStore, StoreError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::compiled::CompiledConfig;
use crate::control::{ChangeError, Control, NoteError};
use crate::fleet::{Changes, Fleet};
use crate::registry::Registry;

/// The last part of the grace time is kept for stopping functions and closing the store.
const CLOSING_MAX: Duration = Duration::from_secs(1);

/// Why the process cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The config cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// What the API made cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the API made is written in a way that this program does not read.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// All that runs. It is shared by all who look at it or change it; one change is made after the other.
pub struct App {
    control: Mutex<Control>,
    registry: Arc<Registry>,
    store: Arc<dyn CheckpointStore>,
    clock: Clock,
}

impl App {
    /// Builds everything and starts the mappings that are enabled, those that the API made too.
    ///
    /// # Errors
    /// See [`StartError`]; nothing was started then. A mapping of the API that cannot be run any more is no
    /// error: it is shown with its reason.
    pub async fn start(
        compiled: CompiledConfig,
        store: Arc<dyn CheckpointStore>,
        clock: Clock,
    ) -> Result<Arc<Self>, StartError> {
        let control = Control::start(compiled, Arc::clone(&store), clock).await?;
        let registry = Arc::clone(control.registry());
        Ok(Arc::new(Self { control: Mutex::new(control), registry, store, clock }))
    }

    /// Goes on with another config: only what differs is touched. May be dropped; then all or nothing of it
    /// has happened.
    ///
    /// # Errors
    /// See [`BuildError`]; nothing has changed then.
    pub async fn change(&self, compiled: CompiledConfig) -> Result<Changes, BuildError> {
        self.control.lock().await.change(compiled).await
    }

    /// Lets a mapping of either owner finish what runs and take nothing new before it is resumed; durably.
    ///
    /// # Errors
    /// See [`ChangeError`]; nothing has changed then.
    pub async fn pause(&self, name: &str) -> Result<(), ChangeError> {
        self.control.lock().await.set_paused(name, true).await
    }

    /// Lets a paused mapping go on from where it stood.
    ///
    /// # Errors
    /// See [`ChangeError`]; nothing has changed then.
    pub async fn resume(&self, name: &str) -> Result<(), ChangeError> {
        self.control.lock().await.set_paused(name, false).await
    }

    /// A mapping that the API made in the words of a config file; `None` when the API made none of this id.
    pub async fn exported(&self, uuid: &str) -> Option<serde_json::Value> {
        self.control.lock().await.exported(uuid)
    }

    /// Whoever changes something has it for itself.
    pub(crate) fn control(&self) -> &Mutex<Control> {
        &self.control
    }

    /// The mappings.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The clocks.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Where positions and notes are kept.
    pub fn store(&self) -> &Arc<dyn CheckpointStore> {
        &self.store
    }

    /// Ends everything: polling stops at once, what runs may finish within `grace`, what is finished is
    /// committed.
    pub async fn drain(&self, grace: Duration) {
        let until = Instant::now() + grace;
        match timeout_at(until, self.control.lock()).await {
            Ok(mut control) => self.drain_fleet(control.ending_fleet(), grace, until).await,
            Err(_) => warn!(
                "a change that is under way does not end: mappings are left as they are; their records come again"
            ),
        }
        // It answers at once unless its disk does not.
        if timeout(CLOSING_MAX, self.store.close()).await.is_err() {
            warn!("the data folder does not take the end: what it has acknowledged is kept");
        }
        info!("drained");
    }

    async fn drain_fleet(&self, fleet: &mut Fleet, grace: Duration, until: Instant) {
        let work_until = grace.saturating_sub(CLOSING_MAX.min(grace / 10));
        fleet.end(Close::Within(self.clock.now().tick.after(work_until)));
        if timeout_at(until, fleet.ended()).await.is_err() {
            let n_open = fleet.n_tasks();
            warn!(
                n_open,
                "the grace time is over: mappings that have not ended are left; their records come again"
            );
            // A task that blocks its thread does not hear that it is over.
            let _ = timeout(CLOSING_MAX, fleet.abandon()).await;
        }
        // A long poll that is still open is awaited while there is time, for a shared one may outlive the
        // mappings that it was sent for; what it would bring later shows itself when its visibility is over.
        if timeout_at(until.max(Instant::now() + CLOSING_MAX), fleet.stop_feeds()).await.is_err() {
            warn!("a source is still being read: its messages come again when their visibility is over");
        }
    }

    /// Ends everything now: the functions' processes are killed; nothing is waited for but that.
    pub async fn kill(&self) {
        self.control.lock().await.ending_fleet().stop_functions(Duration::ZERO).await;
    }

    /// Writes the state of every track to the log.
    pub async fn dump(&self) {
        for entry in self.registry().entries() {
            let lifecycle = entry.lifecycle();
            let (mapping, source) = (entry.name(), entry.source_kind());
            info!(mapping, source, state = lifecycle.word(), "{lifecycle}");
            for track in entry.tracks().await.unwrap_or_default() {
                info!(
                    mapping,
                    source,
                    track = track.label,
                    state = track.state,
                    position = track.position,
                    "{}",
                    track.sentence
                );
            }
        }
    }
}
