//! The durable store: RocksDB in a data folder, written by one thread of its own.
//!
//! The folder holds `lock` (one process at a time), `seal` (what was acknowledged, beside the database) and
//! `db/` (RocksDB).
//!
//! What is promised, and by what:
//!
//! - A write that is answered as durable survives kill -9 and power loss: its group is synced before the
//!   answers go out.
//! - A checkpoint that is answered as written survives kill -9. One sync every
//!   [`RocksOptions::commit_interval`] makes all of them durable, and says so; a power cut takes back what
//!   was written since the last one, newest first, and nothing else.
//! - A flipped bit is refused: RocksDB checks its blocks and log records, every row carries a checksum over
//!   key and content.
//! - A missing or older *row* is refused: each write carries, as its last row, the sum of all rows'
//!   fingerprints.
//! - A database that is older *as a whole* is refused: the seal, outside of it, counts durable writes. It is
//!   synced after each sync of the database and before the answers go out.
//! - A whole folder brought back from a copy is a step back that nobody can see from inside: records repeat,
//!   and epochs are still above the wall clock of their grant.

mod database;
mod generation;
#[cfg(test)]
mod group_tests;
mod kept;
mod lock;
mod logs;
mod opening;
mod refusal;
mod repair;
mod request;
mod room;
mod seal;
mod survey;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::ledger::LedgerChange;
use crate::store::{
    BoxFuture, CheckpointStore, Epoch, KeptTrack, Lease, MappingId, StoreError, StoreHealth, Synced,
    TrackKey, WriteNumber,
};

pub use repair::{Repaired, repair};
use request::{StoreRequest, Write};
pub use survey::{KeptMapping, StoreContents, StoreFault, StoreVerdict, show, verify};
use writer::StoreWriter;

/// How many calls may wait for the writer; the next caller waits with its call.
pub const REQUESTS_MAX: usize = 1024;

/// Where the store is and how large it may become.
#[derive(Debug, Clone)]
pub struct RocksOptions {
    /// The data folder; made when it is missing, for its owner only.
    pub folder: PathBuf,
    /// The largest size of the folder, all files counted; `None` leaves it to the file system.
    pub bytes_max: Option<u64>,
    /// How often a store that is full or failing looks whether it can come back.
    pub probe_interval: Duration,
    /// How long a checkpoint that is written may wait for its sync; zero syncs each write. It is what a power
    /// cut may take back.
    pub commit_interval: Duration,
}

impl RocksOptions {
    /// A folder with the usual limits: the file system's room, a probe each second, each write synced.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            bytes_max: None,
            probe_interval: Duration::from_secs(1),
            commit_interval: Duration::ZERO,
        }
    }
}

/// Keeps checkpoints in RocksDB. Dropping it waits for the write under way; [`CheckpointStore::close`] does
/// so without blocking.
#[derive(Debug)]
pub struct RocksStore {
    folder: String,
    requests: mpsc::Sender<StoreRequest>,
    health: watch::Receiver<StoreHealth>,
    synced: watch::Receiver<Synced>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl RocksStore {
    /// Opens or makes the store. It fails when another process has the folder, or when what is inside is
    /// damaged or older than what was acknowledged. On a full disk it opens in the state
    /// [`StoreHealth::Full`] and comes back by itself.
    pub async fn open(options: RocksOptions) -> Result<Self, StoreError> {
        let folder = options.folder.display().to_string();
        let failed = |cause: Box<dyn std::error::Error + Send + Sync>| StoreError::Io {
            folder: folder.clone(),
            doing: "opened",
            cause,
        };
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let (opened, opening) = oneshot::channel();
        let (health, watched) = watch::channel(StoreHealth::Ok);
        let (told, synced) = watch::channel(Synced::default());
        let thread = std::thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || match StoreWriter::open(options, inbox, health, told) {
                Ok(mut writer) => {
                    // Whoever opened it may have gone meanwhile: then nobody will ever ask.
                    if opened.send(Ok(())).is_ok() {
                        writer.keep_running();
                    }
                }
                // Nobody waits for the answer any more when this fails.
                Err(error) => drop(opened.send(Err(error))),
            })
            .map_err(|cause| failed(cause.into()))?;
        let refused = match opening.await {
            Ok(Ok(())) => {
                return Ok(Self {
                    folder,
                    requests,
                    health: watched,
                    synced,
                    thread: Mutex::new(Some(thread)),
                });
            }
            Ok(Err(error)) => error,
            Err(_) => failed("its thread panicked".into()),
        };
        // It has said its last word; its panic, if any, is told above.
        drop(thread.join());
        Err(refused)
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> StoreRequest,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let closed = || StoreError::Io {
            folder: self.folder.clone(),
            doing: "reached",
            cause: "the store is closed, or its thread died before it answered".into(),
        };
        self.requests.send(request(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    fn change<'a>(&'a self, lease: &'a Lease, change: LedgerChange) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(
            self.ask(move |answer| {
                StoreRequest::Write(Write::Change { lease: lease.clone(), change, answer })
            }),
        )
    }

    fn write_note<'a>(
        &'a self,
        mapping: &'a MappingId,
        note: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(
            self.ask(move |answer| {
                StoreRequest::Write(Write::Note { mapping: mapping.clone(), note, answer })
            }),
        )
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!(folder = %self.folder, "the store's thread panicked");
        }
    }
}

