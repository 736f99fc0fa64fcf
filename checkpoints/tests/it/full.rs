//! No room: writes are refused, health says so, reading goes on, and the store comes back by itself.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use forebay_checkpoints::{
    CheckpointStore, KeptTrack, Lease, RocksOptions, RocksStore, StoreError, StoreHealth,
};

use super::bench::{Seed, is_long, mapping, open, take, track, wait_health};

/// The track's checkpoint: a number, made long.
pub(crate) fn place(number: u64) -> Vec<u8> {
    format!("{number:016000}").into_bytes()
}

/// Commits until there is no room; returns the last number acknowledged.
pub(crate) async fn commit_until_full(store: &dyn CheckpointStore, lease: &Lease, number: u64) -> u64 {
    commit_until_full_while(store, lease, number, || {}).await
}

/// The same; `squeeze` is called now and then, to take what the store itself has freed meanwhile.
async fn commit_until_full_while(
    store: &dyn CheckpointStore,
    lease: &Lease,
    mut number: u64,
    mut squeeze: impl FnMut(),
) -> u64 {
    for n in 0..20_000 {
        if n % 100 == 99 {
            squeeze();
        }
        match store.commit(lease, &track("a"), place(number + 1)).await {
            Ok(()) => number += 1,
            Err(StoreError::Full { .. }) => return number,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("there is room without end");
}

pub(crate) async fn kept_number(store: &dyn CheckpointStore, lease: &Lease) -> u64 {
    let tracks = store.load(lease).await.unwrap().unwrap();
    let [KeptTrack { checkpoint: Some(checkpoint), .. }] = &tracks[..] else { panic!("{tracks:?}") };
    String::from_utf8(checkpoint.clone()).unwrap().parse().unwrap()
}

#[tokio::test]
async fn at_the_size_limit_it_refuses_reads_on_and_comes_back_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let probe_interval = Duration::from_millis(10);
    let options =
        RocksOptions { bytes_max: Some(8 << 20), probe_interval, ..RocksOptions::new(folder.path()) };
    let store = RocksStore::open(options).await.unwrap();
    let lease = take(&store, "quakes").await;
    let mut number = 0;
    for _ in 0..3 {
        let filler = folder.path().join("filler");
        fs::write(&filler, vec![0; 8 << 20]).unwrap();
        number = commit_until_full(&store, &lease, number).await;
        assert!(matches!(*store.health().borrow(), StoreHealth::Full { .. }));
        if number > 0 {
            assert_eq!(kept_number(&store, &lease).await, number);
        }
        fs::remove_file(&filler).unwrap();
        wait_health(&store, |health| *health == StoreHealth::Ok).await;
        number += 1;
        store.commit(&lease, &track("a"), place(number)).await.unwrap();
    }
    store.close().await;
    let store = open(folder.path()).await.unwrap();
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert_eq!(kept_number(&store, &lease).await, number);
}

#[tokio::test]
async fn one_track_may_be_rewritten_for_ever_within_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        RocksStore::open(RocksOptions { bytes_max: Some(3 << 20), ..RocksOptions::new(folder.path()) })
            .await
            .unwrap();
    let lease = take(&store, "quakes").await;
    for number in 0..400 {
        store.commit(&lease, &track("a"), place(number)).await.unwrap();
    }
    assert_eq!(*store.health().borrow(), StoreHealth::Ok);
}

#[tokio::test]
async fn on_a_small_disk_it_stops_says_so_and_comes_back_without_a_restart() {
    if !is_long() {
        return;
    }
    let mut seed = Seed::fresh();
    let disk = SmallDisk::mount();
    let folder = disk.0.path().join("data");
    let mut store = RocksStore::open(RocksOptions::new(&folder)).await.unwrap();
    let mut lease = take(&store, "quakes").await;
    let mut number = 0;
    for round in 0..12_u32 {
        let filler = |n: u32| disk.0.path().join(format!("filler {n}"));
        let mut n_fillers = 1;
        fill(&filler(0), 1 + usize::try_from(seed.below(64 << 10)).unwrap());
        number = commit_until_full_while(&store, &lease, number, || {
            fill(&filler(n_fillers), 0);
            n_fillers += 1;
        })
        .await;
        assert!(matches!(*store.health().borrow(), StoreHealth::Full { .. }), "round {round}");
        if round % 3 == 2 {
            // A restart on a full disk is no crash loop: it opens, and waits.
            store.close().await;
            fill(&disk.0.path().join("what closing freed"), 0);
            store = RocksStore::open(RocksOptions::new(&folder)).await.unwrap();
            assert!(matches!(*store.health().borrow(), StoreHealth::Full { .. }), "round {round}");
        } else {
            assert!(kept_number(&store, &lease).await >= number, "round {round}");
        }
        (0..n_fillers).for_each(|n| fs::remove_file(filler(n)).unwrap());
        drop(fs::remove_file(disk.0.path().join("what closing freed")));
        wait_health(&store, |health| *health == StoreHealth::Ok).await;
        if round % 3 == 2 {
            lease = store.acquire(&mapping("quakes")).await.unwrap();
        }
        // The write that was refused may have landed all the same.
        let kept = kept_number(&store, &lease).await;
        assert!(kept == number || kept == number + 1, "round {round}: {kept}, and {number} was acknowledged");
        number = kept;
    }
    store.close().await;
}

/// A file that takes all the room there is, but for a little.
fn fill(path: &Path, spare_bytes: usize) {
    let mut file = File::create(path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let n_bytes = file.metadata().unwrap().len();
    file.set_len(n_bytes.saturating_sub(u64::try_from(spare_bytes).unwrap())).unwrap();
}

struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=48m", "forebay-small-disk"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(mounted.success(), "mounting needs root: run it without FOREBAY_LONG otherwise");
        Self(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}
