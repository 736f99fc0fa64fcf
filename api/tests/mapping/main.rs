//! The mapping API as a client sees it: requests in bytes, errors and answers in bytes.

mod answers;
mod calls;
mod errors;
mod hostile;

use forebay_api::error::ApiError;
use forebay_api::mapping::{
    Call, CreateMapping, EpochMillis, Operation, UpdateMapping, checks, known_sources,
};
use forebay_config::aws::AwsWords;
use serde_json::{Value, json};

pub(crate) const PATH: &str = "/2015-03-31/event-source-mappings";
pub(crate) const ID: &str = "14e0db71-5d35-4eb5-b481-8945cf9d10c2";
pub(crate) const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:q";
pub(crate) const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/s";
pub(crate) const TABLE: &str =
    "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/2026-01-01T00:00:00.000";
pub(crate) const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/c/id";
pub(crate) const NOW: EpochMillis = EpochMillis(1_795_000_000_250);

/// Finds and reads a call.
pub(crate) fn read(method: &str, target: &str, body: &[u8]) -> Result<Option<Call>, ApiError> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    Operation::find(method, path)?.map(|it| it.read(query, body)).transpose()
}

/// A create of this body, taken through every check in AWS's order; the function is there.
pub(crate) fn create(body: &Value) -> Result<(CreateMapping, &'static AwsWords), ApiError> {
    let Some(Call::Create(create)) = read("POST", PATH, body.to_string().as_bytes())? else {
        panic!("{body} is a create")
    };
    let source = checks::parameters_of_create(&create, &known_sources(forebay_pollers::aws_words()))?;
    checks::position_and_filters(&create, source, NOW)?;
    Ok((*create, source))
}

/// An update of this body.
pub(crate) fn update(body: &Value) -> Result<UpdateMapping, ApiError> {
    let Some(Call::Update(id, update)) = read("PUT", &format!("{PATH}/{ID}"), body.to_string().as_bytes())?
    else {
        panic!("{body} is an update")
    };
    assert_eq!(id, ID);
    Ok(*update)
}

/// The function, a source and further members.
pub(crate) fn body(source: &str, more: Value) -> Value {
    let mut body = json!({ "FunctionName": "f", "EventSourceArn": source });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

/// Kafka of one's own with further members.
pub(crate) fn own_kafka(more: Value) -> Value {
    let mut whole = body("", more);
    if let Some(whole) = whole.as_object_mut() {
        whole.remove("EventSourceArn");
        whole.insert(
            "SelfManagedEventSource".to_owned(),
            json!({ "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": ["b:9092"] } }),
        );
        whole.insert("Topics".to_owned(), json!(["tt"]));
    }
    whole
}
