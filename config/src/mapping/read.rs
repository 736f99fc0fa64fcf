//! Reads a mapping from its node: every setting, then the rules between them.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use super::filters::read_filters;
use super::{Mapping, MappingName, PollerPlan, SourceRef, StartingPosition};
use crate::destination::{DestinationSettings, read_function_name};
use crate::document::{Node, Value};
use crate::error::{Code, Finding, join};
use crate::fields::{Fields, Item, decimal_millis, suggest, validation, words};
use crate::plan::{BatchPlan, EVENT_BYTES_MAX, OnExhausted, Redelivery, RetryPlan, WindowPlan};
use crate::profile::{Setting, SourceProfile, SourceShape};
use crate::rate::read_rate;
use crate::settings::{self, Reader, SettingSpec};
use crate::source::Sources;
use crate::timestamp::epoch_millis;

/// AWS's settings that have no counterpart here, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("event_source_arn", "the source is written under `source:`"),
    ("self_managed_event_source", "the source is written under `source:`"),
    ("self_managed_kafka_event_source_config", "the source is written under `source:`"),
    ("amazon_managed_kafka_event_source_config", "the source is written under `source:`"),
    ("document_db_event_source_config", "the source is written under `source:`"),
    ("source_access_configuration", "the source's logins are written under `source:`"),
    ("topics", "topics are written under `source:`"),
    ("queues", "queues are written under `source:`"),
    ("kms_key_arn", "filters are not encrypted"),
    ("metrics_config", "all metrics are always there"),
    ("logging_config", "logging is set for the whole daemon"),
    ("tags", "mappings carry no tags"),
];

impl Mapping {
    /// Reads a mapping. `path` names its node in findings, `base` is where relative paths begin.
    ///
    /// # Errors
    /// All that is wrong with it, the settings of its source included.
    pub fn check(node: &Node, path: &str, sources: &dyn Sources, base: &Path) -> Result<Self, Vec<Finding>> {
        Fields::read(node, path, |fields| {
            let name = fields.required(settings::NAME.key(), read_name);
            let source = fields.required(settings::SOURCE.key(), |it| read_source(it, sources, base));
            let profile = source.as_ref().map(|(_, profile)| *profile);
            for (key, why) in NOT_HERE {
                if let Some(written) = fields.refused(key) {
                    let finding = Finding::new(
                        Code::NOT_BUILT_IN,
                        join(path, key),
                        &written.place,
                        format!("`{key}` has no meaning here"),
                    );
                    fields.push(finding.fix(format!("remove it: {why}")));
                }
            }
            let mut reader = Reader { fields, profile };
            let enabled = reader.switch(&settings::ENABLED);
            let function = reader.required(&settings::FUNCTION_NAME, read_function_name);
            let starting_position = read_start(&mut reader);
            let batch = read_batch(&mut reader);
            let on_failure = read_on_failure(&mut reader, base);
            let retry = read_retry(&mut reader);
            let window = reader
                .integer(&settings::TUMBLING_WINDOW)
                .and_then(|it| u64::try_from(it).ok())
                .filter(|it| *it > 0);
            let lanes = reader.integer(&settings::PARALLELIZATION_FACTOR).and_then(non_zero);
            let (concurrency_max, pollers) = read_scale(&mut reader);
            let rate = reader.written(&settings::RATE_LIMIT, |it| read_rate(it, &settings::RATE_SPECS));
            let filters = reader.written(&settings::FILTER_CRITERIA, |it| read_filters(it, profile));
            Some(Self {
                name: name?,
                place: node.place.clone(),
                enabled,
                source: source?.0,
                function: function?,
                function_qualifier: None,
                starting_position,
                batch: batch?,
                retry: retry?,
                window: window.map(|it| WindowPlan { tumbling: Duration::from_secs(it) }),
                lanes: lanes?,
                concurrency_max,
                rate,
                pollers,
                filters: filters.unwrap_or_default(),
                on_failure,
            })
        })
    }
}

fn read_name(mut it: Item<'_, '_>) -> Option<MappingName> {
    let text = it.again().text()?;
    let name = MappingName::parse(&text);
    if name.is_none() {
        it.wrong(Code::NOT_ALLOWED, "a mapping's name has 1 to 140 letters, digits, `-`, `_` and `.`", None);
    }
    name
}

