//! What Lambda's API says alike of all streams that are read shard by shard.

use serde_json::{Value, json};

/// Members that a mapping of such a stream may have.
pub(crate) const PARAMETERS: &[&str] = &[
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "FilterCriteria",
    "FunctionResponseTypes",
    "KMSKeyArn",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "MetricsConfig",
    "ParallelizationFactor",
    "TumblingWindowInSeconds",
];

/// The refusal of a second mapping of the same stream and function.
pub(crate) const TWICE: &str =
    "The event source arn (\" {arn} \") and function (\" {function} \") provided mapping";

/// What stands in a mapping that says nothing of it.
pub(crate) fn defaults(_uuid: &str) -> Value {
    json!({
        "BatchSize": 100,
        "BisectBatchOnFunctionError": false,
        "DestinationConfig": { "OnFailure": {} },
        "FunctionResponseTypes": [],
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
        "TumblingWindowInSeconds": 0,
    })
}
