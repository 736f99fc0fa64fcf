//! What may be wrong with a path, in words that say what to do; each has a page under `docs/errors/`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::client::Kind;
use super::io::LaneName;
use crate::source::SourceError;

/// What is wrong with a path.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("FB-0201: the folder {} does not exist: create it, or correct `path`", .0.display())]
    NoFolder(PathBuf),
    #[error("FB-0202: permission denied: let the user that runs forebay read it and enter its folders")]
    Denied(#[source] io::Error),
    #[error("FB-0203: it is {}, not a regular file: name a file, or a pattern such as `folder/*.log`", name(.0))]
    NotAFile(Kind),
    #[error("FB-0204: its symbolic links go in a circle: correct the link")]
    LinkLoop(#[source] io::Error),
    #[error("FB-0205: too many open files: raise the limit (`ulimit -n`, `LimitNOFILE=`) or match fewer files")]
    TooManyOpen(#[source] io::Error),
    #[error("FB-0206: the file system failed")]
    Io(#[source] io::Error),
    #[error("files have no AT_TIMESTAMP: use TRIM_HORIZON or LATEST")]
    NoTimes,
    #[error("FB-0206: the thread that reads the files has died")]
    ThreadDied,
    #[error("FB-0235: no thread can be started to look at it: raise the limit of threads (`ulimit -u`, `TasksMax=`)")]
    NoThread(#[source] io::Error),
    #[error(
        "FB-0205: it waits for a file descriptor: all {n_files} that followed files may have are held by files renamed away or deleted"
    )]
    NoDescriptor { n_files: usize },
    #[error("FB-0230: the file system at {} has not answered for {} s", mount.display(), .since.as_secs())]
    Hangs { mount: PathBuf, since: Duration },
    #[error("FB-0232: the listing was cut after {n_entries} entries, what lies behind is left out: name fewer folders in `path`")]
    ListingCut { n_entries: usize },
    #[error("FB-0233: it came and went between two looks, and lines that it may have held were not read")]
    MissedFile,
    #[error("FB-0234: looking at it panicked, which is a fault of forebay: {0}")]
    Panicked(String),
}

impl FileError {
    pub(super) fn hangs(lane: &LaneName, since: Duration) -> Self {
        Self::Hangs { mount: lane.0.clone(), since }
    }

    pub(super) fn of(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied(error),
            Some(Errno::LOOP) => Self::LinkLoop(error),
            Some(Errno::MFILE | Errno::NFILE) => Self::TooManyOpen(error),
            Some(_) | None if error.kind() == io::ErrorKind::PermissionDenied => Self::Denied(error),
            Some(_) | None => Self::Io(error),
        }
    }

    /// The same as the feed is told it.
    pub(super) fn on(self, path: &Path) -> SourceError {
        SourceError::Down { what: path.display().to_string(), cause: Box::new(self) }
    }
}

fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::File => "a file",
        Kind::Folder => "a folder",
        Kind::Other => "a FIFO, device or socket",
    }
}