impl CheckpointStore for RocksStore {
    fn acquire_above<'a>(
        &'a self,
        mapping: &'a MappingId,
        generation: Epoch,
    ) -> BoxFuture<'a, Result<Lease, StoreError>> {
        Box::pin(self.ask(move |answer| {
            StoreRequest::Write(Write::Acquire { mapping: mapping.clone(), generation, answer })
        }))
    }

    fn load<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Option<Vec<KeptTrack>>, StoreError>> {
        Box::pin(self.ask(|answer| StoreRequest::Load { lease: lease.clone(), answer }))
    }

    fn create<'a>(
        &'a self,
        lease: &'a Lease,
        tracks: Vec<(TrackKey, Vec<u8>)>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.change(lease, LedgerChange::Create(tracks))
    }

    fn grant<'a>(
        &'a self,
        lease: &'a Lease,
        tracks: Vec<(TrackKey, Epoch)>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.change(lease, LedgerChange::Grant(tracks))
    }

    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        track: &'a TrackKey,
        checkpoint: Vec<u8>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.change(lease, LedgerChange::Commit(track.clone(), checkpoint))
    }

    fn write<'a>(
        &'a self,
        lease: &'a Lease,
        track: &'a TrackKey,
        checkpoint: Vec<u8>,
    ) -> BoxFuture<'a, Result<WriteNumber, StoreError>> {
        let change = LedgerChange::Commit(track.clone(), checkpoint);
        Box::pin(self.ask(move |answer| {
            StoreRequest::Write(Write::Checkpoint { lease: lease.clone(), change, answer })
        }))
    }

    fn synced(&self) -> watch::Receiver<Synced> {
        self.synced.clone()
    }

    fn forget<'a>(
        &'a self,
        lease: &'a Lease,
        tracks: &'a [TrackKey],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.change(lease, LedgerChange::Forget(tracks.to_vec()))
    }

    fn remove<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>> {
        self.change(lease, LedgerChange::Remove)
    }

    fn note<'a>(&'a self, mapping: &'a MappingId, note: Vec<u8>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write_note(mapping, Some(note))
    }

    fn unnote<'a>(&'a self, mapping: &'a MappingId) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write_note(mapping, None)
    }

    fn notes(&self) -> BoxFuture<'_, Result<BTreeMap<MappingId, Vec<u8>>, StoreError>> {
        Box::pin(self.ask(|answer| StoreRequest::Notes { answer }))
    }

    fn mappings(&self) -> BoxFuture<'_, Result<Vec<(MappingId, Epoch)>, StoreError>> {
        Box::pin(self.ask(|answer| StoreRequest::Mappings { answer }))
    }

    fn health(&self) -> watch::Receiver<StoreHealth> {
        self.health.clone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Whoever closed it first has the answer; the thread may be gone.
            if let Ok(()) = self.ask(|answer| StoreRequest::Close { answer }).await {
                self.join();
            }
        })
    }
}

