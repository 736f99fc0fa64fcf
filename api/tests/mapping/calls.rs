//! Which call a request is, and what is passed on.

use forebay_api::auth::RequestedAction;
use forebay_api::error::ErrorType;
use forebay_api::mapping::{Call, EpochMillis, ListMappings, Operation};
use serde_json::{Value, json};

use crate::{ID, PATH, QUEUE, body, create, read};

fn arn() -> String {
    format!("arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:{ID}")
}

fn encoded(arn: &str) -> String {
    arn.replace(':', "%3A")
}

#[test]
fn a_path_is_found_with_and_without_a_slash_at_its_end() {
    for path in [PATH.to_owned(), format!("{PATH}/")] {
        assert_eq!(Operation::find("GET", &path), Ok(Some(Operation::List)));
        assert_eq!(Operation::find("POST", &path), Ok(Some(Operation::Create)));
    }
    let one = format!("{PATH}/{ID}");
    assert_eq!(Operation::find("GET", &one), Ok(Some(Operation::Get(ID.to_owned()))));
    assert_eq!(Operation::find("PUT", &one), Ok(Some(Operation::Update(ID.to_owned()))));
    assert_eq!(Operation::find("DELETE", &one), Ok(Some(Operation::Delete(ID.to_owned()))));
}

#[test]
fn an_arn_is_one_segment_and_decoded_after_the_path_was_split() {
    for resource in [arn(), encoded(&arn())] {
        let path = format!("/2017-03-31/tags/{resource}");
        assert_eq!(Operation::find("GET", &path), Ok(Some(Operation::ListTags(arn()))));
        assert_eq!(Operation::find("POST", &path).unwrap().unwrap().action(), RequestedAction::TagResource);
        let untag = read("DELETE", &format!("{path}?tagKeys=a%20b&tagKeys=c+d%2B"), b"").unwrap();
        assert_eq!(untag, Some(Call::Untag(arn(), vec!["a b".to_owned(), "c+d+".to_owned()])));
    }
    let tag =
        read("POST", &format!("/2017-03-31/tags/{}", encoded(&arn())), r#"{"Tags":{"a":"é"}}"#.as_bytes())
            .unwrap();
    assert_eq!(tag, Some(Call::Tag(arn(), [("a".to_owned(), "é".to_owned())].into())));
}

#[test]
fn what_is_not_about_mappings_is_passed_on() {
    let of_function =
        format!("/2017-03-31/tags/{}", encoded("arn:aws:lambda:eu-west-1:123456789012:function:f"));
    for path in [
        "/",
        "/2015-03-31/functions",
        "/2015-03-31/functions/f/invocations",
        "/2015-03-31/event-source-mappings-other",
        &of_function,
    ] {
        assert_eq!(Operation::find("POST", path), Ok(None), "{path}");
    }
}

#[test]
fn a_list_takes_its_filters_from_the_query() {
    let list = |query: &str| match read("GET", &format!("{PATH}{query}"), b"") {
        Ok(Some(Call::List(list))) => Ok(list),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    };
    let whole = list("/?EventSourceArn=arn%3Aaws%3Asqs%3Aeu-west-1%3A123456789012%3Aq&FunctionName=f%3A1&Marker=m%3D&MaxItems=5").unwrap();
    let wanted = ListMappings {
        event_source_arn: Some(QUEUE.to_owned()),
        function_name: Some("f:1".to_owned()),
        marker: Some("m=".to_owned()),
        max_items: Some(5),
    };
    assert_eq!((whole.page_size(), whole), (5, wanted));
    assert_eq!(list("").unwrap().page_size(), 100);
    assert_eq!(list("?MaxItems=10000").unwrap().page_size(), 100);
    let at = |value: &str, bound: &str| {
        format!(
            "ValidationException: 1 validation error detected: Value '{value}' at 'maxItems' failed to satisfy constraint: Member must have \
             value {bound}"
        )
    };
    assert_eq!(list("?MaxItems=0").unwrap_err(), at("0", "greater than or equal to 1"));
    assert_eq!(list("?MaxItems=10001").unwrap_err(), at("10001", "less than or equal to 10000"));
    assert_eq!(
        list("?MaxItems=x").unwrap_err(),
        "SerializationException: STRING_VALUE cannot be converted to Integer"
    );
    assert!(
        list("?FunctionName=a&FunctionName=b").is_err()
            && list("?Other=1").is_err()
            && list("?FunctionName=a%20b").is_err()
    );
}

#[test]
fn other_methods_and_deeper_paths_are_no_calls() {
    for (method, path) in [
        ("PATCH", PATH.to_owned()),
        ("POST", format!("{PATH}/{ID}")),
        ("GET", format!("{PATH}/{ID}/x")),
        ("PUT", PATH.to_owned()),
    ] {
        let error = Operation::find(method, &path).unwrap_err();
        assert_eq!((error.error_type, error.status()), (ErrorType::UnknownOperation, 404), "{method} {path}");
    }
    let error = Operation::find("PUT", &format!("/2017-03-31/tags/{}", arn())).unwrap_err();
    assert_eq!(error.error_type, ErrorType::UnknownOperation);
}

#[test]
fn a_null_is_a_member_left_out_and_a_time_has_a_fraction() {
    let (create, _) =
        create(&body(QUEUE, json!({ "BatchSize": null, "FilterCriteria": null, "Tags": null }))).unwrap();
    assert_eq!(
        (create.settings.get("BatchSize"), create.settings.get("FilterCriteria"), create.tags),
        (None, None, None)
    );
    let more = json!({ "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1_767_225_600.5 });
    let (create, _) = crate::create(&body(crate::STREAM, more)).unwrap();
    assert_eq!(create.source.starting_position_timestamp, Some(EpochMillis(1_767_225_600_500)));
}

/// As the clients put them on the wire; recorded by `tests/data/record.py`.
#[test]
fn every_call_of_botocore_is_read() {
    let recorded: Value = serde_json::from_str(include_str!("../data/botocore.json")).unwrap();
    let mut calls = Vec::new();
    for request in recorded["requests"].as_array().unwrap() {
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        let operation = Operation::find(text("method"), text("path")).unwrap().unwrap();
        let name = operation.action().name().trim_start_matches("lambda:").to_lowercase();
        assert_eq!(name, text("operation").replace('_', ""));
        calls.push(operation.read(request["query"].as_str(), text("body").as_bytes()).unwrap());
    }
    let Some(Call::Create(create)) = calls.iter().find(|it| matches!(it, Call::Create(_))) else {
        panic!("{calls:?}")
    };
    assert_eq!(
        (create.settings.integer("BatchSize"), create.source.event_source_arn.as_deref()),
        (Some(5), Some(QUEUE))
    );
    assert_eq!(create.tags, Some([("a".to_owned(), "é".to_owned())].into()));
    let keys = ["b+c", "a d", "é"].map(str::to_owned).to_vec();
    assert!(calls.contains(&Call::Untag(arn(), keys)), "{calls:?}");
}
