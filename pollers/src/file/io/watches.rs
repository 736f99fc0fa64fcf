//! What inotify tells, and who wants to hear it. Watches of one folder or file are shared; where none can be
//! had, whoever asked is told so and looks by itself.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::lock;

/// Numbers of watches that have just ended, kept for those who are about to share one of them.
const ENDED_MAX: usize = 4096;
/// Bytes of events fetched at once.
const EVENTS_BYTES: usize = 64 << 10;

/// File systems whose changes come from elsewhere, by the number that `statfs` gives: NFS, SMB 1 to 3, FUSE,
/// 9P, Ceph, AFS, Coda, GFS2, OCFS2, Lustre.
const REMOTE: [u32; 12] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x6573_5546,
    0x0102_1997,
    0x00c3_6400,
    0x5346_414f,
    0x7375_7245,
    0x0116_1970,
    0x7461_636f,
    0x0bd0_0bd0,
];

/// Something that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::file) enum WatchNews {
    /// An entry of the folder.
    Entry { name: OsString, what: EntryChange, is_folder: bool },
    /// The file was written to.
    Written,
    /// The file's names or rights have changed.
    Altered,
    /// The folder or file has gone from its place, and its watch perhaps with it.
    Gone,
    /// Nobody knows what was missed.
    Missed,
}

/// What became of an entry of a folder. Both halves of a rename carry the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::file) enum EntryChange {
    Came,
    CameFrom(u32),
    Left,
    LeftFor(u32),
}

/// Whoever wants to hear; it must not block.
pub(in crate::file) trait Hears: Send + Sync {
    fn hear(&self, news: &WatchNews);
}

/// Why something is not watched: it must be looked at.
#[derive(Debug, thiserror::Error)]
pub(in crate::file) enum WatchError {
    #[error("its file system is one of the network or of FUSE")]
    Remote,
    #[error("the system has no more inotify watches (fs.inotify.max_user_watches)")]
    NoMore,
    #[error("inotify does not work here")]
    Refused(#[source] std::io::Error),
}

/// A watch. Dropping it ends it, unless others share it.
pub(in crate::file) struct Watch {
    watches: Arc<Watches>,
    wd: i32,
    ear: u64,
}

/// All watches of these threads.
pub(in crate::file) struct Watches {
    /// `Err` where the system gives none: everything is looked at.
    inotify: Result<OwnedFd, Errno>,
    ears: Mutex<Watchers>,
    has_told: AtomicBool,
}

/// Whoever hears, by a number of its own.
type Ear = (u64, Weak<dyn Hears>);

#[derive(Default)]
struct Watchers {
    by_wd: BTreeMap<i32, Vec<Ear>>,
    n_ears: u64,
    ended: VecDeque<i32>,
}

impl Watches {
    pub(super) fn start() -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        Self { inotify, ears: Mutex::default(), has_told: AtomicBool::new(false) }
    }

    pub(super) fn inotify(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().ok().map(OwnedFd::as_fd)
    }

    /// Watches which entries a folder has. What happened before this returned may be heard or not: look after
    /// it. It may block.
    ///
    /// # Errors
    /// It must be looked at instead.
    pub(in crate::file) fn folder(
        self: &Arc<Self>,
        folder: &Path,
        ear: &Arc<dyn Hears>,
    ) -> Result<Watch, WatchError> {
        self.check(rustix::fs::statfs(folder))?;
        let flags = WatchFlags::CREATE
            | WatchFlags::MOVE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        self.add(folder, flags | WatchFlags::ONLYDIR, ear)
    }

    /// Watches an open file, whatever names it has. Look after it, as with folders.
    ///
    /// # Errors
    /// It must be looked at instead.
    pub(in crate::file) fn file(
        self: &Arc<Self>,
        file: BorrowedFd<'_>,
        ear: &Arc<dyn Hears>,
    ) -> Result<Watch, WatchError> {
        self.check(rustix::fs::fstatfs(file))?;
        // The descriptor's own link leads to this very file, were another to have taken its path.
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let flags = WatchFlags::MODIFY | WatchFlags::ATTRIB | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
        self.add(Path::new(&path), flags, ear)
    }

    fn check(&self, stat: rustix::io::Result<rustix::fs::StatFs>) -> Result<(), WatchError> {
        let stat = stat.map_err(|error| WatchError::Refused(error.into()))?;
        // The number has 32 bits, however wide its type is.
        if REMOTE.contains(&(stat.f_type as u32)) { Err(WatchError::Remote) } else { Ok(()) }
    }

