//! Where schemas come from: a registry that is asked for one by its id.

pub(super) mod confluent;
pub(super) mod glue;
mod secrets;

use std::sync::Arc;

use forebay_clients::{AwsError, Clients, SecretError, TlsError};
use forebay_config::{Code, SchemaRegistryAt, SecretRef};

use super::frame::{Framing, SchemaId};
use super::registered::RegisteredSchema;
use crate::source::BoxFuture;

/// A registry.
pub(super) trait SchemaRegistry: Send + Sync {
    /// What it is called by people.
    fn name(&self) -> &str;
    /// How producers name its schemas.
    fn framing(&self) -> Framing;
    /// Fetches a schema and all that it refers to.
    fn fetch(&self, id: SchemaId) -> BoxFuture<'_, Result<RegisteredSchema, FetchError>>;
}

/// No schema was fetched. Each with what is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FetchError {
    /// The registry says that it does not have it, or something that it refers to.
    Missing(String),
    /// The registry has it, and it is nothing that records can be decoded by.
    Unusable(String),
    /// The registry says nothing about it.
    Down(String),
}

/// A registry cannot be asked at all, as it is written.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The code is that of the cause.
    #[error("the secret of `access.{key}` cannot be had")]
    Secret {
        /// Which setting.
        key: &'static str,
        /// Why.
        #[source]
        cause: Box<SecretError>,
    },
    /// FB-0390. Nothing of the secret is repeated.
    #[error("the secret of `access.{key}`, {reference}, {what}")]
    SecretForm {
        /// Which setting.
        key: &'static str,
        /// Where the secret is.
        reference: SecretRef,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The code is that of the cause.
    #[error("TLS to the schema registry cannot be set up")]
    Tls(#[source] TlsError),
    /// The code is that of the cause.
    #[error("the schema registry of Glue's cannot be called")]
    Aws(#[source] AwsError),
    /// FB-0390
    #[error("the schema registry has no URL that can be called")]
    Url,
}

impl RegistryError {
    /// The page that explains it.
    pub fn code(&self) -> Code {
        match self {
            Self::Secret { cause, .. } => Code(cause.code()),
            Self::Tls(cause) => Code(cause.code()),
            Self::Aws(cause) => Code(cause.code()),
            Self::SecretForm { .. } | Self::Url => Code("FB-0390"),
        }
    }
}

/// The registry that the settings name. Looks secrets up; nothing is asked of the registry yet. `variable`
/// looks a variable of the environment up.
pub(super) async fn connect(
    at: &SchemaRegistryAt,
    variable: impl Fn(&str) -> Option<String>,
    clients: &Clients,
) -> Result<Arc<dyn SchemaRegistry>, RegistryError> {
    Ok(match at {
        SchemaRegistryAt::Http { url, access, ca_file } => {
            let secrets = secrets::look_up(access, variable, clients).await?;
            Arc::new(confluent::ConfluentRegistry::new(url, &secrets, ca_file.as_deref(), clients)?)
        }
        SchemaRegistryAt::Glue { arn, aws } => {
            Arc::new(glue::GlueRegistry::connect(arn, aws, clients).await?)
        }
    })
}
