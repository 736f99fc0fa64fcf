//! A mapping of the API in the words of a config file: what runs is made of this, and `forebay export` writes
//! it.

use forebay_config::Arn;
use forebay_config::aws::words::AwsWords;
use serde_json::{Map, Value, json};

use super::answer::MappingConfiguration;
use super::parts::{EpochMillis, StartingPosition};
use super::request::Settings;
use crate::error::ApiError;

/// A mapping that this daemon cannot run, however well it is asked for.
fn not_built_in(what: &str) -> ApiError {
    ApiError::invalid(format!("{what} are not built into this event source mapping engine."))
}

impl MappingConfiguration {
    /// The mapping of this source as a config file has it, under this name and with this word for its
    /// function.
    ///
    /// # Errors
    /// Its source is not built in, or a setting has no meaning here: it is refused, not ignored.
    pub fn as_config(
        &self,
        source: &AwsWords,
        name: &str,
        is_enabled: bool,
        function_name: &str,
    ) -> Result<Value, ApiError> {
        let mut config = Map::new();
        config.insert("name".to_owned(), json!(name));
        config.insert("enabled".to_owned(), json!(is_enabled));
        config.insert("source".to_owned(), self.source_as_config(source)?);
        config.insert("function_name".to_owned(), json!(function_name));
        if let Some(start) = self.source.starting_position {
            config.insert("starting_position".to_owned(), serde_json::to_value(start).unwrap_or_default());
            if let (StartingPosition::AtTimestamp, Some(EpochMillis(at))) =
                (start, self.source.starting_position_timestamp)
            {
                config.insert("starting_position_timestamp".to_owned(), seconds(at));
            }
        }
        settings_as_config(&self.settings, &mut config)?;
        Ok(Value::Object(config))
    }

    /// What stands under `source`.
    fn source_as_config(&self, source: &AwsWords) -> Result<Value, ApiError> {
        let as_config = source.source.ok_or_else(|| not_built_in(source.what))?;
        let arn = self.source.event_source_arn.as_deref().and_then(Arn::parse);
        arn.map(|arn| as_config(&arn)).ok_or_else(|| ApiError::invalid("Unrecognized event source."))
    }
}

/// The settings that have a counterpart; one that asks for something we do not do is an error.
fn settings_as_config(it: &Settings, config: &mut Map<String, Value>) -> Result<(), ApiError> {
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(key.to_owned(), value);
        }
    };
    put("batch_size", it.batch_size.map(Value::from));
    put(
        "maximum_batching_window_in_seconds",
        it.maximum_batching_window_in_seconds.filter(|it| *it > 0).map(Value::from),
    );
    put("parallelization_factor", it.parallelization_factor.map(Value::from));
    put("tumbling_window_in_seconds", it.tumbling_window_in_seconds.filter(|it| *it > 0).map(Value::from));
    put("maximum_retry_attempts", it.maximum_retry_attempts.map(Value::from));
    put("maximum_record_age_in_seconds", it.maximum_record_age_in_seconds.map(Value::from));
    put("bisect_batch_on_function_error", it.bisect_batch_on_function_error.map(Value::from));
    put(
        "function_response_types",
        it.function_response_types.as_ref().filter(|it| !it.is_empty()).map(|it| json!(it)),
    );
    let destination =
        it.destination_config.as_ref().and_then(|it| it.on_failure.as_ref()?.destination.as_ref());
    put("destination_config", destination.map(|arn| json!({ "on_failure": { "destination_arn": arn } })));
    let filters = it.filter_criteria.as_ref().and_then(|it| it.filters.as_ref()).filter(|it| !it.is_empty());
    let patterns = filters.map(|it| it.iter().map(|it| json!({ "pattern": it.pattern })).collect::<Vec<_>>());
    put("filter_criteria", patterns.map(|it| json!({ "filter": it })));
    let concurrency = it.scaling_config.as_ref().and_then(|it| it.maximum_concurrency);
    put("scaling_config", concurrency.map(|it| json!({ "maximum_concurrency": it })));
    let pollers = it.provisioned_poller_config.as_ref().map(|it| {
        let bounds = [("minimum_pollers", it.minimum_pollers), ("maximum_pollers", it.maximum_pollers)];
        bounds
            .into_iter()
            .filter_map(|(key, bound)| Some((key.to_owned(), Value::from(bound?))))
            .collect::<Map<_, _>>()
    });
    put("provisioned_poller_config", pollers.filter(|it| !it.is_empty()).map(Value::Object));
    // `MetricsConfig` has no counterpart: metrics of every group are always there, so whoever asks for some
    // has them.
    match &it.kms_key_arn {
        Some(key) if !key.is_empty() => Err(ApiError::invalid(
            "Unsupported KMSKeyArn parameter: filter criteria are not encrypted by this event source mapping engine.",
        )),
        Some(_) | None => Ok(()),
    }
}

/// Seconds with three decimals, exactly.
fn seconds(millis: i64) -> Value {
    let text = format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000));
    text.parse().map_or_else(|_| Value::from(millis.div_euclid(1000)), Value::Number)
}
