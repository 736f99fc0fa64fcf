//! Builds the functions of the config file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forebay_clients::HttpClients;
use forebay_config::{Executor as Settings, Function, FunctionName};
use forebay_invoker::Executor;
use forebay_invoker::executors::http::{self, HttpExecutor};
use forebay_invoker::executors::process::{ProcessExecutor, ProcessOptions, TracingSink};

use crate::app::BuildError;

/// The account that ARNs of local functions name.
const ACCOUNT: &str = "000000000000";
/// The region that ARNs of local functions name.
const REGION: &str = "us-east-1";

/// One function, ready to be invoked.
pub(crate) struct Built {
    pub(crate) executor: Arc<dyn Executor>,
    /// How many invocations may run at once.
    pub(crate) n_slots: u32,
    /// How long one may take.
    pub(crate) timeout: Duration,
}

/// An executor for each function.
pub(crate) async fn build(
    functions: &BTreeMap<FunctionName, Function>,
    clients: &HttpClients,
) -> Result<BTreeMap<FunctionName, Built>, BuildError> {
    let mut built = BTreeMap::new();
    for (name, function) in functions {
        built.insert(name.clone(), build_one(function, clients).await?);
    }
    Ok(built)
}

async fn build_one(function: &Function, clients: &HttpClients) -> Result<Built, BuildError> {
    Ok(match &function.executor {
        Settings::Process(settings) => {
            let options = ProcessOptions {
                region: REGION.to_owned(),
                account: ACCOUNT.to_owned(),
                // The config has made all paths absolute.
                base: PathBuf::from("/"),
                log: Arc::new(TracingSink),
            };
            let executor = ProcessExecutor::new(function, settings, options).await?;
            let own = u32::try_from(executor.environments_max()).unwrap_or(u32::MAX);
            Built { n_slots: function.concurrency.unwrap_or(own), executor: Arc::new(executor), timeout: function.timeout }
        }
        Settings::Http(settings) => {
            let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", function.name);
            let executor = HttpExecutor::new(function, settings, arn, clients);
            let executor = executor.map_err(|cause| BuildError::Endpoint { who: format!("function {}", function.name), cause })?;
            let n_slots = function.concurrency.unwrap_or(http::CONCURRENCY_DEFAULT);
            Built { executor: Arc::new(executor), n_slots, timeout: function.timeout }
        }
    })
}
