//! Requests whose bodies are not in memory, and answers that are not read here: for whoever passes calls on.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::BoxError;
use crate::http::HttpClient;
use crate::pieces::{Pieces, Vectored};
use crate::pool::SendError;

/// A body that comes piece by piece; its length may be unknown.
pub type StreamBody = UnsyncBoxBody<Bytes, BoxError>;

/// No answer came.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// No connection could be made, so nobody has seen the request.
    #[error("no connection could be made")]
    NotSent(#[source] BoxError),
    /// The request was sent, in part at least; then the connection failed or brought something that is not
    /// HTTP.
    #[error("the request was sent and no answer came")]
    NoAnswer(#[source] BoxError),
}

impl HttpClient {
    /// Sends a request whose body is read as it goes out, and gives the answer with its body unread. Nothing
    /// but connecting has a deadline: whoever calls has its own. Redirects are answers like any other.
    /// Dropping it closes the connection.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn stream(&self, request: Request<StreamBody>) -> Result<Response<Incoming>, StreamError> {
        match self.pool.send(request.map(Outgoing::Stream)).await {
            Ok((connection, response)) => {
                // The answer comes while the connection is driven, and whoever reads the answer knows of
                // none.
                self.pool.keep_later(connection);
                Ok(response)
            }
            Err(error @ (SendError::Connect(_) | SendError::NoServer)) => {
                Err(StreamError::NotSent(error.into()))
            }
            Err(error @ SendError::Broken(_)) => Err(StreamError::NoAnswer(error.into())),
        }
    }
}

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
