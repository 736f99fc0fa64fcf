//! One process a data folder: a lock that the operating system gives back however the process ends, with the
//! process's id inside.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::room::io_error;
use crate::store::StoreError;

/// Holds the folder until dropped.
#[derive(Debug)]
pub(super) struct FolderLock {
    file: File,
}

impl Drop for FolderLock {
    /// Closing would do, but for a child that another thread is just starting: until it has become its own
    /// program it holds a copy of the file, and with it the lock.
    fn drop(&mut self) {
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::debug!(%error, "the lock of the data folder is left to the operating system");
        }
    }
}

impl FolderLock {
    /// Takes the folder, which is made when it is missing.
    pub(super) fn take(folder: &Path) -> Result<Self, StoreError> {
        let failed = |cause| io_error(folder, "locked", cause);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            // What stands in it is the id of the holder until the lock is ours.
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // The id is for people; a full disk must not keep the store from opening.
                if let Err(error) = note_process(&mut file) {
                    tracing::warn!(folder = %folder.display(), %error, "the lock file cannot be given the process id");
                }
                Ok(Self { file })
            }
            Err(Errno::WOULDBLOCK) => {
                Err(StoreError::InUse { folder: folder.display().to_string(), pid: noted_process(&mut file) })
            }
            Err(errno) => Err(failed(errno.into())),
        }
    }
}

fn note_process(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn noted_process(file: &mut File) -> u32 {
    let mut text = String::new();
    file.rewind()
        .and_then(|()| file.read_to_string(&mut text))
        .ok()
        .and_then(|_| text.trim().parse().ok())
        .unwrap_or(0)
}
