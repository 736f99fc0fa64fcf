//! What commands print: results on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints a result. A reader that went away, as in `| head`, is no error.
pub(super) fn print(text: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints what went wrong, with a code where there is one.
pub(super) fn complain(code: Option<&str>, text: impl Display) {
    let _ = match code {
        Some(code) => writeln!(io::stderr().lock(), "error[{code}]: {text}"),
        None => writeln!(io::stderr().lock(), "error: {text}"),
    };
}

/// Prints a remark beside the result.
pub(super) fn remark(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
