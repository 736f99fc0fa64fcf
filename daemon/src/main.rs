//! The forebay binary: reads the command line and does what it says.

use forebay_daemon::cli::Cli;

fn main() {
    Cli::run()
}
