//! The effective settings of a mapping, and where each comes from.

use super::{
    AWS_SECRET, AWS_TOKEN, DefaultValue, FAILURE_HEADERS, SettingSpec, Shape, mapping::FIFO_STOP, rows,
};
use crate::document::{Node, SourceSpan, Value};
use crate::profile::{SourceProfile, SourceShape};

/// One effective setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The setting within the mapping: `scaling_config.maximum_concurrency`.
    pub path: String,
    /// Its value as it would be written; what a placeholder gave is not shown.
    pub value: String,
    /// Where it comes from.
    pub from: From,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// It is written there.
    Written(SourceSpan),
    /// The source's default.
    Source(&'static str),
    /// Our default.
    Default,
    /// Nothing is written, and what that means.
    Absent(&'static str),
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Written(place) => write!(f, "{}:{}:{}", place.file, place.line, place.column),
            Self::Source(kind) => write!(f, "default of source kind {kind}"),
            Self::Default => f.write_str("default"),
            Self::Absent(meaning) => f.write_str(meaning),
        }
    }
}

/// All settings of a mapping that its source obeys: the written ones first to last as in the manual, with the
/// defaults between them. `of_source` are the settings under its kind, which end the list where they are not
/// written.
pub fn explain(node: &Node, profile: &'static SourceProfile, of_source: &[SettingSpec]) -> Vec<Explained> {
    let mut all = of_mapping(node, profile);
    for spec in of_source {
        let path = spec.path.strip_prefix(PREFIX).unwrap_or(spec.path);
        if find(node, path).is_empty() {
            all.extend(default(spec, path, profile));
        }
    }
    all
}

const PREFIX: &str = "event_source_mappings[].";

fn of_mapping(node: &Node, profile: &'static SourceProfile) -> Vec<Explained> {
    let mut all = Vec::new();
    for spec in rows() {
        let has_groups = profile.shape == SourceShape::GroupQueue;
        if spec.needs.is_some_and(|it| !profile.settings.contains(&it))
            // Its row names no need, for the shape of a queue decides and not its kind.
            || (spec.key() == FIFO_STOP.key() && !has_groups)
        {
            continue;
        }
        let path = spec.path.strip_prefix(PREFIX).unwrap_or(spec.path);
        let found = find(node, path);
        if !found.is_empty() {
            // A group is shown by its members.
            if matches!(spec.shape, Shape::Group | Shape::List | Shape::Choice) {
                continue;
            }
            for (path, node) in found {
                written(path, node, &mut all);
            }
            continue;
        }
        // Inside of a group defaults are shown where the group itself is written, and once.
        let is_top = !path.contains('.')
            || find(node, path.rsplit_once('.').map_or("", |(parent, _)| parent)).len() == 1;
        let is_untaken_choice = path.contains('.') && matches!(spec.shape, Shape::Group | Shape::Aws(_));
        if is_top && !is_untaken_choice {
            all.extend(default(spec, path, profile));
        }
    }
    all
}

fn default(spec: &SettingSpec, path: &str, profile: &'static SourceProfile) -> Option<Explained> {
    let (value, from) = match (spec.default, spec.default_written(Some(profile))) {
        (DefaultValue::OfSource(_), Some(value)) => (value, From::Source(profile.kind)),
        (_, Some(value)) => (value, From::Default),
        (DefaultValue::Absent(meaning), None) => ("-".to_owned(), From::Absent(meaning)),
        (_, None) => return None,
    };
    Some(Explained { path: path.to_owned(), value, from })
}

/// All values under a path; `[]` stands for every element of a list.
fn find<'n>(node: &'n Node, path: &str) -> Vec<(String, &'n Node)> {
    let mut at = vec![(String::new(), node)];
    for part in path.split('.') {
        let (key, is_list) = part.strip_suffix("[]").map_or((part, false), |key| (key, true));
        let mut next = Vec::new();
        for (path, node) in at {
            let Value::Map(entries) = &node.value else { continue };
            let Some((_, child)) =
                entries.iter().find(|(it, child)| it.name == key && child.value != Value::Null)
            else {
                continue;
            };
            let path = crate::error::join(&path, key);
            match &child.value {
                Value::List(nodes) if is_list => {
                    next.extend(nodes.iter().enumerate().map(|(idx, it)| (format!("{path}[{idx}]"), it)))
                }
                _ => next.push((path, child)),
            }
        }
        at = next;
    }
    at
}

/// What is not shown even when it is written out.
fn is_secret(path: &str) -> bool {
    let mut parts = path.rsplit('.');
    let is_of_aws =
        parts.next().is_some_and(|last| [&AWS_SECRET, &AWS_TOKEN].iter().any(|spec| spec.key() == last));
    is_of_aws || parts.any(|it| it == FAILURE_HEADERS.key())
}

/// A text as it is shown: the query of a URL often holds a key.
fn plain(text: &str) -> String {
    match text.split_once('?') {
        Some((address, _)) if address.contains("://") => format!("{address}?(secret)"),
        Some(_) | None => text.to_owned(),
    }
}

/// A written value; maps and lists are shown by what they hold.
fn written(path: String, node: &Node, all: &mut Vec<Explained>) {
    let value = match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            return entries
                .iter()
                .for_each(|(key, node)| written(crate::error::join(&path, &key.name), node, all));
        }
        Value::List(nodes) if !nodes.is_empty() => {
            return nodes
                .iter()
                .enumerate()
                .for_each(|(idx, node)| written(format!("{path}[{idx}]"), node, all));
        }
        Value::Map(_) => "{}".to_owned(),
        Value::List(_) => "[]".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(_) | Value::String(_) if is_secret(&path) => "(secret)".to_owned(),
        Value::Number(text) | Value::String(text) => plain(text),
        Value::Expanded(_) => "(from a placeholder)".to_owned(),
    };
    all.push(Explained { path, value, from: From::Written(node.place.clone()) });
}
