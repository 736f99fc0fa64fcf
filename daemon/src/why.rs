//! Why a mapping as a whole does what it does, or does nothing: one sentence, how bad it is, and what to do.

use forebay_config::Code;
use forebay_pollers::SourceError;
use serde::Serialize;

use crate::lifecycle::Lifecycle;
use crate::mapping_status::MappingStatus;
use crate::status::{TrackView, Weight};

/// Why a mapping does what it does, or does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// One sentence.
    pub why: String,
    /// How bad it is.
    pub severity: Severity,
    /// What to do about it, where something can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<&'static str>,
    /// The page of the manual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What to know of it besides, such as that another mapping takes its messages away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It runs.
    None,
    /// It waits, or was told to rest.
    Waiting,
    /// Something is wrong.
    Trouble,
}

impl Why {
    /// From the mapping's life cycle, what hinders it as a whole, and its tracks: the worst speaks.
    pub fn of(status: &MappingStatus) -> Self {
        Self { note: status.note.clone(), ..Self::of_state(status) }
    }

    fn of_state(status: &MappingStatus) -> Self {
        let lifecycle = &status.lifecycle;
        match lifecycle {
            Lifecycle::Enabled => {}
            Lifecycle::Enabling { error, .. } => {
                return Self::new(
                    lifecycle.to_string(),
                    Severity::Trouble,
                    Some("Mend what the error names; it goes on by itself."),
                    error.code,
                );
            }
            Lifecycle::Restarting { .. } => {
                return Self::new(
                    lifecycle.to_string(),
                    Severity::Trouble,
                    Some("Report it: a task never dies in order."),
                    Some(Code("FB-0501")),
                );
            }
            Lifecycle::Disabled => {
                return Self::new(
                    lifecycle.to_string(),
                    Severity::Waiting,
                    Some("Set `enabled: true` to let it run."),
                    None,
                );
            }
            Lifecycle::Paused => {
                return Self::new(
                    lifecycle.to_string(),
                    Severity::Waiting,
                    Some("Resume it: `POST /v1/mappings/NAME/resume`."),
                    None,
                );
            }
            Lifecycle::Unfit { error } => {
                let advice = Some("Change the mapping, or what the error names, and reload.");
                return Self::new(
                    lifecycle.to_string(),
                    Severity::Trouble,
                    advice,
                    error.code.or(Some(Code("FB-0537"))),
                );
            }
            Lifecycle::Creating | Lifecycle::Disabling | Lifecycle::Updating | Lifecycle::Deleting { .. } => {
                return Self::new(lifecycle.to_string(), Severity::Waiting, None, None);
            }
        }
        let Some(tracks) = &status.tracks else {
            return Self::new("Running; its task has not told more yet.".into(), Severity::None, None, None);
        };
        // Of several as bad any would do; the last one speaks, and counts the others.
        let worst = tracks.iter().max_by_key(|it| it.weight);
        let is_worse = |it: &TrackView| it.weight > Weight::Waits;
        if let Some(trouble) = status.trouble.as_ref().filter(|_| !worst.is_some_and(is_worse)) {
            let advice = Some("Mend what the error names; it is tried again by itself.");
            return Self::new(
                format!("Its tracks cannot be listed: {trouble}."),
                Severity::Trouble,
                advice,
                trouble.code.or(Some(SourceError::DOWN)),
            );
        }
        match worst {
            Some(worst) => Self::of_tracks(worst, tracks),
            None => Self::new(
                "Waiting for records: the source has no tracks yet.".into(),
                Severity::None,
                None,
                None,
            ),
        }
    }

    fn of_tracks(worst: &TrackView, tracks: &[TrackView]) -> Self {
        let severity = match worst.weight {
            Weight::Over | Weight::Idle | Weight::Works => Severity::None,
            Weight::Waits => Severity::Waiting,
            Weight::Trouble(_) => Severity::Trouble,
        };
        let n_like = tracks.iter().filter(|it| it.state == worst.state).count() - 1;
        let others = match n_like {
            0 => String::new(),
            1 => " (1 other track says the same)".to_owned(),
            n => format!(" ({n} other tracks say the same)"),
        };
        // The one track of a queue or of a file has no name that a reader would miss.
        let sentence = if tracks.len() == 1 {
            worst.sentence.clone()
        } else {
            format!("{}{others}: {}", worst.label, worst.sentence)
        };
        Self::new(sentence, severity, advice(worst), worst.code)
    }

    fn new(why: String, severity: Severity, advice: Option<&'static str>, code: Option<Code>) -> Self {
        Self { why, severity, advice, code, note: None }
    }
}

