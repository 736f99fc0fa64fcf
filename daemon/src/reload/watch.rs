//! Watches the config files by looking at them: names, what symbolic links lead to, and the marks of a
//! change.
//!
//! A change counts when two looks in a row see the same, so that a file is not read while it is being
//! written. Kubernetes swaps a link beside the files; what a name leads to is part of what is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use forebay_clients::Mark;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep_until};

use crate::config_files::files_in;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);

/// What the files looked like.
type FileLook = BTreeMap<PathBuf, Option<Mark>>;

/// Watches the files of a config.
#[derive(Debug)]
pub struct ConfigWatch {
    names: Vec<PathBuf>,
    /// Files that placeholders name.
    also: BTreeSet<PathBuf>,
    is_enabled: bool,
    /// What they looked like when they were last read.
    read: FileLook,
    /// What they looked like last, when that differs from what was read.
    last: Option<FileLook>,
    next: Instant,
}

impl ConfigWatch {
    /// Watches what `names` say, files and folders; made before they are read. Standard input and variables
    /// do not change.
    pub fn new(names: &[String]) -> Self {
        let is_path = |name: &&String| *name != "-" && !name.starts_with("env:");
        let names: Vec<PathBuf> = names.iter().filter(is_path).map(PathBuf::from).collect();
        let read = look(&names, &BTreeSet::new());
        Self {
            names,
            also: BTreeSet::new(),
            is_enabled: false,
            read,
            last: None,
            next: Instant::now() + EVERY,
        }
    }

    /// Whether it looks at all.
    pub fn set_enabled(&mut self, is_enabled: bool) {
        self.is_enabled = is_enabled;
    }

    /// Placeholders, keys and certificates name these files, which had these marks before they were read: one
    /// that has changed since is a change.
    pub fn also(&mut self, files: &BTreeMap<PathBuf, Option<Mark>>) {
        // Looked at no more, they would differ from what was read at every look.
        for gone in self.also.iter().filter(|it| !files.contains_key(*it)) {
            self.read.remove(gone);
        }
        self.also = files.keys().cloned().collect();
        self.read.extend(files.iter().map(|(file, mark)| (file.clone(), mark.clone())));
    }

    /// The files are read now: what they look like is what they looked like when they were read.
    pub fn rest(&mut self) {
        self.read = block_in_place(|| look(&self.names, &self.also));
        self.last = None;
    }

    /// Waits until the files have changed and changed no more. May be dropped without losing a change.
    pub async fn changed(&mut self) {
        loop {
            if !self.is_enabled {
                return std::future::pending().await;
            }
            sleep_until(self.next).await;
            let look = block_in_place(|| look(&self.names, &self.also));
            // From the end of the look on, so that a slow file system has its pause, too.
            self.next = Instant::now() + EVERY;
            if self.notices(look) {
                return;
            }
        }
    }

    /// Takes in a look; `true` when what it saw is a change that is over.
    fn notices(&mut self, look: FileLook) -> bool {
        // A change that was taken back is none.
        if self.read == look {
            self.last = None;
            return false;
        }
        if self.last.as_ref() == Some(&look) {
            self.read = look;
            self.last = None;
            return true;
        }
        self.last = Some(look);
        false
    }
}

fn look(names: &[PathBuf], also: &BTreeSet<PathBuf>) -> FileLook {
    let mut look = FileLook::new();
    for name in names {
        look.insert(name.clone(), Mark::of(name));
        // A folder's own mark does not tell when a file in it is written over.
        if name.is_dir() {
            look.extend(
                files_in(name).unwrap_or_default().into_iter().map(|file| (file.clone(), Mark::of(&file))),
            );
        }
    }
    look.extend(also.iter().map(|file| (file.clone(), Mark::of(file))));
    look
}

#[cfg(test)]
mod tests {
    use std::fs;

    use forebay_config::Format;

    use super::*;
    use crate::config_files::Loaded;

    struct Folder {
        folder: tempfile::TempDir,
        watch: ConfigWatch,
    }

    impl Folder {
        fn new(files: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for name in files {
                fs::write(folder.path().join(name), "one").unwrap();
            }
            let watch = ConfigWatch::new(&[folder.path().display().to_string()]);
            Self { folder, watch }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn looks(&mut self) -> bool {
            let seen = look(&self.watch.names, &self.watch.also);
            self.watch.notices(seen)
        }
    }

    #[test]
    fn a_change_counts_once_and_only_when_it_is_over() {
        let mut it = Folder::new(&["a.yaml"]);
        assert!(!it.looks() && !it.looks(), "nothing has changed since it was made");
        fs::write(it.path("a.yaml"), "half").unwrap();
        assert!(!it.looks(), "it may still be written");
        fs::write(it.path("a.yaml"), "whole and longer").unwrap();
        assert!(!it.looks(), "it was");
        assert!(it.looks(), "it is over");
        assert!(!it.looks() && !it.looks(), "and counts once");
    }

    #[test]
    fn files_that_come_and_go_count_and_other_files_do_not() {
        let mut it = Folder::new(&["a.yaml"]);
        assert!(!it.looks());
        fs::write(it.path("notes.txt"), "x").unwrap();
        assert!(!it.looks() && !it.looks());
        fs::write(it.path("b.yaml"), "x").unwrap();
        assert!(!it.looks() && it.looks());
        fs::remove_file(it.path("b.yaml")).unwrap();
        assert!(!it.looks() && it.looks());
    }

    #[test]
    fn a_link_beside_the_files_that_is_swapped_is_a_change() {
        let mut it = Folder::new(&[]);
        for (version, text) in [("v1", "one"), ("v2", "two")] {
            fs::create_dir(it.path(version)).unwrap();
            fs::write(it.path(version).join("a.yaml"), text).unwrap();
        }
        std::os::unix::fs::symlink("v1", it.path("..data")).unwrap();
        std::os::unix::fs::symlink("..data/a.yaml", it.path("a.yaml")).unwrap();
        it.watch = ConfigWatch::new(&[it.folder.path().display().to_string()]);
        assert!(!it.looks() && !it.looks());
        std::os::unix::fs::symlink("v2", it.path("..data_tmp")).unwrap();
        fs::rename(it.path("..data_tmp"), it.path("..data")).unwrap();
        assert!(!it.looks() && it.looks());
    }

    #[test]
    fn a_file_that_a_placeholder_names_is_watched_too() {
        let mut it = Folder::new(&["a.yaml", "secret"]);
        let secret = it.path("secret");
        it.watch.also(&BTreeMap::from([(secret.clone(), Mark::of(&secret))]));
        assert!(!it.looks());
        fs::write(&secret, "another").unwrap();
        assert!(!it.looks() && it.looks());
    }

    #[test]
    fn a_file_that_changes_between_its_reading_and_the_watch_is_a_change() {
        let mut it = Folder::new(&["secret"]);
        let secret = it.path("secret");
        let text = format!("data_dir: ${{file:{}}}\n", secret.display());
        let loaded = Loaded::of_text("a.yaml", &text, Format::Yaml);
        fs::write(&secret, "another").unwrap();
        it.watch.also(loaded.named_files());
        assert!(!it.looks() && it.looks());
        it.watch.also(Loaded::of_text("a.yaml", &text, Format::Yaml).named_files());
        assert!(!it.looks() && !it.looks());
    }
}