fn read_source(
    mut it: Item<'_, '_>,
    sources: &dyn Sources,
    base: &Path,
) -> Option<(SourceRef, &'static SourceProfile)> {
    let kinds = sources.kinds();
    let entries = match &it.node().value {
        Value::Map(entries) => entries.as_slice(),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Expanded(_)
        | Value::List(_) => {
            it.wrong(
                Code::WRONG_TYPE,
                "must be a map with the kind of source",
                Some(format!("known kinds: {}", words(&kinds))),
            );
            return None;
        }
    };
    let [(key, settings)] = entries else {
        it.wrong(
            Code::ONE_OF,
            "must name exactly one kind of source",
            Some(format!("known kinds: {}", words(&kinds))),
        );
        return None;
    };
    let Some(profile) = sources.profile(&key.name, settings) else {
        let fix = match suggest(&key.name, &kinds) {
            Some(kind) => format!("did you mean `{kind}`? known kinds: {}", words(&kinds)),
            None => format!("known kinds: {}", words(&kinds)),
        };
        it.wrong_key(
            key,
            Code::UNKNOWN_SOURCE,
            format!("no source of kind `{}` is built in", key.name.escape_debug()),
            Some(fix),
        );
        return None;
    };
    let parent = it.path().to_owned();
    let findings = sources.check(&key.name, settings, base);
    it.extend(findings.into_iter().map(|finding| finding.under(&parent)));
    Some((SourceRef { kind: key.name.clone(), settings: settings.clone() }, profile))
}

fn read_start(reader: &mut Reader<'_, '_>) -> Option<StartingPosition> {
    #[derive(Clone, Copy, PartialEq)]
    enum Word {
        Latest,
        AtTimestamp,
        TrimHorizon,
    }
    if !reader.is_obeyed(&settings::STARTING_POSITION) {
        reader.is_obeyed(&settings::STARTING_POSITION_TIMESTAMP);
        return None;
    }
    let (position, timestamp) =
        (settings::STARTING_POSITION.key(), settings::STARTING_POSITION_TIMESTAMP.key());
    if !reader.fields.has(position) && reader.profile.is_some() && reader.fields.is_map() {
        let message = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.";
        reader.fields.missing(position, message);
    }
    let known =
        [("LATEST", Word::Latest), ("AT_TIMESTAMP", Word::AtTimestamp), ("TRIM_HORIZON", Word::TrimHorizon)];
    let word = reader.written(&settings::STARTING_POSITION, |it| it.word(&known));
    let kind = reader.profile.map_or("", |it| it.kind);
    if word == Some(Word::AtTimestamp)
        && reader.profile.is_some_and(|it| !it.settings.contains(&Setting::AtTimestamp))
    {
        let message = format!("Unsupported starting position for arn type: {kind}");
        note(
            reader,
            &settings::STARTING_POSITION,
            Code::UNSUPPORTED,
            message,
            "choose `TRIM_HORIZON` or `LATEST`".to_owned(),
        );
    }
    let written = reader.fields.key(timestamp);
    let at = reader.written(&settings::STARTING_POSITION_TIMESTAMP, read_time);
    match (word, written) {
        (Some(Word::AtTimestamp), None) => {
            reader
                .fields
                .missing(timestamp, "`starting_position: AT_TIMESTAMP` needs `starting_position_timestamp`");
        }
        (Some(Word::Latest | Word::TrimHorizon), Some(_)) => {
            let message = "a time has a meaning only with `starting_position: AT_TIMESTAMP`".to_owned();
            let fix = "remove it, or write `starting_position: AT_TIMESTAMP`".to_owned();
            conflict(reader, &settings::STARTING_POSITION_TIMESTAMP, message, fix);
        }
        (Some(_), _) | (None, _) => {}
    }
    match word? {
        Word::Latest => Some(StartingPosition::Latest),
        Word::TrimHorizon => Some(StartingPosition::TrimHorizon),
        Word::AtTimestamp => at.map(StartingPosition::AtTimestamp),
    }
}

fn read_time(mut it: Item<'_, '_>) -> Option<i64> {
    let millis = match &it.node().value {
        Value::Number(text) => decimal_millis(text),
        Value::String(text) => epoch_millis(text).map(|it| Ok(i128::from(it))),
        Value::Expanded(text) => {
            decimal_millis(text).or_else(|| epoch_millis(text).map(|it| Ok(i128::from(it))))
        }
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => None,
    };
    // Year 1 to year 9999, as RFC 3339 has them.
    let range = -62_135_596_800_000..=253_402_300_799_999;
    match millis {
        Some(Ok(millis)) if range.contains(&millis) => i64::try_from(millis).ok(),
        Some(Ok(_) | Err(_)) | None => {
            let fix = "write `2024-05-01T00:00:00Z`, or epoch seconds with three decimals at most";
            it.wrong(Code::NOT_ALLOWED, "must be a time", Some(fix.to_owned()));
            None
        }
    }
}

