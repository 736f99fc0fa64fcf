//! `forebay export`: mappings as config, of both owners.

mod written;
mod yaml;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use forebay_config::{Document, Format, Node, Value};

use self::written::Written;
use super::ask::{Address, ProcessListener, Question, ask, escaped};
use super::output;
use crate::exit::Exit;

/// How long an answer may take.
const WAIT_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Names of the config, or UUIDs; all mappings of both when none is given.
    mappings: Vec<String>,
    #[command(flatten)]
    listener: ProcessListener,
}

/// A mapping that is written out, with a remark above it.
struct Exported {
    remark: String,
    mapping: Node,
}

impl ExportArgs {
    pub(super) fn execute(self) -> Exit {
        match self.exported() {
            Ok(mappings) => {
                output::print(document(&mappings));
                Exit::Done
            }
            Err(exit) => exit,
        }
    }

    /// `Err` when something is missing, and that was said: half an export would be taken for the whole.
    fn exported(&self) -> Result<Vec<Exported>, Exit> {
        let written = written::read(&self.listener.folder.config)?;
        let find = |name: &str| written.iter().find(|it| it.name == name);
        if !self.mappings.is_empty() {
            let one = |name: &String| {
                find(name)
                    .map_or_else(|| from_process(&self.listener.address()?, name), |it| Ok(as_written(it)))
            };
            return self.mappings.iter().map(one).collect();
        }
        let address = self.listener.address()?;
        // The config file goes first: what it says has placeholders and remarks of its own.
        let known: BTreeSet<&str> = written.iter().map(|it| it.name.as_str()).collect();
        let others = names(&address)?.into_iter().filter(|it| !known.contains(it.as_str()));
        let others: Vec<Exported> = others.map(|it| from_process(&address, &it)).collect::<Result<_, _>>()?;
        Ok(written.iter().map(as_written).chain(others).collect())
    }
}

fn as_written(it: &Written) -> Exported {
    let place = &it.mapping.place;
    let remark = format!("{}:{}, relative paths begin at {}", place.file, place.line, it.base.display());
    Exported { remark, mapping: it.mapping.clone() }
}

fn document(mappings: &[Exported]) -> String {
    if mappings.is_empty() {
        return "event_source_mappings: []".to_owned();
    }
    let mut lines = vec!["event_source_mappings:".to_owned()];
    for it in mappings {
        lines.push(format!("  # {}", it.remark.escape_debug()));
        lines.extend(yaml::dashed(yaml::lines(&it.mapping)).map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

/// The names of all mappings of a process.
fn names(address: &Address) -> Result<Vec<String>, Exit> {
    let answer: serde_json::Value =
        serde_json::from_str(&answer(address, "/v1/mappings")?).unwrap_or_default();
    let Some(mappings) = answer["mappings"].as_array() else {
        return Err(no_answer(format!("{address} answers something else")));
    };
    Ok(mappings.iter().filter_map(|it| it["name"].as_str()).map(str::to_owned).collect())
}

fn from_process(address: &Address, name: &str) -> Result<Exported, Exit> {
    let answer = answer(address, &format!("/v1/mappings/{}/config", escaped(name)))?;
    let document = Document::parse("answer", &answer, Format::Json, Path::new("/"));
    let mut mapping = document.map_err(|_| no_answer(format!("{address} answers something else")))?.root;
    escape(&mut mapping);
    Ok(Exported { remark: "made over the API".to_owned(), mapping })
}

fn answer(address: &Address, path: &str) -> Result<String, Exit> {
    let question = Question { method: "GET", path, body: None, wait_max: WAIT_MAX };
    match ask(address, question) {
        Ok((200, body)) => Ok(body),
        Ok((404, _)) => {
            output::complain(
                Some("FB-0511"),
                format!("neither the config nor the process knows what `{path}` names"),
            );
            Err(Exit::Config)
        }
        Ok((status, body)) => Err(no_answer(format!("{address} answers {status}: {}", body.trim_end()))),
        Err(error) => Err(no_answer(format!(
            "{address} does not answer, and it knows the mappings of the API: {error}"
        ))),
    }
}

/// What the process holds are values; written out, a placeholder's characters would be filled.
fn escape(node: &mut Node) {
    match &mut node.value {
        Value::String(text) => *text = text.replace("${", "$${"),
        Value::List(nodes) => nodes.iter_mut().for_each(escape),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, node)| escape(node)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Expanded(_) => {}
    }
}

fn no_answer(what: String) -> Exit {
    output::complain(Some("FB-0507"), what);
    Exit::Failed
}
