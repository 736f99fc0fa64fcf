//! Enhanced fan-out: shards of a stream that are pushed to a consumer of it.
//!
//! `consumer` finds the consumer or registers it, `subscription` reads what is pushed, `frames` cuts it into
//! messages. All else of the stream is asked as it is without a consumer.

mod consumer;
mod frames;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use forebay_clients::{AwsAccess, JsonClient};
use tokio::time::{Instant, sleep_until};

use self::consumer::StreamConsumer;
use self::subscription::ShardSubscription;
use super::choice::{WhichConsumer, WhichStream};
use super::error::KinesisError;
use super::plain::{DIALECT, Parameters};
use crate::shards::{
    IteratorAt, Page, Pushes, Rate, ShardCalls, ShardError, ShardPace, ShardRead, StreamDescription,
    SubscribeAt, Subscriptions,
};
use crate::source::BoxFuture;

/// A consumer may subscribe to a shard once a second; a little less often, for clocks run apart.
const RATE: Rate = Rate { between: Duration::from_millis(1_050), bytes_per_second: None };

/// A stream whose shards are pushed.
pub(super) struct PushedStream {
    /// All that is no subscription.
    inner: Arc<dyn ShardCalls>,
    consumer: Arc<StreamConsumer>,
    pace: ShardPace,
}

impl PushedStream {
    /// Finds the consumer, or registers it, and waits until it can be subscribed to.
    pub(super) async fn connect(
        inner: Arc<dyn ShardCalls>,
        access: AwsAccess,
        which: &WhichStream,
        consumer: &WhichConsumer,
    ) -> Result<Self, ShardError> {
        let client = JsonClient::new(access, DIALECT).map_err(KinesisError::from)?;
        let consumer = StreamConsumer::new(client, Arc::clone(&inner), which.clone(), consumer.clone());
        consumer.ready().await?;
        Ok(Self { inner, consumer: Arc::new(consumer), pace: ShardPace::new(RATE) })
    }

    async fn subscribe(&self, shard: &str, begin: SubscribeAt) -> Result<ShardSubscription, ShardError> {
        let arn = self.consumer.ready().await?;
        sleep_until(self.pace.turn(shard, Instant::now())).await;
        let stream = self.consumer.subscribe(&arn, shard, place(begin)).await?;
        Ok(ShardSubscription::new(Arc::clone(&self.consumer), stream))
    }
}

/// Where a subscription begins, as it is written.
fn place(begin: SubscribeAt) -> Parameters {
    let place = Parameters::default();
    match begin {
        SubscribeAt::Behind(number) => {
            place.text("Type", "AFTER_SEQUENCE_NUMBER").text("SequenceNumber", &number)
        }
        SubscribeAt::Place(IteratorAt::First) => place.text("Type", "TRIM_HORIZON"),
        SubscribeAt::Place(IteratorAt::Latest) => place.text("Type", "LATEST"),
        SubscribeAt::Place(IteratorAt::At(number)) => {
            place.text("Type", "AT_SEQUENCE_NUMBER").text("SequenceNumber", &number)
        }
        SubscribeAt::Place(IteratorAt::Time(at)) => place.text("Type", "AT_TIMESTAMP").time("Timestamp", at),
    }
}

impl Subscriptions for PushedStream {
    fn subscribe<'a>(
        &'a self,
        shard: &'a str,
        begin: SubscribeAt,
    ) -> BoxFuture<'a, Result<Box<dyn Pushes>, ShardError>> {
        Box::pin(async move { Ok(Box::new(self.subscribe(shard, begin).await?) as Box<dyn Pushes>) })
    }
}

impl ShardCalls for PushedStream {
    /// Events name the consumer where the mapping does.
    fn describe(&self) -> BoxFuture<'_, Result<StreamDescription, ShardError>> {
        Box::pin(async {
            let told = self.inner.describe().await?;
            Ok(StreamDescription { arn: self.consumer.named_arn().unwrap_or(told.arn), ..told })
        })
    }

    fn list(&self, after: Option<String>) -> BoxFuture<'_, Result<Page, ShardError>> {
        self.inner.list(after)
    }

    fn iterator<'a>(
        &'a self,
        shard: &'a str,
        begin: IteratorAt,
    ) -> BoxFuture<'a, Result<String, ShardError>> {
        self.inner.iterator(shard, begin)
    }

    fn records<'a>(&'a self, iterator: &'a str, n_max: u32) -> BoxFuture<'a, Result<ShardRead, ShardError>> {
        self.inner.records(iterator, n_max)
    }

    fn subscriptions(&self) -> Option<&dyn Subscriptions> {
        Some(self)
    }

    fn note(&self) -> Option<String> {
        self.consumer.note()
    }

    fn now_ms(&self) -> i64 {
        self.inner.now_ms()
    }
}
