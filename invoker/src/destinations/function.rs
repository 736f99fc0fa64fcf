//! A function of the config file that gets each failure record as its event.

use std::sync::Arc;

use forebay_batcher::Reply;
use forebay_config::FunctionName;
use tokio::time::timeout;

use super::DELIVERY_TIME_MAX;
use crate::destination::{DeliveryError, Destination, FailureRecord};
use crate::executor::{BoxFuture, Event, Executor, InvokeError};
use crate::gate::Gate;

/// A function that gets each failure record as its event, on a slot of its gate like any other invocation. It
/// has the record when it ended without an error.
pub struct FunctionDestination {
    function: FunctionName,
    executor: Arc<dyn Executor>,
    gate: Arc<Gate>,
}

#[derive(Debug, thiserror::Error)]
enum FunctionError {
    #[error("no slot of the function was free within {DELIVERY_TIME_MAX:?}")]
    NoSlot,
    #[error("the function failed: {0}")]
    Failed(String),
    #[error("the function did not run to its end")]
    Invoke(#[source] InvokeError),
}

impl FunctionDestination {
    /// A destination that shares the function's slots with the mappings that call it.
    pub fn new(function: FunctionName, executor: Arc<dyn Executor>, gate: Arc<Gate>) -> Self {
        Self { function, executor, gate }
    }

    async fn invoke(&self, record: FailureRecord) -> Result<(), FunctionError> {
        let mut seat = self.gate.join(&self.function, None);
        seat.want(1);
        let mut slot = timeout(DELIVERY_TIME_MAX, seat.granted()).await.map_err(|_| FunctionError::NoSlot)?;
        // Until it is known how much the slot takes, a limited function gives none to others.
        slot.begin(1);
        match self.executor.invoke(Event::from(vec![record.json])).await {
            Ok(Reply { function_error: None, .. }) => Ok(()),
            Ok(Reply { function_error: Some(kind), error, .. }) => {
                Err(FunctionError::Failed(error.unwrap_or(kind)))
            }
            Err(error) => {
                if let InvokeError::NotReached { why, retry_after, .. } = &error {
                    // Every other ending has reached the function, which the slot's drop tells the gate.
                    slot.not_reached(*why, *retry_after);
                }
                Err(FunctionError::Invoke(error))
            }
        }
    }
}

impl Destination for FunctionDestination {
    fn deliver(&self, record: FailureRecord) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let refused = |error: FunctionError| DeliveryError {
                destination: self.label(),
                code: "FB-0342",
                cause: error.into(),
            };
            self.invoke(record).await.map_err(refused)
        })
    }

    fn label(&self) -> String {
        format!("function {}", self.function)
    }
}

#[cfg(test)]
#[path = "function_tests.rs"]
mod tests;
