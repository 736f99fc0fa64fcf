//! The data folder: one process at a time, what operators see, and what is refused when parts of it are
//! missing or old.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use forebay_checkpoints::rocksdb::{repair, show, verify};
use forebay_checkpoints::{CheckpointStore, Epoch, KeptTrack, StoreError};
use rocksdb::{DB, Options};
use tokio::task::JoinSet;

use super::bench::{copy_folder, kept, mapping, open, take, track};

async fn filled(folder: &Path) {
    let store = open(folder).await.unwrap();
    let lease = take(&store, "quakes").await;
    for name in ["a", "b"] {
        store.commit(&lease, &track(name), b"1".to_vec()).await.unwrap();
    }
    store.close().await;
}

fn refused_as_rolled_back(opened: Result<forebay_checkpoints::RocksStore, StoreError>, words: &str) {
    let error = opened.expect_err("it opened");
    assert!(matches!(error, StoreError::RolledBack { .. }), "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(error.to_string().contains("forebay state repair"), "{error}");
}

#[tokio::test]
async fn a_folder_in_use_is_refused_with_the_process_that_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    match open(folder.path()).await {
        Err(StoreError::InUse { pid, .. }) => assert_eq!(pid, std::process::id()),
        other => panic!("{other:?}"),
    }
    assert!(matches!(repair(folder.path()), Err(StoreError::InUse { .. })));
    store.close().await;
    open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn dropping_the_store_gives_the_folder_back() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await.unwrap());
    open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn operators_see_mappings_tracks_and_epochs_beside_a_running_store() {
    let folder = tempfile::tempdir().unwrap();
    assert!(show(folder.path()).unwrap().is_none());
    let store = open(folder.path()).await.unwrap();
    let lease = take(&store, "quakes").await;
    store.commit(&lease, &track("a"), b"1".to_vec()).await.unwrap();
    let acquired = store.acquire(&mapping("tides")).await.unwrap();
    store.note(&mapping("tides"), b"told".to_vec()).await.unwrap();
    store.note(&mapping("winds"), b"only noted".to_vec()).await.unwrap();
    let shown = show(folder.path()).unwrap().unwrap();
    assert!(shown.verified.refusal.is_none(), "{:?}", shown.verified);
    let [quakes, tides, winds] = &shown.mappings[..] else { panic!("{:?}", shown.mappings) };
    assert_eq!(
        (quakes.epoch, quakes.created, &quakes.tracks[..]),
        (Some(lease.epoch), true, &[kept("a", "1")][..])
    );
    assert_eq!((tides.epoch, tides.created, tides.tracks.len()), (Some(acquired.epoch), false, 0));
    assert_eq!((&quakes.note, &tides.note), (&None, &Some(b"told".to_vec())));
    assert_eq!(
        (winds.epoch, winds.created, winds.tracks.len(), &winds.note),
        (None, false, 0, &Some(b"only noted".to_vec()))
    );
    // Two mappings, a list entry, a checkpoint and two notes.
    assert_eq!((shown.verified.n_rows, shown.verified.opened), (6, 1));
    store.commit(&lease, &track("a"), b"2".to_vec()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_a_store_under_load_never_takes_it_for_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()).await.unwrap());
    let lease = take(&*store, "quakes").await;
    let mut tracks = JoinSet::new();
    for number in 0..8_u32 {
        let (store, lease) = (Arc::clone(&store), lease.clone());
        tracks.spawn(async move {
            // Together a multiple of the write buffer: logs become tables and are deleted under the reader.
            for _ in 0..80 {
                store.commit(&lease, &track(&number.to_string()), vec![b'x'; 20_000]).await.unwrap();
            }
        });
    }
    while !tracks.is_empty() {
        let verified = verify(folder.path()).unwrap().unwrap();
        assert!(verified.refusal.is_none(), "{verified:?}");
        while let Some(ended) = tracks.try_join_next() {
            ended.unwrap();
        }
    }
}

