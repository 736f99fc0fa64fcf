//! Shared IO: one HTTP client and one trust store for everything that goes out. It decides nothing.

pub mod address;
#[cfg(feature = "rabbitmq")]
pub mod amqp;
pub mod aws;
#[cfg(feature = "kafka")]
pub mod brokers;
pub mod caught;
mod connection;
pub mod descriptors;
pub mod exchange;
pub mod http;
pub mod mark;
pub mod outgoing;
pub mod pieces;
mod pool;
pub mod secret;
#[cfg(any(feature = "kafka", feature = "rabbitmq"))]
mod secret_book;
mod shortened;
pub mod stream;
pub mod tls;
pub mod xml;

#[cfg(feature = "rabbitmq")]
pub use amqp::{AmqpAccess, AmqpAccessError, AmqpError, AmqpFailure};
pub use aws::{
    AnswerText, Aws, AwsAccess, AwsClient, AwsError, AwsRelay, AwsTarget, CallFailure, JsonCall, JsonClient,
    JsonDialect, JsonStream, KeptCredentials, RelayError, Transport, WireText, aws_identity, read_answer,
    read_answer_with, sdk_client, with_causes,
};
pub use aws_credential_types::provider::error::CredentialsError;
#[cfg(feature = "kafka")]
pub use brokers::{BrokerAccess, BrokerContext, BrokerError, BrokerFailure, BrokerTrouble};
pub use descriptors::{Descriptor, Descriptors};
pub use exchange::{Answer, BodyError, ExchangeError, Limits, coding_of, compressed};
pub use http::{HttpClient, HttpClients};
pub use mark::Mark;
pub use outgoing::StreamBody;
pub use pieces::{Pieces, Sent, Vectored};
pub use pool::host;
pub use secrecy::{ExposeSecret, SecretString};
pub use secret::SecretError;
pub use shortened::{SHORT_CHARS_MAX, shortened};
pub use stream::StreamError;
pub use tls::{TlsError, TlsExtras};

/// Any error, where nobody asks which.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// All that goes out, shared by sources, functions and destinations.
#[derive(Debug, Default)]
pub struct Clients {
    /// The connections.
    pub http: HttpClients,
    /// What AWS's services are called with.
    pub aws: Aws,
}

impl Clients {
    /// Access to one thing at AWS; see [`Aws::access`].
    ///
    /// # Errors
    /// What is missing or cannot be used.
    pub async fn aws_access(&self, target: AwsTarget<'_>) -> Result<AwsAccess, AwsError> {
        self.aws.access(target, &self.http).await
    }

    /// A client for one thing at AWS; see [`Aws::client`].
    ///
    /// # Errors
    /// What is missing or cannot be used.
    pub async fn aws_client(&self, target: AwsTarget<'_>) -> Result<AwsClient, AwsError> {
        self.aws.client(target, &self.http).await
    }
}
