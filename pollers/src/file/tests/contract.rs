//! The contract suite over the fake and over the machine's own file system.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::contract::{Subject, check};
use crate::file::FileSource;
use crate::file::client::LocalFiles;
use crate::file::fake::FileSubject;
use crate::file::io::Io;
use crate::file::open_files::OpenFiles;
use crate::file::settings::{FileSettings, PathPattern};
use crate::source::Source;

/// Files in a folder of the machine.
struct LocalSubject {
    folder: tempfile::TempDir,
    source: Arc<dyn Source>,
    written: Vec<Vec<Vec<u8>>>,
}

pub(super) fn local(folder: &Path, pattern: &str, rotate_wait: Duration) -> Arc<dyn Source> {
    local_with(folder, pattern, rotate_wait, OpenFiles::of_process())
}

/// The same with a share of descriptors.
pub(super) fn local_with(
    folder: &Path,
    pattern: &str,
    rotate_wait: Duration,
    open_files: Arc<OpenFiles>,
) -> Arc<dyn Source> {
    let path = PathPattern::parse(pattern, folder).unwrap();
    let settings = FileSettings { rotate_wait, ..FileSettings::for_path(path) };
    Arc::new(FileSource::with(settings, Arc::new(LocalFiles), Io::of_process().unwrap(), open_files))
}

impl LocalSubject {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = local(folder.path(), "*.log", Duration::ZERO);
        Self { folder, source, written: Vec::new() }
    }
}

impl Subject for LocalSubject {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    fn restart(&mut self) {
        self.source = local(self.folder.path(), "*.log", Duration::ZERO);
    }

    fn add_track(&mut self) -> usize {
        self.written.push(Vec::new());
        self.written.len() - 1
    }

    fn append(&mut self, track: usize, n_records: usize) {
        let path = self.folder.path().join(format!("{track:04}.log"));
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        for _ in 0..n_records {
            let line = format!("{{\"track\":{track},\"n\":{}}}", self.written[track].len());
            writeln!(file, "{line}").unwrap();
            self.written[track].push(line.into_bytes());
        }
    }

    fn written(&self, track: usize) -> Vec<Vec<u8>> {
        self.written[track].clone()
    }

    fn end(&mut self, track: usize) {
        std::fs::remove_file(self.folder.path().join(format!("{track:04}.log"))).unwrap();
    }

    /// A folder that has gone is what breaks without help of root's rights; open files go on, so the reader's
    /// rule is the fake's to check.
    fn set_broken(&mut self, is_broken: bool) {
        let (here, away) = (self.folder.path().to_owned(), self.folder.path().with_extension("away"));
        let (from, to) = if is_broken { (here, away) } else { (away, here) };
        std::fs::rename(from, to).unwrap();
    }
}

#[tokio::test]
async fn the_fake_passes_the_suite_of_tracks() {
    check(|| Box::new(FileSubject::new())).await;
}

#[tokio::test]
async fn the_machines_own_files_pass_the_suite() {
    use crate::contract::*;
    let subject = || Box::new(LocalSubject::new());
    positions_are_in_reading_order(subject()).await;
    for seed in 100..=124 {
        nothing_is_lost_or_repeated(subject(), seed).await;
    }
    latest_gives_exactly_what_comes_after(subject()).await;
    a_new_track_is_read_from_its_first_record(subject()).await;
    a_known_track_is_not_told_again(subject()).await;
    an_ended_track_says_so(subject()).await;
    an_empty_read_stands_where_it_stood(subject()).await;
    the_event_has_exactly_the_promised_bytes(subject()).await;
}

#[tokio::test]
async fn a_folder_that_is_gone_is_trouble_until_it_is_back() {
    let mut subject = LocalSubject::new();
    let track = subject.add_track();
    subject.append(track, 2);
    let mut follower = super::Follower::new(subject.source());
    follower.catch_up().await;
    subject.set_broken(true);
    follower.catch_up().await;
    assert!(follower.trouble.as_ref().is_some_and(|it| it.contains("FB-0201")), "{:?}", follower.trouble);
    subject.set_broken(false);
    subject.append(track, 1);
    follower.catch_up().await;
    assert_eq!((follower.trouble.as_deref(), follower.lines()[0].len(), follower.names.len()), (None, 3, 1));
}
