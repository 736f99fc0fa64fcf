//! Reads what stands under `schema_registry`.

use std::path::Path;

use super::{
    EventRecordFormat, RegistryAccess, RegistryAuthorization, SCHEMA_REGISTRY_SCOPE, SchemaRegistryAt,
    SchemaRegistrySettings, ValidatedSides,
};
use crate::aws::{Arn, AwsSettings};
use crate::error::{Code, Finding, join};
use crate::fields::{Fields, Item};
use crate::secret_ref::SecretRef;
use crate::url;

impl SchemaRegistrySettings {
    /// Reads the settings; their rows are those of [`schema_registry_rows!`](crate::schema_registry_rows).
    /// Relative paths begin at `base`.
    pub fn read(it: Item<'_, '_>, base: &Path) -> Option<Self> {
        it.fields(|fields| {
            let url = fields.optional("url", read_url);
            let arn = fields.optional("arn", read_registry_arn);
            let format = fields.required("event_record_format", |it| it.word(&EventRecordFormat::ALL));
            let validated = fields.required("validate", read_sides);
            let access = fields.optional("access", |it| it.fields(|fields| read_access(fields, base)));
            let ca_file = fields.optional("ca_file", |it| it.file_path(base));
            let aws = fields.optional("aws", |it| AwsSettings::read(it, SCHEMA_REGISTRY_SCOPE, base));
            one_place(fields);
            let registry = match (url, arn) {
                (Some(url), _) => {
                    refuse(fields, &["aws"], "is for a registry of Glue's, which `arn` names");
                    let access = access.unwrap_or_default();
                    if access.client_certificate.is_some() && !is_https(&url) {
                        let message = "is shown to servers at `https://` only";
                        conflict(fields, "access", message, "write the URL with `https://`");
                    }
                    SchemaRegistryAt::Http { url, access: access.into(), ca_file }
                }
                (None, arn) => {
                    let arn = arn?;
                    refuse(fields, &["access", "ca_file"], "is for a registry that `url` names");
                    let aws = aws.unwrap_or_default();
                    if aws.region.as_ref().is_some_and(|it| *it != arn.region) {
                        let message = format!("is for another region than the ARN's, `{}`", arn.region);
                        conflict(fields, "aws", &message, "remove its `region`: the ARN says it");
                    }
                    SchemaRegistryAt::Glue { arn, aws: aws.into() }
                }
            };
            Some(Self { registry, format: format?, validated: validated? })
        })
    }
}

/// Notes when not exactly one registry is named.
fn one_place(fields: &mut Fields<'_>) {
    let written = [fields.key("url"), fields.key("arn")];
    let path = fields.path().to_owned();
    let message = "must hold exactly one of `url` and `arn`";
    match written {
        [Some(_), Some(second)] => {
            fields.push(Finding::new(Code::ONE_OF, path, &second.place, message).fix("keep one of them"));
        }
        [None, None] if fields.is_map() => {
            let finding = Finding::new(Code::ONE_OF, path, fields.place(), message);
            fields.push(finding.fix("say where it is: `url: http://registry:8081`"));
        }
        [_, _] => {}
    }
}

/// Notes what has no meaning for the registry that is named.
fn refuse(fields: &mut Fields<'_>, keys: &[&'static str], message: &str) {
    for key in keys {
        if let Some(node) = fields.node(key) {
            let path = join(fields.path(), key);
            fields.push(Finding::new(Code::CONFLICT, path, &node.place, message).fix("remove it"));
        }
    }
}

fn conflict(fields: &mut Fields<'_>, key: &'static str, message: &str, fix: &str) {
    if let Some(node) = fields.node(key) {
        let path = join(fields.path(), key);
        fields.push(Finding::new(Code::CONFLICT, path, &node.place, message).fix(fix));
    }
}

fn is_https(url: &str) -> bool {
    url.get(..8).is_some_and(|it| it.eq_ignore_ascii_case("https://"))
}

