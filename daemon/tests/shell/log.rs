//! What is logged on a test's own thread, as lines.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;

#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes what this thread logs until the guard is dropped.
    pub(crate) fn listen(&self) -> DefaultGuard {
        let log = self.clone();
        tracing::subscriber::set_default(
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_target(false)
                .with_writer(move || log.clone())
                .finish(),
        )
    }

    /// How many lines hold this text.
    pub(crate) fn n_lines(&self, text: &str) -> usize {
        let log = self.0.lock().unwrap();
        String::from_utf8_lossy(&log).lines().filter(|it| it.contains(text)).count()
    }

    /// What was logged, each line without its time.
    pub(crate) fn untimed(&self) -> String {
        let log = self.0.lock().unwrap();
        let untimed =
            |line: &str| line.split_once("  ").map_or_else(|| line.to_owned(), |(_, it)| it.to_owned());
        String::from_utf8_lossy(&log).lines().map(untimed).collect::<Vec<_>>().join("\n")
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
