//! Locks over plain values: a holder that panicked leaves a value behind that is still good.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a value that no panic can leave half changed: every critical section here is an assignment or a
/// read.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
