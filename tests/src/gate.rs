//! A gate before a server of AWS's JSON services: a call goes through, is refused, broken off or answered by the
//! test itself. What no real server does on demand happens here, between it and the daemon.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::calendar::{self, Civil};
use crate::loopback::{Listening, Request, Serves, read_head};

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

impl Call {
    fn of(request: &Request) -> Self {
        Self {
            operation: request.target().rsplit('.').next().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
            signed_at: request.header("x-amz-date").unwrap_or_default().to_owned(),
        }
    }
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
    /// It is answered with an event stream: these payloads, each an event of this type, and nothing more until
    /// somebody ends the connection.
    Pushed(&'static str, Vec<String>),
}

type Rule = Arc<dyn Fn(&Call) -> Treatment + Send + Sync>;

/// A gate that listens on a loopback port.
pub struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Nothing while it is down.
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
        let listening = Listening::anywhere(Arc::clone(&shared) as Arc<dyn Serves>);
        Self { address: listening.address, shared, listening: Some(listening) }
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
        self.listening = None;
    }

    /// It listens again where it did.
    pub fn come_up(&mut self) {
        self.listening = Some(Listening::start(Arc::clone(&self.shared) as Arc<dyn Serves>, self.address));
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().expect("nothing panics under this lock")
}

impl Serves for Shared {
    /// Answers one request after the other; a connection whose request went to the server behind is over then.
    fn serve(&self, stream: &TcpStream, _is_closed: &dyn Fn() -> bool) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader)? {
            let call = Call::of(&request);
            let rule = Arc::clone(&lock(&self.rule));
            let treatment = self.clock_refuses(&call).unwrap_or_else(|| rule(&call));
            let is_passed = matches!(treatment, Treatment::Passed);
            {
                let mut n_calls = lock(&self.n_calls);
                let n = n_calls.entry(call.operation).or_default();
                *n = (n.0 + 1, n.1 + usize::from(!is_passed));
            }
            match treatment {
                Treatment::Passed => return relay(&request, stream, self, usize::MAX),
                Treatment::BrokenOff(n_bytes) => return relay(&request, stream, self, n_bytes),
                Treatment::Answered(body) => answer(stream, self, 200, &body)?,
                Treatment::Pushed(event, payloads) => return push(stream, self, event, &payloads),
                Treatment::Refused(status, code, message) => {
                    answer(stream, self, status, &json!({ "__type": code, "message": message }).to_string())?;
                }
            }
        }
        Ok(())
    }
}

fn answer(mut stream: &TcpStream, shared: &Shared, status: u16, body: &str) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.1\r\n{}content-length: {}\r\n\r\n",
        shared.date(),
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())
}

/// What is pushed, and then silence until the other side, or [`Gate::go_down`], ends the connection.
fn push(mut stream: &TcpStream, shared: &Shared, event: &str, payloads: &[String]) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 x\r\ncontent-type: application/vnd.amazon.eventstream\r\n{}transfer-encoding: chunked\r\n\r\n",
        shared.date()
    );
    stream.write_all(head.as_bytes())?;
    let answer = event_message("initial-response", b"{}");
    let events = payloads.iter().map(|it| event_message(event, it.as_bytes()));
    for message in std::iter::once(answer).chain(events) {
        stream.write_all(format!("{:x}\r\n", message.len()).as_bytes())?;
        stream.write_all(&message)?;
        stream.write_all(b"\r\n")?;
    }
    // Nobody says anything more on it: this ends with the connection.
    while stream.read(&mut [0; 64])? > 0 {}
    Ok(())
}

/// A message of AWS's event stream.
fn event_message(event: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in
        [(":message-type", "event"), (":event-type", event), (":content-type", "application/json")]
    {
        headers.push(name.len() as u8);
        headers.extend_from_slice(name.as_bytes());
        // A text.
        headers.push(7);
        headers.extend_from_slice(&(value.len() as u16).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    // Lengths and their checksum, headers, payload, the checksum of all.
    let n_bytes = (12 + headers.len() + payload.len() + 4) as u32;
    let mut message = [n_bytes.to_be_bytes(), (headers.len() as u32).to_be_bytes()].concat();
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message.extend_from_slice(&headers);
    message.extend_from_slice(payload);
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message
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
