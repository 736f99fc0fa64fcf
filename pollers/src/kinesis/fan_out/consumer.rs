//! The consumer of a stream: found, or registered, and awaited until it can be subscribed to. It is never
//! deregistered here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use forebay_clients::{JsonCall, JsonClient, JsonStream, Limits};
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use tracing::info;

use crate::kinesis::choice::{WhichConsumer, WhichStream};
use crate::kinesis::client::{CALL_MAX, TRIES};
use crate::kinesis::error::KinesisError;
use crate::kinesis::plain::{ANSWER_BYTES_MAX, Parameters, read};
use crate::shards::{ShardCalls, ShardError};

/// A consumer is described twenty times a second and account at most.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// One that is being registered is awaited for so long; whoever asks again waits again.
const READY_WITHIN: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConsumerAnswer {
    consumer_description: Option<WireConsumer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RegisterAnswer {
    consumer: Option<WireConsumer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireConsumer {
    #[serde(rename = "ConsumerARN")]
    arn: Option<String>,
    consumer_status: Option<String>,
}

/// A consumer and the calls that are made as it.
pub(super) struct StreamConsumer {
    client: JsonClient,
    stream: Arc<dyn ShardCalls>,
    which_stream: WhichStream,
    which: WhichConsumer,
    found: Mutex<KnownConsumer>,
}

#[derive(Default)]
struct KnownConsumer {
    /// Where it can be subscribed to; one that was registered anew has another.
    arn: Option<String>,
    /// It was registered here.
    is_ours: bool,
}

impl StreamConsumer {
    pub(super) fn new(
        client: JsonClient,
        stream: Arc<dyn ShardCalls>,
        which_stream: WhichStream,
        which: WhichConsumer,
    ) -> Self {
        Self { client, stream, which_stream, which, found: Mutex::default() }
    }

    /// Its ARN, when it can be subscribed to; it is looked for, or registered, where that is not known.
    pub(super) async fn ready(&self) -> Result<String, ShardError> {
        let known = self.lock().arn.clone();
        match known {
            Some(arn) => Ok(arn),
            None => {
                let arn = self.find().await?;
                self.lock().arn = Some(arn.clone());
                Ok(arn)
            }
        }
    }

    /// The ARN that the mapping names it by.
    pub(super) fn named_arn(&self) -> Option<String> {
        match &self.which {
            WhichConsumer::Arn(arn) => Some(arn.to_string()),
            WhichConsumer::Name(_) => None,
        }
    }

    /// What people ought to know of it, where it was registered here.
    pub(super) fn note(&self) -> Option<String> {
        let found = self.lock();
        let arn = found.arn.as_ref().filter(|_| found.is_ours)?;
        Some(format!("{arn} was registered for it and costs money on AWS until you deregister it."))
    }

    /// Subscribes to a shard.
    pub(super) async fn subscribe(
        &self,
        arn: &str,
        shard: &str,
        place: Parameters,
    ) -> Result<JsonStream, KinesisError> {
        let parameters = Parameters::default()
            .text("ConsumerARN", arn)
            .text("ShardId", shard)
            .object("StartingPosition", place);
        match self.client.stream(call("Kinesis_20131202.SubscribeToShard", parameters.body())).await {
            Ok(stream) => Ok(stream),
            Err(failure) => Err(self
                .judged(match KinesisError::from(failure) {
                    KinesisError::InUse(said) => KinesisError::Taken(said),
                    other => other,
                })
                .await),
        }
    }

    /// An error of a subscription. That something is not there means the shard or the consumer, which only the
    /// consumer's description tells apart.
    pub(super) async fn judged(&self, error: KinesisError) -> KinesisError {
        let KinesisError::NotFound(said) = error else { return error };
        let Some(arn) = self.lock().arn.clone() else { return KinesisError::NotFound(said) };
        let body = Parameters::default().text("ConsumerARN", &arn).body();
        match self.ask("Kinesis_20131202.DescribeStreamConsumer", body).await {
            Err(KinesisError::NotFound(said)) => {
                *self.lock() = KnownConsumer::default();
                KinesisError::NoConsumer(said)
            }
            Ok(_) | Err(_) => KinesisError::NotFound(said),
        }
    }

    async fn find(&self) -> Result<String, ShardError> {
        let until = Instant::now() + READY_WITHIN;
        let body = self.description_asked().await?;
        let mut is_registered = false;
        loop {
            let found = match self.ask("Kinesis_20131202.DescribeStreamConsumer", body.clone()).await {
                Ok(answer) => read::parsed::<ConsumerAnswer>(&answer)?.consumer_description,
                Err(KinesisError::NotFound(said)) => match &self.which {
                    WhichConsumer::Arn(_) => return Err(KinesisError::NoConsumer(said).into()),
                    WhichConsumer::Name(_) if is_registered => None,
                    WhichConsumer::Name(name) => {
                        let registered = self.register(name, body.clone()).await?;
                        is_registered = true;
                        registered
                    }
                },
                Err(error) => return Err(error.into()),
            };
            let (arn, status) = found.map(|it| (it.arn, it.consumer_status)).unwrap_or_default();
            let status = status.unwrap_or_default();
            let late = Instant::now() >= until;
            match (arn, status.as_str()) {
                (Some(arn), "ACTIVE") => return Ok(arn),
                (_, "DELETING") => {
                    return Err(KinesisError::NoConsumer("it is being deregistered".to_owned()).into());
                }
                _ if late => {
                    let why = format!("after {READY_WITHIN:?} it is {status:?} and not \"ACTIVE\"");
                    return Err(KinesisError::NoConsumer(why).into());
                }
                _ => sleep(ASK_EVERY).await,
            }
        }
    }

    /// The parameters that describe it, and register it where it has a name.
    async fn description_asked(&self) -> Result<Bytes, ShardError> {
        Ok(match &self.which {
            WhichConsumer::Arn(arn) => Parameters::default().text("ConsumerARN", &arn.to_string()).body(),
            WhichConsumer::Name(name) => {
                let arn = match &self.which_stream {
                    WhichStream::Arn(arn) => arn.to_string(),
                    // Consumers are asked for by the ARN of their stream alone.
                    WhichStream::Name(_) => self.stream.describe().await?.arn,
                };
                Parameters::default().text("StreamARN", &arn).text("ConsumerName", name).body()
            }
        })
    }

    async fn register(&self, name: &str, body: Bytes) -> Result<Option<WireConsumer>, KinesisError> {
        let answer = self.ask("Kinesis_20131202.RegisterStreamConsumer", body).await?;
        self.lock().is_ours = true;
        info!(
            stream = %self.which_stream,
            consumer = %name,
            "registered the consumer of enhanced fan-out; deregister it when it is not wanted any more"
        );
        Ok(read::parsed::<RegisterAnswer>(&answer)?.consumer)
    }

    async fn ask(&self, target: &'static str, body: Bytes) -> Result<Bytes, KinesisError> {
        Ok(self.client.call(call(target, body)).await?)
    }

    fn lock(&self) -> MutexGuard<'_, KnownConsumer> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn call(target: &'static str, body: Bytes) -> JsonCall {
    let limits = Limits { time: CALL_MAX, answer_bytes: ANSWER_BYTES_MAX };
    JsonCall { target, body, limits, tries: TRIES }
}
