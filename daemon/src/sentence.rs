//! Says in one sentence what a track is doing or what it waits for.

use std::time::Duration;

use forebay_batcher::{Again, BatchReason, Condition, NotReached, Position, Tick, TrackState, Watermark};
use forebay_invoker::GateState;
pub use forebay_invoker::outcome::chain;
use forebay_pollers::iso_seconds;

/// The gate of the mapping's function, which the core does not see.
#[derive(Debug, Clone, Default)]
pub struct FunctionGate {
    /// The gate at this moment; `None` where nobody knows.
    pub state: Option<GateState>,
    /// How many of the slots in use are this mapping's.
    pub n_own: u32,
}

/// One sentence about a track, with times counted from `now`.
pub fn sentence(state: &TrackState, gate: &FunctionGate, now: Tick) -> String {
    let for_ = |since: Tick| format!("for {}", span(since.until(now)));
    let in_ = |next: Tick| format!("in {}", span(now.until(next)));
    match state {
        TrackState::Unknown => "Not started yet.".into(),
        TrackState::Fenced => "Stopped: another owner has taken this mapping over.".into(),
        TrackState::PositionLost { error } => {
            format!(
                "Stopped: its position is lost ({}); it does not start afresh by itself.",
                one_line(error)
            )
        }
        TrackState::Ended => "Finished: the track has no more records and all of them are done.".into(),
        TrackState::Closed => "Closed.".into(),
        TrackState::StoreFailing { full: true, since } => {
            format!(
                "The disk of the data folder has been full {}: no new work is taken until there is room.",
                for_(*since)
            )
        }
        TrackState::StoreFailing { full: false, since } => {
            format!(
                "The data folder has taken no checkpoint {}: no new work is taken until it does.",
                for_(*since)
            )
        }
        TrackState::Paused {
            n_batches,
            lane,
            n_records,
            range: (first, last),
            condition,
            n_invokes,
            error,
            ..
        } => {
            let what = match condition {
                Condition::AgeExceeded => "too old (`maximum_record_age_in_seconds`)".to_owned(),
                // Only the first of these waits for an operator; the others are given up at once.
                Condition::RetriesExhausted
                | Condition::PayloadTooLarge
                | Condition::Rejected
                | Condition::SchemaNotFound
                | Condition::NotDecoded => {
                    format!("out of attempts (`maximum_retry_attempts`), {n_invokes} so far")
                }
            };
            let (first, last) = (place(first), place(last));
            let place = if first == last { format!("at {first}") } else { format!("from {first} to {last}") };
            let said = if error.is_empty() { String::new() } else { format!(" ({})", one_line(error)) };
            let others = match n_batches {
                0 | 1 => String::new(),
                2 => "; another batch waits too".to_owned(),
                n => format!("; {} other batches wait too", n - 1),
            };
            format!(
                "{} {place} in lane {lane} {} {what}{said} and {} for an operator, and what comes after waits too{others}.",
                records(*n_records),
                if *n_records == 1 { "is" } else { "are" },
                if *n_records == 1 { "waits" } else { "wait" },
            )
        }
        TrackState::DestinationRefuses { n_refused, since, error, next } => format!(
            "The destination has refused a failure record {} {} ({}); it is asked again {}.",
            times(*n_refused),
            for_(*since),
            one_line(&error.text),
            in_(*next)
        ),
        TrackState::NotReached { why, since, error } => {
            let what = match why {
                NotReached::Throttled => "has no free concurrency",
                NotReached::Platform => "cannot be reached",
                NotReached::Config => "cannot be invoked as it is configured",
            };
            format!("The function {what} {} ({}){}.", for_(*since), one_line(&error.text), gate.next_probe())
        }
        TrackState::Retrying { n_failures, since, next, error } => format!(
            "A batch has failed {} {} ({}); attempt {} of it is {}.",
            times(*n_failures),
            for_(*since),
            one_line(error),
            n_failures.saturating_add(1),
            in_(*next)
        ),
        TrackState::Invoking { n_attempts, since, again } => {
            let batches =
                if *n_attempts == 1 { "1 batch".to_owned() } else { format!("{n_attempts} batches") };
            let works = format!("The function works on {batches}, the oldest {}", for_(*since));
            match again {
                None => format!("{works}."),
                // Beside those that go well, a batch that never does would not be heard of.
                Some(Again { n_failures, since, error }) => {
                    let attempt = n_failures.saturating_add(1);
                    format!(
                        "{works}; one is in attempt {attempt} and has been failing {} ({}).",
                        for_(*since),
                        one_line(error)
                    )
                }
            }
        }
        TrackState::WaitingForSlot { since, why } => {
            format!(
                "A batch, closed because {}, has waited {} for a free slot: {}.",
                reason(*why),
                for_(*since),
                gate.who_has_the_slots()
            )
        }
        TrackState::WritingBatch { since } => {
            format!(
                "A batch has been cut {} and waits until that is durable, by `batch_identity: durable`.",
                for_(*since)
            )
        }
        TrackState::RateLimited { since, until } => {
            format!(
                "A batch has been ready {}: rate limited, by `rate_limit` of the mapping; the next invocation starts {}.",
                for_(*since),
                in_(*until)
            )
        }
        TrackState::Batching { until, n_records } => {
            format!("A batch of {} waits for more; its window ends {}.", records(*n_records), in_(*until))
        }
        TrackState::TooFarAhead { lane, n_ahead } => {
            format!(
                "Reading has stopped: {} are finished ahead of one that is open in lane {lane}.",
                records(*n_ahead)
            )
        }
        TrackState::OutOfRoom { held_bytes } => {
            format!("Reading has stopped: the mapping holds {held_bytes} bytes, which is its share.")
        }
        TrackState::SourceDown { since, next, error } => {
            format!(
                "The source has not been readable {} ({}); it is asked again {}.",
                for_(*since),
                advice(&error.text),
                in_(*next)
            )
        }
        TrackState::Hidden { n_messages, n_receives, since, next, error } => {
            let came = n_receives.map_or(String::new(), |n| format!(", after it had come {}", times(n)));
            let again = match next {
                Some(next) if *next > now => format!("comes again {}", in_(*next)),
                // Its time is over and no receive has brought it yet: the queue counts by its own clock.
                Some(_) => "comes again now".to_owned(),
                None => "comes again when its queue shows it".to_owned(),
            };
            match n_messages {
                1 => format!(
                    "A message failed {} ago{came} ({}); it is hidden and {again}.",
                    span(since.until(now)),
                    one_line(error)
                ),
                n => format!(
                    "{n} messages failed and are hidden; the next failed {} ago{came} ({}) and {again}.",
                    span(since.until(now)),
                    one_line(error)
                ),
            }
        }
        TrackState::WindowOpen { n_lanes, span, over_at } => {
            let others = match n_lanes {
                0 | 1 => String::new(),
                n => format!(", one of {n} that are open,"),
            };
            format!(
                "Waiting for records; the tumbling window from {} to {}{others} ends with the first record behind it, or {} if none comes.",
                iso_seconds(span.start),
                iso_seconds(span.end),
                in_(*over_at)
            )
        }
        TrackState::AllFiltered { n_records: 1, since } => {
            format!(
                "Waiting for records; the last one that was read was dropped by the filter {} ago.",
                span(since.until(now))
            )
        }
        TrackState::AllFiltered { n_records, since } => {
            format!(
                "Waiting for records; the last {n_records} that were read were all dropped by the filter, {}.",
                for_(*since)
            )
        }
        TrackState::NoRecords { since } => {
            format!("Waiting for records; the source has had none {}.", for_(*since))
        }
    }
}

