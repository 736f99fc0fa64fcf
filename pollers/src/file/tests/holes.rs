//! NUL bytes in files: holes that a truncation leaves, space that a writer reserves, and NUL bytes that are
//! data.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Follower;
use super::contract::local;

/// Longer than a line may be.
const HOLE: u64 = 2_500_000;

fn follow(folder: &Path) -> Follower {
    Follower::new(local(folder, "a.log", Duration::ZERO))
}

fn scene(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// What each track holds: the offsets and the lines.
fn seen(follower: &Follower) -> Vec<Vec<(u64, String)>> {
    let offset = |position: &forebay_batcher::Position| position.as_number().unwrap();
    let lines = |name| {
        let track: &super::follower::Track = &follower.tracks[name];
        track.records.iter().map(|it| offset(&it.position)).zip(track.lines()).collect()
    };
    follower.names.iter().map(lines).collect()
}

#[tokio::test]
async fn a_line_behind_a_hole_that_a_truncation_left_is_whole_and_the_hole_is_no_part_of_it() {
    let (folder, path) = scene("old\n");
    let mut follower = follow(folder.path());
    follower.catch_up().await;
    let writer = OpenOptions::new().write(true).open(&path).unwrap();
    writer.set_len(0).unwrap();
    follower.catch_up().await;
    writer.write_at(b"first after rotation\nsecond\n", HOLE).unwrap();
    follower.catch_up().await;
    assert_eq!(
        seen(&follower)[1],
        [(0, "first after rotation".to_owned()), (HOLE + 21, "second".to_owned())]
    );
}

#[tokio::test]
async fn a_line_behind_a_hole_is_read_once_wherever_the_process_is_started_again() {
    let (folder, path) = scene("old\n");
    let mut follower = follow(folder.path());
    follower.catch_up().await;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for (n_kept, size) in [(1, 1_000_000), (0, 2_000_000), (1, HOLE)] {
        file.set_len(size).unwrap();
        follower.catch_up().await;
        follower.restart(local(folder.path(), "a.log", Duration::ZERO), |_| n_kept);
    }
    append(&path, "behind\nlast\n");
    follower.catch_up().await;
    let all = [(0, "old".to_owned()), (4, "behind".to_owned()), (HOLE + 7, "last".to_owned())];
    assert_eq!(seen(&follower)[0], all);
    for n_kept in 0..3 {
        follower.restart(local(folder.path(), "a.log", Duration::ZERO), |_| n_kept);
        follower.catch_up().await;
        assert_eq!(seen(&follower)[0], all);
    }
}

#[tokio::test]
async fn space_that_a_writer_has_reserved_is_read_as_it_is_written() {
    let (folder, path) = scene("");
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(HOLE).unwrap();
    let mut follower = follow(folder.path());
    follower.catch_up().await;
    let (mut at, mut written) = (0, Vec::new());
    for n in 0..60 {
        let line = format!("line {n} {}", "x".repeat(n));
        for part in [&line[..4], &line[4..], "\n"] {
            at += file.write_at(part.as_bytes(), at).unwrap() as u64;
            follower.catch_up().await;
        }
        written.push(line);
        if n % 20 == 10 {
            follower.restart(local(folder.path(), "a.log", Duration::ZERO), |n_records| n_records - 1);
        }
    }
    std::fs::remove_file(&path).unwrap();
    follower.catch_up().await;
    assert_eq!(follower.lines(), [written]);
    let track = &follower.tracks[&follower.names[0]];
    assert!(track.ended && track.gap.is_none(), "space that was never written is no loss");
}

#[tokio::test]
async fn nul_bytes_within_a_line_are_data_and_count_for_its_length() {
    let (folder, path) = scene("a\0b\0\0\nnext\npar");
    let mut follower = follow(folder.path());
    follower.catch_up().await;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(HOLE).unwrap();
    follower.catch_up().await;
    append(&path, "tial\nlast\n");
    follower.catch_up().await;
    let seen = seen(&follower).remove(0);
    let renderer = follower.source.format().renderer(false);
    let mut bytes = Vec::new();
    renderer.render(&follower.tracks[&follower.names[0]].records[2], &mut bytes);
    let cut: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        (&seen[0], &seen[1], &seen[3]),
        (&(0, "a\0b\0\0".into()), &(6, "next".into()), &(HOLE + 5, "last".into()))
    );
    assert_eq!((cut["offset"].as_str(), cut["length"].as_u64()), (Some("11"), Some(HOLE + 4 - 11)));
}

#[tokio::test]
async fn only_what_a_line_holds_is_charged_to_its_limit() {
    let (folder, path) = scene("");
    let line = |n: usize| "y".repeat(n);
    let mut file = File::create(&path).unwrap();
    for text in [line(1_000_000), line(1_000_001)] {
        file.write_all(&[&[0; 300_000][..], text.as_bytes(), b"\n"].concat()).unwrap();
    }
    let mut follower = follow(folder.path());
    follower.catch_up().await;
    let records = &follower.tracks[&follower.names[0]].records;
    let is_cut = |n: usize| records[n].facts.is::<crate::file::event::Truncated>();
    assert_eq!(
        (records[0].data.len(), is_cut(0), records[1].data.len(), is_cut(1)),
        (1_000_000, false, 1_000_000, true)
    );
}

#[tokio::test]
async fn a_hole_of_200_mb_costs_no_memory_and_is_no_record() {
    let (folder, path) = scene("");
    OpenOptions::new().write(true).open(&path).unwrap().set_len(200 << 20).unwrap();
    append(&path, "\nafter\n");
    let mut follower = follow(folder.path());
    follower.catch_up().await;
    assert_eq!(seen(&follower), [[((200 << 20) + 1, "after".to_owned())]]);
}
