//! The state of every mapping and track as lines of the log.

use tracing::info;

use crate::mapping_status::MappingStatus;
use crate::registry::Registry;

/// Writes the state of every track to the log.
pub async fn dump(registry: &Registry) {
    for entry in registry.entries() {
        tell(&entry.whole_status().await);
    }
}

fn tell(status: &MappingStatus) {
    let (mapping, source, lifecycle) = (&*status.name, status.source_kind, &status.lifecycle);
    info!(mapping, source, state = lifecycle.word(), "{lifecycle}");
    for track in status.told_tracks() {
        let (label, state, position) = (&track.label, track.state, &track.position);
        info!(mapping, source, track = label, state, position, "{}", track.sentence);
    }
}
