//! What a pattern finds beside files that can be read: each entry stands alone, under LATEST too, and what is
//! excluded is left out.

use std::path::Path;
use std::time::Duration;

use forebay_batcher::Watermark;
use forebay_config::StartingPosition;

use super::Follower;
use super::contract::local;
use crate::contract::read_rest;
use crate::file::fake::FakeFiles;
use crate::source::{Known, Source, Standing, TrackName};

const NOW: Duration = Duration::ZERO;

/// Things that are no files.
const NO_FILES: [fn(&Path); 4] = [
    |it| std::os::unix::fs::symlink(it, it).unwrap(),
    |it| rustix::fs::mkfifoat(rustix::fs::CWD, it, rustix::fs::Mode::RUSR).unwrap(),
    |it| std::os::unix::fs::symlink("/dev/zero", it).unwrap(),
    |it| drop(std::os::unix::net::UnixListener::bind(it).unwrap()),
];

fn files() -> FakeFiles {
    let files = FakeFiles::new();
    files.disk().make_folder("/logs");
    files
}

/// The lines that come after the origins for LATEST, by track.
async fn after_latest(
    source: &dyn Source,
    origins: &[(TrackName, forebay_batcher::Origin)],
) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for (name, origin) in origins {
        let records = read_rest(source, name, &Watermark::Origin(origin.clone())).await;
        lines.push(records.iter().map(|it| String::from_utf8_lossy(&it.data).into_owned()).collect());
    }
    lines
}

#[tokio::test]
async fn what_is_no_file_is_left_out_by_a_pattern_and_holds_nothing_up() {
    for make in NO_FILES {
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join("a.log"));
        std::fs::write(folder.path().join("good.log"), "old\n").unwrap();
        let source = local(folder.path(), "*.log", NOW);
        let origins = source.explorer().origins(StartingPosition::Latest).await.unwrap();
        std::fs::write(folder.path().join("good.log"), "old\nnew\n").unwrap();
        assert_eq!(after_latest(source.as_ref(), &origins).await, [["new"]]);
        let mut follower = Follower::new(source);
        follower.catch_up().await;
        assert_eq!(
            (follower.lines(), follower.trouble.as_deref()),
            (vec![vec!["old".to_owned(), "new".to_owned()]], None)
        );
    }
}

#[tokio::test]
async fn a_path_that_names_what_is_no_file_is_told_by_name() {
    for (make, code) in NO_FILES.into_iter().zip(["FB-0204", "FB-0203", "FB-0203", "FB-0203"]) {
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join("a.log"));
        let source = local(folder.path(), "a.log", NOW);
        let error = source.explorer().origins(StartingPosition::Latest).await.unwrap_err();
        assert!(error.is_transient() && format!("{:?}", error.to_notice()).contains(code));
        let mut follower = Follower::new(source);
        follower.catch_up().await;
        let trouble = follower.trouble.clone().unwrap();
        assert!(trouble.contains(code) && trouble.contains("a.log"), "{trouble}");
    }
}

#[tokio::test]
async fn latest_holds_for_a_file_that_cannot_be_read_until_later() {
    for (before, meanwhile, wanted) in [
        ("old\n", "new\n", ["new"].as_slice()),
        ("old\nha", "lf\nnew\n", &["half", "new"]),
        ("", "new\n", &["new"]),
    ] {
        let files = files();
        files.disk().append("/logs/a.log", before.as_bytes());
        files.disk().append("/logs/good.log", b"old\n");
        files.disk().deny("/logs/a.log");
        let source = files.source("/logs/*.log", NOW).unwrap();
        let origins = source.explorer().origins(StartingPosition::Latest).await.unwrap();
        assert_eq!(origins.len(), 2);
        files.disk().append("/logs/a.log", meanwhile.as_bytes());
        files.disk().append("/logs/good.log", b"new\n");
        // Another process looks: what is kept must be enough.
        let source = files.source("/logs/*.log", NOW).unwrap();
        for (name, origin) in &origins {
            if let Err(error) = source
                .tracks()
                .expect("it has tracks")
                .open(name, &Watermark::Origin(origin.clone()))
                .await
                .map(drop)
            {
                assert!(error.is_transient() && format!("{:?}", error.to_notice()).contains("FB-0202"));
            }
        }
        files.disk().allow("/logs/a.log");
        let lines = after_latest(source.as_ref(), &origins).await;
        assert!(
            lines.contains(&vec!["new".to_owned()])
                && lines.contains(&wanted.iter().map(|it| (*it).to_owned()).collect()),
            "{lines:?}"
        );
        let known = Known(origins.into_iter().map(|(name, _)| (name, Standing::Open)).collect());
        assert_eq!(
            source.tracks().expect("it has tracks").list(&known).await.unwrap().tracks,
            [],
            "it is known by the name that it was given"
        );
    }
}

