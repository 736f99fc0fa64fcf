//! The thirteen matching rules, each as a table of pattern, event and answer.

use forebay_config::pattern::{ParseOptions, Pattern, View, explain};

#[track_caller]
fn check(cases: &[(&str, &str, bool)]) {
    for (pattern, event, expected) in cases {
        let answer = explain(pattern, event.as_bytes(), ParseOptions::default());
        assert_eq!(answer, Ok(*expected), "{pattern} on {event}");
    }
}

#[test]
fn rule_1_any_element_of_an_array_may_match_and_fields_agree_on_the_element() {
    let employees =
        r#"{"employees":[{"firstName":"Anna","lastName":"Smith"},{"firstName":"Peter","lastName":"Jones"}]}"#;
    let both = r#"{"employees":{"firstName":["Anna"],"lastName":["Jones"]}}"#;
    check(&[
        (r#"{"a":[2]}"#, r#"{"a":[1,2,3]}"#, true),
        (r#"{"a":[2]}"#, r#"{"a":[1,[[3],[2]]]}"#, true),
        (r#"{"a":[2]}"#, r#"{"a":[]}"#, false),
        (r#"{"a":{"b":[2]}}"#, r#"{"a":[{"b":1},[{"b":2}]]}"#, true),
        (both, employees, false),
        (&both.replace("Jones", "Smith"), employees, true),
        // Outer elements must agree as well as inner ones.
        (r#"{"x":{"k":[1],"y":{"v":[2]}}}"#, r#"{"x":[{"k":1,"y":[{"v":1}]},{"k":2,"y":[{"v":2}]}]}"#, false),
        (r#"{"x":{"k":[1],"y":{"v":[2]}}}"#, r#"{"x":[{"k":2},{"k":1,"y":[{"v":1},{"v":2}]}]}"#, true),
        // Different arrays choose for themselves.
        (r#"{"x":{"a":[1]},"y":{"a":[2]}}"#, r#"{"x":[{"a":1},{"a":2}],"y":[{"a":1},{"a":2}]}"#, true),
        // A leaf and an object are two elements.
        (r#"{"a":[1],"a.b":[2]}"#, r#"{"a":[1,{"b":2}]}"#, false),
    ]);
}

#[test]
fn rule_2_texts_and_keys_are_compared_byte_for_byte() {
    check(&[
        (r#"{"a":["x"]}"#, r#"{"a":"x"}"#, true),
        (r#"{"a":["x"]}"#, r#"{"a":"X"}"#, false),
        (r#"{"a":["x"]}"#, r#"{"A":"x"}"#, false),
        (r#"{"a":["\u00e9\n"]}"#, "{\"a\":\"é\\n\"}", true),
        (r#"{"\u0061":["x"]}"#, r#"{"\u0061":"\u0078"}"#, true),
        (r#"{"a":[{"exactly":"x"}]}"#, r#"{"a":"x"}"#, true),
        (r#"{"a":["x*"]}"#, r#"{"a":"xy"}"#, false),
        (r#"{"a":[true]}"#, r#"{"a":true}"#, true),
        (r#"{"a":[true]}"#, r#"{"a":"true"}"#, false),
        (r#"{"a":[false]}"#, r#"{"a":true}"#, false),
    ]);
}

#[test]
fn rule_3_numbers_are_equal_by_value_and_never_to_texts() {
    check(&[
        (r#"{"a":[300]}"#, r#"{"a":300.0}"#, true),
        (r#"{"a":[3.018e2]}"#, r#"{"a":301.8}"#, true),
        (r#"{"a":[-0]}"#, r#"{"a":0}"#, true),
        (r#"{"a":["300"]}"#, r#"{"a":300}"#, false),
        (r#"{"a":[300]}"#, r#"{"a":"300"}"#, false),
        (r#"{"a":[9007199254740993]}"#, r#"{"a":9007199254740992}"#, false),
        (r#"{"a":[123456789012345678901234567890]}"#, r#"{"a":123456789012345678901234567890.0}"#, true),
    ]);
}

#[test]
fn rule_4_null_and_the_empty_text_match_only_themselves() {
    check(&[
        (r#"{"a":[null]}"#, r#"{"a":null}"#, true),
        (r#"{"a":[null]}"#, r#"{"a":""}"#, false),
        (r#"{"a":[null]}"#, r#"{"a":[]}"#, false),
        (r#"{"a":[null]}"#, r#"{"b":1}"#, false),
        (r#"{"a":[""]}"#, r#"{"a":""}"#, true),
        (r#"{"a":[""]}"#, r#"{"a":null}"#, false),
        (r#"{"a":[""]}"#, r#"{"b":1}"#, false),
    ]);
}

#[test]
fn rule_5_operators_on_texts_see_texts_only() {
    check(&[
        (r#"{"a":[{"prefix":"ab"}]}"#, r#"{"a":"abc"}"#, true),
        (r#"{"a":[{"prefix":"ab"}]}"#, r#"{"a":"a"}"#, false),
        (r#"{"a":[{"prefix":"1"}]}"#, r#"{"a":12}"#, false),
        (r#"{"a":[{"prefix":""}]}"#, r#"{"a":""}"#, true),
        (r#"{"a":[{"prefix":""}]}"#, r#"{"a":null}"#, false),
        (r#"{"a":[{"suffix":"bc"}]}"#, r#"{"a":"abc"}"#, true),
        (r#"{"a":[{"suffix":"bc"}]}"#, r#"{"a":"bcd"}"#, false),
        (r#"{"a":[{"suffix":""}]}"#, r#"{"a":"x"}"#, true),
        (r#"{"a":[{"suffix":""}]}"#, r#"{"a":true}"#, false),
        (r#"{"a":[{"prefix":{"equals-ignore-case":"ÄB"}}]}"#, r#"{"a":"äbc"}"#, true),
        (r#"{"a":[{"prefix":{"equals-ignore-case":"ab"}}]}"#, r#"{"a":"xAB"}"#, false),
        (r#"{"a":[{"suffix":{"equals-ignore-case":"bC"}}]}"#, r#"{"a":"aBc"}"#, true),
        (r#"{"a":[{"equals-ignore-case":"Straße"}]}"#, r#"{"a":"STRAßE"}"#, true),
        (r#"{"a":[{"equals-ignore-case":"ab"}]}"#, r#"{"a":"abc"}"#, false),
        (r#"{"a":[{"equals-ignore-case":""}]}"#, r#"{"a":""}"#, true),
        (r#"{"a":[{"equals-ignore-case":""}]}"#, r#"{"a":"x"}"#, false),
        (r#"{"a":[{"wildcard":""}]}"#, r#"{"a":""}"#, true),
        (r#"{"a":[{"wildcard":""}]}"#, r#"{"a":"x"}"#, false),
        (r#"{"a":[{"cidr":"10.0.0.0/24"}]}"#, r#"{"a":"10.0.0.255"}"#, true),
        (r#"{"a":[{"cidr":"10.0.0.0/24"}]}"#, r#"{"a":"10.0.1.0"}"#, false),
        (r#"{"a":[{"cidr":"10.0.0.0/24"}]}"#, r#"{"a":"nowhere"}"#, false),
        (r#"{"a":[{"cidr":"2001:db8::/32"}]}"#, r#"{"a":"2001:db8:1::7"}"#, true),
        (r#"{"a":[{"cidr":"::/0"}]}"#, r#"{"a":"10.0.0.1"}"#, false),
        (r#"{"a":[{"cidr":"0.0.0.0/0"}]}"#, r#"{"a":10}"#, false),
    ]);
}

#[test]
fn rule_6_numeric_sees_numbers_only() {
    check(&[
        (r#"{"a":[{"numeric":["=",3.018e2]}]}"#, r#"{"a":301.8}"#, true),
        (r#"{"a":[{"numeric":[">",5]}]}"#, r#"{"a":5}"#, false),
        (r#"{"a":[{"numeric":[">",5]}]}"#, r#"{"a":5.000001}"#, true),
        (r#"{"a":[{"numeric":[">=",5]}]}"#, r#"{"a":5}"#, true),
        (r#"{"a":[{"numeric":["<",5]}]}"#, r#"{"a":-1e300}"#, true),
        (r#"{"a":[{"numeric":["<=",5]}]}"#, r#"{"a":5.1}"#, false),
        (r#"{"a":[{"numeric":[">",0,"<=",5]}]}"#, r#"{"a":5}"#, true),
        (r#"{"a":[{"numeric":[">",0,"<=",5]}]}"#, r#"{"a":0}"#, false),
        (r#"{"a":[{"numeric":[">",100]}]}"#, r#"{"a":"101"}"#, false),
        (r#"{"a":[{"numeric":["<",100]}]}"#, r#"{"a":null}"#, false),
        (r#"{"a":[{"numeric":[">",100]},{"anything-but":"101"}]}"#, r#"{"a":"42"}"#, true),
    ]);
}

#[test]
fn rule_7_exists_asks_for_a_leaf() {
    check(&[
        (r#"{"a":[{"exists":true}]}"#, r#"{"a":null}"#, true),
        (r#"{"a":[{"exists":true}]}"#, r#"{"a":{"b":1}}"#, false),
        (r#"{"a":[{"exists":true}]}"#, r#"{"a":[]}"#, false),
        (r#"{"a":[{"exists":true}]}"#, r#"{"a":[[],[{}],0]}"#, true),
        (r#"{"a":[{"exists":true}]}"#, r#"{}"#, false),
        (r#"{"a":[{"exists":false}]}"#, r#"{}"#, true),
        (r#"{"a":[{"exists":false}]}"#, r#"{"a":{"b":1}}"#, true),
        (r#"{"a":[{"exists":false}]}"#, r#"{"a":[]}"#, true),
        (r#"{"a":[{"exists":false}]}"#, r#"{"a":null}"#, false),
        (r#"{"a":{"b":[{"exists":false}]}}"#, r#"{"c":1}"#, true),
        // A leaf in any element is a leaf.
        (r#"{"x":{"a":[{"exists":false}],"b":[1]}}"#, r#"{"x":[{"b":1},{"a":2}]}"#, false),
        (r#"{"x":{"a":[{"exists":false}],"b":[1]}}"#, r#"{"x":[{"b":1},{"c":2}]}"#, true),
        (r#"{"a":[{"anything-but":["x"]},{"exists":false}]}"#, r#"{}"#, true),
        (r#"{"a":[{"anything-but":["x"]},{"exists":false}]}"#, r#"{"a":"y"}"#, true),
        (r#"{"a":[{"anything-but":["x"]},{"exists":false}]}"#, r#"{"a":"x"}"#, false),
        (
            r#"{"Organizations":{"L":{"S":[{"exists":true}]}}}"#,
            r#"{"Organizations":{"L":[{"S":"abc"}]}}"#,
            true,
        ),
    ]);
}

#[test]
fn rule_8_anything_but_needs_a_leaf_and_takes_other_types() {
    let operators = [
        r#""x""#,
        r#"["x","y"]"#,
        "1",
        "[1,2]",
        r#"{"prefix":"x"}"#,
        r#"{"suffix":["x"]}"#,
        r#"{"equals-ignore-case":"X"}"#,
    ];
    for operator in operators.into_iter().chain([r#"{"wildcard":"x*"}"#]) {
        let pattern = format!(r#"{{"a":[{{"anything-but":{operator}}}]}}"#);
        check(&[
            (&pattern, r#"{}"#, false),
            (&pattern, r#"{"a":null}"#, true),
            (&pattern, r#"{"a":true}"#, true),
            (&pattern, r#"{"a":"z"}"#, true),
        ]);
        check(&[
            (&pattern, r#"{"a":7}"#, true),
            (&pattern, r#"{"a":{"x":1}}"#, false),
            (&pattern, r#"{"a":["x",1,"z"]}"#, true),
        ]);
        let excluded =
            if operator.contains('x') || operator.contains('X') { r#"{"a":"x"}"# } else { r#"{"a":1.0}"# };
        check(&[(&pattern, excluded, false)]);
    }
    check(&[
        (r#"{"a":[{"anything-but":[1,2]}]}"#, r#"{"a":"1"}"#, true),
        (r#"{"a":[{"anything-but":["x","y"]}]}"#, r#"{"a":["x","y"]}"#, false),
        (r#"{"a":[{"anything-but":"x"},{"anything-but":"y"}]}"#, r#"{"a":"x"}"#, true),
        (r#"{"a":[{"anything-but":{"prefix":["a","b"]}}]}"#, r#"{"a":"bc"}"#, false),
        (r#"{"a":[{"anything-but":{"equals-ignore-case":["a","B"]}}]}"#, r#"{"a":"b"}"#, false),
    ]);
}

#[test]
fn rule_9_anything_but_an_empty_wildcard_takes_all_that_is_not_empty() {
    check(&[
        (r#"{"a":[{"anything-but":{"wildcard":""}}]}"#, r#"{"a":"x"}"#, true),
        (r#"{"a":[{"anything-but":{"wildcard":""}}]}"#, r#"{"a":""}"#, false),
    ]);
}

#[test]
fn rule_10_a_star_is_any_run_and_escapes_are_literal() {
    check(&[
        (r#"{"a":[{"wildcard":"*.txt"}]}"#, r#"{"a":".txt"}"#, true),
        (r#"{"a":[{"wildcard":"a*b*c"}]}"#, r#"{"a":"aXbbYc"}"#, true),
        (r#"{"a":[{"wildcard":"a*b*c"}]}"#, r#"{"a":"aXbYd"}"#, false),
        (r#"{"a":[{"wildcard":"*"}]}"#, r#"{"a":""}"#, true),
        (r#"{"a":[{"wildcard":"a\\*b"}]}"#, r#"{"a":"a*b"}"#, true),
        (r#"{"a":[{"wildcard":"a\\*b"}]}"#, r#"{"a":"aXb"}"#, false),
        (r#"{"a":[{"wildcard":"a\\\\b"}]}"#, r#"{"a":"a\\b"}"#, true),
        (r#"{"a":[{"wildcard":"é*é"}]}"#, r#"{"a":"éé"}"#, true),
    ]);
    let complex = r#"{"a":[{"wildcard":"*:*:*:*:*:event-bus/*"}]}"#;
    let allowed = ParseOptions { allow_complex_wildcards: true };
    assert_eq!(explain(complex, br#"{"a":"arn:aws:events:here:1:event-bus/x"}"#, allowed), Ok(true));
}

#[test]
fn rule_11_or_combines_with_its_siblings_at_any_level() {
    let or =
        r#"{"s":["x"],"$or":[{"a":[1]},{"b":[2],"$or":[{"c":[3]},{"d":{"$or":[{"e":[4]},{"f":[5]}]}}]}]}"#;
    check(&[
        (or, r#"{"s":"x","a":1}"#, true),
        (or, r#"{"s":"y","a":1}"#, false),
        (or, r#"{"s":"x","b":2}"#, false),
        (or, r#"{"s":"x","b":2,"c":3}"#, true),
        (or, r#"{"s":"x","b":2,"d":{"f":5}}"#, true),
        (or, r#"{"s":"x","d":{"f":5}}"#, false),
        // A path that stands twice: the one written last is obeyed.
        (r#"{"a":[1],"$or":[{"a":[2]},{"b":[3]}]}"#, r#"{"a":2}"#, true),
        (r#"{"a":[1],"$or":[{"a":[2]},{"b":[3]}]}"#, r#"{"a":1}"#, false),
        (r#"{"$or":[{"a":[2]},{"b":[3]}],"a":[1]}"#, r#"{"a":1}"#, true),
        // Branches share an element with their siblings.
        (r#"{"x":{"k":[1],"$or":[{"a":[1]},{"b":[1]}]}}"#, r#"{"x":[{"k":1},{"a":1},{"b":1}]}"#, false),
        (r#"{"x":{"k":[1]},"$or":[{"x":{"a":[1]}},{"y":[1]}]}"#, r#"{"x":[{"k":1},{"k":1,"a":1}]}"#, true),
        // An ordinary name when its branches do not fit.
        (r#"{"$or":{"a":[1]}}"#, r#"{"$or":{"a":1}}"#, true),
        (r#"{"$or":[1]}"#, r#"{"$or":1}"#, true),
        (r#"{"$or":[{"prefix":"a"},{"suffix":"b"}]}"#, r#"{"$or":"ab"}"#, true),
    ]);
}

#[test]
fn rule_12_what_the_pattern_does_not_ask_for_is_ignored() {
    check(&[(r#"{"a":[1]}"#, r#"{"z":[{"a":2}],"a":1,"b":{"a":3}}"#, true)]);
}

#[test]
fn rule_13_json_in_a_text_is_a_text() {
    check(&[
        (r#"{"a":{"b":[1]}}"#, r#"{"a":"{\"b\":1}"}"#, false),
        (r#"{"a":["{\"b\":1}"]}"#, r#"{"a":"{\"b\":1}"}"#, true),
    ]);
}

#[test]
fn a_name_with_dots_is_a_path_in_pattern_and_event() {
    check(&[
        (r#"{"a.b":[1]}"#, r#"{"a":{"b":1}}"#, true),
        (r#"{"a":{"b":[1]}}"#, r#"{"a.b":1}"#, true),
        (r#"{"a":{"b.c":[1]}}"#, r#"{"a.b":{"c":1}}"#, true),
        (r#"{"a":{"b":[1],"c":[2]}}"#, r#"{"a":{"c":2},"a.b":1}"#, true),
        (r#"{"a":{"b":[1],"c":[2]}}"#, r#"{"a.b":1,"a":[{"b":9,"c":9},{"b":1,"c":2}]}"#, true),
        (r#"{"":{"":[1]}}"#, r#"{".":1}"#, true),
    ]);
}

#[test]
fn of_equal_keys_in_a_pattern_the_last_is_obeyed_with_a_warning() {
    let text = r#"{"location":["never"],"b":[1],"location":["Paris"]}"#;
    let pattern = Pattern::parse(text).unwrap();
    assert!(pattern.matches(&View::new(br#"{"location":"Paris","b":1}"#)));
    assert!(!pattern.matches(&View::new(br#"{"location":"never","b":1}"#)));
    let warnings: Vec<_> =
        pattern.warnings().iter().map(|warning| (warning.key.as_str(), warning.offset)).collect();
    assert_eq!(warnings, [("location", 1)]);
    assert_eq!(pattern.warnings()[0].code().0, "FB-0153");
    assert!(Pattern::parse(r#"{"a":[1],"b":[1]}"#).unwrap().warnings().is_empty());
}
