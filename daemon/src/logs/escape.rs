//! A writer that lets no control character through but the newline that ends a line.

use std::io::{self, Stderr, Write};

/// Escapes control characters in each line before it is written.
#[derive(Debug)]
pub(super) struct Escaped<W>(W);

impl Escaped<Stderr> {
    /// To standard error.
    pub(super) fn stderr() -> Self {
        Self(io::stderr())
    }
}

impl<W: Write> Write for Escaped<W> {
    /// Takes whole lines: the log writes each event in one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (body, end) = match line {
            [body @ .., b'\n'] => (body, "\n"),
            body => (body, ""),
        };
        if body.iter().all(|byte| !is_suspect(*byte)) {
            self.0.write_all(line)?;
        } else {
            let text: String = String::from_utf8_lossy(body).chars().flat_map(escape).collect();
            self.0.write_all(format!("{text}{end}").as_bytes())?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// ASCII controls, and the lead byte of those above (U+0080 to U+009F, which some terminals obey).
fn is_suspect(byte: u8) -> bool {
    byte.is_ascii_control() || byte == 0xc2
}

fn escape(it: char) -> impl Iterator<Item = char> {
    let escaped = it.is_control().then(|| it.escape_default());
    let plain = escaped.is_none().then_some(it);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let mut out = Escaped(Vec::new());
        assert_eq!(out.write(line.as_bytes()).unwrap(), line.len());
        assert_eq!(String::from_utf8(out.0).unwrap(), expected);
    }

    #[test]
    fn only_the_newline_at_the_end_stays() {
        check("plain, é and £\n", "plain, é and £\n");
        check("a\x1b[31mred\r\nforged line\n", "a\\u{1b}[31mred\\r\\nforged line\n");
        check("c1 \u{9b}2J\n", "c1 \\u{9b}2J\n");
        check("no end", "no end");
    }
}
