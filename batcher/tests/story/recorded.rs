//! What was recorded on AWS of streams: each row of the validity table of `batchItemFailures`, and each count of
//! a failure record, by the rule that it is named after.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::response::read_reply;
use forebay_batcher::*;
use serde_json::value::RawValue;

use crate::script::{count, plan};

/// What a function answers to the records 1, 2 and 3.
const ALL: [u64; 3] = [1, 2, 3];

/// Makes a test of each row: what the function answers, and which of the three records are tried again.
macro_rules! rows {
    ($($rule:ident: $answer:expr => $again:expr;)*) => {
        mod validity {
            use super::ALL;
            $(#[test] fn $rule() { super::check($answer, &$again); })*
        }
    };
}

rows! {
    an_empty_string_is_success: "\"\"" => [];
    an_empty_list_is_success: "[]" => [];
    null_is_success: "null" => [];
    an_empty_object_is_success: "{}" => [];
    no_body_at_all_is_success: "" => [];
    an_empty_list_of_failures_is_success: r#"{"batchItemFailures":[]}"# => [];
    a_null_list_of_failures_is_success: r#"{"batchItemFailures":null}"# => [];
    an_object_without_a_list_of_failures_is_success: r#"{"statusCode":500}"# => [];
    another_scalar_is_success: "123" => [];
    a_list_of_anything_is_success: r#"[{"itemIdentifier":"1"}]"# => [];
    an_identifier_of_the_batch_fails_that_record_and_those_behind_it: r#"{"batchItemFailures":[{"itemIdentifier":"2"}]}"# => [2, 3];
    of_several_identifiers_the_lowest_is_the_checkpoint: r#"{"batchItemFailures":[{"itemIdentifier":"3"},{"itemIdentifier":"2"}]}"# => [2, 3];
    an_identifier_that_stands_twice_is_harmless: r#"{"batchItemFailures":[{"itemIdentifier":"3"},{"itemIdentifier":"3"}]}"# => [3];
    an_empty_identifier_fails_the_whole_batch: r#"{"batchItemFailures":[{"itemIdentifier":""}]}"# => ALL;
    a_null_identifier_fails_the_whole_batch: r#"{"batchItemFailures":[{"itemIdentifier":null}]}"# => ALL;
    another_key_than_the_identifiers_fails_the_whole_batch: r#"{"batchItemFailures":[{"foo":"3"}]}"# => ALL;
    another_key_with_null_fails_the_whole_batch: r#"{"batchItemFailures":[{"foo":null}]}"# => ALL;
    an_identifier_that_is_a_number_fails_the_whole_batch: r#"{"batchItemFailures":[{"itemIdentifier":3}]}"# => ALL;
    an_identifier_that_is_not_in_the_batch_fails_the_whole_batch: r#"{"batchItemFailures":[{"itemIdentifier":"4"}]}"# => ALL;
    one_invalid_entry_beside_a_valid_one_fails_the_whole_batch: r#"{"batchItemFailures":[{"itemIdentifier":"3"},{"foo":"3"}]}"# => ALL;
    failures_that_are_no_list_fail_the_whole_batch: r#"{"batchItemFailures":{"itemIdentifier":"3"}}"# => ALL;
    a_body_that_is_no_json_fails_the_whole_batch: r#"{"batchItemFailures":["# => ALL;
}

#[test]
fn a_function_error_fails_the_whole_batch_whatever_its_body_says() {
    let run =
        Run::of(
            reporting(1),
            |n, _| if n == 1 { raised(r#"{"batchItemFailures":[]}"#) } else { answered("{}") },
        );
    assert_eq!(run.tried, [ALL.to_vec(), ALL.to_vec()]);
}

#[test]
fn what_a_function_answers_is_not_read_unless_it_is_asked_for() {
    let plain = Plan { retry: RetryPlan { partial_responses: false, ..reporting(1).retry }, ..reporting(1) };
    let run = Run::of(plain, |_, _| answered(r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#));
    assert_eq!(run.tried, [ALL.to_vec()]);
}

/// One retry ends it: what is tried again after this answer, of which all succeeds.
fn check(answer: &'static str, again: &[u64]) {
    let run = Run::of(reporting(1), move |n, _| answered(if n == 1 { answer } else { "{}" }));
    let mut tried = vec![ALL.to_vec()];
    if !again.is_empty() {
        tried.push(again.to_vec());
    }
    assert_eq!(run.tried, tried, "tried after {answer}");
    assert!(run.given_up.is_empty(), "{:?}", run.given_up);
}

#[test]
fn approximate_invoke_count_is_one_more_than_maximum_retry_attempts() {
    for retries_max in 0..=3 {
        let run = Run::of(reporting(retries_max), |_, _| raised("{}"));
        let told = (Condition::RetriesExhausted, ALL.to_vec(), retries_max + 1, Some("Unhandled".to_owned()));
        assert_eq!(run.given_up, [told]);
    }
}

#[test]
fn function_error_is_null_of_a_record_that_was_reported_and_its_count_is_that_of_the_chain() {
    // Recorded with batches of three and three retries: the poison ended alone, after four invocations.
    let run = Run::of(reporting(3), |_, _| answered(r#"{"batchItemFailures":[{"itemIdentifier":"3"}]}"#));
    assert_eq!(run.tried, [ALL.to_vec(), vec![3], vec![3], vec![3]]);
    assert_eq!(run.given_up, [(Condition::RetriesExhausted, vec![3], 4, None)]);
}

#[test]
fn function_error_is_null_of_a_batch_whose_answer_is_invalid() {
    let run = Run::of(reporting(1), |_, _| answered(r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#));
    assert_eq!(run.given_up, [(Condition::RetriesExhausted, ALL.to_vec(), 2, None)]);
}

#[test]
fn what_is_too_old_before_its_first_invoke_has_the_count_one_and_no_reply() {
    let run = Run::seeded(7, Duration::from_secs(90), aging(), |_, _| answered("{}"));
    assert_eq!(run.tried, Vec::<Vec<u64>>::new());
    assert_eq!(run.given_up, [(Condition::AgeExceeded, ALL.to_vec(), 1, None)]);
    assert!(!run.has_reply);
}

#[test]
fn what_becomes_too_old_while_it_is_retried_counts_the_invoke_that_was_refused_and_has_the_recorded_eight() {
    // Seven invocations within the minute, or eight where the delays between them are short of a fifth.
    let counts = (0..40).map(|seed| {
        let run = Run::seeded(seed, Duration::ZERO, aging(), |_, _| raised("{}"));
        let [(condition, records, n_invokes, _)] = &run.given_up[..] else { panic!("{:?}", run.given_up) };
        assert_eq!((*condition, records.as_slice()), (Condition::AgeExceeded, &ALL[..]));
        assert_eq!(*n_invokes as usize, run.tried.len() + 1);
        *n_invokes
    });
    let counts: BTreeSet<u32> = counts.collect();
    assert!(counts.contains(&8) && counts.is_subset(&[8, 9].into()), "{counts:?}");
}

#[test]
fn a_batch_in_retry_is_halved_without_spending_a_retry_and_its_halves_have_its_count() {
    // The three, the two with the poison, the poison, and its retry.
    let base = reporting(1);
    let halving = Plan { retry: RetryPlan { bisect: true, ..base.retry }, ..base };
    let run = Run::of(halving, |_, tried| if tried.contains(&3) { raised("{}") } else { answered("{}") });
    assert_eq!(run.given_up, [(Condition::RetriesExhausted, vec![3], 4, Some("Unhandled".to_owned()))]);
}

fn reporting(retries_max: u32) -> Plan {
    let base = plan();
    Plan { retry: RetryPlan { retries_max: Some(retries_max), ..base.retry }, ..base }
}

fn aging() -> Plan {
    let base = plan();
    let retry = RetryPlan { retries_max: None, record_age_max: Some(Duration::from_secs(60)), ..base.retry };
    Plan { retry, ..base }
}

fn answered(payload: &'static str) -> Reply {
    Reply { status: Some(200), payload: Some(payload.into()), ..Reply::default() }
}

fn raised(payload: &'static str) -> Reply {
    Reply { function_error: Some("Unhandled".to_owned()), ..answered(payload) }
}

/// Why records were given up, which, after how many invocations, and `functionError` of the last one.
type GivenUp = (Condition, Vec<u64>, u32, Option<String>);

/// What became of one batch of three records.
struct Run {
    /// The records of each attempt.
    tried: Vec<Vec<u64>>,
    given_up: Vec<GivenUp>,
    /// What was given up last has been invoked.
    has_reply: bool,
}

impl Run {
    /// The function is asked with the number of the attempt, which begins at one, and its records.
    fn of(plan: Plan, function: impl Fn(usize, &[u64]) -> Reply) -> Self {
        Self::seeded(7, Duration::ZERO, plan, function)
    }

    /// The same with delays by this seed, and records that are so old.
    fn seeded(seed: u64, age: Duration, plan: Plan, function: impl Fn(usize, &[u64]) -> Reply) -> Self {
        let mut machine = Machine::new(
            Arc::new(Plan { batch: BatchPlan { records_max: count(3), ..plan.batch }, ..plan }),
            seed,
        );
        let mut now = Now { tick: Tick(1_000_000), unix: UnixMillis(1_000_000) };
        machine.handle_assigned(TrackIdx(0), Checkpoint::at_origin(Origin(ShortBytes::new(b""))), now);
        let mut run = Self { tried: Vec::new(), given_up: Vec::new(), has_reply: false };
        let (mut is_read, mut n_slots, mut is_over) = (false, 0, false);
        while !is_over {
            match machine.poll_action() {
                Some(Action::Read(order)) if !is_read => {
                    is_read = true;
                    machine.handle_read(order.id, Ok(three(now, age)), now);
                }
                Some(Action::Want(n)) => {
                    for _ in 0..n {
                        n_slots += 1;
                        machine.handle_slot(SlotId(n_slots), now);
                    }
                }
                Some(Action::Invoke(_, attempt)) => {
                    let records = numbers(&attempt.slice);
                    run.tried.push(records.clone());
                    let reply = function(run.tried.len(), &records);
                    let outcome = read_reply(reply, attempt.expected(), &attempt.slice, &identify);
                    machine.handle_outcome(attempt.id, outcome, now);
                }
                Some(Action::Deliver(notice)) => {
                    run.has_reply = notice.reply.is_some();
                    let error = notice.reply.and_then(|it| it.function_error);
                    run.given_up.push((notice.condition, numbers(&notice.slice), notice.n_invokes, error));
                    machine.handle_delivered(notice.id, Delivery::Taken, now);
                }
                Some(Action::Commit(id, _, checkpoint)) => {
                    is_over = checkpoint.watermark == Watermark::At(Position::number(4));
                    machine.handle_committed(id, Committed::Durable, now);
                }
                // What comes after the three is not there yet.
                Some(Action::Read(_) | Action::Durable(..) | Action::Return(_)) => {}
                Some(other) => panic!("nobody asked for {other:?}"),
                None => {
                    let (next, _) = machine.poll_timeout().expect("it is not over");
                    let passed_ms = i64::try_from((next.0 - now.tick.0).div_ceil(1_000)).expect("short");
                    now = Now { tick: next, unix: UnixMillis(now.unix.0 + passed_ms) };
                    machine.handle_timeout(now);
                }
            }
        }
        run
    }
}

fn identify(name: &RawValue) -> Option<RecordId> {
    let name: String = serde_json::from_str(name.get()).ok()?;
    Some(RecordId::new(name.as_bytes()))
}

fn three(now: Now, age: Duration) -> Read {
    let age_ms = i64::try_from(age.as_millis()).expect("short");
    let record = |n: u64| Record {
        id: RecordId::new(n.to_string().as_bytes()),
        place: Place::Track(TrackIdx(0), Position::number(n)),
        key: OrderKey::Key(bytes::Bytes::new()),
        arrival: UnixMillis(now.unix.0 - age_ms),
        bytes: b"{}".to_vec().into(),
        section: Section::default(),
    };
    Read {
        records: ALL.into_iter().map(record).collect(),
        passed: Some(Position::number(4)),
        ..Read::default()
    }
}

fn numbers(slice: &Slice) -> Vec<u64> {
    let number =
        |it: &Record| std::str::from_utf8(it.id.0.as_slice()).expect("a text").parse().expect("a number");
    slice.records().iter().map(number).collect()
}
