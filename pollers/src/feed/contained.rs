//! A queue whose panics are errors of the call: what speaks to a server is foreign in part, and one answer
//! must not end the feed for all.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Generation, Receipt, Settled, Settlement};
use forebay_clients::caught::caught;

use crate::source::{BoxFuture, Demand, Hidden, Message, Queue, QueueFacts, SourceError};

/// The queue within.
pub(super) struct Contained(pub(super) Arc<dyn Queue>);

impl Queue for Contained {
    fn facts(&self) -> QueueFacts {
        self.0.facts()
    }

    fn receive(&self, records_max: u32, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, SourceError>> {
        Box::pin(async move {
            let received = caught(self.0.receive(records_max, wait)).await;
            received.unwrap_or_else(|panic| Err(SourceError::died("the queue", panic)))
        })
    }

    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'_, Vec<(Receipt, Settled)>> {
        Box::pin(async move {
            let receipts: Vec<Receipt> = settlements.iter().map(|it| it.receipt.clone()).collect();
            // The panic itself is in the log; what was asked is asked again.
            let settled = caught(self.0.settle(settlements)).await;
            settled.unwrap_or_else(|_| receipts.into_iter().map(|it| (it, Settled::Failed)).collect())
        })
    }

    fn extend(&self, receipts: Vec<Receipt>, by: Duration) -> BoxFuture<'_, Vec<(Receipt, Hidden)>> {
        Box::pin(async move {
            let hidden = caught(self.0.extend(receipts.clone(), by)).await;
            hidden.unwrap_or_else(|_| receipts.into_iter().map(|it| (it, Hidden::Failed)).collect())
        })
    }

    fn lost(&self) -> BoxFuture<'_, Generation> {
        Box::pin(async move {
            match caught(self.0.lost()).await {
                Ok(generation) => generation,
                // What is void is found out when it is settled.
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn handle_demand(&self, demand: Demand) {
        self.0.handle_demand(demand);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use bytes::Bytes;
    use forebay_batcher::Settle;

    use super::*;

    struct Panics;

    impl Queue for Panics {
        fn facts(&self) -> QueueFacts {
            QueueFacts {
                receive_max: NonZeroU32::MIN,
                wait_max: Duration::ZERO,
                visibility: None,
                visibility_set: None,
                retry_after: None,
                fans_out: false,
            }
        }
        fn receive(&self, _: u32, _: Duration) -> BoxFuture<'_, Result<Vec<Message>, SourceError>> {
            Box::pin(async { panic!("the test wants the receive to die") })
        }
        fn settle(&self, _: Vec<Settlement>) -> BoxFuture<'_, Vec<(Receipt, Settled)>> {
            Box::pin(async { panic!("the test wants the settlement to die") })
        }
        fn extend(&self, _: Vec<Receipt>, _: Duration) -> BoxFuture<'_, Vec<(Receipt, Hidden)>> {
            Box::pin(async { panic!("the test wants the extension to die") })
        }
    }

    #[tokio::test]
    async fn a_call_that_panics_fails_and_nothing_else_does() {
        let queue = Contained(Arc::new(Panics));
        let error = queue.receive(1, Duration::ZERO).await.unwrap_err().to_notice();
        assert!(format!("{error:?}").contains("the test wants the receive to die"), "{error:?}");
        let receipt = Receipt { handle: Bytes::from_static(b"r"), generation: Generation(0) };
        let settled = queue.settle(vec![Settlement { receipt: receipt.clone(), how: Settle::Delete }]).await;
        assert_eq!(settled, [(receipt.clone(), Settled::Failed)]);
        assert_eq!(queue.extend(vec![receipt.clone()], Duration::ZERO).await, [(receipt, Hidden::Failed)]);
    }
}
