//! A server of HTTP on loopback: a thread that accepts, and one for each connection, all ended with the server;
//! requests are read whole.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// What serves connections.
pub(crate) trait Serves: Send + Sync + 'static {
    /// Serves a connection to its end, and an error of it is its end. `is_closed` tells whoever waits that the
    /// server ends.
    fn serve(&self, stream: &TcpStream, is_closed: &dyn Fn() -> bool) -> std::io::Result<()>;
}

/// A socket that listens, and its connections.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    connections: Arc<Connections>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Connections {
    closed: AtomicBool,
    /// Shared and not cloned: one descriptor for each, of which there are thousands where shards are pushed.
    open: Mutex<BTreeMap<u64, Arc<TcpStream>>>,
}

impl Listening {
    pub(crate) fn start(server: Arc<dyn Serves>, at: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).expect("the port is free");
        let address = listener.local_addr().expect("it has an address");
        let connections = Arc::new(Connections::default());
        let thread = std::thread::spawn({
            let connections = Arc::clone(&connections);
            move || accept(&listener, &connections, &server)
        });
        Self { address, connections, thread: Some(thread) }
    }

    /// At a port that is free.
    pub(crate) fn anywhere(server: Arc<dyn Serves>) -> Self {
        Self::start(server, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Every connection breaks, and new ones are taken.
    pub(crate) fn break_connections(&self) {
        for stream in self.connections.lock().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.connections.closed.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, which then ends and takes the socket with it.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.break_connections();
    }
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<TcpStream>>> {
        self.open.lock().expect("nothing panics under this lock")
    }
}

fn accept(listener: &TcpListener, connections: &Arc<Connections>, server: &Arc<dyn Serves>) {
    for (number, stream) in (0_u64..).zip(listener.incoming()) {
        if connections.closed.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream.map(Arc::new) else { continue };
        connections.lock().insert(number, Arc::clone(&stream));
        let (connections, server) = (Arc::clone(connections), Arc::clone(server));
        std::thread::spawn(move || {
            let _ = stream.set_nodelay(true);
            let _ = server.serve(&stream, &|| connections.closed.load(Ordering::SeqCst));
            let _ = stream.shutdown(Shutdown::Both);
            connections.lock().remove(&number);
        });
    }
}

/// A request as it came: its head without the empty line, and its body.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The next one; `None` at the end of the connection.
    pub(crate) fn read(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Option<Self>> {
        let head = read_head(reader)?;
        if head.is_empty() {
            return Ok(None);
        }
        let mut request = Self { head, body: Vec::new() };
        let length = request.header("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = self.head.lines().filter_map(|line| line.split_once(':'));
        named.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// The action of AWS JSON, behind the name of its API and a point.
    pub(crate) fn target(&self) -> &str {
        self.header("x-amz-target").unwrap_or_default()
    }

    /// The service that its signature is for; empty without a signature, which is not computed:
    /// `AWS4-HMAC-SHA256 Credential=key/day/region/service/aws4_request, …`
    pub(crate) fn signed_for(&self) -> &str {
        let signature = self.header("authorization").and_then(|it| it.strip_prefix("AWS4-HMAC-SHA256"));
        let scope = signature.and_then(|it| it.split_once("/aws4_request"));
        scope.and_then(|(scope, _)| scope.rsplit('/').next()).unwrap_or_default()
    }

    /// Whoever sent it wants no other on this connection.
    pub(crate) fn is_last(&self) -> bool {
        self.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close"))
    }
}

/// The lines up to the empty one.
pub(crate) fn read_head(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut head = String::new();
    loop {
        let begin = head.len();
        if reader.read_line(&mut head)? == 0 || head[begin..].trim_end().is_empty() {
            head.truncate(begin);
            return Ok(head);
        }
    }
}
