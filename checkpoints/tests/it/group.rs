//! Commits that come together share a sync.

use std::sync::Arc;
use std::time::Instant;

use forebay_checkpoints::CheckpointStore;
use forebay_checkpoints::rocksdb::verify;
use tokio::task::JoinSet;

use super::bench::{is_long, open, take, track};

const N_TRACKS: u64 = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_tracks_that_commit_together_need_fewer_syncs_than_commits() {
    let n_rounds: u64 = if is_long() { 2_000 } else { 100 };
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()).await.unwrap());
    let lease = take(&*store, "quakes").await;
    let before = verify(folder.path()).unwrap().unwrap().n_writes;
    let begun = Instant::now();
    let mut tracks = JoinSet::new();
    for number in 0..N_TRACKS {
        let (store, lease) = (Arc::clone(&store), lease.clone());
        tracks.spawn(async move {
            for round in 0..n_rounds {
                let place = format!("{round:0200}");
                store.commit(&lease, &track(&number.to_string()), place.into_bytes()).await.unwrap();
            }
        });
    }
    tracks.join_all().await;
    let passed = begun.elapsed();
    let n_syncs = verify(folder.path()).unwrap().unwrap().n_writes - before;
    let n_commits = N_TRACKS * n_rounds;
    println!(
        "{n_commits} durable commits of {N_TRACKS} tracks in {n_syncs} syncs, {:.0} commits/s",
        n_commits as f64 / passed.as_secs_f64()
    );
    assert!(n_syncs >= n_rounds);
    assert!(n_syncs < n_commits / 2, "{n_syncs} syncs for {n_commits} commits");
}
