//! A function behind an HTTP endpoint, in the test's own process: a closure answers each event. Nothing is
//! shared with the code under test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// What the function answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200 with this body.
    Done(String),
    /// 429: not reached, asked again after these seconds.
    Throttled(u64),
    /// 500.
    Failed,
}

/// A function that listens. Dropping it ends the listening; invocations that hang go on until the process
/// ends.
#[derive(Debug)]
pub struct Function {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

impl Function {
    /// Listens on a free loopback port; each connection has a thread.
    pub fn start(answer: impl Fn(&Value) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let is_over = Arc::new(AtomicBool::new(false));
        let answer = Arc::new(answer);
        thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                for stream in listener.incoming().flatten().take_while(|_| !is_over.load(Ordering::SeqCst)) {
                    let answer = Arc::clone(&answer);
                    thread::spawn(move || serve(stream, &*answer));
                }
            }
        });
        Self { address, is_over }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The executor's settings.
    pub fn executor(&self) -> String {
        format!("{{ http: {{ url: \"{}\" }} }}", self.url())
    }
}

/// What a function does that takes so long.
pub fn take_time(time: Duration) {
    let began = Instant::now();
    while let Some(left) = time.checked_sub(began.elapsed()).filter(|it| !it.is_zero()) {
        thread::park_timeout(left);
    }
}

/// A Lambda endpoint that knows no function, whatever it is asked. It listens until the process ends.
pub fn lambda_of_nothing() -> &'static str {
    static ENDPOINT: LazyLock<String> = LazyLock::new(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        thread::spawn(move || {
            listener.incoming().flatten().for_each(|stream| drop(thread::spawn(|| know_nothing(stream))))
        });
        format!("http://{address}")
    });
    &ENDPOINT
}

fn know_nothing(mut stream: TcpStream) {
    let Ok(reader) = stream.try_clone() else { return };
    let body = "{\"Type\": \"User\", \"Message\": \"Function not found\"}";
    let answer = format!(
        "HTTP/1.1 404 Not Found\r\nx-amzn-ErrorType: ResourceNotFoundException\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for line in BufReader::new(reader).lines() {
        // A GET has no body: an empty line is its end.
        if line.is_err() || line.is_ok_and(|it| it.is_empty() && stream.write_all(answer.as_bytes()).is_err())
        {
            return;
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers request after request until the peer is gone.
fn serve(stream: TcpStream, answer: &dyn Fn(&Value) -> Answer) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(event) = read(&mut reader) {
        let (status, headers, body) = match answer(&event) {
            Answer::Done(body) => ("200 OK", String::new(), body),
            Answer::Throttled(seconds) => {
                ("429 Too Many Requests", format!("Retry-After: {seconds}\r\n"), String::new())
            }
            Answer::Failed => ("500 Internal Server Error", String::new(), "it failed".to_owned()),
        };
        let length = body.len();
        // In one piece: small ones wait for each other's acknowledgement.
        let answer = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// One event; `None` when the peer is gone.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().expect("a length is a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).expect("an event is JSON"))
}
