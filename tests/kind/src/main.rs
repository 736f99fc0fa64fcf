//! Forebay with one more kind of source: a folder, and the one line of `main`.

mod numbers;

use forebay_daemon::cli::Cli;

fn main() {
    Cli::run_with(&[&numbers::NumbersKind])
}
