//! Lambda's API for event source mappings: HTTP turned into typed calls, answers and errors in AWS's words;
//! no store, no poller.

pub mod auth;
pub mod error;
pub mod mapping;
mod model;
pub mod server;
pub mod service;
