//! Reads a function from its node.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use super::environment::read_environment;
use super::lambda::read_lambda;
use super::{ExecutorSettings, Function, FunctionName, ProcessSettings, Runtime, Sandbox, read_http};
use crate::document::{Node, Value};
use crate::error::{Code, Finding};
use crate::fields::{Fields, Item};
use crate::rate::read_rate;
use crate::settings::{self, SettingsReader};

/// The most characters of a handler.
const HANDLER_CHARS_MAX: usize = 128;

impl Function {
    /// Reads the function of this name. `path` names its node in findings, `base` is where relative paths
    /// begin.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check(name: FunctionName, node: &Node, path: &str, base: &Path) -> Result<Self, Vec<Finding>> {
        Fields::read(node, path, |fields| {
            let mut reader = SettingsReader { fields };
            let executor = reader.required(&settings::EXECUTOR, |it| {
                it.choice(
                    &[settings::PROCESS.key(), settings::HTTP.key(), settings::LAMBDA.key()],
                    |word, it| match word {
                        "process" => read_process(it, base).map(ExecutorSettings::Process),
                        "lambda" => read_lambda(it, base).map(ExecutorSettings::Lambda),
                        _ => {
                            let specs = [&settings::URL, &settings::HEADERS, &settings::CA_FILE];
                            read_http(it, specs, base).map(ExecutorSettings::Http)
                        }
                    },
                )
            });
            let timeout = reader.integer(&settings::TIMEOUT);
            let concurrency = reader.integer(&settings::RESERVED_CONCURRENCY);
            let rate = reader
                .written(&settings::FUNCTION_RATE_LIMIT, |it| read_rate(it, &settings::FUNCTION_RATE_SPECS));
            Some(Self {
                name,
                executor: executor?,
                timeout: Duration::from_secs(u64::try_from(timeout?).ok()?),
                concurrency: concurrency.and_then(|it| u32::try_from(it).ok()),
                rate,
            })
        })
    }
}

fn read_process(it: Item<'_, '_>, base: &Path) -> Option<ProcessSettings> {
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let known =
            [("python3", Runtime::Python3), ("nodejs", Runtime::Nodejs), ("provided", Runtime::Provided)];
        let runtime = reader.required(&settings::RUNTIME, |it| it.word(&known));
        let handler = match runtime {
            Some(Runtime::Provided) => {
                let written = reader.written(&settings::HANDLER, |it| read_handler(it, Runtime::Provided));
                written.or_else(|| Some("bootstrap".to_owned()))
            }
            Some(runtime) => reader.required(&settings::HANDLER, |it| read_handler(it, runtime)),
            // Which shape it must have is not known; only that the key is.
            None => reader.written(&settings::HANDLER, |it| read_handler(it, Runtime::Provided)),
        };
        let code = reader.required(&settings::CODE, |it| it.file_path(base));
        let environment = reader.written(&settings::ENVIRONMENT, read_environment).unwrap_or_default();
        let memory_size = reader.integer(&settings::MEMORY_SIZE);
        let idle_ttl = reader.seconds(&settings::IDLE_TTL);
        // There is one sandbox only, so nothing of it need be kept.
        reader.written(&settings::SANDBOX, read_sandbox);
        Some(ProcessSettings {
            runtime: runtime?,
            handler: handler?,
            code: code?,
            environment,
            memory_size: NonZeroU32::new(u32::try_from(memory_size?).ok()?)?,
            idle_ttl: idle_ttl?,
            sandbox: Sandbox::None,
        })
    })
}

fn read_handler(mut it: Item<'_, '_>, runtime: Runtime) -> Option<String> {
    let (Value::String(text) | Value::Expanded(text)) = &it.node().value else { return it.text() };
    let (file, function) = text.rsplit_once('.').unwrap_or((text, ""));
    let is_dotted = !file.is_empty() && !function.is_empty() && !file.split(['.', '/']).any(str::is_empty);
    let message = match runtime {
        _ if text.chars().count() > HANDLER_CHARS_MAX => {
            format!("a handler has {HANDLER_CHARS_MAX} characters at most")
        }
        _ if text.is_empty() || text.contains(|it: char| it.is_whitespace() || it.is_control()) => {
            "a handler holds no white space".to_owned()
        }
        Runtime::Python3 | Runtime::Nodejs if !is_dotted => "a handler is written `file.function`".to_owned(),
        Runtime::Python3 | Runtime::Nodejs | Runtime::Provided => return Some(text.clone()),
    };
    let fix = matches!(runtime, Runtime::Python3 | Runtime::Nodejs)
        .then(|| "for a function `handler` in `app.py` or `app.js` write `app.handler`".to_owned());
    it.wrong(Code::NOT_ALLOWED, message, fix);
    None
}

/// Only `none` is built in; the other words are known from container platforms and get a sentence of their
/// own.
fn read_sandbox(mut it: Item<'_, '_>) -> Option<()> {
    if let Value::String(text) = &it.node().value
        && text != "none"
    {
        let message =
            "this build runs functions as plain processes; no other sandbox than `none` is built in";
        it.wrong(
            Code::NOT_BUILT_IN,
            message,
            Some("write `none`, or run the daemon itself inside a container".to_owned()),
        );
        return None;
    }
    it.word(&[("none", ())])
}
