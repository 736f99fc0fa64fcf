//! No source goes to one function twice: what AWS says when it would.

use forebay_api::error::{ApiError, ErrorType};
use forebay_api::mapping::{MappingConfiguration, SourceType};

/// What stands against a mapping beside another one; `None` when both may be there.
pub(super) fn conflict(new: &MappingConfiguration, other: &MappingConfiguration) -> Option<ApiError> {
    if new.uuid == other.uuid || new.function_arn != other.function_arn {
        return None;
    }
    let source = SourceType::of(&new.source).ok()?;
    let uuid = &other.uuid;
    let advice = format!("already exists. Please update or delete the existing mapping with UUID {uuid}");
    let message = if source == SourceType::SelfManagedKafka {
        let servers = overlap(new, other)?;
        let topics = new.source.topics.as_ref().filter(|topics| other.source.topics.as_ref() == Some(topics))?.join(",");
        let function = &new.function_arn;
        format!("An event source mapping with event source (\"{servers}\"), function (\"{function}\"), topics (\"{topics}\") {advice}")
    } else {
        let arn = new.source.event_source_arn.as_ref().filter(|arn| other.source.event_source_arn.as_ref() == Some(arn))?;
        let function = new.function_arn.split(':').skip(6).collect::<Vec<_>>().join(":");
        match source {
            SourceType::Sqs | SourceType::SqsFifo => {
                format!("An event source mapping with SQS arn (\" {arn} \") and function (\" {function} \") {advice}")
            }
            SourceType::Kinesis
            | SourceType::DynamoDb
            | SourceType::ManagedKafka
            | SourceType::SelfManagedKafka
            | SourceType::Mq
            | SourceType::DocumentDb => {
                format!("The event source arn (\" {arn} \") and function (\" {function} \") provided mapping {advice}")
            }
        }
    };
    Some(ApiError::new(ErrorType::ResourceConflict, message))
}

/// The servers of the new mapping when both name one of them.
fn overlap(new: &MappingConfiguration, other: &MappingConfiguration) -> Option<String> {
    let servers = |it: &MappingConfiguration| {
        let endpoints = it.source.self_managed_event_source.as_ref().and_then(|it| it.endpoints.clone()).unwrap_or_default();
        endpoints.into_values().flatten().collect::<Vec<_>>()
    };
    let (new, other) = (servers(new), servers(other));
    new.iter().any(|it| other.contains(it)).then(|| new.join(","))
}
