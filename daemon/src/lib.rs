//! The shell of Forebay: it wires sources, functions, destinations and the store to one core machine for each
//! mapping. It decides nothing about records; only the loop of a mapping's task touches its machine.

#[cfg(test)]
mod accepted_tests;
mod accounts;
pub mod admin;
pub mod budget;
pub mod build_error;
pub mod built_in;
pub mod cli;
pub mod clock;
pub mod compiled;
pub mod config_files;
pub mod control;
pub mod data_dir;
pub mod decisions;
mod destinations;
pub mod dump;
mod effective;
pub mod exit;
pub mod feeds;
pub mod filter;
pub mod fleet;
pub mod front;
mod functions;
pub mod inspector;
pub mod last_error;
pub mod lifecycle;
mod lock;
pub mod logs;
pub mod mapping_status;
pub mod mapping_task;
mod mapping_uuid;
pub mod metrics;
mod open_files;
pub mod operator_request;
pub mod outbox;
pub mod positions;
pub mod registry;
pub mod reload;
pub mod sentence;
pub mod shutdown;
pub mod signals;
pub mod status;
pub mod watchdog;
pub mod why;
