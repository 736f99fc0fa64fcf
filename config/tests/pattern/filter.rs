//! A mapping's filters: the table of data kinds against pattern kinds, for each family of sources.

use forebay_config::pattern::{Filter, FilterError, FilterRules, Pattern};
use forebay_config::profile::FilterMismatch;

const SQS: FilterRules =
    FilterRules { data_key: Some("body"), mismatch: FilterMismatch::Drop, plain_data_patterns: true };
const KINESIS: FilterRules =
    FilterRules { data_key: Some("data"), mismatch: FilterMismatch::Drop, plain_data_patterns: false };
const DYNAMODB: FilterRules =
    FilterRules { data_key: Some("dynamodb"), mismatch: FilterMismatch::Drop, plain_data_patterns: false };
const KAFKA: FilterRules = FilterRules {
    data_key: Some("value"),
    mismatch: FilterMismatch::MetadataOnly,
    plain_data_patterns: true,
};

fn filter(rules: FilterRules, patterns: &[&str]) -> Filter {
    let patterns: Vec<_> = patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    Filter::new(&patterns, rules).unwrap()
}

#[track_caller]
fn check(rules: FilterRules, patterns: &[&str], record: &str, cases: &[(Option<&[u8]>, bool)]) {
    let filter = filter(rules, patterns);
    for (data, expected) in cases {
        assert_eq!(filter.passes(record.as_bytes(), *data), *expected, "{patterns:?} on {data:?}");
        if data.is_some() {
            assert_eq!(
                filter.passes(&without_data(rules, record), *data),
                *expected,
                "{patterns:?} on {data:?} beside the rest"
            );
        }
        if data.is_some() && !filter.needs_metadata() {
            assert_eq!(filter.passes(b"{}", *data), *expected, "{patterns:?} on {data:?} alone");
        }
    }
}

/// The record with an empty text for its data.
fn without_data(rules: FilterRules, record: &str) -> Vec<u8> {
    let mut record: serde_json::Value = serde_json::from_str(record).unwrap();
    if let Some(data) = rules.data_key.and_then(|key| record.get_mut(key)) {
        *data = "".into();
    }
    record.to_string().into_bytes()
}

