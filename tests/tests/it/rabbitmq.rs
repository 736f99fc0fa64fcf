//! Queues of a real RabbitMQ: the event, what fails, and what goes wrong between here and there.

use std::time::Duration;

use forebay_tests::daemon::Daemon;
use forebay_tests::function::{Answer, take_time};
use forebay_tests::kafka::certificates::TestAuthority;
use forebay_tests::rabbitmq::{Rabbit, RabbitMessage, RabbitTls};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::journal::Journal;
use crate::rabbitmq_world::{Counts, Queues, done, given_by, numbered, text_of};

/// Waits until messages with these texts were given, in whatever order.
fn await_texts(journal: &Journal, daemon: &Daemon, wanted: &[&str]) {
    let texts = || {
        let events = journal.events();
        events.iter().flat_map(given_by).map(|(_, it)| text_of(&it)).collect::<Vec<_>>()
    };
    let is_there = || wanted.iter().all(|it| texts().iter().any(|text| text == it)).then_some(());
    wait::until_told("these messages", is_there, || format!("{:?}\n{}", texts(), daemon.log()));
}

#[test]
fn the_event_is_lambdas_own_byte_for_byte_over_two_queues() {
    let (rabbit, journal) = (Rabbit::shared(), Journal::default());
    let admin = rabbit.admin();
    ["whole", "other"].iter().for_each(|it| admin.declare(it, "classic", json!({})));
    let properties = json!({
        "content_type": "text/plain", "headers": { "h1": "val", "n": 10, "t": { "a": [true, "\u{e9}"] } },
        "delivery_mode": 1, "priority": 34, "expiration": "60000", "timestamp": 2021,
    });
    admin.publish("whole", &RabbitMessage { body: b"{\"a\":1}".to_vec(), properties });
    admin.publish("other", &RabbitMessage { body: vec![0xff], properties: json!({}) });
    let it = Queues::at(rabbit.host());
    let function = journal.function();
    let arn = "arn:aws:mq:us-east-1:000000000000:broker:orders:b-1";
    let source = it.source("[whole, other]", &format!(", broker_arn: \"{arn}\""));
    it.config(&function, &source, ", batch_size: 2, maximum_batching_window_in_seconds: 30");
    let daemon = Daemon::start(it.scene.folder());
    wait::until_told("an event", || (!journal.events().is_empty()).then_some(()), || daemon.log());
    let null = "\"contentType\":null,\"contentEncoding\":null,\"headers\":null,\"deliveryMode\":null,\"priority\":null,\"correlationId\":null,\"replyTo\":null,\"expiration\":null,\"messageId\":null,\"timestamp\":null,\"type\":null,\"userId\":null,\"appId\":null,\"clusterId\":null";
    let whole = "\"contentType\":\"text/plain\",\"contentEncoding\":null,\"headers\":{\"h1\":{\"bytes\":[118,97,108]},\"n\":10,\"t\":{\"a\":[true,{\"bytes\":[-61,-87]}]}},\"deliveryMode\":1,\"priority\":34,\"correlationId\":null,\"replyTo\":null,\"expiration\":\"60000\",\"messageId\":null,\"timestamp\":\"Jan 1, 1970, 12:33:41 AM\",\"type\":null,\"userId\":null,\"appId\":null,\"clusterId\":null";
    let wanted = format!(
        "{{\"eventSource\":\"aws:rmq\",\"eventSourceArn\":\"{arn}\",\"rmqMessagesByQueue\":{{\
         \"whole::/\":[{{\"basicProperties\":{{{whole},\"bodySize\":7}},\"redelivered\":false,\"data\":\"eyJhIjoxfQ==\"}}],\
         \"other::/\":[{{\"basicProperties\":{{{null},\"bodySize\":1}},\"redelivered\":false,\"data\":\"/w==\"}}]}}}}"
    );
    assert_eq!(journal.events()[0].to_string(), wanted);
    assert_eq!(daemon.stop().code(), Some(0));
    admin.await_n_messages("whole", 0);
    admin.await_n_messages("other", 0);
}

