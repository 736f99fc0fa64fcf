//! Functions and destinations: executors, the gate, failure records. It never reads a source and never
//! decides about a retry.

pub mod destination;
pub mod destinations;
mod endpoint;
pub mod executor;
pub mod executors;
pub mod gate;
mod hand_off;
pub mod notice;
pub mod outcome;
mod request_id;

pub use destination::{DeliveryError, Destination, FailureForm, FailureRecord};
pub use endpoint::EndpointError;
pub use executor::{Event, Executor, InvokeError};
pub use executors::process::{ProcessError, ProcessExecutor, ProcessOptions};
pub use gate::{Gate, GateSeat, GateState, Slot};
pub use hand_off::{HandOff, HandOffs, HandedBatch};
pub use notice::NoticeContext;
pub use outcome::outcome_of;
