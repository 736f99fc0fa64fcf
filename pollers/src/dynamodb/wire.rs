//! Answers of DynamoDB Streams: records as they came, and refusals. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_batcher::RecordId;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::DynamoError;
use crate::shards::{ShardRead, ShardRecord};
use crate::source::{write_number, write_text};

/// What `GetRecords` answers. Members keep their order and their numbers their digits: what a function gets
/// is what the table's stream says.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecordsJson<'a> {
    #[serde(borrow, default)]
    records: Vec<RecordJson<'a>>,
    next_shard_iterator: Option<String>,
}

#[derive(Deserialize)]
struct RecordJson<'a> {
    #[serde(rename = "eventID", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "eventName", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "eventVersion", borrow)]
    version: Cow<'a, str>,
    #[serde(rename = "awsRegion", borrow)]
    region: Cow<'a, str>,
    #[serde(borrow)]
    dynamodb: ChangeJson<'a>,
    #[serde(rename = "userIdentity", borrow)]
    identity: Option<IdentityJson<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeJson<'a> {
    approximate_creation_date_time: f64,
    #[serde(borrow)]
    keys: &'a RawValue,
    #[serde(borrow)]
    new_image: Option<&'a RawValue>,
    #[serde(borrow)]
    old_image: Option<&'a RawValue>,
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    #[serde(default)]
    size_bytes: u64,
    #[serde(borrow)]
    stream_view_type: Cow<'a, str>,
}

#[derive(Deserialize)]
struct IdentityJson<'a> {
    #[serde(rename = "Type", alias = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(rename = "PrincipalId", alias = "principalId", borrow)]
    principal: Cow<'a, str>,
}

/// Reads an answer of `GetRecords`.
pub(super) fn read(answer: &[u8]) -> Result<ShardRead, serde_json::Error> {
    let told: RecordsJson<'_> = serde_json::from_slice(answer)?;
    Ok(ShardRead {
        records: told.records.iter().map(received).collect::<Result<_, _>>()?,
        next: told.next_shard_iterator,
        // It says neither.
        behind_ms: None,
        children: Vec::new(),
    })
}

fn received(told: &RecordJson<'_>) -> Result<ShardRecord, serde_json::Error> {
    let change = &told.dynamodb;
    let mut data = Vec::with_capacity(
        512 + change.keys.get().len()
            + [change.new_image, change.old_image].iter().flatten().map(|it| it.get().len()).sum::<usize>(),
    );
    write(told, &mut data);
    Ok(ShardRecord {
        id: RecordId::new(change.sequence_number.as_bytes()),
        key: item_key(change.keys)?,
        data: data.into(),
        arrival_ms: (change.approximate_creation_date_time * 1_000.0).round() as i64,
        facts_idx: 0,
    })
}

/// The record as it stands in an event, up to the ARN of its stream.
fn write(told: &RecordJson<'_>, out: &mut Vec<u8>) {
    for (name, value) in [
        (&b"{\"eventID\":"[..], &told.id),
        (b",\"eventName\":", &told.name),
        (b",\"eventVersion\":", &told.version),
    ] {
        out.extend_from_slice(name);
        write_text(value, out);
    }
    out.extend_from_slice(b",\"eventSource\":\"aws:dynamodb\",\"awsRegion\":");
    write_text(&told.region, out);
    write_change(&told.dynamodb, out);
    if let Some(IdentityJson { kind, principal }) = &told.identity {
        out.extend_from_slice(b",\"userIdentity\":{\"type\":");
        write_text(kind, out);
        out.extend_from_slice(b",\"principalId\":");
        write_text(principal, out);
        out.push(b'}');
    }
}

fn write_change(change: &ChangeJson<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"dynamodb\":{\"ApproximateCreationDateTime\":");
    // Seconds as a number with a fraction, as AWS's events have them.
    out.extend_from_slice(format!("{:?}", change.approximate_creation_date_time).as_bytes());
    let images = [
        (&b",\"Keys\":"[..], Some(change.keys)),
        (b",\"NewImage\":", change.new_image),
        (b",\"OldImage\":", change.old_image),
    ];
    for (name, value) in images {
        // An image that the stream's view leaves out is no member, and not null: functions ask whether it is
        // there.
        if let Some(value) = value {
            out.extend_from_slice(name);
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    out.extend_from_slice(b",\"SequenceNumber\":");
    write_text(&change.sequence_number, out);
    out.extend_from_slice(b",\"SizeBytes\":");
    write_number(change.size_bytes, out);
    out.extend_from_slice(b",\"StreamViewType\":");
    write_text(&change.stream_view_type, out);
    out.push(b'}');
}

/// The key of an item: its attributes in the order of their names, whatever order they came in. Numbers have
/// one form each in DynamoDB.
fn item_key(keys: &RawValue) -> Result<Bytes, serde_json::Error> {
    let attributes: BTreeMap<Cow<'_, str>, BTreeMap<Cow<'_, str>, Cow<'_, str>>> =
        serde_json::from_str(keys.get())?;
    Ok(serde_json::to_vec(&attributes)?.into())
}

/// A refusal by its status and its body.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> DynamoError {
    #[derive(Deserialize)]
    struct ErrorJson {
        #[serde(rename = "__type")]
        kind: String,
        #[serde(default, alias = "Message")]
        message: String,
    }
    match serde_json::from_slice(body) {
        Ok(ErrorJson { kind, message }) => {
            // The code stands behind the name of the service's model, where that is told.
            let code = kind.rsplit('#').next().unwrap_or_default();
            DynamoError::answered(code, format!("{code}: {message}"))
        }
        Err(_) => DynamoError::Refused(format!("status {status} without an error that can be read")),
    }
}
