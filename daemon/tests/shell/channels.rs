//! A mapping over a queue whose channel dies under its work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_batcher::Reply;
use forebay_clients::Clients;
use forebay_invoker::executor::BoxFuture;
use forebay_invoker::{Event, Executor, InvokeError};
use forebay_pollers::contract::shapes::ChannelQueueSubject;
use forebay_pollers::contract::{ChannelSubject, QueueSubject};
use forebay_pollers::{Source, SourceError, SourceSettings};

use crate::function::function;
use crate::world::{World, until};

/// The queue as settings that connect to it.
struct Settings(Arc<dyn Source>);

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settings")
    }
}

impl SourceSettings for Settings {
    fn identity(&self) -> String {
        "channel".to_owned()
    }

    fn connect<'a>(&'a self, _clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async { Ok(Arc::clone(&self.0)) })
    }
}

/// Counts how often each message was handed to it; it takes a moment.
#[derive(Default)]
struct Counter(Mutex<BTreeMap<String, usize>>);

impl Executor for Counter {
    fn invoke(&self, event: Event) -> BoxFuture<'_, Result<Reply, InvokeError>> {
        Box::pin(async move {
            let event: serde_json::Value = serde_json::from_slice(&event.pieces.concat()).unwrap();
            for it in event["Records"].as_array().unwrap() {
                *self.0.lock().unwrap().entry(it["id"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(Reply::default())
        })
    }

    fn function_arn(&self) -> &str {
        "arn:aws:lambda:us-east-1:000000000000:function:counter"
    }

    fn stop(&self, _grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

#[tokio::test(start_paused = true)]
async fn every_message_is_done_over_channels_that_die_and_only_what_was_under_way_is_done_again() {
    const N_MESSAGES: usize = 200;
    const N_DEATHS: usize = 10;
    let mut subject = ChannelQueueSubject::default();
    (0..N_MESSAGES).for_each(|it| subject.send(&it.to_string(), None));
    let world = World::new();
    let counter = Arc::new(Counter::default());
    let (source, function) = (world.source(), function());
    let order = world.order("m", &source, &function);
    let running = world.run_with(order, Arc::new(Settings(subject.source())), Arc::clone(&counter) as _);
    let times = || counter.0.lock().unwrap().clone();
    for death in 1..=N_DEATHS {
        until("work goes on", || times().len() >= death * N_MESSAGES / (N_DEATHS + 2)).await;
        subject.kill();
    }
    until("the queue is empty", || subject.n_left() == 0).await;
    let times = times();
    assert_eq!(times.len(), N_MESSAGES, "none is lost");
    let n_again: usize = times.values().map(|n| n - 1).sum();
    // Two batches of four run at once.
    assert!(n_again <= N_DEATHS * 8, "{n_again} were done again");
    running.close().await;
}
