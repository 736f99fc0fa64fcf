//! Forebay and a limit program in turn, pair after pair: each a process of its own whose CPU time alone counts,
//! both on one core with what they read from and the function.

use std::process::{Command, Stdio};
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use forebay_tests::daemon::Daemon;
use forebay_tests::wait;

use crate::cpu;
use crate::sink::{Sink, Tally};

const PAIRS: usize = 3;
/// What is read from may count by the second who comes how often: the sides do not count together.
const BETWEEN: Duration = Duration::from_secs(1);

/// Both sides of a pair.
pub(crate) struct Sides<'a> {
    /// What is measured, as it stands before each figure.
    pub(crate) what: String,
    /// Forebay's configuration in the pair of this number, from 0 on.
    pub(crate) config: &'a dyn Fn(usize) -> String,
    /// What this program is started with to be the limit program. It reads its input to the end when it has
    /// done its work.
    pub(crate) limit: Vec<String>,
    /// The function of both.
    pub(crate) sink: &'a Sink,
    /// What it must have seen of each.
    pub(crate) whole: Tally,
}

/// What a process took for all records.
struct TakenBy {
    /// Of CPU time.
    seconds: f64,
    peak_megabytes: u64,
}

/// # Panics
/// When more than one core is there for it: between two cores each wake-up costs what hides the rest.
pub(crate) fn want_one_core() {
    let n_cores = available_parallelism().map_or(0, usize::from);
    assert!(
        n_cores == 1,
        "{n_cores} cores are there for it, and it measures on one: taskset -c 0 forebay-bench …"
    );
}

/// Does nothing until then: what is waited for is a time that is over, no state.
pub(crate) fn rest_until(end: Instant) {
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|it| !it.is_zero()) {
        thread::park_timeout(left);
    }
}

impl Sides<'_> {
    /// Prints CPU seconds per million records of both sides for each pair, and the median of the ratios with
    /// the smallest and the largest.
    pub(crate) fn compare(&self) {
        let n = self.whole.n_records;
        let per_million = |seconds: f64| seconds * 1e6 / n as f64;
        let what = &self.what;
        let ratios = (0..PAIRS).map(|pair| {
            let (forebay, limit) = (self.forebay(pair), self.limit());
            let (peak, least) = (forebay.peak_megabytes, limit.peak_megabytes);
            let (forebay, limit) = (per_million(forebay.seconds), per_million(limit.seconds));
            eprintln!(
                "{what}: forebay {forebay:7.2}, limit {limit:6.2} CPU seconds per million records; {peak} and {least} MB at most"
            );
            forebay / limit
        });
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (ratios[0], ratios[PAIRS - 1]);
        eprintln!("{what}: {:.2} times the limit ({low:.2} to {high:.2}), {n} records", ratios[PAIRS / 2]);
    }

    fn forebay(&self, pair: usize) -> TakenBy {
        rest_until(Instant::now() + BETWEEN);
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::write(folder.path().join("forebay.yaml"), (self.config)(pair))
            .expect("a file can be written");
        let log_level = [("FOREBAY_LOG", "warn".to_owned())];
        let daemon = Daemon::spawn_with(folder.path(), &log_level);
        let taken = self.taken_by(daemon.pid());
        daemon.kill();
        taken
    }

    fn limit(&self) -> TakenBy {
        rest_until(Instant::now() + BETWEEN);
        let me = std::env::current_exe().expect("a program knows its own path");
        let mut side = Command::new(me).args(&self.limit).stdin(Stdio::piped()).spawn().expect("it starts");
        let taken = self.taken_by(side.id());
        // It waits for the end of its input, so that its time can be read.
        drop(side.stdin.take());
        assert!(side.wait().expect("it can be waited for").success());
        taken
    }

    /// What a process takes until the function has seen all records, each once: nobody wins by losing any.
    fn taken_by(&self, pid: u32) -> TakenBy {
        let n = usize::try_from(self.whole.n_records).expect("it was counted in memory");
        wait::until_count("all records", n, || {
            usize::try_from(self.sink.seen().n_records).unwrap_or(usize::MAX)
        });
        let taken = TakenBy { seconds: cpu::of(pid).as_secs_f64(), peak_megabytes: cpu::peak_megabytes(pid) };
        assert_eq!(self.sink.take(), self.whole, "each record is seen once");
        taken
    }
}