impl FunctionGate {
    fn next_probe(&self) -> String {
        match self.state.as_ref().and_then(|it| it.closed.as_ref()) {
            Some(closed) if !closed.probe_in.is_zero() => {
                format!("; it is asked again in {}", span(closed.probe_in))
            }
            Some(closed) if closed.probe_out => "; it is being asked".into(),
            Some(_) | None => String::new(),
        }
    }

    fn who_has_the_slots(&self) -> String {
        const LIMITS: &str = "`reserved_concurrent_executions` of its function and `maximum_concurrency` of the mapping say how many there are";
        match &self.state {
            // The rate holds it only while a slot is free; without one it would wait in any case.
            Some(GateState { rate_opens_in: Some(wait), slots, in_use, .. }) if in_use < slots => {
                format!(
                    "`rate_limit` of its function lets the next invocation start in {}, in turn with those of other mappings",
                    span(*wait)
                )
            }
            // More may be in use than there are, after a config with fewer.
            Some(GateState { slots, in_use, .. }) if in_use >= slots && *in_use > self.n_own => {
                let n_others = in_use - self.n_own;
                format!(
                    "all {slots} of its function are in use, {n_others} of them by other mappings; {LIMITS}"
                )
            }
            Some(GateState { slots, in_use, .. }) if in_use >= slots && *slots > 0 => {
                format!("all {slots} of its function are in use by this mapping; {LIMITS}")
            }
            Some(_) | None => LIMITS.into(),
        }
    }
}

