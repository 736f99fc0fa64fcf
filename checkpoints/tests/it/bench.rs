//! What the tests share: stores to open and to open again, seeds, and names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use forebay_checkpoints::{
    BoxFuture, CheckpointStore, KeptTrack, Lease, MappingId, MemoryStore, RocksOptions, RocksStore,
    StoreError, StoreHealth, TrackKey,
};
use tempfile::TempDir;

const CHILD_FOLDER: &str = "FOREBAY_TEST_CHILD_FOLDER";

/// The longest wait for a state; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store that can be left and opened again.
pub(crate) trait Bench: Sync {
    fn open(&self) -> BoxFuture<'_, Arc<dyn CheckpointStore>>;
    fn reopen(&self, store: Arc<dyn CheckpointStore>) -> BoxFuture<'_, Arc<dyn CheckpointStore>>;
}

/// What stays of a store in memory is the store.
#[derive(Default)]
pub(crate) struct Memory;

impl Bench for Memory {
    fn open(&self) -> BoxFuture<'_, Arc<dyn CheckpointStore>> {
        Box::pin(async { Arc::new(MemoryStore::default()) as Arc<dyn CheckpointStore> })
    }

    fn reopen(&self, store: Arc<dyn CheckpointStore>) -> BoxFuture<'_, Arc<dyn CheckpointStore>> {
        Box::pin(async { store })
    }
}

/// What stays of a store on disk is its folder.
pub(crate) struct Rocks {
    folder: TempDir,
}

impl Default for Rocks {
    fn default() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }
}

impl Bench for Rocks {
    fn open(&self) -> BoxFuture<'_, Arc<dyn CheckpointStore>> {
        Box::pin(async { Arc::new(open(self.folder.path()).await.unwrap()) as Arc<dyn CheckpointStore> })
    }

    fn reopen(&self, store: Arc<dyn CheckpointStore>) -> BoxFuture<'_, Arc<dyn CheckpointStore>> {
        Box::pin(async move {
            store.close().await;
            self.open().await
        })
    }
}

pub(crate) async fn open(folder: &Path) -> Result<RocksStore, StoreError> {
    RocksStore::open(RocksOptions::new(folder)).await
}

pub(crate) fn mapping(name: &str) -> MappingId {
    MappingId(name.to_owned())
}

pub(crate) fn track(name: &str) -> TrackKey {
    TrackKey(name.to_owned())
}

pub(crate) fn kept(name: &str, checkpoint: &str) -> KeptTrack {
    KeptTrack { track: track(name), checkpoint: Some(checkpoint.as_bytes().to_vec()) }
}

/// Takes a mapping over and creates it with no tracks if it is new.
pub(crate) async fn take(store: &dyn CheckpointStore, name: &str) -> Lease {
    let lease = store.acquire(&mapping(name)).await.unwrap();
    if store.load(&lease).await.unwrap().is_none() {
        store.create(&lease, Vec::new()).await.unwrap();
    }
    lease
}

/// Waits until the store's health is as wanted.
pub(crate) async fn wait_health(store: &dyn CheckpointStore, wanted: fn(&StoreHealth) -> bool) {
    let mut health = store.health();
    let waited = tokio::time::timeout(PATIENCE, health.wait_for(wanted)).await;
    let seen = store.health().borrow().clone();
    waited.unwrap_or_else(|_| panic!("the store stays {seen:?}")).unwrap();
}

/// In a child that [`child`] started: the folder to work in. A test that needs a process of its own begins by
/// asking this.
pub(crate) fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD_FOLDER).map(PathBuf::from)
}

/// This binary again, to run the same test as a child. A shell ignores the signal of the file size limit for
/// it.
pub(crate) fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" --exact \"$1\" --nocapture"]);
    command.arg(std::env::current_exe().unwrap()).arg(test).env(CHILD_FOLDER, folder);
    command
}

pub(crate) fn is_long() -> bool {
    std::env::var_os("FOREBAY_LONG").is_some()
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Numbers from a seed, which `FOREBAY_SEED` gives and which is printed: a failed test shows it.
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn fresh() -> Self {
        let seed = match std::env::var("FOREBAY_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => {
                u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
            }
        };
        println!("FOREBAY_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (it ^ (it >> 31)) % bound
    }
}
