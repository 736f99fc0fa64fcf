//! Flipped bits and cut files: what opens is identical, what is not is refused by name; nothing is silently
//! older.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use forebay_checkpoints::rocksdb::{repair, verify};
use forebay_checkpoints::{CheckpointStore, KeptTrack, MappingId, StoreError};

use super::bench::{Seed, copy_folder, is_long, kept, mapping, open, take, track};

#[tokio::test]
async fn a_damaged_store_opens_identical_or_is_refused_by_name() {
    let mut seed = Seed::fresh();
    let (template, wanted) = killed_store().await;
    let (mut n_identical, mut n_refused) = (0, 0);
    for trial in 0..if is_long() { 200 } else { 40 } {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(template.path(), folder.path());
        let what = damage(folder.path(), &mut seed);
        match open(folder.path()).await {
            Ok(store) => {
                let lease = store.acquire(&mapping("quakes")).await.unwrap();
                assert!(
                    store.load(&lease).await.unwrap().as_ref() == Some(&wanted),
                    "trial {trial}: {what} went unseen"
                );
                assert!(
                    store.notes().await.unwrap() == noted(),
                    "trial {trial}: {what} went unseen in the notes"
                );
                n_identical += 1;
                store.close().await;
            }
            Err(error @ (StoreError::Damaged { .. } | StoreError::RolledBack { .. })) => {
                assert!(
                    error.to_string().contains(&folder.path().display().to_string()),
                    "trial {trial}: {what}: {error}"
                );
                n_refused += 1;
                mend(folder.path(), &wanted, &what).await;
            }
            Err(error) => panic!("trial {trial}: {what}: {error:?}"),
        }
    }
    println!("{n_identical} identical, {n_refused} refused by name");
    assert!(n_refused > 0);
}

/// The kind of a record in the log, a bit of which makes it one of a reused log: RocksDB read it again and
/// again and never ended.
#[tokio::test]
async fn a_log_that_the_database_would_read_without_end_is_refused_by_name_and_mended() {
    let (template, wanted) = killed_store().await;
    let log = files(template.path())
        .into_iter()
        .find(|path| path.extension().is_some_and(|it| it == "log"))
        .unwrap();
    let log = log.file_name().unwrap().to_owned();
    let (mut at, mut n_refused) = (0, 0);
    loop {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(template.path(), folder.path());
        let path = folder.path().join("db").join(&log);
        let mut bytes = fs::read(&path).unwrap();
        let Some(header) = bytes.get(at..at + 7) else { break };
        assert_eq!(header[6], 1, "a whole record begins at byte {at}");
        let next = at + 7 + usize::from(u16::from_le_bytes([header[4], header[5]]));
        bytes[at + 6] = 5;
        fs::write(&path, bytes).unwrap();
        let error = open(folder.path()).await.map(drop).unwrap_err();
        assert!(
            matches!(&error, StoreError::Damaged { row, .. } if row.contains(&format!("from byte {at} on"))),
            "{error:?}"
        );
        assert!(verify(folder.path()).unwrap().unwrap().refusal.is_some());
        mend(folder.path(), &wanted, &format!("the record at {at}")).await;
        (at, n_refused) = (next, n_refused + 1);
    }
    assert!(n_refused > 10, "{n_refused} records in the log");
}

/// A mended store opens, and knows no track with a place that it never had.
async fn mend(folder: &Path, wanted: &[KeptTrack], what: &str) {
    repair(folder).unwrap_or_else(|error| panic!("{what} cannot be mended: {error:?}"));
    let store = open(folder).await.unwrap_or_else(|error| panic!("{what}, mended: {error:?}"));
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    for it in store.load(&lease).await.unwrap().unwrap_or_default() {
        assert!(wanted.iter().any(|wanted| wanted.track == it.track), "{what}, mended: {it:?}");
    }
    for (mapping, note) in store.notes().await.unwrap() {
        // The log may be cut behind any write, so a note may be the one before; nothing else may be there.
        let known = (0..3).any(|generation| noted_in(generation).get(&mapping) == Some(&note));
        assert!(known, "{what}, mended: {mapping:?} {}", note.escape_ascii());
    }
    store.close().await;
}

/// A folder as a kill leaves it: tables and a log, and in the log newer checkpoints of tracks that are in the
/// tables.
async fn killed_store() -> (tempfile::TempDir, Vec<KeptTrack>) {
    let folder = tempfile::tempdir().unwrap();
    for generation in 0..3 {
        let store = open(folder.path()).await.unwrap();
        let lease = take(&store, "quakes").await;
        for number in 0..20 {
            store
                .commit(&lease, &track(&format!("{number:02}")), place(generation, number).into_bytes())
                .await
                .unwrap();
        }
        for (mapping, note) in noted_in(generation) {
            store.note(&mapping, note).await.unwrap();
        }
        if generation == 2 {
            let copy = tempfile::tempdir().unwrap();
            copy_folder(folder.path(), copy.path());
            store.close().await;
            return (copy, (0..20).map(|number| kept(&format!("{number:02}"), &place(2, number))).collect());
        }
        store.close().await;
    }
    unreachable!("the third generation returns")
}

/// What a whole store has noted.
fn noted() -> BTreeMap<MappingId, Vec<u8>> {
    noted_in(2)
}

fn noted_in(generation: u32) -> BTreeMap<MappingId, Vec<u8>> {
    (0..10)
        .map(|number| (mapping(&format!("noted {number}")), place(generation, number).into_bytes()))
        .collect()
}

fn place(generation: u32, number: u32) -> String {
    format!("{generation} {number:0300}")
}

/// All files with something in them, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.join("db")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push(folder.join("seal"));
    files.retain(|path| fs::metadata(path).unwrap().len() > 0);
    files.sort();
    files
}

/// Flips a bit of a random file or cuts it; says what it did.
fn damage(folder: &Path, seed: &mut Seed) -> String {
    let files = files(folder);
    let path = &files[usize::try_from(seed.below(files.len() as u64)).unwrap()];
    let n_bytes = fs::metadata(path).unwrap().len();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    if seed.below(2) == 0 {
        let length = seed.below(n_bytes);
        OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
        format!("{name} cut from {n_bytes} to {length} bytes")
    } else {
        let bit = seed.below(n_bytes * 8);
        let mut bytes = fs::read(path).unwrap();
        bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        fs::write(path, bytes).unwrap();
        format!("bit {bit} of {name} flipped")
    }
}
