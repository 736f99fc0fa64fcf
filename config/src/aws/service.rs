//! A service of AWS's that is called: what it is called by people, in signatures, in its host and in the
//! environment, and the row of its endpoint.

use crate::settings::SettingSpec;

/// A service of AWS's. Who calls it declares it, once, with [`aws_service!`](crate::aws_service).
#[derive(Debug)]
pub struct AwsService {
    /// The word under `aws.endpoints`.
    pub name: &'static str,
    /// What requests are signed for.
    pub signed_for: &'static str,
    /// How its host at AWS begins, before the region.
    pub host: &'static str,
    /// The variable that names its endpoint.
    pub variable: &'static str,
    /// The row of its endpoint, `aws.endpoints.<name>`.
    pub endpoint: SettingSpec,
}

impl AwsService {
    /// Requests are signed for another name than its own.
    #[must_use]
    pub const fn signed_for(mut self, name: &'static str) -> Self {
        self.signed_for = name;
        self
    }

    /// Its host at AWS begins otherwise than with its name.
    #[must_use]
    pub const fn at_host(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }
}

/// Services are told apart by their names.
impl PartialEq for AwsService {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for AwsService {}

/// Declares a service: its word under `aws.endpoints`, how the variable of its endpoint goes on behind
/// `AWS_ENDPOINT_URL_`, and what a server of it speaks, for the manual.
///
/// ```
/// use forebay_config::aws::AwsService;
///
/// static TABLES: AwsService = forebay_config::aws_service!("tables", "TABLES", "Tables in JSON");
/// assert_eq!(TABLES.endpoint.path, "aws.endpoints.tables");
/// assert_eq!(TABLES.variable, "AWS_ENDPOINT_URL_TABLES");
/// ```
#[macro_export]
macro_rules! aws_service {
    ($name:literal, $variable:literal, $speaks:literal) => {
        $crate::aws::AwsService {
            name: $name,
            signed_for: $name,
            host: $name,
            variable: concat!("AWS_ENDPOINT_URL_", $variable),
            endpoint: $crate::settings::SettingSpec::new(
                concat!("aws.endpoints.", $name),
                $crate::settings::Shape::Text,
                $crate::settings::DefaultValue::Absent(concat!(
                    "`aws.endpoint`, else `AWS_ENDPOINT_URL_",
                    $variable,
                    "`"
                )),
                concat!("`http://host:port` or `https://host:port` of a server that speaks ", $speaks, "."),
            ),
        }
    };
}