/// A name for the state that programs may compare.
pub fn word(state: &TrackState) -> &'static str {
    match state {
        TrackState::Unknown => "NotStarted",
        TrackState::Fenced => "Fenced",
        TrackState::PositionLost { .. } => "PositionLost",
        TrackState::Ended => "Ended",
        TrackState::Closed => "Closed",
        TrackState::StoreFailing { full: true, .. } => "StoreFull",
        TrackState::StoreFailing { full: false, .. } => "StoreFailing",
        TrackState::Paused { .. } => "AwaitsDecision",
        TrackState::DestinationRefuses { .. } => "DestinationRefuses",
        TrackState::NotReached { .. } => "NotReached",
        TrackState::Retrying { .. } => "Retrying",
        TrackState::Invoking { .. } => "Invoking",
        TrackState::WaitingForSlot { .. } => "WaitingForSlot",
        TrackState::WritingBatch { .. } => "WritingBatch",
        TrackState::RateLimited { .. } => "RateLimited",
        TrackState::Batching { .. } => "Batching",
        TrackState::TooFarAhead { .. } => "TooFarAhead",
        TrackState::OutOfRoom { .. } => "OutOfRoom",
        TrackState::SourceDown { .. } => "SourceDown",
        TrackState::Hidden { .. } => "Hidden",
        TrackState::WindowOpen { .. } => "WindowOpen",
        TrackState::AllFiltered { .. } => "AllFiltered",
        TrackState::NoRecords { .. } => "NoRecords",
    }
}

/// Why a batch was closed, as a clause.
pub fn reason(why: BatchReason) -> &'static str {
    match why {
        BatchReason::Window => "its window ended",
        BatchReason::Count => "it was full",
        BatchReason::Bytes => "it had the most bytes it may have",
        BatchReason::Retry => "it failed before",
        BatchReason::Half => "it is half of a failed one",
        BatchReason::NotReached => "the function was not reached before",
        BatchReason::Source => "its source could not wait",
        BatchReason::Ended => "its track ended",
        BatchReason::TumblingWindow => "its tumbling window is over",
    }
}

