//! The series of mappings, drawn from how each of them stands when they are written.

use std::fmt;

use forebay_batcher::UnixMillis;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;

use super::counts::COUNTERS;
use super::mapping::Gauges;
use crate::lifecycle::Lifecycle;
use crate::mapping_status::MappingStatus;
use crate::registry::Entry;

/// One mapping at a scrape.
struct Row {
    labels: [(&'static str, String); 2],
    status: MappingStatus,
    batch_records: Histogram,
    invoke_seconds: Histogram,
}

impl Row {
    fn of(entry: &Entry) -> Self {
        let (status, metrics) = (entry.status(), entry.metrics());
        let (batch_records, invoke_seconds) = (metrics.batch_records.clone(), metrics.invoke_seconds.clone());
        let labels = [("mapping", status.name.to_string()), ("source", status.source_kind.to_owned())];
        Self { labels, status, batch_records, invoke_seconds }
    }
}

/// All mappings at a scrape: each is asked once, so that its series fit each other.
pub(super) struct MappingSeries {
    rows: Vec<Row>,
    now: UnixMillis,
}

impl MappingSeries {
    /// `now` is what ages are counted to.
    pub(super) fn of<'a>(entries: impl Iterator<Item = &'a Entry>, now: UnixMillis) -> Self {
        Self { rows: entries.map(Row::of).collect(), now }
    }

    /// Writes all of them, family by family, as the format wants them.
    pub(super) fn write(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (idx, (name, help, _)) in COUNTERS.iter().enumerate() {
            self.counter(to, name, help, &|it| it.counts[idx])?;
        }
        let help = "Times the mapping's task died and was started again";
        self.counter(to, "task_restarts", help, &|it| it.n_restarts)?;
        self.gauges(to)?;
        self.histogram(to, "batch_records", "Records in each batch sent", &|it| &it.batch_records)?;
        let help = "How long invocations took, in seconds";
        self.histogram(to, "invoke_duration_seconds", help, &|it| &it.invoke_seconds)
    }

    fn gauges(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let is_enabled = |it: &MappingStatus| it.lifecycle == Lifecycle::Enabled;
        self.gauge(to, "enabled", "1 while the mapping reads its source", &|it| {
            Some(f64::from(u8::from(is_enabled(it))))
        })?;
        let mut measured = |name: &str, help: &str, value: &dyn Fn(&Gauges) -> u64| {
            self.gauge(to, name, help, &|it| Some(float(value(&it.gauges))))
        };
        measured("in_flight_invokes", "Invocations that run", &|it| it.n_in_flight)?;
        measured("held_bytes", "Bytes of records held in memory", &|it| it.held_bytes)?;
        measured("tracks", "Tracks that are read", &|it| it.n_tracks)?;
        measured("paused_batches", "Batches that wait for an operator to decide", &|it| it.n_paused)?;
        let help = "Age of the last record of the batch sent last, when it was sent";
        measured("iterator_age_milliseconds", help, &|it| it.iterator_age_ms)?;
        let help = "Time since a checkpoint last became durable";
        self.gauge(to, "checkpoint_age_seconds", help, &|it| {
            it.gauges.committed_at.map(|at| at.age(self.now).as_secs_f64())
        })?;
        let help = "1 while the data folder takes no checkpoints";
        self.gauge(to, "store_failing", help, &|it| Some(f64::from(u8::from(it.gauges.store_failing))))
    }

    fn counter(
        &self,
        to: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: &dyn Fn(&MappingStatus) -> u64,
    ) -> fmt::Result {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
        self.rows
            .iter()
            .try_for_each(|it| ConstCounter::new(value(&it.status)).encode(family.encode_family(&it.labels)?))
    }

    fn gauge(
        &self,
        to: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: &dyn Fn(&MappingStatus) -> Option<f64>,
    ) -> fmt::Result {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
        self.rows.iter().try_for_each(|it| match value(&it.status) {
            Some(value) => ConstGauge::new(value).encode(family.encode_family(&it.labels)?),
            None => Ok(()),
        })
    }

    fn histogram(
        &self,
        to: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        values: &dyn Fn(&Row) -> &Histogram,
    ) -> fmt::Result {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Histogram)?;
        self.rows.iter().try_for_each(|it| values(it).encode(family.encode_family(&it.labels)?))
    }
}

/// Gauges are floats on the wire; beyond 2^53 the last digits do not matter.
#[allow(clippy::cast_precision_loss, reason = "a gauge is a float on the wire")]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    impl fmt::Debug for MappingSeries {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("MappingSeries").finish_non_exhaustive()
        }
    }

    impl Collector for MappingSeries {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            self.write(&mut encoder)
        }
    }

    fn text(rows: Vec<Row>) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(MappingSeries { rows, now: UnixMillis(4_000) }));
        encode(&mut text, &registry).unwrap();
        text
    }

    fn row(mapping: &str, status: MappingStatus) -> Row {
        let histogram = || Histogram::new([1.0]);
        let labels = [("mapping", mapping.to_owned()), ("source", "fake".to_owned())];
        Row { labels, status, batch_records: histogram(), invoke_seconds: histogram() }
    }

    #[test]
    fn a_mapping_without_a_checkpoint_has_no_age_of_one() {
        let gauges = Gauges { committed_at: Some(UnixMillis(1_500)), ..Gauges::default() };
        let committed = MappingStatus { gauges, ..MappingStatus::fresh() };
        let text = text(vec![row("a", MappingStatus::fresh()), row("b", committed)]);
        let ages: Vec<&str> = text.lines().filter(|it| it.starts_with("checkpoint_age_seconds{")).collect();
        assert_eq!(ages, ["checkpoint_age_seconds{mapping=\"b\",source=\"fake\"} 2.5"]);
    }

    #[test]
    fn only_a_mapping_that_reads_its_source_is_enabled() {
        let on = |lifecycle| MappingStatus { lifecycle, ..MappingStatus::fresh() };
        let text = text(vec![
            row("a", on(Lifecycle::Enabled)),
            row("b", on(Lifecycle::Restarting { error: String::new() })),
        ]);
        let enabled: Vec<&str> = text.lines().filter(|it| it.starts_with("enabled{")).collect();
        let series = |mapping, value| format!("enabled{{mapping=\"{mapping}\",source=\"fake\"}} {value}");
        assert_eq!(enabled, [series("a", "1.0"), series("b", "0.0")]);
    }
}
