//! What the machine does to whoever looks at files: panics of others' code, file systems that do not answer,
//! too few descriptors.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use forebay_clients::Descriptors;

use super::Follower;
use super::contract::local_with;
use crate::file::fake::FakeFiles;
use crate::file::io::Io;
use crate::file::open_files::OpenFiles;
use crate::source::{Known, SourceError};

fn files() -> FakeFiles {
    let files = FakeFiles::new();
    files.disk().make_folder("/logs");
    files
}

fn told(error: &SourceError) -> String {
    format!("{:?}", error.to_notice())
}

#[tokio::test]
async fn a_panic_is_an_error_of_who_met_it_and_the_threads_go_on() {
    let (bad, good) = (files(), files());
    let io = Io::start(Duration::from_secs(60)).unwrap();
    bad.disk().append("/logs/a.log", b"one\n");
    good.disk().append("/logs/a.log", b"good\n");
    let mut sick = Follower::new(bad.source_on(&io, "/logs/*.log"));
    let mut well = Follower::new(good.source_on(&io, "/logs/*.log"));
    sick.catch_up().await;
    bad.panic_at(Some("/logs/a.log"));
    for _ in 0..3 {
        let error = sick.source.tracks().expect("it has tracks").list(&Known::default()).await.unwrap_err();
        assert!(
            error.is_transient()
                && told(&error).contains("FB-0234")
                && told(&error).contains("met an unwrap"),
            "{error:?}"
        );
    }
    well.catch_up().await;
    assert_eq!(well.lines(), [["good"]]);
    bad.panic_at(None);
    bad.disk().append("/logs/a.log", b"two\n");
    sick.catch_up().await;
    assert_eq!(sick.lines(), [["one", "two"]], "what panicked goes on where it stood");
}

#[tokio::test]
async fn a_file_system_that_hangs_is_named_and_stops_no_other() {
    let (hung, good) = (files(), files());
    let io = Io::start(Duration::from_millis(50)).unwrap();
    hung.disk().append("/logs/a.log", b"one\n");
    good.disk().append("/logs/a.log", b"good\n");
    let sick = hung.source_on(&io, "/logs/*.log");
    hung.hang_at(Some("/logs/a.log"));
    let error = sick.tracks().expect("it has tracks").list(&Known::default()).await.unwrap_err();
    assert!(error.is_transient() && told(&error).contains("FB-0230"), "{error:?}");
    let at_once = sick.tracks().expect("it has tracks").list(&Known::default()).await.unwrap_err();
    assert!(told(&at_once).contains("FB-0230"), "{at_once:?}");
    let mut well = Follower::new(good.source_on(&io, "/logs/*.log"));
    well.catch_up().await;
    assert_eq!(well.lines(), [["good"]]);
    let other = hung.source_on(&io, "/logs/a.log");
    drop(sick);
    // Dropping did not wait for the thread that hangs: it is freed only here.
    hung.hang_at(None);
    let mut other = Follower::new(other);
    while other.discover_or_fail().await.is_err() {
        tokio::task::yield_now().await;
    }
    other.catch_up().await;
    assert_eq!(other.lines(), [["one"]]);
}

#[tokio::test]
async fn more_files_than_descriptors_are_all_read_and_stay_within_their_share() {
    const N_FILES: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let append = |idx: usize, line: &str| {
        let path = folder.path().join(format!("{idx:02}.log"));
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    };
    let share = Descriptors::new(5);
    let source = local_with(folder.path(), "*.log", Duration::ZERO, OpenFiles::new(Arc::clone(&share)));
    let mut follower = Follower::new(source);
    for round in ["one", "two", "three"] {
        (0..N_FILES).for_each(|idx| append(idx, round));
        follower.catch_up().await;
        assert!(share.n_files() <= 5);
    }
    assert_eq!(follower.lines(), vec![["one", "two", "three"]; N_FILES]);
    // A file that was closed at its end and renamed away meanwhile is found by its inode.
    std::fs::rename(folder.path().join("00.log"), folder.path().join("00.old")).unwrap();
    let mut moved = std::fs::OpenOptions::new().append(true).open(folder.path().join("00.old")).unwrap();
    moved.write_all(b"four\n").unwrap();
    follower.catch_up().await;
    assert_eq!(follower.lines()[0], ["one", "two", "three", "four"]);
}
