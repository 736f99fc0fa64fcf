//! Where the schemas of a source's records are kept, and what is made of those records with them.

mod read;

use std::path::PathBuf;

use crate::aws::{Arn, AwsService, AwsSettings};
use crate::secret_ref::SecretRef;

/// The service that keeps schemas at AWS. A kind of source that reads a [`SchemaRegistrySettings`] calls it.
pub static GLUE: AwsService = crate::aws_service!("glue", "GLUE", "Glue's schema registry");

/// What stands under `schema_registry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaRegistrySettings {
    /// `url` or `arn`, with what stands beside it.
    pub registry: SchemaRegistryAt,
    /// `event_record_format`
    pub format: EventRecordFormat,
    /// `validate`
    pub validated: ValidatedSides,
}

/// Which registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaRegistryAt {
    /// One with Confluent's API; the path of its URL stands before those of the API.
    Http {
        /// Without the `/` at its end.
        url: String,
        /// Whom it lets in.
        access: Box<RegistryAccess>,
        /// A PEM file with roots to trust besides those of the machine.
        ca_file: Option<PathBuf>,
    },
    /// One of Glue's.
    Glue {
        /// `arn:aws:glue:region:account:registry/name`
        arn: Arn,
        /// What it is called with, where that differs.
        aws: Box<AwsSettings>,
    },
}

/// What a registry is shown, as references to secrets. AWS keeps such secrets as JSON with members that it
/// names; each may be written so, or as the plain text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryAccess {
    /// Its own password or token.
    pub authorization: Option<RegistryAuthorization>,
    /// A certificate with its key: PEM text, or `certificate` and `privateKey` in JSON.
    pub client_certificate: Option<SecretRef>,
    /// Roots to trust besides those of the machine: PEM text, or `certificate` in JSON.
    pub ca_certificate: Option<SecretRef>,
}

/// What stands in the header `Authorization`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryAuthorization {
    /// `user:password`, or `username` and `password` in JSON.
    Basic(SecretRef),
    /// A token.
    Bearer(SecretRef),
}

/// In which form a function gets records that were decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventRecordFormat {
    /// As JSON.
    Json,
    /// As its producer encoded it, without what names the schema.
    Source,
}

