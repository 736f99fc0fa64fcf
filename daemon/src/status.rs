//! What one track tells about itself, for operators.

use forebay_batcher::{Fault, Now, Receives, Tick, TrackState, UnixMillis, Watermark};
use forebay_config::Code;
use forebay_invoker::InvokeError;
use forebay_pollers::SourceError;
use serde::Serialize;

use crate::sentence::{self, FunctionGate};

/// One track, as `/v1/` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrackView {
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
    /// Since when it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When something happens next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Which attempt of a failed batch it is, or which comes next; of one that waits for an operator, how
    /// many it was part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What was said last about the trouble.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The page of the manual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The receives of a queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receives: Option<ReceivesStatus>,
    /// Messages that failed and that their queue hides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<HiddenStatus>,
    /// How many records in a row the filter has dropped, when it dropped all that was read last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<u64>,
    /// How bad it is.
    #[serde(skip)]
    pub weight: Weight,
}

/// The receives of a queue, as `/v1/` shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReceivesStatus {
    /// How many are open.
    pub open: usize,
    /// How many may be open at once, as things stand.
    pub max: usize,
}

/// Messages that failed and that their queue hides, as `/v1/` shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HiddenStatus {
    /// How many; beyond a thousand they are not counted.
    pub messages: u32,
    /// How often the one that comes next was given out, as its queue says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receives: Option<u32>,
}

/// How bad a state is; the worst speaks for the mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing is left to do.
    Over,
    /// There is nothing to do.
    Idle,
    /// It works.
    Works,
    /// It waits for others here.
    Waits,
    /// A batch fails, the function is not reached, and the like; the number tells which is worse.
    Trouble(u8),
}

impl TrackView {
    /// The status of a track that the machine answers for.
    pub fn new(
        track: &str,
        label: &str,
        state: &TrackState,
        durable: &Watermark,
        gate: &FunctionGate,
        now: Now,
    ) -> Self {
        let told = StateParts::of(state);
        // Ticks mean nothing outside of the process; the wall clock may have jumped since, which only shifts
        // what is shown.
        let wall = |tick: Option<Tick>| tick.map(|it| wall_time(wall_of(it, now)));
        Self {
            track: track.to_owned(),
            label: label.to_owned(),
            state: sentence::word(state),
            sentence: sentence::sentence(state, gate, now.tick),
            position: position(durable),
            since: told.since_wall.map(wall_time).or_else(|| wall(told.since)),
            until: wall(told.until),
            attempt: told.attempt,
            error: told.error.map(sentence::one_line),
            code: told.code,
            receives: None,
            hidden: told.hidden,
            filtered: told.filtered,
            weight: told.weight,
        }
    }

    /// One that has nothing to do.
    #[cfg(test)]
    pub(crate) fn named(label: &str) -> Self {
        let state = TrackState::NoRecords { since: Tick(0) };
        let nowhere = Watermark::Origin(forebay_batcher::Origin(forebay_batcher::ShortBytes::new(b"")));
        Self::new(label, label, &state, &nowhere, &FunctionGate::default(), Now::default())
    }

    /// The same of a track that waits for those that come before it, by what people call them.
    pub fn waiting_for(self, parents: &[&str]) -> Self {
        if parents.is_empty() {
            return self;
        }
        Self {
            state: "WaitsForParents",
            sentence: sentence::waits_for(parents),
            weight: Weight::Waits,
            ..self
        }
    }

    /// The same with the receives of its queue.
    pub fn with_receives(self, receives: Option<Receives>) -> Self {
        Self {
            receives: receives.map(|Receives { n_open, n_max }| ReceivesStatus { open: n_open, max: n_max }),
            ..self
        }
    }
}

/// The parts of a state.
struct StateParts<'a> {
    weight: Weight,
    since: Option<Tick>,
    /// The same by the wall clock, of what outlasts a restart.
    since_wall: Option<UnixMillis>,
    until: Option<Tick>,
    attempt: Option<u32>,
    error: Option<&'a str>,
    code: Option<Code>,
    hidden: Option<HiddenStatus>,
    filtered: Option<u64>,
}

impl<'a> StateParts<'a> {
    const fn new(weight: Weight) -> Self {
        Self {
            weight,
            since: None,
            since_wall: None,
            until: None,
            attempt: None,
            error: None,
            code: None,
            hidden: None,
            filtered: None,
        }
    }

    /// Something outside is the trouble: its own page goes before that of the state.
    fn of_fault(self, fault: &'a Fault, state: Code) -> Self {
        Self { error: Some(&fault.text), code: fault.code.or(Some(state)), ..self }
    }

