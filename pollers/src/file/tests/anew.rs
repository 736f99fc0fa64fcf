//! Files that are written anew and look like the ones that were read: same inode, same first bytes, same
//! width of rows.

use std::time::Duration;

use forebay_batcher::{Position, Watermark};
use forebay_config::StartingPosition;

use super::Follower;
use crate::contract::read_rest;
use crate::file::fake::FakeFiles;

const NOW: Duration = Duration::ZERO;
const PATH: &str = "/logs/app.log";

/// First lines that every life of a file has.
const HEADS: [&str; 4] = [
    "id,name,amount\n",
    "#Software: server\n#Version: 1.0\n#Fields: date time s-ip cs-method\n",
    "{\"type\":\"start\",\"version\":3}\n",
    "",
];

fn files() -> FakeFiles {
    let files = FakeFiles::new();
    files.disk().make_folder("/logs");
    files
}

fn rows(word: &str, n_rows: usize) -> Vec<String> {
    (0..n_rows).map(|it| format!("{it:02},{word},0000{it:02}")).collect()
}

fn write(files: &FakeFiles, head: &str, rows: &[String]) {
    let text = format!("{head}{}", rows.iter().map(|it| format!("{it}\n")).collect::<String>());
    let mut disk = files.disk();
    disk.now += 1;
    disk.truncate(PATH, 0);
    disk.append(PATH, text.as_bytes());
}

fn lines(head: &str, rows: &[String]) -> Vec<String> {
    head.lines().map(str::to_owned).chain(rows.iter().cloned()).collect()
}

#[tokio::test]
async fn a_young_file_that_was_written_anew_while_nobody_looked_loses_no_row() {
    for head in HEADS {
        for n_finished in [1, 10, 20] {
            let files = files();
            files.disk().append(PATH, if head.is_empty() { "same first line\n" } else { head }.as_bytes());
            let head = if head.is_empty() { "same first line\n" } else { head };
            let mut follower = Follower::new(files.source(PATH, NOW).unwrap());
            follower.catch_up().await;
            let old = rows("aaaa", 20);
            files.disk().append(PATH, old.iter().map(|it| format!("{it}\n")).collect::<String>().as_bytes());
            follower.catch_up().await;
            let new = rows("bbbb", 50);
            write(&files, head, &new);
            // The place that is kept may be that of an open record as well as the end of all that was read.
            let n_kept = head.lines().count() + n_finished;
            follower.restart(files.source(PATH, NOW).unwrap(), |_| n_kept);
            follower.catch_up().await;
            let seen = follower.lines();
            assert_eq!(seen.len(), 2, "{head:?} {n_finished}: {seen:?}");
            assert_eq!(seen[1], lines(head, &new), "{head:?} {n_finished}");
            assert!(follower.tracks[&follower.names[0]].ended);
        }
    }
}

#[tokio::test]
async fn a_file_with_a_long_constant_beginning_that_was_written_anew_between_two_looks_loses_no_row() {
    let head = "# the same banner in every life of this file\n".repeat(50);
    for n_new in [20, 21, 300] {
        let files = files();
        files.disk().append(PATH, head.as_bytes());
        let mut follower = Follower::new(files.source(PATH, NOW).unwrap());
        write(&files, &head, &rows("aaaa", 20));
        follower.catch_up().await;
        let new = rows("bbbb", n_new);
        write(&files, &head, &new);
        follower.catch_up().await;
        assert_eq!(follower.lines(), [lines(&head, &rows("aaaa", 20)), lines(&head, &new)]);
    }
}

#[tokio::test]
async fn latest_holds_for_the_file_that_was_there_and_not_for_one_written_anew() {
    let files = files();
    // Longer than the fingerprint of the name reaches.
    let head = "# the same banner in every life of this file\n".repeat(50);
    files.disk().append(PATH, head.as_bytes());
    write(&files, &head, &rows("aaaa", 20));
    let origins =
        files.source(PATH, NOW).unwrap().explorer().origins(StartingPosition::Latest).await.unwrap();
    let (name, origin) = origins.into_iter().next().unwrap();
    let mut follower = Follower::new(files.source(PATH, NOW).unwrap());
    follower.known.0.insert(name.clone(), crate::source::Standing::Open);
    assert!(read_rest(follower.source.as_ref(), &name, &Watermark::Origin(origin.clone())).await.is_empty());
    write(&files, &head, &rows("bbbb", 50));
    let source = files.source(PATH, NOW).unwrap();
    let mut reader =
        source.tracks().expect("it has tracks").open(&name, &Watermark::Origin(origin)).await.unwrap();
    let read = reader.read(crate::contract::room(100)).await.unwrap();
    assert!(read.ended && read.records.is_empty());
    follower.source = source;
    follower.catch_up().await;
    assert_eq!(follower.lines(), [lines(&head, &rows("bbbb", 50))]);
}

#[tokio::test]
async fn a_place_that_was_kept_before_there_was_evidence_still_opens() {
    let files = files();
    files.disk().append(PATH, b"one\ntwo\nthree\n");
    let mut follower = Follower::new(files.source(PATH, NOW).unwrap());
    follower.discover().await;
    let name = follower.names[0].clone();
    let read = read_rest(follower.source.as_ref(), &name, &Watermark::At(Position::number(4))).await;
    assert_eq!(read.iter().map(|it| &it.data[..]).collect::<Vec<_>>(), [&b"two"[..], b"three"]);
    assert!(read[0].position > Position::number(4) && read[0].position < Position::number(5));
}

#[tokio::test]
async fn a_place_that_an_operator_names_is_kept_with_its_evidence() {
    let files = files();
    files.disk().append(PATH, b"header\n");
    write(&files, "header\n", &rows("aaaa", 20));
    let mut follower = Follower::new(files.source(PATH, NOW).unwrap());
    follower.discover().await;
    let name = follower.names[0].clone();
    let bound = follower.source.explorer().bound(&name, "7").await.unwrap();
    let second = read_rest(follower.source.as_ref(), &name, &bound).await.remove(0).position;
    assert_eq!(bound, Watermark::At(second));
}
