//! The mappings of a config as they are written: placeholders stay placeholders, so no secret that they stand
//! for gets out.

use std::path::{Path, PathBuf};

use forebay_config::{Document, Format, Node, Value};

use crate::cli::config::ConfigArgs;
use crate::config_files::{LoadError, Loaded};
use crate::exit::Exit;

/// A mapping as it is written.
pub(super) struct Written {
    /// Its name, with placeholders filled.
    pub(super) name: String,
    /// What is written, with placeholders as they stand.
    pub(super) mapping: Node,
    /// Where its relative paths begin.
    pub(super) base: PathBuf,
}

/// All mappings of a config, in the order written; none where there is no config. `Err` when it cannot be
/// read, and that was said.
pub(super) fn read(config: &ConfigArgs) -> Result<Vec<Written>, Exit> {
    let loaded = match config.load() {
        Ok(loaded) => loaded,
        Err(LoadError::Nowhere) => return Ok(Vec::new()),
        Err(error) => return Err(crate::cli::config::unreadable(&error)),
    };
    let mut all = Vec::new();
    for (file, text) in &loaded.texts {
        let document = Document::parse(file, text, Format::of_path(Path::new(file)), loaded.base_of(file));
        let document = document.map_err(|findings| crate::cli::config::wrong(&findings, &loaded))?;
        all.extend(of_document(&document, &loaded));
    }
    Ok(all)
}

/// Those of one document; `loaded` has the same document with placeholders filled.
fn of_document(document: &Document, loaded: &Loaded) -> Vec<Written> {
    let filled = loaded.documents.iter().find(|it| it.root.place.file == document.root.place.file);
    let Some(filled) = filled else { return Vec::new() };
    // Filling changes no list, so both have the same mappings in the same order.
    let pairs = mappings(&document.root).into_iter().zip(mappings(&filled.root));
    let named = |(mapping, filled): (&Node, &Node)| {
        let name = member(filled, "name").and_then(text)?.to_owned();
        Some(Written { name, mapping: mapping.clone(), base: document.base.clone() })
    };
    pairs.filter_map(named).collect()
}

fn mappings(root: &Node) -> Vec<&Node> {
    match member(root, "event_source_mappings").map(|it| &it.value) {
        Some(Value::List(nodes)) => nodes.iter().collect(),
        Some(_) | None => Vec::new(),
    }
}

fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|(it, _)| it.name == key).map(|(_, node)| node)
}

fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::String(text) | Value::Expanded(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Exported, as_written, document};
    use super::*;

    #[test]
    fn what_is_exported_is_accepted_and_makes_the_same_mapping_with_no_placeholder_filled() {
        let folder = tempfile::tempdir().unwrap();
        let functions = "functions:\n  f: { executor: { http: { url: \"http://127.0.0.1:1/${PATH}\" } } }\n";
        fs::write(folder.path().join("0.yaml"), functions).unwrap();
        let yaml = "event_source_mappings:\n- {name: 'a b', source: {file: {path: '${PATH}/$${x}/*'}}, function_name: \"f\", # a remark\n   \
                    starting_position: TRIM_HORIZON, batch_size: 7, filter_criteria: {filter: [pattern: '{\"body\": [\"1\"]}']}}\n";
        fs::write(folder.path().join("1.yaml"), yaml.replace("a b", "one")).unwrap();
        let toml = "[[event_source_mappings]]\nname = \"${PATH:-x}\"\nfunction_name = \"f\"\nstarting_position = \"LATEST\"\nbatch_size = 1_000\n\
                    maximum_batching_window_in_seconds = 0.5\n[event_source_mappings.source.file]\npath = '''\n\\d*'''\n";
        fs::write(
            folder.path().join("2.toml"),
            toml.replace("${PATH:-x}", "t-${NO_SUCH_VARIABLE_AT_ALL:-two}"),
        )
        .unwrap();
        let before = Loaded::read_named(&[folder.path().display().to_string()]).unwrap();
        let written = of_all(&before);
        assert_eq!(written.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["one", "t-two"]);

        let exported: Vec<Exported> = written.iter().map(as_written).collect();
        let text = document(&exported) + "\n";
        assert!(
            text.contains("${PATH}/$${x}/*") && text.contains("t-${NO_SUCH_VARIABLE_AT_ALL:-two}"),
            "{text}"
        );
        fs::remove_file(folder.path().join("2.toml")).unwrap();
        fs::write(folder.path().join("1.yaml"), &text).unwrap();
        let after = Loaded::read_named(&[folder.path().display().to_string()]).unwrap();
        let (before, after) = (
            before.check().unwrap(),
            after.check().unwrap_or_else(|findings| panic!("{findings:?} in\n{text}")),
        );
        assert_eq!(before.mappings.len(), 2);
        assert_eq!(after.mappings.len(), 2);
        let is_same =
            before.mappings.iter().zip(&after.mappings).all(|(before, after)| before.runs_like(after));
        assert!(is_same, "{text}");
    }

    fn of_all(loaded: &Loaded) -> Vec<Written> {
        let documents = loaded.texts.iter().map(|(file, text)| {
            Document::parse(file, text, Format::of_path(Path::new(file)), loaded.base_of(file)).unwrap()
        });
        documents.flat_map(|it| of_document(&it, loaded)).collect()
    }
}