fn read_batch(reader: &mut Reader<'_, '_>) -> Option<BatchPlan> {
    let size_max = reader.profile.map_or(i64::MAX, |it| i64::from(it.batch_size_max));
    let n_records = reader.integer_up_to(&settings::BATCH_SIZE, size_max);
    let window = reader.seconds(&settings::BATCHING_WINDOW);
    if let (Some(n_records), Some(window), Some(profile)) = (n_records, window, reader.profile)
        && let Some(max) = profile.batch_size_without_window_max
        && n_records > i64::from(max)
        && window < Duration::from_secs(1)
    {
        let message = format!(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than {max}"
        );
        let fix =
            format!("write `maximum_batching_window_in_seconds: 1` or more, or `batch_size: {max}` or less");
        conflict(reader, &settings::BATCH_SIZE, message, fix);
    }
    Some(BatchPlan {
        records_max: n_records.and_then(non_zero)?,
        bytes_max: EVENT_BYTES_MAX,
        window: window?,
    })
}

fn read_on_failure(reader: &mut Reader<'_, '_>, base: &Path) -> Option<DestinationSettings> {
    reader.written(&settings::DESTINATION_CONFIG, |it| {
        it.fields(|fields| {
            if let Some(key) = fields.refused("on_success") {
                let message = "a mapping has no destination for what succeeded";
                let finding =
                    Finding::new(Code::NOT_BUILT_IN, join(fields.path(), "on_success"), &key.place, message);
                fields.push(finding.fix("remove it"));
            }
            Reader { fields, profile: None }
                .required(&settings::ON_FAILURE, |it| DestinationSettings::read(it, base))
        })
    })
}

fn read_retry(reader: &mut Reader<'_, '_>) -> Option<RetryPlan> {
    let retries = reader.integer(&settings::RETRY_ATTEMPTS);
    let age = reader.written(&settings::RECORD_AGE, read_age).unwrap_or(-1);
    let bisect = reader.switch(&settings::BISECT);
    let partial_responses = reader.written(&settings::RESPONSE_TYPES, read_response_types).unwrap_or(false);
    let drop_after = reader.integer(&settings::DROP_AFTER).and_then(non_zero);
    if reader.fields.has(settings::DROP_AFTER.key()) && !reader.fields.has(settings::DESTINATION_CONFIG.key())
    {
        let message = "there is no destination that could refuse";
        conflict(
            reader,
            &settings::DROP_AFTER,
            message.to_owned(),
            "add `destination_config:`, or remove this setting".to_owned(),
        );
    }
    let stop_group = reader.switch(&settings::FIFO_STOP);
    if stop_group && reader.profile.is_some_and(|it| it.shape != SourceShape::GroupQueue) {
        let kind = reader.profile.map_or("", |it| it.kind);
        let message = format!("a `{kind}` source has no ordered groups of messages");
        note(reader, &settings::FIFO_STOP, Code::UNSUPPORTED, message, "remove it".to_owned());
    } else if stop_group && !partial_responses {
        let message = "without partial responses a batch fails as a whole";
        let fix = "add `function_response_types: [ReportBatchItemFailures]`, or remove this setting";
        conflict(reader, &settings::FIFO_STOP, message.to_owned(), fix.to_owned());
    }
    let item_actions = reader.switch(&settings::ITEM_ACTIONS);
    if item_actions && !partial_responses {
        let message =
            "without partial responses the function names no record that it could ask something for";
        let fix = "add `function_response_types: [ReportBatchItemFailures]`, or remove this setting";
        conflict(reader, &settings::ITEM_ACTIONS, message.to_owned(), fix.to_owned());
    }
    // Who wrote when to give up wants us to count; else the queue counts, as on AWS.
    let counts_itself =
        reader.fields.has(settings::RETRY_ATTEMPTS.key()) || reader.fields.has(settings::RECORD_AGE.key());
    let is_queue = reader.profile.is_some_and(|it| it.shape != SourceShape::Tracks);
    Some(RetryPlan {
        retries_max: u32::try_from(retries?).ok(),
        record_age_max: u64::try_from(age).ok().map(Duration::from_secs),
        bisect,
        partial_responses,
        item_actions,
        redelivery: if is_queue && !counts_itself { Redelivery::BySource } else { Redelivery::ByUs },
        on_exhausted: read_on_exhausted(reader, retries == Some(-1) && age == -1),
        drop_after_destination_failures: drop_after,
        stop_group_at_first_failure: stop_group,
    })
}