    fn of(state: &'a TrackState) -> Self {
        let trouble = |rank| Self::new(Weight::Trouble(rank));
        match state {
            TrackState::Ended | TrackState::Closed => Self::new(Weight::Over),
            TrackState::Unknown => Self::new(Weight::Idle),
            TrackState::NoRecords { since } => Self { since: Some(*since), ..Self::new(Weight::Idle) },
            TrackState::AllFiltered { n_records, since } => {
                Self { since: Some(*since), filtered: Some(*n_records), ..Self::new(Weight::Idle) }
            }
            TrackState::Hidden { n_messages, n_receives, since, next, error } => {
                let hidden = Some(HiddenStatus { messages: *n_messages, receives: *n_receives });
                Self { since: Some(*since), until: *next, error: Some(error), hidden, ..trouble(1) }
            }
            TrackState::WindowOpen { over_at, .. } => {
                Self { until: Some(*over_at), ..Self::new(Weight::Idle) }
            }
            TrackState::Batching { until, .. } => Self { until: Some(*until), ..Self::new(Weight::Works) },
            TrackState::Invoking { since, again: None, .. } => {
                Self { since: Some(*since), ..Self::new(Weight::Works) }
            }
            TrackState::RateLimited { since, until } => {
                Self { since: Some(*since), until: Some(*until), ..Self::new(Weight::Waits) }
            }
            TrackState::WaitingForSlot { since, .. } | TrackState::WritingBatch { since } => {
                Self { since: Some(*since), ..Self::new(Weight::Waits) }
            }
            TrackState::OutOfRoom { .. } | TrackState::TooFarAhead { .. } => Self::new(Weight::Waits),
            // Trouble although it works: nothing says that this attempt goes better.
            TrackState::Invoking { again: Some(again), .. } => {
                let attempt = Some(again.n_failures.saturating_add(1));
                Self { since: Some(again.since), attempt, error: Some(&again.error), ..trouble(1) }
            }
            TrackState::Retrying { n_failures, since, next, error } => {
                let attempt = Some(n_failures.saturating_add(1));
                Self { since: Some(*since), until: Some(*next), attempt, error: Some(error), ..trouble(2) }
            }
            TrackState::NotReached { since, error, .. } => {
                Self { since: Some(*since), ..trouble(3) }.of_fault(error, InvokeError::NOT_REACHED)
            }
            TrackState::SourceDown { since, next, error } => {
                Self { since: Some(*since), until: Some(*next), ..trouble(4) }
                    .of_fault(error, SourceError::DOWN)
            }
            TrackState::DestinationRefuses { since, error, next, .. } => {
                Self { since: Some(*since), until: Some(*next), ..trouble(5) }
                    .of_fault(error, Code("FB-0503"))
            }
            // It goes on by nothing but a person.
            TrackState::Paused { n_invokes, since, error, .. } => {
                let error = Some(error.as_str()).filter(|it| !it.is_empty());
                let since_wall = Some(*since);
                Self {
                    since_wall,
                    attempt: Some(*n_invokes),
                    error,
                    code: Some(Code("FB-0528")),
                    ..trouble(6)
                }
            }
            TrackState::StoreFailing { full: true, since } => {
                Self { since: Some(*since), code: Some(Code("FB-0402")), ..trouble(7) }
            }
            TrackState::StoreFailing { full: false, since } => {
                Self { since: Some(*since), code: Some(Code("FB-0405")), ..trouble(7) }
            }
            TrackState::Fenced => Self { code: Some(Code("FB-0401")), ..trouble(8) },
            TrackState::PositionLost { error } => {
                Self { error: Some(error), code: Some(Code("FB-0502")), ..trouble(9) }
            }
        }
    }
}

/// A watermark for people: a number where it is one, hexadecimal digits otherwise.
pub fn position(durable: &Watermark) -> Option<String> {
    let position = durable.position()?;
    Some(position.as_number().map_or_else(|| format!("{:?}", position.0), |it| it.to_string()))
}

/// When a tick is, or was, by the wall clock.
fn wall_of(tick: Tick, now: Now) -> UnixMillis {
    let millis = |from: Tick, to: Tick| i64::try_from(from.until(to).as_millis()).unwrap_or(i64::MAX);
    UnixMillis(now.unix.0.saturating_add(millis(now.tick, tick)).saturating_sub(millis(tick, now.tick)))
}

/// A time of the wall clock for people, such as `2026-07-01T12:00:00.000Z`.
pub fn wall_time(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| format!("{} ms", at.0), |it| format!("{it:.3}"))
}

