//! The one thread that writes the log. It may wait for whoever reads it as long as it likes: nobody waits for
//! it.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::Backoff;

use super::buffer::Buffer;

/// After a panic the next life of the loop begins after this.
const AGAIN_MAX: Duration = Duration::from_secs(1);

/// Starts the thread over standard error. It lives as long as the process: whoever wants the log to be whole
/// flushes it.
///
/// # Errors
/// The system has no thread or no descriptor to give.
pub(super) fn start(buffer: &Arc<Buffer>) -> io::Result<()> {
    // A descriptor of its own: the library's handle holds a lock while it writes, and who else prints would
    // wait for that.
    let out = std::fs::File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let buffer = Arc::clone(buffer);
    std::thread::Builder::new().name("log".to_owned()).spawn(move || keep_writing(&buffer, out))?;
    Ok(())
}

/// Writes for ever. A panic is a line of the log itself, and the next life of the loop writes it.
fn keep_writing(buffer: &Buffer, mut out: impl Write) {
    // Outside of what may panic: what was taken is written by the next life.
    let mut chunk = Chunk::default();
    loop {
        let life = catch_unwind(AssertUnwindSafe(|| write_all(buffer, &mut chunk, &mut out)));
        if life.is_err() {
            buffer.rest(AGAIN_MAX);
        }
    }
}

fn write_all(buffer: &Buffer, chunk: &mut Chunk, out: &mut impl Write) {
    loop {
        if chunk.rest().is_empty() {
            chunk.bytes.clear();
            chunk.n_written = 0;
            chunk.cost = buffer.take(&mut chunk.bytes);
        }
        write(buffer, chunk, out);
        buffer.written(std::mem::take(&mut chunk.cost));
    }
}

/// Writes one chunk, however long that takes: what a full disk or a reader that went away did not take is
/// tried again.
fn write(buffer: &Buffer, chunk: &mut Chunk, out: &mut impl Write) {
    let mut n_failures = 0;
    while !chunk.rest().is_empty() {
        let error = match out.write(chunk.rest()) {
            Ok(n @ 1..) => {
                chunk.n_written += n;
                n_failures = 0;
                continue;
            }
            Ok(0) => ErrorKind::WriteZero.into(),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        // Who has read the first half of the line is gone, and the next reader gets it whole.
        if error.kind() == ErrorKind::BrokenPipe {
            chunk.rewind();
        }
        buffer.failed(&error);
        buffer.rest(Backoff::LOG.delay(n_failures, 0));
        n_failures = n_failures.saturating_add(1);
    }
}

/// Whole lines, written with as few calls as the reader allows.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    n_written: usize,
    /// What its lines cost in the buffer.
    cost: usize,
}

