//! The settings of the daemon itself: the top level of a config file.

use super::{DefaultValue as D, SettingSpec, Shape};

pub(crate) static ADMIN: SettingSpec = SettingSpec::new(
    "admin",
    Shape::Group,
    D::Absent("its members have defaults"),
    "The listener for health, metrics and operators.",
);
pub(crate) static ADMIN_LISTEN: SettingSpec = SettingSpec::new(
    "admin.listen",
    Shape::Text,
    D::Word("127.0.0.1:9470"),
    "Address and port of the listener for health and metrics, on loopback: it has no login. Put a proxy that has one before it where others need it.",
);
pub(crate) static DATA_DIR: SettingSpec = SettingSpec::new(
    "data_dir",
    Shape::Path,
    D::Absent("`/var/lib/forebay` for root, else `$XDG_STATE_HOME/forebay` or `~/.local/state/forebay`"),
    "The folder of the checkpoints. One process a folder. The flag `--data-dir` and the variable `FOREBAY_DATA_DIR` go before this setting.",
);
pub(crate) static COMMIT_INTERVAL: SettingSpec = SettingSpec::new(
    "commit_interval",
    Shape::Seconds { min_ms: 0, max_ms: 5_000 },
    D::Millis(50),
    "Seconds between two syncs of the checkpoints, all mappings together. A process that is killed repeats what it finished within its last five milliseconds or so; after a power cut what was finished since the last sync is repeated, too. Retries, failure records and the end of a track wait for the sync, nothing else does. 0 syncs every checkpoint before the next one of its track: a flushed disk write for each few batches.",
);
pub(crate) static SHUTDOWN_GRACE: SettingSpec = SettingSpec::new(
    "shutdown_grace",
    Shape::Seconds { min_ms: 0, max_ms: 3_600_000 },
    D::Millis(25_000),
    "Seconds that running invocations get to finish after SIGTERM. Keep it 5 below the time after which your supervisor kills (Kubernetes waits 30): what hangs holds the process 4 seconds longer, and no more.",
);
pub(crate) static MEMORY_BUDGET: SettingSpec = SettingSpec::new(
    "memory_budget_mb",
    Shape::Integer { min: 16, max: 1_048_576 },
    D::Integer(256),
    "Megabytes that records may take in memory, all mappings together. Reading waits when it is spent; nothing is lost.",
);
pub(crate) static MEMORY_SHARE: SettingSpec = SettingSpec::new(
    "memory_share_mb",
    Shape::Integer { min: 1, max: 65_536 },
    D::Absent("an equal part of half the budget, 64 at most"),
    "Megabytes of the budget that are kept free for each mapping, so that one slow function cannot take all. All shares together must fit the budget.",
);
pub(crate) static WATCH_CONFIG: SettingSpec = SettingSpec::new(
    "watch_config",
    Shape::Switch,
    D::Switch(false),
    "Looks at the config files every second and reads them again when they have changed, as SIGHUP and `forebay reload` do when asked.",
);
pub(crate) static FUNCTIONS: SettingSpec = SettingSpec::new(
    "functions",
    Shape::Named,
    D::Absent("no functions"),
    "The functions, each under its name: 1 to 64 letters, digits, `-` and `_`.",
);
pub(crate) static EVENT_SOURCE_MAPPINGS: SettingSpec = SettingSpec::new(
    "event_source_mappings",
    Shape::List,
    D::Absent("none, where `api` is written: they are made over the API then"),
    "The mappings: which source goes to which function, and how.",
);

pub(crate) static DAEMON_SETTINGS: &[&SettingSpec] = &[
    &ADMIN,
    &ADMIN_LISTEN,
    &DATA_DIR,
    &COMMIT_INTERVAL,
    &SHUTDOWN_GRACE,
    &MEMORY_BUDGET,
    &MEMORY_SHARE,
    &WATCH_CONFIG,
    &FUNCTIONS,
    &EVENT_SOURCE_MAPPINGS,
];
