//! Lambda's API of this process: what the config makes of it, its listeners, and their end.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use forebay_api::auth::{Key, Keys, Role, Rules, SecretString, Verifier};
use forebay_api::server::{
    Access, CallerRate, Certificate, CertificateError, Front, Guard, Hosts, Listener, PassOn, Policy, Server,
    Socket, Tls, Token, Via,
};
use forebay_api::service::MappingService;
use forebay_clients::{Aws, AwsError, Clients, HttpClients, SecretError, secret};
use forebay_config::function::LAMBDA;
use forebay_config::{ApiSettings, KeyProof, KeyRole, SecretRef, Settings};
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::sentence::chain;

/// The file in the data folder that holds the listener's address while the process runs.
pub const ADDRESS_FILE: &str = "api.addr";
/// How long open requests may take once the process ends.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// `ADDRESS:PORT` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub Option<SocketAddr>);

impl FromStr for Listen {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" { Ok(Self(None)) } else { text.parse().map(|it| Self(Some(it))) }
    }
}

/// Lambda's API cannot be served as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// Others could reach what nobody guards.
    #[error(
        "Lambda's API cannot stand on {address}, where others can reach it: write {missing}, or listen on loopback, such as 127.0.0.1:9471"
    )]
    Exposed {
        /// Which address.
        address: SocketAddr,
        /// What is not written.
        missing: &'static str,
    },
    /// The address is taken or not ours.
    #[error("the listener for Lambda's API cannot stand on {address}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The address could not be written down.
    #[error("{path} cannot be written")]
    AddressFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A key's secret cannot be had.
    #[error("the {what} of the key {id} cannot be had")]
    Secret {
        /// Whose.
        id: String,
        /// Secret or session token.
        what: &'static str,
        /// Why.
        #[source]
        cause: SecretError,
    },
    /// The certificate cannot be used.
    #[error("the certificate of `api.tls` cannot be used")]
    Certificate(#[source] CertificateError),
    /// The endpoint that other calls are passed on to cannot be used.
    #[error("calls cannot be passed on to Lambda's endpoint")]
    PassOn(#[source] AwsError),
}

impl FrontError {
    /// The code that an operator looks up.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exposed { .. } => "FB-0517",
            Self::Bind { .. } | Self::AddressFile { .. } => "FB-0520",
            Self::Secret { cause, .. } => cause.code(),
            Self::Certificate(cause) => cause.code(),
            Self::PassOn(cause) => cause.code(),
        }
    }

    /// Whether the same may work later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Secret { cause, .. } => cause.is_transient(),
            Self::Exposed { .. }
            | Self::Bind { .. }
            | Self::AddressFile { .. }
            | Self::Certificate(_)
            | Self::PassOn(_) => false,
        }
    }
}

/// What a config makes of the API, looked up and read.
#[derive(Debug)]
pub struct Prepared {
    policy: Policy,
    certificate: Option<Certificate>,
    pass_on: PassOn,
    region: String,
}

impl Prepared {
    /// Looks up the keys' secrets, reads the certificate and finds the endpoint for other calls. `listen` is
    /// where the listener stands.
    ///
    /// # Errors
    /// See [`FrontError`].
    pub async fn of(settings: &Settings, listen: Option<SocketAddr>) -> Result<Self, FrontError> {
        let api = &settings.api;
        if let Some((address, missing)) = listen.and_then(|it| Some((it, api.missing_for(it)?))) {
            return Err(FrontError::Exposed { address, missing });
        }
        // Its own, made anew at each reload: what they look up is not what was looked up before.
        let clients = Clients { http: HttpClients::new(), aws: Aws::new(&settings.aws, variable) };
        let region = clients.aws.region().to_owned();
        let policy = Policy {
            account: clients.aws.common_account().to_owned(),
            access: access(api, &region, &clients).await?,
            hosts: Hosts::new(api.allowed_hosts.clone()),
            rate: CallerRate {
                requests_per_second: api.requests_per_second,
                requests_burst: api.requests_burst,
            },
        };
        let certificate =
            api.tls.as_ref().map(Certificate::read).transpose().map_err(FrontError::Certificate)?;
        let relay = clients.aws.relay(&LAMBDA, &clients.http).await.map_err(FrontError::PassOn)?;
        Ok(Self { policy, certificate, pass_on: PassOn::new(relay), region })
    }

