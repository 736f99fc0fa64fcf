//! The calls to Kinesis that we make, and the one file that knows the SDK.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{EncryptionType, ShardIteratorType};
use forebay_clients::{AwsAccess, SdkFailure};

use super::choice::WhichStream;
use super::error::KinesisError;
use crate::shards::{
    IteratorAt, Page, ShardCalls, ShardError, ShardInfo, ShardRead, ShardRecord, StreamDescription,
};
use crate::source::BoxFuture;

/// The longest that a call may take; a read may bring 10 MB.
const CALL_MAX: Duration = Duration::from_secs(30);
/// A shard counts every call: only who reads it may repeat one.
const TRIES: u32 = 1;

/// The SDK's client and the stream that it is for.
pub(super) struct SdkKinesis {
    client: aws_sdk_kinesis::Client,
    name: Option<String>,
    arn: Option<String>,
}

impl SdkKinesis {
    pub(super) fn new(which: &WhichStream, access: AwsAccess) -> Self {
        let config = aws_sdk_kinesis::Config::from(&access.to_sdk(CALL_MAX, TRIES));
        let (name, arn) = match which {
            WhichStream::Name(name) => (Some(name.clone()), None),
            WhichStream::Arn(arn) => (None, Some(arn.to_string())),
        };
        Self { client: aws_sdk_kinesis::Client::from_conf(config), name, arn }
    }

    async fn describe(&self) -> Result<StreamDescription, KinesisError> {
        let call = self.client.describe_stream_summary();
        let call = call.set_stream_name(self.name.clone()).set_stream_arn(self.arn.clone());
        let answer = call.send().await.map_err(told)?;
        let told = answer.stream_description_summary;
        let told =
            told.ok_or_else(|| KinesisError::Refused("DescribeStreamSummary told nothing".to_owned()))?;
        Ok(description(told.stream_arn, millis(Some(&told.stream_creation_timestamp))))
    }

    async fn list(&self, after: Option<String>) -> Result<Page, KinesisError> {
        let call = self.client.list_shards();
        // A token names the stream itself; with both the call is refused.
        let call = match after {
            Some(token) => call.next_token(token),
            None => call.set_stream_name(self.name.clone()).set_stream_arn(self.arn.clone()),
        };
        let answer = call.send().await.map_err(told)?;
        let shard = |it: aws_sdk_kinesis::types::Shard| ShardInfo {
            id: it.shard_id,
            parents: it.parent_shard_id.into_iter().chain(it.adjacent_parent_shard_id).collect(),
            is_closed: it.sequence_number_range.is_some_and(|it| it.ending_sequence_number.is_some()),
        };
        Ok(Page {
            shards: answer.shards.unwrap_or_default().into_iter().map(shard).collect(),
            next: answer.next_token,
        })
    }

    async fn iterator(&self, shard: &str, begin: IteratorAt) -> Result<String, KinesisError> {
        let call = self.client.get_shard_iterator().shard_id(shard);
        let call = call.set_stream_name(self.name.clone()).set_stream_arn(self.arn.clone());
        let call = match begin {
            IteratorAt::First => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            IteratorAt::At(number) => {
                call.shard_iterator_type(ShardIteratorType::AtSequenceNumber).starting_sequence_number(number)
            }
            IteratorAt::Time(at) => {
                call.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_millis(at))
            }
        };
        let iterator = call.send().await.map_err(told)?.shard_iterator;
        iterator.ok_or_else(|| KinesisError::Refused("GetShardIterator gave no iterator".to_owned()))
    }

    async fn records(&self, iterator: &str, n_max: u32) -> Result<ShardRead, KinesisError> {
        let call = self.client.get_records().shard_iterator(iterator).set_stream_arn(self.arn.clone());
        let answer = call.limit(i32::try_from(n_max).unwrap_or(i32::MAX)).send().await.map_err(told)?;
        let child = |it: aws_sdk_kinesis::types::ChildShard| ShardInfo {
            id: it.shard_id,
            parents: it.parent_shards,
            is_closed: false,
        };
        Ok(ShardRead {
            records: answer.records.into_iter().map(received).collect(),
            next: answer.next_shard_iterator,
            behind_ms: answer.millis_behind_latest,
            children: answer.child_shards.unwrap_or_default().into_iter().map(child).collect(),
        })
    }
}

impl ShardCalls for SdkKinesis {
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
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A client for a stream; nothing is called yet.
pub(super) fn connect(which: &WhichStream, access: AwsAccess) -> Arc<dyn ShardCalls> {
    Arc::new(SdkKinesis::new(which, access))
}

/// A stream that is made anew under its name has the same ARN: the time when it was made tells it apart.
pub(super) fn description(arn: String, created_ms: i64) -> StreamDescription {
    StreamDescription { identity: format!("{arn} made at {created_ms}"), arn }
}

/// All texts and bytes are moved, none is copied.
fn received(record: aws_sdk_kinesis::types::Record) -> ShardRecord {
    ShardRecord {
        sequence: record.sequence_number,
        key: record.partition_key.unwrap_or_default().into(),
        arrival_ms: millis(record.approximate_arrival_timestamp.as_ref()),
        data: record.data.into_inner().into(),
        facts_idx: usize::from(matches!(record.encryption_type, Some(EncryptionType::Kms))),
    }
}

fn millis(at: Option<&DateTime>) -> i64 {
    at.and_then(|it| it.to_millis().ok()).unwrap_or_default()
}

fn told<E, R>(error: SdkError<E, R>) -> KinesisError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match SdkFailure::of(&error) {
        SdkFailure::Answered(code, text) => KinesisError::answered(&code, text),
        SdkFailure::Unusable(text) => KinesisError::Refused(text),
        SdkFailure::NoCredentials(text) => KinesisError::NoCredentials(text),
        SdkFailure::Unreachable(text) => KinesisError::Unreachable(text),
    }
}
