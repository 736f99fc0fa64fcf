//! Our tables against the service model that botocore ships, member by member, request and answer.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::members::{CREATE, UPDATE};
use super::shape::{Member, ModelShape};
use super::tables::{ANY, LIST, TAG, TAG_KEYS, TAGGABLE, UUID};
use super::{Checked, check};
use crate::error::{ApiError, ErrorType};
use crate::mapping::{
    CreateMapping, ListMappings, MappingConfiguration, MappingList, Operation, TagList, UpdateMapping,
};

/// Where the recorded text of an error differs from the model of this release: kinds of resource come and go.
const RECORDED_OTHERWISE: &[&str] = &["TaggableResource"];
/// Members of a request that stand in the path.
const IN_PATH: &[(&str, &ModelShape)] = &[("UUID", &UUID), ("Resource", &TAGGABLE)];

fn model() -> Value {
    serde_json::from_str(include_str!("../../tests/data/service-model.json")).unwrap()
}

/// Compares a shape with the model's one of this name; tells every difference.
fn compare(model: &Value, name: &str, shape: &ModelShape, wrong: &mut Vec<String>) {
    let theirs = &model["shapes"][name];
    let bounds = |min: usize, max: usize| {
        (Some(min as u64).filter(|it| *it > 0), Some(max as u64).filter(|_| max < usize::MAX))
    };
    let their_bounds = (theirs["min"].as_u64().filter(|it| *it > 0), theirs["max"].as_u64());
    let inner = |key: &str| theirs[key]["shape"].as_str().unwrap_or_default();
    let mut expect = |what: &str, is_same: bool| {
        if !is_same {
            wrong.push(format!("{name}: {what} differs: {shape:?}, but the model has {theirs}"));
        }
    };
    match shape {
        ModelShape::Text { min, max, pattern } => {
            expect("type", theirs["type"] == "string" && theirs.get("enum").is_none());
            expect("length", bounds(*min, *max) == their_bounds);
            let is_same = pattern.map(|it| it.text) == theirs["pattern"].as_str();
            expect("pattern", is_same || RECORDED_OTHERWISE.contains(&name));
        }
        ModelShape::Enum(names) => {
            let theirs: BTreeSet<&str> =
                theirs["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            expect("values", theirs == names.iter().copied().collect());
        }
        ModelShape::Integer { min, max } => {
            expect("type", theirs["type"] == "integer");
            expect("range", (theirs["min"].as_i64(), theirs["max"].as_i64()) == (Some(*min), Some(*max)));
        }
        ModelShape::Boolean => expect("type", theirs["type"] == "boolean"),
        ModelShape::Timestamp => expect("type", theirs["type"] == "timestamp"),
        ModelShape::List { member, min, max } => {
            expect("type", theirs["type"] == "list");
            expect("length", bounds(*min, *max) == their_bounds);
            compare(model, inner("member"), member, wrong);
        }
        ModelShape::Map { key, value, min, max } => {
            expect("type", theirs["type"] == "map");
            expect("length", bounds(*min, *max) == their_bounds);
            compare(model, inner("key"), key, wrong);
            compare(model, inner("value"), value, wrong);
        }
        ModelShape::Structure(members) => {
            expect("type", theirs["type"] == "structure");
            compare_members(model, name, members, wrong);
        }
    }
}

fn compare_members(model: &Value, name: &str, members: &[Member], wrong: &mut Vec<String>) {
    let theirs = model["shapes"][name]["members"].as_object().unwrap();
    let required: BTreeSet<&str> = model["shapes"][name]["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (member, place) in theirs {
        let shape = place["shape"].as_str().unwrap();
        let in_path = IN_PATH.iter().find(|(it, _)| place["location"] == "uri" && it == member);
        let in_query =
            (place["location"] == "querystring" && place["locationName"] == "tagKeys").then_some(&TAG_KEYS);
        match (members.iter().find(|it| it.name == member), in_path.map(|(_, it)| *it).or(in_query)) {
            (Some(ours), None) => {
                compare(model, shape, ours.shape, wrong);
                if ours.required != required.contains(member.as_str()) {
                    wrong.push(format!("{name}.{member}: required differs"));
                }
            }
            (None, Some(ours)) => compare(model, shape, ours, wrong),
            (None, None) => wrong.push(format!("{name}.{member} is neither supported nor refused")),
            (Some(_), Some(_)) => wrong.push(format!("{name}.{member} stands twice")),
        }
    }
    wrong.extend(
        members
            .iter()
            .filter(|it| !theirs.contains_key(it.name))
            .map(|it| format!("{name}.{} is not in the model", it.name)),
    );
}

#[test]
fn every_member_of_every_request_is_as_in_botocores_model() {
    static NOTHING: ModelShape = ModelShape::Structure(&[]);
    let model = model();
    let mut wrong = Vec::new();
    let operations = model["operations"].as_object().unwrap();
    assert_eq!(operations.len(), 8);
    for (name, operation) in operations {
        let id = "14e0db71-5d35-4eb5-b481-8945cf9d10c2";
        let arn = format!("arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Aevent-source-mapping%3A{id}");
        let path = operation["http"]["requestUri"]
            .as_str()
            .unwrap()
            .replace("{UUID}", id)
            .replace("{Resource}", &arn);
        let ours = Operation::find(operation["http"]["method"].as_str().unwrap(), &path).unwrap().unwrap();
        assert_eq!(ours.action().name(), format!("lambda:{name}"));
        assert_eq!(u64::from(ours.status()), operation["http"]["responseCode"].as_u64().unwrap(), "{name}");
        let table = match ours {
            Operation::Create => &*CREATE,
            Operation::Update(_) => &*UPDATE,
            Operation::List => &LIST,
            Operation::Tag(_) => &TAG,
            Operation::Get(_) | Operation::Delete(_) | Operation::ListTags(_) | Operation::Untag(_) => {
                &NOTHING
            }
        };
        compare(&model, operation["input"]["shape"].as_str().unwrap(), table, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_error_of_the_model_has_its_status_and_members() {
    let model = model();
    let mut n_compared = 0;
    for operation in model["operations"].as_object().unwrap().values() {
        for error in operation["errors"].as_array().unwrap() {
            let name = error["shape"].as_str().unwrap();
            let shape = &model["shapes"][name];
            let ours = ErrorType::ALL
                .into_iter()
                .find(|it| it.name() == name)
                .unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(
                u64::from(ours.status()),
                shape["error"]["httpStatusCode"].as_u64().unwrap(),
                "{name}"
            );
            let body: Map<String, Value> = serde_json::from_slice(&ApiError::new(ours, "x").body()).unwrap();
            let in_body = shape["members"]
                .as_object()
                .unwrap()
                .iter()
                .filter(|(_, it)| it["location"] != "header")
                .map(|(name, _)| name);
            assert_eq!(body.keys().collect::<BTreeSet<_>>(), in_body.collect(), "{name}");
            n_compared += 1;
        }
    }
    assert!(n_compared > 30, "{n_compared}");
}

/// Texts of which each pattern matches at least one.
const TEXTS: &[&str] = &[
    "arn:aws:sqs:eu-west-1:123456789012:q",
    "14e0db71-5d35-4eb5-b481-8945cf9d10c2",
    "arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:14e0db71-5d35-4eb5-b481-8945cf9d10c2",
    "broker.example:9092",
    "ab",
    "SomeException",
    "a long enough text",
];

fn fits(shape: &ModelShape, text: &str) -> bool {
    let mut checked = Checked::default();
    check(shape, &json!(text), "x", &mut checked).is_ok() && checked.violations.into_result().is_ok()
}

/// A value with every member that a shape has.
fn sample(shape: &ModelShape) -> Value {
    match shape {
        ModelShape::Text { .. } => {
            json!(TEXTS.iter().find(|it| fits(shape, it)).unwrap_or_else(|| panic!("no text fits {shape:?}")))
        }
        ModelShape::Enum(names) => json!(names[0]),
        ModelShape::Integer { max, .. } => json!(max),
        ModelShape::Boolean => json!(true),
        ModelShape::Timestamp => json!(1_767_225_600.5),
        ModelShape::List { member, .. } => json!([sample(member)]),
        ModelShape::Map { key, value, .. } => json!({ sample(key).as_str().unwrap(): sample(value) }),
        ModelShape::Structure(members) => {
            members.iter().map(|it| (it.name.to_owned(), sample(it.shape))).collect()
        }
    }
}

/// The same from the model.
fn sample_of_model(model: &Value, name: &str) -> Value {
    let shape = &model["shapes"][name];
    let inner = |key: &str| sample_of_model(model, shape[key]["shape"].as_str().unwrap());
    match shape["type"].as_str().unwrap() {
        "string" => json!(shape["enum"][0].as_str().unwrap_or("ab")),
        "integer" => shape["max"].clone(),
        "boolean" => json!(true),
        "timestamp" => json!(1_767_225_600.5),
        "list" => json!([inner("member")]),
        "map" => json!({ inner("key").as_str().unwrap(): inner("value") }),
        "structure" => {
            let members = shape["members"].as_object().unwrap().iter();
            members
                .map(|(name, it)| (name.clone(), sample_of_model(model, it["shape"].as_str().unwrap())))
                .collect()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn the_types_keep_every_member_of_the_tables() {
    fn again<T: serde::de::DeserializeOwned + serde::Serialize>(value: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<T>(value.clone()).unwrap()).unwrap()
    }
    for (shape, again) in [
        (&*CREATE, again::<CreateMapping> as fn(&Value) -> Value),
        (&*UPDATE, again::<UpdateMapping>),
        (&LIST, again::<ListMappings>),
    ] {
        let whole = sample(shape);
        let mut checked = Checked::default();
        check(shape, &whole, "", &mut checked).unwrap();
        checked.violations.into_result().unwrap();
        assert!(checked.unknown.is_empty());
        assert_eq!(again(&whole), whole);
    }
    let model = model();
    for (name, again) in [
        ("EventSourceMappingConfiguration", again::<MappingConfiguration> as fn(&Value) -> Value),
        ("ListEventSourceMappingsResponse", again::<MappingList>),
        ("ListTagsResponse", again::<TagList>),
    ] {
        let whole = sample_of_model(&model, name);
        assert_eq!(again(&whole), whole, "{name}");
    }
    // The model has no further answers.
    let outputs: BTreeSet<_> = model["operations"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(|it| it["output"]["shape"].as_str())
        .collect();
    assert_eq!(outputs.len(), 3, "{outputs:?}");
    assert!(fits(&ANY, ""));
}

#[test]
fn patterns_match_whole_texts_and_every_one_compiles() {
    // `sample` finds a text for each pattern, so each was compiled.
    sample(&CREATE);
    let ModelShape::Structure(members) = &*CREATE else { panic!("CREATE is a structure") };
    let of = |name: &str| members.iter().find(|it| it.name == name).unwrap().shape;
    let name = of("FunctionName");
    for text in [
        "f",
        "f:1",
        "f:$LATEST",
        "123456789012:function:f:alias",
        "arn:aws:lambda:eu-west-1:123456789012:function:f",
        "f:$LATEST.PUBLISHED",
    ] {
        assert!(fits(name, text), "{text}");
    }
    for text in ["", "f f", "f\n", "f:$OTHER", "arn:aws:sqs:eu-west-1:123456789012:q", "\u{663}:function:f"] {
        assert!(!fits(name, text), "{text}");
    }
    let ModelShape::Structure(documents) = of("DocumentDBEventSourceConfig") else { panic!("a structure") };
    let collection = documents.iter().find(|it| it.name == "CollectionName").unwrap().shape;
    assert!(
        fits(collection, "things")
            && fits(collection, "system")
            && !fits(collection, "system.views")
            && !fits(collection, "a$")
    );
}
