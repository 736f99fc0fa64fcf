//! A tree of values as YAML that is read back as the same tree.

use forebay_config::{Node, Value};
use saphyr::{Mapping, Scalar, ScalarStyle, Yaml, YamlEmitter};

/// The lines of a value that stands alone.
pub(super) fn lines(node: &Node) -> Vec<String> {
    let mut text = String::new();
    YamlEmitter::new(&mut text).dump(&yaml(node)).expect("a string takes everything");
    // It begins as a document of its own, and here it is a part of one.
    text.lines().skip(1).map(str::to_owned).collect()
}

/// An item of a list.
pub(super) fn dashed(lines: Vec<String>) -> impl Iterator<Item = String> {
    lines
        .into_iter()
        .enumerate()
        .map(|(idx, line)| if idx == 0 { format!("- {line}") } else { format!("  {line}") })
}

fn yaml(node: &Node) -> Yaml<'_> {
    match &node.value {
        Value::Null => Yaml::Value(Scalar::Null),
        Value::Bool(it) => Yaml::Value(Scalar::Boolean(*it)),
        // As it was written: a number that went through a type could come back as another text.
        Value::Number(text) => Yaml::Representation(text.into(), ScalarStyle::Plain, None),
        Value::String(text) | Value::Expanded(text) => Yaml::Value(Scalar::String(text.into())),
        Value::List(nodes) => Yaml::Sequence(nodes.iter().map(yaml).collect()),
        Value::Map(entries) => {
            let key = |name: &'_ str| Yaml::Value(Scalar::String(name.to_owned().into()));
            Yaml::Mapping(
                entries.iter().map(|(it, node)| (key(&it.name), yaml(node))).collect::<Mapping<'_>>(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use forebay_config::{Document, Format};

    use super::*;

    fn parse(text: &str, format: Format) -> Node {
        Document::parse("f", text, format, Path::new("/"))
            .unwrap_or_else(|findings| panic!("{findings:?} in\n{text}"))
            .root
    }

    /// Reads JSON, writes YAML and reads that.
    fn comes_back(json: &str) -> String {
        let read = parse(json, Format::Json);
        let yaml = lines(&read).join("\n") + "\n";
        let again = parse(&yaml, Format::Yaml);
        assert!(read.says_the_same(&again), "{json}\n{yaml}\n{again:?}");
        yaml
    }

    #[test]
    fn a_mapping_looks_as_a_person_would_write_it() {
        let yaml = comes_back(
            r#"{"name": "orders", "source": {"sqs": {"queue": "orders", "aws": {"region": "us-east-1", "account_id": "000000000000"}}},
                "batch_size": 10, "enabled": true, "filter_criteria": {"filters": [{"pattern": "{\"a\": [1]}"}, {"pattern": "{}"}]},
                "function_response_types": [], "tags": {}, "maximum_retry_attempts": -1, "window": 0.5}"#,
        );
        assert_eq!(
            yaml,
            "name: orders\nsource:\n  sqs:\n    queue: orders\n    aws:\n      region: us-east-1\n      account_id: \"000000000000\"\nbatch_size: 10\n\
             enabled: true\nfilter_criteria:\n  filters:\n    - pattern: \"{\\\"a\\\": [1]}\"\n    - pattern: \"{}\"\nfunction_response_types: []\n\
             tags: {}\nmaximum_retry_attempts: -1\nwindow: 0.5\n"
        );
    }

    #[test]
    fn every_text_comes_back_as_text() {
        let texts = [
            "",
            " ",
            "a b",
            " a",
            "a ",
            "no",
            "Null",
            "TRUE",
            "~",
            "1",
            "-1",
            "1e3",
            "0x1f",
            "1_000",
            ".5",
            ".inf",
            ".nan",
            "2026-01-01",
            "12:30:45",
            "=",
            "<<",
            "- a",
            "-",
            "--- a",
            "...",
            "# a",
            "a # b",
            "a: b",
            "a:",
            ":a",
            "[a]",
            "{a}",
            "a, b",
            "&a",
            "*a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a`",
            "'a'",
            "\"a\"",
            "?",
            "? a",
            "a\nb",
            "a\r\nb",
            "\n",
            "\ta",
            "a\\b",
            "\u{7f}",
            "\u{85}",
            "\u{0001}",
            "\u{2028}",
            "\u{feff}a",
            "ä",
            "日本",
            "😀",
            "$LATEST",
            "${A}",
            "$${A}",
            "arn:aws:sqs:us-east-1:000000000000:q",
            "http://h:1/x?y=z",
            "null ",
            "n",
            "Y",
            "On",
        ];
        let quoted = |it: &str| serde_json::to_string(it).unwrap();
        for text in texts {
            comes_back(&format!(
                "{{{}: {}, \"list\": [{}, [{}], {{\"k\": {}}}]}}",
                quoted(&format!("k{text}")),
                quoted(text),
                quoted(text),
                quoted(text),
                quoted(text)
            ));
            comes_back(&format!("{{{}: 1}}", quoted(text)));
        }
    }

    #[test]
    fn lists_in_lists_and_maps_in_lists_come_back() {
        comes_back(
            r#"{"a": [[1, [2, []]], [[]], {}, {"b": {"c": [{"d": null, "e": [1]}, 2]}}], "f": {"g": {}}}"#,
        );
        comes_back(r#"[{"a": 1, "b": {"c": 2}}, [], "x"]"#);
        comes_back("3");
    }
}
