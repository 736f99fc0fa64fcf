//! A function and a destination that do what the records' words say.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_batcher::{NotReached, Reply};
use forebay_invoker::executor::BoxFuture;
use forebay_invoker::{DeliveryError, Destination, Event, Executor, FailureRecord, HandOff, InvokeError};
use tokio::sync::Notify;

/// Fails a batch with a record `poison…`, reports records `half…` as failed, rejects those `reject…`, asks
/// those `later…` to wait for a minute the first time, panics at `panic…`, hangs at `hang…` until released.
#[derive(Default)]
pub(crate) struct FakeFunction {
    batches: Mutex<Vec<Vec<String>>>,
    hand_offs: Mutex<Vec<Option<HandOff>>>,
    n_running: AtomicU32,
    released: AtomicBool,
    throttled: AtomicU32,
    asked: AtomicBool,
    bell: Notify,
}

impl FakeFunction {
    /// The batches that were handed in, in the order of their arrival.
    pub(crate) fn batches(&self) -> Vec<Vec<String>> {
        self.batches.lock().unwrap().clone()
    }

    /// What was said of each batch, in the order of their arrival.
    pub(crate) fn hand_offs(&self) -> Vec<Option<HandOff>> {
        self.hand_offs.lock().unwrap().clone()
    }

    /// All records that were handed in.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.batches().concat()
    }

    /// Lets go what hangs, now and later.
    pub(crate) fn release(&self) {
        self.released.store(true, Ordering::SeqCst);
        self.bell.notify_waiters();
    }

    /// Is throttled for the next invocations.
    pub(crate) fn throttle(&self, n: u32) {
        self.throttled.store(n, Ordering::SeqCst);
    }

    /// How many invocations run.
    pub(crate) fn n_running(&self) -> u32 {
        self.n_running.load(Ordering::SeqCst)
    }

    async fn run(&self, records: Vec<String>) -> Reply {
        let has = |word: &str| records.iter().any(|it| it.starts_with(word));
        while has("hang") && !self.released.load(Ordering::SeqCst) {
            self.bell.notified().await;
        }
        assert!(!has("panic"), "the test wants the executor to die");
        let reply = Reply { request_id: "r".into(), status: Some(200), ..Reply::default() };
        if has("poison") {
            return Reply {
                function_error: Some("Unhandled".into()),
                error: Some("poisoned".into()),
                ..reply
            };
        }
        let entry = |it: &String| match it.as_str() {
            word if word.starts_with("half") => Some(serde_json::json!({"itemIdentifier": it})),
            word if word.starts_with("reject") => {
                Some(serde_json::json!({"itemIdentifier": it, "action": "reject"}))
            }
            word if word.starts_with("later") && !self.asked.swap(true, Ordering::SeqCst) => {
                Some(serde_json::json!({"itemIdentifier": it, "retryAfterSeconds": 60}))
            }
            _ => None,
        };
        let failed: Vec<_> = records.iter().filter_map(entry).collect();
        let answer = serde_json::json!({ "batchItemFailures": failed }).to_string();
        Reply { payload: Some(answer.into()), ..reply }
    }
}

impl Executor for FakeFunction {
    fn invoke(&self, event: Event) -> BoxFuture<'_, Result<Reply, InvokeError>> {
        Box::pin(async move {
            let throttled =
                self.throttled.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            if throttled {
                let (why, code) = (NotReached::Throttled, InvokeError::NOT_REACHED);
                return Err(InvokeError::NotReached {
                    function: "fake".into(),
                    why,
                    code,
                    retry_after: None,
                    cause: "busy".into(),
                });
            }
            let records: Vec<String> =
                serde_json::from_slice(&event.pieces.concat()).expect("the event is a list of records");
            self.batches.lock().unwrap().push(records.clone());
            self.hand_offs.lock().unwrap().push(event.hand_off);
            self.n_running.fetch_add(1, Ordering::SeqCst);
            let running = Running(&self.n_running);
            let reply = self.run(records).await;
            drop(running);
            Ok(reply)
        })
    }

    fn function_arn(&self) -> &str {
        "arn:aws:lambda:us-east-1:000000000000:function:fake"
    }

    fn stop(&self, _grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct Running<'a>(&'a AtomicU32);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Takes failure records, after refusing as often as it is told.
#[derive(Default)]
pub(crate) struct FakeDestination {
    n_refusals: AtomicU32,
    taken: Mutex<Vec<serde_json::Value>>,
}

impl FakeDestination {
    /// Refuses the next failure records.
    pub(crate) fn refuse(&self, n: u32) {
        self.n_refusals.store(n, Ordering::SeqCst);
    }

    /// What it took.
    pub(crate) fn taken(&self) -> Vec<serde_json::Value> {
        self.taken.lock().unwrap().clone()
    }
}

impl Destination for FakeDestination {
    fn deliver(&self, record: FailureRecord) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            if self.n_refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
            {
                return Err(DeliveryError {
                    destination: self.label(),
                    code: "FB-0300",
                    cause: "no thanks".into(),
                });
            }
            self.taken
                .lock()
                .unwrap()
                .push(serde_json::from_slice(&record.json).expect("a failure record is JSON"));
            Ok(())
        })
    }

    fn label(&self) -> String {
        "fake destination".into()
    }
}

/// Everything a test needs of a function.
pub(crate) fn function() -> Arc<FakeFunction> {
    Arc::default()
}
