//! `forebay decide`: what of a mapping waits for an operator, and what becomes of it.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use serde_json::{Value, json};

use super::ask::{ProcessListener, Question, ask, escaped};
use super::output;
use crate::exit::Exit;

/// How long connecting, and each read, may take: the answer comes when the decision is durable.
const WAIT_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["position", "all"])))]
pub(super) struct DecideArgs {
    /// The mapping, by its name or UUID.
    mapping: String,
    /// What becomes of what waits. Without it, that is listed and nothing is changed.
    #[arg(value_enum, requires = "which")]
    decision: Option<DecisionArg>,
    /// The track of the batch, as the list calls it; with `--all`, only what waits on this track.
    #[arg(long, value_name = "TRACK", requires = "decision")]
    track: Option<String>,
    /// The first record of the batch, as the list has it.
    #[arg(long, value_name = "POSITION", requires_all = ["decision", "track"])]
    position: Option<String>,
    /// All that waits.
    #[arg(long, requires = "decision")]
    all: bool,
    #[command(flatten)]
    listener: ProcessListener,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DecisionArg {
    /// It is finished as it is; no destination is told.
    Skip,
    /// It is tried again, with a fresh count of attempts, whatever its age.
    Retry,
    /// It goes to the destination, as without the pause.
    Send,
}

impl DecisionArg {
    fn word(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Retry => "retry",
            Self::Send => "send",
        }
    }
}

impl DecideArgs {
    pub(super) fn execute(self) -> Exit {
        let address = match self.listener.address() {
            Ok(address) => address,
            Err(exit) => return exit,
        };
        let name = escaped(&self.mapping);
        let (method, path, body) = match self.decision {
            None => ("GET", format!("/v1/mappings/{name}/paused"), None),
            Some(decision) => ("POST", format!("/v1/mappings/{name}/decide"), Some(self.body(decision))),
        };
        let question = Question { method, path: &path, body: body.as_deref(), wait_max: WAIT_MAX };
        let (status, body) = match ask(&address, question) {
            Ok(answer) => answer,
            Err(error) => return no_answer(format!("{address} does not answer: {error}")),
        };
        let told: Value = match serde_json::from_str(&body) {
            Ok(told) => told,
            Err(error) => return no_answer(format!("{address} answers something else: {error}")),
        };
        match status {
            200 | 202 => {
                output::print(text(&told, &self.mapping).trim_end());
                // Carried out and not kept yet: after a crash it would have to be decided again.
                if status == 200 { Exit::Done } else { Exit::Temporary }
            }
            404 => no_answer("there is no such mapping: `forebay mappings list` lists them".to_owned()),
            status => {
                let message = told["message"].as_str().unwrap_or_default();
                output::complain(told["code"].as_str(), message);
                if status == 503 { Exit::Temporary } else { Exit::Failed }
            }
        }
    }

    fn body(&self, decision: DecisionArg) -> String {
        let mut body = json!({ "decision": decision.word(), "all": self.all });
        for (member, value) in [("track", &self.track), ("position", &self.position)] {
            if let Some(value) = value {
                body[member] = json!(value);
            }
        }
        body.to_string()
    }
}

fn no_answer(what: String) -> Exit {
    output::complain(Some("FB-0507"), what);
    Exit::Failed
}

/// What waits and how to decide about it, or what was decided about.
fn text(told: &Value, mapping: &str) -> String {
    let mut lines = String::new();
    let batches = |member: &str| told[member].as_array().map(Vec::as_slice).unwrap_or_default().to_vec();
    let (paused, decided) = (batches("paused"), batches("decided"));
    for it in paused.iter().chain(&decided) {
        writeln!(lines, "{}", line(it)).expect("writing to a string");
    }
    let last = match told["sentence"].as_str() {
        Some(sentence) => sentence.to_owned(),
        None if paused.is_empty() => format!("Nothing of {mapping} waits for a decision."),
        None => format!(
            "Decide with `forebay decide {mapping} skip|retry|send --track TRACK --position POSITION`, or with `--all`."
        ),
    };
    lines + &last
}

fn line(it: &Value) -> String {
    let word = |member: &str| it[member].as_str().unwrap_or_default();
    let number = |member: &str| it[member].as_u64().unwrap_or_default();
    let error = it["error"].as_str().map(|it| format!(" ({it})")).unwrap_or_default();
    format!(
        "--track {} --position {}: {} record(s) to {}, since {}, {} after {} attempt(s){error}",
        word("label"),
        word("position"),
        number("records"),
        word("last_position"),
        word("since"),
        word("condition"),
        number("attempts")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_listed_as_it_is_to_be_named() {
        let batch = json!({
            "track": "1:a", "label": "/d/a.log", "position": "7", "last_position": "9", "records": 2, "condition": "RetryAttemptsExhausted",
            "attempts": 3, "since": "then", "error": "boom",
        });
        assert_eq!(
            text(&json!({ "paused": [batch] }), "m"),
            "--track /d/a.log --position 7: 2 record(s) to 9, since then, RetryAttemptsExhausted after 3 attempt(s) (boom)\n\
             Decide with `forebay decide m skip|retry|send --track TRACK --position POSITION`, or with `--all`."
        );
        assert_eq!(text(&json!({ "paused": [] }), "m"), "Nothing of m waits for a decision.");
        let told = text(&json!({ "decided": [batch], "sentence": "It goes on." }), "m");
        assert!(told.ends_with("\nIt goes on."), "{told}");
    }
}
