//! Requests whose bodies are not in memory, and answers that are not read here: for whoever passes calls on.

use http::{Request, Response};
use hyper::body::Incoming;

use crate::BoxError;
use crate::http::HttpClient;
use crate::outgoing::{Outgoing, StreamBody};
use crate::pool::SendError;

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
