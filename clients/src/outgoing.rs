//! What goes out on a connection: a body in memory, or one that comes piece by piece.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};

use crate::BoxError;
use crate::pieces::{Pieces, Vectored};

/// A body that comes piece by piece; its length may be unknown.
pub type StreamBody = UnsyncBoxBody<Bytes, BoxError>;

/// What goes out on a connection.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// All of it is in memory.
    Pieces(Pieces),
    /// It comes from elsewhere.
    Stream(StreamBody),
}

impl Body for Outgoing {
    type Data = Vectored;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Vectored>, BoxError>>> {
        match self.get_mut() {
            Self::Pieces(it) => Pin::new(it).poll_frame(context).map_err(Into::into),
            Self::Stream(it) => Pin::new(it)
                .poll_frame(context)
                .map_ok(|frame| frame.map_data(|data| Vectored::new(vec![data]))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Pieces(it) => it.is_end_stream(),
            Self::Stream(it) => it.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Pieces(it) => it.size_hint(),
            Self::Stream(it) => it.size_hint(),
        }
    }
}
