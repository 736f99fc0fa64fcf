//! Slots per function and per mapping; a function that is not reached gets one probe at a time.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::SlotId;
use forebay_config::FunctionName;

/// All slots of a process.
#[derive(Debug, Default)]
pub struct Gate {}

/// One mapping's place at the gate.
#[derive(Debug)]
pub struct GateSeat {}

/// A slot in use. Dropping it gives it back, as reached.
#[derive(Debug)]
pub struct Slot {
    /// Its number, unique in the process.
    pub id: SlotId,
}

#[allow(unused_variables, clippy::unused_self, missing_docs, clippy::unused_async)]
impl Gate {
    /// A gate without functions.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }
    /// Sets how many invocations of a function may run at once; zero runs none. New limits hold from the next slot.
    pub fn limit(&self, function: &FunctionName, slots: u32) {}
    /// A place for one mapping. `mapping_max` bounds its own slots; wants of one function are served in turn.
    pub fn join(self: &Arc<Self>, function: &FunctionName, mapping_max: Option<NonZeroU32>) -> GateSeat {
        GateSeat {}
    }
}

#[allow(unused_variables, clippy::unused_self, missing_docs, clippy::unused_async)]
impl GateSeat {
    /// Replaces what the mapping wants; see `Action::Want`.
    pub fn want(&self, n: u32) {}
    /// The next slot. Can be dropped without losing anything.
    pub async fn granted(&mut self) -> Slot {
        std::future::pending().await
    }
}

#[allow(unused_variables, missing_docs)]
impl Slot {
    /// Gives the slot back after an attempt that did not reach the function: the function's slots open again one at a time, after
    /// `retry_after` or a growing delay.
    pub fn not_reached(self, retry_after: Option<Duration>) {}
}
