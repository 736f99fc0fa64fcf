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

/// Waits until `count` is at least `goal`. A test with much to do is given time as long as it goes on.
///
/// # Panics
/// When it has not grown for [`PATIENCE`], naming what it waited for.
pub fn until_count(what: &str, goal: usize, mut count: impl FnMut() -> usize) {
    let mut grown = (Instant::now(), count());
    while grown.1 < goal {
        assert!(grown.0.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}: {} of {goal}", grown.1);
        std::thread::park_timeout(Duration::from_millis(10));
        let now = count();
        if now > grown.1 {
            grown = (Instant::now(), now);
        }
    }
}
