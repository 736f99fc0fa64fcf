//! How one mapping stands at one moment: the value that every answer, line and series about it is drawn from.

use std::sync::Arc;

use forebay_batcher::{Fault, UnixMillis};

use crate::last_error::LastError;
use crate::lifecycle::{Calm, Lifecycle};
use crate::metrics::{COUNTERS, Gauges};
use crate::status::TrackView;

/// How one mapping stands at one moment. Whoever shows it asks nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingStatus {
    /// Its name.
    pub name: Arc<str>,
    /// The word under `source:`.
    pub source_kind: &'static str,
    /// What people call its source.
    pub source: String,
    /// The function that gets its batches.
    pub function: String,
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// How far its life is from its end.
    pub calm: Calm,
    /// When it came to stand where it does; the beginning of 1970 when it never changed.
    pub changed_at: UnixMillis,
    /// Lambda's `LastProcessingResult`.
    pub last_result: &'static str,
    /// What hinders it as a whole, such as tracks that cannot be listed.
    pub trouble: Option<Fault>,
    /// What to know of it besides, such as that another mapping takes its messages away; `None` when nothing
    /// is, or when it was not asked.
    pub note: Option<String>,
    /// What went wrong last.
    pub last_error: Option<LastError>,
    /// What it measures at this moment.
    pub gauges: Gauges,
    /// What it has counted, in the order of [`COUNTERS`].
    pub counts: [u64; COUNTERS.len()],
    /// How often its task died and was started again.
    pub n_restarts: u64,
    /// Its tracks; `None` while no task runs that could tell, or when it was not asked.
    pub tracks: Option<Vec<TrackView>>,
}

impl MappingStatus {
    /// Its tracks as far as they are told.
    pub fn told_tracks(&self) -> &[TrackView] {
        self.tracks.as_deref().unwrap_or_default()
    }

    /// One that has not been tried yet.
    #[cfg(test)]
    pub(crate) fn fresh() -> Self {
        crate::registry::Entry::new("m", "fake", "fake:there".into(), "f".into()).0.status()
    }
}
