//! Writes that fail in the middle, made by limits of the process: each test runs its body in a child, whose
//! limits are its own.

use std::path::Path;
use std::time::Duration;

use forebay_checkpoints::{CheckpointStore, RocksOptions, RocksStore, StoreError, StoreHealth};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::bench::{child, child_folder, take, track, wait_health};
use super::full::{commit_until_full, kept_number, place};

#[tokio::test]
async fn after_a_failed_log_write_it_opens_the_database_again_by_itself() {
    let Some(folder) = child_folder() else {
        return pass_in_child("limits::after_a_failed_log_write_it_opens_the_database_again_by_itself");
    };
    // The limit of a file's size stands in for a full disk: RocksDB's log fails the same way, and no mount is
    // needed.
    let store = quick_store(&folder).await;
    let lease = take(&store, "quakes").await;
    let mut number = 0;
    for _ in 0..5 {
        limit(Resource::Fsize, Some(256 << 10));
        number = commit_until_full(&store, &lease, number).await;
        assert!(matches!(*store.health().borrow(), StoreHealth::Full { .. }));
        assert_eq!(kept_number(&store, &lease).await, number);
        limit(Resource::Fsize, None);
        wait_health(&store, |health| *health == StoreHealth::Ok).await;
        let kept = kept_number(&store, &lease).await;
        assert!(kept == number || kept == number + 1, "{kept}, and {number} was acknowledged");
        number = kept + 1;
        store.commit(&lease, &track("a"), place(number)).await.unwrap();
    }
}

#[tokio::test]
async fn a_store_that_cannot_open_files_says_that_it_fails_and_comes_back_by_itself() {
    let Some(folder) = child_folder() else {
        return pass_in_child(
            "limits::a_store_that_cannot_open_files_says_that_it_fails_and_comes_back_by_itself",
        );
    };
    let store = quick_store(&folder).await;
    let lease = take(&store, "quakes").await;
    let before = getrlimit(Resource::Nofile).current;
    limit(Resource::Nofile, Some(3));
    let mut number = 0;
    let error = loop {
        // The next log cannot be made.
        match store.commit(&lease, &track("a"), place(number + 1)).await {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 20_000);
    };
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    assert!(
        matches!(&*store.health().borrow(), StoreHealth::Failing { error, .. } if error.contains("Too many open files"))
    );
    assert!(matches!(store.load(&lease).await, Err(StoreError::Io { .. })));
    limit(Resource::Nofile, before);
    wait_health(&store, |health| *health == StoreHealth::Ok).await;
    let kept = kept_number(&store, &lease).await;
    assert!(kept == number || kept == number + 1, "{kept}, and {number} was acknowledged");
    store.commit(&lease, &track("a"), place(kept + 1)).await.unwrap();
}

async fn quick_store(folder: &Path) -> RocksStore {
    RocksStore::open(RocksOptions { probe_interval: Duration::from_millis(10), ..RocksOptions::new(folder) })
        .await
        .unwrap()
}

fn pass_in_child(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let child = child(test, folder.path()).output().unwrap();
    let out = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && out.contains("1 passed"),
        "{out}\n{}",
        String::from_utf8_lossy(&child.stderr)
    );
}

fn limit(resource: Resource, current: Option<u64>) {
    let maximum = getrlimit(resource).maximum;
    setrlimit(resource, Rlimit { current, maximum }).unwrap();
}
