//! The consumer of a stream: found, or registered, and awaited until it can be subscribed to. It is never
//! deregistered here.

use std::time::Duration;

use bytes::Bytes;
use forebay_clients::{JsonCall, JsonClient, Limits};
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
struct Described {
    consumer_description: Option<WireConsumer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Registered {
    consumer: Option<WireConsumer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireConsumer {
    #[serde(rename = "ConsumerARN")]
    arn: Option<String>,
    consumer_status: Option<String>,
}

/// The ARN of a consumer that can be subscribed to.
pub(super) async fn ready(
    client: &JsonClient,
    stream: &dyn ShardCalls,
    which: &WhichStream,
    consumer: &WhichConsumer,
) -> Result<String, ShardError> {
    let until = Instant::now() + READY_WITHIN;
    let parameters = match consumer {
        WhichConsumer::Arn(arn) => Parameters::default().text("ConsumerARN", &arn.to_string()),
        WhichConsumer::Name(name) => {
            let arn = match which {
                WhichStream::Arn(arn) => arn.to_string(),
                // Consumers are asked for by the ARN of their stream alone.
                WhichStream::Name(_) => stream.describe().await?.arn,
            };
            Parameters::default().text("StreamARN", &arn).text("ConsumerName", name)
        }
    };
    let body = parameters.body();
    let mut is_registered = false;
    loop {
        let found = match call(client, "Kinesis_20131202.DescribeStreamConsumer", body.clone()).await {
            Ok(answer) => read::parsed::<Described>(&answer)?.consumer_description,
            Err(KinesisError::NotFound(said)) => match consumer {
                WhichConsumer::Arn(_) => return Err(KinesisError::NoConsumer(said).into()),
                WhichConsumer::Name(_) if is_registered => None,
                WhichConsumer::Name(name) => {
                    let answer =
                        call(client, "Kinesis_20131202.RegisterStreamConsumer", body.clone()).await?;
                    info!(stream = %which, consumer = %name, "registered the consumer of enhanced fan-out; deregister it when it is not wanted any more");
                    is_registered = true;
                    read::parsed::<Registered>(&answer)?.consumer
                }
            },
            Err(error) => return Err(error.into()),
        };
        let (arn, status) = found.map(|it| (it.arn, it.consumer_status)).unwrap_or_default();
        let status = status.unwrap_or_default();
        match (arn, status.as_str()) {
            (Some(arn), "ACTIVE") => return Ok(arn),
            (_, "DELETING") => {
                return Err(KinesisError::NoConsumer("it is being deregistered".to_owned()).into());
            }
            _ if Instant::now() >= until => {
                return Err(KinesisError::NoConsumer(format!(
                    "it is not ACTIVE within {READY_WITHIN:?}, but {status:?}"
                ))
                .into());
            }
            _ => sleep(ASK_EVERY).await,
        }
    }
}

async fn call(client: &JsonClient, target: &'static str, body: Bytes) -> Result<Bytes, KinesisError> {
    let limits = Limits { time: CALL_MAX, answer_bytes: ANSWER_BYTES_MAX };
    Ok(client.call(JsonCall { target, body, limits, tries: TRIES }).await?)
}
