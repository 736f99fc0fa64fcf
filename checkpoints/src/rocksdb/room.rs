//! Room: what says that there is none, how large the folder is, and whether the disk takes a write again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::store::StoreError;

/// What a store needs to come back: its log becomes a table, and a new log and manifest begin.
const PROBE_BYTES: usize = 4 << 20;

/// An error of the file system, told apart by whether room would help.
pub(super) fn io_error(folder: &Path, doing: &'static str, cause: io::Error) -> StoreError {
    let folder = folder.display().to_string();
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full { folder }
        }
        _ => StoreError::Io { folder, doing, cause: cause.into() },
    }
}

/// Whether RocksDB's words say that there is no room on the disk, in the quota, or in the process's limit of
/// a file's size.
pub(super) fn says_full(message: &str) -> bool {
    ["No space left on device", "Disk quota exceeded", "File too large", "NoSpace"]
        .iter()
        .any(|words| message.contains(words))
}

/// The size of all files in the folder and in the folders in it. A file that goes away meanwhile counts as
/// gone.
pub(super) fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut n_bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => n_bytes += folder_bytes(&entry.path())?,
            Ok(metadata) => n_bytes += metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n_bytes)
}

/// Writes and syncs as much as a store needs to come back, and takes it away again.
pub(super) fn probe(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join("probe");
    let write = || {
        let mut file = File::create(&path)?;
        file.write_all(&vec![0x5a; PROBE_BYTES])?;
        file.sync_all()
    };
    let written = write();
    // However the write went: what is left of it takes room itself.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(folder, "written", error)),
        Ok(()) | Err(_) => written.map_err(|error| io_error(folder, "written", error)),
    }
}