impl Drop for RocksStore {
    fn drop(&mut self) {
        // The thread ends when its channel does.
        self.requests = mpsc::channel(1).0;
        self.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_for_its_sync_when_the_database_is_lost_is_told_to_be_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let options =
            RocksOptions { commit_interval: Duration::from_secs(3600), ..RocksOptions::new(folder.path()) };
        let store = RocksStore::open(options).await.unwrap();
        let (mapping, track) = (MappingId("m".into()), TrackKey("t".into()));
        let lease = store.acquire(&mapping).await.unwrap();
        store.create(&lease, Vec::new()).await.unwrap();
        let mut synced = store.synced();
        let lost = store.write(&lease, &track, b"1".to_vec()).await.unwrap();
        store.requests.send(StoreRequest::Panic).await.unwrap();
        // With an end: who breaks this sees it fail, not hang.
        let told = synced.wait_for(|it| it.of(lost).is_some());
        tokio::time::timeout(Duration::from_secs(60), told).await.expect("it is told").unwrap();
        assert!(
            matches!(synced.borrow().of(lost), Some(Err(error)) if matches!(*error, StoreError::Io { .. }))
        );
        store.health().wait_for(|it| *it == StoreHealth::Ok).await.unwrap();
        let next = store.write(&lease, &track, b"2".to_vec()).await.unwrap();
        assert!(synced.borrow().of(next).is_none(), "nothing is in doubt of what came later");
        store.close().await;
        assert!(synced.borrow().of(next).is_some_and(|it| it.is_ok()));
    }

    #[tokio::test]
    async fn what_waited_for_a_sync_that_failed_stays_in_doubt_when_the_next_one_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let options =
            RocksOptions { commit_interval: Duration::from_millis(20), ..RocksOptions::new(folder.path()) };
        let store = RocksStore::open(options).await.unwrap();
        let (mapping, track) = (MappingId("m".into()), TrackKey("t".into()));
        let lease = store.acquire(&mapping).await.unwrap();
        store.create(&lease, Vec::new()).await.unwrap();
        store.requests.send(StoreRequest::BreakSeal).await.unwrap();
        let mut health = store.health();
        let lost = store.write(&lease, &track, b"1".to_vec()).await.unwrap();
        health.wait_for(|it| *it != StoreHealth::Ok).await.unwrap();
        health.wait_for(|it| *it == StoreHealth::Ok).await.unwrap();
        store.write(&lease, &track, b"2".to_vec()).await.unwrap();
        store.close().await;
        let synced = store.synced();
        assert!(matches!(synced.borrow().of(lost), Some(Err(_))), "{:?}", synced.borrow());
    }

    #[tokio::test]
    async fn a_thread_that_panics_is_seen_and_the_store_comes_back_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let options =
            RocksOptions { probe_interval: Duration::from_secs(2), ..RocksOptions::new(folder.path()) };
        let store = RocksStore::open(options).await.unwrap();
        let (mapping, track) = (MappingId("m".into()), TrackKey("t".into()));
        let lease = store.acquire(&mapping).await.unwrap();
        store.create(&lease, vec![(track.clone(), b"1".to_vec())]).await.unwrap();
        let mut health = store.health();
        health.mark_unchanged();
        store.requests.send(StoreRequest::Panic).await.unwrap();
        let refused = store.commit(&lease, &track, b"2".to_vec()).await.unwrap_err();
        let cause = std::error::Error::source(&refused).map(ToString::to_string).unwrap_or_default();
        assert!(cause.contains("its thread panicked: the test wants"), "{refused:?}");
        assert!(health.has_changed().unwrap(), "whoever watches its health is told");
        health.wait_for(|it| *it == StoreHealth::Ok).await.unwrap();
        store.commit(&lease, &track, b"2".to_vec()).await.unwrap();
        let kept = store.load(&lease).await.unwrap().unwrap();
        assert_eq!(
            kept[0].checkpoint.as_deref(),
            Some(&b"2"[..]),
            "what was kept is there, and what comes is taken"
        );
        store.close().await;
    }
}
