//! The files that are open, as a cache: a file that is at its end and whose turn was longest ago is closed
//! when another needs its descriptor, and opened again when there is something to do.
//!
//! A file that has lost its path can only be read as long as it is open: it is *pinned* and stays.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use forebay_clients::{Descriptor, Descriptors};
use rustix::io::Errno;

use super::client::{FileSystem, OpenFile};
use super::error::FileError;
use super::io::lock;

/// All open files of a process.
pub(super) struct OpenFiles {
    share: Arc<Descriptors>,
    uses: Mutex<Uses>,
}

#[derive(Default)]
struct Uses {
    /// By the number of their last use.
    handles: BTreeMap<u64, Weak<Handle>>,
    n_uses: u64,
}

/// A place for one open file.
pub(super) struct Handle {
    files: Arc<OpenFiles>,
    slot: Mutex<FileSlot>,
}

#[derive(Default)]
struct FileSlot {
    open: Option<(Arc<dyn OpenFile>, Descriptor)>,
    use_number: u64,
    is_pinned: bool,
}

impl OpenFiles {
    pub(super) fn new(share: Arc<Descriptors>) -> Arc<Self> {
        Arc::new(Self { share, uses: Mutex::default() })
    }

    /// Those of this process.
    pub(super) fn of_process() -> Arc<Self> {
        static OF_PROCESS: std::sync::OnceLock<Arc<OpenFiles>> = std::sync::OnceLock::new();
        Arc::clone(OF_PROCESS.get_or_init(|| Self::new(Descriptors::of_process())))
    }

    /// Opens a path, and keeps it open as long as there are descriptors.
    pub(super) fn open(
        self: &Arc<Self>,
        system: &dyn FileSystem,
        path: &Path,
    ) -> Result<Arc<Handle>, FileError> {
        let handle = Arc::new(Handle { files: Arc::clone(self), slot: Mutex::default() });
        handle.open(system, path)?;
        Ok(handle)
    }

    /// A descriptor; the file whose turn was longest ago gives its own when there is none.
    fn take(&self) -> Result<Descriptor, FileError> {
        loop {
            if let Some(descriptor) = self.share.take() {
                return Ok(descriptor);
            }
            if !self.close_one() {
                return Err(FileError::NoDescriptor { n_files: self.share.files_max() });
            }
        }
    }

    /// Closes the file whose turn was longest ago; `false` when none can be closed.
    fn close_one(&self) -> bool {
        // Taken out of the lock: whoever drops the last of a handle takes it, too.
        let handles: Vec<Arc<Handle>> = lock(&self.uses).handles.values().filter_map(Weak::upgrade).collect();
        // What is closed is dropped behind its lock.
        handles.iter().any(|it| lock(&it.slot).give_up().is_some())
    }

    fn used(&self, handle: &Arc<Handle>, before: u64) -> u64 {
        let mut uses = lock(&self.uses);
        uses.handles.remove(&before);
        uses.n_uses += 1;
        let number = uses.n_uses;
        uses.handles.insert(number, Arc::downgrade(handle));
        number
    }
}

impl FileSlot {
    fn give_up(&mut self) -> Option<(Arc<dyn OpenFile>, Descriptor)> {
        // Somebody reads it at this moment: to let go of the slot would free no descriptor.
        let is_in_use = |(file, _): &mut (Arc<dyn OpenFile>, Descriptor)| Arc::strong_count(file) > 1;
        if self.is_pinned || self.open.as_mut().is_none_or(is_in_use) { None } else { self.open.take() }
    }
}

impl Handle {
    /// The file, when it is open.
    pub(super) fn file(self: &Arc<Self>) -> Option<Arc<dyn OpenFile>> {
        let mut slot = lock(&self.slot);
        let file = slot.open.as_ref().map(|(file, _)| Arc::clone(file))?;
        slot.use_number = self.files.used(self, slot.use_number);
        Some(file)
    }

