//! Builds the functions of the config file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forebay_clients::Clients;
use forebay_config::function::LambdaName;
use forebay_config::{AwsSettings, Executor as Settings, Function, FunctionName};
use forebay_invoker::Executor;
use forebay_invoker::executors::http::{self, HttpExecutor};
use forebay_invoker::executors::lambda::{self, LambdaExecutor};
use forebay_invoker::executors::process::{Interpreters, ProcessExecutor, ProcessOptions, TracingSink};

use crate::app::BuildError;

/// One function, ready to be invoked.
pub(crate) struct Built {
    pub(crate) executor: Arc<dyn Executor>,
    /// How many invocations may run at once.
    pub(crate) n_slots: u32,
    /// How long one may take.
    pub(crate) timeout: Duration,
}

/// An executor for each function.
///
/// # Errors
/// All functions that cannot be run, at once.
pub(crate) async fn build(
    functions: &BTreeMap<FunctionName, Function>,
    clients: &Clients,
) -> Result<BTreeMap<FunctionName, Built>, BuildError> {
    let interpreters = Arc::new(Interpreters::default());
    let mut built = BTreeMap::new();
    let mut refused = Vec::new();
    for (name, function) in functions {
        match build_one(function, clients, &interpreters).await {
            Ok(it) => drop(built.insert(name.clone(), it)),
            Err(error) => refused.push(error),
        }
    }
    if refused.is_empty() { Ok(built) } else { Err(BuildError::Functions(refused)) }
}

async fn build_one(function: &Function, clients: &Clients, interpreters: &Arc<Interpreters>) -> Result<Built, BuildError> {
    Ok(match &function.executor {
        Settings::Process(settings) => {
            let options = ProcessOptions {
                region: clients.aws.region().to_owned(),
                account: clients.aws.account(&AwsSettings::default()).to_owned(),
                // The config has made all paths absolute.
                base: PathBuf::from("/"),
                interpreters: Arc::clone(interpreters),
                log: Arc::new(TracingSink),
            };
            let executor = ProcessExecutor::new(function, settings, options).await?;
            let own = u32::try_from(executor.environments_max()).unwrap_or(u32::MAX);
            Built { n_slots: function.concurrency.unwrap_or(own), executor: Arc::new(executor), timeout: function.timeout }
        }
        Settings::Http(settings) => {
            let name = LambdaName::Bare(function.name.to_string());
            let arn = name.arn(clients.aws.region(), clients.aws.account(&AwsSettings::default()));
            let executor = HttpExecutor::new(function, settings, arn, &clients.http);
            let executor = executor.map_err(|cause| BuildError::Endpoint { who: format!("function {}", function.name), cause })?;
            let n_slots = function.concurrency.unwrap_or(http::CONCURRENCY_DEFAULT);
            Built { executor: Arc::new(executor), n_slots, timeout: function.timeout }
        }
        Settings::Lambda(settings) => {
            let executor = LambdaExecutor::new(function, settings, clients).await;
            let executor = executor.map_err(|cause| BuildError::Aws { who: format!("function {}", function.name), cause })?;
            Built {
                executor: Arc::new(executor),
                n_slots: function.concurrency.unwrap_or(lambda::CONCURRENCY_DEFAULT),
                timeout: function.timeout,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use forebay_config::{Config, Document, Format};

    use super::*;
    use crate::built_in::BuiltIn;

    #[tokio::test]
    async fn all_functions_that_cannot_be_run_are_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"
functions:
  no-folder: { executor: { process: { runtime: provided, code: nowhere } } }
  no-program: { executor: { process: { runtime: provided, code: . } } }
  whole: { executor: { http: { url: "http://127.0.0.1:1/" } } }
event_source_mappings: []
"#;
        let document = Document::parse("c.yaml", text, Format::Yaml, folder.path()).unwrap();
        let config = Config::check(&[document], &BuiltIn).unwrap();
        let Err(BuildError::Functions(all)) = build(&config.functions, &Clients::default()).await else { panic!("it was built") };
        let told: Vec<_> = all.iter().map(|it| (it.code(), it.to_string().contains(&*folder.path().to_string_lossy()))).collect();
        assert_eq!(told, [("FB-0301", true), ("FB-0305", true)]);
    }
}
