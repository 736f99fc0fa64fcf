//! Files that are renamed, truncated, deleted, young, or that take another's inode.

use std::time::Duration;

use forebay_batcher::{Position, Watermark};

use super::Follower;
use crate::file::fake::FakeFiles;
use crate::source::{Known, Standing};

const NOW: Duration = Duration::ZERO;

fn files() -> FakeFiles {
    let files = FakeFiles::new();
    files.disk().make_folder("/logs");
    files
}

fn follow(files: &FakeFiles, pattern: &str, rotate_wait: Duration) -> Follower {
    Follower::new(files.source(pattern, rotate_wait).unwrap())
}

#[tokio::test]
async fn a_file_renamed_away_is_finished_and_its_successor_read_from_the_start() {
    let files = files();
    files.disk().append("/logs/app.log", b"one\ntwo\n");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.catch_up().await;
    let old = files.disk().number("/logs/app.log").unwrap();
    files.disk().rename("/logs/app.log", "/logs/app.log.1");
    files.disk().append("/logs/app.log", b"four\n");
    files.disk().append_to(old, b"three\nlast without an end");
    follower.catch_up().await;
    assert_eq!(follower.lines(), [vec!["one", "two", "three", "last without an end"], vec!["four"]]);
    assert_eq!(follower.names.iter().map(|it| follower.tracks[it].ended).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn a_file_renamed_within_the_pattern_stays_the_same_track() {
    let files = files();
    files.disk().append("/logs/app.log", b"one\n");
    let mut follower = follow(&files, "/logs/app.log*", NOW);
    follower.catch_up().await;
    files.disk().rename("/logs/app.log", "/logs/app.log.1");
    files.disk().append("/logs/app.log", b"two\n");
    files.disk().append("/logs/app.log.1", b"one and a half\n");
    follower.catch_up().await;
    assert_eq!(follower.lines(), [vec!["one", "one and a half"], vec!["two"]]);
}

#[tokio::test]
async fn a_file_renamed_while_nobody_looked_is_found_by_its_inode_and_finished() {
    let files = files();
    files.disk().append("/logs/app.log", b"one\ntwo\n");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.catch_up().await;
    files.disk().append("/logs/app.log", b"three\n");
    files.disk().rename("/logs/app.log", "/logs/app.log.1");
    files.disk().append("/logs/app.log", b"four\n");
    follower.restart(files.source("/logs/app.log", NOW).unwrap(), |n| n);
    follower.catch_up().await;
    assert_eq!(follower.lines(), [vec!["one", "two", "three"], vec!["four"]]);
}

#[tokio::test]
async fn a_file_away_from_its_path_is_kept_open_until_it_was_quiet_for_long_enough() {
    let files = files();
    files.disk().append("/logs/app.log", b"one\n");
    let mut follower = follow(&files, "/logs/app.log", Duration::from_secs(3600));
    follower.catch_up().await;
    let old = files.disk().number("/logs/app.log").unwrap();
    files.disk().remove("/logs/app.log");
    follower.catch_up().await;
    files.disk().append_to(old, b"two\n");
    follower.catch_up().await;
    assert_eq!(follower.lines(), [["one", "two"]]);
    assert!(!follower.tracks[&follower.names[0]].ended);
}

#[tokio::test]
async fn a_truncated_file_begins_a_new_life_even_with_the_same_first_line() {
    let files = files();
    files.disk().append("/logs/app.log", b"header\none\n");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.catch_up().await;
    for life in 0..3 {
        files.disk().now += 1;
        files.disk().truncate("/logs/app.log", 0);
        files.disk().append("/logs/app.log", format!("header\n{life}\n").as_bytes());
        follower.catch_up().await;
    }
    let lives = follower.lines();
    assert_eq!(lives, [vec!["header", "one"], vec!["header", "0"], vec!["header", "1"], vec!["header", "2"]]);
}

#[tokio::test]
async fn a_file_written_anew_beyond_the_old_place_is_told_by_its_first_bytes() {
    let files = files();
    files.disk().append("/logs/app.log", b"one\n");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.catch_up().await;
    files.disk().truncate("/logs/app.log", 0);
    files.disk().append("/logs/app.log", b"two\nthree\nfour\n");
    follower.catch_up().await;
    assert_eq!(follower.lines(), [vec!["one"], vec!["two", "three", "four"]]);
}

#[tokio::test]
async fn a_file_written_anew_while_nobody_looked_inherits_nothing() {
    let files = files();
    files.disk().append("/logs/app.log", b"one\n");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.catch_up().await;
    files.disk().truncate("/logs/app.log", 0);
    files.disk().append("/logs/app.log", b"two\nthree\nfour\n");
    follower.restart(files.source("/logs/app.log", NOW).unwrap(), |n| n);
    follower.catch_up().await;
    assert_eq!(follower.lines(), [vec!["one"], vec!["two", "three", "four"]]);
}

#[tokio::test]
async fn a_kept_place_that_is_not_behind_a_line_belongs_to_another_life() {
    let files = files();
    files.disk().append("/logs/app.log", b"header\none\n");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.catch_up().await;
    files.disk().truncate("/logs/app.log", 0);
    files.disk().append("/logs/app.log", b"header\na longer line than the first\n");
    // The fingerprint covers what the first sight saw; the name is made to fit the first line only.
    let name = follower.names[0].clone();
    let young = crate::file::identity::Identity::parse(&name).unwrap();
    let young = crate::file::identity::Identity::new(young.key, b"header\n", 0).name();
    let source = files.source("/logs/app.log", NOW).unwrap();
    let mut reader = source
        .tracks()
        .expect("it has tracks")
        .open(&young, &Watermark::At(Position::number(11)))
        .await
        .unwrap();
    let read = reader.read(crate::contract::room(10)).await.unwrap();
    assert!(read.ended && read.records.is_empty());
    let listing = source
        .tracks()
        .expect("it has tracks")
        .list(&Known([(young, Standing::Ended)].into()))
        .await
        .unwrap();
    assert_eq!(listing.tracks.len(), 1);
}

#[tokio::test]
async fn what_was_seen_of_a_truncated_file_but_not_read_is_told_as_a_gap() {
    let files = files();
    let long = b"0123456789abcde\n".repeat(20_000);
    files.disk().append("/logs/app.log", &long);
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.discover().await;
    let source = files.source("/logs/app.log", NOW).unwrap();
    let mut reader = source
        .tracks()
        .expect("it has tracks")
        .open(&follower.names[0], &Watermark::Origin(source.tracks().expect("it has tracks").first()))
        .await
        .unwrap();
    let first = reader.read(crate::contract::room(10)).await.unwrap();
    files.disk().truncate("/logs/app.log", 0);
    let mut n_records = first.records.len();
    let last = loop {
        let read = reader.read(crate::contract::room(10_000)).await.unwrap();
        n_records += read.records.len();
        if read.ended {
            break read;
        }
    };
    let gap = last.gap.expect("there is a gap");
    assert_eq!(gap.to, Position::number(long.len() as u64));
    assert_eq!(gap.from.as_ref().and_then(Position::as_number), Some(n_records as u64 * 16));
    assert_eq!(last.passed, Some(gap.to));
}

#[tokio::test]
async fn an_inode_that_is_used_again_inherits_nothing() {
    let files = files();
    files.disk().append("/logs/a.log", b"same first line\none\n");
    let mut follower = follow(&files, "/logs/*.log", NOW);
    follower.catch_up().await;
    let number = files.disk().number("/logs/a.log").unwrap();
    files.disk().remove("/logs/a.log");
    follower.restart(files.source("/logs/*.log", NOW).unwrap(), |n| n);
    // The thread that read last lets go of the file a moment after it answered.
    while files.disk().inode(number).is_some() {
        tokio::task::yield_now().await;
    }
    files.disk().append("/logs/b.log", b"same first line\ntwo\nthree\n");
    assert_eq!(files.disk().number("/logs/b.log"), Some(number), "the inode is used again");
    follower.catch_up().await;
    assert_eq!(follower.lines(), [vec!["same first line", "one"], vec!["same first line", "two", "three"]]);
}

#[tokio::test]
async fn a_file_is_no_track_while_it_is_empty_or_young_and_keeps_its_name_as_it_grows() {
    let files = files();
    files.disk().now = i64::MAX;
    files.disk().append("/logs/app.log", b"");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.catch_up().await;
    files.disk().append("/logs/app.log", b"half a li");
    follower.catch_up().await;
    assert_eq!(follower.names.len(), 0);
    for part in [&b"ne\n"[..], b"two\n", &[b'x'; 3000], b"\n"] {
        files.disk().append("/logs/app.log", part);
        follower.catch_up().await;
        follower.restart(files.source("/logs/app.log", NOW).unwrap(), |n| n);
    }
    follower.catch_up().await;
    assert_eq!(follower.names.len(), 1);
    assert_eq!(follower.lines()[0][..2], ["half a line", "two"]);
}

#[tokio::test]
async fn a_short_file_without_a_whole_line_becomes_a_track_when_it_is_left_alone() {
    let files = files();
    files.disk().append("/logs/app.log", b"only half");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.catch_up().await;
    assert_eq!(follower.lines(), [Vec::<String>::new()]);
    files.disk().remove("/logs/app.log");
    follower.catch_up().await;
    assert_eq!(follower.lines(), [["only half"]]);
}

#[tokio::test]
async fn a_file_that_was_deleted_while_nobody_looked_ends_where_it_stood() {
    let files = files();
    files.disk().append("/logs/app.log", b"one\n");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.catch_up().await;
    files.disk().remove("/logs/app.log");
    follower.restart(files.source("/logs/app.log", NOW).unwrap(), |n| n);
    follower.catch_up().await;
    assert!(follower.tracks[&follower.names[0]].ended);
    assert_eq!(follower.lines(), [["one"]]);
}

#[tokio::test]
async fn a_link_and_its_file_are_one_track() {
    let files = files();
    files.disk().append("/logs/a.log", b"one\n");
    files.disk().make_link("/logs/b.log", "/logs/a.log");
    let mut follower = follow(&files, "/logs/*.log", NOW);
    follower.catch_up().await;
    assert_eq!(follower.lines(), [["one"]]);
    assert_eq!(follower.tracks[&follower.names[0]].label, "/logs/a.log");
}

#[tokio::test]
async fn latest_begins_behind_the_last_whole_line() {
    let files = files();
    files.disk().append("/logs/app.log", &[&[b'x'; 100_000][..], b"\none\nhalf a"].concat());
    let source = files.source("/logs/app.log", NOW).unwrap();
    let origins = source.explorer().origins(forebay_config::StartingPosition::Latest).await.unwrap();
    files.disk().append("/logs/app.log", b" line\nnext\n");
    let read =
        crate::contract::read_rest(source.as_ref(), &origins[0].0, &Watermark::Origin(origins[0].1.clone()))
            .await;
    assert_eq!(read.iter().map(|it| &it.data[..]).collect::<Vec<_>>(), [&b"half a line"[..], b"next"]);
}

#[tokio::test]
async fn an_empty_file_that_is_renamed_away_is_followed_all_the_same() {
    let files = files();
    files.disk().append("/logs/app.log", b"");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.catch_up().await;
    let old = files.disk().number("/logs/app.log").unwrap();
    files.disk().rename("/logs/app.log", "/logs/app.log.1");
    files.disk().append("/logs/app.log", b"new\n");
    files.disk().append_to(old, b"late\n");
    follower.catch_up().await;
    assert_eq!(
        follower.lines().iter().flatten().collect::<std::collections::BTreeSet<_>>(),
        ["late", "new"].map(String::from).iter().collect()
    );
}

#[tokio::test]
async fn a_file_that_is_deleted_before_it_has_a_reader_is_read_all_the_same() {
    let files = files();
    files.disk().append("/logs/app.log", b"short\nlife\n");
    let mut follower = follow(&files, "/logs/app.log", NOW);
    follower.discover().await;
    files.disk().remove("/logs/app.log");
    follower.discover().await;
    follower.catch_up().await;
    assert_eq!(follower.lines(), [["short", "life"]]);
    assert!(follower.tracks[&follower.names[0]].ended);
}
