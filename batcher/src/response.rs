//! The function's answer to an outcome: the validity table of `batchItemFailures`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::attempt::{Failure, Outcome, Reply, Slice};
use crate::record::RecordId;

/// Reads the answer of a function that was reached. `partial` is the setting `ReportBatchItemFailures`; `identify` is the source's way to
/// turn what stands under `itemIdentifier` into a record's name. After AWS's guides on reporting batch item failures.
///
/// | answer | outcome |
/// |---|---|
/// | function error | `Failed(FunctionError)`, whatever the body says |
/// | `partial` off | `Succeeded` |
/// | no body, `""`, `[]`, `null`, `{}`, other scalars and lists, an object without `batchItemFailures` | `Succeeded` |
/// | `batchItemFailures` null or empty | `Succeeded` |
/// | names, each of this slice, repeated or not | `PartlyFailed` |
/// | an unknown, empty, null or missing name; not a list; not JSON | `Failed(InvalidResponse)` |
pub fn read_reply(reply: Reply, partial: bool, slice: &Slice, identify: &dyn Fn(&RawValue) -> Option<RecordId>) -> Outcome {
    if reply.function_error.is_some() {
        return Outcome::Failed { how: Failure::FunctionError, reply };
    }
    let payload = reply.payload.clone().unwrap_or_default();
    if !partial || payload.iter().all(u8::is_ascii_whitespace) {
        return Outcome::Succeeded(reply);
    }
    match failed_names(&payload, slice, identify) {
        Ok(failed) if failed.is_empty() => Outcome::Succeeded(reply),
        Ok(failed) => Outcome::PartlyFailed { failed, reply },
        Err(why) => Outcome::Failed { how: Failure::InvalidResponse, reply: Reply { error: Some(why), ..reply } },
    }
}

/// What an answer reports, entry by entry, each name once: an answer may say one of them as often as six megabytes hold. A member that stands twice is read by its last value, as most JSON readers do.
fn failed_names(payload: &[u8], slice: &Slice, identify: &dyn Fn(&RawValue) -> Option<RecordId>) -> Result<Vec<RecordId>, String> {
    let answer: &RawValue = serde_json::from_slice(payload).map_err(|error| format!("the answer is not JSON: {error}"))?;
    if !answer.get().starts_with('{') {
        return Ok(Vec::new());
    }
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(answer.get()).map_err(|error| format!("the answer is not JSON: {error}"))?;
    let Some(list) = members.get("batchItemFailures").filter(|list| list.get() != "null") else { return Ok(Vec::new()) };
    let items: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| "batchItemFailures is not a list".to_owned())?;
    let known: BTreeSet<&RecordId> = slice.records().iter().map(|record| &record.id).collect();
    let (mut failed, mut told) = (Vec::new(), BTreeSet::new());
    for item in items {
        let item: BTreeMap<String, &RawValue> =
            serde_json::from_str(item.get()).map_err(|_| "an entry of batchItemFailures is not an object".to_owned())?;
        let name = item.get("itemIdentifier").ok_or_else(|| "an entry of batchItemFailures has no itemIdentifier".to_owned())?;
        match identify(name).filter(|id| known.contains(id)) {
            Some(id) if told.insert(id.clone()) => failed.push(id),
            Some(_) => {}
            None => return Err(format!("itemIdentifier {} is not in the batch", shortened(name.get()))),
        }
    }
    Ok(failed)
}

fn shortened(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
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

    /// Compared, not timed: a name is looked for once an entry, in the batch and among those told.
    #[test]
    fn one_name_said_a_hundred_thousand_times_costs_each_of_them_a_few_comparisons() {
        let n_times = 110_000;
        let answer = format!(r#"{{"batchItemFailures":[{}{{"itemIdentifier":"3"}}]}}"#, r#"{"itemIdentifier":"2"},"#.repeat(n_times));
        let before = crate::short::n_compared();
        check(&answer, "partly 23");
        let n = crate::short::n_compared() - before;
        assert!(n < 10 * n_times, "{n} comparisons for {n_times} names");
    }

    #[test]
    fn a_function_error_counts_whatever_the_body_says() {
        let reply = Reply { function_error: Some("Unhandled".into()), payload: Some(Bytes::from_static(b"{}")), ..Reply::default() };
        assert!(matches!(read_reply(reply, true, &slice(), &identify), Outcome::Failed { how: Failure::FunctionError, .. }));
    }

    #[test]
    fn an_answer_nested_without_end_is_invalid_and_harms_nothing() {
        check(&"[".repeat(1 << 20), "invalid");
        check(&format!("{{\"batchItemFailures\":{}", "{\"a\":".repeat(1 << 18)), "invalid");
    }

    fn check(answer: &str, want: &str) {
        let reply = Reply { payload: Some(Bytes::copy_from_slice(answer.as_bytes())), ..Reply::default() };
        let got = match read_reply(reply.clone(), true, &slice(), &identify) {
            Outcome::Succeeded(_) => "ok".to_owned(),
            Outcome::PartlyFailed { failed, .. } => {
                format!("partly {}", failed.iter().map(|id| String::from_utf8_lossy(id.0.as_slice()).into_owned()).collect::<String>())
            }
            Outcome::Failed { how: Failure::InvalidResponse, .. } => "invalid".to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(got, want, "for {}", shortened(answer));
        assert!(matches!(read_reply(reply, false, &slice(), &identify), Outcome::Succeeded(_)));
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
