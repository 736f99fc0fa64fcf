//! The least that the work can cost: read a file, render its lines as the event of the file source, POST them
//! over one kept connection, one after the other.

use std::fs::File;
use std::io::{Read as _, Write as _};

use crate::poster::Poster;

const READ_BYTES: usize = 256 << 10;

/// Runs through the file once, then waits for the end of its input: whoever started it reads its time first.
pub(crate) fn post(path: &str, address: &str, batch: usize) {
    let mut poster = Poster::new(address, batch);
    let mut file = File::open(path).expect("the file can be read");
    let (mut buffer, mut n_held, mut offset) = (vec![0; READ_BYTES], 0, 0_u64);
    let before = format!(",\"eventSource\":\"forebay:file\",\"path\":\"{path}\",\"offset\":\"");
    loop {
        let n_read = file.read(&mut buffer[n_held..]).expect("the file can be read");
        if n_read == 0 {
            break;
        }
        n_held += n_read;
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', &buffer[start..n_held]) {
            poster.add(|event| render(event, &before, offset, &buffer[start..start + length]));
            (start, offset) = (start + length + 1, offset + length as u64 + 1);
        }
        buffer.copy_within(start..n_held, 0);
        n_held -= start;
    }
    poster.send();
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
