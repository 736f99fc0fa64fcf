//! Sources that AWS has and that no kind of this engine reads yet: their mappings are checked as AWS checks
//! them, then refused by name.
//!
//! Whoever builds a kind moves its words into the kind's folder and gives them a `source`.

use forebay_config::aws::words::{AwsNamed, AwsStarts, AwsWords, no_rule};
use serde_json::json;

const STARTS: Option<AwsStarts> = Some(AwsStarts { at_timestamp: true, first_is_default: false });

/// What is known of event sources: of those that are built in first, then of these.
pub fn known_sources(built_in: impl IntoIterator<Item = &'static AwsWords>) -> Vec<&'static AwsWords> {
    built_in.into_iter().chain([&MQ, &DOCUMENT_DB]).collect()
}

/// What the others do not say is as here.
static MQ: AwsWords = AwsWords {
    what: "Amazon MQ queues",
    named: AwsNamed::Arn(|arn| arn.service == "mq" && arn.resource.starts_with("broker:")),
    is_queue: false,
    starts: None,
    parameters: &["FilterCriteria", "KMSKeyArn", "Queues", "SourceAccessConfigurations"],
    metrics: &["EventCount"],
    required: &["queues"],
    limits: no_rule,
    pollers_min: 1,
    defaults: |_uuid| json!({ "BatchSize": 100 }),
    user_reason: "USER_INITIATED",
    twice: "The event source arn (\" {arn} \") and function (\" {function} \") provided mapping",
    refusals: &[],
    source: None,
};

static DOCUMENT_DB: AwsWords = AwsWords {
    what: "DocumentDB change streams",
    named: AwsNamed::Arn(|arn| arn.service == "rds" && arn.resource.starts_with("cluster:")),
    starts: STARTS,
    parameters: &["DocumentDBEventSourceConfig", "SourceAccessConfigurations"],
    required: &[],
    ..MQ
};
