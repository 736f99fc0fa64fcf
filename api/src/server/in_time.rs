//! A body whose every piece must come in time, so that a client that stops sending holds nothing for ever.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::bounds::PIECE_MAX;

/// Passes a body on, piece by piece.
pub(super) struct InTime {
    body: Body,
    patience: Pin<Box<Sleep>>,
}

impl InTime {
    pub(super) fn new(body: Body) -> Self {
        Self { body, patience: Box::pin(sleep(PIECE_MAX)) }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the client sent nothing for {0} s")]
struct Silent(u64);

impl HttpBody for InTime {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                self.patience.as_mut().reset(Instant::now() + PIECE_MAX);
                Poll::Ready(frame.map(|it| it.map_err(Into::into)))
            }
            Poll::Pending => match self.patience.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Some(Err(Silent(PIECE_MAX.as_secs()).into()))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