    /// Whether it is open; asking is no use of it.
    pub(super) fn is_open(&self) -> bool {
        lock(&self.slot).open.is_some()
    }

    /// Closes it.
    pub(super) fn close(&self) {
        // Closing may take long on a network's file system, so it happens after the lock.
        let open = lock(&self.slot).open.take();
        drop(open);
    }

    /// Opens it again, at a path.
    pub(super) fn open(
        self: &Arc<Self>,
        system: &dyn FileSystem,
        path: &Path,
    ) -> Result<Arc<dyn OpenFile>, FileError> {
        let descriptor = self.files.take()?;
        let file = self.open_with_room(system, path)?;
        let mut slot = lock(&self.slot);
        slot.open = Some((Arc::clone(&file), descriptor));
        slot.use_number = self.files.used(self, slot.use_number);
        Ok(file)
    }

    /// When the whole process has no descriptor left, some that files have are given back first.
    fn open_with_room(&self, system: &dyn FileSystem, path: &Path) -> Result<Arc<dyn OpenFile>, FileError> {
        let is_full = |error: &io::Error| {
            [Errno::MFILE, Errno::NFILE].iter().any(|it| error.raw_os_error() == Some(it.raw_os_error()))
        };
        match system.open(path) {
            Err(error) if is_full(&error) && self.files.close_one() => {
                system.open(path).map_err(FileError::of)
            }
            other => other.map_err(FileError::of),
        }
    }

    /// Keeps it open whatever others need, or does not any more.
    pub(super) fn pin(&self, is_pinned: bool) {
        lock(&self.slot).is_pinned = is_pinned;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        lock(&self.files.uses).handles.remove(&lock(&self.slot).use_number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::client::LocalFiles;

    fn handles(files: &Arc<OpenFiles>, folder: &Path, n: usize) -> Vec<Arc<Handle>> {
        let open = |idx: usize| {
            let path = folder.join(idx.to_string());
            std::fs::write(&path, "x\n").unwrap();
            files.open(&LocalFiles, &path).unwrap()
        };
        (0..n).map(open).collect()
    }

    #[test]
    fn the_file_whose_turn_was_longest_ago_gives_its_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let files = OpenFiles::new(Descriptors::new(3));
        let mut handles = handles(&files, folder.path(), 3);
        assert!(handles[0].file().is_some(), "its turn is now");
        let _fourth = files.open(&LocalFiles, &folder.path().join("0")).unwrap();
        assert_eq!(
            handles.iter().map(|it| lock(&it.slot).open.is_some()).collect::<Vec<_>>(),
            [true, false, true]
        );
        assert!(handles[1].open(&LocalFiles, &folder.path().join("1")).is_ok());
        assert!(handles[2].file().is_none());
        handles.clear();
        assert_eq!(files.share.n_files(), 1, "what nobody has any more takes nothing");
    }

    #[test]
    fn a_file_without_a_path_stays_open_and_whoever_finds_no_room_is_told_why() {
        let folder = tempfile::tempdir().unwrap();
        let files = OpenFiles::new(Descriptors::new(2));
        let handles = handles(&files, folder.path(), 2);
        handles.iter().for_each(|it| it.pin(true));
        let refused = files.open(&LocalFiles, &folder.path().join("0")).err().unwrap();
        assert!(
            refused.to_string().starts_with("FB-0205: it waits for a file descriptor: all 2"),
            "{refused}"
        );
        handles[1].pin(false);
        assert!(files.open(&LocalFiles, &folder.path().join("0")).is_ok());
    }

    #[test]
    fn what_is_being_read_is_not_closed() {
        let folder = tempfile::tempdir().unwrap();
        let files = OpenFiles::new(Descriptors::new(1));
        let handles = handles(&files, folder.path(), 1);
        let reading = handles[0].file();
        assert!(files.open(&LocalFiles, &folder.path().join("0")).is_err());
        drop(reading);
        assert!(files.open(&LocalFiles, &folder.path().join("0")).is_ok());
    }
}
