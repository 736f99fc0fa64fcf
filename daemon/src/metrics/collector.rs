//! Writes all series at a scrape, from the registry as it is then.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::runtime::Handle;

use super::series::{MappingSeries, float};
use crate::clock::Clock;
use crate::registry::Registry;
use crate::reload::ReloadStatus;

/// Every series of the process.
#[derive(Debug)]
pub struct Exporter {
    registry: prometheus_client::registry::Registry,
}

impl Exporter {
    /// Series for the mappings that stand in `registry` at each scrape.
    pub fn new(registry: Arc<Registry>, reloads: Arc<ReloadStatus>, clock: Clock) -> Self {
        let mut own = prometheus_client::registry::Registry::with_prefix("forebay");
        own.register_collector(Box::new(Series { registry, reloads, clock }));
        Self { registry: own }
    }

    /// All series as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("a String takes all that is written");
        text
    }
}

#[derive(Debug)]
struct Series {
    registry: Arc<Registry>,
    reloads: Arc<ReloadStatus>,
    clock: Clock,
}

impl Series {
    /// What became of the reloads; these have no mapping.
    fn reloads(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (n_applied, n_rejected) = self.reloads.counts();
        let help = "Times that the config was read again, by what became of it";
        let mut series = to.encode_descriptor("config_reloads", help, None, MetricType::Counter)?;
        for (outcome, n) in [("applied", n_applied), ("rejected", n_rejected)] {
            ConstCounter::new(n).encode(series.encode_family(&[("outcome", outcome)])?)?;
        }
        let help = "1 while a changed config was rejected and the former one stays in use";
        let is_rejected = f64::from(u8::from(self.reloads.rejection().is_some()));
        ConstGauge::new(is_rejected).encode(to.encode_descriptor(
            "config_rejected",
            help,
            None,
            MetricType::Gauge,
        )?)
    }
}

/// What became of the log, which cannot tell that itself while nobody takes it.
fn log(to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let (n_dropped, n_failures) = crate::logs::counts();
    let help = "Lines of the log that were dropped since nobody took them in time";
    ConstCounter::new(n_dropped).encode(to.encode_descriptor(
        "log_lines_dropped",
        help,
        None,
        MetricType::Counter,
    )?)?;
    let help = "Writes of the log that failed and were tried again";
    ConstCounter::new(n_failures).encode(to.encode_descriptor(
        "log_write_failures",
        help,
        None,
        MetricType::Counter,
    )?)
}

/// Tasks of the runtime that are alive: a number that only grows is a leak.
fn runtime_tasks(to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    // Whoever scrapes is answered by a task, so there is a runtime.
    let n_tasks = Handle::try_current().map_or(0, |it| it.metrics().num_alive_tasks());
    let help = "Tasks of the process that are alive: a few for each mapping and each open connection";
    ConstGauge::new(float(n_tasks as u64)).encode(to.encode_descriptor(
        "runtime_tasks",
        help,
        None,
        MetricType::Gauge,
    )?)
}

impl Collector for Series {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.reloads(&mut encoder)?;
        runtime_tasks(&mut encoder)?;
        log(&mut encoder)?;
        let entries = self.registry.entries();
        MappingSeries::of(entries.iter().map(|it| &**it), self.clock.now().unix).write(&mut encoder)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use forebay_batcher::UnixMillis;

    use super::super::counts::COUNTERS;
    use super::*;

    #[test]
    fn the_manual_names_every_series_and_no_other() {
        let registry = Arc::new(Registry::default());
        let text = Exporter::new(registry, Arc::default(), Clock::start_at(UnixMillis(0))).text();
        let exported: BTreeSet<&str> =
            text.lines().filter_map(|it| it.strip_prefix("# TYPE forebay_")?.split(' ').next()).collect();
        let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo tells a test its package");
        let manual = std::fs::read_to_string(format!("{package}/../docs/operations.md")).unwrap();
        let metrics = manual.split("\n## Metrics\n").nth(1).unwrap();
        let named: BTreeSet<&str> =
            metrics.lines().filter_map(|it| it.strip_prefix("| `")?.split('`').next()).collect();
        assert!(exported.len() > COUNTERS.len());
        assert_eq!(named, exported);
    }
}
