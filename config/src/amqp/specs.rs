//! The rows of the settings by which brokers that speak AMQP are reached, for each place where they stand.

/// The rows of such a block below this path, in the order of the manual: an array of
/// [`SettingSpec`](crate::settings::SettingSpec).
///
/// ```
/// let rows = forebay_config::amqp_specs!("event_source_mappings[].source.broker");
/// assert_eq!(rows[0].path, "event_source_mappings[].source.broker.hosts");
/// assert_eq!(rows.len(), forebay_config::amqp::N_AMQP_SPECS);
/// ```
#[macro_export]
macro_rules! amqp_specs {
    ($place:literal) => {{
        use $crate::settings::{DefaultValue as D, SettingSpec, Shape};
        const ROWS: [SettingSpec; $crate::amqp::N_AMQP_SPECS] = [
            SettingSpec::new(
                concat!($place, ".hosts"),
                Shape::TextList,
                D::Required,
                "`host:port` of the nodes of one broker. They are tried in turn, and the next one where the connection breaks. The port is mostly 5672, with TLS 5671.",
            ),
            SettingSpec::new(
                concat!($place, ".virtual_host"),
                Shape::Text,
                D::Word("/"),
                "The virtual host.",
            ),
            SettingSpec::new(
                concat!($place, ".username"),
                Shape::Text,
                D::Absent("`secret` says it, or the client's certificate"),
                "The user, beside `password`.",
            ),
            SettingSpec::new(
                concat!($place, ".password"),
                Shape::Text,
                D::Absent("`secret` says it, or the client's certificate"),
                "The user's password, as a secret: `env:NAME`, `file:PATH` or the ARN of one of Secrets Manager. Without `tls` it crosses the network readably.",
            ),
            SettingSpec::new(
                concat!($place, ".secret"),
                Shape::Text,
                D::Absent("`username` and `password`"),
                "User and password in one secret, as AWS keeps it: JSON with `username` and `password`.",
            ),
            SettingSpec::new(
                concat!($place, ".tls"),
                Shape::Group,
                D::Absent("plain text"),
                "TLS to the broker; `{}` trusts the machine's roots. The name in the broker's certificate is checked.",
            ),
            SettingSpec::new(
                concat!($place, ".tls.ca_file"),
                Shape::Path,
                D::Absent("the machine's roots alone"),
                "A PEM file with roots that are trusted besides the machine's.",
            ),
            SettingSpec::new(
                concat!($place, ".tls.ca_secret"),
                Shape::Text,
                D::Absent("`ca_file`"),
                "The same as a secret: PEM, or JSON whose `certificate` is PEM, as AWS keeps it.",
            ),
            SettingSpec::new(
                concat!($place, ".tls.certificate_file"),
                Shape::Path,
                D::Absent("no certificate is shown"),
                "A PEM file with the client's certificate and its chain. Without a user the broker is asked to take its name (`EXTERNAL`).",
            ),
            SettingSpec::new(
                concat!($place, ".tls.key"),
                Shape::Text,
                D::Absent("required beside `certificate_file`"),
                "The certificate's key in PEM, not encrypted, as a secret.",
            ),
            SettingSpec::new(
                concat!($place, ".tls.client_secret"),
                Shape::Text,
                D::Absent("`certificate_file` and `key`"),
                "Certificate and key in one secret, as AWS keeps it: JSON with `certificate` and `privateKey`.",
            ),
        ];
        ROWS
    }};
}