/// What to do about a state, where something is to be done.
fn advice(track: &TrackView) -> Option<&'static str> {
    if track.state == "AllFiltered" {
        return Some(
            "Nothing, if that is what the filter is for; else try its pattern on a record: `forebay pattern test`.",
        );
    }
    if track.weight < Weight::Waits {
        return None;
    }
    Some(match track.state {
        "PositionLost" => "Set a position by hand: pause the mapping, set it, resume.",
        "Fenced" => "See that no other process has this mapping, and restart this one.",
        "StoreFull" => "Make room on the disk of the data folder; it goes on by itself.",
        "StoreFailing" => "Look at the disk of the data folder and its permissions; it goes on by itself.",
        "AwaitsDecision" => {
            "Look at the function's error, then decide: `forebay decide NAME` lists what waits and takes `skip`, `retry` or `send`."
        }
        "DestinationRefuses" => "Mend the destination; the record is offered again by itself.",
        "SourceDown" => "Mend what the error names; it is asked again by itself.",
        "NotReached" => {
            "See that the function can be reached and has free concurrency; no retry is spent meanwhile."
        }
        "Retrying" | "Invoking" => {
            "Look at the function's error. `maximum_retry_attempts`, `maximum_record_age_in_seconds` and `on_failure` say when it is given up."
        }
        "Hidden" => {
            "Look at the function's error. The queue's redrive policy ends a message that always fails; `retry_after` of the source says when it \
             comes again, `maximum_retry_attempts` lets Forebay try it."
        }
        "WaitingForSlot" => {
            "Raise `reserved_concurrent_executions` or `maximum_concurrency`, or make the function faster."
        }
        "WritingBatch" => {
            "Nothing: it takes a commit. If it takes long, look at the disk of the data folder."
        }
        "RateLimited" => "Nothing, if that is what the limit is for; else raise `rate_limit` of the mapping.",
        "WindowOpen" => {
            "Nothing: its last invocation comes when a later record has arrived, or two minutes after its end."
        }
        "OutOfRoom" => "Wait for the function, or raise `memory_budget_mb`.",
        "TooFarAhead" => "Look at what holds the lane: what is ahead of it is finished and waits.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(tracks: Vec<TrackView>) -> MappingStatus {
        MappingStatus { lifecycle: Lifecycle::Enabled, tracks: Some(tracks), ..MappingStatus::fresh() }
    }

    fn track(label: &str, state: &'static str, weight: Weight) -> TrackView {
        let sentence = format!("It is {state}.");
        TrackView { sentence, state, weight, ..TrackView::named(label) }
    }

    #[test]
    fn a_track_that_fails_speaks_before_one_that_works_and_counts_those_like_it() {
        let failing = |label| track(label, "Retrying", Weight::Trouble(2));
        let works = track("a", "Invoking", Weight::Works);
        let alone = Why::of(&running(vec![failing("b")]));
        assert_eq!((alone.why.as_str(), alone.severity), ("It is Retrying.", Severity::Trouble));
        let said = |tracks| Why::of(&running(tracks)).why;
        assert_eq!(said(vec![works.clone(), failing("b")]), "b: It is Retrying.");
        assert_eq!(
            said(vec![failing("b"), works.clone(), failing("c")]),
            "c (1 other track says the same): It is Retrying."
        );
        assert_eq!(
            said(vec![failing("b"), failing("c"), failing("d")]),
            "d (2 other tracks say the same): It is Retrying."
        );
        assert_eq!(Why::of(&running(vec![works])).severity, Severity::None);
    }

    #[test]
    fn tracks_that_cannot_be_listed_speak_before_what_waits_and_behind_what_fails() {
        let said = |weight| {
            let tracks = running(vec![track("a", "OutOfRoom", weight)]);
            let why = Why::of(&MappingStatus { trouble: Some("no route".into()), ..tracks });
            (why.why, why.code.map(|it| it.0))
        };
        let listing = ("Its tracks cannot be listed: no route.".to_owned(), Some("FB-0504"));
        assert_eq!(said(Weight::Waits), listing);
        assert_eq!(said(Weight::Trouble(0)), ("It is OutOfRoom.".to_owned(), None));
    }

    #[test]
    fn what_does_not_run_speaks_for_itself_whatever_its_tracks_were() {
        let failing = vec![track("a", "Retrying", Weight::Trouble(2))];
        let paused = Why::of(&MappingStatus { lifecycle: Lifecycle::Paused, ..running(failing) });
        assert_eq!(paused.why, "Paused: nothing is read before it is resumed.");
    }

    #[test]
    fn what_is_to_be_known_besides_is_told_in_each_state() {
        for lifecycle in [Lifecycle::Enabled, Lifecycle::Disabled] {
            let note = Some("Beware of b.".to_owned());
            let status = MappingStatus { lifecycle, note: note.clone(), ..MappingStatus::fresh() };
            assert_eq!(Why::of(&status).note, note);
        }
    }
}
