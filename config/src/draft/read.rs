//! A draft of what stands in a file.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Draft, RequestedSetting, SettingOrigin, SettingValue, is_whole, leaf, rows_under};
use crate::document::{DocumentKey, Node, SourceSpan, Value};
use crate::error::{Code, Finding, join};
use crate::fields::{Fields, Item, suggest, words};
use crate::mapping::{MappingName, SourceRef};
use crate::profile::SourceProfile;
use crate::settings::{self, DefaultValue, SettingSpec, Shape, named};
use crate::source::Sources;

/// AWS's settings that have no counterpart here, by the path of their map, and why.
const NOT_HERE: &[(&str, &str, &str)] = &[
    (TOP, "event_source_arn", OF_SOURCE),
    (TOP, "self_managed_event_source", OF_SOURCE),
    (TOP, "self_managed_kafka_event_source_config", OF_SOURCE),
    (TOP, "amazon_managed_kafka_event_source_config", OF_SOURCE),
    (TOP, "document_db_event_source_config", OF_SOURCE),
    (TOP, "source_access_configuration", "the source's logins are written under `source:`"),
    (TOP, "topics", "topics are written under `source:`"),
    (TOP, "queues", "queues are written under `source:`"),
    (TOP, "kms_key_arn", "filters are not encrypted"),
    (TOP, "metrics_config", "all metrics are always there"),
    (TOP, "logging_config", "logging is set for the whole daemon"),
    (TOP, "tags", "mappings carry no tags"),
];
const OF_SOURCE: &str = "the source is written under `source:`";
/// The path of a mapping in the table.
pub(super) const TOP: &str = "event_source_mappings[]";

impl Draft {
    /// Reads a mapping. `path` names its node in findings, `base` is where relative paths begin.
    pub fn read(node: &Node, path: &str, sources: &dyn Sources, base: &Path) -> Self {
        let mut fields = Fields::new(node, path);
        let name = fields.required(settings::NAME.key(), read_name);
        let source = fields.required(settings::SOURCE.key(), |it| read_source(it, sources, base));
        let mut asked = BTreeMap::new();
        read_level(&mut fields, TOP, base, &mut asked);
        let is_map = fields.is_map();
        let (findings, gaps) = fields.finish_with_gaps();
        Self { path: path.to_owned(), place: node.place.clone(), is_map, name, source, asked, findings, gaps }
    }
}

/// Reads the settings of one map, and those of the maps in it.
fn read_level(
    fields: &mut Fields<'_>,
    parent: &'static str,
    base: &Path,
    asked: &mut BTreeMap<&'static str, RequestedSetting>,
) {
    // What nobody has read at the end is told as an unknown word; for these there is a better answer.
    refuse(fields, parent);
    for spec in rows_under(parent) {
        let (Some(key), Some(node)) = (fields.key(spec.key()), fields.node(spec.key())) else {
            // Where the node is no map that is told already, and every setting would seem to be missing.
            if matches!(spec.default, DefaultValue::Required) && fields.is_map() {
                fields.missing(spec.key(), format!("`{}` is missing", spec.key()));
            }
            continue;
        };
        let path = join(fields.path(), spec.key());
        let one = if matches!(spec.shape, Shape::Group) && !is_whole(spec) {
            let mut inner = Fields::new(node, path.clone());
            read_level(&mut inner, spec.path, base, asked);
            let findings = inner.finish();
            let value = if findings.is_empty() { Ok(SettingValue::Group) } else { Err(findings) };
            RequestedSetting { origin: SettingOrigin::of(path, key, node), value }
        } else {
            RequestedSetting::read(spec, path, key, node, base)
        };
        asked.insert(spec.path, one);
    }
}

/// Notes AWS's settings that have no counterpart.
fn refuse(fields: &mut Fields<'_>, parent: &str) {
    let path = fields.path().to_owned();
    for (_, key, why) in NOT_HERE.iter().filter(|(of, ..)| *of == parent) {
        if let Some(written) = fields.refused(key) {
            let message = format!("`{key}` has no meaning here");
            let finding = Finding::new(Code::NOT_BUILT_IN, join(&path, key), &written.place, message);
            fields.push(finding.fix(format!("remove it: {why}")));
        }
    }
    if parent == settings::DESTINATION_CONFIG.path
        && let Some(key) = fields.refused("on_success")
    {
        let message = "a mapping has no destination for what succeeded";
        let finding = Finding::new(Code::NOT_BUILT_IN, join(&path, "on_success"), &key.place, message);
        fields.push(finding.fix("remove it"));
    }
}

impl RequestedSetting {
    /// Reads the value under a key.
    pub(super) fn read(
        spec: &SettingSpec,
        path: String,
        key: &DocumentKey,
        node: &Node,
        base: &Path,
    ) -> Self {
        let mut findings = Vec::new();
        let origin = SettingOrigin::of(path.clone(), key, node);
        let value = leaf::read(spec, named(spec, Item::new(node, path, &mut findings)), base);
        // What was read of a value with findings is not used.
        Self { origin, value: value.filter(|_| findings.is_empty()).ok_or(findings) }
    }
}

impl SettingOrigin {
    fn of(path: String, key: &DocumentKey, node: &Node) -> Self {
        let shown = Item::new(node, "", &mut Vec::new()).shown();
        Self { path, key: key.place.clone(), value: node.place.clone(), shown }
    }

    /// A setting of a request.
    pub(super) fn of_request(path: &str, place: &SourceSpan) -> Self {
        Self { path: path.to_owned(), key: place.clone(), value: place.clone(), shown: String::new() }
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

pub(super) fn read_source(
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
    // A kind of source tells paths from itself on.
    it.extend(findings.into_iter().map(|finding| finding.under(&parent)));
    Some((SourceRef { kind: key.name.clone(), settings: settings.clone() }, profile))
}
