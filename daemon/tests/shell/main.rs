//! The shell's stories: the loop of a mapping and its supervisor with real feeds and gates, a fake source,
//! function and destination, and the store in memory, on tokio's paused clock.

#![allow(clippy::unwrap_used, reason = "a test may: its panic is the finding")]

mod admin;
mod channels;
#[path = "fakes/crowd.rs"]
mod crowd;
mod crowds;
#[path = "fakes/function.rs"]
mod function;
mod groups;
mod hand_offs;
mod items;
mod laws;
mod limits;
mod log;
mod openapi;
mod operators;
mod pages;
mod roles;
mod schema;
#[path = "fakes/source.rs"]
mod source;
mod starts;
mod stops;
#[path = "fakes/store.rs"]
mod store;
mod syncs;
mod troubles;
mod watchdog;
mod world;
