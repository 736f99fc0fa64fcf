//! How many records a filter has dropped in a row, for people: nothing is decided by it.

use crate::action::Read;
use crate::state::TrackState;
use crate::time::Tick;

/// Records that the filter dropped since the last one that it let through.
#[derive(Debug, Default)]
pub(crate) struct Filtered(Option<(u64, Tick)>);

impl Filtered {
    pub(crate) fn note(&mut self, read: &Read, now: Tick) {
        if !read.records.is_empty() {
            self.0 = None;
        } else if read.n_filtered > 0 {
            let (n, since) = self.0.unwrap_or((0, now));
            self.0 = Some((n.saturating_add(read.n_filtered.into()), since));
        }
    }

    pub(crate) fn state(&self) -> Option<TrackState> {
        self.0.map(|(n_records, since)| TrackState::AllFiltered { n_records, since })
    }
}
