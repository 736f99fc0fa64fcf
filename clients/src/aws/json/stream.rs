//! Answers that go on for minutes: their head is judged like that of every call, their body is given as it
//! comes.

use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::failed::{self, Failed};
use super::{JsonCall, JsonClient};
use crate::aws::{CallFailure, with_causes};
use crate::outgoing::Outgoing;

/// The body of an answer while it comes. No more of it is read from the connection than is asked for, but for
/// what fits a connection's buffer. Dropping it closes the connection.
#[derive(Debug)]
pub struct JsonStream(Incoming);

impl JsonStream {
    /// The next piece; `None` at its end. It waits without a deadline, and may be dropped while it waits
    /// without losing anything.
    ///
    /// # Errors
    /// The connection broke; the text is for people.
    pub async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            match self.0.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    // What is no data is a trailer, which says nothing.
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
                Some(Err(error)) => return Err(with_causes(&error)),
            }
        }
    }
}

impl JsonClient {
    /// Calls once, and gives the body of an answer that says that it worked as it comes. The call's time is for
    /// the head of the answer.
    ///
    /// # Errors
    /// There is no answer, or it says that it did not work.
    pub async fn stream(&self, call: JsonCall) -> Result<JsonStream, CallFailure> {
        self.streamed(&call).await.map_err(|it| it.failure)
    }

    async fn streamed(&self, call: &JsonCall) -> Result<JsonStream, Failed> {
        let until = Instant::now() + call.limits.time;
        let (request, sent) = self.signed(call, until).await?;
        let late = || {
            Failed::final_one(CallFailure::Unreachable(format!("no answer within {:?}", call.limits.time)))
        };
        let broken = |text| Failed::final_one(CallFailure::Unreachable(text));
        let answered = timeout_at(until, self.http.pool.send(request.map(Outgoing::Pieces))).await;
        let (connection, answer) =
            answered.map_err(|_| late())?.map_err(|error| broken(with_causes(&error)))?;
        // The answer comes while the connection is driven, and whoever reads the answer knows of none.
        self.http.pool.keep_later(connection);
        let (head, body) = answer.into_parts();
        let skew = self.skew.learn(&head.headers, sent, SystemTime::now());
        if head.status.is_success() {
            return Ok(JsonStream(body));
        }
        let body = timeout_at(until, Limited::new(body, call.limits.answer_bytes).collect()).await;
        let body = body.map_err(|_| late())?.map_err(|error| broken(error.to_string()))?.to_bytes();
        match failed::judged(head, Ok(body), skew) {
            Err(failed) => Err(failed),
            Ok(_) => Err(Failed::final_one(CallFailure::Unusable("an answer that says nothing".to_owned()))),
        }
    }
}
