//! What a store of checkpoints owes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

pub use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// The identity of a mapping in the store: it lives as long as its mapping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingId(pub String);

/// The identity of a track in its mapping: it holds the source's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackKey(pub String);

/// A proof of ownership that only grows: max(stored, wall-clock seconds, the source's own generation) + 1 at
/// every grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// The right to write a mapping's checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which mapping.
    pub mapping: MappingId,
    /// Under which epoch.
    pub epoch: Epoch,
    /// The generation under which the source itself dealt the tracks that are written ([`Lease::under`]);
    /// zero where the mapping's epoch is all there is.
    pub generation: Epoch,
}

impl Lease {
    /// The same for tracks that were granted under a generation of the source's own
    /// ([`CheckpointStore::grant`]).
    pub fn under(&self, generation: Epoch) -> Self {
        Self { generation, ..self.clone() }
    }
}

/// One track on a mapping's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTrack {
    /// Which track.
    pub track: TrackKey,
    /// Its checkpoint; `None` when it is on the list and its checkpoint is missing (the track must stop in
    /// the state `PositionLost`).
    pub checkpoint: Option<Vec<u8>>,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreHealth {
    /// It takes writes.
    Ok,
    /// There is no room: it refuses writes, and takes them again by itself when there is room.
    Full {
        /// Since when.
        since: SystemTime,
    },
    /// It cannot write or read: it refuses everything, and tries by itself to come back.
    Failing {
        /// Since when.
        since: SystemTime,
        /// Why, with its causes.
        error: String,
    },
}

/// Which write of a store's life it was; it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct WriteNumber(pub u64);

/// What a store has synced.
#[derive(Debug, Clone, Default)]
pub struct Synced {
    /// The last write that is on disk, and all before it but those that were lost.
    pub upto: WriteNumber,
    /// The last write of which nobody knows whether it is on disk, for its sync failed, and why.
    pub lost: Option<(WriteNumber, Arc<StoreError>)>,
}

impl Synced {
    /// What became of a write; `None` while it waits. Whoever looks late may be told of a failure that came
    /// after its sync, never of a sync that was none.
    pub fn of(&self, write: WriteNumber) -> Option<Result<(), Arc<StoreError>>> {
        match &self.lost {
            // Asked first: a later sync takes `upto` past the writes that were lost.
            Some((lost, error)) if write <= *lost => Some(Err(Arc::clone(error))),
            Some(_) | None => (write <= self.upto).then_some(Ok(())),
        }
    }
}

