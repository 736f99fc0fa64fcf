//! A draft of what was asked for over the API.

use std::path::Path;

use serde_json::Value;

use super::read::{TOP, read_source};
use super::{Draft, RequestedSetting, SettingOrigin, SettingValue, is_whole, rows_under};
use crate::document::{DocumentKey, Node, SourceSpan};
use crate::error::{Code, Finding};
use crate::fields::Item;
use crate::mapping::MappingName;
use crate::settings::{self, AwsMembers, SettingSpec, Shape, in_config_words, is_nothing};
use crate::source::Sources;

impl Draft {
    /// What the members of a request ask for, without a name and a source.
    pub fn of_members(members: &AwsMembers) -> Self {
        Self::at("request", members)
    }

    /// What is asked for over the API. `source` is what a config file says under `source:`.
    pub fn of_request(name: &str, source: &Value, members: &AwsMembers, sources: &dyn Sources) -> Self {
        let mut draft = Self::at(&format!("api:{name}"), members);
        draft.name = MappingName::parse(name);
        if draft.name.is_none() {
            let message = "a mapping's name has 1 to 140 letters, digits, `-`, `_` and `.`";
            draft.findings.push(Finding::new(Code::NOT_ALLOWED, "name", &draft.place, message));
        }
        let node = Node::of_json(source, &draft.place);
        let item = Item::new(&node, settings::SOURCE.key(), &mut draft.findings);
        // No relative path can be asked for over the API.
        draft.source = read_source(item, sources, Path::new("/"));
        draft
    }

    fn at(place: &str, members: &AwsMembers) -> Self {
        let mut draft = Self {
            path: String::new(),
            place: SourceSpan { file: place.into(), line: 1, column: 1, span: 0..0 },
            is_map: true,
            name: None,
            source: None,
            asked: [].into(),
            findings: Vec::new(),
            gaps: Vec::new(),
        };
        let has_group = |spec: &SettingSpec| {
            spec.aws_name().and_then(|it| members.get(it)).is_some_and(|it| !is_nothing(it))
        };
        draft.take_level(TOP, &in_config_words(members), &has_group);
        draft
    }

    fn take_level(&mut self, parent: &'static str, config: &Value, has_group: &dyn Fn(&SettingSpec) -> bool) {
        for spec in rows_under(parent) {
            let path = spec.path.strip_prefix(TOP).and_then(|it| it.strip_prefix('.')).unwrap_or(spec.path);
            let value = config.get(spec.key());
            if matches!(spec.shape, Shape::Group) && !is_whole(spec) {
                if value.is_some() || has_group(spec) {
                    let origin = SettingOrigin::of_request(path, &self.place);
                    self.asked.insert(spec.path, RequestedSetting { origin, value: Ok(SettingValue::Group) });
                    self.take_level(spec.path, value.unwrap_or(&Value::Null), has_group);
                }
                continue;
            }
            let Some(value) = value else { continue };
            let node = Node::of_json(value, &self.place);
            let key = DocumentKey { name: spec.key().to_owned(), place: self.place.clone() };
            let asked = RequestedSetting::read(spec, path.to_owned(), &key, &node, Path::new("/"));
            self.asked.insert(spec.path, asked);
        }
    }
}
