//! What tells one content of a path from the next, without reading it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a path led to when it was looked at: which file or folder, and of a file when it was written last.
/// Two marks of a path differ when it leads elsewhere or its file was written in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    real: PathBuf,
    inode: (u64, u64),
    /// None of a folder, whose entries do not matter.
    content: Option<MarkContent>,
}

/// What a write changes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MarkContent {
    n_bytes: u64,
    changed: (i64, i64),
    written: (i64, i64),
}

impl Mark {
    /// `None` where there is nothing, or nothing that can be looked at.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let content = (!metadata.is_dir()).then(|| MarkContent {
            n_bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            written: (metadata.mtime(), metadata.mtime_nsec()),
        });
        Some(Self { real: fs::canonicalize(path).ok()?, inode: (metadata.dev(), metadata.ino()), content })
    }
}
