//! Why a source could not be read.

use std::time::Duration;

use forebay_batcher::{Fault, SourceNotice};
use forebay_config::Code;

/// Our side could not read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached or refuses for now.
    #[error("{what} cannot be read")]
    Down {
        /// What was read.
        what: String,
        /// The page that explains why; [`SourceError::DOWN`] where the cause has none of its own.
        code: Code,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It asks to slow down.
    #[error("{what} asks to slow down")]
    Throttled {
        /// What was read.
        what: String,
        /// When it asked to come back.
        retry_after: Option<Duration>,
    },
    /// The kept place does not belong to it any more.
    #[error("the kept position of {what} does not belong to it any more: {why}")]
    PositionLost {
        /// What was read.
        what: String,
        /// How one can tell.
        why: String,
    },
}

impl SourceError {
    /// A source that cannot be read, whyever.
    pub const DOWN: Code = Code("FB-0504");
    const POSITION_LOST: Code = Code("FB-0502");
    const DIED: Code = Code("FB-0501");

    /// What reads `what` panicked: it is asked again, as when it is down.
    pub(crate) fn died(what: &str, panic: String) -> Self {
        Self::Down { what: what.to_owned(), code: Self::DIED, cause: format!("what reads it {panic}").into() }
    }

    /// The page that explains it.
    pub fn code(&self) -> Code {
        match self {
            Self::Down { code, .. } => *code,
            Self::Throttled { .. } => Self::DOWN,
            Self::PositionLost { .. } => Self::POSITION_LOST,
        }
    }

    /// The same as the core is told it, the causes in the text.
    pub fn to_notice(&self) -> SourceNotice {
        match self {
            Self::Down { what, code, cause } => {
                let mut error = format!("{what} cannot be read: {cause}");
                let mut next = cause.source();
                while let Some(cause) = next {
                    error = format!("{error}: {cause}");
                    next = cause.source();
                }
                SourceNotice::Down { error: Fault::new(*code, error) }
            }
            Self::Throttled { retry_after, .. } => SourceNotice::Throttled { retry_after: *retry_after },
            Self::PositionLost { .. } => SourceNotice::PositionLost { error: self.to_string() },
        }
    }

    /// Whether it may heal by itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Down { .. } | Self::Throttled { .. } => true,
            Self::PositionLost { .. } => false,
        }
    }
}
