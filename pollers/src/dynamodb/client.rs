//! The calls to DynamoDB and to its streams that we make, signed and sent by the client that all share. The
//! only file that calls them.
//!
//! The answers are JSON of few members whose records are handed on as they came, so there is no SDK between:
//! it would take every image apart and forget the order of its attributes.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use forebay_clients::{AwsClient, ExchangeError, Limits, coding_of, compressed, with_causes};
use http::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::choice::WhichTable;
use super::error::DynamoError;
use super::wire;
use crate::shards::{
    IteratorAt, Page, ShardCalls, ShardError, ShardInfo, ShardRead, StreamDescription, digits_with_zeros,
};
use crate::source::BoxFuture;

/// For a call and its answer, which is 1 MB of records and twice that as JSON at the most.
const LIMITS: Limits = Limits { time: Duration::from_secs(30), answer_bytes: 32 * 1024 * 1024 };
/// The shortest sequence number that is taken: numbers are written with zeros before them up to this.
const NUMBER_DIGITS_MIN: usize = 21;
const TABLES: &str = "DynamoDB_20120810";
const STREAMS: &str = "DynamoDBStreams_20120810";

/// One stream, and the table whose latest it is.
pub(super) struct DynamoClient {
    tables: AwsClient,
    streams: AwsClient,
    which: WhichTable,
    /// The ARN of the stream, once it is known.
    stream: Mutex<Option<String>>,
    /// The server's time when it answered last.
    answered_ms: AtomicI64,
}

