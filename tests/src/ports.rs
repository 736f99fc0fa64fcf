//! Ports of loopback for servers that are told a number and bind it later.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below what Linux gives to connections and to whoever binds port 0 (32768 on): between the choice of a port and the
/// start of a server in Java are seconds, in which tests beside it open hundreds of those.
const FIRST: u32 = 15_000;
const N_PORTS: u32 = 15_000;

/// A port that nobody listens on and that this process has not given before.
///
/// # Panics
/// When none of them is free.
#[must_use]
pub fn free_port() -> u16 {
    static N_GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes that run beside each other begin at places of their own.
    let start = process::id().wrapping_mul(67);
    let next = || start.wrapping_add(N_GIVEN.fetch_add(1, Ordering::Relaxed)) % N_PORTS + FIRST;
    (0..N_PORTS)
        .map(|_| u16::try_from(next()).expect("below 30,000"))
        .find(|it| TcpListener::bind(("127.0.0.1", *it)).is_ok())
        .expect("a port is free")
}
