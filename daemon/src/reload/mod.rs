//! Reading the config again while running: all or nothing, and whoever asked or looks is told what became of
//! it.

mod outcome;
mod status;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use forebay_clients::Mark;
use forebay_config::{ExecutorSettings, Function};
use tokio::sync::{mpsc, oneshot};
use tokio::task::block_in_place;
use tracing::{debug, error, info};

pub use self::outcome::{RefusedConfig, ReloadOutcome};
pub use self::status::{Rejection, ReloadStatus};
pub use self::watch::ConfigWatch;
use crate::clock::Clock;
use crate::compiled::{self, CompiledConfig};
use crate::config_files::Loaded;
use crate::control::ControlHandle;
use crate::effective::{self, EffectiveLine};
use crate::front::{Listen, Prepared, Running};

/// Reloads that may wait for their turn.
const REQUESTS_MAX: usize = 4;

/// Somebody wants the config read again, and to hear what became of it.
pub type ReloadRequest = oneshot::Sender<ReloadOutcome>;

/// A way to ask for a reload.
pub type Requests = mpsc::Sender<ReloadRequest>;

/// A way to ask for reloads, and its far end.
pub fn requests() -> (Requests, mpsc::Receiver<ReloadRequest>) {
    mpsc::channel(REQUESTS_MAX)
}

/// Why the config is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// SIGHUP.
    Signal,
    /// `forebay reload`, or a POST to `/v1/reload`.
    Asked,
    /// The files have changed.
    Files,
}

impl Cause {
    fn word(self) -> &'static str {
        match self {
            Self::Signal => "SIGHUP",
            Self::Asked => "request",
            Self::Files => "changed files",
        }
    }
}

/// What holds as long as the process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// `--admin-listen`; without it the config's address counts.
    pub admin_flag: Option<SocketAddr>,
    /// The address that was asked for.
    pub admin: SocketAddr,
    /// `--api-listen`; without it the config's address counts.
    pub api_flag: Option<Listen>,
    /// The address of Lambda's API that was asked for.
    pub api: Option<SocketAddr>,
    /// `--data-dir`; without it the config's folder counts.
    pub data_flag: Option<PathBuf>,
    /// The data folder.
    pub data_dir: Option<PathBuf>,
    /// How often the store syncs.
    pub commit_interval: std::time::Duration,
}

/// Reads the config of the process again.
#[derive(Debug)]
pub struct Reloader {
    names: Vec<String>,
    fixed: Fixed,
    status: Arc<ReloadStatus>,
    clock: Clock,
}

/// A config that was read again, and what is told when it holds.
struct ReadConfig {
    compiled: CompiledConfig,
    lines: Vec<EffectiveLine>,
}

impl Reloader {
    /// Reads what `names` say, as the start did.
    pub fn new(names: Vec<String>, fixed: Fixed, clock: Clock) -> Self {
        Self { names, fixed, status: Arc::default(), clock }
    }

    /// What became of the reloads.
    pub fn status(&self) -> &Arc<ReloadStatus> {
        &self.status
    }

    /// What is read.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads the config and goes on with it, or keeps the former one. It returns as soon as what differs has
    /// been told so; what still runs finishes by itself. May be dropped; then all or nothing has happened and
    /// nobody is told.
    pub async fn reload(
        &self,
        control: &ControlHandle,
        front: &Running,
        settings: &mut LiveSettings,
        watch: &mut ConfigWatch,
        cause: Cause,
    ) -> ReloadOutcome {
        watch.rest();
        let outcome = match self.read(watch) {
            Ok(read) => self.change(control, front, settings, read).await,
            Err(refused) => ReloadOutcome::Rejected(refused),
        };
        watch.set_enabled(settings.watch_config);
        self.tell(&outcome, cause);
        outcome
    }

    /// What became of a reload that panicked.
    pub fn died(&self, panic: &str, cause: Cause) -> ReloadOutcome {
        let outcome =
            ReloadOutcome::Rejected(RefusedConfig::unreadable("FB-0501", format!("reading it {panic}")));
        self.tell(&outcome, cause);
        outcome
    }

