//! What a store of checkpoints owes.

use std::future::Future;
use std::pin::Pin;

/// A boxed future, so that the trait stays object-safe without a macro.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The identity of a mapping in the store: it lives as long as its mapping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingId(pub String);

/// The identity of a track in its mapping: it holds the source's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackKey(pub String);

/// A proof of ownership that only grows: max(stored, wall-clock seconds) + 1 at every grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// The right to write a mapping's checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which mapping.
    pub mapping: MappingId,
    /// Under which epoch.
    pub epoch: Epoch,
}

/// One track on a mapping's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTrack {
    /// Which track.
    pub track: TrackKey,
    /// Its checkpoint; `None` when it is on the list and its checkpoint is missing (the track must stop in the state `PositionLost`).
    pub checkpoint: Option<Vec<u8>>,
}

/// Keeps places and proves ownership. Every write is durable when its future is ready.
pub trait CheckpointStore: Send + Sync {
    /// Takes a mapping over: grants an epoch above every one granted before.
    fn acquire<'a>(&'a self, mapping: &'a MappingId) -> BoxFuture<'a, Result<Lease, StoreError>>;
    /// The mapping's tracks; `None` when the mapping was never created here (and only then may it start afresh).
    fn load<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Option<Vec<KeptTrack>>, StoreError>>;
    /// Creates the mapping: its list of tracks and a checkpoint for each, in one write.
    fn create<'a>(&'a self, lease: &'a Lease, tracks: Vec<(TrackKey, Vec<u8>)>) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Writes a checkpoint; a track that is not on the list joins it in the same write. Concurrent commits share one sync.
    fn commit<'a>(&'a self, lease: &'a Lease, track: &'a TrackKey, checkpoint: Vec<u8>) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Takes tracks off the list and their checkpoints away: they ended and the source does not have them any more.
    fn forget<'a>(&'a self, lease: &'a Lease, tracks: &'a [TrackKey]) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Deletes the mapping and all it kept.
    fn remove<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>>;
    /// All mappings, for operators.
    fn mappings(&self) -> BoxFuture<'_, Result<Vec<(MappingId, Epoch)>, StoreError>>;
}

/// The store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another owner has the mapping.
    #[error("mapping {mapping} belongs to epoch {granted}, not to {ours}", mapping = .mapping.0, granted = .granted.0, ours = .ours.0)]
    Fenced {
        /// Which mapping.
        mapping: MappingId,
        /// The highest epoch granted.
        granted: Epoch,
        /// The epoch that tried.
        ours: Epoch,
    },
    /// There is no room left.
    #[error("there is no room left in {folder}")]
    Full {
        /// Which folder.
        folder: String,
    },
    /// A row is damaged; it is refused by name and never replaced by an older one.
    #[error("{row} in {folder} is damaged: {why}")]
    Damaged {
        /// Which folder.
        folder: String,
        /// Which row.
        row: String,
        /// How one can tell.
        why: String,
    },
    /// Another process has the folder.
    #[error("{folder} is in use by process {pid}")]
    InUse {
        /// Which folder.
        folder: String,
        /// Which process, as its lock says; zero when the lock does not say.
        pid: u32,
    },
    /// Reading or writing failed; nobody knows whether a write is on disk.
    #[error("{folder} cannot be {doing}")]
    Io {
        /// Which folder.
        folder: String,
        /// What was tried: read, written, opened.
        doing: &'static str,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}
