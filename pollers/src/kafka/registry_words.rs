//! What Lambda's API says of a schema registry, as a config file says it.

use forebay_config::settings::is_nothing;
use serde_json::{Value, json};

/// What stands under `schema_registry` for a `SchemaRegistryConfig`; `None` where that asks for nothing. The error is
/// what the API answers.
pub(super) fn registry_in_config(config: Option<&Value>) -> Result<Option<Value>, String> {
    let Some(config) = config.filter(|it| !is_nothing(it)) else { return Ok(None) };
    let missing = |name: &str| format!("Required 'schemaRegistryConfig.{name}' parameter is missing.");
    let text = |name: &str| config[name].as_str().filter(|it| !it.is_empty());
    let uri = text("SchemaRegistryURI").ok_or_else(|| missing("schemaRegistryURI"))?;
    let format = text("EventRecordFormat").ok_or_else(|| missing("eventRecordFormat"))?;
    let of = |name: &str| config[name].as_array().cloned().unwrap_or_default();
    let validated: Vec<Value> =
        of("SchemaValidationConfigs").iter().map(|it| it["Attribute"].clone()).collect();
    if validated.is_empty() {
        return Err(missing("schemaValidationConfigs"));
    }
    let place = if uri.starts_with("arn:") { "arn" } else { "url" };
    let mut registry = json!({ place: uri, "event_record_format": format, "validate": validated });
    for access in of("AccessConfigs") {
        let kind = access["Type"].as_str().unwrap_or_default();
        let key = match kind {
            "BASIC_AUTH" => "basic_auth",
            "CLIENT_CERTIFICATE_TLS_AUTH" => "client_certificate",
            "SERVER_ROOT_CA_CERTIFICATE" => "ca_certificate",
            _ => {
                return Err(format!(
                    "Unsupported AccessConfigs type {kind}: this event source mapping engine fetches no OAuth tokens for schema registries. A config file may name a token as `access.bearer`."
                ));
            }
        };
        if registry["access"].get(key).is_some() {
            return Err(format!("AccessConfigs name {kind} twice."));
        }
        registry["access"][key] = access["URI"].clone();
    }
    Ok(Some(registry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(more: Value) -> Value {
        let mut config = json!({
            "SchemaRegistryURI": "https://registry:8081", "EventRecordFormat": "JSON",
            "SchemaValidationConfigs": [{ "Attribute": "KEY" }, { "Attribute": "VALUE" }],
        });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    }

    #[test]
    fn what_is_asked_for_stands_in_a_config_file_in_its_own_words() {
        let plain = registry_in_config(Some(&asked(json!({})))).unwrap().unwrap();
        let wanted = json!({ "url": "https://registry:8081", "event_record_format": "JSON", "validate": ["KEY", "VALUE"] });
        assert_eq!(plain, wanted);
        let access = |kind: &str, uri: &str| json!({ "Type": kind, "URI": uri });
        let accesses = [
            access("BASIC_AUTH", "a"),
            access("CLIENT_CERTIFICATE_TLS_AUTH", "b"),
            access("SERVER_ROOT_CA_CERTIFICATE", "c"),
        ];
        let shown = registry_in_config(Some(&asked(json!({ "AccessConfigs": accesses })))).unwrap().unwrap();
        let wanted = json!({ "basic_auth": "a", "client_certificate": "b", "ca_certificate": "c" });
        assert_eq!(shown["access"], wanted);
        let arn = "arn:aws:glue:eu-west-1:123456789012:registry/r";
        let glue = registry_in_config(Some(&asked(json!({ "SchemaRegistryURI": arn })))).unwrap().unwrap();
        assert_eq!((&glue["arn"], glue.get("url")), (&json!(arn), None));
        for nothing in [None, Some(&Value::Null), Some(&json!({}))] {
            assert_eq!(registry_in_config(nothing), Ok(None));
        }
    }

    #[test]
    fn what_is_missing_or_not_obeyed_is_refused_by_name() {
        for (more, name) in [
            (json!({ "SchemaRegistryURI": null }), "schemaRegistryURI"),
            (json!({ "EventRecordFormat": null }), "eventRecordFormat"),
            (json!({ "SchemaValidationConfigs": [] }), "schemaValidationConfigs"),
            (json!({ "AccessConfigs": [{ "Type": "OAUTHBEARER_AUTH", "URI": "it" }] }), "OAUTHBEARER_AUTH"),
            (
                json!({ "AccessConfigs": [{ "Type": "BASIC_AUTH", "URI": "a" }, { "Type": "BASIC_AUTH", "URI": "b" }] }),
                "BASIC_AUTH twice",
            ),
        ] {
            let refused = registry_in_config(Some(&asked(more))).unwrap_err();
            assert!(refused.contains(name), "{refused}");
        }
    }
}
