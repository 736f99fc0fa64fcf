//! Finds what a path or pattern names, a slice at a time: every folder once however many links lead to it,
//! names as the bytes they are.
//!
//! | in the pattern | what it walks |
//! |---|---|
//! | `a` | the entry of that name |
//! | `*`, `?`, `[…]` | the entries that match; bytes that are no UTF-8 match as one unknown character each |
//! | `**` | the folder and all below it that are not hidden |
//!
//! Folders come before links to folders, so a folder that can be reached by both has its own path. A walk
//! ends early at [`ENTRIES_MAX`] entries or after [`WALK_MAX`], and says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::client::{Entries, EntryKind, FileSystem, FolderEntry, Kind};
use super::settings::PathPattern;

/// Entries that one walk looks at.
const ENTRIES_MAX: usize = 1_000_000;
/// How long one walk may take.
const WALK_MAX: Duration = Duration::from_secs(60);
/// Entries looked at, and time taken, before others have their turn.
const SLICE_ENTRIES: usize = 2_000;
const SLICE_MAX: Duration = Duration::from_millis(20);

/// What is walked, step by step.
#[derive(Debug)]
pub(super) struct WalkRoute {
    /// Below it everything lies.
    folder: PathBuf,
    steps: Vec<WalkStep>,
}

#[derive(Debug)]
enum WalkStep {
    Name(OsString),
    Match(glob::Pattern),
    Deep,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// What may be a file, by path, and what could not be looked into.
    pub(super) found: Vec<Result<PathBuf, (PathBuf, io::Error)>>,
    /// The folders that were looked into, each with the steps that it was looked into for.
    pub(super) folders: BTreeMap<PathBuf, BTreeSet<usize>>,
    /// A link was followed: where it leads may change without a word.
    pub(super) has_links: bool,
    /// It ended early, so much was seen by then.
    pub(super) cut_at: Option<usize>,
}

/// A walk under way.
pub(super) struct Walk {
    files: Arc<dyn FileSystem>,
    route: Arc<WalkRoute>,
    folders: VecDeque<Visit>,
    links: VecDeque<Visit>,
    open: Option<(Visit, Entries)>,
    visited: BTreeSet<(u64, u64, usize)>,
    through_links: Vec<Result<PathBuf, (PathBuf, io::Error)>>,
    is_through_links: bool,
    listed: Listed,
    n_entries: usize,
    began: Instant,
    entries_max: usize,
}

#[derive(Debug, Clone)]
struct Visit {
    folder: PathBuf,
    step: usize,
    is_link: bool,
}

impl WalkRoute {
    pub(super) fn of(pattern: &PathPattern) -> Self {
        match pattern {
            PathPattern::One(path) => {
                let name = path.file_name().map_or_else(OsString::new, OsStr::to_owned);
                Self {
                    folder: path.parent().map_or_else(PathBuf::new, Path::to_owned),
                    steps: vec![WalkStep::Name(name)],
                }
            }
            PathPattern::Glob { text, .. } => {
                let fixed = &text[..text.find(['*', '?', '[']).unwrap_or(text.len())];
                let (folder, rest) = text.split_at(fixed.rfind('/').map_or(0, |end| end + 1));
                let folder = if folder.len() > 1 { folder.trim_end_matches('/') } else { folder };
                let mut steps: Vec<WalkStep> =
                    rest.split('/').filter(|it| !it.is_empty()).map(WalkStep::of).collect();
                // Two of them name the same files as one, and would be walked for each pair of depths.
                steps.dedup_by(|a, b| matches!((a, b), (WalkStep::Deep, WalkStep::Deep)));
                Self { folder: PathBuf::from(folder), steps }
            }
        }
    }

    /// Whether news of an entry concerns a folder that was looked into for a step.
    pub(super) fn concerns(&self, step: usize, name: &OsStr, is_folder: bool) -> bool {
        match self.steps.get(step) {
            Some(WalkStep::Deep) => {
                is_folder && !is_hidden(name) || self.steps.get(step + 1).is_some_and(|next| next.fits(name))
            }
            Some(own) => own.fits(name),
            None => false,
        }
    }

