//! The tests' own Kafka: that a node takes and gives records, keeps them while it is down, and lets in whom it
//! should.

use forebay_tests::kafka::secured::{ALICE, BOB, Door, SecuredKafka, password};
use forebay_tests::kafka::three::ThreeKafkas;
use forebay_tests::kafka::tools::{GroupRow, describe_group};
use forebay_tests::kafka::{Kafka, KafkaClient, Sent};
use forebay_tests::wait;

#[test]
fn a_node_gives_what_it_has_taken_byte_for_byte_and_keeps_it_while_it_is_down() {
    let mut kafka = Kafka::start();
    let client = kafka.client();
    client.create_topic("things", 2);
    let whole =
        Sent::of("k", "v").to(0).header("h", Some(b"\x80\xff")).header("h", None).header("e", Some(b""));
    let tombstone = Sent { key: Some(b"k".to_vec()), partition: Some(1), ..Sent::default() };
    let keyless = Sent {
        value: Some(Vec::new()),
        partition: Some(1),
        timestamp: Some(1_700_000_000_123),
        ..Sent::default()
    };
    assert_eq!(
        client.send("things", &[whole.clone(), tombstone.clone(), keyless.clone()]),
        [(0, 0), (1, 0), (1, 1)]
    );
    let check = |client: &KafkaClient| {
        let taken = client.read("things");
        let sent = [&whole, &tombstone, &keyless];
        assert_eq!(taken.len(), sent.len(), "{taken:?}");
        for (taken, sent) in taken.iter().zip(sent) {
            assert_eq!(
                (Some(taken.partition), &taken.key, &taken.value),
                (sent.partition, &sent.key, &sent.value)
            );
            assert_eq!(taken.headers, sent.headers);
        }
        assert_eq!(taken[2].timestamp, keyless.timestamp);
    };
    check(&client);
    kafka.kill();
    kafka.restart();
    check(&client);
    kafka.stop();
    kafka.restart();
    check(&client);
    assert_eq!(client.send("things", &[Sent::of("k", "w").to(0)]), [(0, 1)]);
}

#[test]
fn transactions_groups_and_topics_are_as_a_test_asks_for_them() {
    let kafka = Kafka::shared();
    let client = kafka.client();
    client.create_topic("asked", 1);
    client.send_and_abort("t", "asked", &[Sent::of("k", "aborted")]);
    client.send_in_transaction("t", "asked", &[Sent::of("k", "committed")]);
    let values: Vec<_> = client.read("asked").into_iter().filter_map(|it| it.value).collect();
    assert_eq!(values, [b"committed"], "a record that was aborted is given to nobody");
    client.grow_topic("asked", 2);
    assert_eq!(client.committed("group", "asked"), [None, None]);
    client.commit("group", "asked", &[(0, 3)]);
    assert_eq!(client.committed("group", "asked"), [Some(3), None]);
    let row = GroupRow { topic: "asked".to_owned(), partition: 0, committed: Some(3), end: 4, lag: Some(1) };
    assert_eq!(describe_group(&kafka.bootstrap(), "group"), [row], "as an operator sees it");
    client.send("asked", &[Sent::of("k", "1").to(1), Sent::of("k", "2").to(1)]);
    client.delete_records_before("asked", 1, 1);
    assert_eq!((client.ends("asked")[1].low, client.ends("asked")[1].high), (1, 2));
    client.delete_topic("asked");
    assert_eq!(client.n_partitions("asked"), None);
}

#[test]
fn partitions_of_a_node_that_was_killed_are_led_by_the_others() {
    let mut kafka = ThreeKafkas::start();
    let client = kafka.client();
    client.create_topic("led", 3);
    let records: Vec<Sent> = (0..3).map(|partition| Sent::of("k", "before").to(partition)).collect();
    client.send("led", &records);
    let killed = client.leaders("led").expect("the topic is there")[0];
    let id = usize::try_from(killed).expect("somebody leads it");
    kafka.kill(id);
    let leaders = wait::until("other leaders", || {
        client.leaders("led").filter(|it| it.iter().all(|it| *it >= 0 && *it != killed))
    });
    assert_eq!(leaders.len(), 3);
    client.send("led", &records);
    kafka.restart(id);
    assert_eq!(client.read("led").len(), 6);
}

#[test]
fn each_door_lets_in_whom_it_should_and_nobody_else() {
    let kafka = SecuredKafka::start();
    kafka.client().create_topic("guarded", 1);
    let (ca, unknown) = (kafka.ca.display().to_string(), kafka.unknown_ca().display().to_string());
    let at = |door| KafkaClient::new(&kafka.bootstrap(door));
    let user = |door, protocol: &str, mechanism: &str, password: &str| {
        let client = at(door).with("security.protocol", protocol).with("sasl.mechanism", mechanism);
        client.with("sasl.username", ALICE).with("sasl.password", password)
    };
    let tls = |door, ca: &str| at(door).with("security.protocol", "ssl").with("ssl.ca.location", ca);
    let certified = |files: &forebay_tests::kafka::certificates::SignedFiles| {
        let client = tls(Door::MutualTls, &ca);
        let client = client.with("ssl.certificate.location", &files.certificate.display().to_string());
        client.with("ssl.key.location", &files.key.display().to_string())
    };
    let right = password(ALICE);
    let bearer =
        at(Door::Bearer).with("security.protocol", "sasl_plaintext").with("sasl.mechanism", "OAUTHBEARER");
    let bearer = bearer.with("enable.sasl.oauthbearer.unsecure.jwt", "true");
    let bob = |client: KafkaClient| client.with("sasl.username", BOB).with("sasl.password", &password(BOB));
    let mut let_in = vec![
        ("tls", tls(Door::Tls, &ca)),
        ("a certificate", certified(&kafka.client)),
        ("a token", bearer.clone().with("sasl.oauthbearer.config", &format!("principal={ALICE}"))),
    ];
    let mut kept_out = vec![
        ("an unknown authority", tls(Door::Tls, &unknown)),
        ("no certificate", tls(Door::MutualTls, &ca)),
        ("an expired certificate", certified(&kafka.expired_client())),
        ("a token of a stranger", bearer.with("sasl.oauthbearer.config", "principal=stranger")),
    ];
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let over_tls = |password: &str| {
            user(Door::SaslTls, "sasl_ssl", mechanism, password).with("ssl.ca.location", &ca)
        };
        let plain = |password: &str| user(Door::Sasl, "sasl_plaintext", mechanism, password);
        let_in.extend([(mechanism, plain(&right)), (mechanism, over_tls(&right))]);
        kept_out.extend([(mechanism, plain("wrong")), (mechanism, over_tls("wrong"))]);
        kept_out.push(("a user who may nothing", bob(plain(""))));
    }
    for (who, client) in let_in {
        assert!(
            client.try_send("guarded", &[Sent::of("k", "v")])[0].is_ok(),
            "{who} is kept out: {}",
            kafka.log()
        );
    }
    for (who, client) in kept_out {
        // librdkafka tries for ever; those who are let in need less.
        let client = client.with("message.timeout.ms", "3000");
        assert!(client.try_send("guarded", &[Sent::of("k", "v")])[0].is_err(), "{who} is let in");
    }
}
