//! The functions of the process: built from the config, replaced when their settings change, stopped when
//! nobody uses them any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use forebay_clients::Clients;
use forebay_config::function::LambdaName;
use forebay_config::{ExecutorSettings as Settings, Function, FunctionName};
use forebay_invoker::executors::http::{self, HttpExecutor};
use forebay_invoker::executors::lambda::{self, LambdaExecutor};
use forebay_invoker::executors::process::{Interpreters, ProcessExecutor, ProcessOptions, TracingSink};
use forebay_invoker::{Executor, Gate};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{error, info};

use crate::build_error::BuildError;

/// How long a function that nobody uses any more gets to stop.
const RETIRE_MAX: Duration = Duration::from_secs(5);

/// One function, ready to be invoked.
pub(crate) struct Built {
    /// What it says.
    pub(crate) function: Function,
    pub(crate) executor: Arc<dyn Executor>,
    /// How many invocations may run at once.
    pub(crate) n_slots: u32,
    /// Who uses it holds a token.
    users: TaskTracker,
}

impl Built {
    /// A proof of use: the function is not stopped before all are dropped.
    pub(crate) fn token(&self) -> TaskTrackerToken {
        self.users.token()
    }
}

/// Functions by name.
pub(crate) type BuiltFunctions = BTreeMap<FunctionName, Arc<Built>>;

/// All functions of the process.
#[derive(Default)]
pub(crate) struct Functions {
    running: BuiltFunctions,
    /// One task for each function that was replaced or removed.
    retiring: JoinSet<()>,
    retired: Vec<Weak<dyn Executor>>,
}

impl Functions {
    /// Those that run.
    pub(crate) fn running(&self) -> &BuiltFunctions {
        &self.running
    }

