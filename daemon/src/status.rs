//! What one track tells about itself, for operators.

use forebay_batcher::{TrackState, UnixMillis, Watermark};
use serde::Serialize;

use crate::sentence;

/// One track, as `/v1/` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrackStatus {
    /// Its name in the store.
    pub track: String,
    /// What people call it.
    pub label: String,
    /// A word that programs may compare.
    pub state: &'static str,
    /// Why nothing is happening, or what is.
    pub sentence: String,
    /// Everything strictly below this position is durably finished; `None` when nothing is.
    pub position: Option<String>,
}

impl TrackStatus {
    /// The status of a track that the machine answers for.
    pub fn new(track: &str, label: &str, state: &TrackState, durable: &Watermark, now: forebay_batcher::Tick) -> Self {
        Self {
            track: track.to_owned(),
            label: label.to_owned(),
            state: sentence::word(state),
            sentence: sentence::sentence(state, now),
            position: position(durable),
        }
    }
}

/// A watermark for people: a number where it is one, hexadecimal digits otherwise.
pub fn position(durable: &Watermark) -> Option<String> {
    match durable {
        Watermark::Origin(_) => None,
        Watermark::At(position) => Some(position.as_number().map_or_else(|| format!("{:?}", position.0), |it| it.to_string())),
    }
}

/// A time of the wall clock for people, such as `2026-07-01T12:00:00.000Z`.
pub fn wall_time(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| format!("{} ms", at.0), |it| format!("{it:.3}"))
}

#[cfg(test)]
mod tests {
    use forebay_batcher::{Origin, Position, ShortBytes};

    use super::*;

    #[test]
    fn positions_are_numbers_where_they_can_be() {
        assert_eq!(position(&Watermark::At(Position::number(4_096))), Some("4096".into()));
        assert_eq!(position(&Watermark::At(Position::new(&[0xab, 1]))), Some("ab01".into()));
        assert_eq!(position(&Watermark::Origin(Origin(ShortBytes::new(b"start")))), None);
    }

    #[test]
    fn wall_times_are_in_utc_to_the_millisecond() {
        assert_eq!(wall_time(UnixMillis(1_500)), "1970-01-01T00:00:01.500Z");
    }
}
