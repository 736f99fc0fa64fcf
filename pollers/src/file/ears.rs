//! What a source hears of its folders between two listings: whether to list at all, and where files went that
//! were renamed before anybody could look.
//!
//! A file that came under a name of the pattern and was renamed out of it is a *stray*: it is listed where it
//! went, so that two rotations in one instant lose nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::io::{EntryChange, Hears, WatchNews, lock};
use super::walk::WalkRoute;

/// Strays and half-told renames that are kept; more than that come only from folders that nobody can follow.
const KEPT_MAX: usize = 1_000;

/// The ears of one source.
pub(super) struct Ears {
    route: Arc<WalkRoute>,
    heard: Mutex<Heard>,
    bell: Notify,
}

#[derive(Default)]
struct Heard {
    /// Renames of which the second half has yet to come.
    leaving: BTreeSet<u32>,
    strays: BTreeMap<PathBuf, Instant>,
    /// Files that came and that no listing has seen yet.
    fresh: BTreeSet<PathBuf>,
    /// Files that came and were deleted between two listings.
    lost: Vec<PathBuf>,
}

/// The ear at one folder.
pub(super) struct FolderEar {
    ears: Arc<Ears>,
    folder: PathBuf,
    /// The steps of the route for which the folder was looked into.
    steps: BTreeSet<usize>,
    is_gone: AtomicBool,
}

impl Ears {
    pub(super) fn new(route: Arc<WalkRoute>) -> Arc<Self> {
        Arc::new(Self { route, heard: Mutex::default(), bell: Notify::new() })
    }

    /// Waits until a listing may bring something new. It keeps one ring, so it may be dropped without losing
    /// any.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// To be asked before a listing: strays that went no longer than `kept_for` ago, and files that came and
    /// went unseen.
    pub(super) fn take(&self, kept_for: Duration) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let mut heard = lock(&self.heard);
        heard.strays.retain(|_, since| since.elapsed() < kept_for);
        (heard.strays.keys().cloned().collect(), std::mem::take(&mut heard.lost))
    }

    /// A listing saw these files.
    pub(super) fn saw<'a>(&self, paths: impl Iterator<Item = &'a PathBuf>) {
        let mut heard = lock(&self.heard);
        if !heard.fresh.is_empty() {
            paths.for_each(|path| _ = heard.fresh.remove(path));
        }
    }
}

impl FolderEar {
    pub(super) fn new(ears: &Arc<Ears>, folder: PathBuf, steps: BTreeSet<usize>) -> Arc<Self> {
        Arc::new(Self { ears: Arc::clone(ears), folder, steps, is_gone: AtomicBool::new(false) })
    }

    /// Whether the folder is still the one that was watched, and watched for this.
    pub(super) fn is_good(&self, steps: &BTreeSet<usize>) -> bool {
        !self.is_gone.load(Ordering::Relaxed) && self.steps == *steps
    }
}

impl Hears for FolderEar {
    fn hear(&self, news: &WatchNews) {
        let concerns = match news {
            WatchNews::Entry { name, what, is_folder } => {
                let is_named = !is_folder && self.steps.iter().any(|step| self.ears.route.names(*step, name));
                let is_stray =
                    !is_folder && lock(&self.ears.heard).handle(self.folder.join(name), *what, is_named);
                is_stray || self.steps.iter().any(|step| self.ears.route.concerns(*step, name, *is_folder))
            }
            WatchNews::Gone => {
                self.is_gone.store(true, Ordering::Relaxed);
                true
            }
            WatchNews::Missed => true,
            WatchNews::Written | WatchNews::Altered => false,
        };
        if concerns {
            self.ears.ring();
        }
    }
}

