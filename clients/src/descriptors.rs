//! How many files the process may have open at once, and the share of it that followed files may take. It
//! counts; it opens nothing.
//!
//! | who | what of the limit |
//! |---|---|
//! | followed files | half; what they do not use stays free |
//! | functions (about eight for each environment), the store (up to 256), listeners, connections, AWS | the rest |

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Files may have this many whatever the limit is.
const FILES_MIN: usize = 16;

/// The share of followed files.
#[derive(Debug)]
pub struct Descriptors {
    files_max: AtomicUsize,
    n_files: AtomicUsize,
}

/// The right to have one file open. Dropping it gives it back.
#[derive(Debug)]
pub struct Descriptor(Arc<Descriptors>);

impl Descriptors {
    /// A share of this many.
    pub fn new(files_max: usize) -> Arc<Self> {
        Arc::new(Self { files_max: AtomicUsize::new(files_max), n_files: AtomicUsize::new(0) })
    }

    /// The share of this process: the limit is the process's own, so there is one. Without bound before
    /// [`Descriptors::divide`].
    pub fn of_process() -> Arc<Self> {
        static OF_PROCESS: OnceLock<Arc<Descriptors>> = OnceLock::new();
        Arc::clone(OF_PROCESS.get_or_init(|| Self::new(usize::MAX)))
    }

    /// Divides the process's limit (`None`: there is none), and returns what files get of it. What is taken
    /// stays taken.
    pub fn divide(&self, limit: Option<u64>) -> usize {
        let files_max =
            limit.map_or(usize::MAX, |it| usize::try_from(it / 2).unwrap_or(usize::MAX)).max(FILES_MIN);
        self.files_max.store(files_max, Ordering::Relaxed);
        files_max
    }

    /// Takes one; `None` when all are taken.
    pub fn take(self: &Arc<Self>) -> Option<Descriptor> {
        let max = self.files_max();
        let taken =
            self.n_files.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < max).then_some(n + 1));
        taken.is_ok().then(|| Descriptor(Arc::clone(self)))
    }

    /// How many there are to take in all.
    pub fn files_max(&self) -> usize {
        self.files_max.load(Ordering::Relaxed)
    }

    /// How many are taken.
    pub fn n_files(&self) -> usize {
        self.n_files.load(Ordering::Relaxed)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.n_files.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_take_their_share_and_no_more_and_give_it_back() {
        let descriptors = Descriptors::new(0);
        assert_eq!(
            [Some(1024), Some(3), None].map(|it| descriptors.divide(it)),
            [512, FILES_MIN, usize::MAX]
        );
        descriptors.divide(Some(64));
        let mut taken: Vec<Descriptor> = std::iter::from_fn(|| descriptors.take()).collect();
        assert_eq!((taken.len(), descriptors.n_files()), (32, 32));
        taken.pop();
        assert!(descriptors.take().is_some());
        descriptors.divide(Some(40));
        assert!(descriptors.take().is_none(), "a smaller limit takes nothing away and gives nothing more");
    }
}
