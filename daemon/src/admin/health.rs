//! Health for those who watch processes: alive, ready, started.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use forebay_checkpoints::StoreHealth;

use super::Shown;
use crate::mapping_status::MappingStatus;
use crate::status::wall_time;

/// 200 while the process answers at all.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// 200 when every mapping has been tried once; 503 before.
pub(super) async fn startupz(State(shown): State<Shown>) -> (StatusCode, &'static str) {
    if shown.registry.is_started() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "mappings are being started\n")
    }
}

/// 200 when work is taken. A source or function that is down does not count against it; a data folder that
/// takes no checkpoint does, and so does a process that drains. `?verbose` lists the mappings, and says why a
/// changed config is not in use.
pub(super) async fn readyz(State(shown): State<Shown>, RawQuery(query): RawQuery) -> (StatusCode, String) {
    let refusal = no_checkpoints(&shown);
    let (status, mut text) = if shown.draining.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned())
    } else if !shown.registry.is_started() {
        (StatusCode::SERVICE_UNAVAILABLE, "mappings are being started\n".to_owned())
    } else if let Some(refusal) = refusal {
        (StatusCode::SERVICE_UNAVAILABLE, refusal)
    } else {
        (StatusCode::OK, "ok\n".to_owned())
    };
    if is_verbose(query.as_deref()) {
        if let Some(rejection) = shown.reloads.status.rejection() {
            let at = wall_time(rejection.at);
            text.push_str(&format!(
                "config [Rejected] What was read at {at} is not in use, the former config is: {}\n",
                rejection.message
            ));
        }
        if let Some(trouble) = crate::logs::trouble() {
            text.push_str(&format!("log [Failing] FB-0541: {trouble}\n"));
        }
        for entry in shown.registry.entries() {
            text.push_str(&lines(&entry.whole_status().await));
        }
    }
    (status, text)
}

/// A mapping and its tracks, each on a line.
fn lines(status: &MappingStatus) -> String {
    let MappingStatus { name, lifecycle, .. } = status;
    let mut text = format!("{name} [{}] {lifecycle}", lifecycle.word());
    if let Some(trouble) = &status.trouble {
        text.push_str(&format!(" Its tracks cannot be listed: {trouble}."));
    }
    text.push('\n');
    for track in status.told_tracks() {
        text.push_str(&format!("  {}: {}\n", track.label, track.sentence));
    }
    text
}

/// Why the data folder takes no checkpoints: as the store says, or as a mapping found.
fn no_checkpoints(shown: &Shown) -> Option<String> {
    match &*shown.store.borrow() {
        StoreHealth::Ok => {}
        StoreHealth::Full { .. } => {
            return Some("the disk of the data folder is full: no new work is taken\n".into());
        }
        StoreHealth::Failing { error, .. } => {
            return Some(format!("the data folder fails ({error}): no new work is taken\n"));
        }
    }
    let failing = shown.registry.store_failing();
    let first = failing.first()?;
    let more = failing.len() - 1;
    Some(format!(
        "the data folder takes no checkpoints (mapping {} and {more} more): no new work is taken\n",
        first.name()
    ))
}

fn is_verbose(query: Option<&str>) -> bool {
    query.is_some_and(|it| it.split('&').any(|it| it == "verbose" || it.starts_with("verbose=")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Lifecycle;
    use crate::status::TrackView;

    #[test]
    fn a_mapping_is_a_line_with_what_hinders_it_and_each_track_one_below() {
        let status = MappingStatus { lifecycle: Lifecycle::Paused, ..MappingStatus::fresh() };
        assert_eq!(lines(&status), "m [Paused] Paused: nothing is read before it is resumed.\n");
        let track = TrackView { sentence: "Nothing came.".into(), ..TrackView::named("a") };
        let tracks = Some(vec![track.clone(), TrackView { label: "b".into(), ..track }]);
        let status = MappingStatus {
            lifecycle: Lifecycle::Enabled,
            trouble: Some("no route".into()),
            tracks,
            ..MappingStatus::fresh()
        };
        let expected = "m [Enabled] Running. Its tracks cannot be listed: no route.\n  a: Nothing came.\n  b: Nothing came.\n";
        assert_eq!(lines(&status), expected);
    }
}
