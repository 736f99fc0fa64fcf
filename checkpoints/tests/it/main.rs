//! The stores from the outside: one contract over both, and what RocksDB's store survives. One binary, so
//! that RocksDB is linked once.

// The whole crate is tests, helpers included; clippy only knows functions marked as such.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod bench;
mod contract;
mod crash;
mod damage;
mod folder;
mod full;
mod group;
mod limits;
mod power;
