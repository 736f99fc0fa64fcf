//! The sans-IO core: batches, retries, order, checkpoints of one mapping. It decides and never acts: it knows
//! no source, reads no clock, draws no number; the same calls give the same actions.

pub mod action;
mod assemble;
pub mod attempt;
mod backoff;
mod batch_reason;
mod books;
pub mod checkpoint;
mod condition;
mod context;
mod decision;
mod fault;
mod filtered;
mod flow;
mod former;
mod hold;
pub mod items;
pub mod lanes;
mod limiting;
mod machine;
mod marks;
mod pending;
mod plan;
mod rate;
mod receipts;
mod record;
mod rendered;
pub mod response;
pub mod rules;
mod runs;
mod scale;
mod short;
pub mod state;
mod time;
mod timers;
mod track_name;
mod track_table;
mod tracks;
mod tumbling;
mod watermark;

pub use action::*;
pub use attempt::*;
pub use backoff::Backoff;
pub use batch_reason::BatchReason;
pub use checkpoint::{
    Checkpoint, CheckpointError, GivenUp, KeptWindow, OpenSlice, OpenWindow, Watermark, Windows,
};
pub use condition::Condition;
pub use decision::{Decision, Paused, Undecided};
pub use fault::Fault;
pub use items::{ItemAction, ItemActions, RETRY_AFTER_MAX};
pub use machine::Machine;
pub use plan::{
    BatchPlan, OnExhausted, Plan, QueuePlan, RatePlan, RateUnit, Redelivery, RetryPlan, WindowPlan,
};
pub use rate::Rate;
pub use record::*;
pub use rendered::Rendered;
pub use rules::Rule;
pub use short::{ShortArena, ShortBytes};
pub use state::*;
pub use time::{Now, Tick, UnixMillis};
pub use track_name::*;
pub use track_table::{Kept, Revoking, TrackPhase, TrackRow, TrackStart, TrackTable, unlisted};
pub use tumbling::{Finale, TumblingWindow, WindowSpan};
