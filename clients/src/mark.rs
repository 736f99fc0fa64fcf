//! What tells one content of a path from the next, without reading it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a path led to when it was looked at: which file or folder, and of a file when it was written last. Two marks of a path differ when it leads
/// elsewhere or its file was written in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    real: PathBuf,
    inode: (u64, u64),
    /// Length, then the times of the last change and the last write; nothing of a folder, whose entries do not matter.
    content: Option<(u64, (i64, i64), (i64, i64))>,
}

impl Mark {
    /// `None` where there is nothing, or nothing that can be looked at.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let times = ((metadata.ctime(), metadata.ctime_nsec()), (metadata.mtime(), metadata.mtime_nsec()));
        let content = (!metadata.is_dir()).then_some((metadata.len(), times.0, times.1));
        Some(Self { real: fs::canonicalize(path).ok()?, inode: (metadata.dev(), metadata.ino()), content })
    }
}
