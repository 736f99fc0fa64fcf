//! What Lambda's API says of streams of DynamoDB's tables.

use forebay_config::Code;
use forebay_config::aws::words::{AwsInConfig, AwsNamed, AwsStarts, AwsWords, no_rule};
use serde_json::json;

use crate::shards::words::{PARAMETERS, TWICE, defaults};

pub(super) static ALL: [&AwsWords; 1] = [&STREAM];

static STREAM: AwsWords = AwsWords {
    what: "DynamoDB streams",
    named: AwsNamed::Arn(|arn| {
        arn.service == "dynamodb" && arn.resource.starts_with("table/") && arn.resource.contains("/stream/")
    }),
    is_queue: false,
    starts: Some(AwsStarts { at_timestamp: false, first_is_default: false }),
    parameters: PARAMETERS,
    metrics: &["EventCount"],
    required: &[],
    limits: no_rule,
    pollers_min: 1,
    defaults,
    user_reason: "User action",
    twice: TWICE,
    refusals: &[
        (Code("FB-0250"), "Stream not found: {arn}"),
        (
            Code("FB-0251"),
            "The execution role does not have permissions to call GetRecords on DynamoDB Streams ({cause})",
        ),
    ],
    source: Some(AwsInConfig::Arn(|arn| json!({ "dynamodb": { "table": arn.to_string() } }))),
};
