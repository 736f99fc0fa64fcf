//! How Kafka's brokers are reached: where they are, TLS, and who one is to them. One block of settings,
//! wherever it stands; what stands beside it belongs to whoever asks.

pub(crate) mod read;
mod specs;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::aws::{Arn, AwsScope, AwsService, AwsSettings};
use crate::secret_ref::SecretRef;

/// What may be said of calls to AWS where brokers want IAM: nothing is called there but who gives credentials.
pub const BROKER_AWS_SCOPE: AwsScope<'static> = AwsScope { services: &[], names_account: false };

/// The service that says where the brokers of its clusters are.
pub static MSK: AwsService = crate::aws_service!("kafka", "KAFKA", "MSK's `GetBootstrapBrokers`");
/// What may be said of calls to MSK.
pub const MSK_SCOPE: AwsScope<'static> = AwsScope { services: &[&MSK], names_account: false };

/// How many rows [`broker_specs`](crate::broker_specs) has.
pub const N_BROKER_SPECS: usize = 21;
/// The words under `sasl.mechanism`.
pub const BROKER_MECHANISMS: &[&str] =
    &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"];

/// How brokers are reached. Secrets are references: what stands here tells nobody anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSettings {
    /// `host:port` of brokers that tell where all of them are: one at least, unless a cluster stands for them.
    pub bootstrap_servers: Vec<String>,
    /// The cluster of MSK's that is asked where they are.
    pub cluster: Option<Box<MskCluster>>,
    /// `None` for plain text.
    pub tls: Option<BrokerTls>,
    /// Who one is to them; `None` for nobody, or who a client's certificate says.
    pub sasl: Option<BrokerSasl>,
}

/// A cluster of MSK's that is asked where its brokers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MskCluster {
    /// `arn:aws:kafka:region:account:cluster/name/uuid`
    pub arn: Arn,
    /// What MSK is called with, where that differs.
    pub aws: AwsSettings,
}

/// TLS to brokers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerTls {
    /// The roots that are trusted; `None` for the machine's.
    pub roots: Option<BrokerRoots>,
    /// The client's certificate, for brokers that ask for one.
    pub client: Option<BrokerCertificate>,
}

impl BrokerTls {
    /// All secrets that it refers to.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let mut secrets = Vec::new();
        if let Some(BrokerRoots::Secret(it)) = &self.roots {
            secrets.push(it);
        }
        match &self.client {
            Some(BrokerCertificate::Files { key, key_password, .. }) => {
                secrets.push(key);
                secrets.extend(key_password);
            }
            Some(BrokerCertificate::Secret(it)) => secrets.push(it),
            None => {}
        }
        secrets
    }
}

/// Roots that are trusted in place of the machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerRoots {
    /// A PEM file.
    File(PathBuf),
    /// A secret: PEM, or as AWS keeps it, JSON whose `certificate` is PEM.
    Secret(SecretRef),
}

/// A client's certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerCertificate {
    /// A PEM file with the chain, and the key as a secret.
    Files {
        /// The chain, the client's own certificate first.
        certificate: PathBuf,
        /// The key in PEM.
        key: SecretRef,
        /// What the key is encrypted with.
        key_password: Option<SecretRef>,
    },
    /// A secret as AWS keeps it: JSON with `certificate`, `privateKey` and, where that is encrypted,
    /// `privateKeyPassword`.
    Secret(SecretRef),
}

/// Who one is to brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerSasl {
    /// A user with a password.
    Password(PasswordMechanism, BrokerUser),
    /// A token of an OAuth 2 server, by client credentials.
    OAuth(BrokerOAuth),
    /// A token that is signed with credentials of AWS, as MSK takes it.
    Iam(Box<AwsSettings>),
}

/// How a password is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordMechanism {
    /// As it is.
    Plain,
    /// SCRAM with SHA-256: it is proved and not sent.
    Scram256,
    /// SCRAM with SHA-512.
    Scram512,
}

impl PasswordMechanism {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram256 => "SCRAM-SHA-256",
            Self::Scram512 => "SCRAM-SHA-512",
        }
    }
}

/// A user with a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerUser {
    /// The name as it is, the password as a secret.
    Named {
        /// The user's name.
        username: String,
        /// The password.
        password: SecretRef,
    },
    /// A secret as AWS keeps it: JSON with `username` and `password`.
    Secret(SecretRef),
}

impl BrokerUser {
    /// The secret that it refers to.
    pub fn secret(&self) -> &SecretRef {
        match self {
            Self::Named { password: it, .. } | Self::Secret(it) => it,
        }
    }
}

/// Where a token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerOAuth {
    /// The token endpoint.
    pub token_url: String,
    /// Further trusted roots for it.
    pub ca_file: Option<PathBuf>,
    /// Who asks.
    pub client_id: String,
    /// What proves that.
    pub client_secret: SecretRef,
    /// The scopes that are asked for, with a space between two.
    pub scope: Option<String>,
    /// Whom the token is for.
    pub audience: Option<String>,
}

impl BrokerSettings {
    /// All secrets that it refers to.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let mut secrets: Vec<&SecretRef> = self.tls.iter().flat_map(BrokerTls::secrets).collect();
        match &self.sasl {
            Some(BrokerSasl::Password(_, user)) => secrets.push(user.secret()),
            Some(BrokerSasl::OAuth(it)) => secrets.push(&it.client_secret),
            Some(BrokerSasl::Iam(_)) | None => {}
        }
        secrets
    }
}
