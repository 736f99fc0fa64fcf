//! What may be said of brokers, and what is said of what may not.

use std::path::{Path, PathBuf};

use super::*;
use crate::document::{Document, Format};
use crate::fields::Fields;

/// What is read, or the findings as lines.
fn read(text: &str) -> Result<BrokerSettings, Vec<String>> {
    let document = Document::parse("test", text, Format::Yaml, Path::new("/base")).expect("it is YAML");
    Fields::read(&document.root, "source", |fields| BrokerSettings::read(fields, Path::new("/base")))
        .map_err(|found| found.iter().map(|it| format!("{}: {}", it.path, it.message)).collect())
}

fn env(name: &str) -> SecretRef {
    SecretRef::Env(name.to_owned())
}

#[test]
fn plain_brokers_need_no_more_than_their_servers() {
    let read = read("bootstrap_servers: ['b-1:9092', '[::1]:9093', '10.0.0.1:9094']").unwrap();
    assert_eq!(read.bootstrap_servers, ["b-1:9092", "[::1]:9093", "10.0.0.1:9094"]);
    assert_eq!((read.tls.clone(), read.sasl.clone(), read.secrets()), (None, None, vec![]));
}

#[test]
fn servers_are_host_and_port_and_no_machines_metadata() {
    for (servers, wrong) in [
        ("[]", "source.bootstrap_servers: names no broker"),
        ("[broker]", "source.bootstrap_servers[0]: is no `host:port`"),
        ("['broker:']", "source.bootstrap_servers[0]: is no `host:port`"),
        ("[':9092']", "source.bootstrap_servers[0]: is no `host:port`"),
        ("['broker:0']", "source.bootstrap_servers[0]: is no `host:port`"),
        ("['broker:70000']", "source.bootstrap_servers[0]: is no `host:port`"),
        ("['SASL_SSL://broker:9092']", "source.bootstrap_servers[0]: is no `host:port`"),
        ("['a:1,b:2']", "source.bootstrap_servers[0]: is no `host:port`"),
        ("['::1:9092']", "source.bootstrap_servers[0]: is no `host:port`"),
    ] {
        assert_eq!(read(&format!("bootstrap_servers: {servers}")), Err(vec![wrong.to_owned()]), "{servers}");
    }
    let metadata = read("bootstrap_servers: ['169.254.169.254:80']").unwrap_err();
    assert!(metadata[0].contains("metadata address"), "{metadata:?}");
    assert_eq!(read("{}"), Err(vec!["source.bootstrap_servers: `bootstrap_servers` is missing".to_owned()]));
}

#[test]
fn tls_trusts_roots_and_shows_a_certificate_with_its_key() {
    let tls = |text: &str| {
        read(&format!("{{ bootstrap_servers: ['b:1'], tls: {text} }}")).map(|it| it.tls.unwrap())
    };
    assert_eq!(tls("{}"), Ok(BrokerTls::default()));
    let files = tls("{ ca_file: ca.pem, certificate_file: c.pem, key: 'file:k.pem', key_password: 'env:P' }");
    let certificate = BrokerCertificate::Files {
        certificate: PathBuf::from("/base/c.pem"),
        key: SecretRef::File(PathBuf::from("/base/k.pem")),
        key_password: Some(env("P")),
    };
    let roots = Some(BrokerRoots::File(PathBuf::from("/base/ca.pem")));
    assert_eq!(files, Ok(BrokerTls { roots, client: Some(certificate) }));
    let secrets = tls("{ ca_secret: 'env:CA', client_secret: 'env:C' }");
    let roots = Some(BrokerRoots::Secret(env("CA")));
    assert_eq!(secrets, Ok(BrokerTls { roots, client: Some(BrokerCertificate::Secret(env("C"))) }));
    for (text, wrong) in [
        ("{ ca_file: a, ca_secret: 'env:B' }", "source.tls.ca_secret: `ca_file` says the same"),
        ("{ certificate_file: c }", "source.tls.key: `certificate_file` stands alone: `key` is missing"),
        (
            "{ key: 'env:K' }",
            "source.tls.certificate_file: `key` stands alone: `certificate_file` is missing",
        ),
        ("{ key_password: 'env:K' }", "source.tls.key: `key_password` encrypts no key: `key` is missing"),
        (
            "{ client_secret: 'env:C', certificate_file: c, key: 'env:K' }",
            "source.tls.certificate_file: `client_secret` says the same",
        ),
    ] {
        assert_eq!(tls(text).unwrap_err()[0], wrong, "{text}");
    }
}

