//! Reads a block of brokers from its map.

use std::path::Path;

use super::{
    BROKER_AWS_SCOPE, BrokerCertificate, BrokerOAuth, BrokerRoots, BrokerSasl, BrokerSettings, BrokerTls,
    BrokerUser, MskCluster, PasswordMechanism,
};
use crate::address::judge_host;
use crate::aws::AwsSettings;
use crate::error::{Code, Finding, join};
use crate::fields::{Fields, Item};
use crate::secret_ref::SecretRef;
use crate::url;

/// A word under `mechanism`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Password(PasswordMechanism),
    OAuth,
    Iam,
}

/// In the order of [`BROKER_MECHANISMS`](super::BROKER_MECHANISMS).
const MECHANISMS: [(&str, Mechanism); 5] = [
    (super::BROKER_MECHANISMS[0], Mechanism::Password(PasswordMechanism::Plain)),
    (super::BROKER_MECHANISMS[1], Mechanism::Password(PasswordMechanism::Scram256)),
    (super::BROKER_MECHANISMS[2], Mechanism::Password(PasswordMechanism::Scram512)),
    (super::BROKER_MECHANISMS[3], Mechanism::OAuth),
    (super::BROKER_MECHANISMS[4], Mechanism::Iam),
];

impl BrokerSettings {
    /// Reads the settings of [`broker_specs`](crate::broker_specs) among those of a map that may hold others.
    /// Relative paths begin at `base`.
    pub fn read(fields: &mut Fields<'_>, base: &Path) -> Option<Self> {
        Self::read_or_ask(fields, base, None)
    }

    /// The same, where a cluster of MSK's is asked for the brokers that are not written.
    pub fn read_or_ask(fields: &mut Fields<'_>, base: &Path, cluster: Option<MskCluster>) -> Option<Self> {
        let cluster = cluster.filter(|_| !fields.has("bootstrap_servers")).map(Box::new);
        let servers = match &cluster {
            Some(_) => Some(Vec::new()),
            None => fields.required("bootstrap_servers", |it| read_servers(it, "broker-1:9092")),
        };
        let tls = fields.optional_checked("tls", |it| read_tls(it, base));
        let sasl = fields.optional_checked("sasl", |it| read_sasl(it, base));
        Some(Self { bootstrap_servers: servers?, cluster, tls: tls?, sasl: sasl? })
    }
}

/// A list of `host:port`, written like `example`.
pub(crate) fn read_servers(mut it: Item<'_, '_>, example: &str) -> Option<Vec<String>> {
    let servers = it.again().list(|it| read_server(it, example))?;
    if servers.is_empty() {
        it.wrong(Code::NOT_ALLOWED, "names no broker", Some("write `[host:port]`".to_owned()));
        return None;
    }
    Some(servers)
}

fn read_server(mut it: Item<'_, '_>, example: &str) -> Option<String> {
    let text = it.again().text()?;
    // An IPv6 address stands in brackets.
    let is_host = |host: &str| {
        let is_address = host
            .strip_prefix('[')
            .and_then(|it| it.strip_suffix(']'))
            .is_some_and(|it| it.parse::<core::net::Ipv6Addr>().is_ok());
        let is_name = host.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_".contains(&it));
        !host.is_empty() && (is_address || is_name)
    };
    let parts = text.rsplit_once(':').filter(|(host, _)| is_host(host));
    let port = parts.and_then(|(_, port)| port.parse::<u16>().ok()).filter(|it| *it > 0);
    match (parts, port) {
        (Some((host, _)), Some(_)) => match judge_host(host) {
            Ok(()) => Some(text),
            Err(forbidden) => {
                it.wrong(Code::NOT_ALLOWED, forbidden.to_string(), Some("name another host".to_owned()));
                None
            }
        },
        _ => {
            it.wrong(Code::NOT_ALLOWED, "is no `host:port`", Some(format!("write it like `{example}`")));
            None
        }
    }
}

fn read_tls(it: Item<'_, '_>, base: &Path) -> Option<BrokerTls> {
    it.fields(|fields| {
        let roots = read_roots(fields, base);
        let certificate = fields.optional("certificate_file", |it| it.file_path(base));
        let key = fields.optional("key", |it| SecretRef::read(it, base));
        let key_password = fields.optional("key_password", |it| SecretRef::read(it, base));
        let secret = fields.optional("client_secret", |it| SecretRef::read(it, base));
        exclude(fields, "client_secret", &["certificate_file", "key", "key_password"]);
        together(fields, "certificate_file", "key");
        if fields.has("key_password") && !fields.has("key") {
            fields.missing("key", "`key_password` encrypts no key: `key` is missing");
        }
        let files = certificate.zip(key);
        let files =
            files.map(|(certificate, key)| BrokerCertificate::Files { certificate, key, key_password });
        Some(BrokerTls { roots, client: files.or_else(|| secret.map(BrokerCertificate::Secret)) })
    })
}

