//! Records that name schemas of a real registry: what functions get of them, and what happens when the registry or
//! a record is at fault.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_tests::daemon::{Daemon, run as daemon_run};
use forebay_tests::function::{Function, lambda_of_nothing};
use forebay_tests::kafka::{Kafka, Sent};
use forebay_tests::schema_registry::{ApicurioServer, EncodedRecords, RegistryDoor, framed};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::journal::Journal;
use crate::kafka_world::Topics;

const PERSON: &str = r#"{"type":"record","name":"Person","fields":[{"name":"name","type":"string"}]}"#;

fn record(value: Vec<u8>) -> Sent {
    Sent { value: Some(value), ..Sent::default() }
}

/// A record of Avro's with a name of three letters.
fn person(id: u32, name: &str) -> Sent {
    record(framed(id, &[b"\x06", name.as_bytes()].concat()))
}

/// The records of all events, in their order.
fn records(journal: &Journal) -> Vec<Value> {
    let events = journal.events();
    let sections = events.iter().filter_map(|it| it["records"].as_object()).flatten();
    sections.filter_map(|(_, records)| records.as_array().cloned()).flatten().collect()
}

fn json_value(record: &Value) -> Value {
    let bytes = STANDARD.decode(record["value"].as_str().expect("it has a value")).expect("it is base64");
    serde_json::from_slice(&bytes).expect("it is JSON")
}