impl Heard {
    /// `true` when a stray has come.
    fn handle(&mut self, path: PathBuf, what: EntryChange, is_named: bool) -> bool {
        match what {
            EntryChange::Came if is_named && self.fresh.len() < KEPT_MAX => _ = self.fresh.insert(path),
            EntryChange::Came => {}
            EntryChange::LeftFor(cookie) => {
                self.fresh.remove(&path);
                let was_stray = self.strays.remove(&path).is_some();
                if (is_named || was_stray) && self.leaving.len() < KEPT_MAX {
                    self.leaving.insert(cookie);
                }
            }
            EntryChange::CameFrom(cookie) => {
                // Both halves carry one number: by it the second is known for that of a file which left the
                // pattern.
                let is_ours = self.leaving.remove(&cookie);
                if is_ours && !is_named && self.strays.len() < KEPT_MAX {
                    self.strays.insert(path, Instant::now());
                    return true;
                }
            }
            EntryChange::Left => {
                let was_stray = self.strays.remove(&path).is_some();
                if (self.fresh.remove(&path) || was_stray) && self.lost.len() < KEPT_MAX {
                    self.lost.push(path);
                }
            }
        }
        false
    }
}

/// The ear at a file that is no track yet: when it is written to, there is something to list.
pub(super) struct YoungEar(pub(super) Arc<Ears>);

impl Hears for YoungEar {
    fn hear(&self, _news: &WatchNews) {
        self.0.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::*;
    use crate::file::settings::PathPattern;

    fn ear(pattern: &str) -> (Arc<Ears>, Arc<FolderEar>) {
        let route = WalkRoute::of(&PathPattern::parse(pattern, Path::new("/logs")).unwrap());
        let ears = Ears::new(Arc::new(route));
        let ear = FolderEar::new(&ears, "/logs".into(), [0].into());
        (ears, ear)
    }

    fn tell(ear: &FolderEar, name: &str, what: EntryChange) {
        ear.hear(&WatchNews::Entry { name: OsString::from(name), what, is_folder: false });
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_file_that_was_rotated_twice_in_one_instant_is_a_stray_where_it_went() {
        let (ears, ear) = ear("app.log");
        tell(&ear, "app.log", EntryChange::LeftFor(1));
        tell(&ear, "app.log.1", EntryChange::CameFrom(1));
        tell(&ear, "app.log", EntryChange::Came);
        tell(&ear, "app.log.1", EntryChange::LeftFor(2));
        tell(&ear, "app.log.2", EntryChange::CameFrom(2));
        tell(&ear, "app.log", EntryChange::LeftFor(3));
        tell(&ear, "app.log.1", EntryChange::CameFrom(3));
        tell(&ear, "app.log", EntryChange::Came);
        let strays = ["/logs/app.log.1", "/logs/app.log.2"].map(PathBuf::from).to_vec();
        assert_eq!(ears.take(LONG), (strays, vec![]));
        assert_eq!(ears.take(Duration::ZERO).0, [""; 0].map(PathBuf::from));
    }

    #[test]
    fn a_file_that_came_and_was_deleted_unseen_is_told_as_lost() {
        let (ears, ear) = ear("*.log");
        tell(&ear, "a.log", EntryChange::Came);
        assert!(ears.take(LONG).1.is_empty());
        ears.saw([PathBuf::from("/logs/a.log")].iter());
        tell(&ear, "a.log", EntryChange::Left);
        tell(&ear, "other.txt", EntryChange::Came);
        tell(&ear, "other.txt", EntryChange::Left);
        assert!(ears.take(LONG).1.is_empty(), "one was seen, the other is none of ours");
        tell(&ear, "b.log", EntryChange::Came);
        tell(&ear, "b.log", EntryChange::Left);
        assert_eq!(ears.take(LONG).1, [PathBuf::from("/logs/b.log")]);
    }

    #[tokio::test]
    async fn only_news_that_concern_the_pattern_ring() {
        let (ears, ear) = ear("*.log");
        tell(&ear, "other.txt", EntryChange::Came);
        let is_rung = || async { tokio::time::timeout(Duration::ZERO, ears.rung()).await.is_ok() };
        assert!(!is_rung().await);
        tell(&ear, "a.log", EntryChange::Came);
        assert!(is_rung().await);
        ear.hear(&WatchNews::Gone);
        assert!(is_rung().await && !ear.is_good(&[0].into()));
    }
}
