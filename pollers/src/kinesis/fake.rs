//! Kinesis as the stream in memory speaks it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use forebay_batcher::RecordId;
use forebay_clients::Transport;
use forebay_models::shards::{Limits, Refusal, WhenTrimmed};

use super::choice::Choice;
use super::client;
use super::data::BASE64;
use super::error::KinesisError;
use super::reader::{KinesisTraits, facts};
use crate::shards::fake::{Accent, BEGAN_MS, FakeStreamSubject};
use crate::shards::{ShardError, ShardRecord, ShardTraits, StreamDescription, StreamFacts};

const ARN: &str = "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream";
/// Sequence numbers as AWS has them: 56 digits, of which the last 22 count.
const NUMBER: &str = "4959033827149025660855969253836157";

/// Kinesis, whether aggregates are taken apart by who connects, and whether data is given as Base64.
#[derive(Default)]
pub(super) struct KinesisAccent(pub(super) AtomicBool, pub(super) AtomicBool);

impl Accent for KinesisAccent {
    fn description(&self, n_made: i64) -> StreamDescription {
        client::description(ARN.to_owned(), BEGAN_MS + n_made)
    }

    fn refused(&self, refusal: Refusal) -> ShardError {
        let code = match refusal {
            Refusal::NoShard => "ResourceNotFoundException",
            Refusal::IteratorExpired => "ExpiredIteratorException",
            Refusal::Throttled => "ProvisionedThroughputExceededException",
            Refusal::NoPlace => "InvalidArgumentException",
            Refusal::Subscribed => {
                return KinesisError::pushed("ResourceInUseException", String::new(), false).into();
            }
            Refusal::SubscriptionEnded => return KinesisError::Over(String::new()).into(),
        };
        KinesisError::answered(code, format!("{refusal:?}")).into()
    }

    fn sequence(&self, number: u64) -> String {
        format!("{NUMBER}{number:022}")
    }

    fn number(&self, sequence: &str) -> Option<u64> {
        sequence.strip_prefix(NUMBER)?.parse().ok()
    }

    fn record(&self, idx: usize, sequence: String, value: &Bytes, arrival_ms: i64) -> ShardRecord {
        let (id, key) = (RecordId::new(sequence.as_bytes()), format!("key {}", idx % 3).into());
        if self.1.load(Ordering::SeqCst) {
            let data = STANDARD.encode(value).into();
            return ShardRecord { id, key, data, arrival_ms, facts_idx: BASE64 };
        }
        ShardRecord { id, key, data: value.clone(), arrival_ms, facts_idx: 0 }
    }

    fn tells_all(&self) -> bool {
        true
    }

    fn reading(&self) -> (Box<dyn ShardTraits>, StreamFacts) {
        let deaggregates = self.0.load(Ordering::SeqCst);
        let choice = Choice {
            poll_interval: Duration::from_secs(1),
            deaggregates,
            identity_arn: None,
            transport: Transport::Plain,
        };
        let facts = facts("stream lambda-stream".to_owned(), &choice);
        (Box::new(KinesisTraits(choice)), facts)
    }
}

/// A stream with these limits.
pub(super) fn stream(limits: Limits, when_trimmed: WhenTrimmed) -> FakeStreamSubject {
    FakeStreamSubject::new(Arc::new(KinesisAccent::default()), limits, when_trimmed)
}

/// The same, pushed.
pub(super) fn pushed(limits: Limits, when_trimmed: WhenTrimmed) -> FakeStreamSubject {
    FakeStreamSubject::pushed(Arc::new(KinesisAccent::default()), limits, when_trimmed)
}
