//! The file system as this source needs it, and the machine's own. Calls block: only the threads of `io` make
//! them.

use std::ffi::OsString;
use std::fs::{DirEntry, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use forebay_batcher::UnixMillis;

use super::identity::FileKey;
use super::mounts::{LaneName, mount_of};

/// What lies in a folder, one after the other.
pub(super) type Entries = Box<dyn Iterator<Item = io::Result<FolderEntry>> + Send>;

/// One name in a folder.
#[derive(Debug)]
pub(super) struct FolderEntry {
    pub(super) name: OsString,
    pub(super) kind: EntryKind,
}

/// What a name stands for, links not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    Folder,
    Link,
    Other,
}

/// The file system.
pub(super) trait FileSystem: Send + Sync {
    /// Everything in one folder.
    fn folder(&self, folder: &Path) -> io::Result<Entries>;
    /// Which of the file systems a folder lies on, told without looking at it, and whether it is one of this
    /// machine.
    fn lane(&self, folder: &Path) -> (LaneName, bool);
    /// Whether the system tells what happens to folders and files here.
    fn is_told(&self) -> bool;
    /// What stands under a path, links followed.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// Opens a file for reading; never waits for a writer.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>>;
}

/// A file that is open: it stays the same file whatever becomes of its path.
pub(super) trait OpenFile: Send + Sync {
    /// What it is now.
    fn stat(&self) -> io::Result<Stat>;
    /// Reads at an offset; zero bytes at the end.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// What it can be watched by; `None` where nobody tells.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
}

/// What stands under a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) kind: Kind,
    pub(super) key: FileKey,
    pub(super) size: u64,
    pub(super) modified: UnixMillis,
    pub(super) n_links: u64,
}

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// A FIFO, a device, a socket.
    Other,
}

/// The machine's file system.
#[derive(Debug)]
pub(super) struct LocalFiles;

impl FileSystem for LocalFiles {
    fn folder(&self, folder: &Path) -> io::Result<Entries> {
        Ok(Box::new(std::fs::read_dir(folder)?.map(|entry| entry.map(|it| FolderEntry::of(&it)))))
    }

    fn lane(&self, folder: &Path) -> (LaneName, bool) {
        mount_of(folder)
    }

    fn is_told(&self) -> bool {
        true
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        std::fs::metadata(path).map(|it| Stat::of(&it))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>> {
        // Without this flag a FIFO that took the file's place would hold the thread until somebody writes.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let flags = i32::try_from(flags.bits()).expect("open flags fit an int");
        Ok(Arc::new(OpenOptions::new().read(true).custom_flags(flags).open(path)?))
    }
}

impl OpenFile for File {
    fn stat(&self) -> io::Result<Stat> {
        self.metadata().map(|it| Stat::of(&it))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, into, offset)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl FolderEntry {
    fn of(entry: &DirEntry) -> Self {
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_dir() => EntryKind::Folder,
            Ok(kind) if kind.is_symlink() => EntryKind::Link,
            // What went meanwhile is looked at like any other, and is not there.
            Ok(_) | Err(_) => EntryKind::Other,
        };
        Self { name: entry.file_name(), kind }
    }
}

impl Stat {
    fn of(it: &Metadata) -> Self {
        let kind = match it.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Folder,
            _ => Kind::Other,
        };
        let born = it.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let birth = born.map_or(0, |age| u64::try_from(age.as_nanos()).unwrap_or(0));
        let modified =
            UnixMillis(it.mtime().saturating_mul(1000).saturating_add(it.mtime_nsec() / 1_000_000));
        let key = FileKey { device: it.dev(), inode: it.ino(), birth };
        Self { kind, key, size: it.size(), modified, n_links: it.nlink() }
    }
}
