//! The store in memory, with a note of what was asked of it and what the mapping said of itself then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use forebay_checkpoints::{
    BoxFuture, CheckpointStore, Epoch, KeptTrack, Lease, MappingId, MemoryStore, StoreError, StoreHealth,
    Synced, TrackKey, WriteNumber,
};
use forebay_daemon::registry::Registry;
use tokio::sync::watch;

/// The store in memory, with a note of what was asked of it.
pub(crate) struct SpyStore {
    pub(crate) inner: MemoryStore,
    registry: Arc<Registry>,
    asked: Mutex<Vec<String>>,
    /// Grants wait while it says so.
    holds_grants: watch::Sender<bool>,
}

impl SpyStore {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self {
            inner: MemoryStore::default(),
            registry,
            asked: Mutex::default(),
            holds_grants: watch::Sender::new(false),
        }
    }

    /// What was asked: `create of m while Creating`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Answers to no grant until it may again.
    pub(crate) fn hold_grants(&self, holds: bool) {
        self.holds_grants.send_replace(holds);
    }

    /// Forgets what was asked.
    pub(crate) fn forget_asked(&self) {
        *self.asked.lock().unwrap() = Vec::new();
    }

    fn hear(&self, what: &str, mapping: &MappingId) {
        let state = self.registry.entry(&mapping.0).map_or("gone", |it| it.lifecycle().word());
        self.asked.lock().unwrap().push(format!("{what} of {} while {state}", mapping.0));
    }
}

impl CheckpointStore for SpyStore {
    fn acquire_above<'a>(
        &'a self,
        mapping: &'a MappingId,
        generation: Epoch,
    ) -> BoxFuture<'a, Result<Lease, StoreError>> {
        self.hear("acquire", mapping);
        self.inner.acquire_above(mapping, generation)
    }
    fn load<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Option<Vec<KeptTrack>>, StoreError>> {
        self.hear("load", &lease.mapping);
        self.inner.load(lease)
    }
    fn create<'a>(
        &'a self,
        lease: &'a Lease,
        tracks: Vec<(TrackKey, Vec<u8>)>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.hear("create", &lease.mapping);
        self.inner.create(lease, tracks)
    }
    fn grant<'a>(
        &'a self,
        lease: &'a Lease,
        tracks: Vec<(TrackKey, Epoch)>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.hear("grant", &lease.mapping);
        let mut holds = self.holds_grants.subscribe();
        Box::pin(async move {
            // The sender lives as long as this store.
            let _ = holds.wait_for(|holds| !holds).await;
            self.inner.grant(lease, tracks).await
        })
    }
    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        track: &'a TrackKey,
        checkpoint: Vec<u8>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.hear("commit", &lease.mapping);
        self.inner.commit(lease, track, checkpoint)
    }
    fn write<'a>(
        &'a self,
        lease: &'a Lease,
        track: &'a TrackKey,
        checkpoint: Vec<u8>,
    ) -> BoxFuture<'a, Result<WriteNumber, StoreError>> {
        self.hear("commit", &lease.mapping);
        self.inner.write(lease, track, checkpoint)
    }
    fn synced(&self) -> watch::Receiver<Synced> {
        self.inner.synced()
    }
    fn forget<'a>(
        &'a self,
        lease: &'a Lease,
        tracks: &'a [TrackKey],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.forget(lease, tracks)
    }
    fn remove<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.remove(lease)
    }
    fn note<'a>(&'a self, mapping: &'a MappingId, note: Vec<u8>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.hear("note", mapping);
        self.inner.note(mapping, note)
    }
    fn unnote<'a>(&'a self, mapping: &'a MappingId) -> BoxFuture<'a, Result<(), StoreError>> {
        self.hear("unnote", mapping);
        self.inner.unnote(mapping)
    }
    fn notes(&self) -> BoxFuture<'_, Result<BTreeMap<MappingId, Vec<u8>>, StoreError>> {
        self.inner.notes()
    }
    fn mappings(&self) -> BoxFuture<'_, Result<Vec<(MappingId, Epoch)>, StoreError>> {
        self.inner.mappings()
    }
    fn health(&self) -> watch::Receiver<StoreHealth> {
        self.inner.health()
    }
    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}
