//! HTTP/1.1 as the limit programs, the function and the stream speak it: a connection that is kept, and where in
//! a message what stands.

use std::io::{IoSlice, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use memchr::memmem;

const READ_BYTES: usize = 256 << 10;

/// A connection for one request after the other.
pub(crate) struct KeptConnection {
    stream: TcpStream,
    address: String,
    answer: Vec<u8>,
}

impl KeptConnection {
    pub(crate) fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("a socket takes the option");
        Self { stream, address: address.to_owned(), answer: vec![0; 4096] }
    }

    /// Sends a request with these headers, each with the end of its line, and gives the body of its answer.
    ///
    /// # Panics
    /// When it is refused.
    pub(crate) fn post(&mut self, headers: &str, body: &[u8]) -> &[u8] {
        self.send(headers, body);
        self.receive()
    }

    /// Sends a request, and does not wait for its answer.
    pub(crate) fn send(&mut self, headers: &str, body: &[u8]) {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\n{headers}content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let pieces = [IoSlice::new(head.as_bytes()), IoSlice::new(body)];
        let mut n_sent = self.stream.write_vectored(&pieces).expect("it reads");
        while n_sent < head.len() + body.len() {
            let left =
                if n_sent < head.len() { &head.as_bytes()[n_sent..] } else { &body[n_sent - head.len()..] };
            n_sent += self.stream.write(left).expect("it reads");
        }
    }

    /// Waits for the answer to what was sent, and gives its body.
    ///
    /// # Panics
    /// When it was refused.
    pub(crate) fn receive(&mut self) -> &[u8] {
        let mut n_read = 0;
        let (start, end) = loop {
            let ends = lengths(&self.answer[..n_read]);
            match ends {
                Some((_, end)) if end <= n_read => break ends.expect("it is there"),
                Some((_, end)) => self.answer.resize(self.answer.len().max(end), 0),
                None => {}
            }
            let n = self.stream.read(&mut self.answer[n_read..]).expect("it answers");
            assert!(n > 0, "it answers in whole");
            n_read += n;
        };
        let body = &self.answer[start..end];
        assert!(self.answer.starts_with(b"HTTP/1.1 200 "), "refused: {}", String::from_utf8_lossy(body));
        body
    }
}

/// Answers request after request until the process ends; each connection has a thread. `answer` gets a head
/// and a body, and appends a whole answer to what it is given.
pub(crate) fn serve(answer: impl Fn(&[u8], &[u8], &mut Vec<u8>) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || serve_one(stream, &*answer));
        }
    });
    address
}

/// Until the peer is gone.
fn serve_one(mut stream: TcpStream, answer: &impl Fn(&[u8], &[u8], &mut Vec<u8>)) {
    let (mut held, mut piece, mut out) = (Vec::new(), vec![0; READ_BYTES], Vec::new());
    // An answer goes out in one piece, and the next one waits for nobody.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    loop {
        let end = loop {
            if let Some((head, end)) = lengths(&held).filter(|(_, end)| held.len() >= *end) {
                out.clear();
                answer(&held[..head], &held[head..end], &mut out);
                break end;
            }
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(n) => held.extend_from_slice(&piece[..n]),
            }
        };
        held.drain(..end);
        if stream.write_all(&out).is_err() {
            return;
        }
    }
}

/// Where a message's body begins and ends; `None` until its head is whole.
fn lengths(held: &[u8]) -> Option<(usize, usize)> {
    let head = memmem::find(held, b"\r\n\r\n")? + 4;
    let length = header(&held[..head], "content-length").expect("a message has a length");
    Some((head, head + length.parse::<usize>().expect("a length is a number")))
}

/// The value of a header, without the blanks around it.
pub(crate) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    head.split(|it| *it == b'\n').find_map(|line| {
        let (is, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":").filter(|_| is.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(std::str::from_utf8(value).expect("a header is text").trim())
    })
}