#[cfg(test)]
mod tests {
    use forebay_batcher::{Again, Origin, Position, ShortBytes};

    use super::*;

    #[test]
    fn positions_are_numbers_where_they_can_be() {
        assert_eq!(position(&Watermark::At(Position::number(4_096))), Some("4096".into()));
        assert_eq!(position(&Watermark::At(Position::checked_number(4_096, *b"more"))), Some("4096".into()));
        assert_eq!(position(&Watermark::At(Position::new(&[0xab, 1]))), Some("ab01".into()));
        assert_eq!(position(&Watermark::Origin(Origin(ShortBytes::new(b"start")))), None);
    }

    #[test]
    fn wall_times_are_in_utc_to_the_millisecond() {
        assert_eq!(wall_time(UnixMillis(1_500)), "1970-01-01T00:00:01.500Z");
    }

    #[test]
    fn a_trouble_is_told_in_parts_and_with_its_page() {
        let now = Now { tick: Tick(10_000_000), unix: UnixMillis(100_000) };
        let status = |state| {
            TrackView::new(
                "t",
                "t",
                &state,
                &Watermark::At(Position::number(1)),
                &FunctionGate::default(),
                now,
            )
        };
        let retrying = TrackState::Retrying {
            n_failures: 6,
            since: Tick(4_000_000),
            next: Tick(12_500_000),
            error: "a\nb".into(),
        };
        let told = status(retrying);
        assert_eq!((told.attempt, told.error.as_deref(), told.code), (Some(7), Some("a b"), None));
        assert_eq!(told.since.as_deref(), Some("1970-01-01T00:01:34.000Z"));
        assert_eq!(told.until.as_deref(), Some("1970-01-01T00:01:42.500Z"));
        let down = |error: Fault| TrackState::SourceDown { since: Tick(0), next: Tick(0), error };
        let named = Fault::new(Code("FB-0212"), "queue FB-0210-x cannot be read: FB-0212: no answer");
        assert_eq!(status(down(named)).code, Some(Code("FB-0212")));
        // What somebody calls a queue, a path or an error is no code.
        assert_eq!(status(down("/FB-0301/broken".into())).code, Some(Code("FB-0504")));
        let failed = TrackState::Retrying {
            n_failures: 1,
            since: Tick(0),
            next: Tick(0),
            error: "FB-0210: mine".into(),
        };
        assert_eq!(status(failed).code, None);
    }

    fn paused() -> TrackState {
        TrackState::Paused {
            n_batches: 1,
            lane: 0,
            n_records: 2,
            range: (Position::number(3), Position::number(5)),
            condition: forebay_batcher::Condition::RetriesExhausted,
            n_invokes: 4,
            since: UnixMillis(1_500),
            error: "boom".into(),
        }
    }

    #[test]
    fn what_waits_for_an_operator_is_told_since_when_by_the_wall_clock() {
        let now = Now { tick: Tick(10_000_000), unix: UnixMillis(100_000) };
        let at = Watermark::At(Position::number(3));
        let told = TrackView::new("t", "t", &paused(), &at, &FunctionGate::default(), now);
        assert_eq!(told.since.as_deref(), Some("1970-01-01T00:00:01.500Z"));
        assert_eq!((told.attempt, told.code, told.state), (Some(4), Some(Code("FB-0528")), "AwaitsDecision"));
    }

    #[test]
    fn what_fails_weighs_more_than_what_waits_and_what_waits_more_than_what_works() {
        let at = Tick(0);
        let invoking = |again| TrackState::Invoking { n_attempts: 1, since: at, again };
        let again = Some(Again { n_failures: 1, since: at, error: String::new() });
        let states = [
            TrackState::Ended,
            TrackState::NoRecords { since: at },
            TrackState::AllFiltered { n_records: 1, since: at },
            invoking(None),
            TrackState::OutOfRoom { held_bytes: 1 },
            invoking(again),
            TrackState::Hidden {
                n_messages: 1,
                n_receives: None,
                since: at,
                next: None,
                error: String::new(),
            },
            TrackState::Retrying { n_failures: 1, since: at, next: at, error: String::new() },
            TrackState::DestinationRefuses { n_refused: 1, since: at, error: "".into(), next: at },
            paused(),
            TrackState::StoreFailing { full: true, since: at },
            TrackState::PositionLost { error: String::new() },
        ];
        let weights: Vec<Weight> = states.iter().map(|it| StateParts::of(it).weight).collect();
        assert!(weights.is_sorted(), "{weights:?}");
    }
}
