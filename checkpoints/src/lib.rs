//! Keeps places and proves ownership: checkpoints as bytes under a track's identity. It never looks inside a
//! position.

mod ledger;
pub mod memory;
pub mod rocksdb;
mod row;
mod staged;
pub mod store;

pub use memory::MemoryStore;
pub use rocksdb::{RocksOptions, RocksStore};
pub use store::*;
