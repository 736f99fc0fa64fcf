//! Why a batch was closed and tried.

/// Why a batch was closed and tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BatchReason {
    /// The batching window ended, or there is none.
    Window,
    /// It has as many records as it may.
    Count,
    /// The next record would take it over its bytes.
    Bytes,
    /// A try after a failure.
    Retry,
    /// A half of a failed batch.
    Half,
    /// The function was not reached before.
    NotReached,
    /// Its messages' visibility would lapse before the window ends, or its group can bring no more.
    Source,
    /// The track ended.
    Ended,
    /// Its tumbling window is over, or the state of it is too large.
    TumblingWindow,
}
