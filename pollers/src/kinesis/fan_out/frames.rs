//! AWS's event stream: messages cut out of what a connection brings. Pure.
//!
//! A message begins with its length, the length of its headers and the CRC-32 of these eight bytes, all with
//! their highest byte first, and ends with the CRC-32 of all before that. Where one ends is decided here, before
//! anything is kept for it; what is in it `aws-smithy-eventstream` reads.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use aws_smithy_types::str_bytes::StrBytes;
use bytes::{Bytes, BytesMut};

/// Lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// A record of 10 MB is a third longer as text; what is longer than this is no answer of Kinesis.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// What a message is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// An event of this type, and its payload.
    Event(String, Bytes),
    /// The stream ends with an error of this code; the text is the payload, as JSON, or the message.
    Failed(String, Bytes),
}

/// What came and is not whole yet: one message at the most, and what came with its end.
#[derive(Debug, Default)]
pub(super) struct Frames(BytesMut);

impl Frames {
    /// Takes a piece of the connection.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }

    /// The next message; `None` while it is not whole.
    ///
    /// # Errors
    /// What came is no event stream, or was damaged. Nothing behind it can be read.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, &'static str> {
        let Some(prelude) = self.0.first_chunk::<PRELUDE_BYTES>() else { return Ok(None) };
        let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|it| prelude[at + it]));
        let (n_bytes, n_headers) = (number(0) as usize, number(4) as usize);
        if crc32fast::hash(&prelude[..8]) != number(8) {
            return Err("the beginning of a message of its event stream is damaged");
        }
        if n_bytes > MESSAGE_BYTES_MAX || PRELUDE_BYTES + n_headers + CHECKSUM_BYTES > n_bytes {
            return Err("a message of its event stream has a length that cannot be");
        }
        if self.0.len() < n_bytes {
            return Ok(None);
        }
        let message = read_message_from(self.0.split_to(n_bytes).freeze());
        let message = message.map_err(|_| "a message of its event stream is damaged")?;
        frame(&message).map(Some).ok_or("the headers of a message of its event stream are damaged")
    }
}

/// `None` where a header that says what a message is holds no text.
fn frame(message: &Message) -> Option<Frame> {
    let (mut kind, mut event, mut code, mut text) = ("", "", "", None);
    for header in message.headers() {
        let value = header.value().as_string().ok().map(StrBytes::as_str);
        match header.name().as_str() {
            ":message-type" => kind = value?,
            ":event-type" => event = value?,
            ":exception-type" | ":error-code" => code = value?,
            ":error-message" => text = value,
            _ => {}
        }
    }
    let payload = || message.payload().clone();
    Some(match kind {
        "event" => Frame::Event(event.to_owned(), payload()),
        _ => Frame::Failed(
            code.to_owned(),
            text.map_or_else(payload, |it| Bytes::copy_from_slice(it.as_bytes())),
        ),
    })
}

/// A message as a server writes it.
#[cfg(test)]
pub(super) fn written(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in headers {
        lines.push(name.len() as u8);
        lines.extend_from_slice(name.as_bytes());
        lines.push(7);
        lines.extend_from_slice(&(value.len() as u16).to_be_bytes());
        lines.extend_from_slice(value.as_bytes());
    }
    let n_bytes = PRELUDE_BYTES + lines.len() + payload.len() + CHECKSUM_BYTES;
    let mut message = (n_bytes as u32).to_be_bytes().to_vec();
    message.extend_from_slice(&(lines.len() as u32).to_be_bytes());
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message.extend_from_slice(&lines);
    message.extend_from_slice(payload);
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: [(&str, &str); 3] = [
        (":message-type", "event"),
        (":event-type", "SubscribeToShardEvent"),
        (":content-type", "application/json"),
    ];

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let failed = [(":message-type", "exception"), (":exception-type", "ResourceInUseException")];
        let bytes = [written(&EVENT, b"{}"), written(&failed, b"{\"message\":\"m\"}"), written(&EVENT, b"")];
        let bytes = bytes.concat();
        for n_bytes in 1..=bytes.len() {
            let (mut frames, mut read) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(n_bytes) {
                frames.push(piece);
                while let Some(frame) = frames.next().unwrap() {
                    read.push(frame);
                }
            }
            let event =
                |payload| Frame::Event("SubscribeToShardEvent".to_owned(), Bytes::from_static(payload));
            let payload = Bytes::from_static(b"{\"message\":\"m\"}");
            let failed = Frame::Failed("ResourceInUseException".to_owned(), payload);
            assert_eq!(read, [event(b"{}"), failed, event(b"")], "in pieces of {n_bytes}");
        }
    }

    #[test]
    fn a_bit_that_is_flipped_anywhere_is_never_read_as_a_message() {
        let bytes = written(&EVENT, b"{\"Records\":[]}");
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let mut frames = Frames::default();
            frames.push(&damaged);
            assert!(frames.next().is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_refused_before_anything_is_kept_for_it() {
        for (n_bytes, n_headers) in [(MESSAGE_BYTES_MAX as u32 + 1, 0), (15, 0), (16, 1), (40, u32::MAX)] {
            let mut prelude = [n_bytes.to_be_bytes(), n_headers.to_be_bytes()].concat();
            prelude.extend_from_slice(&crc32fast::hash(&prelude).to_be_bytes());
            let mut frames = Frames::default();
            frames.push(&prelude);
            assert!(frames.next().is_err(), "{n_bytes} {n_headers}");
        }
    }
}
