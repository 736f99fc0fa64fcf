//! What Lambda's API says of Kinesis streams.

use forebay_config::Code;
use forebay_config::aws::words::{AwsInConfig, AwsNamed, AwsStarts, AwsWords, no_rule};
use serde_json::json;

use crate::shards::words::{PARAMETERS, TWICE, defaults};

pub(super) static ALL: [&AwsWords; 1] = [&STREAM];

static STREAM: AwsWords = AwsWords {
    what: "Kinesis streams",
    named: AwsNamed::Arn(|arn| arn.service == "kinesis" && arn.resource.starts_with("stream/")),
    is_queue: false,
    starts: Some(AwsStarts { at_timestamp: true, first_is_default: false }),
    parameters: PARAMETERS,
    metrics: &["EventCount"],
    required: &[],
    limits: no_rule,
    pollers_min: 1,
    defaults,
    user_reason: "User action",
    twice: TWICE,
    refusals: &[
        (Code("FB-0240"), "Stream not found: {arn}"),
        // Of a consumer that is not there no sentence of AWS's is known but that of its stream.
        (Code("FB-0247"), "Stream not found: {arn}"),
        (
            Code("FB-0241"),
            "The execution role does not have permissions to call GetRecords on Kinesis ({cause})",
        ),
    ],
    source: Some(AwsInConfig::Arn(|arn| json!({ "kinesis": { "stream": arn.to_string() } }))),
};
