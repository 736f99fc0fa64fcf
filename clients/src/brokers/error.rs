//! Why brokers cannot be used: before a client is made, and what its errors mean.

use std::path::PathBuf;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::aws::AwsError;
use crate::secret::SecretError;
use crate::tls::TlsError;

/// Brokers cannot be connected to. Nothing here repeats any part of a secret.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The code is that of the cause.
    #[error("a secret of the brokers cannot be had")]
    Secret(#[from] SecretError),
    /// FB-0387
    #[error("the secret {reference} {what}")]
    SecretShape {
        /// Which secret.
        reference: String,
        /// What is wrong with it.
        what: String,
    },
    /// FB-0382
    #[error("the certificates of {path} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The code is that of the cause.
    #[error("the token endpoint cannot be called")]
    TokenTls(#[from] TlsError),
    /// The code is that of the cause.
    #[error("credentials for the brokers cannot be had")]
    Aws(#[from] AwsError),
    /// FB-0433
    #[error("it is not known where the brokers of {arn} are: {why}")]
    Cluster {
        /// The cluster.
        arn: String,
        /// Why.
        why: String,
    },
    /// FB-0387
    #[error("librdkafka takes no such client: {0}")]
    Client(String),
}

impl BrokerError {
    /// A client could not be made.
    pub fn of_client(error: KafkaError) -> Self {
        Self::Client(match error {
            // The value that it repeats may be a secret.
            KafkaError::ClientConfig(_, _, name, _) => format!("its setting {name} is wrong"),
            error => error.to_string(),
        })
    }

    /// The page that explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Secret(cause) => cause.code(),
            Self::SecretShape { .. } | Self::Client(_) => "FB-0387",
            Self::File { .. } => BrokerFailure::Tls.code(),
            Self::TokenTls(cause) => cause.code(),
            Self::Aws(cause) => cause.code(),
            Self::Cluster { .. } => "FB-0433",
        }
    }

    /// Whether the same may work later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Secret(cause) => cause.is_transient(),
            // Nobody can tell a cluster that is being made from one that never has such brokers.
            Self::Cluster { .. } => true,
            Self::SecretShape { .. }
            | Self::File { .. }
            | Self::TokenTls(_)
            | Self::Aws(_)
            | Self::Client(_) => false,
        }
    }
}

/// What kind of failure an error of librdkafka's or of a broker's is, as a person meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerFailure {
    /// No broker can be reached, or one does not answer.
    Down,
    /// The brokers do not take who one says to be.
    Identity,
    /// TLS: a certificate is not trusted, or the client's is not taken.
    Tls,
    /// The topic, or the partition, is not there.
    NoTopic,
    /// The brokers know who one is, and do not let one do this.
    Forbidden,
    /// Another member of the group has the same instance id.
    Fenced,
    /// The group does not take a member that speaks or waits as this one.
    Group,
    /// Anything else.
    Other,
}

impl BrokerFailure {
    /// What an error is.
    pub fn of(code: RDKafkaErrorCode) -> Self {
        use RDKafkaErrorCode as E;
        if [E::Authentication, E::SaslAuthenticationFailed, E::UnsupportedSASLMechanism, E::IllegalSASLState]
            .contains(&code)
        {
            return Self::Identity;
        }
        if code == E::SSL {
            return Self::Tls;
        }
        if [E::UnknownTopic, E::UnknownPartition, E::UnknownTopicOrPartition].contains(&code) {
            return Self::NoTopic;
        }
        if [
            E::TopicAuthorizationFailed,
            E::GroupAuthorizationFailed,
            E::ClusterAuthorizationFailed,
            E::TransactionalIdAuthorizationFailed,
        ]
        .contains(&code)
        {
            return Self::Forbidden;
        }
        if [E::FencedInstanceId, E::UnreleasedInstanceId].contains(&code) {
            return Self::Fenced;
        }
        let of_group = [
            E::InconsistentGroupProtocol,
            E::InvalidSessionTimeout,
            E::GroupMaxSizeReached,
            E::UnsupportedAssignor,
            E::UnsupportedVersion,
            E::UnsupportedFeature,
            E::InvalidGroupId,
        ];
        if of_group.contains(&code) {
            return Self::Group;
        }
        let down = [
            E::BrokerTransportFailure,
            E::AllBrokersDown,
            E::Resolve,
            E::OperationTimedOut,
            E::RequestTimedOut,
            E::NetworkException,
            E::LeaderNotAvailable,
            E::NotLeaderForPartition,
            E::BrokerNotAvailable,
            E::CoordinatorNotAvailable,
            E::NotCoordinator,
            E::CoordinatorLoadInProgress,
        ];
        if down.contains(&code) { Self::Down } else { Self::Other }
    }

    /// What an error is that came with words. With TLS 1.3 a broker that does not take a client's certificate says so
    /// after the handshake, by an alert on a connection that seemed to stand: librdkafka tells it as one that broke.
    pub fn heard(code: RDKafkaErrorCode, said: &str) -> Self {
        match Self::of(code) {
            Self::Down if said.contains("SSL alert number") => Self::Tls,
            failure => failure,
        }
    }

    /// The page that explains it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Down => "FB-0380",
            Self::Identity => "FB-0381",
            Self::Tls => "FB-0382",
            Self::NoTopic => "FB-0383",
            Self::Forbidden => "FB-0384",
            Self::Fenced => "FB-0398",
            Self::Group => "FB-0399",
            Self::Other => "FB-0388",
        }
    }

    /// What happened, as people say it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Down => "the brokers do not answer",
            Self::Identity => "the brokers do not take the credentials",
            Self::Tls => "TLS with the brokers failed",
            Self::NoTopic => "the brokers have no such topic or partition",
            Self::Forbidden => "the brokers do not allow it to this user",
            Self::Fenced => "another member of the group has the same instance id",
            Self::Group => "the group does not take such a member",
            Self::Other => "the brokers refused",
        }
    }
}
