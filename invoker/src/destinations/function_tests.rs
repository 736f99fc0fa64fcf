//! The function destination with an executor that answers by script.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{NotReached, RatePlan, RateUnit};

use super::*;

struct Scripted {
    answers: Mutex<Vec<Result<Reply, InvokeError>>>,
    events: Mutex<Vec<Bytes>>,
}

impl Executor for Scripted {
    fn invoke(&self, event: Event) -> BoxFuture<'_, Result<Reply, InvokeError>> {
        self.events.lock().unwrap().extend(event.pieces);
        let answer = self.answers.lock().unwrap().remove(0);
        Box::pin(std::future::ready(answer))
    }
    fn function_arn(&self) -> &'static str {
        "arn"
    }
    fn stop(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn name() -> FunctionName {
    FunctionName::parse("undertaker").unwrap()
}

fn destination(
    slots: u32,
    answers: Vec<Result<Reply, InvokeError>>,
) -> (FunctionDestination, Arc<Gate>, Arc<Scripted>) {
    let gate = Gate::new(1);
    gate.limit(&name(), slots);
    let executor = Arc::new(Scripted { answers: Mutex::new(answers), events: Mutex::default() });
    (
        FunctionDestination::new(name(), Arc::clone(&executor) as Arc<dyn Executor>, Arc::clone(&gate)),
        gate,
        executor,
    )
}

async fn deliver(destination: &FunctionDestination) -> Result<(), String> {
    let record = FailureRecord {
        json: Bytes::from_static(b"{}"),
        original_key: None,
        headers: Vec::new(),
        shard: None,
        at: forebay_batcher::UnixMillis(0),
    };
    destination.deliver(record).await.map_err(|error| crate::outcome::chain(&error))
}

#[tokio::test(start_paused = true)]
async fn a_function_that_ends_well_has_the_record() {
    let (destination, gate, executor) = destination(1, vec![Ok(Reply::default())]);
    assert_eq!(deliver(&destination).await, Ok(()));
    assert_eq!(*executor.events.lock().unwrap(), ["{}"]);
    assert_eq!(gate.state(&name()).in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn a_record_counts_for_the_functions_rate_and_keeps_nobody_waiting_while_it_is_delivered() {
    let (destination, gate, _) = destination(2, vec![Ok(Reply::default()), Ok(Reply::default())]);
    tokio::time::advance(Duration::from_secs(1)).await;
    let rate =
        RatePlan { unit: RateUnit::Records, per_second: NonZeroU32::new(2).unwrap(), ramp: Duration::ZERO };
    gate.renew(&name(), 2, Some(rate));
    for _ in 0..2 {
        assert_eq!(deliver(&destination).await, Ok(()));
    }
    assert_ne!(gate.state(&name()).rate_opens_in, None, "two records are what a second has");
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_has_not() {
    let failed = Reply {
        function_error: Some("Unhandled".into()),
        error: Some("KeyError: a".into()),
        ..Reply::default()
    };
    let (destination, gate, _) = destination(1, vec![Ok(failed)]);
    assert_eq!(
        deliver(&destination).await.unwrap_err(),
        "destination function undertaker did not take a failure record: the function failed: KeyError: a"
    );
    assert_eq!(gate.state(&name()).closed, None);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_not_reached_closes_its_gate_for_everyone() {
    let (why, code) = (NotReached::Config, InvokeError::NOT_REACHED);
    let gone = InvokeError::NotReached {
        function: "undertaker".into(),
        why,
        code,
        retry_after: None,
        cause: "gone".into(),
    };
    let (destination, gate, _) = destination(1, vec![Err(gone), Ok(Reply::default())]);
    assert!(deliver(&destination).await.unwrap_err().ends_with("function undertaker was not reached: gone"));
    assert_eq!(gate.state(&name()).closed.unwrap().why, NotReached::Config);
    assert_eq!(deliver(&destination).await, Ok(()), "the next delivery is the probe");
    assert_eq!(gate.state(&name()).closed, None);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_without_a_slot_ends_by_itself_and_leaves_the_gate() {
    let (destination, gate, executor) = destination(0, Vec::new());
    assert!(
        deliver(&destination).await.unwrap_err().ends_with("no slot of the function was free within 30s")
    );
    assert!(executor.events.lock().unwrap().is_empty());
    assert_eq!(gate.state(&name()).waiting, 0);
}