    fn read(&self, watch: &mut ConfigWatch) -> Result<ReadConfig, RefusedConfig> {
        if self.names.iter().any(|name| name == "-") {
            return Err(RefusedConfig::unreadable(
                "FB-0510",
                "standard input cannot be read a second time: give the config as a file",
            ));
        }
        let loaded = block_in_place(|| Loaded::read_named(&self.names));
        let loaded = loaded.map_err(|error| RefusedConfig::unreadable(error.code(), error.to_string()))?;
        // Also of a config that is then refused: whoever mends such a file wants it read again.
        watch.also(loaded.named_files());
        let compiled = loaded.check().and_then(|config| compiled::compile(config, &loaded));
        let compiled = compiled.map_err(|findings| RefusedConfig::findings(&findings, &loaded.texts))?;
        self.check_fixed(&compiled)?;
        watch.also(&named_files(&loaded, &compiled));
        Ok(ReadConfig { lines: effective::lines(&loaded, &compiled), compiled })
    }

    /// Some settings hold from the start to the end of the process.
    fn check_fixed(&self, compiled: &CompiledConfig) -> Result<(), RefusedConfig> {
        let settings = &compiled.settings;
        // A flag goes before the config, so what the config says of it may change.
        let admin = self.fixed.admin_flag.unwrap_or(settings.admin_listen);
        let data_dir = crate::data_dir::choose(self.fixed.data_flag.clone(), settings.data_dir.clone());
        let api = self.fixed.api_flag.map_or(settings.api.listen, |it| it.0);
        let changed: Vec<_> = [
            ("admin.listen", admin != self.fixed.admin),
            ("api.listen", api != self.fixed.api),
            ("data_dir", data_dir != self.fixed.data_dir),
            ("commit_interval", settings.commit_interval != self.fixed.commit_interval),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect();
        if changed.is_empty() { Ok(()) } else { Err(RefusedConfig::needs_restart(&changed)) }
    }

    async fn change(
        &self,
        control: &ControlHandle,
        front: &Running,
        settings: &mut LiveSettings,
        read: ReadConfig,
    ) -> ReloadOutcome {
        // Looked up before the mappings change, put in place once they have: a secret that cannot be had changes
        // nothing.
        let prepared = match Prepared::of(&read.compiled.settings, self.fixed.api).await {
            Ok(prepared) => prepared,
            Err(error) => return ReloadOutcome::Rejected(RefusedConfig::front(&error)),
        };
        let wanted = LiveSettings {
            shutdown_grace: read.compiled.settings.shutdown_grace,
            watch_config: read.compiled.settings.watch_config,
        };
        match control.change(read.compiled).await {
            Ok(changes) => {
                front.change(prepared);
                *settings = wanted;
                let is_told = |line: &&EffectiveLine| {
                    [&changes.added, &changes.changed, &changes.enabled]
                        .iter()
                        .any(|it| it.contains(&line.mapping))
                };
                read.lines.iter().filter(is_told).for_each(EffectiveLine::tell);
                ReloadOutcome::Applied(changes)
            }
            Err(error) => ReloadOutcome::Rejected(RefusedConfig::build(&error)),
        }
    }

    fn tell(&self, outcome: &ReloadOutcome, cause: Cause) {
        let cause_word = cause.word();
        match outcome {
            // Nobody asked, so nobody waits for a word.
            ReloadOutcome::Applied(changes) if changes.is_empty() && cause == Cause::Files => {
                debug!("config files were touched: nothing differs")
            }
            ReloadOutcome::Applied(changes) => {
                info!(cause = cause_word, changes = changes.sentence(), "config reloaded")
            }
            ReloadOutcome::Rejected(refused) => {
                // A line each: the place of a mistake is a field of its own.
                for it in &refused.details {
                    error!(code = it.code, place = it.place, "{}", it.message);
                }
                let error = &refused.message;
                error!(
                    code = "FB-0514",
                    cause = cause_word,
                    error,
                    "reload rejected: the former config stays in use"
                );
            }
        }
        self.status.note(outcome, self.clock.now().unix);
    }
}

/// The files besides the config's own whose change is one of the config, and the code folders, which may be
/// links; with the marks that those of placeholders had before they were read, and the others have now, before
/// they are.
pub fn named_files(loaded: &Loaded, compiled: &CompiledConfig) -> BTreeMap<PathBuf, Option<Mark>> {
    let of_function = |it: &Function| match &it.executor {
        ExecutorSettings::Process(settings) => Some(settings.code.clone()),
        ExecutorSettings::Http(settings) => settings.ca_file.clone(),
        ExecutorSettings::Lambda(settings) => settings.aws.ca_file.clone(),
    };
    let mut files = loaded.named_files().clone();
    let others = compiled.settings.api.files().into_iter();
    let others = others
        .chain(compiled.functions.values().filter_map(of_function))
        .chain(compiled.settings.aws.ca_file.clone())
        .chain(compiled.settings.aws.accounts.values().filter_map(|it| it.ca_file.clone()));
    for file in others {
        files.entry(file).or_insert_with_key(|it| Mark::of(it));
    }
    files
}

/// What concerns the process and may change while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveSettings {
    /// How long running invocations get at the end.
    pub shutdown_grace: std::time::Duration,
    /// Whether changed files are read again by themselves.
    pub watch_config: bool,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use forebay_batcher::UnixMillis;

