//! `forebay pattern test PATTERN EVENT`: whether an event passes a filter pattern.

use std::fs::File;
use std::io::{self, Read};

use clap::{Args, Subcommand};
use forebay_config::pattern::{ParseOptions, View};
use forebay_config::{Filter, FilterRules, Pattern};
use serde_json::Value;

use super::output;
use crate::exit::Exit;

/// The largest event that is read: as large as one record may be.
const EVENT_BYTES_MAX: u64 = 10 << 20;

#[derive(Debug, Args)]
pub(super) struct PatternArgs {
    #[command(subcommand)]
    command: PatternCommand,
}

#[derive(Debug, Subcommand)]
enum PatternCommand {
    /// Match an event against a pattern. Prints `match` (exit 0), `no match` (exit 1), or why the pattern is
    /// invalid (exit 78).
    Test {
        /// The file of the pattern, `-` for standard input.
        pattern: String,
        /// The file of the event, one record as the function gets it; `-` for standard input. Taken as it
        /// stands.
        event: String,
        /// Decode the record's data first, as a mapping of this kind of source does, such as `file`.
        #[arg(long, value_name = "KIND")]
        source: Option<String>,
        /// Allow wildcards with five stars or more, which AWS refuses.
        #[arg(long)]
        allow_complex_wildcards: bool,
    },
}

impl PatternArgs {
    pub(super) fn execute(self) -> Exit {
        let PatternCommand::Test { pattern, event, source, allow_complex_wildcards } = self.command;
        match test(&pattern, &event, source.as_deref(), ParseOptions { allow_complex_wildcards }) {
            Ok(true) => {
                output::print("match");
                Exit::Done
            }
            Ok(false) => {
                output::print("no match");
                Exit::Failed
            }
            Err(PatternRefusal { code, text }) => {
                output::complain(code.as_deref(), text);
                Exit::Config
            }
        }
    }
}

/// Why there is no answer.
struct PatternRefusal {
    code: Option<String>,
    text: String,
}

impl PatternRefusal {
    fn plain(text: impl Into<String>) -> Self {
        Self { code: None, text: text.into() }
    }
}

fn test(
    pattern: &str,
    event: &str,
    source: Option<&str>,
    options: ParseOptions,
) -> Result<bool, PatternRefusal> {
    // The first would read the other's part as well.
    if pattern == "-" && event == "-" {
        return Err(PatternRefusal::plain("pattern and event cannot both come from standard input"));
    }
    let rules = source.map(rules).transpose()?;
    let text = read(pattern)?;
    let text =
        String::from_utf8(text).map_err(|_| PatternRefusal::plain(format!("{pattern} is not UTF-8")))?;
    let parsed = Pattern::parse_with(text.trim(), options).map_err(|error| PatternRefusal {
        code: Some(error.code().to_string()),
        text: format!("event pattern is not valid: {error} at line {}, column {}", error.line, error.column),
    })?;
    for warning in parsed.warnings() {
        output::remark(format!("warning: {warning}"));
    }
    let record = read(event)?;
    // Only a look: what matches are the bytes as they stand, as of a record.
    let value: Value = serde_json::from_slice(&record)
        .map_err(|error| PatternRefusal::plain(format!("{event} is not JSON: {error}")))?;
    if !value.is_object() {
        return Err(PatternRefusal::plain(format!("{event} is not a JSON object")));
    }
    let Some(rules) = rules else { return Ok(parsed.matches(&View::new(&record))) };
    let filter = Filter::new(&[parsed], rules)
        .map_err(|error| PatternRefusal { code: Some(error.code().to_string()), text: error.to_string() })?;
    // A source hands the filter the data as it read them, before they were written into the event.
    let data = rules.data_key.and_then(|key| value.get(key)).and_then(Value::as_str).map(str::as_bytes);
    Ok(filter.passes(&record, data))
}

fn rules(kind: &str) -> Result<FilterRules, PatternRefusal> {
    let kinds = forebay_pollers::kinds();
    match kinds.iter().find(|it| it.profile().kind == kind) {
        Some(it) => Ok(FilterRules::from(it.profile())),
        None => {
            let built_in: Vec<_> = kinds.iter().map(|it| it.profile().kind).collect();
            Err(PatternRefusal::plain(format!(
                "there is no kind of source `{kind}`; built in: {}",
                built_in.join(", ")
            )))
        }
    }
}

fn read(path: &str) -> Result<Vec<u8>, PatternRefusal> {
    let mut bytes = Vec::new();
    let take = |from: &mut dyn Read, bytes: &mut Vec<u8>| from.take(EVENT_BYTES_MAX + 1).read_to_end(bytes);
    let read = if path == "-" {
        take(&mut io::stdin().lock(), &mut bytes)
    } else {
        File::open(path).and_then(|mut it| take(&mut it, &mut bytes))
    };
    read.map_err(|error| PatternRefusal::plain(format!("{path} cannot be read: {error}")))?;
    if bytes.len() as u64 > EVENT_BYTES_MAX {
        return Err(PatternRefusal::plain(format!("{path} is larger than {EVENT_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}
