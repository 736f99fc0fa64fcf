//! Every reason for which a pattern is refused, in its words and at its place.

use forebay_config::pattern::{PATTERN_CHARS_MAX, Pattern, PatternError, TestError, explain};

fn refused(pattern: &str) -> PatternError {
    match Pattern::parse(pattern) {
        Err(error) => error,
        Ok(_) => panic!("{pattern} was accepted"),
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (pattern, reason) in cases {
        assert_eq!(refused(pattern).to_string(), *reason, "{pattern}");
    }
}

#[test]
fn shapes_are_refused_in_eventbridge_words() {
    check(&[
        (r#"{"a":[]}"#, "Empty arrays are not allowed"),
        ("{}", "Empty objects are not allowed"),
        (r#"{"a":{}}"#, "Empty objects are not allowed"),
        (r#"{"$or":[{"a":[1]},{}]}"#, "Empty objects are not allowed"),
        ("null", "Filter is not an object"),
        (r#""x""#, "Filter is not an object"),
        ("[]", "Filter is not an object"),
        ("", "Pattern is not valid JSON"),
        ("{", "Pattern is not valid JSON"),
        (r#"{"a":[1]} x"#, "Pattern is not valid JSON"),
        (r#"{"a":[01]}"#, "Pattern is not valid JSON"),
        (r#"{"eventSource":"aws:sqs"}"#, r#""eventSource" must be an object or an array"#),
        (r#"{"k":null}"#, r#""k" must be an object or an array"#),
        (r#"{"k":1}"#, r#""k" must be an object or an array"#),
        (r#"{"a":[[1]]}"#, "Match value must be String, number, true, false, or null"),
        (r#"{"a":[{}]}"#, "Match expression name not found"),
        (r#"{"a":[{"prefix":"a","suffix":"b"}]}"#, "Only one key allowed in match expression"),
        (r#"{"a":[{"prefix":1,"suffix":"b"}]}"#, "prefix match pattern must be a string"),
        (r#"{"a":[{"exists":true,"prefix":"b"}]}"#, "Only one key allowed in match expression"),
        (r#"{"a":[{"EXISTS":true}]}"#, "Unrecognized match type EXISTS"),
        (r#"{"$or":[{"a":[1]}]}"#, "Unrecognized match type a"),
    ]);
}

#[test]
fn matchers_are_refused_in_eventbridge_words() {
    check(&[
        (r#"{"a":[{"exactly":1}]}"#, "exact match pattern must be a string"),
        (r#"{"a":[{"prefix":1}]}"#, "prefix match pattern must be a string"),
        (r#"{"a":[{"prefix":["a"]}]}"#, "prefix match pattern must be a string"),
        (r#"{"a":[{"prefix":{"suffix":"a"}}]}"#, "Unsupported prefix pattern: suffix"),
        (
            r#"{"a":[{"suffix":{"wildcard":"a","equals-ignore-case":"b"}}]}"#,
            "Unsupported suffix pattern: wildcard",
        ),
        (r#"{"a":[{"prefix":{}}]}"#, "Prefix expression name not found"),
        (r#"{"a":[{"suffix":{}}]}"#, "Suffix expression name not found"),
        (
            r#"{"a":[{"prefix":{"equals-ignore-case":"a","x":1}}]}"#,
            "Only one key allowed in match expression",
        ),
        (r#"{"a":[{"suffix":null}]}"#, "suffix match pattern must be a string"),
        (r#"{"a":[{"equals-ignore-case":["a"]}]}"#, "equals-ignore-case match pattern must be a string"),
        (
            r#"{"a":[{"prefix":{"equals-ignore-case":1}}]}"#,
            "equals-ignore-case match pattern must be a string",
        ),
        (r#"{"a":[{"wildcard":1}]}"#, "wildcard match pattern must be a string"),
        (r#"{"a":[{"cidr":1}]}"#, "prefix match pattern must be a string"),
        (r#"{"a":[{"exists":"true"}]}"#, "exists match pattern must be either true or false."),
        (r#"{"a":[{"wildcard":"a**b"}]}"#, "Consecutive wildcard characters at pos 2"),
        (r#"{"a":[{"wildcard":"a\\b"}]}"#, "Invalid escape character at pos 2"),
        (r#"{"a":[{"wildcard":"a\\"}]}"#, "Invalid escape character at pos 2"),
        (r#"{"a":[{"anything-but":{"wildcard":"**"}}]}"#, "Consecutive wildcard characters at pos 1"),
        (
            r#"{"a":[{"wildcard":"*:*:*:*:*:event-bus/*"}]}"#,
            "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character",
        ),
        (r#"{"a":[{"cidr":"10.0.0.0"}]}"#, "Malformed CIDR, one '/' required"),
        (r#"{"a":[{"cidr":"10.0.0.0/8/8"}]}"#, "Malformed CIDR, one '/' required"),
        (r#"{"a":[{"cidr":"10.0.0.0/x"}]}"#, "Malformed CIDR, mask bits must be an integer"),
        (r#"{"a":[{"cidr":"10.0.0.0/-1"}]}"#, "Malformed CIDR, mask bits must not be negative"),
        (r#"{"a":[{"cidr":"10.0.0.0/33"}]}"#, "IPv4 mask bits must be at most 32"),
        (r#"{"a":[{"cidr":"::/129"}]}"#, "IPv6 mask bits must be at most 128"),
        (r#"{"a":[{"cidr":"xx.11.xx/8"}]}"#, "Nonstandard IP address: xx.11.xx"),
    ]);
}

#[test]
fn numeric_is_refused_in_eventbridge_words() {
    check(&[
        (r#"{"a":[{"numeric":5}]}"#, "Value of numeric must be an array."),
        (r#"{"a":[{"numeric":[]}]}"#, "Invalid member in numeric match: ]"),
        (r#"{"a":[{"numeric":[5]}]}"#, "Invalid member in numeric match: 5"),
        (r#"{"a":[{"numeric":["==",5]}]}"#, "Unrecognized numeric range operator: =="),
        (r#"{"a":[{"numeric":["<","5"]}]}"#, "Value of < must be numeric"),
        (r#"{"a":[{"numeric":["=",null]}]}"#, "Value of equals must be numeric"),
        (r#"{"a":[{"numeric":[">"]}]}"#, "Value of > must be numeric"),
        (r#"{"a":[{"numeric":[">",5,6]}]}"#, "Bad value in numeric range: 6"),
        (r#"{"a":[{"numeric":[">",5,">",6]}]}"#, "Bad numeric range operator: >"),
        (r#"{"a":[{"numeric":["<",5,">",6]}]}"#, "Too many elements in numeric expression"),
        (r#"{"a":[{"numeric":["=",5,"<",6]}]}"#, "Too many elements in numeric expression"),
        (r#"{"a":[{"numeric":[">",5,"<","6"]}]}"#, "Value of < must be numeric"),
        (r#"{"a":[{"numeric":[">",5,"<",6,7]}]}"#, "Too many terms in numeric range expression"),
        (r#"{"a":[{"numeric":[">",6,"<",5]}]}"#, "Bottom must be less than top"),
        (r#"{"a":[{"numeric":["=",5],"prefix":"a"}]}"#, "Too many elements in numeric expression"),
    ]);
}

#[test]
fn anything_but_is_refused_in_eventbridge_words() {
    check(&[
        (
            r#"{"a":[{"anything-but":null}]}"#,
            "Value of anything-but must be an array or single string/number value.",
        ),
        (
            r#"{"a":[{"anything-but":[true]}]}"#,
            "Inside anything but list, start|null|boolean is not supported.",
        ),
        (
            r#"{"a":[{"anything-but":[["x"]]}]}"#,
            "Inside anything but list, start|null|boolean is not supported.",
        ),
        (
            r#"{"a":[{"anything-but":["x",1]}]}"#,
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ),
        (
            r#"{"a":[{"anything-but":[]}]}"#,
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ),
        (
            r#"{"a":[{"anything-but":{"equals-ignore-case":[1]}}]}"#,
            "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
        ),
        (r#"{"a":[{"anything-but":{}}]}"#, "Anything-But expression name not found"),
        (r#"{"a":[{"anything-but":{"numeric":["=",1]}}]}"#, "Unsupported anything-but pattern: numeric"),
        (
            r#"{"a":[{"anything-but":{"prefix":{"equals-ignore-case":"file"}}}]}"#,
            "Value of anything-but must be an array or single string/number value.",
        ),
        (
            r#"{"a":[{"anything-but":{"suffix":{"equals-ignore-case":".png"}}}]}"#,
            "Value of anything-but must be an array or single string/number value.",
        ),
        (
            r#"{"a":[{"anything-but":{"wildcard":null}}]}"#,
            "Value of anything-but must be an array or single string/number value.",
        ),
        (
            r#"{"a":[{"anything-but":{"equals-ignore-case":true}}]}"#,
            "Value of anything-but must be an array or single string/number value.",
        ),
        (
            r#"{"a":[{"anything-but":{"prefix":[{"equals-ignore-case":"a"}]}}]}"#,
            "prefix/suffix match pattern must be a string",
        ),
        // AWS's sentence, though nothing numeric is near.
        (
            r#"{"a":[{"anything-but":{"prefix":"a","suffix":"b"}}]}"#,
            "Too many elements in numeric expression",
        ),
        (r#"{"a":[{"anything-but":"a","prefix":"b"}]}"#, "Too many elements in numeric expression"),
        (r#"{"a":[{"anything-but":{"prefix":1}}]}"#, "prefix/suffix match pattern must be a string"),
        (r#"{"a":[{"anything-but":{"suffix":[]}}]}"#, "Empty arrays are not allowed"),
        (r#"{"a":[{"anything-but":{"prefix":""}}]}"#, "Null prefix/suffix not allowed"),
        (r#"{"a":[{"anything-but":{"suffix":["a",""]}}]}"#, "Null prefix/suffix not allowed"),
        (r#"{"a":[{"anything-but":{"wildcard":1}}]}"#, "wildcard match pattern must be a string"),
    ]);
}

#[test]
fn limits_refuse_the_first_pattern_beyond_them() {
    let of_length = |n_chars: usize| format!(r#"{{"a":["{}"]}}"#, "é".repeat(n_chars - 10));
    assert!(Pattern::parse(&of_length(PATTERN_CHARS_MAX)).is_ok());
    let too_long = refused(&of_length(PATTERN_CHARS_MAX + 1));
    assert_eq!(too_long.to_string(), "Pattern has 4097 characters, at most 4096 are allowed");
    assert_eq!(too_long.code().0, "FB-0151");

    let of_depth = |depth: usize| format!("{}[1]{}", r#"{"a":"#.repeat(depth - 1), "}".repeat(depth - 1));
    assert!(Pattern::parse(&of_depth(64)).is_ok());
    assert_eq!(refused(&of_depth(65)).to_string(), "Pattern is nested deeper than 64 levels");
    assert_eq!(refused(&"[".repeat(4096)).to_string(), "Pattern is nested deeper than 64 levels");

    let of_names = |n_names: usize| format!(r#"{{"{}":[1]}}"#, ".".repeat(n_names - 1));
    assert!(Pattern::parse(&of_names(128)).is_ok());
    assert_eq!(refused(&of_names(129)).to_string(), "Pattern is nested deeper than 128 levels");

    // Ten by ten by ten combinations, and one more branch.
    let branches = |n: usize| (0..n).map(|idx| format!(r#"{{"k{idx}":[1]}}"#)).collect::<Vec<_>>().join(",");
    let of_last = |n: usize| {
        let [ten, last] = [10, n].map(branches);
        format!(r#"{{"a":{{"$or":[{ten}]}},"b":{{"$or":[{ten}]}},"c":{{"$or":[{last}]}}}}"#)
    };
    assert!(Pattern::parse(&of_last(10)).is_ok());
    let too_many = refused(&of_last(11));
    assert_eq!(
        too_many.to_string(),
        "Pattern has 1100 combinations of $or branches, at most 1000 are allowed"
    );
}

#[test]
fn a_refusal_names_line_and_column_in_characters() {
    let error = refused("{\n  \"é\": [{\"prefix\": 1}]\n}");
    assert_eq!((error.line, error.column, error.code().0), (2, 20, "FB-0150"));
    let error = refused("{\"a\":[1]");
    assert_eq!((error.line, error.column, error.offset), (1, 9, 8));
}

#[test]
fn an_event_that_is_no_object_is_refused_and_not_taken_for_no_match() {
    for event in [&b""[..], b"[]", b"1", b"{", b"{} {}", b"\xff"] {
        assert_eq!(explain(r#"{"a":[1]}"#, event, Default::default()), Err(TestError::Event), "{event:?}");
    }
    let error = explain("{", b"{}", Default::default()).unwrap_err();
    assert_eq!(error.to_string(), "event pattern is not valid: Pattern is not valid JSON");
}
