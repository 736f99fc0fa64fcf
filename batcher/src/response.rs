//! The function's answer to an outcome: the validity table of `batchItemFailures`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::attempt::{Failure, Outcome, Reply, Slice};
use crate::items::{ItemActions, read_action};
use crate::record::RecordId;

/// How much of a function's answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseTypes {
    /// Nothing: the batch succeeds as a whole.
    Nothing,
    /// Which records failed: the setting `ReportBatchItemFailures`.
    ItemFailures,
    /// Also what is asked for them: the setting `batch_item_actions`.
    ItemActions,
}

/// What of a function's answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// What failed.
    pub types: ResponseTypes,
    /// The state of a tumbling window, which every answer within one must hold: so many bytes of it can be
    /// handed back. `None`: nothing is carried.
    pub state_bytes_max: Option<u64>,
}

impl From<ResponseTypes> for Expected {
    fn from(types: ResponseTypes) -> Self {
        Self { types, state_bytes_max: None }
    }
}

/// Reads the answer of a function that was reached, as far as is `expected`; `identify` is the source's way
/// to turn what stands under `itemIdentifier` into a record's name. After AWS's guides on reporting batch
/// item failures and on tumbling windows.
///
/// | answer | outcome |
/// |---|---|
/// | function error | `Failed(FunctionError)`, whatever the body says |
/// | nothing of it is read | `Succeeded` |
/// | within a window: not an object, or `state` is missing, no object or too large | `Failed(InvalidResponse)` |
/// | no body, `""`, `[]`, `null`, `{}`, other scalars and lists, an object without `batchItemFailures` | `Succeeded` |
/// | `batchItemFailures` null or empty | `Succeeded` |
/// | names, each of this slice, repeated or not | `PartlyFailed` |
/// | an unknown, empty, null or missing name; not a list; not JSON | `Failed(InvalidResponse)` |
/// | with `ItemActions`: a `retryAfterSeconds` or an `action` that is none, both in one entry, a name with one and then another | `Failed(InvalidResponse)` |
pub fn read_reply(
    mut reply: Reply,
    expected: impl Into<Expected>,
    slice: &Slice,
    identify: &dyn Fn(&RawValue) -> Option<RecordId>,
) -> Outcome {
    let Expected { types, state_bytes_max } = expected.into();
    if reply.function_error.is_some() {
        return Outcome::Failed { how: Failure::FunctionError, reply };
    }
    let invalid = |why, reply| Outcome::Failed {
        how: Failure::InvalidResponse,
        reply: Reply { error: Some(why), state: None, ..reply },
    };
    let payload = reply.payload.clone().unwrap_or_default();
    // Before the shortcut for an empty body: within a window also that answer must have a state.
    if let Some(bytes_max) = state_bytes_max {
        match state_of(&payload, bytes_max) {
            Ok(state) => reply.state = Some(state),
            Err(why) => return invalid(why, reply),
        }
    }
    if types == ResponseTypes::Nothing || payload.iter().all(u8::is_ascii_whitespace) {
        return Outcome::Succeeded(reply);
    }
    match failed_names(&payload, types, slice, identify) {
        Ok((failed, _)) if failed.is_empty() => Outcome::Succeeded(reply),
        Ok((failed, asked)) => Outcome::PartlyFailed { failed, asked, reply },
        Err(why) => invalid(why, reply),
    }
}

/// The state that an answer gives back, as it stands there.
fn state_of(payload: &Bytes, bytes_max: u64) -> Result<Bytes, String> {
    const MISSING: &str =
        "the answer has no `state`: within a tumbling window every answer must give one back";
    let answer: &RawValue =
        serde_json::from_slice(payload).map_err(|error| format!("{MISSING} ({error})"))?;
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(answer.get()).map_err(|_| MISSING.to_owned())?;
    let state = members.get("state").ok_or_else(|| MISSING.to_owned())?.get();
    if !state.starts_with('{') {
        return Err("the `state` in the answer is not an object".to_owned());
    }
    if state.len() as u64 > bytes_max {
        let n_bytes = state.len();
        return Err(format!(
            "the `state` in the answer has {n_bytes} bytes, of which {bytes_max} can be handed back"
        ));
    }
    Ok(Bytes::copy_from_slice(state.as_bytes()))
}

