//! Reads a block of brokers that speak AMQP from its map.

use std::path::Path;

use super::{AmqpSettings, VIRTUAL_HOST};
use crate::brokers::read::{exclude, read_roots, read_servers, together};
use crate::brokers::{BrokerCertificate, BrokerTls, BrokerUser};
use crate::error::Code;
use crate::fields::{Fields, Item};
use crate::secret_ref::SecretRef;

/// AMQP writes a virtual host as a short string.
const VIRTUAL_HOST_BYTES_MAX: usize = 255;

impl AmqpSettings {
    /// Reads the settings of [`amqp_specs`](crate::amqp_specs) among those of a map that may hold others.
    /// Relative paths begin at `base`.
    pub fn read(fields: &mut Fields<'_>, base: &Path) -> Option<Self> {
        let hosts = fields.required("hosts", |it| read_servers(it, "broker-1:5672"));
        let virtual_host = fields.optional_checked("virtual_host", read_virtual_host);
        let tls = fields.optional_checked("tls", |it| read_tls(it, base));
        let user = read_user(fields, base);
        Some(Self {
            hosts: hosts?,
            virtual_host: virtual_host?.unwrap_or_else(|| VIRTUAL_HOST.to_owned()),
            user: named(fields, user?, tls.as_ref()?.as_ref())?,
            tls: tls?,
        })
    }
}

/// Nobody is let in without a name: a certificate has one too.
fn named(
    fields: &mut Fields<'_>,
    user: Option<BrokerUser>,
    tls: Option<&BrokerTls>,
) -> Option<Option<BrokerUser>> {
    if user.is_none() && tls.is_none_or(|it| it.client.is_none()) {
        let message = "a broker wants to know who reads: `username` is missing";
        fields.missing("username", message);
        return None;
    }
    Some(user)
}

fn read_virtual_host(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    if text.len() <= VIRTUAL_HOST_BYTES_MAX && !text.chars().any(char::is_control) {
        return Some(text);
    }
    it.wrong(Code::NOT_ALLOWED, "is no virtual host", Some("write 1 to 255 bytes, such as `/`".to_owned()));
    None
}

fn read_tls(it: Item<'_, '_>, base: &Path) -> Option<BrokerTls> {
    it.fields(|fields| {
        let roots = read_roots(fields, base);
        let certificate = fields.optional("certificate_file", |it| it.file_path(base));
        let key = fields.optional("key", |it| SecretRef::read(it, base));
        let secret = fields.optional("client_secret", |it| SecretRef::read(it, base));
        exclude(fields, "client_secret", &["certificate_file", "key"]);
        together(fields, "certificate_file", "key");
        let files = certificate.zip(key);
        let files =
            files.map(|(certificate, key)| BrokerCertificate::Files { certificate, key, key_password: None });
        Some(BrokerTls { roots, client: files.or_else(|| secret.map(BrokerCertificate::Secret)) })
    })
}

/// `Some(None)` where nobody is named, `None` where what is written is wrong.
fn read_user(fields: &mut Fields<'_>, base: &Path) -> Option<Option<BrokerUser>> {
    let username = fields.optional("username", |it| it.text());
    let password = fields.optional("password", |it| SecretRef::read(it, base));
    let secret = fields.optional("secret", |it| SecretRef::read(it, base));
    exclude(fields, "secret", &["username", "password"]);
    if fields.has("secret") {
        return secret.map(|it| Some(BrokerUser::Secret(it)));
    }
    together(fields, "username", "password");
    if !fields.has("username") && !fields.has("password") {
        return Some(None);
    }
    let (username, password) = username.zip(password)?;
    Some(Some(BrokerUser::Named { username, password }))
}
