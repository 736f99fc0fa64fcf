//! What a request may be at most, and reading its body within that.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::request::Parts;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{ApiError, ErrorType};

/// The most headers.
pub const HEADERS_MAX: usize = 100;
/// The most bytes of all headers together, names and values.
pub const HEADER_BYTES_MAX: usize = 32 << 10;
/// The longest address.
pub const URI_BYTES_MAX: usize = 8 << 10;
/// The longest body that is passed on when it must be known as a whole.
pub const PASSED_BYTES_MAX: usize = 50 << 20;
/// The most bytes of bodies in memory, all requests together.
const BODIES_BYTES_MAX: usize = 256 << 20;
/// The unit in which they are counted.
const UNIT: usize = 1 << 10;
/// A client that sends nothing for so long is sent away.
pub(super) const PIECE_MAX: Duration = Duration::from_secs(30);
/// The longest that a body may take that is read as a whole.
const BODY_MAX: Duration = Duration::from_secs(300);

/// Refuses a head that is larger than any client's, or that two servers could read in two ways.
pub(super) fn check_head(parts: &Parts) -> Result<(), ApiError> {
    let uri_bytes = parts.uri.path_and_query().map_or(0, |it| it.as_str().len());
    if uri_bytes > URI_BYTES_MAX {
        return Err(ApiError::new(
            ErrorType::UriTooLong,
            format!("The address of a request has at most {URI_BYTES_MAX} bytes"),
        ));
    }
    let header_bytes: usize =
        parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if parts.headers.len() > HEADERS_MAX || header_bytes > HEADER_BYTES_MAX {
        let message =
            format!("A request has at most {HEADERS_MAX} headers of {HEADER_BYTES_MAX} bytes together");
        return Err(ApiError::new(ErrorType::HeadTooLarge, message));
    }
    let ambiguous = |message: &str| Err(ApiError::new(ErrorType::BadRequest, message));
    if [HOST, CONTENT_LENGTH].iter().any(|name| parts.headers.get_all(name).iter().nth(1).is_some()) {
        return ambiguous("Host and Content-Length must be sent once");
    }
    if parts.headers.contains_key(CONTENT_LENGTH) && parts.headers.contains_key(TRANSFER_ENCODING) {
        return ambiguous("Content-Length and Transfer-Encoding exclude each other");
    }
    if !parts.uri.path().starts_with('/') {
        return ambiguous("The path of a request begins with /");
    }
    Ok(())
}

/// A body that was read, and its part of the memory for bodies.
#[derive(Debug)]
pub(super) struct ReadBody {
    pub(super) bytes: Bytes,
    /// Given back when it is dropped.
    pub(super) memory: Option<OwnedSemaphorePermit>,
}

/// The memory for bodies.
#[derive(Debug, Clone)]
pub(super) struct Bodies(Arc<Semaphore>);

impl Bodies {
    pub(super) fn new() -> Self {
        Self::of(BODIES_BYTES_MAX)
    }

    fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / UNIT)))
    }

    /// Reads a body of at most `bytes_max`. One that says that it is longer is not read at all.
    pub(super) async fn read(&self, mut body: Body, bytes_max: usize) -> Result<ReadBody, ApiError> {
        let too_large = || {
            ApiError::new(
                ErrorType::RequestTooLarge,
                format!("Request must be smaller than {bytes_max} bytes for this operation"),
            )
        };
        if body.size_hint().lower() > bytes_max as u64 {
            return Err(too_large());
        }
        let deadline = Instant::now() + BODY_MAX;
        let (mut bytes, mut memory) = (BytesMut::new(), None::<OwnedSemaphorePermit>);
        loop {
            // Each piece has its time and so have all together: a client that only drips holds memory as
            // well.
            let next = timeout_at(deadline, timeout(PIECE_MAX, body.frame())).await;
            let broken = |message: &str| ApiError::new(ErrorType::BadRequest, message);
            let Ok(Ok(frame)) = next else {
                return Err(broken("The body of the request did not come in time"));
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|_| broken("The body of the request broke off"))?.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > bytes_max {
                return Err(too_large());
            }
            // By the sum of the pieces: each rounded up for itself, a body in pieces of one byte would take a
            // thousand times its size.
            let n_held = memory.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let n_more = (bytes.len() + data.len()).div_ceil(UNIT) - n_held;
            let n_more = u32::try_from(n_more).map_err(|_| too_large())?;
            // Not waited for: bodies that are half read could wait for one another without end.
            let taken = Arc::clone(&self.0).try_acquire_many_owned(n_more);
            let taken = taken.map_err(|_| ApiError::throttled("Rate exceeded", Duration::from_secs(1)))?;
            match &mut memory {
                Some(memory) => memory.merge(taken),
                None => memory = Some(taken),
            }
            bytes.extend_from_slice(&data);
        }
        Ok(ReadBody { bytes: bytes.freeze(), memory })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_together_have_a_bound_and_what_is_done_makes_room() {
        let bodies = Bodies::of(4 * UNIT);
        let read = async |n_bytes: usize| bodies.read(Body::from(vec![0; n_bytes]), 10 * UNIT).await;
        let first = read(3 * UNIT).await.unwrap();
        assert_eq!(first.bytes.len(), 3 * UNIT);
        let second = read(UNIT).await.unwrap();
        let refused = read(1).await.unwrap_err();
        assert_eq!(
            (refused.error_type, refused.retry_after),
            (ErrorType::TooManyRequests, Some(Duration::from_secs(1)))
        );
        drop((first, second));
        assert!(read(4 * UNIT).await.is_ok());
        assert_eq!(read(4 * UNIT + 1).await.unwrap_err().error_type, ErrorType::TooManyRequests);
        assert_eq!(read(10 * UNIT + 1).await.unwrap_err().error_type, ErrorType::RequestTooLarge);
        assert!(read(4 * UNIT).await.is_ok(), "what was refused holds nothing");
    }

    #[tokio::test]
    async fn a_body_in_many_small_pieces_counts_as_much_as_one_in_a_single_piece() {
        let bodies = Bodies::of(2 * UNIT);
        let read = async |n_bytes: usize| {
            let pieces = (0..n_bytes).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"x")));
            bodies.read(Body::from_stream(futures_util::stream::iter(pieces)), 10 * UNIT).await
        };
        let whole = read(2 * UNIT).await.unwrap();
        assert_eq!(whole.bytes.len(), 2 * UNIT);
        assert_eq!(read(1).await.unwrap_err().error_type, ErrorType::TooManyRequests);
        drop(whole);
        assert_eq!(read(2 * UNIT + 1).await.unwrap_err().error_type, ErrorType::TooManyRequests);
        let (first, second) = (read(1).await.unwrap(), read(UNIT).await.unwrap());
        assert_eq!(read(1).await.unwrap_err().error_type, ErrorType::TooManyRequests, "each takes a unit");
        drop((first, second));
    }
}
