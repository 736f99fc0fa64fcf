//! Why a service cannot be called, each with its page.

use forebay_config::aws::UnknownAccount;
use forebay_config::url::UrlMistake;

use crate::address::ForbiddenAddress;
use crate::tls::TlsError;

/// A service cannot be called with these settings.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// FB-0360
    #[error("there are no credentials for {service}: {advice}; tried: {tried}")]
    Credentials {
        /// Which service.
        service: &'static str,
        /// What to do about it.
        advice: &'static str,
        /// Where they were looked for.
        tried: String,
        /// What each place said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// FB-0361
    #[error("there is no region for {service}: write `aws.region`, or set AWS_REGION")]
    Region {
        /// Which service.
        service: &'static str,
    },
    /// FB-0369
    #[error("{service} is not called with credentials of another account: {unknown}; {}", unknown.fix())]
    Account {
        /// Which service.
        service: &'static str,
        /// Whose thing was to be called.
        unknown: UnknownAccount,
    },
    /// FB-0362
    #[error("the endpoint of {service} is no http:// or https:// URL of a host and a port")]
    Endpoint {
        /// Which service.
        service: &'static str,
        /// What is wrong with it.
        #[source]
        cause: UrlMistake,
    },
    /// FB-0362
    #[error("the endpoint of {service} is a forbidden address")]
    Address {
        /// Which service.
        service: &'static str,
        /// Why.
        #[source]
        cause: ForbiddenAddress,
    },
    /// The code is that of the cause.
    #[error("TLS to {endpoint} cannot be set up")]
    Tls {
        /// Where to.
        endpoint: String,
        /// Why.
        #[source]
        cause: TlsError,
    },
}

impl AwsError {
    /// The page that explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Credentials { .. } => "FB-0360",
            Self::Region { .. } => "FB-0361",
            Self::Account { .. } => "FB-0369",
            Self::Endpoint { .. } | Self::Address { .. } => "FB-0362",
            Self::Tls { cause, .. } => cause.code(),
        }
    }
}