#[test]
fn a_function_gets_the_json_that_powertools_makes_of_the_source() {
    let registry = ApicurioServer::shared();
    let encoded = EncodedRecords::in_registry(registry, "whole");
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("encoded", 1);
    it.client.send("encoded", &encoded.records.clone().map(record));
    let names = ["json", "source", "filtered"];
    let journals = names.map(|_| Journal::default());
    let functions: Vec<Function> = journals.iter().map(Journal::function).collect();
    let mapping = |name: &str, format: &str, more: &str| {
        let schemas = format!(
            ", schema_registry: {{ url: \"{}\", event_record_format: {format}, validate: [VALUE] }}",
            registry.url()
        );
        let source = it.source("[encoded]", &schemas);
        Topics::mapping(name, &source, more).replace("function_name: seen", &format!("function_name: {name}"))
    };
    let filter = r#", filter_criteria: { filter: [{ pattern: '{"value":{"id":[5]}}' }] }"#;
    let listed: String = names
        .iter()
        .zip(&functions)
        .map(|(name, it)| format!("  {name}: {{ executor: {}, timeout: 30 }}\n", it.executor()))
        .collect();
    let mappings =
        [mapping("json", "JSON", ""), mapping("source", "SOURCE", ""), mapping("filtered", "SOURCE", filter)]
            .concat();
    let lambda = lambda_of_nothing();
    it.scene.write(
        "forebay.yaml",
        &format!("aws: {{ endpoints: {{ lambda: \"{lambda}\" }}, region: us-east-1, access_key_id: x, secret_access_key: x }}\nfunctions:\n{listed}event_source_mappings:{mappings}\n"),
    );
    let daemon = Daemon::start(it.scene.folder());
    let [in_json, in_source, filtered] = &journals;
    let are_there = || {
        (records(in_json).len() >= 4 && records(in_source).len() >= 4 && !records(filtered).is_empty())
            .then_some(())
    };
    wait::until_told("four records each", are_there, || daemon.log());
    let (in_json, in_source, filtered) = (records(in_json), records(in_source), records(filtered));
    let values: Vec<Value> = in_json.iter().map(json_value).collect();
    assert_eq!(encoded.by_powertools(&in_source), values);
    assert_eq!(
        (&values[0]["name"], &values[2]["sub_part"], &values[3]["id"]),
        (&json!("é\n\""), &json!({ "part_ids": [7] }), &json!(5))
    );
    for (idx, format) in ["AVRO", "PROTOBUF", "PROTOBUF", "JSON"].into_iter().enumerate() {
        let id = u32::from_be_bytes(encoded.records[idx][1..5].try_into().expect("four bytes")).to_string();
        let metadata = json!({ "dataFormat": format, "schemaId": id });
        assert_eq!(
            (&in_json[idx]["valueSchemaMetadata"], &in_source[idx]["valueSchemaMetadata"]),
            (&metadata, &metadata)
        );
        assert_eq!(in_source[idx]["value"], STANDARD.encode(&encoded.records[idx][5..]));
    }
    assert_eq!(filtered, in_source[3..], "a filter sees JSON whatever the function gets");

    // The same over the API, which tells it as it was asked for.
    let api = daemon.socket();
    let wanted = json!({
        "SchemaRegistryURI": registry.url(), "EventRecordFormat": "JSON",
        "SchemaValidationConfigs": [{ "Attribute": "VALUE" }],
    });
    let asked = |registry: &Value| {
        json!({
            "SelfManagedEventSource": { "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": [it.bootstrap] } },
            "SourceAccessConfigurations": [],
            "Topics": ["encoded"],
            "FunctionName": "json",
            "SelfManagedKafkaEventSourceConfig": { "SchemaRegistryConfig": registry },
        })
    };
    for (more, part) in [
        (json!({ "SchemaRegistryURI": "registry:8081" }), "http://"),
        (
            json!({ "EventRecordFormat": null }),
            "Required 'schemaRegistryConfig.eventRecordFormat' parameter is missing.",
        ),
        (
            json!({ "AccessConfigs": [{ "Type": "OAUTHBEARER_AUTH", "URI": "arn:aws:secretsmanager:us-east-1:000000000000:secret:it" }] }),
            "OAUTHBEARER_AUTH",
        ),
    ] {
        let mut registry = wanted.clone();
        registry.as_object_mut().expect("it is a map").extend(more.as_object().cloned().unwrap_or_default());
        let refused = api.create(&asked(&registry)).expect(400);
        assert!(refused["message"].as_str().is_some_and(|it| it.contains(part)), "{refused}");
    }
    let made = api.create(&asked(&wanted)).expect(202);
    assert_eq!(made["SelfManagedKafkaEventSourceConfig"]["SchemaRegistryConfig"], wanted);
    let [journal, ..] = &journals;
    wait::until_told("the same four again", || (records(journal).len() >= 8).then_some(()), || daemon.log());
    assert_eq!(records(journal)[4..], in_json);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_registry_that_cannot_be_asked_holds_records_by_name_and_a_record_at_fault_is_told_alone() {
    let registry = ApicurioServer::shared();
    let door = RegistryDoor::to(registry);
    let (known, later) = (
        registry.register("held", "AVRO", PERSON, &[]),
        registry.register("later", "AVRO", &PERSON.replace("Person", "Later"), &[]),
    );
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("held", 1);
    it.scene.write_secret("registry", RegistryDoor::PASSWORD);
    let secret = it.scene.path("registry").display().to_string();
    let schemas = format!(
        ", schema_registry: {{ url: \"{}\", event_record_format: JSON, validate: [VALUE], access: {{ basic_auth: \"file:{secret}\" }} }}",
        door.url()
    );
    let journal = Journal::default();
    let function = journal.function();
    let dead = ", destination_config: { on_failure: { file: { path: dead.ndjson } } }";
    it.config(&function, &Topics::mapping("held", &it.source("[held]", &schemas), dead));
    let names = |wanted: &[&str], daemon: &Daemon| {
        let given = || {
            records(&journal)
                .iter()
                .map(|it| json_value(it)["name"].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        wait::until_told(
            "all records",
            || (given().len() >= wanted.len()).then_some(()),
            || format!("{:?}\n{}", given(), daemon.log()),
        );
        assert_eq!(given(), wanted);
    };
    let why = || daemon_run(it.scene.folder(), &["why", "--data-dir", "data", "held"]).1;
    let await_why = |part: &str| {
        wait::until_told(
            part,
            || Some(why()).filter(|it| it.contains("FB-0389") && it.contains(part)).map(drop),
            why,
        )
    };

    // Nobody answers.
    door.set_open(false);
    it.client.send("held", &[person(known, "ann"), person(known, "bob")]);
    let daemon = Daemon::start(it.scene.folder());
    await_why(&format!("gave no answer about schema {known}"));
    assert!(
        journal.events().is_empty() && it.scene.dead().is_empty(),
        "nothing is given, and nothing given up"
    );
    door.set_open(true);
    names(&["ann", "bob"], &daemon);
    assert_eq!(door.n_asked(), 1, "a schema is fetched once");

    // Records at fault among others.
    it.client.send(
        "held",
        &[person(known, "cid"), record(b"plain".to_vec()), person(999_999, "x"), person(known, "dan")],
    );
    names(&["ann", "bob", "cid", "dan"], &daemon);
    wait::until_told("two failure records", || (it.scene.dead().len() >= 2).then_some(()), || daemon.log());
    let told: Vec<Value> = it.scene.dead();
    let of = |condition: &str| {
        told.iter()
            .find(|it| it["requestContext"]["condition"] == condition)
            .unwrap_or_else(|| panic!("{told:?}"))
    };
    for (condition, offset) in [("DESERIALIZATION_ERROR", "3"), ("SCHEMA_NOT_FOUND", "4")] {
        let record = of(condition);
        let info = &record["KafkaBatchInfo"];
        assert_eq!(
            (&info["batchSize"], &info["recordsInfo"]["held-0"]["firstRecordOffset"]),
            (&json!(1), &json!(offset))
        );
        assert_eq!(
            (&record["requestContext"]["approximateInvokeCount"], &record["responseContext"]),
            (&json!(0), &Value::Null)
        );
    }
    assert_eq!(told.len(), 2);
    assert_eq!(daemon.stop().code(), Some(0));

    // Another password, and a schema that was not asked for yet.
    it.scene.write_secret("registry", "ann:wrong");
    it.client.send("held", &[person(later, "eve")]);
    let daemon = Daemon::start(it.scene.folder());
    await_why("it answered with 401");
    assert_eq!(daemon.stop().code(), Some(0));
    it.scene.write_secret("registry", RegistryDoor::PASSWORD);
    let daemon = Daemon::start(it.scene.folder());
    names(&["ann", "bob", "cid", "dan", "eve"], &daemon);
    assert_eq!(it.scene.dead().len(), 2);
    assert_eq!(daemon.stop().code(), Some(0));
}
