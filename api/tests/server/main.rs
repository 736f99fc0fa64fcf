//! The API over a real socket on loopback, with a service of the tests behind it.
#![allow(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

#[path = "../auth/signed.rs"]
mod signed;

mod audit;
mod bounds;
mod hostile;
mod keys;
mod pass_on;
mod rates;
mod routes;
mod service;
mod sockets;
mod ways;
mod wire;
