//! The log: text on a terminal, JSON otherwise, filtered by `FOREBAY_LOG`; control characters never reach the output as they are.

mod escape;
mod repeats;

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

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

/// Starts the log of the process, on standard error. `filter` as in `info,forebay_daemon=debug`.
///
/// # Errors
/// The filter cannot be read; the text says where.
pub fn start(format: LogFormat, filter: Option<&str>) -> Result<(), String> {
    let filter = filter.filter(|it| !it.is_empty()).unwrap_or(FILTER_DEFAULT);
    let filter = EnvFilter::builder().parse(filter).map_err(|error| format!("{VARIABLE}={filter}: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(escape::Escaped::stderr).with_span_events(FmtSpan::NONE);
    match format {
        // No colours: an escape character in the output would then be ours or a record's, and nobody could tell.
        LogFormat::Text => log.with_ansi(false).with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    // A panic is a line of the log like any other; who caught it says what follows.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        tracing::error!(code = "FB-0501", at, panic = crate::caught::text(panic.payload()), "a task panicked");
    }));
    Ok(())
}