/// What an answer reports, entry by entry, each name once: an answer may say one of them as often as six
/// megabytes hold. A member that stands twice is read by its last value, as most JSON readers do.
fn failed_names(
    payload: &[u8],
    types: ResponseTypes,
    slice: &Slice,
    identify: &dyn Fn(&RawValue) -> Option<RecordId>,
) -> Result<(Vec<RecordId>, ItemActions), String> {
    let answer: &RawValue =
        serde_json::from_slice(payload).map_err(|error| format!("the answer is not JSON: {error}"))?;
    if !answer.get().starts_with('{') {
        return Ok(Default::default());
    }
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(answer.get()).map_err(|error| format!("the answer is not JSON: {error}"))?;
    let Some(list) = members.get("batchItemFailures").filter(|list| list.get() != "null") else {
        return Ok(Default::default());
    };
    let items: Vec<&RawValue> =
        serde_json::from_str(list.get()).map_err(|_| "batchItemFailures is not a list".to_owned())?;
    let known: BTreeSet<&RecordId> = slice.records().iter().map(|record| &record.id).collect();
    let (mut failed, mut asked, mut told) = (Vec::new(), ItemActions::new(), BTreeSet::new());
    for item in items {
        let item: BTreeMap<String, &RawValue> = serde_json::from_str(item.get())
            .map_err(|_| "an entry of batchItemFailures is not an object".to_owned())?;
        let name = item
            .get("itemIdentifier")
            .ok_or_else(|| "an entry of batchItemFailures has no itemIdentifier".to_owned())?;
        match identify(name).filter(|id| known.contains(id)) {
            Some(id) => {
                let action = if types == ResponseTypes::ItemActions { read_action(&item)? } else { None };
                if told.insert(id.clone()) {
                    action.map(|action| asked.insert(id.clone(), action));
                    failed.push(id);
                } else if asked.get(&id) != action.as_ref() {
                    return Err(format!(
                        "itemIdentifier {} stands in batchItemFailures with one action and with another",
                        shortened(name.get())
                    ));
                }
            }
            // AWS takes such an answer for a failure of the whole batch: by a name that is unknown nobody can
            // tell what was meant.
            None => return Err(format!("itemIdentifier {} is not in the batch", shortened(name.get()))),
        }
    }
    Ok((failed, asked))
}