    use super::*;

    fn read(name: &str, folder: &str) -> Result<ReadConfig, RefusedConfig> {
        let admin = "127.0.0.1:9470".parse().unwrap();
        let fixed = Fixed {
            admin_flag: None,
            admin,
            api_flag: None,
            api: "127.0.0.1:9471".parse().ok(),
            data_flag: None,
            data_dir: Some(folder.into()),
            commit_interval: std::time::Duration::from_millis(50),
        };
        let names = vec![name.to_owned()];
        Reloader::new(names.clone(), fixed, Clock::start_at(UnixMillis(0)))
            .read(&mut ConfigWatch::new(&names))
    }

    #[test]
    fn the_roots_of_all_accounts_are_watched() {
        let text = r#"{ "aws": { "account_id": "111111111111", "ca_file": "/ours",
            "accounts": { "222222222222": { "ca_file": "/theirs" } } }, "event_source_mappings": [] }"#;
        let loaded = Loaded::of_text("config.json", text, forebay_config::Format::Json);
        let compiled =
            compiled::compile(loaded.check().unwrap(), &loaded).unwrap_or_else(|_| panic!("it is right"));
        let watched = named_files(&loaded, &compiled);
        assert!(["/ours", "/theirs"].iter().all(|it| watched.contains_key(Path::new(it))), "{watched:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn standard_input_is_not_read_a_second_time() {
        assert_eq!(read("-", "/d").err().map(|it| it.code), Some("FB-0510".to_owned()));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_holds_from_the_start_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.yaml");
        let name = path.display().to_string();
        std::fs::write(&path, "data_dir: /d\nevent_source_mappings: []\n").unwrap();
        assert!(read(&name, "/d").is_ok());
        let refused = read(&name, "/other").err().map(|it| it.message).unwrap_or_default();
        assert!(refused.starts_with("FB-0516: `data_dir`"), "{refused}");
        std::fs::write(
            &path,
            "data_dir: /d\nadmin: { listen: \"127.0.0.1:1\" }\nevent_source_mappings: []\n",
        )
        .unwrap();
        let refused = read(&name, "/d").err().map(|it| it.message).unwrap_or_default();
        assert!(refused.starts_with("FB-0516: `admin.listen`"), "{refused}");
        std::fs::write(&path, "data_dir: /d\ncommit_interval: 0\nevent_source_mappings: []\n").unwrap();
        let refused = read(&name, "/d").err().map(|it| it.message).unwrap_or_default();
        assert!(refused.starts_with("FB-0516: `commit_interval`"), "{refused}");
        std::fs::write(&path, "data_dir: /d\napi: { listen: off }\nevent_source_mappings: []\n").unwrap();
        let refused = read(&name, "/d").err().map(|it| it.message).unwrap_or_default();
        assert!(refused.starts_with("FB-0516: `api.listen`"), "{refused}");
    }
}
