//! A request body made of pieces that are sent together without a copy, and the proof whether they were
//! handed out.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// A request body made of pieces, handed out at once. Its length is known, so it is sent with
/// `Content-Length`.
#[derive(Debug)]
pub struct Pieces {
    left: Option<Vectored>,
    sent: Sent,
}

/// Pieces that go out one after the other, with one call where the connection can.
#[derive(Debug)]
pub struct Vectored {
    /// None of them is empty.
    pieces: std::vec::IntoIter<Bytes>,
    n_bytes: usize,
}

impl Vectored {
    /// These, in this order.
    pub fn new(mut pieces: Vec<Bytes>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        let n_bytes = pieces.iter().map(Bytes::len).sum();
        Self { pieces: pieces.into_iter(), n_bytes }
    }
}

impl Buf for Vectored {
    fn remaining(&self) -> usize {
        self.n_bytes
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.as_slice().first().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let filled = out.iter_mut().zip(self.pieces.as_slice());
        filled.map(|(slot, piece)| *slot = IoSlice::new(piece)).count()
    }

    fn advance(&mut self, n_bytes: usize) {
        self.n_bytes -= n_bytes;
        let mut n_left = n_bytes;
        while let Some(piece) = self.pieces.as_mut_slice().first_mut() {
            if piece.len() > n_left {
                piece.advance(n_left);
                return;
            }
            n_left -= piece.len();
            self.pieces.next();
        }
    }
}

impl Pieces {
    /// A body of these bytes. Without any byte it counts as sent from the start: nobody could tell.
    pub fn new(pieces: Vec<Bytes>) -> Self {
        let left = Some(Vectored::new(pieces)).filter(|it| it.n_bytes > 0);
        let state = if left.is_none() { BEGUN } else { WAITING };
        Self { left, sent: Sent(Arc::new(AtomicU8::new(state))) }
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
    /// Takes the body back. `true`: no byte of it was handed to a connection, and none ever will be. `false`:
    /// it is too late to tell.
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
    type Data = Vectored;
    type Error = Withdrawn;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Vectored>, Withdrawn>>> {
        if !self.sent.begin() {
            return Poll::Ready(Some(Err(Withdrawn)));
        }
        Poll::Ready(self.left.take().map(|all| Ok(Frame::data(all))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.as_ref().map_or(0, |left| left.n_bytes as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn next(body: &mut Pieces) -> Option<Result<Vectored, Withdrawn>> {
        match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())),
            Poll::Pending => panic!("pieces are always ready"),
        }
    }

    #[test]
    fn pieces_come_in_order_and_the_length_is_exact() {
        let mut body = Pieces::new(vec![Bytes::from("ab"), Bytes::new(), Bytes::from("c")]);
        assert_eq!(body.size_hint().exact(), Some(3));
        assert!(!body.is_end_stream());
        let mut all = next(&mut body).unwrap().unwrap();
        assert_eq!(all.copy_to_bytes(all.remaining()), "abc");
        assert!(body.is_end_stream());
        assert!(next(&mut body).is_none());
    }

    #[test]
    fn what_one_call_did_not_take_is_what_the_next_one_gets() {
        let texts = ["", "ab", "", "cde", "f"];
        for n_first in 0..=6 {
            let mut all = Vectored::new(texts.map(Bytes::from).to_vec());
            all.advance(n_first);
            let mut slots = [IoSlice::new(&[]); 8];
            let n_slots = all.chunks_vectored(&mut slots);
            let left: Vec<u8> = slots[..n_slots].iter().flat_map(|slot| slot.to_vec()).collect();
            assert_eq!(left, &b"abcdef"[n_first..]);
            assert_eq!((all.remaining(), all.chunk().is_empty()), (6 - n_first, n_first == 6));
        }
        let few = Vectored::new(texts.map(Bytes::from).to_vec());
        assert_eq!(few.chunks_vectored(&mut [IoSlice::new(&[]); 2]), 2, "no more than there is room for");
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
