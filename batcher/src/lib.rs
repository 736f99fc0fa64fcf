//! The sans-IO core: batches, retries, order, checkpoints of one mapping. It decides and never acts: it knows no source, reads no clock,
//! draws no number; the same calls give the same actions.

pub mod action;
pub mod attempt;
pub mod checkpoint;
pub mod lanes;
pub mod machine;
pub mod plan;
pub mod record;
pub mod response;
pub mod short;
pub mod state;
pub mod time;

pub use action::*;
pub use attempt::*;
pub use checkpoint::{Checkpoint, GivenUp, OpenSlice, Watermark};
pub use machine::Machine;
pub use plan::{Plan, QueuePlan};
pub use record::*;
pub use short::ShortBytes;
pub use state::*;
pub use time::{Now, Tick, UnixMillis};
