//! A setting costs one row and one use: the row that this test adds is read, judged, documented, explained,
//! taken and shown by Lambda's API, and exported, and nothing but the row names it.
//!
//! It stands alone, for what it adds is known to the whole process. The flags of `forebay mappings` follow
//! from the same rows; their test is beside them.

#![allow(clippy::unwrap_used, reason = "a test may: its panic is the finding")]

use std::path::Path;

use forebay_api::mapping::{
    Call, CreateMapping, EpochMillis, MappingConfiguration, MappingIdentity, Named, Operation, UpdateMapping,
    checks, known_sources,
};
use forebay_config::aws::AwsService;
use forebay_config::settings::{self, AwsMember, DefaultValue, SettingSpec, Shape, in_aws_words};
use forebay_config::{Document, Draft, Finding, Format, Mapping, Node, SourceProfile, Sources};
use serde_json::{Value, json};

/// The row.
static ECHO_LIMIT: SettingSpec = SettingSpec::new(
    "event_source_mappings[].echo_limit",
    Shape::Integer { min: 1, max: 50 },
    DefaultValue::Integer(7),
    "How often a record may echo, which is nothing that anybody wants.",
)
.aws(AwsMember::new("EchoLimit").with_every_source());

/// The use.
fn echoes(mapping: &Mapping) -> i64 {
    mapping.settings.integer(&ECHO_LIMIT).expect("it has a default")
}

const ID: &str = "14e0db71-5d35-4eb5-b481-8945cf9d10c2";
const NOW: EpochMillis = EpochMillis(1_795_000_000_250);
const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:q";

/// The kinds that are built in.
struct BuiltIn;

impl Sources for BuiltIn {
    fn kinds(&self) -> Vec<&'static str> {
        forebay_pollers::kinds().iter().map(|it| it.profile().kind).collect()
    }

    fn profile(&self, kind: &str, settings: &Node) -> Option<&'static SourceProfile> {
        forebay_pollers::kinds().iter().find(|it| it.profile().kind == kind).map(|it| it.profile_of(settings))
    }

    fn services(&self) -> Vec<&'static AwsService> {
        forebay_pollers::services()
    }

    fn check(&self, _: &str, _: &Node, _: &Path) -> Vec<Finding> {
        Vec::new()
    }
}

/// A mapping of a config file with further lines.
fn written(more: &str) -> Node {
    let text = format!("name: m\nsource: {{ sqs: {{ queue: q }} }}\nfunction_name: f\n{more}\n");
    Document::parse("f.yaml", &text, Format::Yaml, Path::new("/")).expect("it is YAML").root
}

fn checked(more: &str) -> Result<Mapping, Vec<String>> {
    let draft = Draft::read(&written(more), "m", &BuiltIn, Path::new("/"));
    let findings = |all: Vec<Finding>| all.into_iter().map(|it| format!("{}: {}", it.path, it.message));
    draft.check(draft.profile()).map_err(|it| findings(it).collect())
}

fn in_a_file() {
    let mapping = checked("echo_limit: 3").expect("it is good");
    assert_eq!(
        (echoes(&mapping), in_aws_words(&mapping).integer("EchoLimit")),
        (3, Some(3)),
        "read and shown"
    );
    let silent = checked("").expect("it is good");
    assert_eq!(echoes(&silent), 7);
    assert!(!silent.runs_like(&mapping), "a change of it is one");
    let text = "1 validation error detected: Value '51' at 'echoLimit' failed to satisfy constraint: Member must have value less than or equal to 50";
    assert_eq!(checked("echo_limit: 51").expect_err("it is refused"), [format!("m.echo_limit: {text}")]);
    assert_eq!(
        checked("echo_limit: x").expect_err("it is refused"),
        ["m.echo_limit: must be a whole number, not text"]
    );
}

