//! All files of one path in one order: whoever takes the path waits for those before it.

use std::time::Duration;

use super::Follower;
use crate::contract::Draw;
use crate::file::fake::FakeFiles;

const NOW: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_secs(3_600);

fn files() -> FakeFiles {
    let files = FakeFiles::new();
    files.disk().make_folder("/logs");
    files
}

fn follow(files: &FakeFiles, pattern: &str, rotate_wait: Duration) -> Follower {
    Follower::new(files.source_by_path(pattern, rotate_wait).unwrap())
}

#[tokio::test]
async fn the_file_that_takes_a_path_is_read_after_the_one_before_it_is_finished() {
    // Renamed out of the pattern, and within it.
    for pattern in ["/logs/app.log", "/logs/app.log*"] {
        let files = files();
        files.disk().append("/logs/app.log", b"1\n2\n3\n4\n5\n");
        let mut follower = follow(&files, pattern, NOW);
        follower.discover().await;
        files.disk().rename("/logs/app.log", "/logs/app.log.1");
        files.disk().append("/logs/app.log", b"7\n8\n");
        follower.discover().await;
        files.disk().append("/logs/app.log.1", b"6\n");
        follower.catch_up().await;
        assert_eq!(follower.sequence, ["1", "2", "3", "4", "5", "6", "7", "8"], "{pattern}");
    }
}

#[tokio::test]
async fn it_waits_as_long_as_the_one_before_it_may_still_be_written_to() {
    let files = files();
    files.disk().append("/logs/app.log", b"1\n");
    let mut follower = follow(&files, "/logs/app.log*", LATER);
    follower.catch_up().await;
    files.disk().rename("/logs/app.log", "/logs/app.log.1");
    files.disk().append("/logs/app.log", b"2\n");
    files.disk().append("/logs/other.log", b"another path\n");
    follower.catch_up().await;
    assert_eq!(follower.sequence, ["1"]);
    // A new process knows no more than the names, and waits all the same.
    follower.restart(files.source_by_path("/logs/app.log*", LATER).unwrap(), |n| n);
    follower.describe().await;
    follower.catch_up().await;
    assert_eq!(follower.sequence, ["1"]);
    follower.restart(files.source_by_path("/logs/app.log*", NOW).unwrap(), |n| n);
    follower.describe().await;
    follower.catch_up().await;
    assert_eq!(follower.sequence, ["1", "2"]);
}

#[tokio::test]
async fn files_of_other_paths_do_not_wait() {
    let files = files();
    files.disk().append("/logs/a.log", b"a1\n");
    files.disk().append("/logs/b.log", b"b1\n");
    let mut follower = follow(&files, "/logs/*.log", LATER);
    follower.catch_up().await;
    files.disk().rename("/logs/a.log", "/logs/a.1");
    files.disk().append("/logs/a.log", b"a2\n");
    files.disk().append("/logs/b.log", b"b2\n");
    follower.catch_up().await;
    assert_eq!(follower.sequence, ["a1", "b1", "b2"]);
}

#[tokio::test]
async fn a_file_that_is_written_anew_comes_after_its_former_life() {
    let files = files();
    files.disk().append("/logs/app.log", b"1\n2\n");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.catch_up().await;
    files.disk().truncate("/logs/app.log", 0);
    files.disk().append("/logs/app.log", b"3\n");
    follower.catch_up().await;
    assert_eq!(follower.sequence, ["1", "2", "3"]);
}

#[tokio::test]
async fn rotations_at_random_with_restarts_keep_the_order_of_the_path() {
    for seed in 1..=40 {
        let mut draw = Draw(seed);
        let files = files();
        let mut follower = follow(&files, "/logs/app.log*", NOW);
        let (mut n, mut n_files) = (0, 0);
        for _ in 0..60 {
            match draw.below(6) {
                0 | 1 => {
                    files.disk().append("/logs/app.log", format!("{n}\n").as_bytes());
                    n += 1;
                }
                // Each is seen under its path before it is renamed.
                2 if files.disk().number("/logs/app.log").is_some() => {
                    follower.discover().await;
                    n_files += 1;
                    files.disk().rename("/logs/app.log", &format!("/logs/app.log.{n_files}"));
                }
                3 => follower.catch_up().await,
                4 if draw.below(4) == 0 => {
                    follower.restart(files.source_by_path("/logs/app.log*", NOW).unwrap(), |n| n);
                    follower.describe().await;
                }
                _ => _ = follower.discover().await,
            }
        }
        follower.catch_up().await;
        assert_eq!(follower.sequence, (0..n).map(|it| it.to_string()).collect::<Vec<_>>(), "seed {seed}");
    }
}
