//! A file of lines to an HTTP function: Forebay and the limit program in turn, everything on one core, pair
//! after pair.

mod limit;
mod sink;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use forebay_tests::daemon::Daemon;
use forebay_tests::wait;

use crate::cpu;
use sink::{Sink, Tally};

pub(crate) use limit::post;

/// The sizes of a batch that are measured when nothing else is said.
pub(crate) const BATCHES: [usize; 3] = [100, 10, 1];

const PAIRS: usize = 3;
const LINE_BYTES: usize = 1024;
/// Small batches cost more each: fewer records are as telling.
const RECORDS_MAX_PER_BATCHED: usize = 20_000;

/// Prints CPU seconds per million records of both sides for each pair, and the median of the ratios with the
/// smallest and the largest.
///
/// # Panics
/// When more than one core is there for it: between two cores each wake-up costs what hides the rest.
pub(crate) fn run(n_records_max: usize, batches: &[usize]) {
    let n_cores = available_parallelism().map_or(0, usize::from);
    assert!(
        n_cores == 1,
        "{n_cores} cores are there for it, and it measures on one: taskset -c 0 forebay-bench file"
    );
    let sink = Sink::start();
    for batch in batches {
        let n = n_records_max.min(RECORDS_MAX_PER_BATCHED.saturating_mul(*batch).max(100_000));
        let lines = Lines::write(n);
        let ratios = (0..PAIRS).map(|_| {
            let forebay = per_million(n, lines.through_forebay(&sink, *batch));
            let limit = per_million(n, lines.through_the_limit(&sink, *batch));
            eprintln!("batches of {batch:3}: forebay {forebay:7.2}, limit {limit:6.2} CPU seconds per million records");
            forebay / limit
        });
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (ratios[0], ratios[PAIRS - 1]);
        eprintln!(
            "batches of {batch:3}: {:.2} times the limit ({low:.2} to {high:.2}), {n} records",
            ratios[PAIRS / 2]
        );
    }
}

fn per_million(n: usize, seconds: f64) -> f64 {
    seconds * 1e6 / n as f64
}

/// A file of lines in a folder of its own, and what a function must have seen of it.
struct Lines {
    folder: tempfile::TempDir,
    path: PathBuf,
    whole: Tally,
}

impl Lines {
    fn write(n: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("lines.txt");
        let mut file = BufWriter::new(File::create(&path).expect("a file can be made"));
        let mut whole = Tally::default();
        for line in 0..n {
            // Text without anything to escape, each line another.
            writeln!(
                file,
                "{line:010}{}",
                "abcdefghij klmnopqrstuvwxyz 0123456789".repeat(28).split_at(LINE_BYTES - 11).0
            )
            .expect("it can be written");
            whole.enter((line * LINE_BYTES) as u64);
        }
        file.flush().expect("it can be written");
        Self { folder, path, whole }
    }

    fn through_forebay(&self, sink: &Sink, batch: usize) -> f64 {
        let folder = tempfile::tempdir_in(self.folder.path()).expect("a folder can be made");
        std::fs::write(folder.path().join("forebay.yaml"), config(&self.path, sink, batch))
            .expect("a file can be written");
        let log_level = [("FOREBAY_LOG", "warn".to_owned())];
        let daemon = Daemon::spawn_with(folder.path(), &log_level);
        let seconds = self.taken_by(daemon.pid(), sink);
        daemon.kill();
        seconds
    }

    fn through_the_limit(&self, sink: &Sink, batch: usize) -> f64 {
        let me = std::env::current_exe().expect("a program knows its own path");
        let mut command = Command::new(me);
        command.arg("post").arg(&self.path).arg(sink.address()).arg(batch.to_string());
        let mut side = command.stdin(Stdio::piped()).spawn().expect("it starts");
        let seconds = self.taken_by(side.id(), sink);
        // It waits for the end of its input, so that its time can be read.
        drop(side.stdin.take());
        assert!(side.wait().expect("it can be waited for").success());
        seconds
    }

    /// CPU seconds of a process until the function has seen all lines, each once: nobody wins by losing any.
    fn taken_by(&self, pid: u32, sink: &Sink) -> f64 {
        let n = usize::try_from(self.whole.n_records).expect("it was made from a usize");
        wait::until_count("all lines", n, || usize::try_from(sink.seen().n_records).unwrap_or(usize::MAX));
        let seconds = cpu::of(pid).as_secs_f64();
        assert_eq!(sink.take(), self.whole, "each line is seen once");
        seconds
    }
}

fn config(path: &Path, sink: &Sink, batch: usize) -> String {
    format!(
        "api: {{ listen: off }}\n\
         functions:\n  sink: {{ executor: {{ http: {{ url: \"http://{}/\" }} }} }}\n\
         event_source_mappings:\n  - {{ name: bench, source: {{ file: {{ path: \"{}\" }} }}, function_name: sink, \
         starting_position: TRIM_HORIZON, batch_size: {batch} }}\n",
        sink.address(),
        path.display()
    )
}