/// Whether what is used up waits for an operator; refused where nobody could wait, or nothing is ever used up.
fn read_on_exhausted(reader: &mut Reader<'_, '_>, is_endless: bool) -> OnExhausted {
    let known = [("give_up", OnExhausted::GiveUp), ("pause", OnExhausted::Pause)];
    let written = reader.written(&settings::ON_EXHAUSTED, |it| it.word(&known));
    let on_exhausted = written.unwrap_or(OnExhausted::GiveUp);
    if on_exhausted == OnExhausted::GiveUp {
        return on_exhausted;
    }
    if let Some(profile) = reader.profile.filter(|it| it.shape != SourceShape::Tracks) {
        let message = format!(
            "a `{}` source has a redrive policy that takes away what always fails: nothing of it waits for an operator",
            profile.kind
        );
        let fix = "remove it, and give the queue a redrive policy".to_owned();
        note(reader, &settings::ON_EXHAUSTED, Code::UNSUPPORTED, message, fix);
    } else if is_endless {
        let message = "records are tried without end, so nothing is ever used up and nothing would pause";
        let fix = "add `maximum_retry_attempts` or `maximum_record_age_in_seconds`, or remove this setting";
        conflict(reader, &settings::ON_EXHAUSTED, message.to_owned(), fix.to_owned());
    }
    on_exhausted
}

/// `-1`, or a minute and more: what lies between is refused as AWS does.
fn read_age(mut it: Item<'_, '_>) -> Option<i64> {
    let (min, max) = settings::integer_range(&settings::RECORD_AGE);
    let age = it.again().integer(min..=max)?;
    if (0..60).contains(&age) {
        it.wrong(
            Code::NOT_ALLOWED,
            "must be -1, or from 60 to 604800",
            Some("write `-1` for no limit, or at least 60".to_owned()),
        );
        return None;
    }
    Some(age)
}

fn read_response_types(mut it: Item<'_, '_>) -> Option<bool> {
    let words = it.again().list(|it| it.word(&[("ReportBatchItemFailures", ())]))?;
    if words.len() > 1 {
        let value = "[ReportBatchItemFailures, ReportBatchItemFailures]";
        let message = validation(value, "functionResponseTypes", "have length less than or equal to 1");
        it.wrong(Code::NOT_ALLOWED, message, Some("write it once".to_owned()));
        return None;
    }
    Some(!words.is_empty())
}

fn read_scale(reader: &mut Reader<'_, '_>) -> (Option<NonZeroU32>, Option<PollerPlan>) {
    let concurrency = reader.written(&settings::SCALING_CONFIG, |it| {
        it.fields(|fields| Some(Reader { fields, profile: None }.integer(&settings::MAXIMUM_CONCURRENCY)))
    });
    let pollers = reader.written(&settings::PROVISIONED_POLLERS, |it| {
        it.fields(|fields| {
            let mut reader = Reader { fields, profile: None };
            let min = reader.integer(&settings::MINIMUM_POLLERS).and_then(non_zero);
            let max = reader.integer(&settings::MAXIMUM_POLLERS).and_then(non_zero);
            if min > max && min.is_some() && max.is_some() {
                let message = "`minimum_pollers` is more than `maximum_pollers`".to_owned();
                conflict(
                    &mut reader,
                    &settings::MINIMUM_POLLERS,
                    message,
                    "lower it, or raise `maximum_pollers`".to_owned(),
                );
            }
            Some(PollerPlan { min: min?, max: max? })
        })
    });
    if concurrency.is_some() && pollers.is_some() {
        let message = "`scaling_config` and `provisioned_poller_config` exclude each other";
        conflict(reader, &settings::SCALING_CONFIG, message.to_owned(), "keep one of them".to_owned());
    }
    (concurrency.flatten().and_then(non_zero), pollers)
}

fn non_zero(value: i64) -> Option<NonZeroU32> {
    u32::try_from(value).ok().and_then(NonZeroU32::new)
}

/// Notes that a setting contradicts another.
fn conflict(reader: &mut Reader<'_, '_>, spec: &'static SettingSpec, message: String, fix: String) {
    note(reader, spec, Code::CONFLICT, message, fix);
}

/// Notes something about a setting; the place is the setting's when it is written, else the map's.
fn note(reader: &mut Reader<'_, '_>, spec: &'static SettingSpec, code: Code, message: String, fix: String) {
    let place = reader.fields.key(spec.key()).map_or_else(|| reader.fields.place(), |key| &key.place);
    let path = join(reader.fields.path(), spec.key());
    reader.fields.push(Finding::new(code, path, place, message).fix(fix));
}
