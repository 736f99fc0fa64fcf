//! The store in memory: the same rules, nothing durable, and faults on demand for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::ledger::{self, LedgerChange};
use crate::row::Name;
use crate::staged::{Rows, Staged};
use crate::store::{
    BoxFuture, CheckpointStore, Epoch, KeptTrack, Lease, MappingId, StoreError, StoreHealth, Synced,
    TrackKey, WriteNumber,
};

/// Keeps checkpoints as long as the process lives. Its folder is called `memory`.
#[derive(Debug)]
pub struct MemoryStore {
    inner: Mutex<MemoryRows>,
    health: watch::Sender<StoreHealth>,
    synced: watch::Sender<Synced>,
}

#[derive(Debug, Default)]
struct MemoryRows {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    n_failures: u32,
    n_doubts: u32,
    /// The next removal of a mapping panics.
    removal_panics: bool,
    full: bool,
    closed: bool,
    n_writes: u64,
    /// Nothing is told to be synced.
    holds_syncs: bool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            health: watch::Sender::new(StoreHealth::Ok),
            synced: watch::Sender::default(),
        }
    }
}

impl MemoryStore {
    /// Fails the next writes; nothing of them is kept.
    pub fn fail_next(&self, n_writes: u32) {
        self.lock().n_failures = n_writes;
    }

    /// Keeps the next writes and says that they failed, as a disk may.
    pub fn doubt_next(&self, n_writes: u32) {
        self.lock().n_doubts = n_writes;
    }

    /// Panics at the next removal of a mapping, as a defect may.
    pub fn panic_at_removal(&self) {
        self.lock().removal_panics = true;
    }

    /// Refuses every write for lack of room until told otherwise by [`Self::empty`].
    pub fn fill(&self) {
        self.lock().full = true;
        self.health.send_replace(StoreHealth::Full { since: SystemTime::now() });
    }

    /// Has room again.
    pub fn empty(&self) {
        self.lock().full = false;
        self.health.send_replace(StoreHealth::Ok);
    }

    /// Tells of no sync until [`Self::sync`] or [`Self::fail_sync`].
    pub fn hold_syncs(&self) {
        self.lock().holds_syncs = true;
    }

    /// Tells that all is synced, and from now on so is each write.
    pub fn sync(&self) {
        let mut inner = self.lock();
        inner.holds_syncs = false;
        self.synced.send_modify(|synced| synced.upto = WriteNumber(inner.n_writes));
    }

    /// Tells that what was written is lost, for its sync failed; each write after it is synced.
    pub fn fail_sync(&self) {
        let mut inner = self.lock();
        inner.holds_syncs = false;
        let error = Arc::new(inner.io("written", "it was told to fail its sync"));
        self.synced.send_modify(|synced| synced.lost = Some((WriteNumber(inner.n_writes), error)));
    }

    /// Grants the mapping to somebody else: whoever holds it is fenced.
    pub fn fence(&self, mapping: &MappingId) -> Result<Lease, StoreError> {
        self.lock().write(|staged| ledger::acquire(staged, mapping, Epoch(0), seconds_now()))
    }

    /// Loses a track's checkpoint and leaves it on the list, as damage would.
    pub fn lose(&self, mapping: &MappingId, track: &TrackKey) {
        self.lock().rows.remove(&Name::Checkpoint(mapping.clone(), track.clone()).key());
    }

    /// How many writes it took.
    pub fn n_writes(&self) -> u64 {
        self.lock().n_writes
    }

    /// How many rows it keeps, of any kind.
    pub fn n_rows(&self) -> usize {
        self.lock().rows.len()
    }

    fn lock(&self) -> MutexGuard<'_, MemoryRows> {
        // A panic while it was held left the rows as they were before: changes are laid on as the last step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<'a>(&'a self, lease: &'a Lease, change: LedgerChange) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut inner = self.lock();
            let panics = matches!(change, LedgerChange::Remove) && std::mem::take(&mut inner.removal_panics);
            assert!(!panics, "it was told to panic");
            inner.write(|staged| ledger::apply(staged, lease, change))
        })
    }

    fn write_note<'a>(
        &'a self,
        mapping: &'a MappingId,
        note: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.lock().write(|staged| {
                ledger::note(staged, mapping.clone(), note);
                Ok(())
            })
        })
    }
}

impl MemoryRows {
    fn read<T>(&self, read: impl FnOnce(&Staged<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.closed {
            return Err(self.io("read", "the store is closed"));
        }
        read(&Staged::over(self))
    }

    fn write<T>(
        &mut self,
        stage: impl FnOnce(&mut Staged<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.closed {
            return Err(self.io("written", "the store is closed"));
        }
        if self.full {
            return Err(StoreError::Full { folder: self.folder().to_owned() });
        }
        if self.n_failures > 0 {
            self.n_failures -= 1;
            return Err(self.io("written", "it was told to fail"));
        }
        let mut staged = Staged::over(self);
        let answer = stage(&mut staged)?;
        // Laid on when all of it is staged: what is refused half-way has changed nothing.
        for (key, changed) in staged.into_changes() {
            match changed {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
        self.n_writes += 1;
        if self.n_doubts > 0 {
            self.n_doubts -= 1;
            return Err(self.io("written", "it was told to fail once it has written"));
        }
        Ok(answer)
    }

    fn io(&self, doing: &'static str, cause: &str) -> StoreError {
        StoreError::Io { folder: self.folder().to_owned(), doing, cause: cause.into() }
    }
}

impl Rows for MemoryRows {
    fn folder(&self) -> &str {
        "memory"
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.get(key).cloned())
    }

    fn under(&self, prefix: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        let rows = self.rows.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(rows.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

impl CheckpointStore for MemoryStore {
    fn acquire_above<'a>(
        &'a self,
        mapping: &'a MappingId,
        generation: Epoch,
    ) -> BoxFuture<'a, Result<Lease, StoreError>> {
        Box::pin(async move {
            self.lock().write(|staged| ledger::acquire(staged, mapping, generation, seconds_now()))
        })
    }

    fn load<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Option<Vec<KeptTrack>>, StoreError>> {
        Box::pin(async move { self.lock().read(|staged| ledger::load(staged, lease)) })
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
        Box::pin(async move {
            let mut inner = self.lock();
            inner.write(|staged| {
                ledger::apply(staged, lease, LedgerChange::Commit(track.clone(), checkpoint))
            })?;
            let number = WriteNumber(inner.n_writes);
            if !inner.holds_syncs {
                self.synced.send_modify(|synced| synced.upto = number);
            }
            Ok(number)
        })
    }

    fn synced(&self) -> watch::Receiver<Synced> {
        self.synced.subscribe()
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
        Box::pin(async move { self.lock().read(ledger::notes) })
    }

    fn mappings(&self) -> BoxFuture<'_, Result<Vec<(MappingId, Epoch)>, StoreError>> {
        Box::pin(async move { self.lock().read(ledger::mappings) })
    }

    fn health(&self) -> watch::Receiver<StoreHealth> {
        self.health.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.lock().closed = true })
    }
}

/// The wall clock in whole seconds; a clock before 1970 counts as zero.
pub(crate) fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}