    fn add(
        self: &Arc<Self>,
        path: &Path,
        flags: WatchFlags,
        ear: &Arc<dyn Hears>,
    ) -> Result<Watch, WatchError> {
        let inotify =
            self.inotify.as_ref().map_err(|error| self.tell(WatchError::Refused((*error).into())))?;
        loop {
            // Added to, not replaced: another source may have this folder watched for other changes.
            let wd = match inotify::add_watch(inotify, path, flags | WatchFlags::MASK_ADD) {
                Ok(wd) => wd,
                Err(Errno::NOSPC) => return Err(self.tell(WatchError::NoMore)),
                Err(error) => return Err(WatchError::Refused(error.into())),
            };
            let mut ears = lock(&self.ears);
            // Whoever shared it dropped it in between: the system gives another one.
            if ears.ended.contains(&wd) {
                continue;
            }
            ears.n_ears += 1;
            let number = ears.n_ears;
            ears.by_wd.entry(wd).or_default().push((number, Arc::downgrade(ear)));
            return Ok(Watch { watches: Arc::clone(self), wd, ear: number });
        }
    }

    /// Says once what lets the process fall back on looking.
    fn tell(&self, error: WatchError) -> WatchError {
        if !self.has_told.swap(true, Ordering::Relaxed) {
            let cause = &error as &(dyn std::error::Error + 'static);
            tracing::warn!(
                error = cause,
                code = "FB-0231",
                "some files cannot be watched: they are looked at twice a second or more"
            );
        }
        error
    }

    /// Fetches what has happened and tells it. It does not wait.
    pub(super) fn hear(&self) {
        let Ok(inotify) = &self.inotify else { return };
        let mut buffer = vec![MaybeUninit::uninit(); EVENTS_BYTES];
        let mut reader = Reader::new(inotify, &mut buffer);
        let mut n_heard = 0;
        // A bound on one visit, for a busy folder may bring events faster than they are told.
        while n_heard < 4 * EVENTS_BYTES / 16 {
            match reader.next() {
                Ok(event) => self.handle(&event),
                Err(Errno::INTR) => {}
                // `AGAIN`: that was all. No other error is known of an inotify descriptor.
                Err(_) => return,
            }
            n_heard += 1;
        }
    }

    fn handle(&self, event: &inotify::Event<'_>) {
        let flags = event.events();
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            tracing::warn!(
                code = "FB-0231",
                "more happened to files than the system keeps: all are looked at"
            );
            let all: Vec<i32> = lock(&self.ears).by_wd.keys().copied().collect();
            return all.into_iter().for_each(|wd| self.tell_ears(wd, &WatchNews::Missed));
        }
        let Some(news) = news(event) else { return };
        self.tell_ears(event.wd(), &news);
        if flags.contains(ReadFlags::IGNORED) {
            let mut ears = lock(&self.ears);
            ears.by_wd.remove(&event.wd());
            ears.end(event.wd());
        }
    }

    fn tell_ears(&self, wd: i32, news: &WatchNews) {
        // Told without the lock: who hears may end a watch.
        let ears: Vec<_> = lock(&self.ears)
            .by_wd
            .get(&wd)
            .into_iter()
            .flatten()
            .filter_map(|(_, ear)| ear.upgrade())
            .collect();
        ears.iter().for_each(|ear| ear.hear(news));
    }
}

fn news(event: &inotify::Event<'_>) -> Option<WatchNews> {
    let flags = event.events();
    let is = |flag| flags.contains(flag);
    if let Some(name) = event.file_name() {
        let what = match () {
            () if is(ReadFlags::CREATE) => EntryChange::Came,
            () if is(ReadFlags::MOVED_TO) => EntryChange::CameFrom(event.cookie()),
            () if is(ReadFlags::MOVED_FROM) => EntryChange::LeftFor(event.cookie()),
            () if is(ReadFlags::DELETE) => EntryChange::Left,
            () => return None,
        };
        let name = OsStr::from_bytes(name.to_bytes()).to_owned();
        return Some(WatchNews::Entry { name, what, is_folder: is(ReadFlags::ISDIR) });
    }
    match () {
        () if is(ReadFlags::IGNORED)
            || is(ReadFlags::UNMOUNT)
            || is(ReadFlags::DELETE_SELF)
            || is(ReadFlags::MOVE_SELF) =>
        {
            Some(WatchNews::Gone)
        }
        () if is(ReadFlags::MODIFY) => Some(WatchNews::Written),
        () if is(ReadFlags::ATTRIB) => Some(WatchNews::Altered),
        () => None,
    }
}

impl Watchers {
    fn end(&mut self, wd: i32) {
        if self.ended.len() >= ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(wd);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut ears = lock(&self.watches.ears);
        let Some(list) = ears.by_wd.get_mut(&self.wd) else { return };
        list.retain(|(number, _)| *number != self.ear);
        if list.is_empty() {
            ears.by_wd.remove(&self.wd);
            ears.end(self.wd);
            if let Ok(inotify) = &self.watches.inotify {
                // One that has ended by itself is as gone.
                let _ = inotify::remove_watch(inotify, self.wd);
            }
        }
    }
}