/// Keeps places and proves ownership. Every write but [`Self::write`] is durable when its future is ready.
///
/// A write that fails with [`StoreError::Full`] or [`StoreError::Io`] may be on disk all the same; every
/// write may be repeated. A dropped future takes nothing back: its write may still happen.
pub trait CheckpointStore: Send + Sync {
    /// Takes a mapping over: grants an epoch above every one granted before.
    fn acquire<'a>(&'a self, mapping: &'a MappingId) -> BoxFuture<'a, Result<Lease, StoreError>> {
        self.acquire_above(mapping, Epoch(0))
    }
    /// Takes a mapping over, with an epoch above the source's own generation too.
    fn acquire_above<'a>(
        &'a self,
        mapping: &'a MappingId,
        generation: Epoch,
    ) -> BoxFuture<'a, Result<Lease, StoreError>>;
    /// The mapping's tracks, in the order of their keys; `None` when the mapping was never created here (and
    /// only then may it start afresh).
    fn load<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Option<Vec<KeptTrack>>, StoreError>>;
    /// Creates the mapping: its list of tracks and a checkpoint for each, in one write. Repeating the same
    /// creation is allowed, another one is not.
    fn create<'a>(
        &'a self,
        lease: &'a Lease,
        tracks: Vec<(TrackKey, Vec<u8>)>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Grants tracks under the generations in which the source dealt them, all in one write. From then on a
    /// checkpoint of such a track is taken under its generation alone: what a former ownership of it has on
    /// its way is refused. A generation that was granted already may be granted again.
    ///
    /// # Errors
    /// [`StoreError::Overtaken`] when a track was granted under a higher one; then none is granted.
    fn grant<'a>(
        &'a self,
        lease: &'a Lease,
        tracks: Vec<(TrackKey, Epoch)>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Writes a checkpoint and syncs it; a track that is not on the list joins it in the same write.
    /// Concurrent commits share one sync.
    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        track: &'a TrackKey,
        checkpoint: Vec<u8>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Writes a checkpoint as [`Self::commit`] does, and does not wait for the sync: when its future is ready
    /// a kill of the process takes nothing back, and [`Self::synced`] tells when a power cut does not either.
    /// A pause of about a millisecond between such writes lets many share one.
    fn write<'a>(
        &'a self,
        lease: &'a Lease,
        track: &'a TrackKey,
        checkpoint: Vec<u8>,
    ) -> BoxFuture<'a, Result<WriteNumber, StoreError>>;
    /// Tells what is synced.
    fn synced(&self) -> watch::Receiver<Synced>;
    /// Takes tracks off the list and their checkpoints away: they ended and the source does not have them any
    /// more.
    fn forget<'a>(
        &'a self,
        lease: &'a Lease,
        tracks: &'a [TrackKey],
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Deletes the mapping and all it kept, its note too, in one write. The lease ends with it.
    fn remove<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Keeps a note of a mapping beside its checkpoints, in place of the one before; it needs no lease, for
    /// the mapping may be running or not be created yet. The store does not look inside.
    fn note<'a>(&'a self, mapping: &'a MappingId, note: Vec<u8>) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Takes a mapping's note away; without one nothing happens.
    fn unnote<'a>(&'a self, mapping: &'a MappingId) -> BoxFuture<'a, Result<(), StoreError>>;
    /// All notes.
    fn notes(&self) -> BoxFuture<'_, Result<BTreeMap<MappingId, Vec<u8>>, StoreError>>;
    /// All mappings, for operators.
    fn mappings(&self) -> BoxFuture<'_, Result<Vec<(MappingId, Epoch)>, StoreError>>;
    /// How the store is, for mapping states, health and metrics.
    fn health(&self) -> watch::Receiver<StoreHealth>;
    /// Ends the writes already asked for and gives everything back; what is asked later is refused.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another owner has the mapping, or it was removed.
    #[error("mapping {mapping} belongs to epoch {granted}, not to {ours}", mapping = .mapping.0, granted = .granted.0, ours = .ours.0)]
    Fenced {
        /// Which mapping.
        mapping: MappingId,
        /// The highest epoch granted.
        granted: Epoch,
        /// The epoch that tried.
        ours: Epoch,
    },
    /// The source dealt the track out anew since.
    #[error("track {track} of mapping {mapping} is dealt under generation {granted}, not under {ours}", mapping = .mapping.0, track = .track.0, granted = .granted.0, ours = .ours.0)]
    Overtaken {
        /// Which mapping.
        mapping: MappingId,
        /// Which track.
        track: TrackKey,
        /// The generation granted last.
        granted: Epoch,
        /// The generation that tried.
        ours: Epoch,
    },
    /// There is no room left; the store goes on by itself when there is.
    #[error("there is no room left in {folder}: free some; the store goes on by itself")]
    Full {
        /// Which folder.
        folder: String,
    },
    /// A row or a file is damaged; it is refused by name and never replaced by an older one.
    #[error(
        "{row} in {folder} is damaged: {why}; `forebay state verify --data-dir {folder}` lists all damage, `forebay state repair --data-dir {folder}` mends it"
    )]
    Damaged {
        /// Which folder.
        folder: String,
        /// Which row.
        row: String,
        /// How one can tell.
        why: String,
    },
    /// What is in the folder is older than what was acknowledged, or parts of it are.
    #[error(
        "{folder} is older than what was acknowledged: {why}; bring the whole folder back, or accept what is there with `forebay state repair --data-dir {folder}`"
    )]
    RolledBack {
        /// Which folder.
        folder: String,
        /// How one can tell.
        why: String,
    },
    /// Another process has the folder.
    #[error(
        "{folder} is in use by process {pid}: stop it first, or give this process a data folder of its own"
    )]
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
    /// The mapping is not in the state that the call needs.
    #[error("mapping {mapping} {why}", mapping = .mapping.0)]
    OutOfTurn {
        /// Which mapping.
        mapping: MappingId,
        /// What stands against it.
        why: &'static str,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Full { .. } | Self::Io { .. } => true,
            Self::Fenced { .. }
            | Self::Overtaken { .. }
            | Self::Damaged { .. }
            | Self::RolledBack { .. }
            | Self::InUse { .. }
            | Self::OutOfTurn { .. } => false,
        }
    }

    /// The code that an operator looks up; each has a page under `docs/errors/`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fenced { .. } | Self::Overtaken { .. } => "FB-0401",
            Self::Full { .. } => "FB-0402",
            Self::Damaged { .. } => "FB-0403",
            Self::InUse { .. } => "FB-0404",
            Self::Io { .. } => "FB-0405",
            Self::RolledBack { .. } => "FB-0406",
            Self::OutOfTurn { .. } => "FB-0407",
        }
    }
}
