//! Tumbling windows: which window a record is in, and what an attempt is told of it.

use std::time::Duration;

use bytes::Bytes;

use crate::record::TrackIdx;
use crate::time::UnixMillis;

/// The tumbling window that an attempt belongs to, with what the function carried over it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TumblingWindow {
    /// The track that it is of.
    pub track: TrackIdx,
    /// The lane of the track: with several each has windows of its own.
    pub lane: u32,
    /// From when to when its records reached the source.
    pub span: WindowSpan,
    /// What the last answer of this window gave back, byte for byte; empty before the first.
    pub state: Bytes,
    /// Set on the invocation that ends it, which holds no record.
    pub finale: Option<Finale>,
    /// A state of more bytes cannot be handed back: an answer that holds one has failed.
    pub state_bytes_max: u64,
}

/// Why an invocation is the last one over a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finale {
    /// The window is over.
    Ended,
    /// The state grew too large, or the lanes of its track are to be others: what comes of the window begins
    /// with none.
    TerminatedEarly,
}

/// From when to when the records of a window reached their source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WindowSpan {
    /// The first moment in it: a multiple of its length since 1970, or the end of the window before, which
    /// had another length.
    pub start: UnixMillis,
    /// The first moment behind it, always a multiple of its length since 1970.
    pub end: UnixMillis,
}

impl WindowSpan {
    /// The window of a record that arrived then. None begins before `floor`: what arrives late is in the
    /// window that is current.
    pub fn of(arrival: UnixMillis, length: Duration, floor: Option<UnixMillis>) -> Self {
        let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
        let begin = |at: i64| at.saturating_sub(at.rem_euclid(length_ms));
        let own = begin(arrival.0);
        let start = floor.map_or(own, |floor| own.max(floor.0));
        Self { start: UnixMillis(start), end: UnixMillis(begin(start).saturating_add(length_ms)) }
    }

    /// Whether a record that arrived then is in it, or late for the one before it.
    pub fn takes(&self, arrival: UnixMillis) -> bool {
        arrival < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_multiples_of_their_length_since_1970_and_hold_what_is_late() {
        let check = |arrival: i64, length_s: u64, floor: Option<i64>, want: (i64, i64)| {
            let span =
                WindowSpan::of(UnixMillis(arrival), Duration::from_secs(length_s), floor.map(UnixMillis));
            assert_eq!(
                (span.start.0, span.end.0),
                want,
                "{arrival} in windows of {length_s} s from {floor:?}"
            );
            assert!(span.takes(UnixMillis(arrival)) && !span.takes(span.end));
        };
        check(120_000, 60, None, (120_000, 180_000));
        check(179_999, 60, None, (120_000, 180_000));
        check(-1, 60, None, (-60_000, 0));
        // One that is late is in the window that follows the last.
        check(59_000, 60, Some(120_000), (120_000, 180_000));
        check(250_000, 60, Some(120_000), (240_000, 300_000));
        // The last window had another length.
        check(70_000, 100, Some(60_000), (60_000, 100_000));
        check(130_000, 100, Some(60_000), (100_000, 200_000));
    }
}
