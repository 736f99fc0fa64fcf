//! Topics of a real cluster: the event, where reading begins, groups, what is compacted, aborted, made anew or
//! wrong.

use forebay_tests::daemon::{Daemon, run as daemon_run};
use forebay_tests::function::Answer;
use forebay_tests::kafka::secured::{ALICE, BOB, Door, SecuredKafka, password};
use forebay_tests::kafka::tools::{describe_group, run};
use forebay_tests::kafka::{Kafka, Sent};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::journal::Journal;
use crate::kafka_world::{Given, GivesTopics as _, Topics, given_by};
use crate::scene::is_long;

#[test]
fn the_event_is_lambdas_own_byte_for_byte() {
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("things", 2);
    it.client.create_topic("others", 1);
    let at = 1_700_000_000_123;
    let whole =
        Sent::of("k", "v").header("h", Some(b"\x80\xff\x7f")).header("h", None).header("e", Some(b""));
    let tombstone = Sent { key: Some(b"k".to_vec()), ..Sent::default() };
    let keyless = Sent { value: Some(Vec::new()), ..Sent::default() };
    let sent = |it: Sent, partition| Sent { timestamp: Some(at), ..it.to(partition) };
    it.client.send("things", &[sent(whole, 0), sent(tombstone, 1), sent(keyless, 1)]);
    it.client.send("others", &[sent(Sent::of("k", "w"), 0)]);
    let journal = Journal::default();
    let function = journal.function();
    let source = it.source("[things, others]", "");
    it.config(
        &function,
        &Topics::mapping("whole", &source, ", batch_size: 4, maximum_batching_window_in_seconds: 30"),
    );
    let daemon = Daemon::start(it.scene.folder());
    journal.await_values(4);
    let record = |topic: &str, partition: i32, offset: i64| json!({ "topic": topic, "partition": partition, "offset": offset, "timestamp": at, "timestampType": "CREATE_TIME" });
    let with = |mut record: Value, more: Value| {
        record.as_object_mut().expect("it is a map").extend(more.as_object().cloned().unwrap_or_default());
        record
    };
    let headers = json!([{ "h": [-128, -1, 127] }, { "h": [] }, { "e": [] }]);
    let first = with(record("things", 0, 0), json!({ "key": "aw==", "value": "dg==", "headers": headers }));
    let gone = with(record("things", 1, 0), json!({ "key": "aw==", "value": null, "headers": [] }));
    let empty = with(record("things", 1, 1), json!({ "value": "", "headers": [] }));
    let other = with(record("others", 0, 0), json!({ "key": "aw==", "value": "dw==", "headers": [] }));
    let events = journal.events();
    assert_eq!(events.len(), 1, "one batch of all partitions: {events:?}");
    let event = &events[0];
    let head: Vec<&String> = event.as_object().expect("it is a map").keys().collect();
    assert_eq!(head, ["eventSource", "bootstrapServers", "records"]);
    assert_eq!(
        (&event["eventSource"], &event["bootstrapServers"]),
        (&json!("SelfManagedKafka"), &json!(it.bootstrap))
    );
    let records = event["records"].as_object().expect("it is a map");
    assert_eq!(records.len(), 3, "{event}");
    for (section, wanted) in
        [("things-0", json!([first])), ("things-1", json!([gone, empty])), ("others-0", json!([other]))]
    {
        assert_eq!(records[section].to_string(), wanted.to_string());
    }
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn latest_gives_what_is_written_after_a_mapping_is_enabled_and_nothing_older() {
    let it = Topics::of(Kafka::shared());
    let n = if is_long() { 200 } else { 20 };
    let topics: Vec<String> = (0..n).map(|it| format!("latest-{it}")).collect();
    topics.iter().for_each(|topic| it.client.create_topic(topic, 1));
    let journal = Journal::default();
    let function = journal.function();
    it.config(&function, " []");
    let daemon = Daemon::start(it.scene.folder());
    let api = daemon.socket();
    for (idx, topic) in topics.iter().enumerate() {
        it.client.send(topic, &[Sent::of("k", "before")]);
        let made = api
            .create(&json!({
                "SelfManagedEventSource": { "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": [it.bootstrap] } },
                "SourceAccessConfigurations": [],
                "Topics": [topic],
                "FunctionName": "seen",
                "StartingPosition": "LATEST",
            }))
            .expect(202);
        let uuid = made["UUID"].as_str().expect("a mapping has an id");
        crate::api_scene::await_state(&api, uuid, "Enabled");
        let after = format!("after {idx}");
        it.client.send(topic, &[Sent::of("k", &after)]);
        journal.await_value(&after);
        api.delete(uuid).expect(202);
    }
    assert!(journal.values().iter().all(|it| it != "before"), "nothing older is given");
}

