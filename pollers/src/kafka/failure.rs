//! Why brokers did not do what was asked, and what is told of it.

use forebay_clients::{BrokerError, BrokerFailure};
use forebay_config::Code;

use crate::source::SourceError;

/// The brokers did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum KafkaFailure {
    /// A client cannot be made.
    #[error(transparent)]
    Access(#[from] BrokerError),
    /// The brokers, or librdkafka on the way to them, said so.
    #[error("{}: {said}", .kind.sentence())]
    Told {
        /// What a person makes of it.
        kind: BrokerFailure,
        /// What was said.
        said: String,
    },
    /// The offset that was asked for is not there.
    #[error("the partition does not hold the offset that was asked for")]
    OutOfRange,
}

impl KafkaFailure {
    /// The same about what was asked of.
    pub(super) fn on(self, what: &str) -> SourceError {
        let code = match &self {
            Self::Access(error) => Code(error.code()),
            Self::Told { kind, .. } => Code(kind.code()),
            Self::OutOfRange => Code(BrokerFailure::Other.code()),
        };
        SourceError::Down { what: what.to_owned(), code, cause: self.into() }
    }
}
