//! Keeps places and proves ownership: checkpoints as bytes under a track's identity. It never looks inside a position.

pub mod store;

pub use store::*;