#[test]
fn poison_is_isolated_and_its_neighbours_are_given_once() {
    let (rabbit, counts) = (Rabbit::shared(), Counts::default());
    let admin = rabbit.admin();
    // Whoever handed back what fails would lose it after three times.
    admin.declare("poisoned", "quorum", json!({ "x-delivery-limit": 2 }));
    let mut messages = numbered(0, 16);
    messages[5].body = b"poison".to_vec();
    admin.publish_all("poisoned", &messages);
    let it = Queues::at(rabbit.host());
    let function = counts.function(|event| {
        let is_poison = |it: &(String, Value)| text_of(&it.1) == "poison";
        if given_by(event).iter().any(is_poison) { Answer::Failed } else { done(event) }
    });
    let more = ", batch_size: 16, maximum_batching_window_in_seconds: 5, bisect_batch_on_function_error: true, \
                maximum_retry_attempts: 3, destination_config: { on_failure: { file: { path: dead.ndjson } } }";
    it.config(&function, &it.source("[poisoned]", ""), more);
    let daemon = Daemon::start(it.scene.folder());
    wait::until_told("the failure record", || it.scene.dead().pop(), || daemon.log());
    let dead = it.scene.dead();
    assert_eq!(dead.len(), 1, "{dead:?}");
    let info = &dead[0]["RabbitMQBatchInfo"];
    assert_eq!(
        (&info["batchSize"], &info["queues"]["poisoned::/"]["firstMessageId"]),
        (&json!(1), &json!("5"))
    );
    admin.await_n_messages("poisoned", 0);
    assert_eq!(counts.n_first(), 16);
    assert!(counts.of("5") > 3, "it was tried as often as it may, whatever its queue counts");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_function_names_what_failed_by_delivery_and_the_others_are_acked() {
    let (rabbit, journal) = (Rabbit::shared(), Journal::default());
    let admin = rabbit.admin();
    admin.declare("partly", "classic", json!({}));
    // Without names of their own.
    let message = |n: usize| RabbitMessage { body: n.to_string().into_bytes(), properties: json!({}) };
    admin.publish_all("partly", &(0..10).map(message).collect::<Vec<_>>());
    let it = Queues::at(rabbit.host());
    let function = journal.function_that(|event| {
        let failed = given_by(event).into_iter().filter(|(_, it)| text_of(it) == "3");
        let named: Vec<Value> = failed.map(|(_, it)| json!({ "itemIdentifier": it["deliveryId"] })).collect();
        Answer::Done(json!({ "batchItemFailures": named }).to_string())
    });
    let more = ", batch_size: 10, maximum_batching_window_in_seconds: 5, maximum_retry_attempts: 2, \
                function_response_types: [ReportBatchItemFailures], destination_config: { on_failure: { file: { path: dead.ndjson } } }";
    it.config(&function, &it.source("[partly]", ", delivery_ids: present"), more);
    let daemon = Daemon::start(it.scene.folder());
    wait::until_told("the failure record", || it.scene.dead().pop(), || daemon.log());
    let sizes: Vec<usize> = journal.events().iter().map(|it| given_by(it).len()).collect();
    assert_eq!(sizes, [10, 1, 1], "the others were given once");
    admin.await_n_messages("partly", 0);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_password_a_virtual_host_and_a_queue_that_are_wrong_are_named_and_it_goes_on_once_they_are_right() {
    let (rabbit, journal) = (Rabbit::shared(), Journal::default());
    let admin = rabbit.admin();
    admin.put_user("reader", "another");
    let it = Queues::at(rabbit.host());
    let function = journal.function();
    let source = it.source_as("reader", "[late, there]", "");
    it.config(&function, &source, "");
    admin.declare("there", "classic", json!({}));
    admin.publish_all("there", &[RabbitMessage::named("a", "there")]);
    let daemon = Daemon::start(it.scene.folder());
    it.await_why(&daemon, "FB-0411");
    it.await_why(&daemon, "the broker does not take the credentials");
    admin.put_user("reader", forebay_tests::rabbitmq::PASSWORD);
    await_texts(&journal, &daemon, &["there"]);
    // One of the two is missing: the other one went on.
    it.await_why(&daemon, "queue late: FB-0414");
    admin.declare("late", "quorum", json!({}));
    admin.publish("late", &RabbitMessage::named("b", "late"));
    await_texts(&journal, &daemon, &["late"]);
    assert_eq!(daemon.stop().code(), Some(0));

    it.config(&function, &it.source("[there]", ", virtual_host: tenant"), "");
    let daemon = Daemon::start(it.scene.folder());
    it.await_why(&daemon, "FB-0413");
    admin.put_virtual_host("tenant");
    it.await_why(&daemon, "FB-0414");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_queue_that_is_deleted_and_made_again_is_consumed_again() {
    let (rabbit, journal) = (Rabbit::shared(), Journal::default());
    let admin = rabbit.admin();
    admin.declare("remade", "classic", json!({}));
    let it = Queues::at(rabbit.host());
    let function = journal.function();
    it.config(&function, &it.source("[remade]", ""), "");
    let daemon = Daemon::start(it.scene.folder());
    admin.publish("remade", &RabbitMessage::named("a", "before"));
    await_texts(&journal, &daemon, &["before"]);
    admin.delete("remade");
    it.await_why(&daemon, "FB-0414");
    assert!(daemon.log().contains("FB-0416"), "{}", daemon.log());
    admin.declare("remade", "classic", json!({}));
    admin.publish("remade", &RabbitMessage::named("b", "after"));
    await_texts(&journal, &daemon, &["after"]);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_message_that_is_held_for_longer_than_the_consumer_timeout_comes_again_and_is_finished() {
    let rabbit = Rabbit::start("{consumer_timeout, 3000}, {channel_tick_interval, 1000}");
    let (admin, counts) = (rabbit.admin(), Counts::default());
    admin.declare("slow", "quorum", json!({}));
    let it = Queues::at(rabbit.host());
    let seen = counts.clone();
    // Once it takes longer than the broker waits.
    let function = counts.function(move |event| {
        if seen.of("0") == 1 {
            take_time(Duration::from_secs(8));
        }
        done(event)
    });
    it.config(&function, &it.source("[slow]", ""), ", batch_size: 1");
    let daemon = Daemon::start(it.scene.folder());
    admin.publish_all("slow", &numbered(0, 1));
    wait::until_told("its second time", || (counts.of("0") == 2).then_some(()), || daemon.log());
    assert!(daemon.log().contains("FB-0417"), "{}", daemon.log());
    admin.publish_all("slow", &numbered(1, 20));
    wait::until_count("the others", 20, || counts.n_first());
    admin.await_n_messages("slow", 0);
    assert_eq!(counts.n_repeats(), 1);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_broker_is_trusted_by_its_certificate_and_a_stream_is_refused() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let authority = TestAuthority::new("rabbits");
    let files = authority.sign(folder.path(), "rabbit");
    let roots = authority.write(&folder.path().join("ca.pem"));
    let tls = RabbitTls { roots: roots.clone(), certificate: files.certificate, key: files.key };
    let (rabbit, journal) = (Rabbit::start_with_tls(&tls), Journal::default());
    let admin = rabbit.admin();
    admin.declare("guarded", "classic", json!({}));
    admin.publish("guarded", &RabbitMessage::named("a", "secret"));
    let it = Queues::at(rabbit.tls_host());
    let function = journal.function();
    it.config(&function, &it.source("[guarded]", ", tls: {}"), "");
    let daemon = Daemon::start(it.scene.folder());
    it.await_why(&daemon, "FB-0412");
    assert_eq!(daemon.stop().code(), Some(0));
    // Debian's Erlang asks for a certificate and takes whoever has none.
    let trusts = format!(", tls: {{ ca_file: \"{}\" }}", roots.display());
    it.config(&function, &it.source("[guarded]", &trusts), "");
    let daemon = Daemon::start(it.scene.folder());
    await_texts(&journal, &daemon, &["secret"]);
    assert_eq!(daemon.stop().code(), Some(0));

    admin.declare("log", "stream", json!({}));
    it.config(&function, &it.source("[log]", &trusts), "");
    let daemon = Daemon::start(it.scene.folder());
    admin.await_consumer("log");
    admin.publish("log", &RabbitMessage::named("b", "of a stream"));
    it.await_why(&daemon, "FB-0421");
    assert_eq!(daemon.stop().code(), Some(0));
}
