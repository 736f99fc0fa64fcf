//! A mapping's status as `/v1/` writes it.

use std::collections::BTreeMap;

use forebay_batcher::UnixMillis;
use serde::Serialize;

use crate::last_error::LastError;
use crate::mapping_status::MappingStatus;
use crate::metrics::COUNTERS;
use crate::status::{TrackView, wall_time};
use crate::why::Why;

/// A mapping among others.
#[derive(Serialize)]
pub(super) struct MappingJson {
    name: String,
    source: String,
    source_kind: &'static str,
    function_name: String,
    state: &'static str,
    sentence: String,
    #[serde(flatten)]
    why: Why,
    last_processing_result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

impl MappingJson {
    pub(super) fn of(status: &MappingStatus) -> Self {
        Self {
            name: status.name.to_string(),
            source: status.source.clone(),
            source_kind: status.source_kind,
            function_name: status.function.clone(),
            state: status.lifecycle.word(),
            sentence: status.lifecycle.to_string(),
            why: Why::of(status),
            last_processing_result: status.last_result,
            trouble: status.trouble.as_ref().map(|it| it.text.clone()),
        }
    }
}

/// How much waits in the source.
#[derive(Serialize)]
pub(super) struct Lag {
    pub(super) records: Option<u64>,
    pub(super) bytes: Option<u64>,
}

/// A mapping with its tracks and what it measures.
#[derive(Serialize)]
pub(super) struct WholeMappingJson {
    #[serde(flatten)]
    mapping: MappingJson,
    /// Absent while no task runs that could tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    tracks: Option<Vec<TrackView>>,
    lag: Option<Lag>,
    iterator_age_milliseconds: u64,
    checkpoint_age_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_committed_at: Option<String>,
    in_flight_invokes: u64,
    held_bytes: u64,
    last_error: Option<LastError>,
    counts: BTreeMap<&'static str, u64>,
    task_restarts: u64,
}

impl WholeMappingJson {
    /// `now` is what ages are counted to.
    pub(super) fn of(status: MappingStatus, lag: Option<Lag>, now: UnixMillis) -> Self {
        let gauges = status.gauges;
        Self {
            mapping: MappingJson::of(&status),
            tracks: status.tracks,
            lag,
            iterator_age_milliseconds: gauges.iterator_age_ms,
            checkpoint_age_seconds: gauges.committed_at.map(|at| at.age(now).as_secs_f64()),
            checkpoint_committed_at: gauges.committed_at.map(wall_time),
            in_flight_invokes: gauges.n_in_flight,
            held_bytes: gauges.held_bytes,
            last_error: status.last_error,
            counts: COUNTERS.iter().zip(status.counts).map(|((name, ..), value)| (*name, value)).collect(),
            task_restarts: status.n_restarts,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::lifecycle::Lifecycle;
    use crate::metrics::Gauges;

    fn told(status: MappingStatus, lag: Option<Lag>) -> Value {
        serde_json::to_value(WholeMappingJson::of(status, lag, UnixMillis(4_000))).unwrap()
    }

    #[test]
    fn what_is_not_known_of_a_mapping_is_left_out_or_null() {
        let told = told(MappingStatus::fresh(), None);
        for absent in ["trouble", "tracks", "checkpoint_committed_at", "note", "advice", "code"] {
            assert!(told.get(absent).is_none(), "{absent}: {told}");
        }
        for null in ["lag", "checkpoint_age_seconds", "last_error"] {
            assert!(told[null].is_null() && told.get(null).is_some(), "{null}: {told}");
        }
    }

    #[test]
    fn what_is_known_of_a_mapping_stands_under_the_names_of_the_manual() {
        let mut counts = [0; COUNTERS.len()];
        counts[0] = 12;
        let status = MappingStatus {
            lifecycle: Lifecycle::Enabled,
            trouble: Some("no route".into()),
            note: Some("Beware of b.".into()),
            gauges: Gauges {
                n_in_flight: 2,
                held_bytes: 3,
                iterator_age_ms: 6,
                committed_at: Some(UnixMillis(1_500)),
                ..Gauges::default()
            },
            counts,
            n_restarts: 1,
            tracks: Some(vec![TrackView::named("a")]),
            ..MappingStatus::fresh()
        };
        let told = told(status, Some(Lag { records: Some(7), bytes: None }));
        for (member, value) in [
            ("name", json!("m")),
            ("source", json!("fake:there")),
            ("source_kind", json!("fake")),
            ("function_name", json!("f")),
            ("state", json!("Enabled")),
            ("trouble", json!("no route")),
            ("note", json!("Beware of b.")),
            ("lag", json!({ "records": 7, "bytes": null })),
            ("iterator_age_milliseconds", json!(6)),
            ("checkpoint_age_seconds", json!(2.5)),
            ("checkpoint_committed_at", json!("1970-01-01T00:00:01.500Z")),
            ("in_flight_invokes", json!(2)),
            ("held_bytes", json!(3)),
            ("task_restarts", json!(1)),
        ] {
            assert_eq!(told[member], value, "{member}");
        }
        assert_eq!(
            (&told["counts"]["polled_event_count"], &told["tracks"][0]["label"]),
            (&json!(12), &json!("a"))
        );
    }
}