#[tokio::test]
async fn latest_waits_for_a_folder_that_cannot_be_read_and_takes_a_missing_one_as_empty() {
    let files = FakeFiles::new();
    let source = files.source("/logs/in/*.log", NOW).unwrap();
    assert_eq!(source.explorer().origins(StartingPosition::Latest).await.unwrap(), []);
    files.disk().make_folder("/logs");
    files.disk().make_folder("/logs/in");
    files.disk().append("/logs/in/a.log", b"one\n");
    for hidden in ["/logs/in", "/logs"] {
        files.disk().deny(hidden);
        assert!(source.explorer().origins(StartingPosition::Latest).await.is_err(), "{hidden}");
        files.disk().allow(hidden);
    }
    assert_eq!(source.explorer().origins(StartingPosition::Latest).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_folder_within_the_pattern_that_cannot_be_read_holds_up_nothing_else() {
    let files = files();
    files.disk().make_folder("/logs/hidden");
    files.disk().append("/logs/a.log", b"old\n");
    files.disk().append("/logs/b.log", b"old\n");
    files.disk().append("/logs/hidden/c.log", b"old\n");
    files.disk().deny("/logs/hidden");
    let source = files.source("/logs/**/*.log", NOW).unwrap();
    let origins = source.explorer().origins(StartingPosition::Latest).await.unwrap();
    assert_eq!(origins.len(), 2);
    // What was rotated away is finished though something else cannot be seen.
    let mut follower = Follower::new(source);
    follower.catch_up().await;
    files.disk().remove("/logs/a.log");
    follower.catch_up().await;
    let ended = |follower: &Follower| follower.names.iter().filter(|it| follower.tracks[*it].ended).count();
    assert_eq!((ended(&follower), follower.lines().len()), (1, 2));
    assert!(follower.trouble.as_ref().is_some_and(|it| it.contains("FB-0202")), "{:?}", follower.trouble);
    files.disk().allow("/logs/hidden");
    follower.catch_up().await;
    assert_eq!((ended(&follower), follower.lines().len(), follower.trouble.as_deref()), (1, 3, None));
    // A file that was seen and is hidden now is not finished: it may be there.
    files.disk().deny("/logs/hidden");
    follower.catch_up().await;
    assert_eq!(ended(&follower), 1);
}

#[tokio::test]
async fn an_operator_sets_all_files_to_latest_though_one_of_them_cannot_be_read() {
    let files = files();
    for name in ["a", "b", "c"] {
        files.disk().append(&format!("/logs/{name}.log"), b"old\n");
    }
    let mut follower = Follower::new(files.source("/logs/*.log", NOW).unwrap());
    files.disk().deny("/logs/c.log");
    follower.catch_up().await;
    files.disk().deny("/logs/b.log");
    let source = files.source("/logs/*.log", NOW).unwrap();
    let places = source.explorer().places(&follower.known, StartingPosition::Latest).await.unwrap();
    assert_eq!(places.len(), 3, "two that it knows and one that nobody has read so far");
    assert!(follower.names.iter().all(|name| places.iter().any(|it| it.0 == *name)));
    for name in ["a", "b", "c"] {
        files.disk().append(&format!("/logs/{name}.log"), b"new\n");
        files.disk().allow(&format!("/logs/{name}.log"));
    }
    assert_eq!(after_latest(source.as_ref(), &places).await, [["new"], ["new"], ["new"]]);
    files.disk().deny("/logs/b.log");
    let first = source.explorer().places(&follower.known, StartingPosition::TrimHorizon).await.unwrap();
    assert!(follower.names.iter().all(|name| first.iter().any(|it| it.0 == *name)));
}

#[tokio::test]
async fn an_archive_of_what_was_read_is_left_out() {
    let files = files();
    files.disk().append("/logs/app.log", b"one\ntwo\n");
    let mut follower = Follower::new(files.source("/logs/app.log*", NOW).unwrap());
    follower.catch_up().await;
    files.disk().rename("/logs/app.log", "/logs/app.log.1");
    files.disk().append("/logs/app.log", b"new\n");
    follower.catch_up().await;
    files.disk().append("/logs/app.log.1.gz", b"\x1f\x8b\x08packed\n");
    files.disk().append("/logs/app.log~", b"one\n");
    files.disk().remove("/logs/app.log.1");
    follower.catch_up().await;
    assert_eq!(follower.lines(), [vec!["one", "two"], vec!["new"]]);
    assert!(follower.tracks[&follower.names[0]].ended && follower.trouble.is_none());
}

#[tokio::test]
async fn a_path_that_names_one_file_is_read_whatever_it_is_called() {
    let files = files();
    files.disk().append("/logs/app.log.gz", b"not packed at all\n");
    let mut follower = Follower::new(files.source("/logs/app.log.gz", NOW).unwrap());
    follower.catch_up().await;
    assert_eq!(follower.lines(), [["not packed at all"]]);
}
