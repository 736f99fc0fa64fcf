//! What operators see of a gate.

use std::time::Duration;

use forebay_batcher::NotReached;

/// The gate of one function at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateState {
    /// How many invocations may run at once.
    pub slots: u32,
    /// How many do.
    pub in_use: u32,
    /// How many more the mappings want.
    pub waiting: u32,
    /// Until the function's rate limit lets the next one start; `None` when it does now, or there is none.
    pub rate_opens_in: Option<Duration>,
    /// Set while the function is not reached.
    pub closed: Option<Closed>,
}

/// Why only one invocation at a time is let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Why the function was not reached.
    pub why: NotReached,
    /// How often in a row.
    pub n_failures: u32,
    /// Until the next probe; zero when it may go or is out.
    pub probe_in: Duration,
    /// The probe is running.
    pub probe_out: bool,
}
