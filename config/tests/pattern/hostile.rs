//! Arbitrary and hostile input: nothing panics, nothing recurses without end.

use forebay_config::pattern::{Filter, FilterRules, Pattern, View};
use forebay_config::profile::FilterMismatch;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Text that looks like a pattern often enough to get somewhere.
fn scrap() -> impl Strategy<Value = String> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b.c\"",
        "\"$or\"",
        "\"prefix\"",
        "\"wildcard\"",
        "\"numeric\"",
        "\"anything-but\"",
        "\"cidr\"",
        "\"exists\"",
        "\"equals-ignore-case\"",
        "\"*\\\\*\"",
        "\">\"",
        "1",
        "-0.5e400",
        "true",
        "null",
        "\"1.2.3.4/8\"",
        "{\"a\":[",
        "]}",
        "\"\\ud800\"",
        "é",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..40)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_pattern_text_panics(text in prop_oneof![scrap(), any::<String>()], record in prop_oneof![scrap(), any::<String>()]) {
        match Pattern::parse(&text) {
            Ok(pattern) => drop(pattern.matches(&View::new(record.as_bytes()))),
            Err(error) => prop_assert!(error.offset <= text.len() && error.line >= 1 && error.column >= 1 && !error.to_string().is_empty()),
        }
    }

    #[test]
    fn no_record_bytes_panic(
        record in prop_oneof![scrap().prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..60)],
        data in proptest::option::of(prop_oneof![scrap().prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..60)]),
        mismatch in prop_oneof![Just(FilterMismatch::Drop), Just(FilterMismatch::MetadataOnly)],
    ) {
        let text = r#"{"a":[{"exists":false},{"wildcard":"a*"},{"numeric":[">",1]},{"cidr":"::/1"}],"b":{"a":[1]},"$or":[{"a.b":["x"]},{"b":["y"]}]}"#;
        let filter = Filter::new(&[Pattern::parse(text).unwrap()], FilterRules { data_key: Some("b"), mismatch, plain_data_patterns: true }).unwrap();
        filter.passes(&record, data.as_deref());
    }
}

#[test]
fn a_record_of_any_depth_is_matched_without_recursion() {
    let depth = 400_000;
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    let pattern = Pattern::parse(r#"{"a":{"b":[1]},"c":[2]}"#).unwrap();
    let matches = |a: &str, c: &str| {
        pattern.matches(&View::new(
            format!(r#"{{"a":{open}{a}{close},"c":{open}{c}{close},"d":{open}{close}}}"#).as_bytes(),
        ))
    };
    assert!(matches(r#"{"b":1}"#, "2"));
    assert!(!matches(r#"{"b":1}"#, "3"));
    assert!(!matches(r#"{"b":2}"#, "2"));
    let objects = format!(r#"{{"a":{}1{}}}"#, r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    assert!(!pattern.matches(&View::new(objects.as_bytes())));
}

#[test]
fn a_path_as_deep_as_allowed_is_followed() {
    let names = vec!["a"; 128];
    let pattern = Pattern::parse(&format!(r#"{{"{}":[1]}}"#, names.join("."))).unwrap();
    let nested = |leaf: &str| format!("{}{leaf}{}", r#"[{"a":"#.repeat(127), "}]".repeat(127));
    let record = |leaf: &str| format!(r#"{{"a":{}}}"#, nested(leaf));
    assert!(pattern.matches(&View::new(record("1").as_bytes())));
    assert!(!pattern.matches(&View::new(record("2").as_bytes())));
}
