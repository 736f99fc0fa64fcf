//! A bus of EventBridge that gets each failure record as an event.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forebay_clients::{AwsClient, AwsError, AwsTarget, Clients, shortened};
use forebay_config::destination::{BusName, EVENTS, EventBusTarget};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::DELIVERY_TIME_MAX;
use super::aws::{AwsDeliveryError, call, message, said_in_json};
use crate::destination::{DeliveryError, Destination, FailureRecord};
use crate::executor::BoxFuture;

/// The longest entry: it must be shorter than 256 KiB.
pub const ENTRY_BYTES_MAX: usize = 262_143;
/// What EventBridge counts for the time of an entry.
const TIME_BYTES: usize = 14;
/// So long a bus that was seen counts as there.
const SEEN_TIME_MAX: Duration = Duration::from_secs(10);

/// An event bus. It has a record when it is there and answers that no entry failed, with the id of the event.
///
/// EventBridge answers so for a bus that is not there, too, and drops the event: so the bus is looked at first,
/// and again when that was a while ago.
#[derive(Debug)]
pub struct EventBusDestination {
    client: AwsClient,
    bus: BusName,
    source: String,
    detail_type: String,
    /// When the bus was there last.
    seen: Mutex<Option<Instant>>,
}

/// A bus did not take a failure record, or nobody knows.
#[derive(Debug, thiserror::Error)]
enum PutEventError {
    #[error("the bus could not be looked at")]
    NotSeen(#[source] AwsDeliveryError),
    #[error("the bus was looked at, and the answer names {0} as its ARN")]
    AnotherBus(String),
    #[error("the event could not be put")]
    NotPut(#[source] AwsDeliveryError),
    #[error("the event was refused: {code}: {message}")]
    Refused { code: String, message: String },
    #[error("it answered without the id of an event")]
    NoEventId,
    #[error("no answer within {DELIVERY_TIME_MAX:?}")]
    TimedOut,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventEntry<'a> {
    /// In seconds, which is all that an event shows.
    time: i64,
    source: &'a str,
    detail_type: &'a str,
    detail: &'a str,
    event_bus_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents<'a> {
    entries: [EventEntry<'a>; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventsPut {
    failed_entry_count: u64,
    entries: Vec<EntryPut>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EntryPut {
    event_id: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
}

impl EventBusDestination {
    /// Checks the settings and looks for credentials; the bus is not called. Meant for start and reload.
    ///
    /// # Errors
    /// What is missing or cannot be used.
    pub async fn new(target: &EventBusTarget, clients: &Clients) -> Result<Self, AwsError> {
        let EventBusTarget { bus, source, detail_type, aws } = target.clone();
        let (region, account) = (bus.arn().map(|it| &*it.region), bus.arn().map(|it| &*it.account));
        let service = AwsTarget { service: &EVENTS, own: &aws, region, account, endpoint: None };
        let client = clients.aws_client(service).await?;
        Ok(Self { client, bus, source, detail_type, seen: Mutex::default() })
    }

    async fn put(&self, record: FailureRecord) -> Result<(), PutEventError> {
        let both = async {
            self.see().await?;
            self.put_event(&record).await
        };
        timeout(DELIVERY_TIME_MAX, both).await.unwrap_or(Err(PutEventError::TimedOut))
    }

    async fn put_event(&self, record: &FailureRecord) -> Result<(), PutEventError> {
        let n_bytes_max = ENTRY_BYTES_MAX - TIME_BYTES - self.source.len() - self.detail_type.len();
        let detail = message(&record.json, n_bytes_max).map_err(PutEventError::NotPut)?;
        let entry = EventEntry {
            time: record.at.0.div_euclid(1000),
            source: &self.source,
            detail_type: &self.detail_type,
            detail: &detail,
            event_bus_name: &self.bus.to_string(),
        };
        let body = json_of(&PutEvents { entries: [entry] });
        let answer = self.call("AWSEvents.PutEvents", body).await.map_err(PutEventError::NotPut)?;
        let EventsPut { failed_entry_count, entries } =
            serde_json::from_str(&answer).map_err(|_| PutEventError::NoEventId)?;
        let entry = entries.into_iter().next().ok_or(PutEventError::NoEventId)?;
        match (failed_entry_count, entry) {
            (0, EntryPut { event_id: Some(id), error_code: None, .. }) if !id.is_empty() => Ok(()),
            (_, EntryPut { error_code: Some(code), error_message, .. }) => {
                let message = shortened(&error_message.unwrap_or_default());
                Err(PutEventError::Refused { code: shortened(&code), message })
            }
            (_, EntryPut { .. }) => Err(PutEventError::NoEventId),
        }
    }

    /// Looks whether the bus is there, unless it was a moment ago.
    async fn see(&self) -> Result<(), PutEventError> {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_some_and(|it| it.elapsed() < SEEN_TIME_MAX) {
            return Ok(());
        }
        match (self.look(&self.bus.to_string()).await, &self.bus) {
            (Ok(_), _) => {}
            // Some servers know buses by their names alone; theirs may be of another account.
            (Err(AwsDeliveryError::Refused { said, .. }), BusName::Arn(arn)) if is_missing(&said) => {
                let there = self.look(self.bus.name()).await.map_err(PutEventError::NotSeen)?;
                if there != arn.to_string() {
                    return Err(PutEventError::AnotherBus(there));
                }
            }
            (Err(error), _) => return Err(PutEventError::NotSeen(error)),
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    /// The ARN of a bus.
    async fn look(&self, name: &str) -> Result<String, AwsDeliveryError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct DescribeEventBus<'a> {
            name: &'a str,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct BusSeen {
            arn: String,
        }
        let answer = self.call("AWSEvents.DescribeEventBus", json_of(&DescribeEventBus { name })).await?;
        let seen = serde_json::from_str(&answer).map(|BusSeen { arn }| arn);
        seen.map_err(|_| AwsDeliveryError::NoArn)
    }

    async fn call(&self, target: &'static str, body: String) -> Result<String, AwsDeliveryError> {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", HeaderValue::from_static(target));
        call(&self.client, "application/x-amz-json-1.1", headers, body, said_in_json).await
    }
}

impl Destination for EventBusDestination {
    fn deliver(&self, record: FailureRecord) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let refused = |error: PutEventError| DeliveryError {
                destination: self.label(),
                code: "FB-0370",
                cause: error.into(),
            };
            self.put(record).await.map_err(refused)
        })
    }

    fn label(&self) -> String {
        format!("event bus {}", self.bus)
    }
}

fn is_missing(said: &str) -> bool {
    said.starts_with("ResourceNotFoundException")
}

fn json_of(it: &impl Serialize) -> String {
    serde_json::to_string(it).expect("texts and numbers under names are JSON")
}
