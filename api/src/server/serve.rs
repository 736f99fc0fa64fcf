//! Serves a router on a listener: TCP with or without TLS, or a Unix socket; connections counted, slow
//! clients sent away, an end with a bound.

use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use forebay_clients::caught::kept_alive;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::access::Via;
use super::bounds::HEADER_BYTES_MAX;
use super::rate::Peer;
use super::socket::Socket;
use super::tls::Tls;

/// The most connections of one listener.
pub const CONNECTIONS_MAX: usize = 1_024;
/// A client has so long to send a head, and to send the next one.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// A handshake has so long.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// When the system gives no connection, it is asked again after this.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Beyond these the head is not even read; what is between these and our own bounds gets an answer that says
/// so.
const HARD_HEADERS_MAX: usize = 256;
const HARD_HEAD_BYTES_MAX: usize = 4 * HEADER_BYTES_MAX;

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// TCP, with what new connections are met with.
    Tcp(TcpListener, Tls),
    /// A Unix socket.
    Unix(Socket),
}

/// A listener that serves.
#[derive(Debug)]
pub struct Server {
    ends: Ends,
    connections: TaskTracker,
    accepting: JoinHandle<()>,
}

/// How connections end.
#[derive(Debug, Clone, Default)]
struct Ends {
    /// After the request that runs.
    soon: CancellationToken,
    /// Now.
    now: CancellationToken,
}

impl Listener {
    /// Serves a router from here on; its requests are marked with the way they came.
    pub fn serve(self, via: Via, router: Router) -> Server {
        self.serve_at_most(CONNECTIONS_MAX, via, router)
    }

    /// As [`Listener::serve`], with another bound of connections.
    pub fn serve_at_most(self, connections_max: usize, via: Via, router: Router) -> Server {
        let (ends, connections) = (Ends::default(), TaskTracker::new());
        let room = Arc::new(Semaphore::new(connections_max));
        let server = Serving {
            router: router.layer(Extension(via)),
            room,
            ends: ends.clone(),
            connections: connections.clone(),
        };
        let accepting = tokio::spawn(async move {
            let stopped = server.ends.soon.clone();
            tokio::select! {
                () = stopped.cancelled() => {}
                () = kept_alive("a listener", || server.accept(&self)) => {}
            }
        });
        Server { ends, connections, accepting }
    }
}

impl Server {
    /// Ends it: no connection is taken any more, those that are open finish their request within this time
    /// and are cut then.
    pub async fn stop(self, within: Duration) {
        self.ends.soon.cancel();
        self.connections.close();
        let all = async {
            // It ends as soon as it is told to.
            let _ = self.accepting.await;
            self.connections.wait().await;
        };
        if timeout(within, all).await.is_err() {
            debug!(n_connections = self.connections.len(), "connections are cut");
            self.ends.now.cancel();
            self.connections.wait().await;
        }
    }
}

struct Serving {
    router: Router,
    room: Arc<Semaphore>,
    ends: Ends,
    connections: TaskTracker,
}

impl Serving {
    async fn accept(&self, listener: &Listener) {
        let mut was_full = false;
        loop {
            if self.room.available_permits() == 0 && !std::mem::replace(&mut was_full, true) {
                warn!(code = "FB-0521", "the listener has as many connections as it may: others wait");
            }
            // Before one is accepted: those beyond wait where they cost this process nothing.
            let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else { return };
            was_full &= self.room.available_permits() == 0;
            match listener {
                Listener::Tcp(tcp, tls) => match tcp.accept().await {
                    Ok((stream, address)) => {
                        let peer = Some(Peer::new(address.ip()));
                        // Small answers go out at once; where that cannot be set they go out a little later.
                        let _ = stream.set_nodelay(true);
                        // Asked for each connection, so that a new certificate holds from the next one on.
                        match tls.current() {
                            None => self.spawn(permit, peer, async move { Some(stream) }),
                            Some(certificate) => self.spawn(permit, peer, async move {
                                // Within the connection's own task: who is slow holds up nobody else.
                                let handshake = TlsAcceptor::from(certificate.0).accept(stream);
                                timeout(HANDSHAKE_MAX, handshake).await.ok()?.ok()
                            }),
                        }
                    }
                    Err(error) => again(&error).await,
                },
                Listener::Unix(socket) => match socket.listener.accept().await {
                    Ok((stream, _)) => self.spawn(permit, None, async move { Some(stream) }),
                    Err(error) => again(&error).await,
                },
            }
        }
    }

    fn spawn<S>(
        &self,
        permit: tokio::sync::OwnedSemaphorePermit,
        peer: Option<Peer>,
        stream: impl Future<Output = Option<S>> + Send + 'static,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, ends) = (self.router.clone(), self.ends.clone());
        self.connections.spawn(async move {
            let _permit = permit;
            let now = ends.now.clone();
            let whole = async {
                if let Some(stream) = stream.await {
                    serve(stream, peer, router, ends.soon).await;
                }
            };
            tokio::select! {
                () = now.cancelled() => {}
                () = whole => {}
            }
        });
    }
}

/// One connection, to its end.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Option<Peer>,
    router: Router,
    stop: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let marked = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        router.call(request)
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_MAX)
            .max_headers(HARD_HEADERS_MAX)
            .max_buf_size(HARD_HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), marked)
    );
    // A client that breaks off is no news.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// The system has no connection to give, mostly for want of open files: it will have, when others end.
async fn again(error: &std::io::Error) {
    debug!(%error, "no connection can be taken");
    sleep(ACCEPT_AGAIN).await;
}
