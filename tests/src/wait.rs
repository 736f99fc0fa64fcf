//! Waits for a state, never for a fixed time.

use std::time::{Duration, Instant};

/// How long a test waits for a state before it fails. Generous: a busy machine must not fail a test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `state` gives something.
///
/// # Panics
/// After [`PATIENCE`], naming what it waited for.
pub fn until<T>(what: &str, state: impl FnMut() -> Option<T>) -> T {
    until_told(what, state, String::new)
}

/// Waits until `state` gives something; `seen` says what there was when it never did.
///
/// # Panics
/// After [`PATIENCE`], naming what it waited for and what it saw.
pub fn until_told<T>(what: &str, mut state: impl FnMut() -> Option<T>, seen: impl Fn() -> String) -> T {
    let start = Instant::now();
    loop {
        if let Some(it) = state() {
            return it;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}; {}", seen());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
