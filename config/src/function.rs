//! A function of the config file: how it is run and what limits it.

mod environment;
mod http;
mod lambda;
mod read;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use http::read_http;
pub(crate) use lambda::NAME_CHARS_MAX as FUNCTION_NAME_CHARS_MAX;
pub use lambda::{LAMBDA, LambdaName, LambdaSettings};

use crate::plan::RatePlan;

/// The longest that Lambda lets a function run.
const TIMEOUT_MAX: Duration = Duration::from_secs(900);

/// The name of a function of the config file, 1 to 64 characters of `[a-zA-Z0-9-_]`; or the ARN by which a
/// mapping names one of Lambda.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionName(pub(crate) String);

impl FunctionName {
    /// The name, if it keeps the rule.
    pub fn parse(name: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        ((1..=64).contains(&name.len()) && name.bytes().all(allowed)).then(|| Self(name.to_owned()))
    }

    /// Whether it is the ARN of a function of Lambda that stands nowhere in the config file.
    pub fn is_arn(&self) -> bool {
        self.0.contains(':')
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Function {
    /// A function of Lambda of which nothing is known but its name. Lambda itself bounds its time, with 900
    /// seconds at most.
    pub(crate) fn of_lambda(name: FunctionName, function: LambdaName, qualifier: Option<String>) -> Self {
        let executor = ExecutorSettings::Lambda(LambdaSettings { function, qualifier, aws: Box::default() });
        // Its own timeout is known to Lambda alone, so it gets the longest that there is.
        Self { name, executor, timeout: TIMEOUT_MAX, concurrency: None, rate: None }
    }
}

impl std::fmt::Display for FunctionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One checked function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: FunctionName,
    /// How it is run.
    pub executor: ExecutorSettings,
    /// How long one invocation may take: 1 s to 900 s, 3 s when none is written (Lambda's default).
    pub timeout: Duration,
    /// The most invocations at once; `None` for the executor's own default, zero never invokes.
    pub concurrency: Option<u32>,
    /// How much may be started of it in a second, by all mappings together; `None` for as much as there are
    /// slots for.
    pub rate: Option<RatePlan>,
}

/// How a function is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutorSettings {
    /// A local process that speaks the Lambda Runtime API.
    Process(ProcessSettings),
    /// An HTTP endpoint that gets the event as a POST.
    Http(HttpSettings),
    /// A function of Lambda, or of a server that speaks its Invoke.
    Lambda(LambdaSettings),
}

/// A local process that speaks the Lambda Runtime API.
#[derive(Clone, PartialEq, Eq)]
pub struct ProcessSettings {
    /// Which bootstrap starts it.
    pub runtime: Runtime,
    /// `file.function` for the managed runtimes; passed on as `_HANDLER` for `provided`.
    pub handler: String,
    /// The folder of the code, absolute or relative to the config file; the process's working directory.
    pub code: PathBuf,
    /// Environment variables of the operator; reserved names are refused.
    pub environment: BTreeMap<String, String>,
    /// Told to the function as `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, in MB; 128 when none is written.
    pub memory_size: NonZeroU32,
    /// How long an environment stays without work before it is stopped; 600 s when none is written.
    pub idle_ttl: Duration,
    /// `none` only: the process is not isolated from the host.
    pub sandbox: Sandbox,
}

/// Which bootstrap starts a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// `python3` of the machine with our bootstrap.
    Python3,
    /// `node` of the machine with our bootstrap.
    Nodejs,
    /// `bootstrap` in the code folder, or the handler as a program.
    Provided,
}

/// How far a function's process is kept from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sandbox {
    /// A plain child process in a process group of its own.
    None,
}

/// An HTTP endpoint that gets the event as a POST.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// `http://` or `https://`; no credentials in it.
    pub url: String,
    /// Headers sent with every call; values may come from `${file:…}`.
    pub headers: BTreeMap<String, String>,
    /// A PEM file with further trusted roots.
    pub ca_file: Option<PathBuf>,
}

/// The values of environment variables may be secrets and are not shown.
impl std::fmt::Debug for ProcessSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessSettings")
            .field("runtime", &self.runtime)
            .field("handler", &self.handler)
            .field("code", &self.code)
            .field("environment", &self.environment.keys())
            .field("memory_size", &self.memory_size)
            .field("idle_ttl", &self.idle_ttl)
            .field("sandbox", &self.sandbox)
            .finish()
    }
}

/// The values of headers and the query of the URL may be secrets and are not shown.
impl std::fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpSettings")
            .field("url", &self.url.split('?').next().unwrap_or_default())
            .field("headers", &self.headers.keys())
            .field("ca_file", &self.ca_file)
            .finish()
    }
}