impl Chunk {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.n_written..]
    }

    /// Back to the beginning of a line that was written in part: the next reader gets it whole.
    fn rewind(&mut self) {
        self.n_written =
            self.bytes[..self.n_written].iter().rposition(|it| *it == b'\n').map_or(0, |at| at + 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use super::super::LogFormat;
    use super::super::buffer::{BUFFER_BYTES_MAX, PRINTED_BYTES_MAX, Voice};
    use super::super::notice::LogNotice;
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// An output whose every call is answered by the test.
    struct Asked(Receiver<io::Result<usize>>, Sender<Vec<u8>>);

    impl Write for Asked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = self.0.recv().unwrap_or(Ok(bytes.len()))?.min(bytes.len());
            // The test may have seen enough.
            let _ = self.1.send(bytes[..n].to_vec());
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct World {
        buffer: Arc<Buffer>,
        answers: Option<Sender<io::Result<usize>>>,
        written: Receiver<Vec<u8>>,
    }

    impl World {
        fn new() -> Self {
            let (answers, asked) = channel();
            let (sender, written) = channel();
            let buffer = Arc::new(Buffer::new(LogNotice(LogFormat::Text)));
            let its = Arc::clone(&buffer);
            thread::spawn(move || keep_writing(&its, Asked(asked, sender)));
            Self { buffer, answers: Some(answers), written }
        }

        fn say(&self, voice: Voice, text: &str) {
            self.buffer.push(voice, format!("{text}\n").into_bytes().into());
        }

        fn answer(&self, answer: io::Result<usize>) {
            self.answers.as_ref().expect("it answers").send(answer).expect("the writer lives");
        }

        /// The reader is back and takes all; what it has got until nothing is left.
        fn read(&mut self) -> String {
            self.answers = None;
            while !self.buffer.flush(LONG) {}
            self.written.try_iter().map(|it| String::from_utf8(it).unwrap()).collect()
        }
    }

    #[test]
    fn lines_stay_whole_and_in_order() {
        let mut world = World::new();
        let texts: Vec<String> = (0..1_000).map(|n| format!("line {n}")).collect();
        for it in &texts {
            world.say(Voice::Own, it);
        }
        assert_eq!(world.read(), texts.join("\n") + "\n");
        assert_eq!(world.buffer.counts(), (0, 0));
    }

    #[test]
    fn a_log_that_nobody_reads_holds_nobody_up_and_says_later_what_is_missing() {
        let mut world = World::new();
        let line = "x".repeat(999);
        let n_lines = 2 * BUFFER_BYTES_MAX / 1_000;
        for _ in 0..n_lines {
            world.say(Voice::Own, &line);
        }
        let (n_dropped, _) = world.buffer.counts();
        assert!(world.buffer.trouble().unwrap().contains("nobody reads it"), "{:?}", world.buffer.trouble());
        assert!(!world.buffer.flush(Duration::ZERO), "a flush ends at its time");
        let text = world.read();
        let n_written = text.lines().filter(|it| **it == line).count() as u64;
        assert_eq!(n_written + n_dropped, n_lines as u64);
        assert!(n_written * 1_000 > BUFFER_BYTES_MAX as u64 * 9 / 10, "{n_written} lines fit");
        let last = text.lines().last().unwrap();
        assert!(last.contains(&format!(" WARN {n_dropped} lines of the log were dropped here")), "{last}");
        assert_eq!(world.buffer.trouble(), None);
        world.say(Voice::Own, "after");
        assert_eq!(world.read(), "after\n", "what is missing is told once");
    }

    #[test]
    fn what_functions_print_leaves_room_for_what_forebay_says() {
        let mut world = World::new();
        let line = "y".repeat(999);
        for _ in 0..2 * PRINTED_BYTES_MAX / 1_000 {
            world.say(Voice::Function, &line);
        }
        let (n_dropped, _) = world.buffer.counts();
        world.say(Voice::Own, "a word of ours");
        assert_eq!(world.buffer.counts().0, n_dropped, "it was taken");
        let text = world.read();
        assert!(text.contains("\na word of ours\n"));
        assert!(
            text.contains(&format!("{n_dropped} lines that functions printed were dropped here")),
            "{}",
            &text[text.len() - 500..]
        );
    }

    #[test]
    fn a_failed_write_is_tried_again_and_told() {
        let mut world = World::new();
        world.say(Voice::Own, "first");
        world.answer(Err(ErrorKind::StorageFull.into()));
        world.answer(Err(ErrorKind::WouldBlock.into()));
        world.answer(Ok(2));
        let text = world.read();
        assert!(text.starts_with("first\n"), "a line that a full disk took in part is gone on with: {text}");
        assert!(text.contains("failed tries: 1") && text.contains("code=\"FB-0541\""), "{text}");
        assert_eq!(world.buffer.counts(), (0, 2));
    }

    #[test]
    fn a_new_reader_gets_the_line_whole_that_the_former_one_got_in_part() {
        let mut world = World::new();
        world.say(Voice::Own, "first");
        world.answer(Ok(2));
        world.answer(Err(ErrorKind::BrokenPipe.into()));
        assert!(world.read().starts_with("fifirst\n"));
    }

    #[test]
    fn a_flush_gives_up_when_the_output_cannot_be_written() {
        let world = World::new();
        world.say(Voice::Own, "first");
        let flushing = thread::spawn({
            let buffer = Arc::clone(&world.buffer);
            move || buffer.flush(LONG)
        });
        // However often it looks before the failure, it ends with one that comes later.
        while !flushing.is_finished() {
            world.answer(Err(ErrorKind::BrokenPipe.into()));
            thread::yield_now();
        }
        assert!(!flushing.join().unwrap());
    }

    #[test]
    fn a_panic_of_the_output_ends_nothing() {
        struct Panics(bool, Sender<Vec<u8>>);
        impl Write for Panics {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                assert!(std::mem::replace(&mut self.0, true), "the output panics once");
                let _ = self.1.send(bytes.to_vec());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, written) = channel();
        let buffer = Arc::new(Buffer::new(LogNotice(LogFormat::Json)));
        let its = Arc::clone(&buffer);
        thread::spawn(move || keep_writing(&its, Panics(false, sender)));
        buffer.push(Voice::Own, b"first\n".to_vec().into());
        assert!(buffer.flush(LONG));
        assert_eq!(written.recv().unwrap(), b"first\n");
    }
}
