//! The life of a mapping and the changes that its owners make, as pure machines: no IO, no clock, no task.
//!
//! [`ChangeLedger`] makes one change after the other: durable first, then running, then answered.
//! [`MappingLife`] keeps one mapping: it follows the orders that the changes bring, starts its task and starts
//! it again, serves operators between two lives. What they want done leaves them as a step or an effect; what
//! came of it is handed back. The daemon does it, and the test's world.

mod changes;
mod life;

pub use changes::{
    ChangeLedger, ChangeRefusal, ChangeStep, KeptNote, MappingChange, NameTaken, StandingMapping,
};
pub use life::{
    DesiredState, LifeEffect, LifeEnd, LifeNews, MappingLife, OperatorAsk, OperatorRequestId, Parting,
    RequestRefusal,
};