#[tokio::test]
async fn reading_from_the_outside_changes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let files = || {
        let mut files: Vec<_> = fs::read_dir(folder.path().join("db"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = files();
    // RocksDB's own log file would grow beside the store; its lines go to the log of the process.
    assert!(before.iter().all(|(name, _)| name != "LOG"));
    assert!(verify(folder.path()).unwrap().unwrap().refusal.is_none());
    assert!(files() == before);
}

#[tokio::test]
async fn a_database_brought_back_from_an_older_copy_is_refused_until_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&folder.path().join("db"), copy.path());
    let store = open(folder.path()).await.unwrap();
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    store.commit(&lease, &track("a"), b"2".to_vec()).await.unwrap();
    store.close().await;
    fs::remove_dir_all(folder.path().join("db")).unwrap();
    copy_folder(copy.path(), &folder.path().join("db"));
    refused_as_rolled_back(open(folder.path()).await, "were acknowledged");
    let repaired = repair(folder.path()).unwrap();
    assert!(matches!(repaired.refusal, Some(StoreError::RolledBack { .. })));
    let store = open(folder.path()).await.unwrap();
    let again = store.acquire(&mapping("quakes")).await.unwrap();
    assert!(again.epoch > lease.epoch || again.epoch > Epoch(0));
    assert_eq!(store.load(&again).await.unwrap(), Some(vec![kept("a", "1"), kept("b", "1")]));
}

#[tokio::test]
async fn a_missing_database_is_not_a_fresh_start() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    fs::remove_dir_all(folder.path().join("db")).unwrap();
    refused_as_rolled_back(open(folder.path()).await, "the database is missing or empty");
    assert!(matches!(verify(folder.path()).unwrap().unwrap().refusal, Some(StoreError::RolledBack { .. })));
    assert!(matches!(repair(folder.path()), Err(StoreError::RolledBack { .. })));
}

#[tokio::test]
async fn a_missing_seal_is_refused_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    fs::remove_file(folder.path().join("seal")).unwrap();
    match open(folder.path()).await {
        Err(StoreError::Damaged { row, .. }) => assert_eq!(row, "the seal"),
        other => panic!("{other:?}"),
    }
    repair(folder.path()).unwrap();
    let store = open(folder.path()).await.unwrap();
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), Some(vec![kept("a", "1"), kept("b", "1")]));
}

#[tokio::test]
async fn two_stores_cannot_be_mixed() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(one.path()).await;
    filled(other.path()).await;
    fs::copy(one.path().join("seal"), other.path().join("seal")).unwrap();
    refused_as_rolled_back(open(other.path()).await, "two different stores");
}

/// The key of a track's row, as the table in `row.rs` draws it.
fn key(kind: u8, mapping: &str, track: &str) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(&u32::try_from(mapping.len()).unwrap().to_be_bytes());
    key.extend_from_slice(mapping.as_bytes());
    key.extend_from_slice(track.as_bytes());
    key
}

