//! What waits for an operator, as `/v1/` shows it, and what he is answered.

use forebay_batcher::{Decision, Paused, Position, Undecided, Watermark};
use serde::{Deserialize, Serialize};

use crate::sentence::one_line;
use crate::status::{position, wall_time};

/// A batch that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PausedBatch {
    /// The name of its track in the store.
    pub track: String,
    /// What people call that.
    pub label: String,
    /// Its first record: with the track it names the batch.
    pub position: String,
    /// Its last record.
    pub last_position: String,
    /// How many records it has.
    pub records: usize,
    /// What is used up: AWS's word of it.
    pub condition: &'static str,
    /// Attempts that it was part of.
    pub attempts: u32,
    /// Since when it waits.
    pub since: String,
    /// What was said last; absent when nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl PausedBatch {
    /// As a machine tells it, with what its track is called.
    pub fn of(paused: &Paused, track: &str, label: &str) -> Self {
        let last = paused.slice.records().last().and_then(|record| record.position());
        Self {
            track: track.to_owned(),
            label: label.to_owned(),
            position: at(&paused.first),
            last_position: at(last.unwrap_or(&paused.first)),
            records: paused.slice.n_records(),
            condition: paused.condition.as_str(),
            attempts: paused.n_invokes,
            since: wall_time(paused.since),
            error: Some(one_line(&paused.error)).filter(|it| !it.is_empty()),
        }
    }
}

/// A place for people, as positions are written everywhere.
fn at(place: &Position) -> String {
    position(&Watermark::At(place.clone())).unwrap_or_default()
}

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionWish {
    /// What becomes of it.
    pub decision: Word,
    /// The track of a batch, by its name or label; with `all`, only what waits on it.
    pub track: Option<String>,
    /// The first record of a batch.
    pub position: Option<String>,
    /// All that waits.
    #[serde(default)]
    pub all: bool,
}

/// What becomes of a batch, as an operator writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It is finished as it is.
    Skip,
    /// It is tried again, with a fresh count.
    Retry,
    /// It goes to the destination.
    Send,
}

impl From<Word> for Decision {
    fn from(word: Word) -> Self {
        match word {
            Word::Skip => Self::Skip,
            Word::Retry => Self::Retry,
            Word::Send => Self::Send,
        }
    }
}

impl DecisionWish {
    /// Why it names nothing; `None` for one that does: all, or one batch by its track and first record.
    pub fn mistake(&self) -> Option<&'static str> {
        match (self.all, &self.track, &self.position) {
            (true, _, None) | (false, Some(_), Some(_)) => None,
            (true, _, Some(_)) => Some("say either `all` or the `position` of one batch"),
            (false, ..) => Some("say `track` and `position` of the batch, or `\"all\": true`"),
        }
    }

    /// Whether it is about this batch.
    pub fn is_about(&self, batch: &PausedBatch) -> bool {
        let on_track = self.track.as_ref().is_none_or(|it| *it == batch.track || *it == batch.label);
        on_track && self.position.as_ref().is_none_or(|it| *it == batch.position)
    }
}

/// Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// It waits no more, or never did.
    #[error("nothing waits for a decision there: `GET /v1/mappings/NAME/paused` lists what does")]
    NothingWaits,
    /// Nobody could take what is to be sent.
    #[error(
        "the mapping has no `destination_config` that could take it: add one, or skip it, or have it tried again"
    )]
    NoDestination,
    /// The life ends; the next one brings along what waits.
    #[error("the mapping is being started, changed or ended: ask again")]
    NotNow,
    /// The mapping does not run, and nobody holds its records.
    #[error("the mapping rests: let it run, and decide then; what waits goes on waiting")]
    Rests,
    /// Whether it is kept nobody knows.
    #[error(
        "the mapping ended, or lost its tracks, before this was durable: look at what waits when it runs again"
    )]
    Unknown,
}

impl From<Undecided> for DecideError {
    fn from(it: Undecided) -> Self {
        match it {
            Undecided::NotPaused => Self::NothingWaits,
            Undecided::NoDestination => Self::NoDestination,
            Undecided::Closing => Self::NotNow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_about_one_batch_or_about_all() {
        let batch = |track: &str, position: &str| PausedBatch {
            track: track.to_owned(),
            label: format!("{track}.log"),
            position: position.to_owned(),
            last_position: position.to_owned(),
            records: 1,
            condition: "RetryAttemptsExhausted",
            attempts: 1,
            since: String::new(),
            error: None,
        };
        let wish = |text: &str| serde_json::from_str::<DecisionWish>(text).unwrap();
        let one = wish(r#"{"decision": "skip", "track": "a.log", "position": "7"}"#);
        assert_eq!((one.mistake(), Decision::from(one.decision)), (None, Decision::Skip));
        assert!(one.is_about(&batch("a", "7")));
        assert!(!one.is_about(&batch("a", "8")) && !one.is_about(&batch("b", "7")));
        let all = wish(r#"{"decision": "retry", "all": true}"#);
        assert!(all.mistake().is_none() && all.is_about(&batch("b", "9")));
        let of_track = wish(r#"{"decision": "send", "all": true, "track": "a"}"#);
        assert!(of_track.is_about(&batch("a", "9")) && !of_track.is_about(&batch("b", "9")));
        for vague in [r#"{"decision": "skip"}"#, r#"{"decision": "skip", "track": "a"}"#] {
            assert!(wish(vague).mistake().is_some(), "{vague}");
        }
        assert!(wish(r#"{"decision": "skip", "all": true, "position": "7"}"#).mistake().is_some());
        assert!(serde_json::from_str::<DecisionWish>(r#"{"decision": "drop", "all": true}"#).is_err());
    }
}
