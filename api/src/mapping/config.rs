//! A mapping of the API as a draft of what runs, and in the words of a config file, which `forebay export`
//! writes.

use forebay_config::aws::words::{AwsInConfig, AwsWords};
use forebay_config::settings::{AwsMembers, in_config_words, is_nothing};
use forebay_config::{Arn, Draft, Sources};
use serde_json::{Map, Value, json};

use super::answer::MappingConfiguration;
use crate::error::ApiError;

/// A mapping that this daemon cannot run, however well it is asked for.
fn not_built_in(what: &str) -> ApiError {
    ApiError::invalid(format!("{what} are not built into this event source mapping engine."))
}

/// What a mapping is called and does beside what the API shows of it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Its name in a config.
    pub name: &'a str,
    /// Whether it is to run.
    pub is_enabled: bool,
    /// The word for its function.
    pub function_name: &'a str,
}

impl MappingConfiguration {
    /// What it asks for.
    ///
    /// # Errors
    /// Its source is not built in, or a setting has no meaning here: it is refused, not ignored.
    pub fn draft(
        &self,
        source: &AwsWords,
        named: Named<'_>,
        sources: &dyn Sources,
    ) -> Result<Draft, ApiError> {
        let members = self.members(named)?;
        Ok(Draft::of_request(named.name, &self.source_as_config(source)?, &members, sources))
    }

    /// The mapping as a config file has it.
    ///
    /// # Errors
    /// As [`draft`](Self::draft).
    pub fn as_config(&self, source: &AwsWords, named: Named<'_>) -> Result<Value, ApiError> {
        let mut config = Map::new();
        config.insert("name".to_owned(), json!(named.name));
        config.insert("enabled".to_owned(), json!(named.is_enabled));
        config.insert("source".to_owned(), self.source_as_config(source)?);
        if let Value::Object(settings) = in_config_words(&self.members(named)?) {
            config.extend(settings);
        }
        Ok(Value::Object(config))
    }

    /// All that it asks for.
    fn members(&self, named: Named<'_>) -> Result<AwsMembers, ApiError> {
        // `MetricsConfig` has no counterpart: metrics of every group are always there, so whoever asks for
        // some has them.
        if self.settings.get("KMSKeyArn").is_some_and(|it| !is_nothing(it)) {
            return Err(ApiError::invalid(
                "Unsupported KMSKeyArn parameter: filter criteria are not encrypted by this event source mapping engine.",
            ));
        }
        let mut members = self.source.and(&self.settings);
        members.put("Enabled", json!(named.is_enabled));
        members.put("FunctionName", json!(named.function_name));
        Ok(members)
    }

    /// What stands under `source`.
    fn source_as_config(&self, source: &AwsWords) -> Result<Value, ApiError> {
        match source.source.ok_or_else(|| not_built_in(source.what))? {
            AwsInConfig::Arn(as_config) => {
                let arn = self.source.event_source_arn.as_deref().and_then(Arn::parse);
                arn.map(|arn| as_config(&arn)).ok_or_else(|| ApiError::invalid("Unrecognized event source."))
            }
            AwsInConfig::Members(as_config) => {
                as_config(&self.source.and(&self.settings)).map_err(ApiError::invalid)
            }
        }
    }
}