    /// The guard of all listeners, with this policy.
    pub fn guard(&self) -> Guard {
        Guard::new(self.policy.clone())
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn access(api: &ApiSettings, region: &str, clients: &Clients) -> Result<Access, FrontError> {
    // Whoever calls this has seen that it stands on loopback then.
    if api.keys.is_empty() {
        return Ok(Access::Open);
    }
    let (mut keys, mut tokens) = (Keys::default(), Vec::new());
    for it in &api.keys {
        let role = role_of(it.role);
        match &it.proof {
            KeyProof::Signature { id, secret, session_token } => {
                let secret = looked_up(secret, id, "secret", clients).await?;
                let session_token = match session_token {
                    Some(token) => Some(looked_up(token, id, "session token", clients).await?),
                    None => None,
                };
                keys.insert(id.clone(), Key { role, secret, session_token });
            }
            KeyProof::Token { name, sha256 } => {
                tokens.push(Token { name: name.clone(), role, sha256: *sha256 })
            }
        }
    }
    Ok(Access::Keys { verifier: Verifier::new(Rules::lambda(region), keys), tokens })
}

async fn looked_up(
    reference: &SecretRef,
    id: &str,
    what: &'static str,
    clients: &Clients,
) -> Result<SecretString, FrontError> {
    let found = secret::look_up(reference, variable, clients).await;
    let found = found.map_err(|cause| FrontError::Secret { id: id.to_owned(), what, cause })?;
    Ok(found)
}

fn role_of(role: KeyRole) -> Role {
    match role {
        KeyRole::Reader => Role::Reader,
        KeyRole::Operator => Role::Operator,
        KeyRole::Admin => Role::Admin,
    }
}

/// Listeners that stand and do not answer yet.
#[derive(Debug)]
pub struct Bound {
    tcp: Option<(TcpListener, SocketAddr)>,
    socket: Option<Socket>,
    address_file: PathBuf,
}

impl Bound {
    /// Takes the address; port 0 takes a free one, which is logged and written to `api.addr` in the data
    /// folder. Makes the socket there, in any case.
    ///
    /// # Errors
    /// See [`FrontError`].
    pub async fn bind(listen: Option<SocketAddr>, data_dir: &Path) -> Result<Self, FrontError> {
        let address_file = data_dir.join(ADDRESS_FILE);
        let tcp = match listen {
            None => None,
            Some(address) => {
                let bind = async {
                    let listener = TcpListener::bind(address).await?;
                    // Port 0 has become another.
                    let address = listener.local_addr()?;
                    io::Result::Ok((listener, address))
                };
                let (listener, address) = bind.await.map_err(|cause| FrontError::Bind { address, cause })?;
                let written = tokio::fs::write(&address_file, format!("{address}\n")).await;
                written.map_err(|cause| FrontError::AddressFile { path: address_file.clone(), cause })?;
                Some((listener, address))
            }
        };
        // No reason not to start: only commands that name no address miss it.
        let socket = Socket::bind(data_dir).inspect_err(|error| {
            let path = data_dir.join(forebay_api::server::SOCKET_FILE);
            warn!(code = "FB-0522", path = %path.display(), %error, "the socket cannot be made: commands need a listener's address");
        });
        Ok(Self { tcp, socket: socket.ok(), address_file })
    }

    /// Answers from here on: what is not one of `pages` goes to the service, or is passed on.
    pub fn serve(
        self,
        prepared: Prepared,
        guard: Guard,
        pages: &Router,
        service: Arc<dyn MappingService>,
    ) -> Running {
        let tls = Tls::default();
        let how = StartedListener::of(&prepared);
        tls.set(prepared.certificate);
        let front = Front::new(guard.clone(), service, prepared.pass_on);
        let router = front.router(pages.clone());
        let mut servers = Vec::new();
        if let Some((listener, address)) = self.tcp {
            info!(%address, tls = how.tls, keys = how.keys, region = how.region, pass_on = how.pass_on, "listener for Lambda's API started");
            servers.push(Listener::Tcp(listener, tls.clone()).serve(Via::Api, router.clone()));
        }
        let mut files = vec![self.address_file];
        if let Some(socket) = self.socket {
            files.push(socket.path.clone());
            servers.push(Listener::Unix(socket).serve(Via::Socket, router));
        }
        Running { guard, front, tls, servers, files }
    }
}

/// What is told of a listener when it starts.
struct StartedListener {
    tls: bool,
    keys: bool,
    region: String,
    pass_on: String,
}

impl StartedListener {
    fn of(prepared: &Prepared) -> Self {
        Self {
            tls: prepared.certificate.is_some(),
            keys: !matches!(prepared.policy.access, Access::Open),
            region: prepared.region.clone(),
            pass_on: prepared.pass_on.endpoint().unwrap_or("off").to_owned(),
        }
    }
}

/// The API as it is served.
#[derive(Debug)]
pub struct Running {
    guard: Guard,
    front: Front,
    tls: Tls,
    servers: Vec<Server>,
    /// Removed at the end: who looks for a process finds none.
    files: Vec<PathBuf>,
}

impl Running {
    /// Goes on with another config: keys, hosts, the endpoint of other calls and the certificate of new
    /// connections.
    pub fn change(&self, prepared: Prepared) {
        self.tls.set(prepared.certificate);
        self.front.set_pass_on(prepared.pass_on);
        self.guard.set(prepared.policy);
    }

    /// Refuses from now on what changes something.
    pub fn drain(&self) {
        self.guard.drain();
    }

    /// Ends the listeners; open requests get a moment.
    pub async fn stop(self) {
        // Side by side, or the moments of all would add up.
        let stops: Vec<_> = self.servers.into_iter().map(|it| tokio::spawn(it.stop(CLOSE_MAX))).collect();
        for stop in stops {
            if let Err(error) = stop.await {
                warn!(error = chain(&error), "a listener did not end as it should");
            }
        }
        for file in self.files {
            // Where it cannot be removed the next start puts another in its place.
            let _ = tokio::fs::remove_file(file).await;
        }
    }
}
