//! What may be wrong with a path, in words that say what to do; each has a page under `docs/errors/`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_config::Code;
use rustix::io::Errno;

use super::client::Kind;
use super::mounts::LaneName;
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
    #[error(
        "FB-0205: too many open files: raise the limit (`ulimit -n`, `LimitNOFILE=`) or match fewer files"
    )]
    TooManyOpen(#[source] io::Error),
    #[error("FB-0206: the file system failed")]
    Io(#[source] io::Error),
    #[error("files have no AT_TIMESTAMP: use TRIM_HORIZON or LATEST")]
    NoTimes,
    #[error("FB-0206: the thread that reads the files has died")]
    ThreadDied,
    #[error(
        "FB-0235: no thread can be started to look at it: raise the limit of threads (`ulimit -u`, `TasksMax=`)"
    )]
    NoThread(#[source] io::Error),
    #[error(
        "FB-0205: it waits for a file descriptor: all {n_files} that followed files may have are held by files renamed away or deleted"
    )]
    NoDescriptor { n_files: usize },
    #[error("FB-0230: the file system at {} has not answered for {} s", mount.display(), .since.as_secs())]
    Hangs { mount: PathBuf, since: Duration },
    #[error(
        "FB-0232: the listing was cut after {n_entries} entries, what lies behind is left out: name fewer folders in `path`"
    )]
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

    /// The page that explains it.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::NoFolder(_) => Code("FB-0201"),
            Self::Denied(_) => Code("FB-0202"),
            Self::NotAFile(_) => Code("FB-0203"),
            Self::LinkLoop(_) => Code("FB-0204"),
            Self::TooManyOpen(_) | Self::NoDescriptor { .. } => Code("FB-0205"),
            Self::Io(_) | Self::ThreadDied => Code("FB-0206"),
            Self::Hangs { .. } => Code("FB-0230"),
            Self::ListingCut { .. } => Code("FB-0232"),
            Self::MissedFile => Code("FB-0233"),
            Self::Panicked(_) => Code("FB-0234"),
            Self::NoThread(_) => Code("FB-0235"),
            Self::NoTimes => SourceError::DOWN,
        }
    }

    /// The same as the feed is told it.
    pub(super) fn on(self, path: &Path) -> SourceError {
        SourceError::Down { what: path.display().to_string(), code: self.code(), cause: Box::new(self) }
    }
}

fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::File => "a file",
        Kind::Folder => "a folder",
        Kind::Other => "a FIFO, device or socket",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_begins_with_its_code() {
        let cause = || io::Error::other("FB-0301");
        for error in [
            FileError::NoFolder("/FB-0210-x".into()),
            FileError::Denied(cause()),
            FileError::NotAFile(Kind::Folder),
            FileError::LinkLoop(cause()),
            FileError::TooManyOpen(cause()),
            FileError::Io(cause()),
            FileError::ThreadDied,
            FileError::NoDescriptor { n_files: 3 },
            FileError::Hangs { mount: "/FB-0210-x".into(), since: Duration::from_secs(11) },
            FileError::ListingCut { n_entries: 3 },
            FileError::MissedFile,
            FileError::Panicked("FB-0210".to_owned()),
            FileError::NoThread(cause()),
        ] {
            assert!(error.to_string().starts_with(&format!("{}: ", error.code())), "{error}");
            let code = error.code();
            assert_eq!(error.on(Path::new("/FB-0210-x")).code(), code);
        }
    }
}
