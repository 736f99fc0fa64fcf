//! No source goes to one function twice: what AWS says when it would.

use forebay_api::error::{ApiError, ErrorType};
use forebay_api::mapping::MappingConfiguration;
use forebay_config::aws::words::AwsNamed;

use crate::built_in::BuiltIn;

/// What stands against a mapping beside another one; `None` when both may be there.
pub(super) fn conflict(new: &MappingConfiguration, other: &MappingConfiguration) -> Option<ApiError> {
    if new.uuid == other.uuid || new.function_arn != other.function_arn {
        return None;
    }
    let words = new.source.words(BuiltIn::aws_words()).ok()?;
    let (arn, servers, topics) = match words.named {
        AwsNamed::Arn(_) => {
            let arn = new
                .source
                .event_source_arn
                .as_ref()
                .filter(|arn| other.source.event_source_arn.as_ref() == Some(arn))?;
            (arn.as_str(), String::new(), String::new())
        }
        AwsNamed::Servers => {
            let topics =
                new.source.topics.as_ref().filter(|topics| other.source.topics.as_ref() == Some(topics))?;
            ("", overlap(new, other)?, topics.join(","))
        }
    };
    let function = new.function_arn.split(':').skip(6).collect::<Vec<_>>().join(":");
    let told = [
        ("{function_arn}", new.function_arn.as_str()),
        ("{function}", &function),
        ("{arn}", arn),
        ("{servers}", &servers),
        ("{topics}", &topics),
    ];
    let what =
        told.into_iter().fold(words.twice.to_owned(), |text, (place, value)| text.replace(place, value));
    let uuid = &other.uuid;
    let message =
        format!("{what} already exists. Please update or delete the existing mapping with UUID {uuid}");
    Some(ApiError::new(ErrorType::ResourceConflict, message))
}

/// The servers of the new mapping when both name one of them.
fn overlap(new: &MappingConfiguration, other: &MappingConfiguration) -> Option<String> {
    let servers = |it: &MappingConfiguration| {
        let endpoints = it
            .source
            .self_managed_event_source
            .as_ref()
            .and_then(|it| it.endpoints.clone())
            .unwrap_or_default();
        endpoints.into_values().flatten().collect::<Vec<_>>()
    };
    let (new, other) = (servers(new), servers(other));
    new.iter().any(|it| other.contains(it)).then(|| new.join(","))
}
