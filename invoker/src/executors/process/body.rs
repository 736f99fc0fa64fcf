//! Bodies of the Runtime API: an event sent piece by piece, an answer read up to its limit.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::executor::Event;

/// How much of an answer over its limit is read and thrown away, so that the client gets to read the refusal.
const DISCARD_BYTES_MAX: usize = 256 << 20;

/// A body of known size that is sent without being copied together.
#[derive(Debug, Default)]
pub(super) struct SizedBody {
    pieces: VecDeque<Bytes>,
    n_bytes: u64,
}

impl From<Event> for SizedBody {
    fn from(event: Event) -> Self {
        let n_bytes = event.n_bytes() as u64;
        Self { pieces: event.pieces.into_iter().filter(|it| !it.is_empty()).collect(), n_bytes }
    }
}

impl From<Bytes> for SizedBody {
    fn from(bytes: Bytes) -> Self {
        Event::from(vec![bytes]).into()
    }
}

impl Body for SizedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.n_bytes -= piece.as_ref().map_or(0, Bytes::len) as u64;
        Poll::Ready(piece.map(|it| Ok(Frame::data(it))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        // So the answer goes out with its length, and not in chunks.
        SizeHint::with_exact(self.n_bytes)
    }
}

/// A whole body and what came behind it.
#[derive(Debug)]
pub(super) struct Whole {
    /// Its bytes.
    pub(super) bytes: Bytes,
    /// Its trailers; empty without any.
    pub(super) trailers: HeaderMap,
}

/// Why a body is not there as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFault {
    /// It is larger than allowed; the rest is still to come.
    TooLarge,
    /// The connection ended, or what came was not HTTP.
    Truncated,
}

/// Reads a body of up to `bytes_max` bytes, whether its length was announced or not.
pub(super) async fn read_whole(body: &mut Incoming, bytes_max: usize) -> Result<Whole, BodyFault> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(BodyFault::TooLarge);
    }
    // The limit was checked above: a length that is only announced takes no more than that.
    let mut bytes = BytesMut::with_capacity(announced);
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyFault::Truncated)?;
        match frame.into_data() {
            Ok(data) if bytes.len() + data.len() > bytes_max => return Err(BodyFault::TooLarge),
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    let bytes = bytes.freeze();
    Ok(Whole { bytes, trailers })
}

/// Reads the rest of a body and forgets it.
pub(super) async fn discard(body: &mut Incoming) {
    let mut n_bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        n_bytes += frame.data_ref().map_or(0, Bytes::len);
        if n_bytes > DISCARD_BYTES_MAX {
            return;
        }
    }
}
