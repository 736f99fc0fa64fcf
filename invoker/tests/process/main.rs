//! The process executor, with real processes on this machine.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod clients;
mod death;
mod guests;
mod hostile;
mod life;
mod managed;
mod results;
mod silence;
mod support;
mod surroundings;