/// A length of time for people: `120 ms`, `4.2 s`, `3 min 5 s`, `2 h 0 min`.
pub fn span(it: Duration) -> String {
    let seconds = it.as_secs();
    match seconds {
        0 => format!("{} ms", it.as_millis()),
        // Cut and not rounded: 9.96 s would be `10.0 s`, where 10 s is `10 s`.
        1..=9 => format!("{seconds}.{} s", it.subsec_millis() / 100),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn times(n: u32) -> String {
    match n {
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{n} times"),
    }
}

/// A place on a track for people.
fn place(at: &Position) -> String {
    crate::status::position(&Watermark::At(at.clone())).unwrap_or_default()
}

fn records(n: u32) -> String {
    if n == 1 { "1 record".into() } else { format!("{n} records") }
}

/// What a function said, shortened, without line breaks and control characters.
pub fn one_line(text: &str) -> String {
    cut(text, 200)
}

/// The same of what we say of a source ourselves, which ends with what to do.
pub fn advice(text: &str) -> String {
    cut(text, 600)
}

fn cut(text: &str, n_chars_max: usize) -> String {
    // By characters, for a cut within one would panic; and no text from outside moves a terminal's cursor.
    let mut line: String =
        text.chars().take(n_chars_max).map(|it| if it.is_control() { ' ' } else { it }).collect();
    if text.chars().nth(n_chars_max).is_some() {
        line.push('…');
    }
    line
}

/// What a track waits for that comes after others.
pub fn waits_for(parents: &[&str]) -> String {
    const SHOWN_MAX: usize = 3;
    let shown = parents.iter().take(SHOWN_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = match parents.len().saturating_sub(SHOWN_MAX) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let verb = if parents.len() == 1 { "is" } else { "are" };
    format!(
        "Waits for {shown}{more}, which come{} before it and {verb} not finished.",
        if parents.len() == 1 { "s" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use forebay_batcher::UnixMillis;
    use forebay_invoker::gate::Closed;

    use super::*;

    const NOW: Tick = Tick(100_000_000);

    fn check(state: TrackState, expected: &str) {
        assert_eq!(sentence(&state, &FunctionGate::default(), NOW), expected);
    }

    #[test]
    fn what_waits_for_an_operator_is_told_with_its_place_and_what_is_used_up() {
        let at = Position::number;
        let paused = |n_batches, range, n_records, condition, error: &str| TrackState::Paused {
            n_batches,
            lane: 3,
            n_records,
            range,
            condition,
            n_invokes: 4,
            since: UnixMillis(0),
            error: error.into(),
        };
        check(
            paused(1, (at(7), at(7)), 1, Condition::RetriesExhausted, "boom\nat"),
            "1 record at 7 in lane 3 is out of attempts (`maximum_retry_attempts`), 4 so far (boom at) and waits for an operator, and what comes after waits too.",
        );
        check(
            paused(3, (at(7), at(9)), 2, Condition::AgeExceeded, ""),
            "2 records from 7 to 9 in lane 3 are too old (`maximum_record_age_in_seconds`) and wait for an operator, and what comes after waits too; 2 other batches wait too.",
        );
    }

    #[test]
    fn every_wait_is_told_with_its_time_and_its_cause() {
        let since = Tick(40_000_000);
        let next = Tick(102_500_000);
        check(TrackState::NoRecords { since }, "Waiting for records; the source has had none for 1 min 0 s.");
        check(
            TrackState::Retrying { n_failures: 2, since, next, error: "ValueError: bad\nline".into() },
            "A batch has failed twice for 1 min 0 s (ValueError: bad line); attempt 3 of it is in 2.5 s.",
        );
        let again = Again { n_failures: 6, since, error: "boom".into() };
        check(
            TrackState::Invoking { n_attempts: 2, since: Tick(98_000_000), again: Some(again) },
            "The function works on 2 batches, the oldest for 2.0 s; one is in attempt 7 and has been failing for 1 min 0 s (boom).",
        );
        check(
            TrackState::DestinationRefuses { n_refused: 3, since, error: "disk".into(), next },
            "The destination has refused a failure record 3 times for 1 min 0 s (disk); it is asked again in 2.5 s.",
        );
        check(
            TrackState::Batching { until: next, n_records: 1 },
            "A batch of 1 record waits for more; its window ends in 2.5 s.",
        );
        check(
            TrackState::WaitingForSlot { since, why: BatchReason::Count },
            "A batch, closed because it was full, has waited for 1 min 0 s for a free slot: `reserved_concurrent_executions` of its function \
             and `maximum_concurrency` of the mapping say how many there are.",
        );
        check(
            TrackState::WritingBatch { since },
            "A batch has been cut for 1 min 0 s and waits until that is durable, by `batch_identity: durable`.",
        );
        check(
            TrackState::RateLimited { since, until: next },
            "A batch has been ready for 1 min 0 s: rate limited, by `rate_limit` of the mapping; the next invocation starts in 2.5 s.",
        );
        check(
            TrackState::AllFiltered { n_records: 12, since },
            "Waiting for records; the last 12 that were read were all dropped by the filter, for 1 min 0 s.",
        );
        check(
            TrackState::StoreFailing { full: true, since },
            "The disk of the data folder has been full for 1 min 0 s: no new work is taken until there is room.",
        );
    }

    #[test]
    fn what_is_hidden_is_told_with_its_failure_when_it_comes_again_and_how_often_it_came() {
        let since = Tick(40_000_000);
        let hidden = |n_messages, n_receives, next| TrackState::Hidden {
            n_messages,
            n_receives,
            since,
            next,
            error: "boom".into(),
        };
        check(
            hidden(1, Some(3), Some(Tick(112_000_000))),
            "A message failed 1 min 0 s ago, after it had come 3 times (boom); it is hidden and comes again in 12 s.",
        );
        check(
            hidden(1, Some(1), Some(NOW)),
            "A message failed 1 min 0 s ago, after it had come once (boom); it is hidden and comes again now.",
        );
        check(
            hidden(7, None, None),
            "7 messages failed and are hidden; the next failed 1 min 0 s ago (boom) and comes again when its queue shows it.",
        );
    }

    #[test]
    fn who_has_the_slots_is_told_and_when_a_closed_gate_is_tried() {
        let gate = |in_use, n_own, closed| FunctionGate {
            state: Some(GateState { slots: 4, in_use, waiting: 1, rate_opens_in: None, closed }),
            n_own,
        };
        let waiting = TrackState::WaitingForSlot { since: NOW, why: BatchReason::Count };
        let told = |gate: &FunctionGate| sentence(&waiting, gate, NOW);
        assert!(
            told(&gate(4, 1, None)).contains("all 4 of its function are in use, 3 of them by other mappings"),
            "{}",
            told(&gate(4, 1, None))
        );
        assert!(told(&gate(4, 4, None)).contains("all 4 of its function are in use by this mapping"));
        assert!(
            told(&gate(2, 2, None)).contains("free slot: `reserved_concurrent_executions`"),
            "its own limit is the lower one"
        );
        let limited = |in_use, wait_s| {
            let rate_opens_in = Some(Duration::from_secs(wait_s));
            told(&FunctionGate {
                state: Some(GateState { slots: 4, in_use, waiting: 1, rate_opens_in, closed: None }),
                n_own: 1,
            })
        };
        assert!(
            limited(2, 5).contains("`rate_limit` of its function lets the next invocation start in 5.0 s"),
            "{}",
            limited(2, 5)
        );
        assert!(limited(4, 5).contains("all 4 of its function are in use"), "{}", limited(4, 5));
        let closed = |probe_in, probe_out| {
            Some(Closed { why: NotReached::Throttled, n_failures: 3, probe_in, probe_out })
        };
        let throttled =
            TrackState::NotReached { why: NotReached::Throttled, since: NOW, error: "429".into() };
        let told = |closed| sentence(&throttled, &gate(0, 0, closed), NOW);
        assert_eq!(
            told(closed(Duration::from_secs(5), false)),
            "The function has no free concurrency for 0 ms (429); it is asked again in 5.0 s."
        );
        assert_eq!(
            told(closed(Duration::ZERO, true)),
            "The function has no free concurrency for 0 ms (429); it is being asked."
        );
        assert_eq!(told(None), "The function has no free concurrency for 0 ms (429).");
    }

    #[test]
    fn spans_are_short_at_every_size() {
        let spans = [0, 999, 1_000, 9_999, 10_000, 59_999, 60_000, 3_599_999, 3_600_000, 90_000_000];
        let told: Vec<_> = spans.iter().map(|ms| span(Duration::from_millis(*ms))).collect();
        assert_eq!(
            told,
            [
                "0 ms",
                "999 ms",
                "1.0 s",
                "9.9 s",
                "10 s",
                "59 s",
                "1 min 0 s",
                "59 min 59 s",
                "1 h 0 min",
                "25 h 0 min"
            ]
        );
    }

    #[test]
    fn what_a_function_says_cannot_break_the_line() {
        let state = TrackState::NotReached {
            why: NotReached::Platform,
            since: NOW,
            error: format!("\u{1b}[31m{}", "x".repeat(300)).into(),
        };
        let said = sentence(&state, &FunctionGate::default(), NOW);
        assert!(said.chars().count() < 300 && !said.chars().any(char::is_control), "{said}");
    }

    #[test]
    fn what_waits_for_others_names_a_few_of_them() {
        assert_eq!(waits_for(&["a.log"]), "Waits for a.log, which comes before it and is not finished.");
        let said = "Waits for a, b, c and 2 more, which come before it and are not finished.";
        assert_eq!(waits_for(&["a", "b", "c", "d", "e"]), said);
    }
}
