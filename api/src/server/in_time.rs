//! A body whose every piece must come in time, so that a client that stops sending holds nothing for ever.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::bounds::PIECE_MAX;

/// Passes a body on, piece by piece. Only while somebody waits for a piece must the client send one.
pub(super) struct InTime {
    body: Body,
    patience: Pin<Box<Sleep>>,
    /// A piece was asked for and has not come: the patience runs.
    is_waiting: bool,
}

impl InTime {
    pub(super) fn new(body: Body) -> Self {
        Self { body, patience: Box::pin(sleep(PIECE_MAX)), is_waiting: false }
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
                self.is_waiting = false;
                Poll::Ready(frame.map(|it| it.map_err(Into::into)))
            }
            Poll::Pending => {
                // From the first look that finds nothing, not from the piece before: while whoever takes the
                // body takes nothing, the client cannot send.
                if !self.is_waiting {
                    self.is_waiting = true;
                    self.patience.as_mut().reset(Instant::now() + PIECE_MAX);
                }
                match self.patience.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(Silent(PIECE_MAX.as_secs()).into()))),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt;
    use tokio::sync::mpsc;
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_time_in_which_somebody_waits_for_the_client_counts() {
        let (client, pieces) = mpsc::channel::<&'static str>(1);
        let stream = futures_util::stream::unfold(pieces, |mut pieces| async {
            pieces.recv().await.map(|it| (Ok::<_, std::io::Error>(Bytes::from_static(it.as_bytes())), pieces))
        });
        let mut body = InTime::new(Body::from_stream(stream));
        let almost = PIECE_MAX - Duration::from_secs(1);
        for piece in ["first", "second"] {
            // The other side takes nothing for longer than a client may be silent.
            advance(2 * PIECE_MAX).await;
            assert!(timeout(almost, body.frame()).await.is_err(), "the wait has only begun");
            client.send(piece).await.unwrap();
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), piece);
        }
        assert!(timeout(almost, body.frame()).await.is_err());
        let silent = timeout(PIECE_MAX, body.frame()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(silent.to_string(), "the client sent nothing for 30 s");
    }
}
