//! The forebay binary: reads the command line and does what it says.

use std::process::ExitCode;

use forebay_daemon::cli::Cli;

fn main() -> ExitCode {
    Cli::run()
}
