//! What whoever steers mappings holds: one change of what is to run is made after the other.

use std::sync::Arc;

use forebay_checkpoints::{CheckpointStore, StoreError};
use tokio::sync::{Mutex, MutexGuard};

use super::{ChangeError, Control, NoteError};
use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::compiled::CompiledConfig;
use crate::fleet::Changes;
use crate::registry::Registry;

/// Why mappings cannot begin to run.
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

/// A way to change what is to run. Its clones steer the same mappings.
#[derive(Clone)]
pub struct ControlHandle(Arc<Mutex<Control>>);

impl ControlHandle {
    /// Builds everything and starts the mappings that are enabled, those that the API made too; they show
    /// themselves in `registry`.
    ///
    /// # Errors
    /// See [`StartError`]; nothing was started then. A mapping of the API that cannot be run any more is no
    /// error: it is shown with its reason.
    pub async fn start(
        compiled: CompiledConfig,
        registry: Arc<Registry>,
        store: Arc<dyn CheckpointStore>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let control = Control::start(compiled, registry, store, clock).await?;
        Ok(Self(Arc::new(Mutex::new(control))))
    }

    /// Goes on with another config: only what differs is touched. May be dropped; then all or nothing of it
    /// has happened.
    ///
    /// # Errors
    /// See [`BuildError`]; nothing has changed then.
    pub async fn change(&self, compiled: CompiledConfig) -> Result<Changes, BuildError> {
        self.lock().await.change(compiled).await
    }

    /// Lets a mapping of either owner finish what runs and take nothing new before it is resumed; durably.
    ///
    /// # Errors
    /// See [`ChangeError`]; nothing has changed then.
    pub async fn pause(&self, name: &str) -> Result<(), ChangeError> {
        self.lock().await.set_paused(name, true).await
    }

    /// Lets a paused mapping go on from where it stood.
    ///
    /// # Errors
    /// See [`ChangeError`]; nothing has changed then.
    pub async fn resume(&self, name: &str) -> Result<(), ChangeError> {
        self.lock().await.set_paused(name, false).await
    }

    /// A mapping that the API made in the words of a config file; `None` when the API made none of this id.
    pub async fn exported(&self, uuid: &str) -> Option<serde_json::Value> {
        self.lock().await.exported(uuid)
    }

    /// Whoever changes something has it for itself.
    pub(crate) async fn lock(&self) -> MutexGuard<'_, Control> {
        self.0.lock().await
    }
}