#[test]
fn who_one_is_is_said_in_one_way_and_secrets_are_never_repeated() {
    let sasl = |text: &str| {
        read(&format!("{{ bootstrap_servers: ['b:1'], sasl: {text} }}")).map(|it| it.sasl.unwrap())
    };
    let named = BrokerUser::Named { username: "alice".to_owned(), password: env("P") };
    for (word, mechanism) in [
        ("PLAIN", PasswordMechanism::Plain),
        ("SCRAM-SHA-256", PasswordMechanism::Scram256),
        ("SCRAM-SHA-512", PasswordMechanism::Scram512),
    ] {
        let read = sasl(&format!("{{ mechanism: {word}, username: alice, password: 'env:P' }}"));
        assert_eq!(read, Ok(BrokerSasl::Password(mechanism, named.clone())));
        assert_eq!(mechanism.name(), word);
    }
    let secret = sasl("{ mechanism: PLAIN, secret: 'env:S' }");
    assert_eq!(secret, Ok(BrokerSasl::Password(PasswordMechanism::Plain, BrokerUser::Secret(env("S")))));
    let oauth = sasl(
        "{ mechanism: OAUTHBEARER, oauth: { token_url: 'https://id/token', client_id: me, client_secret: 'env:S', scope: 'a b' } }",
    );
    let expected = BrokerOAuth {
        token_url: "https://id/token".to_owned(),
        ca_file: None,
        client_id: "me".to_owned(),
        client_secret: env("S"),
        scope: Some("a b".to_owned()),
        audience: None,
    };
    assert_eq!(oauth, Ok(BrokerSasl::OAuth(expected)));
    let iam = sasl("{ mechanism: AWS_MSK_IAM, aws: { region: eu-west-1 } }");
    assert!(matches!(iam, Ok(BrokerSasl::Iam(aws)) if aws.region.as_deref() == Some("eu-west-1")));
    for (text, wrong) in [
        ("{}", "source.sasl.mechanism: `mechanism` is missing"),
        (
            "{ mechanism: PLAIN, username: a }",
            "source.sasl.password: `PLAIN` needs a user: `password` is missing",
        ),
        (
            "{ mechanism: PLAIN, username: a, secret: 'env:S' }",
            "source.sasl.username: `secret` says the same",
        ),
        ("{ mechanism: OAUTHBEARER, username: a }", "source.sasl.username: has no meaning for `OAUTHBEARER`"),
        (
            "{ mechanism: OAUTHBEARER }",
            "source.sasl.oauth: `OAUTHBEARER` needs to know where tokens come from",
        ),
        (
            "{ mechanism: AWS_MSK_IAM, secret: 'env:S' }",
            "source.sasl.secret: has no meaning for `AWS_MSK_IAM`",
        ),
    ] {
        assert_eq!(sasl(text).unwrap_err()[0], wrong, "{text}");
    }
    let bare = sasl("{ mechanism: PLAIN, username: alice, password: hunter2 }").unwrap_err();
    assert!(bare[0].contains("not the secret itself") && !bare[0].contains("hunter2"), "{bare:?}");
}

#[test]
fn every_row_is_read_and_no_other() {
    let rows = crate::broker_specs!("event_source_mappings[].source.brokers");
    let words = rows.iter().map(|it| it.path.rsplit("source.brokers.").next().unwrap());
    let text = format!("{rows:?}");
    assert_eq!(words.count(), N_BROKER_SPECS);
    assert!(text.contains("AWS_MSK_IAM"));
    let found = read(
        "{ bootstrap_servers: ['b:1'], tls: { a: 1 }, sasl: { mechanism: PLAIN, b: 1, username: u, password: 'env:P' } }",
    );
    let found = found.unwrap_err();
    assert!(found.iter().any(|it| it.starts_with("source.tls.a:")), "{found:?}");
    assert!(found.iter().any(|it| it.starts_with("source.sasl.b:")), "{found:?}");
}
