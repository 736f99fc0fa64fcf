//! Pages of mappings: by UUID, filtered as the call asks, with a marker that belongs to its list.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forebay_api::error::ApiError;
use forebay_api::mapping::{ListMappings, MappingConfiguration, MappingList};
use forebay_clients::Clients;
use sha2::{Digest, Sha256};

use super::resolve::arn_of;

/// How much of a digest says to which list a marker belongs.
const MARK_BYTES: usize = 8;

/// One page.
///
/// # Errors
/// The marker is none, or of another list.
pub(super) fn page(all: &BTreeMap<String, MappingConfiguration>, asked: &ListMappings, clients: &Clients) -> Result<MappingList, ApiError> {
    let after = asked.marker.as_deref().map(|marker| read(marker, asked)).transpose()?;
    let function = asked.function_name.as_deref().map(|name| arn_of(name, clients).unwrap_or_default());
    let fits = |it: &&MappingConfiguration| {
        asked.event_source_arn.as_ref().is_none_or(|arn| it.source.event_source_arn.as_ref() == Some(arn))
            && function.as_ref().is_none_or(|arn| it.function_arn == *arn)
    };
    let mut rest = all.values().filter(|it| after.as_ref().is_none_or(|after| it.uuid > *after)).filter(fits);
    let event_source_mappings: Vec<_> = rest.by_ref().take(asked.page_size()).cloned().collect();
    let last = event_source_mappings.last().filter(|_| rest.next().is_some());
    Ok(MappingList { next_marker: last.map(|it| write(&it.uuid, asked)), event_source_mappings })
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
    uuid.filter(|_| mark_of == mark(asked)).ok_or_else(wrong)
}
