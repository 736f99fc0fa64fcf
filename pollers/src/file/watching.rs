//! How a source learns that its listing has changed: watches on the folders that were walked and on files
//! that are no tracks yet; and what can still be told where nothing is watched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::client::{EntryKind, FileSystem, Kind, OpenFile, Stat};
use super::ears::{Ears, FolderEar, YoungEar};
use super::error::FileError;
use super::identity::{FileKey, Identity};
use super::io::{Hears, Io, Watch};
use super::open_files::Handle;
use super::settings::PathPattern;
use super::walk::Listed;
use crate::source::{Known, SourceError};

/// Folders that one source watches; with more it lists again and again.
const FOLDERS_MAX: usize = 4_096;

/// The watches of one source.
pub(super) struct Watching {
    io: Io,
    ears: Arc<Ears>,
    /// Whether the system tells of changes at all.
    is_told: bool,
    folders: BTreeMap<PathBuf, (Arc<FolderEar>, Watch)>,
    young: Vec<(Weak<Handle>, Arc<dyn Hears>, Watch)>,
    /// Every change will be told: a listing is needed when one was, and once in a while.
    is_settled: Arc<AtomicBool>,
    /// The file under the one path that is followed, as the last listing saw it.
    last: Option<FileKey>,
}

/// What was heard since the last listing.
pub(super) struct HeardSince {
    /// Where files went that were renamed out of the pattern.
    pub(super) strays: Vec<PathBuf>,
    /// Files that came and were deleted.
    pub(super) lost: Vec<PathBuf>,
}

impl Watching {
    pub(super) fn new(io: Io, ears: Arc<Ears>, is_told: bool, is_settled: Arc<AtomicBool>) -> Self {
        Self { io, ears, is_told, folders: BTreeMap::new(), young: Vec::new(), is_settled, last: None }
    }

    /// Watches the folders of a listing and no others; `false` when one of them cannot be watched. What
    /// changed in a folder before its watch began is listed once more.
    pub(super) fn watch(&mut self, listed: &Listed) -> bool {
        if !self.is_told || listed.folders.len() > FOLDERS_MAX {
            self.folders.clear();
            return false;
        }
        self.folders
            .retain(|folder, (ear, _)| listed.folders.get(folder).is_some_and(|steps| ear.is_good(steps)));
        let mut is_watched = true;
        for (folder, steps) in &listed.folders {
            if self.folders.contains_key(folder) {
                continue;
            }
            let ear = FolderEar::new(&self.ears, folder.clone(), steps.clone());
            let hears: Arc<dyn Hears> = Arc::clone(&ear) as _;
            match self.io.watches().folder(folder, &hears) {
                Ok(watch) => {
                    self.folders.insert(folder.clone(), (ear, watch));
                    self.ears.ring();
                }
                Err(error) => {
                    tracing::debug!(folder = %folder.display(), %error, "folder is not watched: it is listed every second");
                    is_watched = false;
                }
            }
        }
        is_watched
    }

    /// Watches a file that is no track yet; `false` when it cannot be.
    pub(super) fn watch_young(&mut self, handle: &Arc<Handle>, file: &dyn OpenFile) -> bool {
        self.young.retain(|(it, ..)| it.strong_count() > 0);
        if self.young.iter().any(|(it, ..)| std::ptr::eq(it.as_ptr(), Arc::as_ptr(handle))) {
            return true;
        }
        let ear: Arc<dyn Hears> = Arc::new(YoungEar(Arc::clone(&self.ears)));
        let Some(Ok(watch)) = file.descriptor().map(|it| self.io.watches().file(it, &ear)) else {
            return false;
        };
        self.young.push((Arc::downgrade(handle), ear, watch));
        // Its first line may have come before the watch.
        self.ears.ring();
        true
    }

    /// A listing may bring something new.
    pub(super) fn ring(&self) {
        self.ears.ring();
    }

    /// A listing saw these files.
    pub(super) fn saw(&self, files: &[(PathBuf, Stat)]) {
        self.ears.saw(files.iter().map(|(path, _)| path));
    }

    /// What was heard since the last call.
    pub(super) fn heard(&self, kept_for: Duration) -> HeardSince {
        let (strays, lost) = self.ears.take(kept_for);
        HeardSince { strays, lost }
    }

    /// Says whether all changes will be told from here on.
    pub(super) fn settle(&self, is_settled: bool) {
        self.is_settled.store(is_settled, Ordering::Relaxed);
    }

    /// Where nothing is watched and one path is followed: files that must have stood there between the last
    /// listing and this one, for they were born between the two that were seen, and lie in the same folder
    /// under a name that begins alike.
    pub(super) fn compare(
        &mut self,
        files: &dyn FileSystem,
        pattern: &PathPattern,
        found: &[(PathBuf, Stat)],
        known: &Known,
    ) -> Vec<SourceError> {
        let (PathPattern::One(path), [(_, now)]) = (pattern, found) else { return Vec::new() };
        let last = self.last.replace(now.key);
        // Not every file system tells a birth; without one nothing can be said of what was between.
        let Some(last) = last.filter(|last| last.birth > 0 && last.birth < now.key.birth) else {
            return Vec::new();
        };
        let between = |stat: &Stat| {
            stat.kind == Kind::File && last.birth < stat.key.birth && stat.key.birth < now.key.birth
        };
        let is_known =
            |stat: &Stat| known.0.keys().filter_map(Identity::parse).any(|it| it.key.is_same(&stat.key));
        let missed = siblings(files, path).into_iter().filter_map(|it| Some((files.stat(&it).ok()?, it)));
        let missed = missed.filter(|(stat, _)| between(stat) && !is_known(stat)).map(|(_, it)| it);
        missed
            .map(|it| {
                tracing::warn!(code = "FB-0233", path = %path.display(), missed = %it.display(), "rotated twice between two looks: a file was not read");
                FileError::MissedFile.on(&it)
            })
            .collect()
    }
}

/// Files beside a path whose names begin as its name does.
fn siblings(files: &dyn FileSystem, path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem()) else { return Vec::new() };
    let Ok(entries) = files.folder(folder) else { return Vec::new() };
    let begins = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(stem.as_encoded_bytes());
    let alike = entries.filter_map(Result::ok).filter(|it| it.kind == EntryKind::Other && begins(&it.name));
    alike.map(|it| folder.join(it.name)).collect()
}
