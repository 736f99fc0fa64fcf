//! Enhanced fan-out: shards of a stream that are pushed to a consumer of it.
//!
//! `consumer` finds the consumer or registers it, `subscription` reads what is pushed, `frames` cuts it into
//! messages. All else of the stream is asked as it is without a consumer.

mod consumer;
mod frames;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use forebay_clients::{AwsAccess, JsonCall, JsonClient, Limits};
use tokio::time::{Instant, sleep_until};

use self::subscription::Subscription;
use super::choice::{WhichConsumer, WhichStream};
use super::client::{CALL_MAX, TRIES};
use super::error::KinesisError;
use super::plain::{ANSWER_BYTES_MAX, DIALECT, Parameters};
use crate::shards::{
    IteratorAt, Page, Pushes, Rate, ShardCalls, ShardError, ShardPace, ShardRead, StreamDescription,
    Subscriptions,
};
use crate::source::BoxFuture;

/// A consumer may subscribe to a shard once a second; a little less often, for clocks run apart.
const RATE: Rate = Rate { between: Duration::from_millis(1_050), bytes_per_second: None };
/// For so long after a subscription was made another one is refused, though it is over; and a little longer.
const TAKEN_FOR: Duration = Duration::from_secs(7);

/// A stream whose shards are pushed.
pub(super) struct FanOut {
    /// All that is no subscription.
    inner: Arc<dyn ShardCalls>,
    client: JsonClient,
    consumer_arn: String,
    /// Events name the consumer, for the mapping does.
    is_named_by_arn: bool,
    pace: ShardPace,
}

impl FanOut {
    /// Finds the consumer, or registers it, and waits until it can be subscribed to.
    pub(super) async fn connect(
        inner: Arc<dyn ShardCalls>,
        access: AwsAccess,
        which: &WhichStream,
        consumer: &WhichConsumer,
    ) -> Result<Self, ShardError> {
        let client = JsonClient::new(access, DIALECT).map_err(KinesisError::from)?;
        let consumer_arn = consumer::ready(&client, &*inner, which, consumer).await?;
        let is_named_by_arn = matches!(consumer, WhichConsumer::Arn(_));
        Ok(Self { inner, client, consumer_arn, is_named_by_arn, pace: ShardPace::new(RATE) })
    }

    async fn begin(&self, shard: &str, begin: &IteratorAt) -> Result<Subscription, KinesisError> {
        let place = match begin {
            IteratorAt::First => Parameters::default().text("Type", "TRIM_HORIZON"),
            IteratorAt::Latest => Parameters::default().text("Type", "LATEST"),
            IteratorAt::At(number) => {
                Parameters::default().text("Type", "AT_SEQUENCE_NUMBER").text("SequenceNumber", number)
            }
            IteratorAt::Time(at) => Parameters::default().text("Type", "AT_TIMESTAMP").time("Timestamp", *at),
        };
        let parameters = Parameters::default()
            .text("ConsumerARN", &self.consumer_arn)
            .text("ShardId", shard)
            .object("StartingPosition", place);
        let limits = Limits { time: CALL_MAX, answer_bytes: ANSWER_BYTES_MAX };
        let target = "Kinesis_20131202.SubscribeToShard";
        let call = JsonCall { target, body: parameters.body(), limits, tries: TRIES };
        Ok(Subscription::new(self.client.stream(call).await?))
    }

    /// Subscribes in its turn, and again while a subscription that is over still counts.
    async fn subscribe(&self, shard: &str, begin: IteratorAt) -> Result<Subscription, KinesisError> {
        let until = Instant::now() + TAKEN_FOR;
        loop {
            sleep_until(self.pace.turn(shard, Instant::now())).await;
            match self.begin(shard, &begin).await {
                Err(KinesisError::NotFound(said)) if said.contains("onsumer") => {
                    return Err(KinesisError::NoConsumer(said));
                }
                Err(KinesisError::InUse(_)) if Instant::now() < until => {}
                other => return other,
            }
        }
    }
}

impl Subscriptions for FanOut {
    fn subscribe<'a>(
        &'a self,
        shard: &'a str,
        begin: IteratorAt,
    ) -> BoxFuture<'a, Result<Box<dyn Pushes>, ShardError>> {
        Box::pin(async move { Ok(Box::new(self.subscribe(shard, begin).await?) as Box<dyn Pushes>) })
    }
}

impl ShardCalls for FanOut {
    fn describe(&self) -> BoxFuture<'_, Result<StreamDescription, ShardError>> {
        Box::pin(async {
            let mut told = self.inner.describe().await?;
            if self.is_named_by_arn {
                told.arn.clone_from(&self.consumer_arn);
            }
            Ok(told)
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

    fn now_ms(&self) -> i64 {
        self.inner.now_ms()
    }
}
