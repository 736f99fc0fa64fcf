//! The calls themselves, and what is said when one is refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::table::Names;
use crate::cli::ask::{Address, Question, ask, escaped};
use crate::cli::{Folder, output};
use crate::exit::Exit;
use crate::mapping_uuid::{is_uuid, uuid_of, uuid_of_written};

/// The path of mappings.
const MAPPINGS: &str = "/2015-03-31/event-source-mappings";
/// The file in the data folder that holds the address of the listener for Lambda's API while the process
/// runs.
const ADDRESS_FILE: &str = "api.addr";
/// Where that listener stands when nothing else is said.
const ADDRESS_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9471);
/// How long a call may take: a create looks at its function and its source.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Which process.
#[derive(Debug, Args)]
pub(super) struct ApiListener {
    /// The listener for Lambda's API; it takes no key from here, so with `keys` in the config the socket is
    /// the way in. Default: the socket in the data folder, else the address that the process wrote there,
    /// else 127.0.0.1:9471.
    #[arg(long, value_name = "ADDRESS")]
    api_listen: Option<SocketAddr>,
    #[command(flatten)]
    folder: Folder,
}

/// A process that answers, as far as is known.
#[derive(Debug)]
pub(super) struct Api {
    address: Address,
}

impl ApiListener {
    /// Where it answers; `Err` when that cannot be told and was said.
    pub(super) fn open(&self) -> Result<Api, Exit> {
        let address = match self.api_listen {
            Some(listener) => Address::at(listener),
            None => Address::in_folder(&self.folder.choose()?, ADDRESS_FILE, ADDRESS_DEFAULT),
        };
        Ok(Api { address })
    }
}

impl Api {
    /// All mappings, page after page.
    pub(super) fn list(&self, source: Option<&str>, function: Option<&str>) -> Result<Vec<Value>, Exit> {
        let filters = [("EventSourceArn", source), ("FunctionName", function)];
        let filters =
            filters.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped((*value)?))));
        // A marker belongs to its list, so the filters go with each page.
        let filters: Vec<String> = filters.collect();
        let mut mappings = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let query: Vec<String> =
                filters.iter().cloned().chain(marker.map(|it| format!("Marker={}", escaped(&it)))).collect();
            let path = if query.is_empty() {
                MAPPINGS.to_owned()
            } else {
                format!("{MAPPINGS}?{}", query.join("&"))
            };
            let mut page = self.call("GET", &path, None)?;
            if let Value::Array(more) = page["EventSourceMappings"].take() {
                mappings.extend(more);
            }
            match page["NextMarker"].as_str() {
                Some(next) => marker = Some(next.to_owned()),
                None => return Ok(mappings),
            }
        }
    }

    /// The names that mappings have in the config, by UUID: Lambda's API has no word for them. None where
    /// nobody tells.
    pub(super) fn names(&self) -> Names {
        let question = Question { method: "GET", path: "/v1/mappings", body: None, wait_max: WAIT_MAX };
        let answer = ask(&self.address, question).ok().filter(|(status, _)| *status == 200);
        let answer: Value = answer.and_then(|(_, body)| serde_json::from_str(&body).ok()).unwrap_or_default();
        let names = answer["mappings"].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str());
        names.filter(|it| !is_uuid(it)).map(|it| (uuid_of_written(it), it.to_owned())).collect()
    }

    pub(super) fn get(&self, mapping: &str) -> Result<Value, Exit> {
        self.call("GET", &path_of(mapping), None)
    }

    pub(super) fn create(&self, body: &Value) -> Result<Value, Exit> {
        self.call("POST", MAPPINGS, Some(body))
    }

    pub(super) fn update(&self, mapping: &str, body: &Value) -> Result<Value, Exit> {
        self.call("PUT", &path_of(mapping), Some(body))
    }

    pub(super) fn delete(&self, mapping: &str) -> Result<Value, Exit> {
        self.call("DELETE", &path_of(mapping), None)
    }

    /// One call; `Err` when it was refused or nobody answers, and that was said.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Exit> {
        let body = body.map(Value::to_string);
        let question = Question { method, path, body: body.as_deref(), wait_max: WAIT_MAX };
        let (status, answer) = ask(&self.address, question).map_err(|error| {
            output::complain(Some("FB-0507"), format!("{} does not answer: {error}", self.address));
            Exit::Failed
        })?;
        let answer: Value = serde_json::from_str(&answer).map_err(|_| {
            output::complain(Some("FB-0507"), format!("{} answers {status} and no JSON", self.address));
            Exit::Failed
        })?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        output::complain(Some("FB-0530"), refusal(status, &answer));
        Err(exit_of(status))
    }
}

/// AWS's text, and the status where there is none.
fn refusal(status: u16, answer: &Value) -> String {
    let text = ["message", "Message"].iter().find_map(|it| answer[*it].as_str());
    text.map_or_else(|| format!("the call was refused with status {status}"), str::to_owned)
}

/// How the command ends when a call is refused.
fn exit_of(status: u16) -> Exit {
    match status {
        400 | 413 => Exit::Config,
        429 | 500..=599 => Exit::Temporary,
        _ => Exit::Failed,
    }
}

/// The path of a mapping by UUID, or by the name that it has in the config.
fn path_of(mapping: &str) -> String {
    format!("{MAPPINGS}/{}", uuid_of(mapping))
}
