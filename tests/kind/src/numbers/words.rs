//! What Lambda's API says of it, as if AWS had such a source: `arn:aws:numbers:region:account:series/2x100`
//! is two tracks that count to 100.

use forebay_config::Arn;
use forebay_config::aws::words::{AwsInConfig, AwsNamed, AwsStarts, AwsWords, no_rule};
use serde_json::json;

pub(super) static ALL: [&AwsWords; 1] = [&AwsWords {
    what: "series of numbers",
    named: AwsNamed::Arn(|arn| series(arn).is_some()),
    is_queue: false,
    starts: Some(AwsStarts { at_timestamp: false, first_is_default: false }),
    parameters: &[
        "BisectBatchOnFunctionError",
        "FilterCriteria",
        "FunctionResponseTypes",
        "MaximumRetryAttempts",
    ],
    metrics: &["EventCount"],
    required: &[],
    limits: no_rule,
    pollers_min: 1,
    defaults: |_uuid| {
        json!({ "BatchSize": 100, "BisectBatchOnFunctionError": false, "FunctionResponseTypes": [],
                "MaximumBatchingWindowInSeconds": 0, "MaximumRetryAttempts": -1 })
    },
    user_reason: "User action",
    twice: "The series (\" {arn} \") and function (\" {function} \") have a mapping",
    refusals: &[],
    source: Some(AwsInConfig::Arn(|arn| {
        let (n_tracks, up_to) = series(arn).unwrap_or_default();
        json!({ "numbers": { "tracks": n_tracks, "up_to": up_to } })
    })),
}];

/// How many tracks, and their last number.
fn series(arn: &Arn) -> Option<(u32, u64)> {
    let (n_tracks, up_to) = arn.resource.strip_prefix("series/")?.split_once('x')?;
    (arn.service == "numbers").then_some((n_tracks.parse().ok()?, up_to.parse().ok()?))
}