    /// Whether an entry of a folder that was looked into for a step is one of those that are read, by its
    /// name.
    pub(super) fn names(&self, step: usize, name: &OsStr) -> bool {
        let last = if matches!(self.steps.get(step), Some(WalkStep::Deep)) { step + 1 } else { step };
        last + 1 == self.steps.len() && self.steps[last].fits(name)
    }
}

impl WalkStep {
    fn of(part: &str) -> Self {
        if part == "**" {
            return Self::Deep;
        }
        match glob::Pattern::new(part).ok().filter(|_| part.contains(['*', '?', '['])) {
            Some(pattern) => Self::Match(pattern),
            None => Self::Name(part.into()),
        }
    }

    fn fits(&self, name: &OsStr) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Match(pattern) => pattern.matches_with(&name.to_string_lossy(), PathPattern::OPTIONS),
            Self::Deep => false,
        }
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// The folder as the system is asked for it.
fn asked(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

impl Walk {
    pub(super) fn new(files: Arc<dyn FileSystem>, route: Arc<WalkRoute>) -> Self {
        let first = Visit { folder: route.folder.clone(), step: 0, is_link: false };
        Self {
            files,
            route,
            folders: [first].into(),
            links: VecDeque::new(),
            open: None,
            visited: BTreeSet::new(),
            through_links: Vec::new(),
            is_through_links: false,
            listed: Listed::default(),
            n_entries: 0,
            began: Instant::now(),
            entries_max: ENTRIES_MAX,
        }
    }

    /// Walks on for a slice; `Some` when it is over.
    pub(super) fn advance(&mut self) -> Option<Listed> {
        let began = Instant::now();
        let until = self.n_entries + SLICE_ENTRIES;
        while self.n_entries < until && began.elapsed() < SLICE_MAX {
            if self.n_entries >= self.entries_max || self.began.elapsed() >= WALK_MAX {
                self.listed.cut_at = Some(self.n_entries);
                return Some(self.finish());
            }
            if let Some((visit, mut entries)) = self.open.take() {
                let Some(entry) = entries.next() else { continue };
                self.n_entries += 1;
                match entry {
                    Ok(entry) => self.meet(&visit, &entry),
                    Err(error) => self.fail(visit.folder.clone(), error),
                }
                self.open = Some((visit, entries));
            } else if let Some(visit) = self.folders.pop_front().or_else(|| self.links.pop_front()) {
                self.n_entries += 1;
                self.enter(visit);
            } else {
                return Some(self.finish());
            }
        }
        None
    }

    fn enter(&mut self, visit: Visit) {
        self.is_through_links |= visit.is_link;
        self.listed.has_links |= visit.is_link;
        let folder = asked(&visit.folder);
        match self.route.steps.get(visit.step) {
            // It need not be there, nor the folder: whoever looks at it says so.
            Some(WalkStep::Name(name)) if visit.step + 1 == self.route.steps.len() => {
                let path = visit.folder.join(name);
                self.listed.folders.entry(folder.to_owned()).or_default().insert(visit.step);
                return self.find(path);
            }
            Some(WalkStep::Name(_) | WalkStep::Match(_) | WalkStep::Deep) => {}
            None => return,
        }
        let stat = match self.files.stat(folder) {
            Ok(stat) if stat.kind == Kind::Folder => stat,
            Ok(_) => return,
            // A link that leads nowhere, or a folder that went while it was walked.
            Err(error) if is_absence(&error) => return,
            Err(error) => return self.fail(visit.folder, error),
        };
        // By device and inode, which no loop of links escapes; by step too, for `**` comes to a folder for
        // several.
        if !self.visited.insert((stat.key.device, stat.key.inode, visit.step)) {
            return;
        }
        self.listed.folders.entry(folder.to_owned()).or_default().insert(visit.step);
        if let Some(WalkStep::Name(name)) = self.route.steps.get(visit.step) {
            let folder = visit.folder.join(name);
            return self.folders.push_back(Visit { folder, step: visit.step + 1, is_link: false });
        }
        match self.files.folder(folder) {
            Ok(entries) => self.open = Some((visit, entries)),
            Err(error) if is_absence(&error) => {}
            Err(error) => self.fail(visit.folder, error),
        }
    }

    /// One entry of a folder.
    fn meet(&mut self, visit: &Visit, entry: &FolderEntry) {
        let FolderEntry { name, kind } = entry;
        let is_deep = matches!(self.route.steps[visit.step], WalkStep::Deep);
        if is_deep && !is_hidden(name) {
            self.go_on(visit, entry, visit.step);
        }
        let step = visit.step + usize::from(is_deep);
        if !self.route.steps.get(step).is_some_and(|it| it.fits(name)) {
            return;
        }
        if step + 1 < self.route.steps.len() {
            self.go_on(visit, entry, step + 1);
        } else if *kind != EntryKind::Folder {
            self.listed.has_links |= *kind == EntryKind::Link;
            self.find(visit.folder.join(name));
        }
    }

    fn go_on(&mut self, visit: &Visit, entry: &FolderEntry, step: usize) {
        let folder = visit.folder.join(&entry.name);
        match entry.kind {
            EntryKind::Folder => self.folders.push_back(Visit { folder, step, is_link: false }),
            EntryKind::Link => self.links.push_back(Visit { folder, step, is_link: true }),
            EntryKind::Other => {}
        }
    }

    fn find(&mut self, path: PathBuf) {
        // Found by its own path first, a file keeps it, whichever links lead there.
        let list = if self.is_through_links { &mut self.through_links } else { &mut self.listed.found };
        list.push(Ok(path));
    }

    fn fail(&mut self, folder: PathBuf, error: io::Error) {
        self.listed.found.push(Err((folder, error)));
    }

    fn finish(&mut self) -> Listed {
        let path = |it: &Result<PathBuf, (PathBuf, io::Error)>| match it {
            Ok(path) | Err((path, _)) => path.clone(),
        };
        self.listed.found.sort_by_cached_key(path);
        self.through_links.sort_by_cached_key(path);
        self.listed.found.append(&mut self.through_links);
        std::mem::take(&mut self.listed)
    }
}

fn is_absence(error: &io::Error) -> bool {
    [Errno::NOENT, Errno::NOTDIR, Errno::LOOP]
        .iter()
        .any(|it| error.raw_os_error() == Some(it.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::client::LocalFiles;

    fn walk(folder: &Path, pattern: &str) -> (Vec<PathBuf>, Listed) {
        let pattern = PathPattern::parse(pattern, folder).unwrap();
        let mut walk = Walk::new(Arc::new(LocalFiles), Arc::new(WalkRoute::of(&pattern)));
        let listed = std::iter::from_fn(|| Some(walk.advance())).find_map(|it| it).unwrap();
        let found = listed
            .found
            .iter()
            .map(|it| it.as_ref().unwrap().strip_prefix(folder).unwrap().to_owned())
            .collect();
        (found, listed)
    }

    fn folder(files: &[&[u8]]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(OsStr::from_bytes(file));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x\n").unwrap();
        }
        folder
    }

    fn check(files: &[&[u8]], pattern: &str, wanted: &[&[u8]]) {
        let folder = folder(files);
        let (found, _) = walk(folder.path(), pattern);
        assert_eq!(
            found,
            wanted.iter().map(|it| PathBuf::from(OsStr::from_bytes(it))).collect::<Vec<_>>(),
            "{pattern}"
        );
    }

    #[test]
    fn a_pattern_finds_what_it_names_and_nothing_hidden() {
        let files: &[&[u8]] =
            &[b"a.log", b".hidden.log", b"b.txt", b"sub/c.log", b"sub/deep/d.log", b".git/e.log"];
        check(files, "*.log", &[b"a.log"]);
        check(files, "**/*.log", &[b"a.log", b"sub/c.log", b"sub/deep/d.log"]);
        check(files, "**/**/d.log", &[b"sub/deep/d.log"]);
        check(files, "*/*.log", &[b"sub/c.log"]);
        check(files, "s*/deep/d.log", &[b"sub/deep/d.log"]);
        check(files, "[ab].*", &[b"a.log", b"b.txt"]);
        check(files, ".*.log", &[b".hidden.log"]);
        check(files, "sub/**", &[]);
    }

    #[test]
    fn names_that_are_no_utf_8_match_like_any_other() {
        let files: &[&[u8]] = &[b"foto\xe9.jpg", b"caf\xe9.log", b"ordner\xff/a.log", b"good.log"];
        check(files, "*.log", &[b"caf\xe9.log", b"good.log"]);
        check(files, "caf?.log", &[b"caf\xe9.log"]);
        check(files, "**/*.log", &[b"caf\xe9.log", b"good.log", b"ordner\xff/a.log"]);
        check(files, "ordner?/*", &[b"ordner\xff/a.log"]);
    }

    #[test]
    fn links_to_a_parent_lead_nowhere_new() {
        let folder = folder(&[b"a/x.log", b"z/y.log"]);
        for link in ["a/up1", "a/up2", "z/up"] {
            std::os::unix::fs::symlink("..", folder.path().join(link)).unwrap();
        }
        std::os::unix::fs::symlink("z", folder.path().join("b")).unwrap();
        let (found, listed) = walk(folder.path(), "**/*.log");
        assert_eq!(
            found,
            ["a/x.log", "z/y.log"].map(PathBuf::from),
            "and a folder has its own path, not a link's"
        );
        assert!(listed.has_links && listed.cut_at.is_none());
        assert!(listed.folders.len() == 3, "{:?}", listed.folders);
    }

    #[test]
    fn a_walk_is_cut_where_it_takes_too_long_and_says_so() {
        let files: Vec<String> = (0..50).map(|it| format!("{it:02}.log")).collect();
        let folder = folder(&files.iter().map(String::as_bytes).collect::<Vec<_>>());
        let pattern = PathPattern::parse("*.log", folder.path()).unwrap();
        let mut walk = Walk::new(Arc::new(LocalFiles), Arc::new(WalkRoute::of(&pattern)));
        walk.entries_max = 11;
        let listed = std::iter::from_fn(|| Some(walk.advance())).find_map(|it| it).unwrap();
        assert_eq!((listed.found.len(), listed.cut_at), (10, Some(11)), "the folder itself counts");
    }

    #[test]
    fn others_have_their_turn_within_one_large_folder() {
        let folder = tempfile::tempdir().unwrap();
        for it in 0..SLICE_ENTRIES + 10 {
            std::fs::write(folder.path().join(format!("{it}.log")), "").unwrap();
        }
        let pattern = PathPattern::parse("*.log", folder.path()).unwrap();
        let mut walk = Walk::new(Arc::new(LocalFiles), Arc::new(WalkRoute::of(&pattern)));
        assert!(walk.advance().is_none());
    }

    #[test]
    fn news_concern_what_the_pattern_could_name() {
        let route = |pattern: &str| WalkRoute::of(&PathPattern::parse(pattern, Path::new("/logs")).unwrap());
        let concerns = |pattern: &str, step, name: &str, is_folder| {
            route(pattern).concerns(step, OsStr::new(name), is_folder)
        };
        assert!(concerns("a.log", 0, "a.log", false) && !concerns("a.log", 0, "b.log", false));
        assert!(concerns("*.log", 0, "b.log", false) && !concerns("*.log", 0, "b.txt", false));
        assert!(
            concerns("**/*.log", 0, "sub", true)
                && concerns("**/*.log", 0, "b.log", false)
                && !concerns("**/*.log", 0, ".git", true)
        );
        assert!(
            route("**/*.log").names(0, OsStr::new("b.log")) && !route("*/x.log").names(0, OsStr::new("b"))
        );
    }
}
