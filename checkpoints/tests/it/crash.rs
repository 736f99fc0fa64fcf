//! Killed with -9 under load: every acknowledged write, of checkpoints and of notes, is there afterwards, and
//! nothing goes back, whether it was synced or only written.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use forebay_checkpoints::{CheckpointStore, Lease, RocksOptions, RocksStore};
use tokio::task::JoinSet;

use super::bench::{Seed, child, child_folder, is_long, mapping, open, take, track};

const N_TRACKS: usize = 16;
const N_NOTED: usize = 2;

#[tokio::test]
async fn every_acknowledged_commit_survives_a_kill_and_nothing_goes_back() {
    if let Some(folder) = child_folder() {
        return commit_until_killed(&folder, Answered::WhenSynced).await;
    }
    kill_again_and_again("crash::every_acknowledged_commit_survives_a_kill_and_nothing_goes_back").await;
}

#[tokio::test]
async fn every_checkpoint_that_was_written_survives_a_kill_before_its_sync() {
    if let Some(folder) = child_folder() {
        return commit_until_killed(&folder, Answered::WhenWritten).await;
    }
    kill_again_and_again("crash::every_checkpoint_that_was_written_survives_a_kill_before_its_sync").await;
}

/// When a child's commits are acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    WhenSynced,
    WhenWritten,
}

async fn kill_again_and_again(test: &str) {
    let mut seed = Seed::fresh();
    let folder = tempfile::tempdir().unwrap();
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..if is_long() { 50 } else { 8 } {
        let n_acknowledged = 1 + seed.below(if round % 4 == 0 { 20 } else { 1_500 });
        let acknowledged = kill_after(test, folder.path(), n_acknowledged);
        let store = open(folder.path()).await.unwrap();
        let lease = store.acquire(&mapping("quakes")).await.unwrap();
        let now = numbers(&store, &lease).await;
        for (track, number) in &kept {
            assert!(
                now[track] >= *number,
                "round {round}: track {track} went back from {number} to {}",
                now[track]
            );
        }
        for (track, number) in &acknowledged {
            assert!(
                now[track] >= *number,
                "round {round}: track {track} is at {}, and {number} was acknowledged",
                now[track]
            );
            assert!(
                now[track] <= number + 1,
                "round {round}: track {track} is at {}, and only {number} was acknowledged",
                now[track]
            );
        }
        store.close().await;
        kept = now;
    }
    assert!(!kept.is_empty());
}

/// Lets a child commit until so many commits were acknowledged, kills it, and returns the last number
/// acknowledged for each track.
fn kill_after(test: &str, folder: &Path, n_acknowledged: u64) -> BTreeMap<String, u64> {
    let mut child = child(test, folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut n_seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // Half a line may be the last thing a killed process wrote; its dot is missing.
        let Some((track, number)) = line
            .strip_prefix("committed ")
            .and_then(|it| it.strip_suffix('.'))
            .and_then(|it| it.split_once(' '))
        else {
            continue;
        };
        acknowledged.insert(track.to_owned(), number.parse().unwrap());
        n_seen += 1;
        if n_seen == n_acknowledged {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(n_seen >= n_acknowledged, "the child ended by itself after {n_seen} commits: {status}");
    acknowledged
}

async fn numbers(store: &dyn CheckpointStore, lease: &Lease) -> BTreeMap<String, u64> {
    let tracks = store
        .load(lease)
        .await
        .unwrap()
        .unwrap_or_default()
        .into_iter()
        .map(|it| (it.track.0, it.checkpoint.unwrap()));
    let notes = store.notes().await.unwrap().into_iter().map(|(mapping, note)| (mapping.0, note));
    tracks
        .chain(notes)
        .map(|(name, kept)| {
            let kept = String::from_utf8(kept).unwrap();
            (name, kept.split_once(' ').unwrap().0.parse().unwrap())
        })
        .collect()
}

/// What the child does: all tracks commit as fast as they can, some mappings are noted beside them, and each
/// acknowledged write is a line.
async fn commit_until_killed(folder: &Path, answered: Answered) {
    // No sync comes by itself before the kill.
    let commit_interval =
        if answered == Answered::WhenWritten { Duration::from_secs(3600) } else { Duration::ZERO };
    let store = Arc::new(
        RocksStore::open(RocksOptions { commit_interval, ..RocksOptions::new(folder) }).await.unwrap(),
    );
    let lease = take(&*store, "quakes").await;
    let begun = numbers(&*store, &lease).await;
    let mut tracks = JoinSet::new();
    let n_noted = if answered == Answered::WhenWritten { 0 } else { N_NOTED };
    let noted = (0..n_noted).map(|it| (true, format!("noted-{it}")));
    for (is_note, name) in (0..N_TRACKS).map(|it| (false, it.to_string())).chain(noted) {
        let (store, lease) = (Arc::clone(&store), lease.clone());
        let mut number = begun.get(&name).copied().unwrap_or(0);
        tracks.spawn(async move {
            loop {
                number += 1;
                // Large ones now and then, so that logs become tables under load.
                let n_bytes = if number % 5 == 0 { 20_000 } else { 100 };
                let checkpoint = format!("{number} {}", "x".repeat(n_bytes));
                match is_note {
                    true => store.note(&mapping(&name), checkpoint.into_bytes()).await.unwrap(),
                    false if answered == Answered::WhenWritten => {
                        store.write(&lease, &track(&name), checkpoint.into_bytes()).await.map(drop).unwrap();
                    }
                    false => store.commit(&lease, &track(&name), checkpoint.into_bytes()).await.unwrap(),
                }
                let mut out = std::io::stdout().lock();
                out.write_all(format!("\ncommitted {name} {number}.\n").as_bytes())
                    .and_then(|()| out.flush())
                    .unwrap();
            }
        });
    }
    tracks.join_all().await;
}
