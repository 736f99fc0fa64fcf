//! The HTTP of a strict model: listens, reads calls of AWS JSON, writes answers. A thread a connection, all
//! ended with the server.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// What answers the calls.
pub(crate) trait Answers: Send + Sync + 'static {
    /// The answer; `None` when it is lost on its way. `is_closed` tells whoever waits that the server ends.
    fn answer(&self, request: &Request, is_closed: &dyn Fn() -> bool) -> Option<Answer>;
}

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    gate: Arc<Gate>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Gate {
    closed: AtomicBool,
    open: Mutex<BTreeMap<u64, TcpStream>>,
}

/// A request whose head and body have come whole.
#[derive(Debug)]
pub(crate) struct Request {
    /// The action, behind the name of its API and a point.
    pub(crate) target: String,
    /// The service that its signature is for; empty without a signature, which is not computed.
    pub(crate) signed_for: String,
    is_last: bool,
    pub(crate) body: Vec<u8>,
}

/// An answer to write.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What the header for clients of the older protocol says.
    pub(crate) query_error: Option<String>,
    pub(crate) body: String,
}

impl Listening {
    pub(crate) fn start(answers: Arc<dyn Answers>, at: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).expect("the port is free");
        let address = listener.local_addr().expect("it has an address");
        let gate = Arc::new(Gate::default());
        let thread = std::thread::spawn({
            let gate = Arc::clone(&gate);
            move || accept(&listener, &gate, &answers)
        });
        Self { address, gate, thread: Some(thread) }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.gate.closed.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, which then ends and takes the socket with it.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for stream in self.gate.lock().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, TcpStream>> {
        self.open.lock().expect("nothing panics under this lock")
    }
}

fn accept(listener: &TcpListener, gate: &Arc<Gate>, answers: &Arc<dyn Answers>) {
    for (number, stream) in (0_u64..).zip(listener.incoming()) {
        if gate.closed.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let Ok(twin) = stream.try_clone() else { continue };
        gate.lock().insert(number, twin);
        let (gate, answers) = (Arc::clone(gate), Arc::clone(answers));
        std::thread::spawn(move || {
            // An error of the connection is its end.
            let _ = serve(&stream, &*answers, &|| gate.closed.load(Ordering::SeqCst));
            let _ = stream.shutdown(Shutdown::Both);
            gate.lock().remove(&number);
        });
    }
}

fn serve(stream: &TcpStream, answers: &dyn Answers, is_closed: &dyn Fn() -> bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(request) = read(&mut reader)? {
        // An answer that is lost closes the connection, as a broken network does.
        let Some(Answer { status, query_error, body }) = answers.answer(&request, is_closed) else {
            return Ok(());
        };
        let query_error = query_error.map(|it| format!("x-amzn-query-error: {it}\r\n")).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.0\r\n{query_error}content-length: {}\r\n\r\n",
            body.len()
        );
        writer.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        if request.is_last {
            return Ok(());
        }
    }
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let (mut target, mut signed_for, mut is_last, mut n_bytes, mut n_lines) =
        (String::new(), String::new(), false, 0, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        n_lines += 1;
        let line = line.trim_end();
        if line.is_empty() && n_lines > 1 {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => target = value.trim().to_owned(),
            "connection" => is_last = value.trim().eq_ignore_ascii_case("close"),
            "content-length" => n_bytes = value.trim().parse().unwrap_or(0),
            "authorization" => signed_for = service_of(value.trim()).unwrap_or_default().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; n_bytes];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { target, signed_for, is_last, body }))
}

/// `AWS4-HMAC-SHA256 Credential=key/day/region/service/aws4_request, …`
fn service_of(authorization: &str) -> Option<&str> {
    let scope = authorization.strip_prefix("AWS4-HMAC-SHA256")?.split_once("/aws4_request")?.0;
    scope.rsplit('/').next()
}
