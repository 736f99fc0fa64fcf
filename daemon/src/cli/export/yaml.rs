//! A tree of values as YAML that is read back as the same tree.

use forebay_config::{Node, Value};

/// Words that YAML's readers take for something else than text, in any case.
const RESERVED: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// The lines of a value that stands alone, or under a key or a dash at this depth.
pub(super) fn lines(node: &Node) -> Vec<String> {
    match &node.value {
        Value::List(nodes) if !nodes.is_empty() => nodes.iter().flat_map(|it| dashed(lines(it))).collect(),
        Value::Map(entries) if !entries.is_empty() => {
            let mut lines = Vec::new();
            for (key, node) in entries {
                lines.extend(member(&text(&key.name), node));
            }
            lines
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Expanded(_)
        | Value::List(_)
        | Value::Map(_) => {
            vec![scalar(&node.value)]
        }
    }
}

/// An item of a list.
pub(super) fn dashed(lines: Vec<String>) -> impl Iterator<Item = String> {
    lines
        .into_iter()
        .enumerate()
        .map(|(idx, line)| if idx == 0 { format!("- {line}") } else { format!("  {line}") })
}

fn member(key: &str, node: &Node) -> Vec<String> {
    let is_block = match &node.value {
        Value::List(nodes) => !nodes.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Expanded(_) => false,
    };
    match is_block {
        true => std::iter::once(format!("{key}:"))
            .chain(lines(node).into_iter().map(|line| format!("  {line}")))
            .collect(),
        false => vec![format!("{key}: {}", scalar(&node.value))],
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(it) => it.to_string(),
        Value::Number(text) => text.clone(),
        Value::String(it) | Value::Expanded(it) => text(it),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// A text, in quotes unless it can only be read as text. What JSON writes in quotes YAML reads.
fn text(text: &str) -> String {
    let begins_as_word = text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_' || it == '/');
    let is_word =
        text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.' | b'/'));
    if begins_as_word && is_word && !RESERVED.iter().any(|it| it.eq_ignore_ascii_case(text)) {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for it in text.chars() {
        match it {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // What breaks a line, orders text otherwise or is not printable is written by its number.
            it if it.is_control()
                || matches!(it, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                quoted.push_str(&format!("\\u{:04x}", u32::from(it)));
            }
            it => quoted.push(it),
        }
    }
    quoted.push('"');
    quoted
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
