//! From events to lines of the buffer; no control character gets through but the newline that ends a line.

use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::buffer::{Buffer, Voice};

/// Where the log's events go: escaped, into the buffer. It never waits and never fails.
#[derive(Debug)]
pub(super) struct EscapedLines(pub(super) std::sync::Arc<Buffer>);

/// Takes whole lines: the log writes each event in one call.
#[derive(Debug)]
pub(super) struct LogLine<'a> {
    buffer: &'a Buffer,
    voice: Voice,
}

impl<'a> MakeWriter<'a> for EscapedLines {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine { buffer: &self.0, voice: Voice::Own }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> LogLine<'a> {
        let voice = if event.target() == forebay_invoker::executors::process::LOG_TARGET {
            Voice::Function
        } else {
            Voice::Own
        };
        LogLine { buffer: &self.0, voice }
    }
}

impl Write for LogLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.buffer.push(self.voice, escaped(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line with all control characters written out but the newline at its end.
fn escaped(line: &[u8]) -> Box<[u8]> {
    let (body, end) = match line {
        [body @ .., b'\n'] => (body, "\n"),
        body => (body, ""),
    };
    // Nearly every line has none, and this look spares it the decoding.
    if !body.iter().any(|byte| is_suspect(*byte)) {
        return line.into();
    }
    let mut text: String = String::from_utf8_lossy(body).chars().flat_map(escape).collect();
    text.push_str(end);
    text.into_bytes().into()
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
        assert_eq!(std::str::from_utf8(&escaped(line.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn only_the_newline_at_the_end_stays() {
        check("plain, é and £\n", "plain, é and £\n");
        check("a\x1b[31mred\r\nforged line\n", "a\\u{1b}[31mred\\r\\nforged line\n");
        check("c1 \u{9b}2J\n", "c1 \\u{9b}2J\n");
        check("no end", "no end");
    }
}
