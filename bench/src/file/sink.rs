//! The function: counts records and sums their offsets without reading JSON, and answers that none has
//! failed.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use memchr::memmem::{self, Finder};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n{\"batchItemFailures\":[]}";

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) n_records: u64,
    offsets: u64,
}

impl Tally {
    pub(super) fn enter(&mut self, offset: u64) {
        self.n_records += 1;
        self.offsets = self.offsets.wrapping_add(offset);
    }
}

/// A function that listens until the process ends; each connection has a thread.
pub(super) struct Sink {
    address: SocketAddr,
    seen: Arc<Mutex<Tally>>,
}

impl Sink {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let seen = Arc::new(Mutex::new(Tally::default()));
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&all);
                thread::spawn(move || serve(stream, &seen));
            }
        });
        Self { address, seen }
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn seen(&self) -> Tally {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen since the last call.
    pub(super) fn take(&self) -> Tally {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Answers request after request until the peer is gone.
fn serve(mut stream: TcpStream, seen: &Mutex<Tally>) {
    let (mut held, mut piece) = (Vec::new(), vec![0; 256 << 10]);
    let offset = Finder::new(b"\"offset\":\"");
    loop {
        let end = loop {
            if let Some((head, end)) = lengths(&held).filter(|(_, end)| held.len() >= *end) {
                let mut tally = Tally::default();
                offset
                    .find_iter(&held[head..end])
                    .for_each(|at| tally.enter(number(&held[head + at + 10..])));
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.n_records += tally.n_records;
                seen.offsets = seen.offsets.wrapping_add(tally.offsets);
                break end;
            }
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(n) => held.extend_from_slice(&piece[..n]),
            }
        };
        held.drain(..end);
        if stream.write_all(ANSWER).is_err() {
            return;
        }
    }
}

/// Where a request's body begins and ends; `None` until its head is whole.
fn lengths(held: &[u8]) -> Option<(usize, usize)> {
    let head = memmem::find(held, b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&held[..head]).to_ascii_lowercase();
    let length = text
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    Some((head, head + length.expect("an event has a length")))
}

fn number(text: &[u8]) -> u64 {
    text.iter()
        .take_while(|it| it.is_ascii_digit())
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}