    /// Those whose files are not the ones any more that they were made from.
    pub(crate) fn stale(&self) -> BTreeSet<FunctionName> {
        self.running
            .iter()
            .filter(|(_, it)| !it.executor.is_current())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Puts new ones in the place of former ones of their name and ends those that `names` does not hold. A
    /// former one is stopped when the mappings that use it have let it go.
    pub(crate) fn install(&mut self, new: BuiltFunctions, names: &BTreeSet<FunctionName>, gate: &Gate) {
        self.put(new, gate);
        let gone: Vec<_> = self.running.keys().filter(|name| !names.contains(*name)).cloned().collect();
        self.end(&gone, gate);
    }

    /// Puts new ones in the place of former ones of their name.
    pub(crate) fn put(&mut self, new: BuiltFunctions, gate: &Gate) {
        // Those that have ended are taken out here: nobody else waits for them.
        while let Some(retired) = self.retiring.try_join_next() {
            if let Err(error) = retired {
                error!(code = "FB-0501", %error, "a function that nobody uses any more was not stopped as it should: its processes are killed");
            }
        }
        self.retired.retain(|it| it.strong_count() > 0);
        for (name, built) in new {
            // Its mappings are told after this, and ask for slots at once.
            gate.renew(&name, built.n_slots, built.function.rate);
            if let Some(former) = self.running.insert(name, built) {
                self.retire(former);
            }
        }
    }

    /// Ends these when the mappings that use them have let them go.
    pub(crate) fn end(&mut self, gone: &[FunctionName], gate: &Gate) {
        for name in gone {
            gate.forget(name);
            if let Some(former) = self.running.remove(name) {
                self.retire(former);
            }
        }
    }

    fn retire(&mut self, former: Arc<Built>) {
        // Weak: at the end of the process those that still run are stopped, and nothing is kept for that.
        self.retired.push(Arc::downgrade(&former.executor));
        self.retiring.spawn(async move {
            // Without a close the wait would not end when the last of them has gone.
            former.users.close();
            former.users.wait().await;
            former.executor.stop(RETIRE_MAX).await;
            info!(
                function = former.function.name.as_str(),
                "a function that nobody uses any more was stopped"
            );
        });
    }

    /// Stops all, those too that are still in use.
    pub(crate) async fn stop(&mut self, grace: Duration) {
        // Whoever still waits for its users is stopped here.
        self.retiring.shutdown().await;
        stop_all(
            self.running
                .values()
                .map(|it| Arc::clone(&it.executor))
                .chain(self.retired.iter().filter_map(Weak::upgrade)),
            grace,
        )
        .await;
    }
}

/// Stops functions side by side.
pub(crate) async fn stop_all(executors: impl Iterator<Item = Arc<dyn Executor>>, grace: Duration) {
    let mut stops = JoinSet::new();
    for executor in executors {
        stops.spawn(async move { executor.stop(grace).await });
    }
    while let Some(stopped) = stops.join_next().await {
        if let Err(error) = stopped {
            error!(code = "FB-0501", %error, "a function could not be stopped");
        }
    }
}

/// Builds functions.
///
/// # Errors
/// All functions that cannot be run, at once; the others are stopped again then.
pub(crate) async fn build(
    functions: impl Iterator<Item = &Function>,
    clients: &Clients,
) -> Result<BuiltFunctions, BuildError> {
    let interpreters = Arc::new(Interpreters::default());
    let mut built = BTreeMap::new();
    let mut refused = Vec::new();
    for function in functions {
        match build_one(function, clients, &interpreters).await {
            Ok((executor, n_slots)) => {
                let one = Built { function: function.clone(), executor, n_slots, users: TaskTracker::new() };
                built.insert(function.name.clone(), Arc::new(one));
            }
            Err(error) => refused.push(error),
        }
    }
    if refused.is_empty() {
        return Ok(built);
    }
    // What was built by then has begun something already: a local function its guard.
    scrap(&built).await;
    Err(BuildError::Functions(refused))
}

/// Stops functions that were built and are not to be used.
pub(crate) async fn scrap(built: &BuiltFunctions) {
    stop_all(built.values().map(|it| Arc::clone(&it.executor)), Duration::ZERO).await;
}

async fn build_one(
    function: &Function,
    clients: &Clients,
    interpreters: &Arc<Interpreters>,
) -> Result<(Arc<dyn Executor>, u32), BuildError> {
    Ok(match &function.executor {
        Settings::Process(settings) => {
            let options = ProcessOptions {
                region: clients.aws.region().to_owned(),
                account: clients.aws.common_account().to_owned(),
                // The config has made all paths absolute.
                base: PathBuf::from("/"),
                interpreters: Arc::clone(interpreters),
                log: Arc::new(TracingSink),
            };
            let executor = ProcessExecutor::new(function, settings, options).await?;
            let own = u32::try_from(executor.environments_max()).unwrap_or(u32::MAX);
            (Arc::new(executor), function.concurrency.unwrap_or(own))
        }
        Settings::Http(settings) => {
            let name = LambdaName::Bare(function.name.to_string());
            let arn = name.arn(clients.aws.region(), clients.aws.common_account());
            let executor = HttpExecutor::new(function, settings, arn, &clients.http);
            let executor = executor.map_err(|cause| BuildError::Endpoint {
                who: format!("function {}", function.name),
                cause,
            })?;
            (Arc::new(executor), function.concurrency.unwrap_or(http::CONCURRENCY_DEFAULT))
        }
        Settings::Lambda(settings) => {
            let executor = LambdaExecutor::new(function, settings, clients).await;
            let executor = executor
                .map_err(|cause| BuildError::Aws { who: format!("function {}", function.name), cause })?;
            (Arc::new(executor), function.concurrency.unwrap_or(lambda::CONCURRENCY_DEFAULT))
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
        let built = build(config.functions.values(), &Clients::default()).await;
        let Err(BuildError::Functions(all)) = built else { panic!("it was built") };
        let told: Vec<_> = all
            .iter()
            .map(|it| (it.code(), it.to_string().contains(&*folder.path().to_string_lossy())))
            .collect();
        assert_eq!(told, [("FB-0301", true), ("FB-0305", true)]);
    }
}
