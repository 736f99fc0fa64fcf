//! The calls by AWS's SDK: the one file that knows it.

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{EncryptionType, ShardIteratorType};
use forebay_batcher::RecordId;
use forebay_clients::{AwsAccess, CallFailure};

use super::choice::WhichStream;
use super::client::{CALL_MAX, TRIES, described, now_ms};
use super::data::ENCRYPTED;
use super::error::KinesisError;
use crate::shards::{
    IteratorAt, Page, ShardCalls, ShardError, ShardInfo, ShardRead, ShardRecord, StreamDescription,
    digits_with_zeros,
};
use crate::source::BoxFuture;

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
        let told = told.map(|it| (it.stream_arn, millis(Some(&it.stream_creation_timestamp))));
        let (arn, created_ms) = told.unwrap_or_default();
        described(arn, created_ms)
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
            n_digits: it
                .sequence_number_range
                .as_ref()
                .map_or(0, |it| digits_with_zeros(&it.starting_sequence_number)),
            is_closed: it.sequence_number_range.is_some_and(|it| it.ending_sequence_number.is_some()),
            last: None,
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
            IteratorAt::Latest => call.shard_iterator_type(ShardIteratorType::Latest),
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
            last: None,
            n_digits: 0,
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
        now_ms()
    }
}

/// All texts and bytes are moved, none is copied.
fn received(record: aws_sdk_kinesis::types::Record) -> ShardRecord {
    ShardRecord {
        id: RecordId::new(record.sequence_number.as_bytes()),
        key: record.partition_key.unwrap_or_default().into(),
        arrival_ms: millis(record.approximate_arrival_timestamp.as_ref()),
        data: record.data.into_inner().into(),
        facts_idx: if matches!(record.encryption_type, Some(EncryptionType::Kms)) { ENCRYPTED } else { 0 },
    }
}

/// To the nearest: what is written `.987` comes as 986 milliseconds and nearly a million nanoseconds.
fn millis(at: Option<&DateTime>) -> i64 {
    let millis = |it: &DateTime| {
        it.secs().saturating_mul(1_000).saturating_add((i64::from(it.subsec_nanos()) + 500_000) / 1_000_000)
    };
    at.map_or(0, millis)
}

fn told<E, R>(error: SdkError<E, R>) -> KinesisError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    CallFailure::of(&error).into()
}
