//! The durable store: RocksDB in a data folder, written by one thread of its own.
//!
//! The folder holds `lock` (one process at a time), `seal` (what was acknowledged, beside the database) and `db/` (RocksDB).
//!
//! What is promised, and by what:
//!
//! - An acknowledged write survives kill -9 and power loss: every group of writes is synced before its answers go out.
//! - A flipped bit is refused: RocksDB checks its blocks and log records, every row carries a checksum over key and content.
//! - A missing or older *row* is refused: each write carries, as its last row, the sum of all rows' fingerprints.
//! - A database that is older *as a whole* is refused: the seal, outside of it, counts acknowledged writes. It is synced after each
//!   group of writes and before the answers go out.
//! - A whole folder brought back from a copy is a step back that nobody can see from inside: records repeat, and epochs are still
//!   above the wall clock of their grant.

mod database;
mod generation;
#[cfg(test)]
mod group_tests;
mod lock;
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

use crate::ledger::Change;
use crate::store::{BoxFuture, CheckpointStore, Epoch, KeptTrack, Lease, MappingId, StoreError, StoreHealth, TrackKey};

pub use repair::{Repaired, repair};
use request::{Request, Write};
pub use survey::{Fault, KeptMapping, Shown, Verified, show, verify};
use writer::Writer;

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
}

impl RocksOptions {
    /// A folder with the usual limits: the file system's room, a probe each second.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), bytes_max: None, probe_interval: Duration::from_secs(1) }
    }
}

/// Keeps checkpoints in RocksDB. Dropping it waits for the write under way; [`CheckpointStore::close`] does so without blocking.
#[derive(Debug)]
pub struct RocksStore {
    folder: String,
    requests: mpsc::Sender<Request>,
    health: watch::Receiver<StoreHealth>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl RocksStore {
    /// Opens or makes the store. It fails when another process has the folder, or when what is inside is damaged or older than what was
    /// acknowledged. On a full disk it opens in the state [`StoreHealth::Full`] and comes back by itself.
    pub async fn open(options: RocksOptions) -> Result<Self, StoreError> {
        let folder = options.folder.display().to_string();
        let failed = |cause: Box<dyn std::error::Error + Send + Sync>| StoreError::Io { folder: folder.clone(), doing: "opened", cause };
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let (opened, opening) = oneshot::channel();
        let (health, watched) = watch::channel(StoreHealth::Ok);
        let thread = std::thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || match Writer::open(options, inbox, health) {
                Ok(mut writer) => {
                    if opened.send(Ok(())).is_ok() {
                        writer.keep_running();
                    }
                }
                // Nobody waits for the answer any more when this fails.
                Err(error) => drop(opened.send(Err(error))),
            })
            .map_err(|cause| failed(cause.into()))?;
        let refused = match opening.await {
            Ok(Ok(())) => return Ok(Self { folder, requests, health: watched, thread: Mutex::new(Some(thread)) }),
            Ok(Err(error)) => error,
            Err(_) => failed("its thread panicked".into()),
        };
        // It has said its last word; its panic, if any, is told above.
        drop(thread.join());
        Err(refused)
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let closed = || StoreError::Io {
            folder: self.folder.clone(),
            doing: "reached",
            cause: "the store is closed, or its thread died before it answered".into(),
        };
        self.requests.send(request(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    fn change<'a>(&'a self, lease: &'a Lease, change: Change) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.ask(move |answer| Request::Write(Write::Change { lease: lease.clone(), change, answer })))
    }

    fn write_note<'a>(&'a self, mapping: &'a MappingId, note: Option<Vec<u8>>) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.ask(move |answer| Request::Write(Write::Note { mapping: mapping.clone(), note, answer })))
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!(folder = %self.folder, "the store's thread panicked");
        }
    }
}

impl CheckpointStore for RocksStore {
    fn acquire_above<'a>(&'a self, mapping: &'a MappingId, generation: Epoch) -> BoxFuture<'a, Result<Lease, StoreError>> {
        Box::pin(self.ask(move |answer| Request::Write(Write::Acquire { mapping: mapping.clone(), generation, answer })))
    }

    fn load<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Option<Vec<KeptTrack>>, StoreError>> {
        Box::pin(self.ask(|answer| Request::Load { lease: lease.clone(), answer }))
    }

    fn create<'a>(&'a self, lease: &'a Lease, tracks: Vec<(TrackKey, Vec<u8>)>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.change(lease, Change::Create(tracks))
    }

    fn commit<'a>(&'a self, lease: &'a Lease, track: &'a TrackKey, checkpoint: Vec<u8>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.change(lease, Change::Commit(track.clone(), checkpoint))
    }

    fn forget<'a>(&'a self, lease: &'a Lease, tracks: &'a [TrackKey]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.change(lease, Change::Forget(tracks.to_vec()))
    }

    fn remove<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>> {
        self.change(lease, Change::Remove)
    }

    fn note<'a>(&'a self, mapping: &'a MappingId, note: Vec<u8>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write_note(mapping, Some(note))
    }

    fn unnote<'a>(&'a self, mapping: &'a MappingId) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write_note(mapping, None)
    }

    fn notes(&self) -> BoxFuture<'_, Result<BTreeMap<MappingId, Vec<u8>>, StoreError>> {
        Box::pin(self.ask(|answer| Request::Notes { answer }))
    }

    fn mappings(&self) -> BoxFuture<'_, Result<Vec<(MappingId, Epoch)>, StoreError>> {
        Box::pin(self.ask(|answer| Request::Mappings { answer }))
    }

    fn health(&self) -> watch::Receiver<StoreHealth> {
        self.health.clone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Whoever closed it first has the answer; the thread may be gone.
            if let Ok(()) = self.ask(|answer| Request::Close { answer }).await {
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
    async fn a_thread_that_panics_is_seen_and_the_store_comes_back_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let options = RocksOptions { probe_interval: Duration::from_secs(2), ..RocksOptions::new(folder.path()) };
        let store = RocksStore::open(options).await.unwrap();
        let (mapping, track) = (MappingId("m".into()), TrackKey("t".into()));
        let lease = store.acquire(&mapping).await.unwrap();
        store.create(&lease, vec![(track.clone(), b"1".to_vec())]).await.unwrap();
        let mut health = store.health();
        health.mark_unchanged();
        store.requests.send(Request::Panic).await.unwrap();
        let refused = store.commit(&lease, &track, b"2".to_vec()).await.unwrap_err();
        let cause = std::error::Error::source(&refused).map(ToString::to_string).unwrap_or_default();
        assert!(cause.contains("its thread panicked: the test wants"), "{refused:?}");
        assert!(health.has_changed().unwrap(), "whoever watches its health is told");
        health.wait_for(|it| *it == StoreHealth::Ok).await.unwrap();
        store.commit(&lease, &track, b"2".to_vec()).await.unwrap();
        let kept = store.load(&lease).await.unwrap().unwrap();
        assert_eq!(kept[0].checkpoint.as_deref(), Some(&b"2"[..]), "what was kept is there, and what comes is taken");
        store.close().await;
    }
}
