//! A request body made of pieces that are sent one after the other without a copy, and the proof whether any of them was handed out.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// A request body made of pieces. Its length is known, so it is sent with `Content-Length`.
#[derive(Debug)]
pub struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    n_bytes_left: u64,
    sent: Sent,
}

impl Pieces {
    /// A body of these bytes. Without any byte it counts as sent from the start: nobody could tell.
    pub fn new(pieces: Vec<Bytes>) -> Self {
        let n_bytes_left = pieces.iter().map(|piece| piece.len() as u64).sum();
        let state = if n_bytes_left == 0 { BEGUN } else { WAITING };
        Self { pieces: pieces.into_iter(), n_bytes_left, sent: Sent(Arc::new(AtomicU8::new(state))) }
    }

    /// Tells later whether any byte was handed to a connection.
    pub fn sent(&self) -> Sent {
        self.sent.clone()
    }
}

/// Whether any byte of a body was handed to a connection.
#[derive(Debug, Clone)]
pub struct Sent(Arc<AtomicU8>);

impl Sent {
    /// Takes the body back. `true`: no byte of it was handed to a connection, and none ever will be. `false`: it is too late to tell.
    pub fn withdraw(&self) -> bool {
        self.0.compare_exchange(WAITING, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) != Err(BEGUN)
    }

    fn begin(&self) -> bool {
        self.0.compare_exchange(WAITING, BEGUN, Ordering::AcqRel, Ordering::Acquire) != Err(WITHDRAWN)
    }
}

/// The body was taken back before its first byte.
#[derive(Debug, thiserror::Error)]
#[error("the request was taken back before it was sent")]
pub struct Withdrawn;

impl Body for Pieces {
    type Data = Bytes;
    type Error = Withdrawn;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Withdrawn>>> {
        if !self.sent.begin() {
            return Poll::Ready(Some(Err(Withdrawn)));
        }
        let piece = self.pieces.find(|piece| !piece.is_empty());
        self.n_bytes_left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.n_bytes_left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.n_bytes_left)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn next(body: &mut Pieces) -> Option<Result<Bytes, Withdrawn>> {
        match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())),
            Poll::Pending => panic!("pieces are always ready"),
        }
    }

    #[test]
    fn pieces_come_in_order_and_the_length_is_exact() {
        let mut body = Pieces::new(vec![Bytes::from("ab"), Bytes::new(), Bytes::from("c")]);
        assert_eq!(body.size_hint().exact(), Some(3));
        assert_eq!(next(&mut body).unwrap().unwrap(), "ab");
        assert!(!body.is_end_stream());
        assert_eq!(next(&mut body).unwrap().unwrap(), "c");
        assert!(body.is_end_stream());
        assert!(next(&mut body).is_none());
    }

    #[test]
    fn a_body_taken_back_never_gives_a_byte_and_a_begun_one_is_not_taken_back() {
        let mut body = Pieces::new(vec![Bytes::from("a")]);
        let sent = body.sent();
        assert!(sent.withdraw());
        assert!(sent.withdraw(), "asking twice changes nothing");
        assert!(next(&mut body).unwrap().is_err());
        let mut body = Pieces::new(vec![Bytes::from("a")]);
        let sent = body.sent();
        assert!(next(&mut body).unwrap().is_ok());
        assert!(!sent.withdraw());
        assert!(!Pieces::new(Vec::new()).sent().withdraw());
    }
}
