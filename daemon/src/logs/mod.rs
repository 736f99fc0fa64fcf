//! The log: text on a terminal, JSON otherwise, filtered by `FOREBAY_LOG`; control characters never reach the
//! output as they are, and nobody waits for it to be written.

mod buffer;
mod escape;
mod notice;
mod repeats;
mod writer;

use std::io::{self, IsTerminal};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use self::buffer::Buffer;
pub use self::buffer::{BUFFER_BYTES_MAX, PRINTED_BYTES_MAX};
pub(crate) use repeats::Repeats;

/// The variable that filters the log.
pub const VARIABLE: &str = "FOREBAY_LOG";
/// What is logged when the variable is not set. AWS's client libraries say at length what we say ourselves.
const FILTER_DEFAULT: &str = "info,aws_config=error,aws_runtime=error";

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Text on a terminal, JSON otherwise.
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// The log of this process; `None` before it starts, and in commands that do without.
static LOG: OnceLock<Arc<Buffer>> = OnceLock::new();

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read; the text says where.
    #[error("{VARIABLE}={filter}: {error}")]
    Filter {
        /// What it says.
        filter: String,
        /// What is wrong with it.
        error: String,
    },
    /// The system has no thread or no descriptor for it.
    #[error("the log's thread cannot be started: {0}")]
    Thread(io::Error),
}

/// Starts the log of the process, on standard error. `filter` as in `info,forebay_daemon=debug`.
///
/// # Errors
/// See [`LogError`].
pub fn start(format: LogFormat, filter: Option<&str>) -> Result<(), LogError> {
    let filter = filter.filter(|it| !it.is_empty()).unwrap_or(FILTER_DEFAULT);
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| LogError::Filter { filter: filter.to_owned(), error: error.to_string() })?;
    let buffer = Arc::new(Buffer::new(notice::LogNotice(format)));
    writer::start(&buffer).map_err(LogError::Thread)?;
    let lines = escape::EscapedLines(Arc::clone(LOG.get_or_init(|| buffer)));
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).with_span_events(FmtSpan::NONE);
    // Nothing else may print on standard error: a print that fails is a panic, and one that blocks is a
    // thread lost.
    let log = log.log_internal_errors(false);
    match format {
        // No colours: an escape character in the output would then be ours or a record's, and nobody could
        // tell.
        LogFormat::Text => log.with_ansi(false).with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    // A panic is a line of the log like any other; who caught it says what follows.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        tracing::error!(
            code = "FB-0501",
            at,
            panic = forebay_clients::caught::text(panic.payload()),
            "a task panicked"
        );
    }));
    Ok(())
}

/// Waits until what was logged is written, or cannot be, or the time is over.
pub fn flush(within: Duration) {
    if let Some(log) = LOG.get() {
        log.flush(within);
    }
}

/// Lines that were dropped since the start for want of room, and writes that failed.
pub(crate) fn counts() -> (u64, u64) {
    LOG.get().map_or((0, 0), |it| it.counts())
}

/// What is wrong with the log now, for people: the log itself is no place to say so.
pub(crate) fn trouble() -> Option<String> {
    LOG.get()?.trouble()
}
