//! A gate before a server of AWS's JSON services: a call goes through, is refused, broken off or answered by the
//! test itself. What no real server does on demand happens here, between it and the daemon.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::calendar::{self, Civil};

/// A call that came to the gate.
#[derive(Debug)]
pub struct Call {
    /// Such as `GetRecords`.
    pub operation: String,
    /// Its parameters.
    pub body: Value,
    /// When it was signed, as it says: `20261130T103000Z`.
    pub signed_at: String,
}

/// What becomes of a call.
#[derive(Debug, Clone)]
pub enum Treatment {
    /// The server behind the gate answers it.
    Passed,
    /// It is refused with the status of HTTP, the code and the text of an error.
    Refused(u16, &'static str, String),
    /// The server answers, and after so many bytes of the answer's body the connection ends.
    BrokenOff(usize),
    /// It is answered with this body.
    Answered(String),
}

type Rule = Arc<dyn Fn(&Call) -> Treatment + Send + Sync>;

/// A gate that listens on a loopback port.
pub struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<Listening>,
}

struct Shared {
    /// The server behind it; nobody where every call is answered here.
    upstream: Option<String>,
    rule: Mutex<Rule>,
    /// How many seconds the server's clock is ahead: its answers say so, and who signs otherwise is refused.
    ahead_s: AtomicU64,
    /// How often each operation was called, and how often it was not passed.
    n_calls: Mutex<BTreeMap<String, (usize, usize)>>,
}

impl Shared {
    fn clock_refuses(&self, call: &Call) -> Option<Treatment> {
        let now_s = calendar::now_s() + self.ahead_s.load(Ordering::SeqCst);
        let at = |seconds: u64| Civil::of(seconds).stamp();
        let (first, last) = (at(now_s - 300), at(now_s + 300));
        let text = || {
            format!(
                "Signature expired: {} is now earlier than {first} ({} - 5 min.)",
                call.signed_at,
                at(now_s)
            )
        };
        let is_off = call.signed_at < first || call.signed_at > last;
        is_off.then(|| Treatment::Refused(400, "InvalidSignatureException", text()))
    }

    /// What an answer says of the time.
    fn date(&self) -> String {
        let at = Civil::of(calendar::now_s() + self.ahead_s.load(Ordering::SeqCst));
        format!("date: {}\r\n", at.http())
    }
}

/// A socket that listens, and its connections.
struct Listening {
    is_over: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    thread: JoinHandle<()>,
}

impl Gate {
    /// Stands before the server at this endpoint and lets everything through.
    pub fn before(endpoint: &str) -> Self {
        let upstream = endpoint.trim_start_matches("http://").to_owned();
        Self::start(Some(upstream), Arc::new(|_: &Call| Treatment::Passed))
    }

    /// Stands before nobody: this answers every call.
    pub fn of(answer: impl Fn(&Call) -> Treatment + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(answer))
    }

    fn start(upstream: Option<String>, rule: Rule) -> Self {
        let (ahead_s, n_calls) = Default::default();
        let shared = Arc::new(Shared { upstream, rule: Mutex::new(rule), ahead_s, n_calls });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let listening = Some(Listening::start(listener, &shared));
        Self { address, shared, listening }
    }

    /// Where its calls go.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this decides about every call.
    pub fn set(&self, rule: impl Fn(&Call) -> Treatment + Send + Sync + 'static) {
        *lock(&self.shared.rule) = Arc::new(rule);
        lock(&self.shared.n_calls).clear();
    }

    /// Every call is refused so.
    pub fn refuse(&self, status: u16, code: &'static str, message: &str) {
        let message = message.to_owned();
        self.set(move |_| Treatment::Refused(status, code, message.clone()));
    }

    /// Everything goes through again.
    pub fn heal(&self) {
        self.set(|_| Treatment::Passed);
    }

    /// The server's clock is so many seconds ahead from now on. Who signs with a time more than five minutes off
    /// is refused.
    pub fn set_clock_ahead(&self, seconds: u64) {
        self.shared.ahead_s.store(seconds, Ordering::SeqCst);
    }

    /// How often an operation was called, and how often it was not passed, since the rule was set.
    pub fn n_calls(&self, operation: &str) -> (usize, usize) {
        lock(&self.shared.n_calls).get(operation).copied().unwrap_or_default()
    }

    /// Every connection breaks, and new ones are taken.
    pub fn break_connections(&self) {
        if let Some(it) = &self.listening {
            it.break_connections();
        }
    }

    /// Nobody listens any more, and every connection breaks.
    pub fn go_down(&mut self) {
        if let Some(it) = self.listening.take() {
            it.end(self.address);
        }
    }

    /// It listens again where it did.
    pub fn come_up(&mut self) {
        let listener = TcpListener::bind(self.address).expect("the port is free again");
        self.listening = Some(Listening::start(listener, &self.shared));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.go_down();
    }
}

