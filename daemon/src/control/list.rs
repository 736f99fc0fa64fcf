//! Pages of mappings: by UUID, filtered as the call asks, with a marker that belongs to its list.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forebay_api::error::ApiError;
use forebay_api::mapping::{ListMappings, MappingConfiguration, MappingList};
use forebay_config::function::LambdaName;
use sha2::{Digest, Sha256};

/// How much of a digest says to which list a marker belongs.
const MARK_BYTES: usize = 8;

/// One page.
///
/// # Errors
/// The marker is none, or of another list.
pub(super) fn page(
    all: &BTreeMap<String, MappingConfiguration>,
    asked: &ListMappings,
) -> Result<MappingList, ApiError> {
    let after = asked.marker.as_deref().map(|marker| read(marker, asked)).transpose()?;
    let fits = |it: &&MappingConfiguration| {
        asked.event_source_arn.as_ref().is_none_or(|arn| it.source.event_source_arn.as_ref() == Some(arn))
            && asked.function_name.as_ref().is_none_or(|name| is_called(&it.function_arn, name))
    };
    // From an id on and not from a number: what comes and goes between two pages shifts nothing.
    let mut rest = all.values().filter(|it| after.as_ref().is_none_or(|after| it.uuid > *after)).filter(fits);
    let event_source_mappings: Vec<_> = rest.by_ref().take(asked.page_size()).cloned().collect();
    // A marker only where something follows: clients ask on for as long as they get one.
    let last = event_source_mappings.last().filter(|_| rest.next().is_some());
    Ok(MappingList { next_marker: last.map(|it| write(&it.uuid, asked)), event_source_mappings })
}

/// Whether a name means a function, with the same version or alias or none. A name that holds no region or
/// account means it wherever it is: the Lambda endpoint that it was found at says these, not the config.
fn is_called(function_arn: &str, name: &str) -> bool {
    let (Some((function, qualifier)), Some((asked, asked_qualifier))) =
        (LambdaName::parse(function_arn), LambdaName::parse(name))
    else {
        return false;
    };
    function.bare() == asked.bare()
        && qualifier == asked_qualifier
        && asked.account().is_none_or(|it| function.account() == Some(it))
        && asked.region().is_none_or(|it| function.region() == Some(it))
}

/// What the list is of.
fn mark(asked: &ListMappings) -> Vec<u8> {
    let text = serde_json::json!([asked.event_source_arn, asked.function_name]).to_string();
    Sha256::digest(text)[..MARK_BYTES].to_vec()
}

fn write(uuid: &str, asked: &ListMappings) -> String {
    URL_SAFE_NO_PAD.encode([&mark(asked), uuid.as_bytes()].concat())
}

fn read(marker: &str, asked: &ListMappings) -> Result<String, ApiError> {
    let wrong = || ApiError::invalid("Invalid marker: it is none of this list.");
    let bytes = URL_SAFE_NO_PAD.decode(marker).map_err(|_| wrong())?;
    let (mark_of, uuid) = bytes.split_at_checked(MARK_BYTES).ok_or_else(wrong)?;
    let uuid = String::from_utf8(uuid.to_vec()).ok().filter(|it| uuid::Uuid::parse_str(it).is_ok());
    // Within another list the id would pass over mappings that were never shown.
    uuid.filter(|_| mark_of == mark(asked)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_region_and_account_means_a_function_wherever_it_is() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f";
        for name in ["f", "123456789012:function:f", arn] {
            assert!(is_called(arn, name), "{name}");
            assert!(
                !is_called(&format!("{arn}:1"), name) && is_called(&format!("{arn}:1"), &format!("{name}:1")),
                "{name}"
            );
        }
        for other in [
            "g",
            "f:1",
            "000000000000:function:f",
            "arn:aws:lambda:us-east-1:123456789012:function:f",
            "no name",
        ] {
            assert!(!is_called(arn, other), "{other}");
        }
    }
}
