//! Connections that wait for the next request to their server, and the way of a request onto one of them or
//! onto a new one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::header::{HOST, HeaderValue};
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};

use crate::BoxError;
use crate::caught::kept_alive;
use crate::connection::{Connection, Connector, ServerOrigin};
use crate::outgoing::Outgoing;

/// Idle connections are closed after this: before the 5 s after which the most impatient of the common
/// servers closes them, so that a request seldom meets a connection that its server is just closing.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Idle connections kept for one host.
const IDLE_CONNECTIONS_MAX: usize = 1_024;
/// How often idle connections are looked through for those that are too old or were closed.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// No head of an answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The URL has no scheme or no host.
    #[error("the url of the request names no server")]
    NoServer,
    /// There is no connection to send it on.
    #[error("no connection could be made")]
    Connect(#[source] BoxError),
    /// The connection failed, or brought something that is not HTTP.
    #[error("the connection failed")]
    Broken(#[source] hyper::Error),
}

/// Connections to all servers that one client talks to.
pub(crate) struct Pool {
    connector: Connector,
    idle: Mutex<Idle>,
}

/// The newest of one server stands last and is used first.
#[derive(Default)]
#[allow(
    clippy::vec_box,
    reason = "a connection is large, and is handed from here to its user and back for each exchange"
)]
struct Idle {
    connections: HashMap<ServerOrigin, Vec<Box<Connection>>>,
    /// A task looks through them; it ends when there are none.
    is_swept: bool,
}

impl Pool {
    pub(crate) fn new(connector: Connector) -> Arc<Self> {
        Arc::new(Self { connector, idle: Mutex::default() })
    }

    /// Sends once. A kept connection that turns out closed before it took the request is replaced; a request
    /// that a connection has taken is never sent again. The answer's body comes as long as the connection is
    /// driven. Dropping it closes the connection.
    pub(crate) async fn send(
        &self,
        mut request: Request<Outgoing>,
    ) -> Result<(Box<Connection>, Response<Incoming>), SendError> {
        let origin = address(&mut request)?;
        while let Some(mut connection) = self.take(&origin) {
            match connection.send(request).await {
                Ok(response) => return Ok((connection, response)),
                Err(mut error) => match error.take_message() {
                    // hyper gives back what it has not begun to send, so sending it again cannot do it twice.
                    Some(taken_back) => request = taken_back,
                    None => return Err(SendError::Broken(error.into_error())),
                },
            }
        }
        // In a box, so that a request onto a kept connection carries no room for it.
        let opening = Box::pin(Connection::open(self.connector.clone(), origin));
        let mut connection = opening.await.map_err(SendError::Connect)?;
        match connection.send(request).await {
            Ok(response) => Ok((connection, response)),
            Err(error) => Err(SendError::Broken(error.into_error())),
        }
    }

    fn take(&self, origin: &ServerOrigin) -> Option<Box<Connection>> {
        let newest = self.lock().connections.get_mut(origin)?.pop()?;
        // Where the newest is too old all are; the next sweep finds them.
        (newest.idle_since.elapsed() < IDLE_MAX).then_some(newest)
    }

    /// An exchange is over: the connection waits for the next one, if it can serve one.
    pub(crate) fn keep(self: &Arc<Self>, mut connection: Box<Connection>) {
        // An answer that was not read to its end would stand in front of the next one.
        if !connection.is_idle() {
            return;
        }
        connection.idle_since = Instant::now();
        let mut idle = self.lock();
        match idle.connections.get_mut(&connection.origin) {
            Some(others) if others.len() < IDLE_CONNECTIONS_MAX => others.push(connection),
            Some(_) => {}
            None => _ = idle.connections.insert(connection.origin.clone(), vec![connection]),
        }
        if !std::mem::replace(&mut idle.is_swept, true) {
            let pool = Arc::downgrade(self);
            tokio::spawn(kept_alive("closing idle connections", move || sweep(Weak::clone(&pool))));
        }
    }

    /// As [`Pool::keep`], once an answer that somebody else reads is read. Whoever drops it ends this too.
    pub(crate) fn keep_later(self: &Arc<Self>, mut connection: Box<Connection>) {
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            if let (true, Some(pool)) = (connection.rest().await, pool.upgrade()) {
                pool.keep(connection);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("n_servers", &self.lock().connections.len()).finish_non_exhaustive()
    }
}

/// Closes what is too old, and what its server has closed, until nothing is left to look at.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(SWEEP_EVERY).await;
        // Whoever had the client dropped it: the task must not keep its connections open.
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.lock();
        idle.connections.retain(|_, connections| {
            connections.retain_mut(|it| it.idle_since.elapsed() < IDLE_MAX && it.is_idle_still());
            !connections.is_empty()
        });
        if idle.connections.is_empty() {
            // Under the lock of the look: a connection that is kept from here on starts the next task.
            idle.is_swept = false;
            return;
        }
    }
}

/// Where a request goes, which its head says as a server wants it from there on: the path in its first line,
/// the host in a header.
fn address(request: &mut Request<Outgoing>) -> Result<ServerOrigin, SendError> {
    let uri = request.uri();
    let (Some(scheme), Some(authority)) = (uri.scheme().cloned(), uri.authority().cloned()) else {
        return Err(SendError::NoServer);
    };
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    // A signature covers the host that the caller wrote.
    if !request.headers().contains_key(HOST) {
        let host = host(uri).ok_or(SendError::NoServer)?;
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = Uri::from(path);
    Ok((scheme, authority))
}

/// The header that names a URL's host, and its port where it is not the scheme's own.
pub fn host(url: &Uri) -> Option<HeaderValue> {
    let host = url.host()?;
    let own_port = if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    match url.port_u16().filter(|port| *port != own_port) {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")).ok(),
        None => HeaderValue::from_str(host).ok(),
    }
}