/// Whom a client trusts, in a file or a secret.
pub(crate) fn read_roots(fields: &mut Fields<'_>, base: &Path) -> Option<BrokerRoots> {
    let file = fields.optional("ca_file", |it| it.file_path(base)).map(BrokerRoots::File);
    let secret = fields.optional("ca_secret", |it| SecretRef::read(it, base)).map(BrokerRoots::Secret);
    exclude(fields, "ca_file", &["ca_secret"]);
    file.or(secret)
}

fn read_sasl(it: Item<'_, '_>, base: &Path) -> Option<BrokerSasl> {
    it.fields(|fields| {
        let mechanism = fields.required("mechanism", |it| it.word(&MECHANISMS));
        let username = fields.optional("username", |it| it.text());
        let password = fields.optional("password", |it| SecretRef::read(it, base));
        let secret = fields.optional("secret", |it| SecretRef::read(it, base));
        let oauth = fields.optional("oauth", |it| read_oauth(it, base));
        let aws = fields.optional("aws", |it| AwsSettings::read(it, BROKER_AWS_SCOPE, base));
        let mechanism = mechanism?;
        let (word, _) = MECHANISMS.iter().find(|(_, it)| *it == mechanism)?;
        let useless: &[&'static str] = match mechanism {
            Mechanism::Password(_) => &["oauth", "aws"],
            Mechanism::OAuth => &["username", "password", "secret", "aws"],
            Mechanism::Iam => &["username", "password", "secret", "oauth"],
        };
        for key in useless {
            refuse(fields, key, &format!("has no meaning for `{word}`"));
        }
        match mechanism {
            Mechanism::Password(how) => {
                exclude(fields, "secret", &["username", "password"]);
                if fields.has("secret") {
                    return secret.map(|it| BrokerSasl::Password(how, BrokerUser::Secret(it)));
                }
                for key in ["username", "password"] {
                    if !fields.has(key) {
                        fields.missing(key, format!("`{word}` needs a user: `{key}` is missing"));
                    }
                }
                let (username, password) = username.zip(password)?;
                Some(BrokerSasl::Password(how, BrokerUser::Named { username, password }))
            }
            Mechanism::OAuth => {
                if !fields.has("oauth") {
                    fields.missing("oauth", format!("`{word}` needs to know where tokens come from"));
                }
                oauth.map(BrokerSasl::OAuth)
            }
            Mechanism::Iam => {
                let is_wrong = fields.has("aws") && aws.is_none();
                (!is_wrong).then(|| BrokerSasl::Iam(Box::new(aws.unwrap_or_default())))
            }
        }
    })
}

fn read_oauth(it: Item<'_, '_>, base: &Path) -> Option<BrokerOAuth> {
    it.fields(|fields| {
        let token_url = fields.required("token_url", read_url);
        let ca_file = fields.optional("ca_file", |it| it.file_path(base));
        let client_id = fields.required("client_id", |it| it.text());
        let client_secret = fields.required("client_secret", |it| SecretRef::read(it, base));
        let scope = fields.optional("scope", |it| it.text());
        let audience = fields.optional("audience", |it| it.text());
        Some(BrokerOAuth {
            token_url: token_url?,
            ca_file,
            client_id: client_id?,
            client_secret: client_secret?,
            scope,
            audience,
        })
    })
}

fn read_url(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    match url::parse(&text) {
        Ok(_) => Some(text),
        Err(mistake) => {
            it.wrong(Code::NOT_ALLOWED, mistake.to_string(), Some(mistake.fix().to_owned()));
            None
        }
    }
}

/// Notes where one of `others` stands beside `key`, which says the same.
pub(crate) fn exclude(fields: &mut Fields<'_>, key: &'static str, others: &[&'static str]) {
    if !fields.has(key) {
        return;
    }
    for other in others {
        if let Some(written) = fields.key(other) {
            let (path, place) = (join(fields.path(), other), written.place.clone());
            let message = format!("`{key}` says the same");
            fields.push(Finding::new(Code::CONFLICT, path, &place, message).fix("keep one of them"));
        }
    }
}

/// Notes where one of two stands without the other.
pub(crate) fn together(fields: &mut Fields<'_>, one: &'static str, other: &'static str) {
    for (written, missing) in [(one, other), (other, one)] {
        if fields.has(written) && !fields.has(missing) {
            fields.missing(missing, format!("`{written}` stands alone: `{missing}` is missing"));
        }
    }
}

fn refuse(fields: &mut Fields<'_>, key: &'static str, message: &str) {
    if let Some(written) = fields.key(key) {
        let (path, place) = (join(fields.path(), key), written.place.clone());
        fields.push(Finding::new(Code::NOT_ALLOWED, path, &place, message).fix("remove it"));
    }
}
