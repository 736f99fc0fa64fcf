//! DynamoDB's streams as the stream in memory speaks them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_models::shards::{Limits, Refusal, WhenTrimmed};
use serde_json::json;

use super::choice::WhichTable;
use super::error::DynamoError;
use super::reader::{DynamoTraits, facts};
use super::wire;
use crate::shards::fake::{Accent, FakeStreamSubject};
use crate::shards::{ShardError, ShardRecord, ShardTraits, StreamDescription, StreamFacts};

const TABLE: &str = "arn:aws:dynamodb:us-east-2:123456789012:table/orders";
/// Sequence numbers as AWS has them: 21 digits or more.
const NUMBER: &str = "1110000000";

struct DynamoAccent;

/// What the server answers with for this record.
fn told(idx: usize, sequence: &str, value: &Bytes, arrival_ms: i64) -> String {
    let item =
        json!({ "id": { "N": (idx % 3).to_string() }, "value": { "S": String::from_utf8_lossy(value) } });
    let record = json!({
        "eventID": format!("{:032x}", idx + 1),
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-2",
        "dynamodb": {
            "ApproximateCreationDateTime": arrival_ms.div_euclid(1_000),
            "Keys": { "id": item["id"] },
            "NewImage": item,
            "SequenceNumber": sequence,
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    });
    json!({ "Records": [record], "NextShardIterator": "next" }).to_string()
}

impl Accent for DynamoAccent {
    fn description(&self, n_made: i64) -> StreamDescription {
        let arn = format!("{TABLE}/stream/2018-12-17T22:10:50.{n_made:03}");
        StreamDescription { identity: arn.clone(), arn, is_disabled: false }
    }

    fn refused(&self, refusal: Refusal) -> ShardError {
        let code = match refusal {
            Refusal::NoShard => "ResourceNotFoundException",
            Refusal::IteratorExpired => "ExpiredIteratorException",
            Refusal::Throttled => "LimitExceededException",
            Refusal::NoPlace => "TrimmedDataAccessException",
            Refusal::Subscribed | Refusal::SubscriptionEnded => "InternalServerError",
        };
        DynamoError::answered(code, format!("{refusal:?}")).into()
    }

    fn sequence(&self, number: u64) -> String {
        format!("{NUMBER}{number:022}")
    }

    fn number(&self, sequence: &str) -> Option<u64> {
        sequence.strip_prefix(NUMBER)?.parse().ok()
    }

    fn record(&self, idx: usize, sequence: String, value: &Bytes, arrival_ms: i64) -> ShardRecord {
        let answer = wire::read(told(idx, &sequence, value, arrival_ms).as_bytes());
        let record = answer.expect("it is as the server writes it").records.pop();
        record.expect("there is one")
    }

    fn tells_all(&self) -> bool {
        false
    }

    fn reading(&self) -> (Box<dyn ShardTraits>, StreamFacts) {
        let which = WhichTable::Name("orders".to_owned());
        (Box::new(DynamoTraits), facts(&which, Duration::from_secs(1)))
    }
}

/// A stream with these limits.
pub(super) fn stream(limits: Limits) -> FakeStreamSubject {
    FakeStreamSubject::new(Arc::new(DynamoAccent), limits, WhenTrimmed::Refuse)
}
