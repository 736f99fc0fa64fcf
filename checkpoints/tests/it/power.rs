//! Power cuts: what was synced is there afterwards; of what was written since, some is, in order. A copy of
//! the folder whose log is cut or torn behind the last sync stands for the disk after a cut: the pages
//! written last reach it in any order, or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_checkpoints::{CheckpointStore, RocksOptions, RocksStore, StoreError, WriteNumber};

use super::bench::{Seed, copy_folder, is_long, kept, mapping, open, take, track};

const N_SYNCED: u32 = 5;
const N_UNSYNCED: u32 = 40;

/// A store that syncs nothing by itself, with checkpoints that are synced and others that are not.
struct Scene {
    folder: tempfile::TempDir,
    store: RocksStore,
    /// How long the log was at the last sync.
    synced_bytes: u64,
    last: WriteNumber,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options =
            RocksOptions { commit_interval: Duration::from_secs(3600), ..RocksOptions::new(folder.path()) };
        let store = RocksStore::open(options).await.unwrap();
        let lease = take(&store, "quakes").await;
        for number in 1..=N_SYNCED {
            store.commit(&lease, &track("a"), place(number)).await.unwrap();
        }
        let synced_bytes = log(folder.path()).1;
        let mut last = WriteNumber(0);
        for number in N_SYNCED + 1..=N_SYNCED + N_UNSYNCED {
            last = store.write(&lease, &track("a"), place(number)).await.unwrap();
        }
        Self { folder, store, synced_bytes, last }
    }

    /// The folder as a disk may have it: `tear` makes of the log what is left of it.
    fn after_a_cut(&self, tear: impl FnOnce(&mut Vec<u8>)) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(self.folder.path(), copy.path());
        let path = log(copy.path()).0;
        let mut bytes = fs::read(&path).unwrap();
        tear(&mut bytes);
        fs::write(&path, bytes).unwrap();
        copy
    }
}

/// About as long as a page, so that a torn page is a torn write.
fn place(number: u32) -> Vec<u8> {
    format!("{number:03000}").into_bytes()
}

/// The only log, and its length.
fn log(folder: &Path) -> (PathBuf, u64) {
    let entries = fs::read_dir(folder.join("db")).unwrap().flatten();
    let logs: Vec<_> =
        entries.map(|it| it.path()).filter(|it| it.extension().is_some_and(|it| it == "log")).collect();
    assert_eq!(logs.len(), 1, "so little is one log: {logs:?}");
    (logs[0].clone(), fs::metadata(&logs[0]).unwrap().len())
}

/// Which checkpoint a store opens with.
async fn found(folder: &Path) -> u32 {
    let store = open(folder).await.unwrap();
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    let tracks = store.load(&lease).await.unwrap().unwrap();
    let text = String::from_utf8(tracks[0].checkpoint.clone().unwrap()).unwrap();
    store.close().await;
    text.trim_start_matches('0').parse().unwrap()
}

#[tokio::test]
async fn a_power_cut_takes_back_what_was_not_synced_newest_first_and_nothing_else() {
    let scene = Scene::new().await;
    let whole = log(scene.folder.path()).1;
    assert_eq!(
        found(scene.after_a_cut(|_| {}).path()).await,
        N_SYNCED + N_UNSYNCED,
        "a kill takes nothing back"
    );
    let mut seed = Seed::fresh();
    let mut before = 0;
    let n_cuts: u64 = if is_long() { 200 } else { 20 };
    for cut in 0..=n_cuts {
        let length = scene.synced_bytes + (whole - scene.synced_bytes) * cut / n_cuts;
        let number =
            found(scene.after_a_cut(|bytes| bytes.truncate(usize::try_from(length).unwrap())).path()).await;
        assert!(
            (N_SYNCED..=N_SYNCED + N_UNSYNCED).contains(&number) && number >= before,
            "{number} after {before}"
        );
        before = number;
        // A page that never reached the disk, and others behind it that did.
        let page = scene.synced_bytes.next_multiple_of(4096)
            + 4096 * seed.below((whole - scene.synced_bytes) / 4096 - 1);
        let tear = |bytes: &mut Vec<u8>| {
            let page = usize::try_from(page).unwrap();
            let end = bytes.len().min(page + 4096);
            bytes[page..end].fill(0);
        };
        let number = found(scene.after_a_cut(tear).path()).await;
        assert!((N_SYNCED..N_SYNCED + N_UNSYNCED).contains(&number), "{number} with a hole at {page}");
    }
    assert_eq!(before, N_SYNCED + N_UNSYNCED);
}

#[tokio::test]
async fn a_log_that_ends_before_the_last_sync_is_refused() {
    let scene = Scene::new().await;
    let short = scene.after_a_cut(|bytes| bytes.truncate(usize::try_from(scene.synced_bytes - 1).unwrap()));
    assert!(matches!(open(short.path()).await, Err(StoreError::RolledBack { .. })));
    let torn = scene.after_a_cut(|bytes| bytes[usize::try_from(scene.synced_bytes - 100).unwrap()] ^= 1);
    assert!(matches!(open(torn.path()).await, Err(StoreError::RolledBack { .. })));
}

#[tokio::test]
async fn a_call_that_is_answered_as_durable_makes_durable_what_was_written_before_it() {
    let scene = Scene::new().await;
    let synced = scene.store.synced();
    assert!(synced.borrow().of(scene.last).is_none(), "its interval is an hour");
    scene.store.note(&mapping("quakes"), b"n".to_vec()).await.unwrap();
    assert!(synced.borrow().of(scene.last).unwrap().is_ok());
    let short = scene.after_a_cut(|bytes| bytes.truncate(bytes.len() - 1));
    assert!(
        matches!(open(short.path()).await, Err(StoreError::RolledBack { .. })),
        "its last byte was synced"
    );
}

#[tokio::test]
async fn a_close_syncs_what_was_written() {
    let scene = Scene::new().await;
    let synced = scene.store.synced();
    scene.store.close().await;
    assert!(synced.borrow().of(scene.last).unwrap().is_ok());
    let short = scene.after_a_cut(|bytes| bytes.truncate(bytes.len() - 1));
    assert!(
        matches!(open(short.path()).await, Err(StoreError::RolledBack { .. })),
        "its last byte was synced"
    );
}

#[tokio::test]
async fn one_sync_follows_by_itself_within_the_interval_and_none_when_nothing_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        RocksOptions { commit_interval: Duration::from_millis(20), ..RocksOptions::new(folder.path()) };
    let store = RocksStore::open(options).await.unwrap();
    let lease = take(&store, "quakes").await;
    let mut synced = store.synced();
    let last = store.write(&lease, &track("a"), b"1".to_vec()).await.unwrap();
    synced.wait_for(|it| it.of(last).is_some()).await.unwrap();
    assert!(synced.borrow_and_update().of(last).unwrap().is_ok());
    assert_eq!(store.load(&lease).await.unwrap(), Some(vec![kept("a", "1")]));
    assert!(!synced.has_changed().unwrap(), "an idle store syncs nothing");
    store.close().await;
}
