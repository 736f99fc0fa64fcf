//! The calls by our own code: AWS JSON written and read straight, over the connections that all share.

mod plainly;
pub(super) mod read;
pub(super) mod records;

use bytes::Bytes;
use forebay_clients::{AwsAccess, JsonCall, JsonClient, JsonDialect, Limits};

use super::choice::WhichStream;
use super::client::{CALL_MAX, KINESIS, TRIES, now_ms};
use super::error::KinesisError;
use crate::shards::{IteratorAt, Page, ShardCalls, ShardError, ShardRead, StreamDescription};
use crate::source::{BoxFuture, write_number, write_text};

pub(super) static DIALECT: JsonDialect =
    JsonDialect { service: &KINESIS, content_type: "application/x-amz-json-1.1", has_query_codes: false };
/// A read brings 10 MB of data, a third more as text, and ten thousand records with keys of 256 characters,
/// each of which may be escaped with six.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The service and the stream.
pub(super) struct PlainKinesis {
    client: JsonClient,
    /// `,"StreamName":"…"` or `,"StreamARN":"…"`.
    stream: Vec<u8>,
    /// Only what knows its ARN says it where it is not asked for.
    has_arn: bool,
}

/// Parameters of a call, as they are written.
#[derive(Default)]
pub(super) struct Parameters(Vec<u8>);

impl Parameters {
    pub(super) fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        write_text(value, &mut self.0);
        self
    }

    fn number(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        write_number(value, &mut self.0);
        self
    }

    /// An object within it.
    pub(super) fn object(mut self, name: &str, value: Self) -> Self {
        self.name(name);
        self.0.extend_from_slice(&value.body());
        self
    }

    /// Epoch seconds with the fraction that milliseconds are.
    pub(super) fn time(mut self, name: &str, millis: i64) -> Self {
        self.name(name);
        let millis = millis.max(0).unsigned_abs();
        write_number(millis / 1_000, &mut self.0);
        let digit = |place| b'0' + (millis / place % 10) as u8;
        self.0.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
        self
    }

    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    /// An object: the first comma becomes its beginning.
    pub(super) fn body(mut self) -> Bytes {
        match self.0.first_mut() {
            Some(comma) => *comma = b'{',
            None => self.0.push(b'{'),
        }
        self.0.push(b'}');
        self.0.into()
    }
}

impl PlainKinesis {
    pub(super) fn new(which: &WhichStream, access: AwsAccess) -> Result<Self, KinesisError> {
        let client = JsonClient::new(access, DIALECT)?;
        let (name, value, has_arn) = match which {
            WhichStream::Name(name) => ("StreamName", name.clone(), false),
            WhichStream::Arn(arn) => ("StreamARN", arn.to_string(), true),
        };
        let Parameters(stream) = Parameters::default().text(name, &value);
        Ok(Self { client, stream, has_arn })
    }

    fn of_stream(&self) -> Parameters {
        Parameters(self.stream.clone())
    }

    async fn call(&self, target: &'static str, parameters: Parameters) -> Result<Bytes, KinesisError> {
        let limits = Limits { time: CALL_MAX, answer_bytes: ANSWER_BYTES_MAX };
        Ok(self.client.call(JsonCall { target, body: parameters.body(), limits, tries: TRIES }).await?)
    }

    async fn describe(&self) -> Result<StreamDescription, KinesisError> {
        read::description(&self.call("Kinesis_20131202.DescribeStreamSummary", self.of_stream()).await?)
    }

    async fn list(&self, after: Option<String>) -> Result<Page, KinesisError> {
        // A token names the stream itself; with both the call is refused.
        let parameters = match after {
            Some(token) => Parameters::default().text("NextToken", &token),
            None => self.of_stream(),
        };
        read::page(&self.call("Kinesis_20131202.ListShards", parameters).await?)
    }

    async fn iterator(&self, shard: &str, begin: IteratorAt) -> Result<String, KinesisError> {
        let parameters = self.of_stream().text("ShardId", shard);
        let parameters = match begin {
            IteratorAt::First => parameters.text("ShardIteratorType", "TRIM_HORIZON"),
            IteratorAt::Latest => parameters.text("ShardIteratorType", "LATEST"),
            IteratorAt::At(number) => parameters
                .text("ShardIteratorType", "AT_SEQUENCE_NUMBER")
                .text("StartingSequenceNumber", &number),
            IteratorAt::Time(at) => {
                parameters.text("ShardIteratorType", "AT_TIMESTAMP").time("Timestamp", at)
            }
        };
        read::iterator(&self.call("Kinesis_20131202.GetShardIterator", parameters).await?)
    }

    async fn records(&self, iterator: &str, n_max: u32) -> Result<ShardRead, KinesisError> {
        let stream = if self.has_arn { self.of_stream() } else { Parameters::default() };
        let parameters = stream.text("ShardIterator", iterator).number("Limit", u64::from(n_max));
        records::records(&self.call("Kinesis_20131202.GetRecords", parameters).await?)
    }
}

impl ShardCalls for PlainKinesis {
    fn describe(&self) -> BoxFuture<'_, Result<StreamDescription, ShardError>> {
        Box::pin(async { Ok(self.describe().await?) })
    }

    fn list(&self, after: Option<String>) -> BoxFuture<'_, Result<Page, ShardError>> {
        Box::pin(async { Ok(self.list(after).await?) })
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

    fn now_ms(&self) -> i64 {
        now_ms()
    }
}
