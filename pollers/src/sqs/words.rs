//! What Lambda's API says of queues, standard and FIFO.

use forebay_config::aws::words::{AwsInConfig, AwsLimits, AwsNamed, AwsWords};
use forebay_config::{Arn, Code};
use serde_json::{Value, json};

use super::{BATCH_SIZE_WITHOUT_WINDOW_MAX, FIFO_BATCH_SIZE_MAX};

pub(super) static ALL: [&AwsWords; 2] = [&STANDARD, &FIFO];

static STANDARD: AwsWords = AwsWords {
    what: "SQS queues",
    named: AwsNamed::Arn(|arn| arn.service == "sqs" && !is_fifo(arn)),
    is_queue: true,
    starts: None,
    parameters: &[
        "FilterCriteria",
        "FunctionResponseTypes",
        "KMSKeyArn",
        "MetricsConfig",
        "ProvisionedPollerConfig",
        "ScalingConfig",
    ],
    metrics: &["EventCount"],
    required: &[],
    limits: of_standard,
    pollers_min: 2,
    defaults,
    user_reason: "USER_INITIATED",
    twice: "An event source mapping with SQS arn (\" {arn} \") and function (\" {function} \")",
    refusals: &[
        (
            Code("FB-0210"),
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The \
             specified queue does not exist.",
        ),
        (
            Code("FB-0211"),
            "The execution role does not have permissions to call ReceiveMessage on SQS ({cause})",
        ),
        (
            Code("FB-0215"),
            "Queue visibility timeout: 0 seconds is less than Function timeout: {timeout} seconds",
        ),
    ],
    source: Some(AwsInConfig::Arn(
        |arn| json!({ "sqs": { "queue": arn.resource, "aws": { "region": arn.region, "account_id": arn.account } } }),
    )),
};

static FIFO: AwsWords = AwsWords {
    named: AwsNamed::Arn(|arn| arn.service == "sqs" && is_fifo(arn)),
    limits: of_fifo,
    ..STANDARD
};

fn is_fifo(arn: &Arn) -> bool {
    arn.resource.ends_with(".fifo")
}

fn of_standard(it: &AwsLimits) -> Option<&'static str> {
    if it.batch_size > BATCH_SIZE_WITHOUT_WINDOW_MAX && it.window_seconds == 0 {
        return Some(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        );
    }
    None
}

fn of_fifo(it: &AwsLimits) -> Option<&'static str> {
    if it.window_seconds > 0 {
        return Some("Batching window is not supported for FIFO queues");
    }
    if it.batch_size > FIFO_BATCH_SIZE_MAX {
        return Some("Batch size must not be greater than 10 for FIFO queues");
    }
    None
}

fn defaults(_uuid: &str) -> Value {
    json!({ "BatchSize": 10, "FunctionResponseTypes": [], "MaximumBatchingWindowInSeconds": 0 })
}
