//! Where a mapping stands, in words for programs and in a sentence.

use std::fmt;

use forebay_batcher::Fault;

/// Where a mapping stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifecycle {
    /// It has not been tried yet.
    Creating,
    /// Its start failed and is tried again.
    Enabling {
        /// Why it failed.
        error: Fault,
        /// How often in a row.
        n_failures: u32,
    },
    /// It runs.
    Enabled,
    /// Its task died and is started again.
    Restarting {
        /// What it died of.
        error: String,
    },
    /// `enabled: false`
    Disabled,
    /// It finishes what runs and takes nothing new.
    Disabling,
    /// It finishes what runs and goes on with changed settings.
    Updating,
    /// It finishes what runs and is gone then.
    Deleting {
        /// Its positions go with it.
        erased: bool,
    },
    /// It does not run before somebody resumes it.
    Paused,
    /// It cannot be run as it is written, since what it needs has changed.
    Unfit {
        /// What is wrong.
        error: Fault,
    },
}

impl Lifecycle {
    /// Nothing of it runs and nothing begins by itself.
    pub fn is_resting(&self) -> bool {
        match self {
            Self::Disabled | Self::Paused | Self::Unfit { .. } => true,
            Self::Creating
            | Self::Enabling { .. }
            | Self::Enabled
            | Self::Restarting { .. }
            | Self::Disabling
            | Self::Updating
            | Self::Deleting { .. } => false,
        }
    }

    /// It is on its way to another state by itself, soon where nothing hangs.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Creating | Self::Disabling | Self::Updating | Self::Deleting { .. } => true,
            Self::Enabling { .. }
            | Self::Enabled
            | Self::Restarting { .. }
            | Self::Disabled
            | Self::Paused
            | Self::Unfit { .. } => false,
        }
    }

    /// A word that programs may compare: Lambda's, where it has one.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabling { .. } | Self::Restarting { .. } => "Enabling",
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::Disabling => "Disabling",
            Self::Updating => "Updating",
            Self::Deleting { .. } => "Deleting",
            Self::Paused => "Paused",
            Self::Unfit { .. } => "Unfit",
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Creating => f.write_str("Being started."),
            Self::Enabling { error, n_failures: 1 } => {
                write!(f, "Could not be started ({error}); tried again.")
            }
            Self::Enabling { error, n_failures } => {
                write!(f, "Could not be started {n_failures} times in a row ({error}); tried again.")
            }
            Self::Enabled => f.write_str("Running."),
            Self::Restarting { error } => write!(f, "Its task died ({error}) and is being started again."),
            Self::Disabled => f.write_str("Disabled: nothing is read."),
            Self::Disabling => f.write_str("Finishing what runs; nothing new is taken."),
            Self::Updating => f.write_str("Finishing what runs; it goes on with changed settings then."),
            Self::Deleting { erased: false } => {
                f.write_str("Finishing what runs; it is gone then. Its positions are kept.")
            }
            Self::Deleting { erased: true } => {
                f.write_str("Finishing what runs; it is gone then, and its positions with it.")
            }
            Self::Paused => f.write_str("Paused: nothing is read before it is resumed."),
            Self::Unfit { error } => {
                write!(f, "It cannot be run as it is written ({error}). Change it, or what it needs.")
            }
        }
    }
}

/// How far a mapping's life is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Calm {
    /// It invokes whenever there is something.
    Busy,
    /// It asks for no more invocations; some run yet.
    Closing,
    /// No invocation runs and none begins.
    Still,
}