impl EventRecordFormat {
    /// Each by AWS's word.
    pub const ALL: [(&'static str, Self); 2] = [("JSON", Self::Json), ("SOURCE", Self::Source)];
    /// Their words alone.
    pub const WORDS: [&'static str; 2] = [Self::ALL[0].0, Self::ALL[1].0];
}

/// Which sides of a record must fit their schemas. At least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidatedSides {
    /// The key.
    pub key: bool,
    /// The value.
    pub value: bool,
}

impl ValidatedSides {
    /// AWS's words for the sides.
    pub const WORDS: [&'static str; 2] = ["KEY", "VALUE"];
}

/// The rows of a schema registry's settings below a place of the manual, such as
/// `event_source_mappings[].source.<kind>.schema_registry`, the row of the whole first.
///
/// ```
/// use forebay_config::settings::SettingSpec;
///
/// static ROWS: [SettingSpec; 12] =
///     forebay_config::schema_registry_rows!("event_source_mappings[].source.log.schema_registry");
/// assert_eq!(ROWS[1].path, "event_source_mappings[].source.log.schema_registry.url");
/// ```
#[macro_export]
macro_rules! schema_registry_rows {
    ($place:literal) => {
        [
            $crate::settings::SettingSpec::new(
                $place,
                $crate::settings::Shape::Group,
                $crate::settings::DefaultValue::Absent("records are passed on as they are"),
                "The registry that keeps the schemas of the records. A record that names a schema is decoded by it; one that cannot be is given up, as `SCHEMA_NOT_FOUND` or `DESERIALIZATION_ERROR`.",
            ),
            $crate::settings::SettingSpec::new(
                concat!($place, ".url"),
                $crate::settings::Shape::Text,
                $crate::settings::DefaultValue::Absent("it is one of Glue's, which `arn` names"),
                "A registry with Confluent's API, `http://` or `https://`; a path in front of `/schemas` and `/subjects` is kept. Either this or `arn`.",
            ),
            $crate::settings::SettingSpec::new(
                concat!($place, ".arn"),
                $crate::settings::Shape::Text,
                $crate::settings::DefaultValue::Absent("it is the one at `url`"),
                "A registry of Glue's, `arn:aws:glue:region:account:registry/name`. Schemas of others are not taken.",
            ),
            $crate::settings::SettingSpec::new(
                concat!($place, ".event_record_format"),
                $crate::settings::Shape::Word(&$crate::schema_registry::EventRecordFormat::WORDS),
                $crate::settings::DefaultValue::Required,
                "What the function gets in `key` and `value`, in base64: `JSON`, or with `SOURCE` what the producer encoded, without the bytes that name the schema. Filters see JSON in both cases.",
            ),
            $crate::settings::SettingSpec::new(
                concat!($place, ".validate"),
                $crate::settings::Shape::Words(&$crate::schema_registry::ValidatedSides::WORDS),
                $crate::settings::DefaultValue::Required,
                "Which sides of a record name a schema and are decoded by it: `KEY`, `VALUE` or both. The other side is passed on as it is.",
            ),
            $crate::settings::SettingSpec::new(
                concat!($place, ".access"),
                $crate::settings::Shape::Group,
                $crate::settings::DefaultValue::Absent("the registry asks for nothing"),
                "What the registry at `url` is shown. Each is a reference to a secret: `env:NAME`, `file:PATH` or the ARN of a secret of Secrets Manager.",
            ),
            $crate::settings::SettingSpec::new(
                concat!($place, ".access.basic_auth"),
                $crate::settings::Shape::Text,
                $crate::settings::DefaultValue::Absent("no password"),
                "A secret that holds `user:password`, or JSON with `username` and `password`. Either this or `bearer`.",
            ),
            $crate::settings::SettingSpec::new(
                concat!($place, ".access.bearer"),
                $crate::settings::Shape::Text,
                $crate::settings::DefaultValue::Absent("no token"),
                "A secret that holds a token.",
            ),
            $crate::settings::SettingSpec::new(
                concat!($place, ".access.client_certificate"),
                $crate::settings::Shape::Text,
                $crate::settings::DefaultValue::Absent("no certificate is shown"),
                "A secret that holds a certificate with its chain and its key: PEM text, or JSON with `certificate` and `privateKey`. The key is not encrypted. Needs `https://`.",
            ),
            $crate::settings::SettingSpec::new(
                concat!($place, ".access.ca_certificate"),
                $crate::settings::Shape::Text,
                $crate::settings::DefaultValue::Absent("the machine's trusted roots, and those of `ca_file`"),
                "A secret that holds roots to trust besides those of the machine: PEM text, or JSON with `certificate`. As a file that others may read, write it as `ca_file`.",
            ),
            $crate::settings::SettingSpec::new(
                concat!($place, ".ca_file"),
                $crate::settings::Shape::Path,
                $crate::settings::DefaultValue::Absent("the machine's trusted roots only"),
                "A PEM file with roots to trust besides those of the machine.",
            ),
            $crate::settings::SettingSpec::new(
                concat!($place, ".aws"),
                $crate::settings::Shape::Aws($crate::schema_registry::SCHEMA_REGISTRY_SCOPE),
                $crate::settings::DefaultValue::Absent("what stands under the top level's `aws`"),
                "What differs from the top level's `aws` for the registry that `arn` names.",
            ),
        ]
    };
}

/// The settings of `aws` that have a meaning for a registry.
pub const SCHEMA_REGISTRY_SCOPE: crate::AwsScope<'static> =
    crate::AwsScope { services: &[&GLUE], names_account: false };
