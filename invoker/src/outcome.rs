//! From an executor's answer to what the core is told.

use std::error::Error;

use forebay_batcher::response::{Expected, read_reply};
use forebay_batcher::{Failure, Fault, Outcome, RecordId, Reply, Slice};
use serde_json::value::RawValue;

use crate::executor::InvokeError;

/// What an invocation means for its slice. `expected` says what of the answer is read; `identify` is the
/// source's way to turn what stands under `itemIdentifier` into a record's name.
pub fn outcome_of(
    result: Result<Reply, InvokeError>,
    expected: impl Into<Expected>,
    slice: &Slice,
    identify: &dyn Fn(&RawValue) -> Option<RecordId>,
) -> Outcome {
    match result {
        Ok(mut reply) => {
            // Of a success it tells why its answer cannot be read, if somebody wants to.
            let unreadable = reply.function_error.is_none().then(|| reply.error.take()).flatten();
            match (read_reply(reply, expected, slice, identify), unreadable) {
                (Outcome::Failed { how: Failure::InvalidResponse, reply }, Some(why)) => Outcome::Failed {
                    how: Failure::InvalidResponse,
                    reply: Reply { error: Some(why), ..reply },
                },
                (outcome, _) => outcome,
            }
        }
        Err(InvokeError::NotReached { why, code, retry_after, cause, .. }) => {
            Outcome::NotReached { why, retry_after, error: Fault::new(code, chain(cause.as_ref())) }
        }
        Err(InvokeError::TooLarge { .. }) => Outcome::TooLarge,
        Err(InvokeError::Unknown { request_id, cause, .. }) => {
            let reply = Reply { request_id, error: Some(chain(cause.as_ref())), ..Reply::default() };
            Outcome::Failed { how: Failure::Unknown, reply }
        }
    }
}

/// An error and its causes in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        // Some libraries repeat their cause in their own text.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use forebay_batcher::NotReached;
    use forebay_batcher::response::ResponseTypes;

    use super::*;

    fn outcome(error: InvokeError) -> Outcome {
        outcome_of(Err(error), ResponseTypes::ItemFailures, &Slice::new(Vec::new()), &|_| None)
    }

    #[test]
    fn an_answer_that_never_came_spends_a_retry_and_keeps_its_request_id() {
        let error = InvokeError::Unknown {
            function: "resize".into(),
            request_id: "r-1".into(),
            cause: "reset".into(),
        };
        let Outcome::Failed { how, reply } = outcome(error) else { panic!("it failed") };
        assert_eq!(
            (how, reply.request_id.as_str(), reply.status, reply.error.as_deref()),
            (Failure::Unknown, "r-1", None, Some("reset"))
        );
    }

    #[test]
    fn a_function_that_was_not_reached_and_an_event_that_is_too_large_spend_none() {
        let retry_after = Some(Duration::from_secs(3));
        let (why, code) = (NotReached::Throttled, InvokeError::NOT_REACHED);
        let error = InvokeError::NotReached {
            function: "resize".into(),
            why,
            code,
            retry_after,
            cause: "busy".into(),
        };
        assert_eq!(outcome(error), Outcome::NotReached { why, retry_after, error: Fault::new(code, "busy") });
        assert_eq!(outcome(InvokeError::TooLarge { function: "resize".into() }), Outcome::TooLarge);
    }

    #[test]
    fn the_answer_of_a_function_that_was_reached_is_read_by_the_core() {
        let outcome = |function_error: Option<&str>, payload: &'static str| {
            let reply = Reply {
                function_error: function_error.map(str::to_owned),
                payload: Some(payload.into()),
                ..Reply::default()
            };
            outcome_of(Ok(reply), ResponseTypes::ItemFailures, &Slice::new(Vec::new()), &|_| None)
        };
        assert!(matches!(outcome(None, ""), Outcome::Succeeded(_)), "a 204 has no body");
        assert!(matches!(
            outcome(Some("Unhandled"), "{}"),
            Outcome::Failed { how: Failure::FunctionError, .. }
        ));
        assert!(matches!(outcome(None, "Accepted"), Outcome::Failed { how: Failure::InvalidResponse, .. }));
    }

    #[test]
    fn an_answer_that_cannot_be_read_fails_with_the_reason_that_the_executor_saw_and_only_where_it_is_wanted()
    {
        let reply = Reply {
            error: Some("it is compressed".into()),
            payload: Some("\u{1f}".into()),
            ..Reply::default()
        };
        let told = |types| match outcome_of(Ok(reply.clone()), types, &Slice::new(Vec::new()), &|_| None) {
            Outcome::Failed { reply, .. } => reply.error,
            Outcome::Succeeded(reply) => Some(format!("succeeded {:?}", reply.error)),
            other => panic!("{other:?}"),
        };
        assert_eq!(told(ResponseTypes::ItemFailures).as_deref(), Some("it is compressed"));
        assert_eq!(told(ResponseTypes::Nothing).as_deref(), Some("succeeded None"));
    }

    #[test]
    fn a_chain_names_every_cause_once() {
        let inner = std::io::Error::other("no route");
        let error = InvokeError::Unknown {
            function: "resize".into(),
            request_id: String::new(),
            cause: inner.into(),
        };
        assert_eq!(chain(&error), "function resize took the event and gave no answer: no route");
    }
}
