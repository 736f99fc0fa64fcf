//! The rows of the settings by which brokers are reached, for each place where they stand.

/// The rows of a block of brokers below this path, in the order of the manual: an array of
/// [`SettingSpec`](crate::settings::SettingSpec).
///
/// ```
/// let rows = forebay_config::broker_specs!("event_source_mappings[].source.brokers");
/// assert_eq!(rows[0].path, "event_source_mappings[].source.brokers.bootstrap_servers");
/// assert_eq!(rows.len(), forebay_config::brokers::N_BROKER_SPECS);
/// ```
#[macro_export]
macro_rules! broker_specs {
    ($place:literal) => {{
        use $crate::brokers::{BROKER_AWS_SCOPE, BROKER_MECHANISMS};
        use $crate::settings::{DefaultValue as D, SettingSpec, Shape};
        const ROWS: [SettingSpec; $crate::brokers::N_BROKER_SPECS] = [
            SettingSpec::new(
                concat!($place, ".bootstrap_servers"),
                Shape::TextList,
                D::Required,
                "`host:port` of brokers that are asked where all of them are. One is enough while it is up; write two or three.",
            ),
            SettingSpec::new(
                concat!($place, ".tls"),
                Shape::Group,
                D::Absent("plain text"),
                "TLS to the brokers; `{}` trusts the machine's roots. The names in the brokers' certificates are checked.",
            ),
            SettingSpec::new(
                concat!($place, ".tls.ca_file"),
                Shape::Path,
                D::Absent("the machine's roots"),
                "A PEM file with the roots that are trusted in place of the machine's.",
            ),
            SettingSpec::new(
                concat!($place, ".tls.ca_secret"),
                Shape::Text,
                D::Absent("`ca_file`"),
                "The same as a secret: `env:NAME`, `file:PATH` or the ARN of one of Secrets Manager. PEM, or JSON whose `certificate` is PEM, as AWS keeps it.",
            ),
            SettingSpec::new(
                concat!($place, ".tls.certificate_file"),
                Shape::Path,
                D::Absent("no certificate is shown"),
                "A PEM file with the client's certificate and its chain, for brokers that ask for one.",
            ),
            SettingSpec::new(
                concat!($place, ".tls.key"),
                Shape::Text,
                D::Absent("required beside `certificate_file`"),
                "The certificate's key in PEM, as a secret: `file:PATH`, `env:NAME` or the ARN of one of Secrets Manager.",
            ),
            SettingSpec::new(
                concat!($place, ".tls.key_password"),
                Shape::Text,
                D::Absent("the key is not encrypted"),
                "What the key is encrypted with, as a secret.",
            ),
            SettingSpec::new(
                concat!($place, ".tls.client_secret"),
                Shape::Text,
                D::Absent("`certificate_file` and `key`"),
                "Certificate and key in one secret, as AWS keeps it: JSON with `certificate`, `privateKey` and, where that is encrypted, `privateKeyPassword`.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl"),
                Shape::Group,
                D::Absent("nobody, or who the client's certificate says"),
                "Who one is to the brokers. Without `tls` a password or a token crosses the network readably.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.mechanism"),
                Shape::Word(BROKER_MECHANISMS),
                D::Required,
                "How that is proved: by a password (`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`), by a token of an OAuth 2 server (`OAUTHBEARER`), or by credentials of AWS (`AWS_MSK_IAM`).",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.username"),
                Shape::Text,
                D::Absent("`secret` says it"),
                "The user, beside `password`.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.password"),
                Shape::Text,
                D::Absent("`secret` says it"),
                "The user's password, as a secret: `env:NAME`, `file:PATH` or the ARN of one of Secrets Manager.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.secret"),
                Shape::Text,
                D::Absent("`username` and `password`"),
                "User and password in one secret, as AWS keeps it: JSON with `username` and `password`.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.oauth"),
                Shape::Group,
                D::Absent("required by `OAUTHBEARER`"),
                "Where tokens come from: an OAuth 2 server is asked by client credentials, and again before a token ends.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.oauth.token_url"),
                Shape::Text,
                D::Required,
                "The server's token endpoint: `https://…` or `http://…`.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.oauth.ca_file"),
                Shape::Path,
                D::Absent("the machine's roots alone"),
                "A PEM file with further roots that are trusted for `token_url`.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.oauth.client_id"),
                Shape::Text,
                D::Required,
                "Who asks for a token.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.oauth.client_secret"),
                Shape::Text,
                D::Required,
                "What proves that, as a secret: `env:NAME`, `file:PATH` or the ARN of one of Secrets Manager.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.oauth.scope"),
                Shape::Text,
                D::Absent("none is asked for"),
                "The scopes that are asked for, with a space between two.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.oauth.audience"),
                Shape::Text,
                D::Absent("none is asked for"),
                "Whom the token is for, where the server wants to be told.",
            ),
            SettingSpec::new(
                concat!($place, ".sasl.aws"),
                Shape::Aws(BROKER_AWS_SCOPE),
                D::Absent("what stands under the top level's `aws`"),
                "What differs from the top level's `aws` for `AWS_MSK_IAM`: the brokers' region, and whose credentials sign.",
            ),
        ];
        ROWS
    }};
}
