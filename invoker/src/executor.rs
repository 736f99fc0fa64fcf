//! Runs a function on one event.

use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{NotReached, Reply};
use forebay_config::Code;
pub use futures_util::future::BoxFuture;

use crate::hand_off::HandOff;

/// One event, as pieces to be sent one after the other.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// Its bytes.
    pub pieces: Vec<Bytes>,
    /// What is said of its batch, beside it; `None` where nothing is known that a repeat would say again.
    pub hand_off: Option<HandOff>,
}

impl From<Vec<Bytes>> for Event {
    /// An event of which nothing is said beside it.
    fn from(pieces: Vec<Bytes>) -> Self {
        Self { pieces, hand_off: None }
    }
}

impl Event {
    /// Its size in bytes.
    pub fn n_bytes(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

/// Runs a function on one event. The answer of a function that was reached is a `Reply`, its own failures
/// included; `Err` means that nobody knows or that it was not reached.
pub trait Executor: Send + Sync {
    /// Invokes once. It always ends by itself, at the latest a little after the function's timeout; it must
    /// not be dropped before.
    fn invoke(&self, event: Event) -> BoxFuture<'_, Result<Reply, InvokeError>>;
    /// The ARN that failure records name.
    fn function_arn(&self) -> &str;
    /// Whether the files that its settings name are those that it was made from. Asked at a reload: it looks
    /// at them, and reads none.
    fn is_current(&self) -> bool {
        true
    }
    /// Stops what it keeps running (environments, connections), within `grace`.
    fn stop(&self, grace: Duration) -> BoxFuture<'_, ()>;
}

/// A function could not be invoked, or nobody knows what became of it.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// No byte of the request was accepted, or the platform said so.
    #[error("function {function} was not reached")]
    NotReached {
        /// Which function.
        function: String,
        /// In which way.
        why: NotReached,
        /// The page that explains it; [`InvokeError::NOT_REACHED`] where the cause has none of its own.
        code: Code,
        /// When the platform asked to come back.
        retry_after: Option<Duration>,
        /// What went wrong.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The event is larger than the function takes.
    #[error("the event is larger than function {function} takes")]
    TooLarge {
        /// Which function.
        function: String,
    },
    /// The request was sent and no answer came.
    #[error("function {function} took the event and gave no answer")]
    Unknown {
        /// Which function.
        function: String,
        /// The id of the invocation.
        request_id: String,
        /// What went wrong.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl InvokeError {
    /// A function that was not reached, whyever.
    pub const NOT_REACHED: Code = Code("FB-0333");

    /// The page that explains it.
    pub fn code(&self) -> Code {
        match self {
            Self::NotReached { code, .. } => *code,
            Self::Unknown { .. } => Code("FB-0334"),
            Self::TooLarge { .. } => Code("FB-0335"),
        }
    }
}
