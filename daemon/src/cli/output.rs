//! What commands print: results on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::Mutex;

use crate::exit::Exit;
use crate::lock::lock;

/// Why results could not be written, the first time; told at the end by [`settle`], for whoever reads them
/// elsewhere must not take a part, or nothing, for the whole.
static UNWRITTEN: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a result.
pub(super) fn print(text: impl Display) {
    let mut out = io::stdout().lock();
    printed(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Remembers what became of results that others print.
pub(super) fn printed(result: io::Result<()>) {
    match result {
        Ok(()) => {}
        // A reader that went away, as in `| head`, has read what it wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => _ = lock(&UNWRITTEN).get_or_insert(error),
    }
}

/// The exit code of a command that ends with `code`: not 0 when results could not be written, which is told
/// here.
pub(super) fn settle(code: u8) -> u8 {
    printed(io::stdout().lock().flush());
    let Some(error) = lock(&UNWRITTEN).take() else { return code };
    complain(Some("FB-0543"), format_args!("the results could not be written to standard output: {error}"));
    if code == Exit::Done.code() { Exit::Failed.code() } else { code }
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