/// The beginning of the URLs that are called.
fn read_url(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    if let Err(mistake) = url::parse(&text) {
        it.wrong(Code::NOT_ALLOWED, mistake.to_string(), Some(mistake.fix().to_owned()));
        return None;
    }
    if text.contains('?') {
        let fix = "write it without `?` and what follows";
        it.wrong(Code::NOT_ALLOWED, "the URL of a registry has no query", Some(fix.to_owned()));
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn read_registry_arn(mut it: Item<'_, '_>) -> Option<Arn> {
    let text = it.again().text()?;
    let is_registry = |it: &Arn| {
        it.service == "glue" && it.resource.strip_prefix("registry/").is_some_and(|it| !it.is_empty())
    };
    let arn = Arn::parse(&text).filter(is_registry);
    if arn.is_none() {
        let fix = "write `arn:aws:glue:region:account:registry/name`";
        it.wrong(Code::NOT_ALLOWED, "is not the ARN of a schema registry", Some(fix.to_owned()));
    }
    arn
}

fn read_sides(mut it: Item<'_, '_>) -> Option<ValidatedSides> {
    let known = [(ValidatedSides::WORDS[0], true), (ValidatedSides::WORDS[1], false)];
    let are_keys = it.again().list(|it| it.word(&known))?;
    if are_keys.is_empty() {
        let fix = "write `[VALUE]`, or remove `schema_registry`";
        it.wrong(Code::NOT_ALLOWED, "must name at least one side of the records", Some(fix.to_owned()));
        return None;
    }
    Some(ValidatedSides { key: are_keys.contains(&true), value: are_keys.contains(&false) })
}

fn read_access(fields: &mut Fields<'_>, base: &Path) -> Option<RegistryAccess> {
    let basic = fields.optional("basic_auth", |it| SecretRef::read(it, base));
    let bearer = fields.optional("bearer", |it| SecretRef::read(it, base));
    let client_certificate = fields.optional("client_certificate", |it| SecretRef::read(it, base));
    let ca_certificate = fields.optional("ca_certificate", |it| SecretRef::read(it, base));
    if basic.is_some() && bearer.is_some() {
        conflict(fields, "bearer", "stands beside `basic_auth`, and one request has one", "keep one of them");
    }
    let authorization =
        basic.map(RegistryAuthorization::Basic).or_else(|| bearer.map(RegistryAuthorization::Bearer));
    Some(RegistryAccess { authorization, client_certificate, ca_certificate })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{SettingSpec, Shape};

    fn read(text: &str) -> Result<SchemaRegistrySettings, Vec<String>> {
        let document =
            crate::Document::parse("t.yaml", text, crate::Format::Yaml, Path::new("/base")).unwrap();
        let mut findings = Vec::new();
        let item = Item::new(&document.root, "schema_registry", &mut findings);
        let settings = SchemaRegistrySettings::read(item, Path::new("/base"));
        assert_eq!(settings.is_some(), findings.is_empty(), "{findings:?}");
        settings.ok_or_else(|| findings.iter().map(|it| format!("{}: {}", it.path, it.message)).collect())
    }

    #[test]
    fn a_registry_is_at_a_url_or_one_of_glues() {
        let of_url = read(
            "url: https://r:8081/apis/ccompat/v7/\nevent_record_format: JSON\nvalidate: [VALUE, KEY]\n\
             access: { basic_auth: 'env:R', client_certificate: 'file:c.json' }\nca_file: ca.pem",
        )
        .unwrap();
        let SchemaRegistryAt::Http { url, access, ca_file } = of_url.registry else { panic!("no URL") };
        assert_eq!(url, "https://r:8081/apis/ccompat/v7");
        assert_eq!(ca_file.as_deref(), Some(Path::new("/base/ca.pem")));
        assert_eq!(access.authorization, Some(RegistryAuthorization::Basic(SecretRef::Env("R".to_owned()))));
        assert_eq!(access.client_certificate, Some(SecretRef::File("/base/c.json".into())));
        assert_eq!(of_url.validated, ValidatedSides { key: true, value: true });
        let of_glue = read(
            "arn: arn:aws:glue:eu-west-1:123456789012:registry/r\nevent_record_format: SOURCE\nvalidate: [KEY]",
        )
        .unwrap();
        assert!(matches!(of_glue.registry, SchemaRegistryAt::Glue { .. }));
        assert_eq!(of_glue.format, EventRecordFormat::Source);
        assert_eq!(of_glue.validated, ValidatedSides { key: true, value: false });
    }

    #[test]
    fn what_has_no_meaning_is_refused_where_it_stands() {
        let rest = "event_record_format: JSON\nvalidate: [VALUE]\n";
        let glue = "arn: arn:aws:glue:eu-west-1:123456789012:registry/r\n";
        for (text, part) in [
            (rest.to_owned(), "schema_registry: must hold exactly one"),
            (format!("url: http://r\n{glue}{rest}"), "schema_registry: must hold exactly one"),
            (format!("url: r\n{rest}"), "schema_registry.url: must begin"),
            (format!("url: http://r?x=1\n{rest}"), "has no query"),
            (format!("url: http://u:p@r\n{rest}"), "no user and password"),
            (format!("arn: arn:aws:sqs:eu-west-1:123456789012:q\n{rest}"), "is not the ARN"),
            (format!("url: http://r\n{rest}aws: {{ region: eu-west-1 }}"), "schema_registry.aws: is for"),
            (format!("{glue}{rest}ca_file: ca.pem"), "schema_registry.ca_file: is for"),
            (format!("{glue}{rest}access: {{ bearer: 'env:T' }}"), "schema_registry.access: is for"),
            (format!("{glue}{rest}aws: {{ region: eu-west-2 }}"), "schema_registry.aws: is for another"),
            (
                format!("url: http://r\n{rest}access: {{ client_certificate: 'env:C' }}"),
                "access: is shown to servers at `https://` only",
            ),
            (
                format!("url: http://r\n{rest}access: {{ basic_auth: 'env:A', bearer: 'env:T' }}"),
                "access.bearer: stands beside",
            ),
            (format!("url: http://r\n{rest}access: {{ bearer: hunter2 }}"), "not the secret itself"),
            ("url: http://r\nevent_record_format: AVRO\nvalidate: [VALUE]".to_owned(), "must be one of"),
            ("url: http://r\nevent_record_format: JSON\nvalidate: []".to_owned(), "at least one side"),
            ("url: http://r\nevent_record_format: JSON\nvalidate: [HEADER]".to_owned(), "must be one of"),
            ("url: http://r\nevent_record_format: JSON".to_owned(), "`validate` is missing"),
            ("url: http://r\nvalidate: [KEY]".to_owned(), "`event_record_format` is missing"),
            (format!("url: http://r\n{rest}formats: JSON"), "schema_registry.formats"),
        ] {
            let findings = read(&text).unwrap_err();
            assert!(findings.iter().any(|it| it.contains(part)), "{text}: {findings:?}");
            assert!(findings.iter().all(|it| !it.contains("hunter2")));
        }
    }

    #[test]
    fn every_row_is_a_key_that_is_read() {
        static ROWS: [SettingSpec; 12] = crate::schema_registry_rows!("schema_registry");
        for row in ROWS.iter().skip(1) {
            let value = match row.shape {
                Shape::Group | Shape::Aws(_) => "{}",
                _ => "1",
            };
            let keys: Vec<&str> = row.path.split('.').skip(1).collect();
            let text = match keys.as_slice() {
                [key] => format!("{key}: {value}"),
                [group, key] => format!("{group}: {{ {key}: {value} }}"),
                _ => panic!("{}", row.path),
            };
            let findings = read(&text).unwrap_err();
            assert!(findings.iter().all(|it| !it.contains("there is no")), "{}: {findings:?}", row.path);
        }
    }
}
