//! The UUIDs of mappings, by the names that they go by in the process.

use sha2::{Digest, Sha256};

/// The UUID of a mapping of either owner.
pub(crate) fn uuid_of(name: &str) -> String {
    if is_uuid(name) { name.to_owned() } else { uuid_of_written(name) }
}

/// The id under which the API shows a mapping of the config file: it follows from the name, so that it stays
/// the same.
pub(crate) fn uuid_of_written(name: &str) -> String {
    let digest = Sha256::digest(format!("forebay mapping {name}"));
    let bytes = digest.first_chunk::<16>().copied().unwrap_or_default();
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// A mapping of the API goes by its UUID.
pub(crate) fn is_uuid(name: &str) -> bool {
    uuid::Uuid::try_parse(name).is_ok_and(|it| it.hyphenated().to_string() == name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_of_the_api_is_its_own_uuid_and_one_of_the_config_has_one_by_its_name() {
        let made = "11111111-1111-4111-8111-111111111111";
        assert_eq!(uuid_of(made), made);
        assert_eq!(uuid_of("orders"), uuid_of_written("orders"));
        assert_ne!(uuid_of("orders"), uuid_of("Orders"));
        assert!(is_uuid(&uuid_of("orders")));
        assert!(!is_uuid(&made.replace('-', "")), "a name may look like this");
    }
}
