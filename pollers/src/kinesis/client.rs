//! What calls to Kinesis need whoever makes them: `plain` or `sdk`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use forebay_config::aws::AwsService;
use forebay_config::aws_service;

use super::error::KinesisError;
use crate::shards::StreamDescription;

/// The service of streams.
pub(super) static KINESIS: AwsService = aws_service!("kinesis", "KINESIS", "Kinesis in JSON");
/// The longest that a call may take; a read may bring 10 MB.
pub(super) const CALL_MAX: Duration = Duration::from_secs(30);
/// A shard counts every call: only who reads it may repeat one.
pub(super) const TRIES: u32 = 1;

/// A stream that is made anew under its name has the same ARN: the time when it was made tells it apart.
pub(super) fn description(arn: String, created_ms: i64) -> StreamDescription {
    StreamDescription { identity: format!("{arn} made at {created_ms}"), arn, is_disabled: false }
}

/// The same of what a server said, which may be nothing.
pub(super) fn described(arn: String, created_ms: i64) -> Result<StreamDescription, KinesisError> {
    if arn.is_empty() {
        return Err(KinesisError::Refused("DescribeStreamSummary told no StreamARN".to_owned()));
    }
    Ok(description(arn, created_ms))
}

/// The time as this machine has it, in epoch milliseconds.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