fn in_what_is_told_of_settings() {
    let page = settings::manual(&[]);
    assert!(
        page.contains("## `event_source_mappings[].echo_limit`")
            && page.contains("- AWS's name: `EchoLimit`")
    );
    let schema = settings::schema(&["sqs"], &[]);
    let of_mapping = &schema["properties"]["event_source_mappings"]["items"]["properties"]["echo_limit"];
    assert_eq!((&of_mapping["default"], &of_mapping["anyOf"][0]["maximum"]), (&json!(7), &json!(50)));
    let profile = BuiltIn.profile("sqs", &written("")).expect("it is built in");
    let explained = |more: &str| {
        let all = settings::explain(&written(more), profile, &[]);
        let it = all.into_iter().find(|it| it.path == "echo_limit").expect("it is explained");
        format!("{} # {}", it.value, it.from)
    };
    assert_eq!([explained("echo_limit: 3"), explained("")], ["3 # f.yaml:4:13", "7 # default"]);
}

fn call(method: &str, path: &str, more: Value) -> Result<Call, String> {
    let operation = Operation::find(method, path).expect("it is a call").expect("it is about mappings");
    operation.read(None, more.to_string().as_bytes()).map_err(|error| error.message)
}

fn create(limit: Value) -> Result<CreateMapping, String> {
    let body = json!({ "FunctionName": "f", "EventSourceArn": QUEUE, "EchoLimit": limit });
    match call("POST", "/2015-03-31/event-source-mappings", body)? {
        Call::Create(create) => Ok(*create),
        other => panic!("{other:?} is no create"),
    }
}

fn update(body: Value) -> UpdateMapping {
    match call("PUT", &format!("/2015-03-31/event-source-mappings/{ID}"), body) {
        Ok(Call::Update(_, update)) => *update,
        other => panic!("{other:?} is no update"),
    }
}

fn over_the_api() {
    let text = |limit: i64, bound: &str| {
        format!(
            "1 validation error detected: Value '{limit}' at 'echoLimit' failed to satisfy constraint: Member must have value {bound}"
        )
    };
    assert_eq!(create(json!(0)).expect_err("it is refused"), text(0, "greater than or equal to 1"));
    assert_eq!(create(json!(51)).expect_err("it is refused"), text(51, "less than or equal to 50"));
    let known = known_sources(forebay_pollers::aws_words());
    let create = create(json!(5)).expect("it keeps the model");
    let source = checks::parameters_of_create(&create, &known).expect("it goes with a queue");
    let identity = MappingIdentity {
        uuid: ID,
        arn: "arn",
        function_arn: "arn:aws:lambda:eu-west-1:123456789012:function:f",
    };
    let mut made = MappingConfiguration::created(create, source, identity, NOW);
    let shown = |made: &MappingConfiguration| serde_json::from_slice::<Value>(&made.to_json()).expect("JSON");
    assert_eq!(shown(&made)["EchoLimit"], 5);
    let kept: MappingConfiguration = serde_json::from_slice(&made.to_json()).expect("it comes back");
    assert_eq!(kept, made);

    let named = Named { name: ID, is_enabled: true, function_name: "f" };
    let draft = made.draft(source, named, &BuiltIn).expect("it can be run");
    assert_eq!(draft.check(draft.profile()).map(|it| echoes(&it)), Ok(5), "what runs obeys it");
    let exported = made.as_config(source, named).expect("it can be exported");
    assert_eq!(exported["echo_limit"], 5);

    let change = update(json!({ "EchoLimit": 6 }));
    checks::parameters_of_update(&change, source, &made.settings).expect("it can be changed");
    made.update(&change, source, None, NOW);
    made.update(&update(json!({ "BatchSize": 1 })), source, None, NOW);
    assert_eq!(shown(&made)["EchoLimit"], 6);
}

#[test]
fn a_setting_costs_one_row_and_one_use() {
    settings::testing::add_row(&ECHO_LIMIT);
    in_a_file();
    in_what_is_told_of_settings();
    over_the_api();
}
