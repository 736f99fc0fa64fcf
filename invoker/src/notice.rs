//! The failure record: AWS's JSON for records that were given up, member by member.

use bytes::Bytes;
use forebay_batcher::{Condition, Notice, Reply, UnixMillis};
use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{Error as _, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// What a failure record tells besides its notice.
#[derive(Debug, Clone, Copy)]
pub struct NoticeContext<'a> {
    /// The function as the mapping names it.
    pub function_arn: &'a str,
    /// The source's description of the records: its key, such as `FileBatchInfo`, and its value.
    pub batch_info: (&'a str, &'a Value),
    /// The event, when the destination is to get it.
    pub payload: Option<EventPayload<'a>>,
    /// When the record is made.
    pub now: UnixMillis,
}

/// How the event stands in a failure record.
#[derive(Debug, Clone, Copy)]
pub enum EventPayload<'a> {
    /// As JSON text.
    Text(&'a [u8]),
    /// As it is: JSON in JSON.
    Object(&'a [u8]),
}

/// Renders a failure record as one line of JSON.
///
/// | member | value |
/// |---|---|
/// | `requestContext.requestId` | of the last invocation; one derived from the records when there was none |
/// | `responseContext` | absent when the records were too old; `null` when they were too large or no answer came |
/// | `responseContext.functionError` | `null` when the function ended well and reported records as failed |
/// | `payload` | the event, as an escaped JSON string or as an object, only when asked for |
pub fn render(notice: &Notice, context: &NoticeContext<'_>) -> Bytes {
    let json = serde_json::to_vec(&FailureJson { notice, context })
        .expect("strings, numbers and events, written to memory");
    Bytes::from(json)
}

struct FailureJson<'a> {
    notice: &'a Notice,
    context: &'a NoticeContext<'a>,
}

impl Serialize for FailureJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { notice, context } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(
            "requestContext",
            &RequestContext {
                request_id: &request_id(notice, context),
                function_arn: context.function_arn,
                condition: notice.condition.as_str(),
                approximate_invoke_count: notice.n_invokes,
            },
        )?;
        match notice.condition {
            Condition::RetriesExhausted | Condition::Rejected => {
                map.serialize_entry("responseContext", &notice.reply.as_ref().and_then(ResponseContext::of))?;
            }
            // No function was asked.
            Condition::PayloadTooLarge | Condition::SchemaNotFound | Condition::NotDecoded => {
                map.serialize_entry("responseContext", &Value::Null)?;
            }
            Condition::AgeExceeded => {}
        }
        map.serialize_entry("version", "1.0")?;
        map.serialize_entry("timestamp", &timestamp(context.now))?;
        let (key, value) = context.batch_info;
        map.serialize_entry(key, value)?;
        match context.payload {
            Some(EventPayload::Text(event)) => {
                map.serialize_entry("payload", &String::from_utf8_lossy(event))?
            }
            Some(EventPayload::Object(event)) => {
                let event: &RawValue = serde_json::from_slice(event).map_err(S::Error::custom)?;
                map.serialize_entry("payload", event)?;
            }
            None => {}
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    condition: &'a str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    function_error: Option<&'a str>,
}

impl<'a> ResponseContext<'a> {
    /// Nothing without a status: no answer came.
    fn of(reply: &'a Reply) -> Option<Self> {
        Some(Self {
            status_code: reply.status?,
            executed_version: reply.executed_version.as_deref().unwrap_or("$LATEST"),
            function_error: reply.function_error.as_deref(),
        })
    }
}

/// The last invocation's id. Records that were never tried get one that is the same whenever their notice is
/// made again, so that a destination can tell a repeat.
fn request_id(notice: &Notice, context: &NoticeContext<'_>) -> String {
    match &notice.reply {
        Some(reply) if !reply.request_id.is_empty() => reply.request_id.clone(),
        Some(_) | None => {
            let (key, value) = context.batch_info;
            let text = format!("{}\n{}\n{key}\n{value}", context.function_arn, notice.condition.as_str());
            // FNV-1a from two starts makes 128 bits: enough to tell records apart, and no secret.
            let half = |salt: u64| {
                text.bytes().fold(salt, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
            };
            let bits =
                u128::from(half(0xcbf2_9ce4_8422_2325)) << 64 | u128::from(half(0x6c62_272e_07bb_0142));
            uuid::Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid().to_string()
        }
    }
}

/// `2019-11-14T00:38:06.021Z`, always with milliseconds.
pub fn timestamp(at: UnixMillis) -> String {
    let at = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
#[path = "notice_tests.rs"]
mod tests;
