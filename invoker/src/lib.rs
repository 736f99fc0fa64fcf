//! Functions and destinations: executors, the gate, failure records. It never reads a source and never decides about a retry.

pub mod destination;
pub mod executor;
pub mod gate;

pub use destination::{DeliveryError, Destination, FailureRecord};
pub use executor::{Event, Executor, InvokeError};
pub use gate::{Gate, GateSeat, Slot};
