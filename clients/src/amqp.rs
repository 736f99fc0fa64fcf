//! Brokers that speak AMQP 0-9-1 for whoever consumes and whoever publishes: settings with their secrets
//! looked up, and connections of lapin made with them. lapin's own recovery stays off: whoever has a connection
//! makes the next one.

mod error;
mod secrets;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use forebay_config::AmqpSettings;
use forebay_config::brokers::BrokerUser;
use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use lapin::types::LongString;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};
use lapin::{Connection, ConnectionProperties};
use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};

pub use error::{AmqpAccessError, AmqpError, AmqpFailure};

use self::secrets::AmqpSecrets;
use crate::Clients;
use crate::address::judge_all;

/// The longest that a connection may take to be made, but for what the broker then asks and answers.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The longest that all of it may take. A broker waits a moment before it refuses a password.
const OPEN_MAX: Duration = Duration::from_secs(12);
/// Without a word for so long a connection is dead, in seconds.
const HEARTBEAT: u16 = 20;

/// A broker and all that is needed to reach it.
#[derive(Clone)]
pub struct AmqpAccess {
    hosts: Vec<String>,
    virtual_host: String,
    /// `None` for whom the client's certificate names.
    user: Option<(SecretString, SecretString)>,
    tls: Option<Arc<ClientConfig>>,
}

impl std::fmt::Debug for AmqpAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AmqpAccess").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl AmqpAccess {
    /// Looks the secrets up and reads the certificates; nothing is connected yet.
    ///
    /// # Errors
    /// A secret or a certificate that cannot be had or used.
    pub async fn look_up(settings: &AmqpSettings, clients: &Clients) -> Result<Self, AmqpAccessError> {
        let secrets = AmqpSecrets::look_up(settings, clients).await?;
        let user = match &settings.user {
            Some(BrokerUser::Named { username, password }) => {
                Some((SecretString::from(username.as_str()), secrets.of(password)))
            }
            Some(BrokerUser::Secret(it)) => {
                Some((secrets.member(it, "username")?, secrets.member(it, "password")?))
            }
            None => None,
        };
        let tls = match &settings.tls {
            Some(tls) => Some(Arc::new(secrets.tls(tls, clients)?)),
            None => None,
        };
        Ok(Self { hosts: settings.hosts.clone(), virtual_host: settings.virtual_host.clone(), user, tls })
    }

    /// How many nodes may be asked.
    pub fn n_hosts(&self) -> usize {
        self.hosts.len()
    }

    /// A node, counted around: `host:port`.
    pub fn host(&self, nth: usize) -> &str {
        &self.hosts[nth % self.hosts.len()]
    }

    /// Connects to one of the nodes, counted around. `name` is what the broker shows of the connection. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// What the way or the broker said.
    pub async fn connect(&self, nth: usize, name: &str) -> Result<Connection, AmqpError> {
        let host = self.host(nth);
        match tokio::time::timeout(OPEN_MAX, self.open(host, name)).await {
            Ok(opened) => opened.map_err(|error| AmqpError::connecting(&error).at(host)),
            Err(_) => Err(AmqpError::down("it does not answer").at(host)),
        }
    }

    async fn open(&self, host: &str, name: &str) -> lapin::Result<Connection> {
        let (name_of_host, port) = host.rsplit_once(':').expect("the settings hold `host:port`");
        let name_of_host = name_of_host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = port.parse().expect("the settings hold `host:port`");
        let uri = self.uri(name_of_host, port);
        let (tls, runtime) = (self.tls.clone(), lapin::runtime::default_runtime()?);
        let properties = ConnectionProperties::default().with_connection_name(LongString::from(name));
        let connect = async move |uri: AMQPUri, runtime| {
            let made = async {
                let at = &uri.authority;
                let addresses = resolve(&at.host, at.port).await?;
                let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
                match &tls {
                    Some(tls) => stream.into_rustls(&RustlsConnector::from(Arc::clone(tls)), &at.host).await,
                    None => Ok(stream),
                }
            };
            let made = tokio::time::timeout(CONNECT_MAX, made).await;
            made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(lapin::Error::from)
        };
        Connection::connector(uri, runtime, connect, properties).await
    }

    fn uri(&self, host: String, port: u16) -> AMQPUri {
        let (username, password) = match &self.user {
            Some((name, password)) => (name.expose_secret().to_owned(), password.expose_secret().to_owned()),
            None => (String::new(), String::new()),
        };
        let mechanism = if self.user.is_some() { SASLMechanism::Plain } else { SASLMechanism::External };
        AMQPUri {
            // TLS is ours: the scheme asks lapin for none.
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority { userinfo: AMQPUserInfo { username, password }, host, port },
            vhost: self.virtual_host.clone(),
            query: AMQPQueryString {
                heartbeat: Some(HEARTBEAT),
                auth_mechanism: Some(mechanism),
                ..AMQPQueryString::default()
            },
        }
    }
}

/// Where a host is, without addresses that nobody may be sent to.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((host, port)).await?;
    judge_all(host, found.collect()).map_err(io::Error::other)
}
