//! What every call of an AWS service needs: region, endpoint, credentials. One block of settings, wherever it
//! stands.

mod accounts;
mod arn;
mod bucket;
mod queue;
mod read;
mod role;
mod service;
pub mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use accounts::{AwsPlace, NamedAccount, UnknownAccount};
pub(crate) use arn::is_resource;
pub use arn::{Arn, is_region, partition_of};
pub use bucket::Bucket;
pub use queue::{QUEUE_NAME_CHARS_MAX, QueueUrl, QueueUrlMistake, is_queue_name};
pub(crate) use read::agree;
pub use role::{AwsRole, STS};
pub use service::AwsService;
pub use words::AwsWords;

/// An `aws:` block: that of the top level holds for every call, that of a source, a function or a destination
/// says what differs there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsSettings {
    /// The region.
    pub region: Option<String>,
    /// The account that ARNs made of a bare name carry.
    pub account_id: Option<String>,
    /// `http://host:port` of a server that speaks for every service.
    pub endpoint: Option<String>,
    /// The same for one service, by its name; goes before `endpoint`.
    pub endpoints: BTreeMap<String, String>,
    /// Where credentials come from; `None` leaves it to the daemon's surroundings.
    pub credentials: Option<AwsCredentials>,
    /// A role that is taken with those credentials; its own are what is called with.
    pub assume_role: Option<AwsRole>,
    /// How things of other accounts are called; at the top level only.
    pub accounts: BTreeMap<AwsPlace, Self>,
    /// A PEM file with further trusted roots.
    pub ca_file: Option<PathBuf>,
}

/// Where an `aws:` block stands, and so which of its settings have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwsScope<'a> {
    /// The services that are called.
    pub services: &'a [&'static AwsService],
    /// Whether what is called may be named without its account, as it may at the top level.
    pub names_account: bool,
}

impl AwsScope<'_> {
    /// The services whose endpoints may be written: those that are called, and the one that gives credentials.
    pub(crate) fn services(&self) -> impl Iterator<Item = &'static AwsService> {
        let sts = Some(&STS).filter(|it| !self.services.contains(it));
        self.services.iter().copied().chain(sts)
    }
}

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsCredentials {
    /// The settings themselves.
    Key(AwsKey),
    /// A profile of the shared files.
    Profile(String),
}

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsKey {
    /// The id of the key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
}

impl AwsSettings {
    /// What holds where this block stands: each of its settings, then those of `common`. Its endpoint goes
    /// before every endpoint of `common`.
    #[must_use]
    pub fn over(&self, common: &Self) -> Self {
        let mut endpoints = if self.endpoint.is_none() { common.endpoints.clone() } else { BTreeMap::new() };
        endpoints.extend(self.endpoints.clone());
        Self {
            region: self.region.clone().or_else(|| common.region.clone()),
            account_id: self.account_id.clone().or_else(|| common.account_id.clone()),
            endpoint: self.endpoint.clone().or_else(|| common.endpoint.clone()),
            endpoints,
            credentials: self.credentials.clone().or_else(|| common.credentials.clone()),
            // Credentials that are nearer are meant to be called with as they are.
            assume_role: match (&self.assume_role, &self.credentials) {
                (Some(role), _) => Some(role.clone()),
                (None, Some(_)) => None,
                (None, None) => common.assume_role.clone(),
            },
            accounts: if self.accounts.is_empty() { common.accounts.clone() } else { self.accounts.clone() },
            ca_file: self.ca_file.clone().or_else(|| common.ca_file.clone()),
        }
    }

    /// The endpoint of a service, if one is written.
    pub fn endpoint_of(&self, service: &AwsService) -> Option<&str> {
        self.endpoints.get(service.name).or(self.endpoint.as_ref()).map(String::as_str)
    }
}

/// Key and token are secrets and are not shown.
impl std::fmt::Debug for AwsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsKey").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::{SNS, SQS};
    use crate::function::LAMBDA;

    fn endpoints(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(service, endpoint)| ((*service).to_owned(), (*endpoint).to_owned())).collect()
    }

    #[test]
    fn the_nearer_block_goes_before_the_common_one() {
        let common = AwsSettings {
            region: Some("eu-west-1".to_owned()),
            account_id: Some("123456789012".to_owned()),
            endpoint: Some("http://common".to_owned()),
            endpoints: endpoints(&[("sqs", "http://queues"), ("sns", "http://topics")]),
            credentials: Some(AwsCredentials::Profile("common".to_owned())),
            assume_role: None,
            accounts: BTreeMap::new(),
            ca_file: Some(PathBuf::from("/roots")),
        };
        assert_eq!(AwsSettings::default().over(&common), common);
        let own = AwsSettings {
            region: Some("us-east-1".to_owned()),
            endpoints: endpoints(&[("sqs", "http://own")]),
            credentials: Some(AwsCredentials::Profile("own".to_owned())),
            ..AwsSettings::default()
        };
        let both = own.over(&common);
        assert_eq!(
            (both.region.as_deref(), both.account_id.as_deref()),
            (Some("us-east-1"), Some("123456789012"))
        );
        assert_eq!((both.credentials, both.ca_file), (own.credentials.clone(), common.ca_file.clone()));
        let of = |settings: &AwsSettings| {
            [&SQS, &SNS, &LAMBDA].map(|it| settings.endpoint_of(it).map(str::to_owned))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            of(&own.over(&common)),
            [some("http://own"), some("http://topics"), some("http://common")]
        );
        let whole = AwsSettings { endpoint: some("http://all"), ..own };
        assert_eq!(of(&whole.over(&common)), [some("http://own"), some("http://all"), some("http://all")]);
    }

    #[test]
    fn a_role_goes_with_credentials_that_are_as_near_or_farther_off_and_not_with_nearer_ones() {
        let role = |name: &str| {
            Some(AwsRole { role_arn: name.to_owned(), external_id: None, session_name: "forebay".to_owned() })
        };
        let block = |credentials: Option<&str>, assume_role| AwsSettings {
            credentials: credentials.map(|it| AwsCredentials::Profile(it.to_owned())),
            assume_role,
            ..AwsSettings::default()
        };
        let common = block(Some("common"), role("common"));
        for (own, expected) in [
            (block(None, None), ("common", role("common"))),
            (block(None, role("own")), ("common", role("own"))),
            (block(Some("own"), role("own")), ("own", role("own"))),
            (block(Some("own"), None), ("own", None)),
        ] {
            let both = own.over(&common);
            let credentials = AwsCredentials::Profile(expected.0.to_owned());
            assert_eq!((both.credentials, both.assume_role), (Some(credentials), expected.1), "{own:?}");
        }
    }
}
