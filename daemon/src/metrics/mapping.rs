//! What one mapping measures: the core's counts, gauges of this moment, and two histograms.

use std::sync::Mutex;
use std::time::Duration;

use forebay_batcher::{Counts, UnixMillis};
use prometheus_client::metrics::histogram::Histogram;

use super::counts::{COUNTERS, Totals};
use crate::lock::lock;

/// Values of this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Invocations that run.
    pub n_in_flight: u64,
    /// Bytes of records held in memory.
    pub held_bytes: u64,
    /// Tracks that are read.
    pub n_tracks: u64,
    /// Batches that wait for an operator.
    pub n_paused: u64,
    /// How old the last record of the batch sent last was when it was sent.
    pub iterator_age_ms: u64,
    /// When a checkpoint last became durable.
    pub committed_at: Option<UnixMillis>,
    /// The store takes no checkpoints.
    pub store_failing: bool,
}

/// What one mapping measures.
#[derive(Debug)]
pub struct MappingMetrics {
    totals: Mutex<Totals>,
    gauges: Mutex<Gauges>,
    n_restarts: Mutex<u64>,
    /// Records in each batch that was sent.
    pub batch_records: Histogram,
    /// How long invocations took, in seconds.
    pub invoke_seconds: Histogram,
}

impl Default for MappingMetrics {
    fn default() -> Self {
        Self {
            totals: Mutex::default(),
            gauges: Mutex::default(),
            n_restarts: Mutex::default(),
            batch_records: Histogram::new([
                1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 10_000.0,
            ]),
            invoke_seconds: Histogram::new([
                0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0,
            ]),
        }
    }
}

impl MappingMetrics {
    /// What the running machine counts now, and the gauges with it.
    pub fn set(&self, counts: Counts, gauges: Gauges) {
        lock(&self.totals).set(counts);
        *lock(&self.gauges) = gauges;
    }

    /// An invocation came back.
    pub fn invoked(&self, took: Duration) {
        self.invoke_seconds.observe(took.as_secs_f64());
    }

    /// The mapping's task ended against its will and will be started again.
    pub fn restarted(&self) {
        *lock(&self.n_restarts) += 1;
        self.end_life();
    }

    /// The machine is gone: its counts are kept, its gauges are not.
    pub fn end_life(&self) {
        lock(&self.totals).end_life();
        // When a checkpoint became durable stays true without a life; its age is what an alarm watches.
        let committed_at = lock(&self.gauges).committed_at;
        *lock(&self.gauges) = Gauges { committed_at, ..Gauges::default() };
    }

    /// The sums, in the order of [`COUNTERS`].
    pub fn values(&self) -> [u64; COUNTERS.len()] {
        lock(&self.totals).values()
    }

    /// Values of this moment.
    pub fn gauges(&self) -> Gauges {
        *lock(&self.gauges)
    }

    /// How often the task was restarted.
    pub fn n_restarts(&self) -> u64 {
        *lock(&self.n_restarts)
    }
}
