//! One request and its answer under one deadline, with the proof whether the request can have reached anyone.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue};
use http::response::Parts;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use crate::BoxError;
use crate::http::HttpClient;
use crate::outgoing::Outgoing;
use crate::pieces::Pieces;

/// What one exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For everything: looking the name up, connecting, sending, waiting, reading the answer.
    pub time: Duration,
    /// The most bytes of the answer's body that are read.
    pub answer_bytes: usize,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// Status and headers.
    pub head: Parts,
    /// The body, as far as it came.
    pub body: Result<Bytes, BodyError>,
}

/// In what form the body of an answer is compressed, as its head says. Every request of
/// [`HttpClient::exchange`] asks for none, and nothing is decompressed: whoever cannot read a body says this
/// of it.
pub fn coding_of(head: &Parts) -> Option<&str> {
    let coding = head.headers.get(CONTENT_ENCODING)?.to_str().ok()?.trim();
    (!coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).then_some(coding)
}

/// A body that cannot be read for being compressed, in words for people.
pub fn compressed(coding: &str) -> String {
    format!(
        "the answer is compressed (Content-Encoding: {coding}), which is not read: the request asked for identity; switch it off at the server"
    )
}

/// The head of an answer came and its body did not.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than is read.
    #[error("the answer has more than {bytes_max} bytes")]
    TooLarge {
        /// How many are read.
        bytes_max: usize,
    },
    /// The connection broke in the middle of it.
    #[error("the answer broke off")]
    Broken(#[source] BoxError),
    /// The deadline passed in the middle of it.
    #[error("the answer was not complete in time")]
    TimedOut,
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No byte of the body was handed to a connection, and none will be.
    #[error("nothing was sent")]
    NotSent(#[source] BoxError),
    /// The request was sent, in part at least; then the connection failed or brought something that is not
    /// HTTP.
    #[error("the request was sent and no answer came")]
    NoAnswer(#[source] BoxError),
    /// The request was sent, in part at least, and the deadline passed.
    #[error("the request was sent and no answer came in time")]
    TimedOut,
}

/// The deadline passed before anything was sent.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {0:?}")]
struct NoConnection(Duration);

impl HttpClient {
    /// Sends a request and reads its answer. Ends within `limits.time`. Redirects are answers like any other.
    /// Dropping it closes the connection and leaves open whether the request was received.
    pub async fn exchange(
        &self,
        mut request: Request<Pieces>,
        limits: Limits,
    ) -> Result<Answer, ExchangeError> {
        // Without it a server may take any.
        request.headers_mut().entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        let sent = request.body().sent();
        // One timer for all of it, and none where the answer is there at once.
        let mut deadline = pin!(sleep(limits.time));
        let answering = {
            let sending = pin!(self.pool.send(request.map(Outgoing::Pieces)));
            before(deadline.as_mut(), sending).await
        };
        // The connection is gone when `withdraw` is asked, so that nothing takes the request up later.
        let (mut connection, response) = match answering {
            Some(Ok(answering)) => answering,
            Some(Err(error)) if sent.withdraw() => return Err(ExchangeError::NotSent(error.into())),
            Some(Err(error)) => return Err(ExchangeError::NoAnswer(error.into())),
            None if sent.withdraw() => return Err(ExchangeError::NotSent(NoConnection(limits.time).into())),
            None => return Err(ExchangeError::TimedOut),
        };
        let (head, body) = response.into_parts();
        let body = {
            let reading = pin!(read(body, limits.answer_bytes));
            before(deadline, pin!(connection.drive(reading))).await.unwrap_or(Err(BodyError::TimedOut))
        };
        if body.is_ok() {
            self.pool.keep(connection);
        }
        Ok(Answer { head, body })
    }
}

/// What `future` brings; `None` when the deadline passes before. The future stays where it lies: it is large.
async fn before<T>(
    mut deadline: Pin<&mut Sleep>,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(it) => Poll::Ready(Some(it)),
        Poll::Pending => deadline.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// Reads a body up to `bytes_max`; one that says that it is longer is not read at all. A body of one frame is
/// not copied.
async fn read(mut body: Incoming, bytes_max: usize) -> Result<Bytes, BodyError> {
    let too_large = BodyError::TooLarge { bytes_max };
    if hyper::body::Body::size_hint(&body).lower() > bytes_max as u64 {
        return Err(too_large);
    }
    let expected = hyper::body::Body::size_hint(&body).exact();
    let expected = expected.map(|it| usize::try_from(it).unwrap_or(bytes_max));
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| BodyError::Broken(error.into()))?.into_data() else { continue };
        if first.len() + whole.len() + data.len() > bytes_max {
            return Err(too_large);
        }
        let is_first = first.is_empty() && whole.is_empty();
        // One that is known to be a part goes at once: while it is held the connection reads into new memory.
        if is_first && expected.is_none_or(|it| it <= data.len()) {
            first = data;
            continue;
        }
        if whole.is_empty() {
            // All of it at once where its length is known: no part is copied twice.
            whole.reserve(expected.unwrap_or(0).max(first.len() + data.len()));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}
