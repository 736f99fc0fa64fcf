//! What a function prints: lines of its standard output and error, bounded, each with the invocation it
//! belongs to.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::state::State;

/// How much of a line is kept, in bytes; the rest of it is dropped.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// How much is read at once.
const READ_BYTES: usize = 8 * 1024;

/// One line that a function printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionLine<'a> {
    /// Which function.
    pub function: &'a str,
    /// Which of its environments.
    pub environment: &'a str,
    /// The invocation that the environment works on, or worked on last, when the line is read; `None` before
    /// the first one.
    pub request_id: Option<&'a str>,
    /// Where it was printed.
    pub stream: Stream,
    /// The line, without its end; control characters are escaped, bytes that are not UTF-8 replaced.
    pub text: &'a str,
    /// Whether it was longer than [`LINE_BYTES_MAX`].
    pub is_cut: bool,
}

/// Where a line was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The target of the events that [`TracingSink`] makes, for filters and for logs that treat what functions
/// print apart.
pub const LOG_TARGET: &str = "forebay::function";

/// Takes what functions print. It is called from the tasks that read, which serve invocations too: it must
/// not block.
pub trait LogSink: Send + Sync {
    /// One line.
    fn line(&self, line: FunctionLine<'_>);
}

/// Makes each line one event of the log, at info.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingSink;

impl LogSink for TracingSink {
    fn line(&self, line: FunctionLine<'_>) {
        let FunctionLine { function, environment, request_id, stream, text, is_cut } = line;
        let stream = stream.name();
        tracing::info!(target: LOG_TARGET, function, environment, request_id, stream, is_cut, "{text}");
    }
}

/// Whose output it is.
pub(super) struct OutputOrigin {
    /// Which function.
    pub(super) function: String,
    /// Which environment.
    pub(super) environment: String,
    /// Knows the invocation.
    pub(super) state: Arc<State>,
    /// Takes the lines.
    pub(super) sink: Arc<dyn LogSink>,
}

/// Reads lines until the end; a last line without an end counts.
pub(super) async fn read_lines(
    mut output: impl AsyncRead + Unpin,
    stream: Stream,
    origin: Arc<OutputOrigin>,
) {
    let mut chunk = vec![0; READ_BYTES];
    let mut line = OutputLine::default();
    while let Ok(n_read @ 1..) = output.read(&mut chunk).await {
        let mut rest = &chunk[..n_read];
        while let Some(end) = rest.iter().position(|it| *it == b'\n') {
            line.push(&rest[..end]);
            line.log(stream, &origin);
            rest = &rest[end + 1..];
        }
        line.push(rest);
    }
    if !line.bytes.is_empty() {
        line.log(stream, &origin);
    }
}

#[derive(Default)]
struct OutputLine {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl OutputLine {
    fn push(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.bytes.len();
        self.is_cut |= bytes.len() > room;
        // What does not fit is dropped as it comes: a line without an end must not fill the memory.
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn log(&mut self, stream: Stream, origin: &OutputOrigin) {
        let bytes = self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes);
        let request_id = origin.state.request_id();
        let text = printable(bytes);
        let line = FunctionLine {
            function: &origin.function,
            environment: &origin.environment,
            request_id: request_id.as_deref(),
            stream,
            text: &text,
            is_cut: self.is_cut,
        };
        // A sink that panics loses a line: where nobody read on, the function would wait with its output for
        // ever.
        let _ = catch_unwind(AssertUnwindSafe(|| origin.sink.line(line)));
        self.bytes.clear();
        self.is_cut = false;
    }
}

/// The text with control characters written out, so that a line of the log stays one line and colours
/// nothing.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut printable = String::with_capacity(text.len());
    for it in text.chars() {
        if it.is_control() && it != '\t' {
            // Writing to a string cannot fail.
            let _ = write!(printable, "{}", it.escape_default());
        } else {
            printable.push(it);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Collected(Mutex<Vec<(String, bool)>>);

    impl LogSink for Collected {
        fn line(&self, line: FunctionLine<'_>) {
            self.0.lock().unwrap().push((line.text.to_owned(), line.is_cut));
        }
    }

    async fn lines(output: &[u8]) -> Vec<(String, bool)> {
        let sink = Arc::new(Collected::default());
        let origin = OutputOrigin {
            function: "f".to_owned(),
            environment: "e".to_owned(),
            state: Arc::new(State::new(Box::new(|| {}))),
            sink: Arc::clone(&sink) as Arc<dyn LogSink>,
        };
        read_lines(output, Stream::Stdout, Arc::new(origin)).await;
        std::mem::take(&mut sink.0.lock().unwrap())
    }

    #[tokio::test]
    async fn output_is_cut_into_lines_and_a_last_one_without_end_counts() {
        let expected = [("one", false), ("", false), ("two", false), ("three", false)]
            .map(|(it, cut)| (it.to_owned(), cut));
        assert_eq!(lines(b"one\n\ntwo\r\nthree").await, expected);
    }

    #[tokio::test]
    async fn a_sink_that_panics_loses_its_line_and_no_other() {
        struct Panics(Collected);
        impl LogSink for Panics {
            fn line(&self, line: FunctionLine<'_>) {
                assert!(line.text != "bad", "the test wants the sink to die");
                self.0.line(line);
            }
        }
        let sink = Arc::new(Panics(Collected::default()));
        let origin = OutputOrigin {
            function: "f".to_owned(),
            environment: "e".to_owned(),
            state: Arc::new(State::new(Box::new(|| {}))),
            sink: Arc::clone(&sink) as Arc<dyn LogSink>,
        };
        read_lines(&b"one\nbad\ntwo\n"[..], Stream::Stdout, Arc::new(origin)).await;
        assert_eq!(*sink.0.0.lock().unwrap(), [("one".to_owned(), false), ("two".to_owned(), false)]);
    }

    #[tokio::test]
    async fn colours_and_bytes_that_are_no_text_are_written_out() {
        assert_eq!(
            lines(b"a\x1b[31m\tb\rc \xff\n").await,
            [("a\\u{1b}[31m\tb\\rc \u{fffd}".to_owned(), false)]
        );
    }

    #[tokio::test]
    async fn a_line_at_the_limit_is_whole_and_one_byte_more_is_cut() {
        let limit = "x".repeat(LINE_BYTES_MAX);
        assert_eq!(
            lines(format!("{limit}\nnext\n").as_bytes()).await,
            [(limit.clone(), false), ("next".to_owned(), false)]
        );
        assert_eq!(
            lines(format!("{limit}yz\nnext\n").as_bytes()).await,
            [(limit, true), ("next".to_owned(), false)]
        );
    }
}
