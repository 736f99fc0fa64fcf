//! The state of every mapping and track as lines of the log.

use tracing::info;

use crate::registry::Registry;

/// Writes the state of every track to the log.
pub async fn dump(registry: &Registry) {
    for entry in registry.entries() {
        let lifecycle = entry.lifecycle();
        let (mapping, source) = (entry.name(), entry.source_kind());
        info!(mapping, source, state = lifecycle.word(), "{lifecycle}");
        for track in entry.tracks().await.unwrap_or_default() {
            info!(
                mapping,
                source,
                track = track.label,
                state = track.state,
                position = track.position,
                "{}",
                track.sentence
            );
        }
    }
}