impl Listening {
    fn start(listener: TcpListener, shared: &Arc<Shared>) -> Self {
        let (is_over, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let thread = std::thread::spawn({
            let (shared, is_over, open) = (Arc::clone(shared), Arc::clone(&is_over), Arc::clone(&open));
            move || {
                for stream in listener.incoming().flatten() {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    lock(&open).extend(stream.try_clone());
                    let shared = Arc::clone(&shared);
                    // An error of the connection is its end.
                    std::thread::spawn(move || {
                        let _ = serve(&stream, &shared);
                        let _ = stream.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { is_over, open, thread }
    }

    fn end(self, address: SocketAddr) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(address);
        break_all(&self.open);
        let _ = self.thread.join();
        break_all(&self.open);
    }

    fn break_connections(&self) {
        break_all(&self.open);
    }
}

fn break_all(open: &Mutex<Vec<TcpStream>>) {
    for stream in lock(open).drain(..) {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().expect("nothing panics under this lock")
}

/// A request as it came: its head without the empty line, and its body.
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Self>> {
        let head = read_head(reader)?;
        if head.is_empty() {
            return Ok(None);
        }
        let length = header(&head, "content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Some(Self { head, body }))
    }

    fn call(&self) -> Call {
        let target = header(&self.head, "x-amz-target").unwrap_or_default();
        Call {
            operation: target.rsplit('.').next().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&self.body).unwrap_or(Value::Null),
            signed_at: header(&self.head, "x-amz-date").unwrap_or_default().to_owned(),
        }
    }
}

/// The lines up to the empty one.
fn read_head(reader: &mut impl std::io::BufRead) -> std::io::Result<String> {
    let mut head = String::new();
    loop {
        let begin = head.len();
        if reader.read_line(&mut head)? == 0 || head[begin..].trim_end().is_empty() {
            head.truncate(begin);
            return Ok(head);
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let named = |line: &'a str| line.split_once(':').filter(|(it, _)| it.eq_ignore_ascii_case(name));
    head.lines().find_map(named).map(|(_, value)| value.trim())
}

/// Answers one request after the other; a connection whose request went to the server behind is over then.
fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = Request::read(&mut reader)? {
        let call = request.call();
        let rule = Arc::clone(&lock(&shared.rule));
        let treatment = shared.clock_refuses(&call).unwrap_or_else(|| rule(&call));
        let is_passed = matches!(treatment, Treatment::Passed);
        {
            let mut n_calls = lock(&shared.n_calls);
            let n = n_calls.entry(call.operation).or_default();
            *n = (n.0 + 1, n.1 + usize::from(!is_passed));
        }
        match treatment {
            Treatment::Passed => return relay(&request, stream, shared, usize::MAX),
            Treatment::BrokenOff(n_bytes) => return relay(&request, stream, shared, n_bytes),
            Treatment::Answered(body) => answer(stream, shared, 200, &body)?,
            Treatment::Refused(status, code, message) => {
                answer(stream, shared, status, &json!({ "__type": code, "message": message }).to_string())?;
            }
        }
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, shared: &Shared, status: u16, body: &str) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.1\r\n{}content-length: {}\r\n\r\n",
        shared.date(),
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())
}

/// The request on a connection of its own, and what comes back, up to so many bytes of its body.
fn relay(
    request: &Request,
    mut client: &TcpStream,
    shared: &Shared,
    n_bytes_max: usize,
) -> std::io::Result<()> {
    let upstream = shared.upstream.as_ref().expect("whoever passes a call has a server behind it");
    let server = TcpStream::connect(upstream)?;
    let head = format!("{}connection: close\r\n\r\n", request.head);
    (&server).write_all(&[head.as_bytes(), &request.body].concat())?;
    let mut reader = BufReader::new(server);
    let head = read_head(&mut reader)?;
    let kept = head.lines().filter(|it| !it.to_ascii_lowercase().starts_with("date:"));
    let head: String = kept.map(|it| format!("{it}\r\n")).collect();
    client.write_all(format!("{head}{}\r\n", shared.date()).as_bytes())?;
    let mut n_left = n_bytes_max;
    while n_left > 0 {
        let piece = reader.fill_buf()?;
        let n = piece.len().min(n_left);
        if n == 0 {
            break;
        }
        client.write_all(&piece[..n])?;
        reader.consume(n);
        n_left -= n;
    }
    Ok(())
}
