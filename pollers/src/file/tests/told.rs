//! Files of this machine whose changes are told: what comes at once, what two rotations in one instant leave,
//! what is still looked for.

use std::path::Path;
use std::time::Duration;

use super::Follower;
use super::contract::local;
use crate::contract::room;
use crate::source::{Known, Room};

fn append(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

const LONG: Duration = Duration::from_secs(60);

/// Lists until every change will be told.
async fn settle(follower: &mut Follower) {
    while follower.source.tracks().expect("it has tracks").rediscover_every() < LONG / 2 {
        follower.catch_up().await;
    }
    // The watches themselves ring once: nothing may have been missed while they began.
    while tokio::time::timeout(Duration::ZERO, follower.source.tracks().expect("it has tracks").changed())
        .await
        .is_ok()
    {}
    follower.catch_up().await;
}

#[tokio::test]
async fn a_line_a_new_file_and_a_first_line_are_told() {
    let folder = tempfile::tempdir().unwrap();
    append(&folder.path().join("a.log"), "one\n");
    append(&folder.path().join("young.log"), "");
    let mut follower = Follower::new(local(folder.path(), "*.log", Duration::ZERO));
    settle(&mut follower).await;
    let at = follower.tracks[&follower.names[0]].at.clone();
    let mut reader =
        follower.source.tracks().expect("it has tracks").open(&follower.names[0], &at).await.unwrap();
    assert!(reader.read(room(10)).await.unwrap().records.is_empty());
    let (path, far) = (folder.path().join("a.log"), Room { wait: LONG, ..room(10) });
    let (read, ()) = tokio::join!(reader.read(far), async { append(&path, "two\n") });
    assert_eq!(read.unwrap().records.len(), 1);
    append(&folder.path().join("b.log"), "new\n");
    tokio::time::timeout(LONG, follower.source.tracks().expect("it has tracks").changed()).await.unwrap();
    follower.catch_up().await;
    append(&folder.path().join("young.log"), "grown\n");
    tokio::time::timeout(LONG, follower.source.tracks().expect("it has tracks").changed()).await.unwrap();
    follower.catch_up().await;
    assert_eq!(follower.lines(), [vec!["one", "two"], vec!["new"], vec!["grown"]]);
}

#[tokio::test]
async fn a_file_that_was_truncated_is_listed_at_once_and_what_comes_next_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    append(&path, "one\n");
    let mut follower = Follower::new(local(folder.path(), "*.log", Duration::ZERO));
    settle(&mut follower).await;
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    follower.catch_up().await;
    tokio::time::timeout(LONG, follower.source.tracks().expect("it has tracks").changed())
        .await
        .expect("the end of a life asks for a listing");
    settle(&mut follower).await;
    append(&path, "two\n");
    tokio::time::timeout(LONG, follower.source.tracks().expect("it has tracks").changed())
        .await
        .expect("an empty file that is written to is told");
    follower.catch_up().await;
    assert_eq!(follower.lines(), [vec!["one"], vec!["two"]]);
}

#[tokio::test]
async fn a_file_without_a_whole_line_is_looked_at_until_it_is_a_track() {
    let folder = tempfile::tempdir().unwrap();
    let mut follower = Follower::new(local(folder.path(), "*.log", Duration::ZERO));
    settle(&mut follower).await;
    append(&folder.path().join("a.log"), "no end");
    tokio::time::timeout(LONG, follower.source.tracks().expect("it has tracks").changed()).await.unwrap();
    follower.catch_up().await;
    assert!(follower.names.is_empty(), "it may grow a line yet");
    assert!(
        follower.source.tracks().expect("it has tracks").rediscover_every() < LONG / 2,
        "nothing tells of its age"
    );
}

#[tokio::test]
async fn two_rotations_in_one_instant_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rename = |from: &str, to: &str| std::fs::rename(path(from), path(to)).unwrap();
    append(&path("app.log"), "A\n");
    let mut follower = Follower::new(local(folder.path(), "app.log", Duration::ZERO));
    settle(&mut follower).await;
    for [second, third] in [["B\n", "C\n"], ["D\n", "E\n"]] {
        rename("app.log", "app.log.1");
        append(&path("app.log"), second);
        rename("app.log.1", "app.log.2");
        rename("app.log", "app.log.1");
        append(&path("app.log"), third);
        tokio::time::timeout(LONG, follower.source.tracks().expect("it has tracks").changed()).await.unwrap();
        follower.catch_up().await;
    }
    let mut lines = follower.lines().concat();
    lines.sort();
    assert_eq!(lines, ["A", "B", "C", "D", "E"]);
    assert_eq!(follower.trouble, None);
}

#[tokio::test]
async fn a_file_that_came_and_was_deleted_before_it_was_opened_is_told() {
    let folder = tempfile::tempdir().unwrap();
    append(&folder.path().join("a.log"), "one\n");
    let mut follower = Follower::new(local(folder.path(), "*.log", Duration::ZERO));
    settle(&mut follower).await;
    append(&folder.path().join("b.log"), "lost\n");
    std::fs::remove_file(folder.path().join("b.log")).unwrap();
    while follower.trouble.is_none() {
        tokio::time::timeout(LONG, follower.source.tracks().expect("it has tracks").changed()).await.unwrap();
        follower.discover().await;
    }
    let trouble = follower.trouble.clone().unwrap();
    assert!(trouble.contains("FB-0233") && trouble.contains("b.log"), "{trouble}");
    follower.discover().await;
    assert_eq!(follower.trouble, None, "it is told once");
}

#[tokio::test]
async fn where_a_link_was_followed_files_are_still_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    append(&folder.path().join("real"), "one\n");
    std::os::unix::fs::symlink("real", folder.path().join("a.log")).unwrap();
    let source = local(folder.path(), "*.log", Duration::ZERO);
    source.tracks().expect("it has tracks").list(&Known::default()).await.unwrap();
    assert!(source.tracks().expect("it has tracks").rediscover_every() <= Duration::from_secs(1));
}

#[tokio::test]
async fn a_folder_that_is_replaced_is_watched_again() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    append(&logs.join("a.log"), "one\n");
    let mut follower = Follower::new(local(&logs, "*.log", Duration::ZERO));
    settle(&mut follower).await;
    std::fs::rename(&logs, folder.path().join("old")).unwrap();
    std::fs::create_dir(&logs).unwrap();
    tokio::time::timeout(LONG, follower.source.tracks().expect("it has tracks").changed()).await.unwrap();
    settle(&mut follower).await;
    append(&logs.join("b.log"), "two\n");
    tokio::time::timeout(LONG, follower.source.tracks().expect("it has tracks").changed()).await.unwrap();
    follower.catch_up().await;
    assert_eq!(follower.lines(), [["one"], ["two"]]);
}