#[test]
fn a_time_begins_at_its_first_record_and_what_comes_later_at_its_first() {
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("timed", 1);
    let at = |ms: i64, value: &str| Sent { timestamp: Some(ms), ..Sent::of("k", value) };
    let second = 1_700_000_000;
    it.client.send(
        "timed",
        &[at(second * 1000 - 1, "old"), at(second * 1000, "first"), at(second * 1000 + 5, "second")],
    );
    let journal = Journal::default();
    let function = journal.function();
    let source = it.source("[timed]", "");
    let mapping = Topics::mapping("timed", &source, &format!(", starting_position_timestamp: {second}"));
    it.config(&function, &mapping.replace("TRIM_HORIZON", "AT_TIMESTAMP"));
    let daemon = Daemon::start(it.scene.folder());
    journal.await_values(2);
    assert_eq!(journal.values(), ["first", "second"]);
    it.client.grow_topic("timed", 2);
    it.client.send("timed", &[at(5, "of a new partition").to(1)]);
    let is_given = || journal.values().iter().any(|it| it == "of a new partition").then_some(());
    wait::until_told("what a new partition holds", is_given, || daemon.log());
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn topics_that_start_to_match_are_read_from_their_first_record() {
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("match-a", 1);
    it.client.send("match-a", &[Sent::of("k", "a")]);
    let journal = Journal::default();
    let function = journal.function();
    let source = it.source("[]", "").replace("topics: []", "topic_pattern: \"match-.*\"");
    it.config(&function, &Topics::mapping("matched", &source, ""));
    let daemon = Daemon::start(it.scene.folder());
    journal.await_value("a");
    it.client.create_topic("match-b", 1);
    it.client.create_topic("other-b", 1);
    it.client.send("other-b", &[Sent::of("k", "never")]);
    it.client.send("match-b", &[Sent::of("k", "b")]);
    journal.await_value("b");
    assert_eq!(journal.values(), ["a", "b"]);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn what_was_aborted_is_given_to_nobody_and_a_restart_goes_on_behind_what_is_done() {
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("transacted", 1);
    let journal = Journal::default();
    let function = journal.function();
    it.config(&function, &Topics::mapping("transacted", &it.source("[transacted]", ""), ""));
    for round in 0..3 {
        it.client.send_and_abort("t", "transacted", &[Sent::of("k", "aborted")]);
        it.client.send_in_transaction("t", "transacted", &[Sent::of("k", &round.to_string())]);
        let daemon = Daemon::start(it.scene.folder());
        journal.await_value(&round.to_string());
        assert_eq!(daemon.stop().code(), Some(0));
    }
    assert_eq!(journal.values(), ["0", "1", "2"]);
}

#[test]
fn a_group_hears_how_far_a_mapping_is_and_its_offsets_go_before_the_starting_position() {
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("grouped", 2);
    let records: Vec<Sent> = (0..10).map(|n| Sent::of("k", &n.to_string()).to(0)).collect();
    it.client.send("grouped", &records);
    it.client.commit("accounts", "grouped", &[(0, 4)]);
    let journal = Journal::default();
    let function = journal.function();
    let source = it.source("[grouped]", ", consumer_group_id: accounts");
    it.config(&function, &Topics::mapping("grouped", &source, ""));
    let daemon = Daemon::start(it.scene.folder());
    journal.await_values(6);
    assert_eq!(journal.values(), ["4", "5", "6", "7", "8", "9"]);
    let rows = || describe_group(&it.bootstrap, "accounts");
    let is_told = || (rows().first()?.committed == Some(10)).then_some(());
    wait::until_told("the group to hear of it", is_told, || format!("{:?} {}", rows(), daemon.log()));
    let row = &rows()[0];
    assert_eq!((row.topic.as_str(), row.partition, row.end, row.lag), ("grouped", 0, 10, Some(0)));
    it.client.send("grouped", &[Sent::of("k", "10").to(0)]);
    journal.await_value("10");
    // What was done last is told at the end, whatever its time.
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(it.client.committed("accounts", "grouped")[0], Some(11));
}

#[test]
fn what_retention_took_is_told_and_the_rest_is_read() {
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("trimmed", 1);
    let journal = Journal::default();
    let function = journal.function();
    it.config(&function, &Topics::mapping("trimmed", &it.source("[trimmed]", ""), ""));
    it.client.send("trimmed", &[Sent::of("k", "0")]);
    let daemon = Daemon::start(it.scene.folder());
    journal.await_value("0");
    assert_eq!(daemon.stop().code(), Some(0));
    let records: Vec<Sent> = (1..10).map(|n| Sent::of("k", &n.to_string())).collect();
    it.client.send("trimmed", &records);
    it.client.delete_records_before("trimmed", 0, 7);
    let daemon = Daemon::start(it.scene.folder());
    journal.await_values(4);
    assert_eq!(journal.values(), ["0", "7", "8", "9"]);
    let is_gap = |line: &str| line.contains("records were lost in the source") && line.contains("trimmed-0");
    let is_told = || daemon.log().lines().any(is_gap).then_some(());
    wait::until_told("a word of the gap", is_told, || daemon.log());
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_topic_that_is_made_anew_stops_with_a_word_and_nothing_of_it_is_skipped() {
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("anew", 1);
    let journal = Journal::default();
    let function = journal.function();
    it.config(&function, &Topics::mapping("anew", &it.source("[anew]", ""), ""));
    it.client.send("anew", &[Sent::of("k", "0"), Sent::of("k", "1")]);
    let daemon = Daemon::start(it.scene.folder());
    journal.await_values(2);
    assert_eq!(daemon.stop().code(), Some(0));
    it.client.delete_topic("anew");
    it.client.create_topic("anew", 1);
    let records: Vec<Sent> = (0..5).map(|n| Sent::of("k", &format!("new {n}"))).collect();
    it.client.send("anew", &records);
    let daemon = Daemon::start(it.scene.folder());
    wait::until_told("FB-0502", || daemon.log().contains("FB-0502").then_some(()), || daemon.log());
    assert_eq!(journal.values(), ["0", "1"], "nothing of the new one is given before somebody decides");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_poison_record_of_each_partition_goes_to_a_topic_as_it_was_and_its_neighbours_are_done_once() {
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("poisoned", 4);
    it.client.create_topic("poison", 1);
    let record = |n: i32| match n % 8 {
        5 => Sent::of(&format!("key of {n}"), "poison").header("h", Some(b"\x80\xff")).header("n", None),
        _ => Sent::of("k", "good"),
    };
    let records: Vec<Sent> = (0..32).map(|n| record(n).to(n / 8)).collect();
    it.client.send("poisoned", &records);
    let (journal, done) = (Journal::default(), Journal::default());
    let healthy = done.clone();
    let function = journal.function_that(move |event| {
        if given_by(event).any(|it| it.value.as_deref() == Some("poison")) {
            return Answer::Failed;
        }
        healthy.note(event);
        Answer::Done(String::new())
    });
    it.config(
        &function,
        &Topics::mapping(
            "poisoned",
            &it.source("[poisoned]", ""),
            ", bisect_batch_on_function_error: true, maximum_retry_attempts: 2, destination_config: { on_failure: { kafka: { topic: poison } } }",
        ),
    );
    let daemon = Daemon::start(it.scene.folder());
    let told = || Some(it.client.read("poison")).filter(|it| it.len() >= 4);
    let mut told = wait::until_told("a message of each poison record", told, || daemon.log());
    done.await_values(28);
    let mut given: Vec<Given> = done.given();
    given.sort_by(|a, b| (&a.section, a.offset).cmp(&(&b.section, b.offset)));
    given.dedup();
    assert_eq!((given.len(), done.given().len()), (28, 28), "each neighbour once");

    told.sort_by(|a, b| a.key.cmp(&b.key));
    let keys: Vec<_> =
        told.iter().map(|it| it.key.clone().and_then(|it| String::from_utf8(it).ok())).collect();
    let wanted = [13, 21, 29, 5].map(|n| Some(format!("key of {n}")));
    assert_eq!(keys, wanted, "each once, and nothing beside them");
    for message in &told {
        // Lambda's events have no difference between a header without a value and an empty one.
        let wanted = [("h".to_owned(), Some(b"\x80\xff".to_vec())), ("n".to_owned(), Some(Vec::new()))];
        assert_eq!(message.headers, wanted);
        let value = message.value.as_deref().expect("a message has a value");
        let record: Value = serde_json::from_slice(value).expect("it is JSON");
        let failed: Vec<Given> = given_by(&record["payload"]).collect();
        let key = message.key.clone().and_then(|it| String::from_utf8(it).ok());
        let [failed] = &failed[..] else { panic!("not one record: {record}") };
        assert_eq!(
            (&failed.key, failed.value.as_deref(), failed.offset),
            (&key, Some("poison"), 5),
            "{record}"
        );
        let info = &record["KafkaBatchInfo"];
        assert_eq!((&info["batchSize"], &info["recordInfo"]["offset"]), (&json!(1), &json!("5")), "{record}");
        assert_eq!(record["requestContext"]["condition"], "RetryAttemptsExhausted", "{record}");
    }
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn brokers_that_are_down_are_told_and_read_once_they_are_up() {
    let mut kafka = Kafka::start();
    let it = Topics::of(&kafka);
    it.client.create_topic("patient", 1);
    it.client.send("patient", &[Sent::of("k", "before")]);
    kafka.stop();
    let journal = Journal::default();
    let function = journal.function();
    it.config(&function, &Topics::mapping("patient", &it.source("[patient, missing]", ""), ""));
    let daemon = Daemon::start(it.scene.folder());
    let told = |code: &'static str| {
        wait::until_told(code, || daemon.log().contains(code).then_some(()), || daemon.log());
    };
    told("FB-0380");
    kafka.restart();
    journal.await_value("before");
    told("topic missing cannot be read");
    let why = || daemon_run(it.scene.folder(), &["why", "--data-dir", "data", "patient"]).1;
    wait::until_told("its code", || why().contains("FB-0383").then_some(()), why);
    it.client.create_topic("missing", 1);
    it.client.send("missing", &[Sent::of("k", "made later")]);
    journal.await_value("made later");
    // The brokers go while it runs, and come again.
    kafka.kill();
    kafka.restart();
    it.client.await_leaders("patient", 1);
    it.client.send("patient", &[Sent::of("k", "after")]);
    journal.await_value("after");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn who_is_not_let_in_is_told_why_and_reads_once_he_is() {
    let kafka = SecuredKafka::start();
    let client = kafka.client();
    client.create_topic("guarded", 1);
    client.send("guarded", &[Sent::of("k", "v")]);
    let journal = Journal::default();
    let function = journal.function();
    let it = Topics::at(client, kafka.bootstrap(Door::Plaintext));
    it.scene.write_secret("right", &password(ALICE));
    it.scene.write_secret("wrong", "not the password");
    it.scene.write_secret("bob", &password(BOB));
    it.scene.write_secret("key", &std::fs::read_to_string(&kafka.client.key).expect("there is a key"));
    let expired = kafka.expired_client();
    it.scene.write_secret("expired", &std::fs::read_to_string(&expired.key).expect("there is a key"));
    let secret = |name: &str| format!("file:{}", it.scene.path(name).display());
    let (ca, unknown) = (kafka.ca.display().to_string(), kafka.unknown_ca().display().to_string());
    let source = |door: Door, more: &str| {
        format!("kafka: {{ bootstrap_servers: [\"{}\"], topics: [guarded], {more} }}", kafka.bootstrap(door))
    };
    let sasl = |door: Door, mechanism: &str, user: &str, name: &str| {
        source(
            door,
            &format!("sasl: {{ mechanism: {mechanism}, username: {user}, password: \"{}\" }}", secret(name)),
        )
    };
    let over_tls = |roots: &str| source(Door::Tls, &format!("tls: {{ ca_file: \"{roots}\" }}"));
    let certified = |certificate: &std::path::Path, key: &str| {
        source(
            Door::MutualTls,
            &format!(
                "tls: {{ ca_file: \"{ca}\", certificate_file: \"{}\", key: \"{}\" }}",
                certificate.display(),
                secret(key)
            ),
        )
    };
    let mut kept_out = vec![
        ("unknown-ca", "FB-0382", over_tls(&unknown)),
        ("expired", "FB-0382", certified(&expired.certificate, "expired")),
        ("no-topic-for-bob", "FB-0384", sasl(Door::Sasl, "SCRAM-SHA-256", BOB, "bob")),
    ];
    let mut let_in = vec![("tls", over_tls(&ca)), ("mutual", certified(&kafka.client.certificate, "key"))];
    for (name, mechanism) in
        [("plain", "PLAIN"), ("scram-256", "SCRAM-SHA-256"), ("scram-512", "SCRAM-SHA-512")]
    {
        kept_out.push((name, "FB-0381", sasl(Door::Sasl, mechanism, ALICE, "wrong")));
        let_in.push((name, sasl(Door::Sasl, mechanism, ALICE, "right")));
    }
    let mappings: String =
        kept_out.iter().map(|(name, _, source)| Topics::mapping(name, source, "")).collect();
    it.config(&function, &mappings);
    let daemon = Daemon::start(it.scene.folder());
    let await_code = |name: &str, code: &str| {
        let is_told = |line: &&str| line.contains(name) && line.contains(code);
        let log = || format!("{code}\n{}", daemon.log());
        wait::until_told(name, || daemon.log().lines().find(is_told).map(drop), log);
    };
    // An operator lets Bob read, also what his group has committed: it goes on by itself. He comes first, for starts
    // that fail are tried ever more seldom.
    await_code("no-topic-for-bob", "FB-0384");
    assert!(journal.events().is_empty(), "nobody was let in");
    let allow = ["--bootstrap-server", &it.bootstrap, "--add", "--allow-principal"];
    let bob = format!("User:{BOB}");
    run(
        "AclCommand",
        &[&allow[..], &[&bob, "--operation", "Read", "--topic", "guarded", "--group", "no-topic-for-bob"]]
            .concat(),
    );
    kept_out.iter().for_each(|(name, code, _)| await_code(name, code));
    journal.await_value("v");
    assert_eq!(journal.values(), ["v"], "nobody else was let in");
    assert_eq!(daemon.stop().code(), Some(0));

    let journal = Journal::default();
    let function = journal.function();
    let mappings: String =
        let_in.iter().map(|(name, source)| Topics::mapping(&format!("in-{name}"), source, "")).collect();
    it.config(&function, &mappings);
    let daemon = Daemon::start(it.scene.folder());
    wait::until_told(
        "all of them",
        || (journal.given().len() >= let_in.len()).then_some(()),
        || daemon.log(),
    );
    assert_eq!(daemon.stop().code(), Some(0));
}
