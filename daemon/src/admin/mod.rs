//! The admin listener: health, metrics, a look at the mappings, and reloads. On loopback only, and only for
//! requests that name it so.

mod answer;
mod backlog;
mod decide;
mod health;
mod list;
mod mapping_json;
mod peek;
mod place;
mod positions;
mod reload;
pub mod routes;
mod steer;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use forebay_api::server::{Guard, Listener, Server, Tls, Via};
use forebay_checkpoints::StoreHealth;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use self::steer::Steering;
use crate::clock::Clock;
use crate::metrics::Exporter;
use crate::registry::Registry;
use crate::reload::{ReloadStatus, Requests};

/// Where the admin listener stands when nothing else is said.
pub const ADDRESS_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9470);
/// The file in the data folder that holds the listener's address while the process runs.
pub const ADDRESS_FILE: &str = "admin.addr";
/// How long open requests may take once the process ends.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// The admin listener could not be started.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// It would be reachable from elsewhere, and it asks nobody who they are.
    #[error(
        "the admin listener cannot stand on {0}: it asks for no password yet, so it stands on loopback only, such as 127.0.0.1:9470"
    )]
    NotLoopback(SocketAddr),
    /// The address is taken or not ours.
    #[error("the admin listener cannot stand on {address}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The address could not be written down.
    #[error("{path} cannot be written")]
    AddressFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

impl AdminError {
    /// The code that an operator looks up.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotLoopback(_) => "FB-0505",
            Self::Bind { .. } | Self::AddressFile { .. } => "FB-0506",
        }
    }
}

/// What the pages show.
#[derive(Clone)]
pub(crate) struct Shown {
    registry: Arc<Registry>,
    store: watch::Receiver<StoreHealth>,
    exporter: Arc<Exporter>,
    draining: CancellationToken,
    reloads: Reloads,
    steering: Arc<dyn Steering>,
    clock: Clock,
}

/// What there is to see and to steer.
pub struct Inspections {
    /// The mappings.
    pub registry: Arc<Registry>,
    /// How the store is.
    pub store: watch::Receiver<StoreHealth>,
    /// The clocks.
    pub clock: Clock,
    /// Cancelled when the process begins to end: it is not ready any more.
    pub draining: CancellationToken,
    /// The reloads.
    pub reloads: Reloads,
    /// Pauses mappings.
    pub steering: Arc<dyn Steering>,
}

/// How reloads are asked for, and what became of them.
#[derive(Debug, Clone)]
pub struct Reloads {
    /// Takes the requests.
    pub requests: Requests,
    /// What became of them.
    pub status: Arc<ReloadStatus>,
}

/// The running listener.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    address_file: PathBuf,
    server: Server,
    pages: Router,
}

/// A listener that stands and does not answer yet.
#[derive(Debug)]
pub struct BoundListener {
    listener: TcpListener,
    address: SocketAddr,
    address_file: PathBuf,
}

impl BoundListener {
    /// Takes the address; port 0 takes a free one. It is logged and written to `admin.addr` in the data
    /// folder.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn bind(address: SocketAddr, data_dir: &Path) -> Result<Self, AdminError> {
        if !address.ip().is_loopback() {
            return Err(AdminError::NotLoopback(address));
        }
        let bind = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            std::io::Result::Ok((listener, address))
        };
        let (listener, address) = bind.await.map_err(|cause| AdminError::Bind { address, cause })?;
        let address_file = data_dir.join(ADDRESS_FILE);
        let written = tokio::fs::write(&address_file, format!("{address}\n")).await;
        written.map_err(|cause| AdminError::AddressFile { path: address_file.clone(), cause })?;
        info!(%address, "admin listener started");
        Ok(Self { listener, address, address_file })
    }

    /// Answers from here on.
    pub fn serve(self, inspections: Inspections, guard: &Guard) -> Admin {
        let Inspections { registry, store, clock, draining, reloads, steering } = inspections;
        let exporter = Arc::new(Exporter::new(Arc::clone(&registry), Arc::clone(&reloads.status), clock));
        let pages = pages(guard, Shown { registry, store, exporter, draining, reloads, steering, clock });
        let server =
            Listener::Tcp(self.listener, Tls::default()).serve(Via::Admin, guard.door(pages.clone()));
        Admin { address: self.address, address_file: self.address_file, server, pages }
    }
}

impl Admin {
    /// Where it stands.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its pages behind their guard, for other listeners.
    pub fn pages(&self) -> &Router {
        &self.pages
    }

    /// Ends the listener; open requests get a moment.
    pub async fn stop(self) {
        self.server.stop(CLOSE_MAX).await;
        // Without the file nobody asks a listener that is gone; if it cannot be removed the next start writes
        // it anew.
        let _ = tokio::fs::remove_file(&self.address_file).await;
    }
}

fn pages(guard: &Guard, shown: Shown) -> Router {
    guard.over(routes::router(), routes::rules()).with_state(shown)
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], shown.exporter.text())
}