/// What `DescribeStream` says.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamJson {
    stream_description: StreamTells,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamTells {
    #[serde(default)]
    stream_status: String,
    #[serde(default)]
    shards: Vec<ShardJson>,
    last_evaluated_shard_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShardJson {
    shard_id: String,
    parent_shard_id: Option<String>,
    sequence_number_range: Option<RangeJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RangeJson {
    starting_sequence_number: Option<String>,
    ending_sequence_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableJson {
    table: TableTells,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableTells {
    latest_stream_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IteratorJson {
    shard_iterator: String,
}

impl From<ShardJson> for ShardInfo {
    fn from(it: ShardJson) -> Self {
        let range = it.sequence_number_range;
        let first = range.as_ref().and_then(|it| it.starting_sequence_number.as_deref());
        let n_digits = first.map_or(0, digits_with_zeros);
        let last = range.and_then(|it| it.ending_sequence_number);
        Self {
            id: it.shard_id,
            parents: it.parent_shard_id.into_iter().collect(),
            is_closed: last.is_some(),
            last,
            n_digits,
        }
    }
}

impl DynamoClient {
    /// Nothing is called yet.
    pub(super) fn new(which: WhichTable, tables: AwsClient, streams: AwsClient) -> Self {
        let (stream, answered_ms) = Default::default();
        Self { tables, streams, which, stream, answered_ms }
    }

    async fn describe(&self) -> Result<StreamDescription, DynamoError> {
        let arn = self.latest().await?;
        let told: StreamJson =
            self.ask_json(STREAMS, "DescribeStream", &json!({ "StreamArn": arn, "Limit": 1 })).await?;
        // A stream that is being switched off takes nothing more either.
        let is_disabled = told.stream_description.stream_status.starts_with("DISABL");
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(arn.clone());
        // A stream's label is the time when it was made: its ARN is no other stream's.
        Ok(StreamDescription { identity: arn.clone(), arn, is_disabled })
    }

    /// The ARN of the stream.
    async fn latest(&self) -> Result<String, DynamoError> {
        let table = match &self.which {
            WhichTable::Stream(arn) => return Ok(arn.to_string()),
            WhichTable::Table(arn) => arn.to_string(),
            WhichTable::Name(name) => name.clone(),
        };
        // By the table each time: a stream that is switched off and on again is another one, and must be
        // seen.
        let told: TableJson = self.ask_json(TABLES, "DescribeTable", &json!({ "TableName": table })).await?;
        told.table.latest_stream_arn.filter(|it| !it.is_empty()).ok_or(DynamoError::NoStream)
    }

    async fn known(&self) -> Result<String, DynamoError> {
        let known = self.stream.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(arn) => Ok(arn),
            None => self.latest().await,
        }
    }

    async fn list(&self, ask: Value) -> Result<Page, DynamoError> {
        let told: StreamJson = self.ask_json(STREAMS, "DescribeStream", &ask).await?;
        let StreamTells { shards, last_evaluated_shard_id, .. } = told.stream_description;
        Ok(Page { shards: shards.into_iter().map(ShardInfo::from).collect(), next: last_evaluated_shard_id })
    }

    async fn page(&self, after: Option<String>) -> Result<Page, DynamoError> {
        let mut ask = json!({ "StreamArn": self.known().await?, "Limit": 100 });
        if let Some(after) = after {
            ask["ExclusiveStartShardId"] = after.into();
        }
        self.list(ask).await
    }

    /// A server that does not know the filter answers with the first page of all.
    async fn children(&self, shard: &str) -> Result<Vec<ShardInfo>, DynamoError> {
        let filter = json!({ "Type": "CHILD_SHARDS", "ShardId": shard });
        let page = self.list(json!({ "StreamArn": self.known().await?, "ShardFilter": filter })).await?;
        Ok(page.shards.into_iter().filter(|it| it.parents.iter().any(|it| it == shard)).collect())
    }

    async fn iterator(&self, shard: &str, begin: IteratorAt) -> Result<String, DynamoError> {
        let mut ask = json!({ "StreamArn": self.known().await?, "ShardId": shard });
        let kind = match begin {
            IteratorAt::First => "TRIM_HORIZON",
            IteratorAt::Latest => "LATEST",
            IteratorAt::At(number) => {
                ask["SequenceNumber"] = format!("{number:0>NUMBER_DIGITS_MIN$}").into();
                "AT_SEQUENCE_NUMBER"
            }
            IteratorAt::Time(_) => {
                return Err(DynamoError::NoPlace("shards of DynamoDB have no places by time".to_owned()));
            }
        };
        ask["ShardIteratorType"] = kind.into();
        let told: IteratorJson = self.ask_json(STREAMS, "GetShardIterator", &ask).await?;
        Ok(told.shard_iterator)
    }

    async fn records(&self, iterator: &str, n_max: u32) -> Result<ShardRead, DynamoError> {
        let ask = json!({ "ShardIterator": iterator, "Limit": n_max });
        let answer = self.ask(STREAMS, "GetRecords", &ask).await?;
        wire::read(&answer).map_err(|error| unusable("GetRecords", &error))
    }

    async fn ask_json<T: DeserializeOwned>(
        &self,
        api: &'static str,
        call: &'static str,
        body: &Value,
    ) -> Result<T, DynamoError> {
        let answer = self.ask(api, call, body).await?;
        serde_json::from_slice(&answer).map_err(|error| unusable(call, &error))
    }

    /// One call: what it answered, when it is no refusal. What is refused for this machine's clock is called again
    /// by the server's, which that answer has shown.
    async fn ask(&self, api: &'static str, call: &'static str, body: &Value) -> Result<Bytes, DynamoError> {
        match self.once(api, call, body).await {
            Err(DynamoError::Clock(_)) => self.once(api, call, body).await,
            told => told,
        }
    }

    async fn once(&self, api: &'static str, call: &'static str, body: &Value) -> Result<Bytes, DynamoError> {
        let client = if api == TABLES { &self.tables } else { &self.streams };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
        let target = HeaderValue::try_from(format!("{api}.{call}")).expect("it is a plain word");
        headers.insert("x-amz-target", target);
        let answer = client.post("/", headers, vec![body.to_string().into()], LIMITS).await;
        let answer = answer.map_err(|error| not_answered(&error))?;
        // Refusals have a date as well, so the clock is known before anything was read.
        if let Some(at) = answer.head.headers.get(DATE).and_then(server_time) {
            self.answered_ms.store(at, Ordering::Relaxed);
        }
        // Nothing that is compressed was asked for: a proxy between did it, and its bytes would look like
        // damage.
        if let Some(coding) = coding_of(&answer.head) {
            return Err(DynamoError::Refused(compressed(coding)));
        }
        let body = answer.body.map_err(|error| DynamoError::Unreachable(with_causes(&error)))?;
        if answer.head.status.is_success() {
            return Ok(body);
        }
        Err(wire::refusal(answer.head.status, &body))
    }
}

fn unusable(call: &str, error: &serde_json::Error) -> DynamoError {
    DynamoError::Refused(format!("{call} answered with what cannot be read: {error}"))
}

fn not_answered(error: &ExchangeError) -> DynamoError {
    let text = with_causes(error);
    let has_no_credentials = matches!(error, ExchangeError::NotSent(cause)
        if cause.downcast_ref::<forebay_clients::AwsError>().is_some());
    if has_no_credentials { DynamoError::NoCredentials(text) } else { DynamoError::Unreachable(text) }
}

/// Epoch milliseconds of a `Date`, which is exact to a second.
fn server_time(date: &HeaderValue) -> Option<i64> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    Some(PARSER.parse_timestamp(date.to_str().ok()?).ok()?.as_millisecond())
}

impl ShardCalls for DynamoClient {
    fn describe(&self) -> BoxFuture<'_, Result<StreamDescription, ShardError>> {
        Box::pin(async { Ok(self.describe().await?) })
    }

    fn list(&self, after: Option<String>) -> BoxFuture<'_, Result<Page, ShardError>> {
        Box::pin(async { Ok(self.page(after).await?) })
    }

    fn iterator<'a>(
        &'a self,
        shard: &'a str,
        begin: IteratorAt,
    ) -> BoxFuture<'a, Result<String, ShardError>> {
        Box::pin(async { Ok(self.iterator(shard, begin).await?) })
    }

    fn records<'a>(&'a self, iterator: &'a str, n_max: u32) -> BoxFuture<'a, Result<ShardRead, ShardError>> {
        Box::pin(async move { Ok(self.records(iterator, n_max).await?) })
    }

    fn children<'a>(&'a self, shard: &'a str) -> BoxFuture<'a, Result<Vec<ShardInfo>, ShardError>> {
        Box::pin(async { Ok(self.children(shard).await?) })
    }

    fn now_ms(&self) -> i64 {
        let answered_ms = self.answered_ms.load(Ordering::Relaxed);
        // The server's time goes first: records are compared with it that the same server has dated.
        if answered_ms != 0 {
            return answered_ms;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}
