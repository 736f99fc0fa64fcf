//! What may be said of brokers that speak AMQP, and what is said of what may not.

use std::path::{Path, PathBuf};

use super::*;
use crate::document::{Document, Format};
use crate::fields::Fields;

/// What is read, or the findings as lines.
fn read(text: &str) -> Result<AmqpSettings, Vec<String>> {
    let document = Document::parse("test", text, Format::Yaml, Path::new("/base")).expect("it is YAML");
    Fields::read(&document.root, "source", |fields| AmqpSettings::read(fields, Path::new("/base")))
        .map_err(|found| found.iter().map(|it| format!("{}: {}", it.path, it.message)).collect())
}

fn env(name: &str) -> SecretRef {
    SecretRef::Env(name.to_owned())
}

#[test]
fn a_user_with_a_password_reads_the_first_virtual_host() {
    let read = read("{ hosts: ['a:5672', '[::1]:5673'], username: u, password: 'env:P' }").unwrap();
    let user = BrokerUser::Named { username: "u".to_owned(), password: env("P") };
    assert_eq!((read.hosts.len(), &*read.virtual_host, &read.tls), (2, "/", &None));
    assert_eq!((read.user.clone(), read.secrets()), (Some(user), vec![&env("P")]));
}

#[test]
fn a_certificate_is_a_name_too_and_nobody_is_let_in_without_one() {
    let tls = "certificate_file: c.pem, key: 'file:k.pem', ca_secret: 'env:CA'";
    let read_tls = read(&format!("{{ hosts: ['a:1'], virtual_host: v, tls: {{ {tls} }} }}")).unwrap();
    let key = SecretRef::File(PathBuf::from("/base/k.pem"));
    assert_eq!((&*read_tls.virtual_host, read_tls.user.clone()), ("v", None));
    assert_eq!(read_tls.secrets(), [&env("CA"), &key]);
    for text in ["{ hosts: ['a:1'] }", "{ hosts: ['a:1'], tls: {} }"] {
        let wrong = "source.username: a broker wants to know who reads: `username` is missing".to_owned();
        assert_eq!(read(text), Err(vec![wrong]));
    }
}

#[test]
fn what_contradicts_itself_or_is_a_secret_itself_is_refused_by_name() {
    for (text, wrong) in [
        ("username: u", "source.password: `username` stands alone: `password` is missing"),
        ("password: 'env:P'", "source.username: `password` stands alone: `username` is missing"),
        (
            "username: u, password: hunter2",
            "source.password: must say where the secret is, not the secret itself",
        ),
        ("secret: 'env:S', username: u, password: 'env:P'", "source.username: `secret` says the same"),
        (
            "secret: 'env:S', tls: { key: 'env:K' }",
            "source.tls.certificate_file: `key` stands alone: `certificate_file` is missing",
        ),
        ("secret: 'env:S', virtual_host: ''", "source.virtual_host: must not be empty"),
    ] {
        let found = read(&format!("{{ hosts: ['a:1'], {text} }}")).unwrap_err();
        assert_eq!(found[0], wrong, "{text}: {found:?}");
    }
    assert_eq!(
        read("{ hosts: [a], secret: 'env:S' }"),
        Err(vec!["source.hosts[0]: is no `host:port`".to_owned()])
    );
}
