//! A file of lines to an HTTP function: Forebay and the limit program in turn.

mod limit;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use crate::pairs::{self, Sides};
use crate::sink::{Sink, Tally};

pub(crate) use limit::post;

/// The sizes of a batch that are measured when nothing else is said.
pub(crate) const BATCHES: [usize; 3] = [100, 10, 1];

const LINE_BYTES: usize = 1024;
/// Small batches cost more each: fewer records are as telling.
const RECORDS_MAX_PER_BATCHED: usize = 20_000;

/// Prints what both sides take for each size of a batch.
pub(crate) fn run(n_records_max: usize, batches: &[usize]) {
    pairs::want_one_core();
    let sink = Sink::start("\"offset\":\"");
    for batch in batches {
        let n = n_records_max.min(RECORDS_MAX_PER_BATCHED.saturating_mul(*batch).max(100_000));
        let lines = Lines::write(n);
        let path = lines.path.to_str().expect("the folder's name is text");
        let sides = Sides {
            what: format!("batches of {batch:3}"),
            config: &|_| config(path, &sink, *batch),
            limit: ["post", path, &sink.address(), &batch.to_string()].map(str::to_owned).into(),
            sink: &sink,
            whole: lines.whole,
        };
        sides.compare();
    }
}

/// A file of lines in a folder of its own, and what a function must have seen of it.
struct Lines {
    _folder: tempfile::TempDir,
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
        Self { _folder: folder, path, whole }
    }
}

fn config(path: &str, sink: &Sink, batch: usize) -> String {
    format!(
        "api: {{ listen: off }}\n\
         functions:\n  sink: {{ executor: {{ http: {{ url: \"http://{}/\" }} }} }}\n\
         event_source_mappings:\n  - {{ name: bench, source: {{ file: {{ path: \"{path}\" }} }}, function_name: sink, \
         starting_position: TRIM_HORIZON, batch_size: {batch} }}\n",
        sink.address()
    )
}
