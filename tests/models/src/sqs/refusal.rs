//! What SQS answers a call or an entry of a batch with that it does not do.

/// A refusal, in SQS's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code that its older protocol has for it, which its newer one repeats in a header.
    pub code: String,
    /// The name of the error in its newer protocol, with the namespace.
    pub kind: String,
    /// What it says.
    pub message: String,
    /// The status of the HTTP answer.
    pub status: u16,
}

impl Refusal {
    /// A refusal whose code and name are the same.
    pub fn of(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            kind: format!("com.amazonaws.sqs#{code}"),
            message: message.into(),
            status: 400,
        }
    }

    fn named(code: &str, kind: &str, status: u16, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), kind: kind.to_owned(), message: message.into(), status }
    }

    /// There is no such queue.
    pub fn no_queue() -> Self {
        let kind = "com.amazonaws.sqs#QueueDoesNotExist";
        Self::named(
            "AWS.SimpleQueueService.NonExistentQueue",
            kind,
            400,
            "The specified queue does not exist.",
        )
    }

    /// The policy of the caller does not allow the call.
    pub fn access_denied(action: &str) -> Self {
        let action = action.to_lowercase();
        let message = format!(
            "User: arn:aws:iam::000000000000:user/forebay is not authorized to perform: sqs:{action} because no identity-based policy allows the sqs:{action} action"
        );
        Self::named("AccessDenied", "com.amazon.coral.service#AccessDeniedException", 403, message)
    }

    /// The signature does not fit.
    pub fn bad_signature() -> Self {
        let message = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.";
        Self::named(
            "SignatureDoesNotMatch",
            "com.amazon.coral.service#InvalidSignatureException",
            403,
            message,
        )
    }

    /// Too many calls.
    pub fn throttled() -> Self {
        Self::named(
            "RequestThrottled",
            "com.amazonaws.sqs#RequestThrottled",
            403,
            "The request was denied due to request throttling.",
        )
    }

    /// Too many messages are in flight.
    pub fn over_limit() -> Self {
        let kind = "com.amazonaws.sqs#OverLimit";
        Self::named(
            "OverLimit",
            kind,
            403,
            "Too many messages in flight. Try again after some have been processed and deleted.",
        )
    }

    /// It failed by itself.
    pub fn internal() -> Self {
        let message = "We encountered an internal error. Please try again.";
        Self::named("InternalError", "com.amazonaws.sqs#InternalFailure", 500, message)
    }

    /// A value is not allowed.
    pub fn invalid(value: &str, parameter: &str, reason: &str) -> Self {
        Self::of(
            "InvalidParameterValue",
            format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"),
        )
    }

    /// A value is missing.
    pub fn missing(parameter: &str) -> Self {
        Self::of("MissingParameter", format!("The request must contain the parameter {parameter}."))
    }

    /// Something in a batch is not as it must be.
    pub fn batch(what: &str, message: impl Into<String>) -> Self {
        Self::named(
            &format!("AWS.SimpleQueueService.{what}"),
            &format!("com.amazonaws.sqs#{what}"),
            400,
            message,
        )
    }

    /// The receipt is none.
    pub fn bad_handle(handle: &str) -> Self {
        Self::of(
            "ReceiptHandleIsInvalid",
            format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
        )
    }

    /// Whether the caller is to blame.
    pub fn is_senders_fault(&self) -> bool {
        self.status < 500
    }
}
