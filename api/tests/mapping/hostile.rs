//! Requests that no client sends: each gets an error of AWS's shape.

use forebay_api::error::ErrorType;
use forebay_api::mapping::{BODY_BYTES_MAX, Operation};
use serde_json::{Value, json};

use crate::{ID, PATH, QUEUE, body, read};

fn refused(method: &str, target: &str, body: &[u8]) -> ErrorType {
    let error = read(method, target, body).expect_err("it is refused");
    let shown: Value = serde_json::from_slice(&error.body()).expect("an error is JSON");
    assert!(shown.get("message").or_else(|| shown.get("Message")).is_some_and(Value::is_string), "{shown}");
    error.error_type
}

#[test]
fn bodies_that_are_no_request_are_refused() {
    let deep = |n: usize| format!("{{\"FunctionName\":{}{}}}", "[".repeat(n), "]".repeat(n));
    let long = [b'x'].repeat(BODY_BYTES_MAX + 1);
    for (body, error_type) in [
        (b"\xff\xfe".as_slice(), ErrorType::Serialization),
        (b"{\"FunctionName\":\"\xff\"}", ErrorType::Serialization),
        (b"{", ErrorType::Serialization),
        (b"[]", ErrorType::Serialization),
        (b"null", ErrorType::Serialization),
        (b"1", ErrorType::Serialization),
        (b"{} {}", ErrorType::Serialization),
        (b"", ErrorType::Validation),
        (b"{}", ErrorType::Validation),
        (deep(64).as_bytes(), ErrorType::Serialization),
        (deep(1_000_000).as_bytes(), ErrorType::Serialization),
        (&long, ErrorType::RequestTooLarge),
    ] {
        assert_eq!(
            refused("POST", PATH, body),
            error_type,
            "{}",
            String::from_utf8_lossy(&body[..body.len().min(40)])
        );
    }
    assert_eq!(
        read("POST", PATH, &long).unwrap_err().message,
        "Request must be smaller than 6291456 bytes for the CreateEventSourceMapping operation"
    );
    let message = |n: usize| read("POST", PATH, deep(n).as_bytes()).unwrap_err().message;
    assert_eq!(message(63), "Start of list found where not expected.");
    assert_eq!(message(64), "The request body is nested too deeply.");
    // Brackets in a text are none.
    let brackets =
        body(QUEUE, json!({ "FilterCriteria": { "Filters": [{ "Pattern": "[\"\\".repeat(100) }] } }));
    assert!(read("POST", PATH, brackets.to_string().as_bytes()).is_ok());
}

#[test]
fn values_of_other_types_are_refused_whole() {
    for (name, value, message) in [
        ("BatchSize", json!("5"), "STRING_VALUE cannot be converted to Integer"),
        ("BatchSize", json!(5.5), "NUMBER_VALUE cannot be converted to Integer"),
        ("BatchSize", json!([5]), "Start of list found where not expected."),
        ("BatchSize", json!({}), "Start of structure or map found where not expected."),
        ("Enabled", json!("true"), "STRING_VALUE cannot be converted to Boolean"),
        ("Enabled", json!(1), "NUMBER_VALUE cannot be converted to Boolean"),
        ("FunctionName", json!(true), "TRUE_VALUE cannot be converted to String"),
        ("Topics", json!("t"), "STRING_VALUE cannot be converted to List"),
        ("Topics", json!([1]), "NUMBER_VALUE cannot be converted to String"),
        ("FilterCriteria", json!([]), "Start of list found where not expected."),
        ("FilterCriteria", json!({ "Filters": ["x"] }), "STRING_VALUE cannot be converted to Structure"),
        ("Tags", json!({ "a": 1 }), "NUMBER_VALUE cannot be converted to String"),
        ("StartingPositionTimestamp", json!("2026-01-01"), "STRING_VALUE cannot be converted to Timestamp"),
    ] {
        let error =
            read("POST", PATH, body(QUEUE, json!({ name: value })).to_string().as_bytes()).unwrap_err();
        assert_eq!((error.error_type, error.message.as_str()), (ErrorType::Serialization, message), "{name}");
    }
    // Numbers beyond every integer are out of range or no integers, never another number.
    for number in
        ["18446744073709551615", "-9223372036854775808", "99999999999999999999", "1e400", "4294967297"]
    {
        let body = format!("{{\"FunctionName\":\"f\",\"BatchSize\":{number}}}");
        let error_type = refused("POST", PATH, body.as_bytes());
        assert!(
            matches!(error_type, ErrorType::Validation | ErrorType::Serialization),
            "{number}: {error_type:?}"
        );
    }
    let nulls = body(QUEUE, json!({ "Topics": [null], "Tags": { "a": null } }));
    assert_eq!(refused("POST", PATH, nulls.to_string().as_bytes()), ErrorType::Validation);
}

#[test]
fn paths_and_queries_that_play_tricks_are_refused_or_passed_on_as_they_are() {
    for path in [
        format!("{PATH}/%ff"),
        format!("{PATH}/../functions"),
        format!("{PATH}//{ID}"),
        format!("{PATH}/{ID}%2f.."),
        format!("{PATH}/%00"),
    ] {
        assert!(Operation::find("GET", &path).is_err(), "{path}");
    }
    for path in [
        "/2015-03-31//event-source-mappings",
        "/2015-03-31/./event-source-mappings",
        "/2015-03-31/EVENT-SOURCE-MAPPINGS",
        "",
    ] {
        assert_eq!(Operation::find("GET", path), Ok(None), "{path}");
    }
    for query in [
        "?Marker=%ff",
        "?MaxItems=",
        "?MaxItems=1e3",
        "?MaxItems=99999999999999999999",
        "?EventSourceArn=x",
        "?FunctionName=",
    ] {
        refused("GET", &format!("{PATH}{query}"), b"");
    }
    let tags = format!("/2017-03-31/tags/arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:{ID}");
    refused("DELETE", &tags, b"");
    refused("DELETE", &format!("{tags}?tagKeys="), b"");
    refused("POST", &tags, b"{}");
    refused("POST", &tags, b"{\"Tags\":{},\"Other\":1}");
    refused("GET", "/2017-03-31/tags/", b"");
}
