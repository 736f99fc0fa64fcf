//! Ways to run a function, one folder each.

pub mod http;
pub mod lambda;
pub mod process;
mod retry_after;
mod words;

/// The rows of the table of an answer's meaning, in a manual or in the first lines of a file.
#[cfg(test)]
fn rows(text: &str) -> Vec<&str> {
    rows_below("| What happens", text)
}

/// The rows of the first table whose first row begins so.
#[cfg(test)]
pub(crate) fn rows_below<'a>(head: &str, text: &'a str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.trim_start_matches("//! "));
    lines.skip_while(|line| !line.starts_with(head)).take_while(|line| line.starts_with('|')).collect()
}
