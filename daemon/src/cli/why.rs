//! `forebay why`: why a mapping does nothing, or what it does, and what to do about it.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::ask::{Address, ProcessListener, Question, ask, escaped};
use super::output;
use crate::exit::Exit;

/// How long connecting, and each read, may take.
const WAIT_MAX: Duration = Duration::from_secs(15);
/// As many tracks of one mapping are shown to people.
const TRACKS_MAX: usize = 50;

#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// The mapping, by its name or UUID. Without it, all that do not simply run.
    mapping: Option<String>,
    /// What is printed: sentences, or what the process answers.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = WhyFormat::Text)]
    output: WhyFormat,
    #[command(flatten)]
    listener: ProcessListener,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WhyFormat {
    Text,
    Json,
}

impl WhyArgs {
    pub(super) fn execute(self) -> Exit {
        let address = match self.listener.address() {
            Ok(address) => address,
            Err(exit) => return exit,
        };
        let told = match &self.mapping {
            Some(mapping) => get(&address, &format!("/v1/mappings/{}/status", escaped(mapping))),
            None => get(&address, "/v1/mappings").map(|mut all| {
                if let Some(mappings) = all["mappings"].as_array_mut() {
                    // One that runs is left out unless there is something to know of it, such as that another
                    // takes its messages.
                    mappings.retain(|it| it["severity"] != "none" || it["note"].is_string());
                }
                all
            }),
        };
        let told = match told {
            Ok(told) => told,
            Err(message) => {
                output::complain(Some("FB-0507"), message);
                return Exit::Failed;
            }
        };
        match (self.output, &self.mapping) {
            (WhyFormat::Json, _) => {
                output::print(serde_json::to_string_pretty(&told).expect("it was JSON, written to memory"))
            }
            (WhyFormat::Text, Some(_)) => output::print(one(&told).trim_end()),
            (WhyFormat::Text, None) => output::print(all(&told).trim_end()),
        }
        Exit::Done
    }
}

/// The answer as JSON, or what to say of it.
fn get(address: &Address, path: &str) -> Result<Value, String> {
    let question = Question { method: "GET", path, body: None, wait_max: WAIT_MAX };
    let (status, body) =
        ask(address, question).map_err(|error| format!("{address} does not answer: {error}"))?;
    let told: Value =
        serde_json::from_str(&body).map_err(|error| format!("{address} answers something else: {error}"))?;
    match status {
        200 => Ok(told),
        404 => Err("there is no such mapping: `forebay mappings list` lists them".to_owned()),
        status => Err(format!("{address} answers {status}: {}", text(&told, "message"))),
    }
}

fn text<'a>(it: &'a Value, member: &str) -> &'a str {
    it[member].as_str().unwrap_or_default()
}

/// The head of a mapping: state, sentence, what to do, the page of the manual.
fn head(it: &Value) -> String {
    let mut lines = format!("{} [{}] {}\n", text(it, "name"), text(it, "state"), text(it, "why"));
    match (text(it, "advice"), text(it, "code")) {
        ("", "") => {}
        (advice, "") => writeln!(lines, "  what to do: {advice}").expect("writing to a string"),
        (advice, code) => {
            writeln!(lines, "  what to do: {advice} See docs/errors/{code}.md.").expect("writing to a string")
        }
    }
    if let Some(note) = it["note"].as_str() {
        writeln!(lines, "  note: {note}").expect("writing to a string");
    }
    lines
}

fn all(told: &Value) -> String {
    let mappings = told["mappings"].as_array().map(Vec::as_slice).unwrap_or_default();
    if mappings.is_empty() { "All mappings run.".to_owned() } else { mappings.iter().map(head).collect() }
}

fn one(it: &Value) -> String {
    let mut lines = head(it);
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            writeln!(lines, "  {name}: {value}").expect("writing to a string");
        }
    };
    fact("source", text(it, "source").to_owned());
    fact("function", text(it, "function_name").to_owned());
    fact("behind", behind(&it["lag"]));
    let checkpoint = it["checkpoint_age_seconds"].as_f64();
    fact("last checkpoint", checkpoint.map(|age| format!("{age:.1} s ago")).unwrap_or_default());
    fact(
        "invocations that run",
        it["in_flight_invokes"].as_u64().filter(|it| *it > 0).map(|it| it.to_string()).unwrap_or_default(),
    );
    let error = &it["last_error"];
    if error.is_object() {
        let track =
            if error["track"].is_null() { String::new() } else { format!(", {}", text(error, "track")) };
        fact(
            "last error",
            format!("{} ({}{track}, {})", text(error, "message"), text(error, "of"), text(error, "at")),
        );
    }
    let tracks = it["tracks"].as_array().map(Vec::as_slice).unwrap_or_default();
    for track in tracks.iter().take(TRACKS_MAX) {
        writeln!(lines, "  {} [{}] {}", text(track, "label"), text(track, "state"), text(track, "sentence"))
            .expect("writing to a string");
    }
    if tracks.len() > TRACKS_MAX {
        writeln!(lines, "  and {} more: `--output json` has all", tracks.len() - TRACKS_MAX)
            .expect("writing to a string");
    }
    lines
}

fn behind(lag: &Value) -> String {
    let part = |member: &str| lag[member].as_u64().map(|n| format!("{n} {member}"));
    let parts: Vec<String> = ["records", "bytes"].iter().filter_map(|it| part(it)).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mapping_is_told_with_what_to_do_and_its_tracks() {
        let told = json!({
            "name": "m", "state": "Enabled", "why": "It fails.", "advice": "Mend it.", "code": "FB-0504", "source": "s", "function_name": "f",
            "lag": { "records": null, "bytes": 7 }, "checkpoint_age_seconds": 1.25, "in_flight_invokes": 0,
            "last_error": { "of": "function", "track": "a", "message": "boom", "at": "then" },
            "tracks": [{ "label": "a", "state": "Retrying", "sentence": "It waits." }],
        });
        let expected = "m [Enabled] It fails.\n  what to do: Mend it. See docs/errors/FB-0504.md.\n  source: s\n  function: f\n  behind: 7 bytes\n  \
                        last checkpoint: 1.2 s ago\n  last error: boom (function, a, then)\n  a [Retrying] It waits.\n";
        assert_eq!(one(&told), expected);
    }

    #[test]
    fn what_is_to_be_known_besides_is_told_of_one_that_runs_too() {
        let told = json!({ "mappings": [{ "name": "m", "state": "Enabled", "why": "It runs.", "note": "Beware of b." }] });
        assert_eq!(all(&told), "m [Enabled] It runs.\n  note: Beware of b.\n");
    }

    #[test]
    fn where_all_is_well_that_is_said() {
        assert_eq!(all(&json!({ "mappings": [] })), "All mappings run.");
        assert_eq!(
            all(&json!({ "mappings": [{ "name": "m", "state": "Paused", "why": "Paused." }] })),
            "m [Paused] Paused.\n"
        );
    }
}