const JSON: Option<&[u8]> = Some(br#" {"k":1} "#);
const OTHER_JSON: Option<&[u8]> = Some(br#"{"k":2}"#);
const PLAIN: Option<&[u8]> = Some(b"hello");
const OTHER_PLAIN: Option<&[u8]> = Some(b"bye");
const NOT_UTF8: Option<&[u8]> = Some(b"hello\xff");
const ALL: [Option<&[u8]>; 5] = [JSON, OTHER_JSON, PLAIN, OTHER_PLAIN, NOT_UTF8];

fn with(answers: [bool; 5]) -> Vec<(Option<&'static [u8]>, bool)> {
    ALL.into_iter().zip(answers).collect()
}

#[test]
fn sqs_and_files_drop_what_is_not_of_the_patterns_kind() {
    let record = r#"{"messageId":"m","body":"as delivered","eventSource":"aws:sqs"}"#;
    check(SQS, &[r#"{"body":{"k":[1]}}"#], record, &with([true, false, false, false, false]));
    check(SQS, &[r#"{"body":["hello",{"prefix":"x"}]}"#], record, &with([false, false, true, false, false]));
    check(SQS, &[r#"{"eventSource":["aws:sqs"]}"#], record, &with([true; 5]));
    check(SQS, &[r#"{"eventSource":["aws:kinesis"]}"#], record, &with([false; 5]));
    check(
        SQS,
        &[r#"{"body":{"k":[1]}}"#, r#"{"body":["hello"]}"#],
        record,
        &with([true, false, true, false, false]),
    );
    check(
        SQS,
        &[r#"{"$or":[{"body":{"k":[1]}},{"body":["hello"]}]}"#],
        record,
        &with([true, false, true, false, false]),
    );
    // Absence inside the data is no match for text.
    check(SQS, &[r#"{"body":{"x":[{"exists":false}]}}"#], record, &with([true, true, false, false, false]));
    check(SQS, &[r#"{"body":["as delivered"]}"#], record, &with([false; 5]));
}

#[test]
fn only_objects_and_arrays_count_as_json_data() {
    let json_pattern = filter(SQS, &[r#"{"body":{"k":[1]}}"#]);
    let plain_pattern = filter(SQS, &[r#"{"body":[{"exists":true}]}"#]);
    let cases: [(&[u8], bool, bool); 8] = [
        (br#"[{"k":1}]"#, true, false),
        (br#"["x"]"#, false, false),
        (b"123", false, true),
        (br#""x""#, false, true),
        (b"null", false, true),
        (b"", false, true),
        (br#"{"k":1"#, false, true),
        (br#"{"k":1} x"#, false, true),
    ];
    for (data, json, plain) in cases {
        assert_eq!(json_pattern.passes(b"{}", Some(data)), json, "{data:?}");
        assert_eq!(plain_pattern.passes(b"{}", Some(data)), plain, "{data:?}");
    }
}

#[test]
fn kinesis_drops_what_is_not_json_and_has_its_data_at_the_top() {
    let record = r#"{"kinesis":{"partitionKey":"p","data":"aGVsbG8="},"eventSource":"aws:kinesis"}"#;
    check(KINESIS, &[r#"{"data":{"k":[1]}}"#], record, &with([true, false, false, false, false]));
    check(
        KINESIS,
        &[r#"{"data":{"k":[1]},"kinesis":{"partitionKey":["p"]}}"#],
        record,
        &with([true, false, false, false, false]),
    );
    check(KINESIS, &[r#"{"kinesis":{"partitionKey":["p"]}}"#], record, &with([true; 5]));
}

#[test]
fn dynamodb_is_matched_as_delivered() {
    let record = r#"{"eventName":"INSERT","dynamodb":{"NewImage":{"k":{"S":"x"},"n":{"N":"101"}}}}"#;
    check(
        DYNAMODB,
        &[r#"{"eventName":["INSERT"],"dynamodb":{"NewImage":{"k":{"S":["x"]}}}}"#],
        record,
        &[(None, true)],
    );
    check(
        DYNAMODB,
        &[r#"{"dynamodb":{"NewImage":{"n":{"N":[{"numeric":[">",100]}]}}}}"#],
        record,
        &[(None, false)],
    );
    check(DYNAMODB, &[r#"{"eventName":["REMOVE"]}"#], record, &[(None, false)]);
}

#[test]
fn kafka_and_mq_leave_the_data_part_out_when_kinds_differ() {
    let record = r#"{"topic":"t","value":"aGVsbG8="}"#;
    check(KAFKA, &[r#"{"value":{"k":[1]}}"#], record, &with([true, false, true, true, true]));
    check(KAFKA, &[r#"{"value":["hello"]}"#], record, &with([true, true, true, false, true]));
    check(KAFKA, &[r#"{"value":{"k":[1]},"topic":["u"]}"#], record, &with([false; 5]));
    check(KAFKA, &[r#"{"topic":["t"]}"#], record, &with([true; 5]));
    // Each filter is judged on its own.
    check(
        KAFKA,
        &[r#"{"value":{"k":[1]},"topic":["u"]}"#, r#"{"value":["hello"]}"#],
        record,
        &with([true, true, true, false, true]),
    );
    // A tombstone has no data.
    check(KAFKA, &[r#"{"value":{"k":[1]}}"#], r#"{"topic":"t"}"#, &[(None, true)]);
    check(KAFKA, &[r#"{"value":{"k":[1]},"topic":["u"]}"#], r#"{"topic":"t"}"#, &[(None, false)]);
}

#[test]
fn plain_patterns_are_refused_where_data_is_json_or_dropped() {
    let patterns = [r#"{"kinesis":{"partitionKey":["p"]}}"#, r#"{"$or":[{"data":["x"]},{"a":[1]}]}"#]
        .map(|text| Pattern::parse(text).unwrap());
    let error = Filter::new(&patterns, KINESIS).unwrap_err();
    assert_eq!(error, FilterError::PlainPattern { pattern_idx: 1, data_key: "data" });
    assert_eq!(error.code().0, "FB-0152");
    assert!(Filter::check(&patterns, DYNAMODB).is_ok());
    assert!(Filter::check(&patterns, SQS).is_ok());
}

#[test]
fn data_is_asked_for_only_when_a_pattern_looks_at_it() {
    assert!(filter(SQS, &[r#"{"a":[1]}"#, r#"{"body":["x"]}"#]).needs_data());
    assert!(filter(SQS, &[r#"{"body.k":[1]}"#]).needs_data());
    assert!(!filter(SQS, &[r#"{"messageId":["x"]}"#]).needs_data());
    let none = filter(SQS, &[]);
    assert!(!none.needs_data() && none.passes(b"{}", None));
    let as_it_stands = FilterRules { data_key: None, ..SQS };
    assert!(!filter(as_it_stands, &[r#"{"body":["x"]}"#]).needs_data());
    assert!(filter(as_it_stands, &[r#"{"body":["x"]}"#]).passes(br#"{"body":"x"}"#, None));
}

#[test]
fn the_rest_of_a_record_is_asked_for_only_when_a_pattern_looks_at_it() {
    let needs = |rules, patterns: &[&str]| filter(rules, patterns).needs_metadata();
    assert!(!needs(SQS, &[r#"{"body":["x"]}"#, r#"{"body":{"a":{"b":[1]}}}"#, r#"{"body.k":[1]}"#]));
    assert!(!needs(SQS, &[r#"{"$or":[{"body":{"a":[1]}},{"body":["x"]}]}"#]));
    assert!(needs(SQS, &[r#"{"body":["x"]}"#, r#"{"a":[1]}"#]));
    assert!(needs(SQS, &[r#"{"body":["x"],"a":[{"exists":false}]}"#]));
    assert!(needs(SQS, &[r#"{"messageId":["x"]}"#]));
    assert!(needs(FilterRules { data_key: None, ..SQS }, &[r#"{"body":["x"]}"#]));
}

#[test]
fn ten_filters_are_one_program_with_rows_of_several_words() {
    let texts: Vec<String> =
        (0..200).map(|idx| format!(r#"{{"x":{{"a":[{idx}],"b":[{}]}}}}"#, idx + 1)).collect();
    let many = filter(SQS, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    for idx in [0, 63, 64, 199] {
        assert!(many.passes(
            format!(r#"{{"x":[{{"a":{idx},"b":0}},{{"a":{idx},"b":{}}}]}}"#, idx + 1).as_bytes(),
            None
        ));
        assert!(!many.passes(format!(r#"{{"x":[{{"a":{idx}}},{{"b":{}}}]}}"#, idx + 1).as_bytes(), None));
    }
}
