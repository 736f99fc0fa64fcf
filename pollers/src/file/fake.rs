//! The file source over a file system in memory, and the hand that writes there. For tests only.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_batcher::UnixMillis;
use forebay_models::file::{Disk, Fault, Node};
use rustix::io::Errno;

use super::FileSource;
use super::client::{Entries, EntryKind, FileSystem, FolderEntry, Kind, OpenFile, Stat};
use super::identity::FileKey;
use super::io::lock;
use super::mounts::LaneName;
use super::settings::{FileSettings, PathPattern};
use crate::contract::Subject;
use crate::source::{Source, SourceError};

/// A file system in memory.
#[derive(Clone, Default)]
pub struct FakeFiles {
    disk: Arc<Mutex<Disk>>,
    trap: Arc<PathTrap>,
}

/// What happens to whoever looks at a path.
#[derive(Default)]
struct PathTrap {
    panics: Mutex<Option<PathBuf>>,
    hangs: Mutex<Option<PathBuf>>,
    freed: Condvar,
}

impl PathTrap {
    fn meet(&self, path: &Path) {
        assert!(
            lock(&self.panics).as_deref() != Some(path),
            "foreign data under {} met an unwrap",
            path.display()
        );
        let mut hangs = lock(&self.hangs);
        while hangs.as_deref() == Some(path) {
            hangs = self.freed.wait(hangs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl FakeFiles {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The file system itself, to write to and to break.
    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }

    /// From now on whoever looks at a path panics, as a dependency does that foreign data took by surprise;
    /// `None`: nobody does.
    pub fn panic_at(&self, path: Option<&str>) {
        *lock(&self.trap.panics) = path.map(PathBuf::from);
    }

    /// From now on whoever looks at a path gets no answer, as from a server that is away; `None`: all get
    /// theirs.
    pub fn hang_at(&self, path: Option<&str>) {
        *lock(&self.trap.hangs) = path.map(PathBuf::from);
        self.trap.freed.notify_all();
    }

    /// A source over it that reads what `pattern` names; as if a new process had begun.
    ///
    /// # Errors
    /// No thread could be started, or the pattern is none.
    pub fn source(&self, pattern: &str, rotate_wait: Duration) -> Result<Arc<dyn Source>, SourceError> {
        let error = |why: String| SourceError::PositionLost { what: pattern.to_owned(), why };
        let path = PathPattern::parse(pattern, Path::new("")).map_err(error)?;
        let settings = FileSettings { rotate_wait, ..FileSettings::for_path(path) };
        Ok(Arc::new(FileSource::start(settings, Arc::new(self.clone()))?))
    }

    /// The same with all files of one path in one order.
    ///
    /// # Errors
    /// As [`FakeFiles::source`].
    pub fn source_by_path(
        &self,
        pattern: &str,
        rotate_wait: Duration,
    ) -> Result<Arc<dyn Source>, SourceError> {
        let error = |why: String| SourceError::PositionLost { what: pattern.to_owned(), why };
        let path = PathPattern::parse(pattern, Path::new("")).map_err(error)?;
        let settings = FileSettings { rotate_wait, by_path: true, ..FileSettings::for_path(path) };
        Ok(Arc::new(FileSource::start(settings, Arc::new(self.clone()))?))
    }

    /// The same on threads of its own, which take `hang_max` without an answer for a file system that hangs.
    #[cfg(test)]
    pub(super) fn source_on(&self, io: &super::io::Io, pattern: &str) -> Arc<dyn Source> {
        let path = PathPattern::parse(pattern, Path::new("")).expect("it is a pattern");
        let settings = FileSettings { rotate_wait: Duration::ZERO, ..FileSettings::for_path(path) };
        Arc::new(FileSource::with(
            settings,
            Arc::new(self.clone()),
            io.clone(),
            super::open_files::OpenFiles::of_process(),
        ))
    }
}

impl FileSystem for FakeFiles {
    fn folder(&self, folder: &Path) -> io::Result<Entries> {
        let disk = self.disk();
        let paths = disk.folder(text(folder)).map_err(error)?;
        let entries: Vec<io::Result<FolderEntry>> =
            paths.into_iter().map(|path| Ok(entry(&disk, &path))).collect();
        Ok(Box::new(entries.into_iter()))
    }

    /// Each disk is a file system of its own.
    fn lane(&self, _folder: &Path) -> (LaneName, bool) {
        (LaneName(format!("fake-{:p}", Arc::as_ptr(&self.disk)).into()), false)
    }

    fn is_told(&self) -> bool {
        false
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.trap.meet(path);
        let disk = self.disk();
        match disk.look(text(path)).map_err(error)? {
            Node::File(number) => stat(&disk, number),
            Node::Folder => {
                let mut hasher = DefaultHasher::new();
                path.hash(&mut hasher);
                Ok(Stat {
                    kind: Kind::Folder,
                    key: FileKey { inode: hasher.finish(), ..NOTHING.key },
                    ..NOTHING
                })
            }
            Node::Fifo => Ok(Stat { kind: Kind::Other, ..NOTHING }),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>> {
        let number = self.disk().open(text(path)).map_err(error)?;
        Ok(Arc::new(FakeFile { files: self.clone(), number }))
    }
}

struct FakeFile {
    files: FakeFiles,
    number: u64,
}

impl OpenFile for FakeFile {
    fn stat(&self) -> io::Result<Stat> {
        stat(&self.files.disk(), self.number)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let disk = self.files.disk();
        if disk.is_broken {
            return Err(error(Fault::Broken));
        }
        let bytes = disk.inode(self.number).map_or(&[][..], |inode| &inode.bytes);
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or(&[]);
        let n_bytes = rest.len().min(into.len());
        into[..n_bytes].copy_from_slice(&rest[..n_bytes]);
        Ok(n_bytes)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Drop for FakeFile {
    fn drop(&mut self) {
        self.files.disk().close(self.number);
    }
}

const NOTHING: Stat = Stat {
    kind: Kind::Other,
    key: FileKey { device: 1, inode: 0, birth: 0 },
    size: 0,
    modified: UnixMillis(0),
    n_links: 1,
};

fn stat(disk: &Disk, number: u64) -> io::Result<Stat> {
    if disk.is_broken {
        return Err(error(Fault::Broken));
    }
    let inode = disk.inode(number).ok_or_else(|| error(Fault::NotFound))?;
    let key = FileKey { device: 1, inode: number, birth: inode.birth };
    Ok(Stat {
        kind: Kind::File,
        key,
        size: inode.bytes.len() as u64,
        modified: UnixMillis(inode.modified),
        n_links: inode.n_links,
    })
}

fn entry(disk: &Disk, path: &str) -> FolderEntry {
    let kind = match disk.look(path) {
        Ok(Node::Folder) => EntryKind::Folder,
        Ok(Node::File(_)) if disk.number(path).is_none() => EntryKind::Link,
        Err(Fault::LinkLoop) => EntryKind::Link,
        Ok(Node::File(_) | Node::Fifo) | Err(_) => EntryKind::Other,
    };
    FolderEntry { name: Path::new(path).file_name().unwrap_or_default().to_owned(), kind }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of the model are texts")
}

fn error(fault: Fault) -> io::Error {
    let errno = match fault {
        Fault::NotFound => Errno::NOENT,
        Fault::Denied => Errno::ACCESS,
        Fault::LinkLoop => Errno::LOOP,
        Fault::Broken => Errno::IO,
    };
    errno.into()
}

/// The fake in the hands of the contract suite: one folder, a file a track.
pub struct FileSubject {
    files: FakeFiles,
    source: Arc<dyn Source>,
    written: Vec<Vec<Vec<u8>>>,
}

impl FileSubject {
    /// With no file yet.
    pub fn new() -> Self {
        let files = FakeFiles::new();
        files.disk().make_folder("/logs");
        let source = start(&files);
        Self { files, source, written: Vec::new() }
    }
}

impl Default for FileSubject {
    fn default() -> Self {
        Self::new()
    }
}

fn start(files: &FakeFiles) -> Arc<dyn Source> {
    files.source("/logs/*.log", Duration::ZERO).expect("the pattern is one, and a thread can be started")
}

fn path(track: usize) -> String {
    format!("/logs/{track:04}.log")
}

impl Subject for FileSubject {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    fn restart(&mut self) {
        self.source = start(&self.files);
    }

    fn add_track(&mut self) -> usize {
        self.written.push(Vec::new());
        self.written.len() - 1
    }

    fn append(&mut self, track: usize, n_records: usize) {
        let mut disk = self.files.disk();
        for _ in 0..n_records {
            let line = format!("{{\"track\":{track},\"n\":{}}}", self.written[track].len()).into_bytes();
            disk.append(&path(track), &[&line[..], b"\n"].concat());
            self.written[track].push(line);
        }
    }

    fn written(&self, track: usize) -> Vec<Vec<u8>> {
        self.written[track].clone()
    }

    fn end(&mut self, track: usize) {
        self.files.disk().rename(&path(track), &format!("{}.1", path(track)));
    }

    fn set_broken(&mut self, is_broken: bool) {
        self.files.disk().is_broken = is_broken;
    }
}
