//! Tumbling windows: what an event says of one, and the room that it takes.

use bytes::Bytes;
use forebay_batcher::{Plan, TrackName, TumblingWindow};
use forebay_pollers::{Source, WindowFacts};

use super::Life;

/// A tumbling window of a track.
pub struct InWindow {
    /// Which, with its state.
    pub window: TumblingWindow,
    /// What its event says of its track.
    pub facts: WindowFacts,
}

impl InWindow {
    /// The event of a batch within it.
    pub fn add_to(&self, event: Vec<Bytes>) -> Vec<Bytes> {
        self.facts.add_window(event, &self.window)
    }
}

impl Life<'_> {
    /// The window of an attempt or a notice, with what its event says of its track.
    pub(super) fn in_window(&self, window: Option<&TumblingWindow>) -> Option<InWindow> {
        let window = window?;
        let name = &self.tracks.row(window.track)?.name;
        let facts = self.feed.source().tracks()?.window_facts(name)?;
        Some(InWindow { window: window.clone(), facts })
    }
}

/// Bytes of an event around its records, with those of a tumbling window where the plan has some.
pub(super) fn envelope_bytes(plan: &Plan, source: &dyn Source) -> u64 {
    let nobody = TrackName(String::new());
    // Any name does: the rest of what an event says of its window has a bound, but not the source's ARN.
    let facts = plan.window.as_ref().and_then(|_| source.tracks()?.window_facts(&nobody));
    let window_bytes = facts.map_or(0, |it| WindowFacts::n_bytes_max(&it.event_source_arn));
    source.format().envelope_bytes() + window_bytes
}
