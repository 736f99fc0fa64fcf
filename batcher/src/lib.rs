//! The sans-IO core: batches, retries, order, checkpoints of one mapping. It decides and never acts: it knows no source, reads no clock,
//! draws no number; the same calls give the same actions.

pub mod action;
mod assemble;
pub mod attempt;
mod backoff;
mod chain;
mod chains;
pub mod checkpoint;
mod explain;
mod fault;
mod filtered;
mod flow;
pub mod lanes;
mod machine;
mod marks;
mod plan;
mod receipts;
mod record;
mod rendered;
pub mod response;
pub mod rules;
mod scale;
mod short;
pub mod state;
mod time;
mod timers;
mod tracks;
mod watermark;

pub use action::*;
pub use attempt::*;
pub use checkpoint::{Checkpoint, CheckpointError, GivenUp, OpenSlice, Watermark};
pub use fault::Fault;
pub use machine::Machine;
pub use plan::{Plan, QueuePlan};
pub use record::*;
pub use rendered::Rendered;
pub use rules::Rule;
pub use short::ShortBytes;
pub use state::*;
pub use time::{Now, Tick, UnixMillis};