#[tokio::test]
async fn a_damaged_row_is_refused_by_name_and_mended_into_a_lost_position() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let db = DB::open(&Options::default(), folder.path().join("db")).unwrap();
    db.put(key(b'c', "quakes", "a"), b"nonsense").unwrap();
    drop(db);
    match open(folder.path()).await {
        Err(error @ StoreError::Damaged { .. }) => {
            assert!(error.to_string().contains("the checkpoint of track a of mapping quakes"), "{error}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(verify(folder.path()).unwrap().unwrap().faults.len(), 1);
    let repaired = repair(folder.path()).unwrap();
    assert_eq!(repaired.lost, vec![(mapping("quakes"), track("a"))]);
    assert_eq!(repaired.dropped[0].row, "the checkpoint of track a of mapping quakes");
    let store = open(folder.path()).await.unwrap();
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    let lost = KeptTrack { track: track("a"), checkpoint: None };
    assert_eq!(store.load(&lease).await.unwrap(), Some(vec![lost, kept("b", "1")]));
}

#[tokio::test]
async fn a_damaged_note_is_refused_by_name_and_mending_keeps_the_others() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let store = open(folder.path()).await.unwrap();
    for name in ["quakes", "tides", "winds"] {
        store.note(&mapping(name), name.as_bytes().to_vec()).await.unwrap();
    }
    store.close().await;
    let db = DB::open(&Options::default(), folder.path().join("db")).unwrap();
    db.put(key(b'd', "tides", ""), b"nonsense").unwrap();
    drop(db);
    match open(folder.path()).await {
        Err(error @ StoreError::Damaged { .. }) => {
            assert!(error.to_string().contains("the note of mapping tides"), "{error}")
        }
        other => panic!("{other:?}"),
    }
    let repaired = repair(folder.path()).unwrap();
    assert_eq!(
        repaired.dropped.iter().map(|it| it.row.as_str()).collect::<Vec<_>>(),
        ["the note of mapping tides"]
    );
    assert_eq!((repaired.mappings, repaired.lost), (vec![mapping("quakes")], vec![]));
    let store = open(folder.path()).await.unwrap();
    let kept: Vec<_> = store.notes().await.unwrap().into_keys().map(|mapping| mapping.0).collect();
    assert_eq!(kept, ["quakes", "winds"]);
}

#[tokio::test]
async fn a_note_that_is_missing_or_older_is_refused() {
    for older in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let db = || DB::open(&Options::default(), folder.path().join("db")).unwrap();
        let store = open(folder.path()).await.unwrap();
        store.note(&mapping("quakes"), b"1".to_vec()).await.unwrap();
        store.close().await;
        let before = db().get(key(b'd', "quakes", "")).unwrap().unwrap();
        let store = open(folder.path()).await.unwrap();
        store.note(&mapping("quakes"), b"2".to_vec()).await.unwrap();
        store.close().await;
        match older {
            true => db().put(key(b'd', "quakes", ""), before).unwrap(),
            false => db().delete(key(b'd', "quakes", "")).unwrap(),
        }
        refused_as_rolled_back(open(folder.path()).await, "missing or older");
    }
}

#[tokio::test]
async fn a_row_that_is_missing_or_older_is_refused_though_every_other_check_passes() {
    for older in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path()).await;
        let db = || DB::open(&Options::default(), folder.path().join("db")).unwrap();
        let before = db().get(key(b'c', "quakes", "a")).unwrap().unwrap();
        let store = open(folder.path()).await.unwrap();
        let lease = store.acquire(&mapping("quakes")).await.unwrap();
        store.commit(&lease, &track("a"), b"2".to_vec()).await.unwrap();
        store.close().await;
        match older {
            true => db().put(key(b'c', "quakes", "a"), before).unwrap(),
            false => db().delete(key(b't', "quakes", "a")).unwrap(),
        }
        refused_as_rolled_back(open(folder.path()).await, "missing or older");
    }
}

#[tokio::test]
async fn a_mended_mapping_is_never_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let db = DB::open(&Options::default(), folder.path().join("db")).unwrap();
    db.delete(key(b'm', "quakes", "")).unwrap();
    db.delete(key(b't', "quakes", "b")).unwrap();
    drop(db);
    let repaired = repair(folder.path()).unwrap();
    assert_eq!((repaired.mappings, repaired.lost), (vec![mapping("quakes")], vec![]));
    let store = open(folder.path()).await.unwrap();
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), Some(vec![kept("a", "1"), kept("b", "1")]));
}

#[tokio::test]
async fn a_whole_store_is_not_touched_by_repair() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let before = verify(folder.path()).unwrap().unwrap().n_writes;
    let repaired = repair(folder.path()).unwrap();
    assert!(repaired.refusal.is_none());
    assert_eq!(verify(folder.path()).unwrap().unwrap().n_writes, before);
}
