//! What every call of an AWS service needs: region, endpoint, credentials.

mod arn;
mod read;

use std::path::PathBuf;

pub use arn::Arn;
pub(crate) use read::{read_aws, read_endpoint, read_region};

/// The top level's `aws:`: what holds for every call that does not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsSettings {
    /// The region; `None` leaves it to the daemon's environment.
    pub region: Option<String>,
    /// The account that ARNs made of a bare name carry.
    pub account_id: Option<String>,
    /// `http://host:port` of a server that speaks for every service; `None` for AWS's own.
    pub endpoint: Option<String>,
    /// The credentials; `None` leaves them to the daemon's environment.
    pub credentials: Option<AwsCredentials>,
    /// A PEM file with further trusted roots.
    pub ca_file: Option<PathBuf>,
}

/// Static credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsCredentials {
    /// The id of the key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
}

/// Where one thing is called, as far as it says so itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsPlace {
    /// Its region.
    pub region: Option<String>,
    /// Its endpoint.
    pub endpoint: Option<String>,
}

/// Key and token are secrets and are not shown.
impl std::fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsCredentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