fn shortened(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::ItemAction;
    use crate::record::{OrderKey, Place, Position, Record, Section, TrackIdx};
    use crate::time::UnixMillis;

    #[test]
    fn empty_answers_succeed() {
        for answer in [
            "",
            " ",
            "\"\"",
            "[]",
            "null",
            "{}",
            "123",
            "true",
            "[1]",
            r#"{"a":1}"#,
            r#"{"batchItemFailures":[]}"#,
            r#"{"batchItemFailures":null}"#,
        ] {
            check(answer, "ok");
        }
    }

    #[test]
    fn names_of_the_batch_fail_partly() {
        check(r#"{"batchItemFailures":[{"itemIdentifier":"2"}]}"#, "partly 2");
        check(
            r#"{"x":[{}],"batchItemFailures":[{"itemIdentifier":"3","x":1},{"itemIdentifier":"1"},{"itemIdentifier":"3"}]}"#,
            "partly 31",
        );
        check(r#"{"batchItemFailures":[{"itemIdentifier":"2","itemIdentifier":"3"}]}"#, "partly 3");
    }

    #[test]
    fn one_invalid_entry_fails_the_whole_batch() {
        for entry in [
            r#"{"itemIdentifier":""}"#,
            r#"{"itemIdentifier":null}"#,
            r#"{"foo":"1"}"#,
            r#"{"foo":null}"#,
            r#"{"itemIdentifier":1}"#,
            r#"{"itemIdentifier":"9"}"#,
            r#"["1"]"#,
            "1",
            "null",
        ] {
            check(&format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"1"}},{entry}]}}"#), "invalid");
        }
        for answer in [
            "{",
            "nonsense",
            r#"{"batchItemFailures":{}}"#,
            r#"{"batchItemFailures":"1"}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"1"}]"#,
            "\u{1}",
        ] {
            check(answer, "invalid");
        }
    }

    #[test]
    fn within_a_window_an_answer_without_a_state_has_failed_and_one_with_a_state_gives_it_byte_for_byte() {
        let check = |answer: &str, want: Result<&str, &str>| {
            let reply = Reply { payload: Some(answer.to_owned().into()), ..Reply::default() };
            let expected = Expected { types: ResponseTypes::ItemFailures, state_bytes_max: Some(12) };
            let identify = |raw: &RawValue| Some(RecordId::new(raw.get().trim_matches('"').as_bytes()));
            let (state, error) = match read_reply(reply, expected, &slice(), &identify) {
                Outcome::Succeeded(reply) | Outcome::PartlyFailed { reply, .. } => (reply.state, reply.error),
                Outcome::Failed { how: Failure::InvalidResponse, reply } => (reply.state, reply.error),
                other => panic!("{other:?}"),
            };
            assert_eq!(
                (state.as_deref(), error.as_deref()),
                (want.ok().map(str::as_bytes), want.err()),
                "{answer}"
            );
        };
        check(r#"{"state":{}}"#, Ok("{}"));
        check(r#" {"state": {"a" : 1.0}, "x": 1}"#, Ok(r#"{"a" : 1.0}"#));
        check(r#"{"state":{"n":12345}}"#, Ok(r#"{"n":12345}"#));
        check(r#"{"batchItemFailures":[{"itemIdentifier":"2"}],"state":{}}"#, Ok("{}"));
        let missing = "the answer has no `state`: within a tumbling window every answer must give one back";
        for answer in ["{}", "[]", "null", "1", r#"{"batchItemFailures":[]}"#] {
            check(answer, Err(missing));
        }
        check("", Err(&format!("{missing} (EOF while parsing a value at line 1 column 0)")));
        for answer in [r#"{"state":null}"#, r#"{"state":1}"#, r#"{"state":[]}"#, r#"{"state":"{}"}"#] {
            check(answer, Err("the `state` in the answer is not an object"));
        }
        check(
            r#"{"state":{"n":1234567}}"#,
            Err("the `state` in the answer has 13 bytes, of which 12 can be handed back"),
        );
    }

    /// Compared, not timed: a name is looked for once an entry, in the batch and among those told.
    #[test]
    fn one_name_said_a_hundred_thousand_times_costs_each_of_them_a_few_comparisons() {
        let n_times = 110_000;
        let answer = format!(
            r#"{{"batchItemFailures":[{}{{"itemIdentifier":"3"}}]}}"#,
            r#"{"itemIdentifier":"2"},"#.repeat(n_times)
        );
        let before = crate::short::n_compared();
        check(&answer, "partly 23");
        let n = crate::short::n_compared() - before;
        assert!(n < 10 * n_times, "{n} comparisons for {n_times} names");
    }

    #[test]
    fn what_is_asked_for_a_record_is_read_where_the_plan_says_so_and_ignored_where_not() {
        let answer = |entries: &str| format!(r#"{{"batchItemFailures":[{entries}]}}"#);
        for (entries, plain, want) in [
            (
                r#"{"itemIdentifier":"1","action":"reject"},{"itemIdentifier":"3","retryAfterSeconds":0}"#,
                "partly 13",
                "partly 1!3~0",
            ),
            (
                r#"{"itemIdentifier":"2","retryAfterSeconds":900,"action":null},{"itemIdentifier":"1"}"#,
                "partly 21",
                "partly 2~9001",
            ),
            (
                r#"{"itemIdentifier":"2","action":"reject"},{"itemIdentifier":"2","action":"reject"}"#,
                "partly 2",
                "partly 2!",
            ),
        ] {
            check_read(&answer(entries), ResponseTypes::ItemActions, want);
            check(&answer(entries), plain);
        }
    }

    #[test]
    fn what_cannot_be_asked_for_fails_the_whole_batch() {
        for members in [
            r#""retryAfterSeconds":901"#,
            r#""retryAfterSeconds":-1"#,
            r#""retryAfterSeconds":1.5"#,
            r#""retryAfterSeconds":"5""#,
            r#""retryAfterSeconds":99999999999999999999999"#,
            r#""retryAfterSeconds":[]"#,
            r#""action":"skip""#,
            r#""action":"""#,
            r#""action":1"#,
            r#""action":"reject","retryAfterSeconds":5"#,
        ] {
            let answer = format!(
                r#"{{"batchItemFailures":[{{"itemIdentifier":"1"}},{{"itemIdentifier":"2",{members}}}]}}"#
            );
            check_read(&answer, ResponseTypes::ItemActions, "invalid");
            check(&answer, "partly 12");
        }
        let twice =
            r#"{"batchItemFailures":[{"itemIdentifier":"1","action":"reject"},{"itemIdentifier":"1"}]}"#;
        check_read(twice, ResponseTypes::ItemActions, "invalid");
    }

    #[test]
    fn a_function_error_counts_whatever_the_body_says() {
        let reply = Reply {
            function_error: Some("Unhandled".into()),
            payload: Some(Bytes::from_static(b"{}")),
            ..Reply::default()
        };
        assert!(matches!(
            read_reply(reply, ResponseTypes::ItemFailures, &slice(), &identify),
            Outcome::Failed { how: Failure::FunctionError, .. }
        ));
    }

    #[test]
    fn an_answer_nested_without_end_is_invalid_and_harms_nothing() {
        check(&"[".repeat(1 << 20), "invalid");
        check(&format!("{{\"batchItemFailures\":{}", "{\"a\":".repeat(1 << 18)), "invalid");
    }

    fn check(answer: &str, want: &str) {
        check_read(answer, ResponseTypes::ItemFailures, want);
    }

    fn check_read(answer: &str, types: ResponseTypes, want: &str) {
        let reply = Reply { payload: Some(Bytes::copy_from_slice(answer.as_bytes())), ..Reply::default() };
        let got = match read_reply(reply.clone(), types, &slice(), &identify) {
            Outcome::Succeeded(_) => "ok".to_owned(),
            Outcome::PartlyFailed { failed, asked, .. } => {
                let told = |id: &RecordId| match asked.get(id) {
                    Some(ItemAction::Reject) => "!".to_owned(),
                    Some(ItemAction::RetryAfter(wait)) => format!("~{}", wait.as_secs()),
                    None => String::new(),
                };
                let names =
                    failed.iter().map(|id| String::from_utf8_lossy(id.0.as_slice()).into_owned() + &told(id));
                format!("partly {}", names.collect::<String>())
            }
            Outcome::Failed { how: Failure::InvalidResponse, .. } => "invalid".to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(got, want, "for {}", shortened(answer));
        assert!(matches!(
            read_reply(reply, ResponseTypes::Nothing, &slice(), &identify),
            Outcome::Succeeded(_)
        ));
    }

    fn identify(name: &RawValue) -> Option<RecordId> {
        let name: String = serde_json::from_str(name.get()).ok()?;
        Some(RecordId::new(name.as_bytes()))
    }

    fn slice() -> Slice {
        let record = |name: &str| Record {
            id: RecordId::new(name.as_bytes()),
            place: Place::Track(TrackIdx(0), Position::number(0)),
            key: OrderKey::Free,
            arrival: UnixMillis(0),
            bytes: crate::Rendered::default(),
            section: Section::default(),
        };
        Slice::new(vec![record("1"), record("2"), record("3")])
    }
}
