//! The least that the work can cost: read a file, render its lines as the event of the file source, POST them
//! over one kept connection, one after the other.

use std::fs::File;
use std::io::{IoSlice, Read as _, Write as _};
use std::net::TcpStream;

const HEAD: &[u8] = b"{\"Records\":[";
const READ_BYTES: usize = 256 << 10;

/// Runs through the file once, then waits for the end of its input: whoever started it reads its time first.
pub(crate) fn post(path: &str, address: &str, batch: usize) {
    let mut poster = Poster::new(address);
    let mut file = File::open(path).expect("the file can be read");
    let (mut buffer, mut n_held, mut offset) = (vec![0; READ_BYTES], 0, 0_u64);
    let before = format!(",\"eventSource\":\"forebay:file\",\"path\":\"{path}\",\"offset\":\"");
    let mut event = HEAD.to_vec();
    let mut n_records = 0;
    loop {
        let n_read = file.read(&mut buffer[n_held..]).expect("the file can be read");
        if n_read == 0 {
            break;
        }
        n_held += n_read;
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', &buffer[start..n_held]) {
            if n_records > 0 {
                event.push(b',');
            }
            render(&mut event, &before, offset, &buffer[start..start + length]);
            (start, offset, n_records) = (start + length + 1, offset + length as u64 + 1, n_records + 1);
            if n_records == batch {
                poster.post(&mut event);
                n_records = 0;
            }
        }
        buffer.copy_within(start..n_held, 0);
        n_held -= start;
    }
    if n_records > 0 {
        poster.post(&mut event);
    }
    std::io::stdin().read_to_end(&mut Vec::new()).expect("its input ends");
}

fn render(event: &mut Vec<u8>, before: &str, offset: u64, line: &[u8]) {
    let body = std::str::from_utf8(line).expect("the lines are text");
    // As long a name as a track has.
    let id = "file-801-2a-175f-9-0123456789abcdef0123456789abcdef-0";
    write!(event, "{{\"eventID\":\"{id}:{offset}\"{before}{offset}\",\"body\":")
        .expect("a vector takes everything");
    serde_json::to_writer(&mut *event, body).expect("a vector takes everything");
    event.extend_from_slice(b",\"approximateArrivalTimestamp\":1700000000.123}");
}

/// One connection.
struct Poster {
    stream: TcpStream,
    address: String,
    answer: Vec<u8>,
}

impl Poster {
    fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the function listens");
        stream.set_nodelay(true).expect("a socket takes the option");
        Self { stream, address: address.to_owned(), answer: vec![0; 4096] }
    }

    /// Sends the event and waits for its answer; then the next one begins.
    fn post(&mut self, event: &mut Vec<u8>) {
        event.extend_from_slice(b"]}");
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.address,
            event.len()
        );
        let mut n_sent = self
            .stream
            .write_vectored(&[IoSlice::new(head.as_bytes()), IoSlice::new(event)])
            .expect("the function reads");
        while n_sent < head.len() + event.len() {
            let left =
                if n_sent < head.len() { &head.as_bytes()[n_sent..] } else { &event[n_sent - head.len()..] };
            n_sent += self.stream.write(left).expect("the function reads");
        }
        let mut n_read = 0;
        while !is_whole(&self.answer[..n_read]) {
            n_read += self.stream.read(&mut self.answer[n_read..]).expect("the function answers");
        }
        assert!(self.answer.starts_with(b"HTTP/1.1 200 "), "it is refused");
        event.truncate(HEAD.len());
    }
}

/// The function's answer is a small object.
fn is_whole(answer: &[u8]) -> bool {
    answer.ends_with(b"}") && memchr::memmem::find(answer, b"\r\n\r\n").is_some()
}
