//! Errors as AWS's API gives them: a type in a header, a body whose keys differ from type to type, a status.

use std::time::Duration;

use serde_json::{Map, Value};

/// The types of error that this API gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorType {
    /// A parameter that cannot be, or not with this source.
    InvalidParameterValue,
    /// It is there already, or somebody else owns it.
    ResourceConflict,
    /// It is changing; the same request may do later.
    ResourceInUse,
    /// There is no such mapping.
    ResourceNotFound,
    /// Too much at once.
    TooManyRequests,
    /// Ours to mend.
    Service,
    /// A constraint of the API's model is violated.
    Validation,
    /// The body is no JSON of the right types.
    Serialization,
    /// The body is too large.
    RequestTooLarge,
    /// No such call.
    UnknownOperation,
    /// The key may not do this.
    AccessDenied,
    /// Not signed.
    MissingAuthenticationToken,
    /// Signed in a form that cannot be read.
    IncompleteSignature,
    /// Wrongly signed.
    InvalidSignature,
    /// Signed with a token that is not the key's.
    UnrecognizedClient,
    /// For another host than this one.
    Misdirected,
    /// An address longer than any call has.
    UriTooLong,
    /// More headers than any client sends.
    HeadTooLarge,
    /// A request that means two things at once.
    BadRequest,
    /// The endpoint behind broke off.
    BadGateway,
    /// Not now: what is needed cannot be reached, or the process ends.
    Unavailable,
}

/// How a type's body is written.
enum BodyShape {
    /// `{"Type": "User", "message": …}`
    TypeAndLowerCase,
    /// `{"Type": "User", "Message": …}`
    TypeAndCapital,
    /// `{"message": …}`
    LowerCase,
    /// `{"Message": …}`
    Capital,
}

impl ErrorType {
    /// Every type.
    pub const ALL: [Self; 21] = [
        Self::InvalidParameterValue,
        Self::ResourceConflict,
        Self::ResourceInUse,
        Self::ResourceNotFound,
        Self::TooManyRequests,
        Self::Service,
        Self::Validation,
        Self::Serialization,
        Self::RequestTooLarge,
        Self::UnknownOperation,
        Self::AccessDenied,
        Self::MissingAuthenticationToken,
        Self::IncompleteSignature,
        Self::InvalidSignature,
        Self::UnrecognizedClient,
        Self::Misdirected,
        Self::UriTooLong,
        Self::HeadTooLarge,
        Self::BadRequest,
        Self::BadGateway,
        Self::Unavailable,
    ];

    /// Its name, as the header has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidParameterValue => "InvalidParameterValueException",
            Self::ResourceConflict => "ResourceConflictException",
            Self::ResourceInUse => "ResourceInUseException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::TooManyRequests => "TooManyRequestsException",
            Self::Service => "ServiceException",
            Self::Validation => "ValidationException",
            Self::Serialization => "SerializationException",
            Self::RequestTooLarge => "RequestTooLargeException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::AccessDenied => "AccessDeniedException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::IncompleteSignature => "IncompleteSignatureException",
            Self::InvalidSignature => "InvalidSignatureException",
            Self::UnrecognizedClient => "UnrecognizedClientException",
            Self::Misdirected => "MisdirectedRequestException",
            Self::UriTooLong => "RequestURITooLongException",
            Self::HeadTooLarge => "RequestHeaderFieldsTooLargeException",
            Self::BadRequest => "BadRequestException",
            Self::BadGateway => "BadGatewayException",
            Self::Unavailable => "ServiceUnavailableException",
        }
    }

    /// Its HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidParameterValue
            | Self::ResourceInUse
            | Self::Validation
            | Self::Serialization
            | Self::IncompleteSignature
            | Self::BadRequest => 400,
            Self::AccessDenied
            | Self::MissingAuthenticationToken
            | Self::InvalidSignature
            | Self::UnrecognizedClient => 403,
            Self::ResourceNotFound | Self::UnknownOperation => 404,
            Self::ResourceConflict => 409,
            Self::RequestTooLarge => 413,
            Self::UriTooLong => 414,
            Self::Misdirected => 421,
            Self::TooManyRequests => 429,
            Self::HeadTooLarge => 431,
            Self::Service => 500,
            Self::BadGateway => 502,
            Self::Unavailable => 503,
        }
    }

    fn shape(self) -> BodyShape {
        match self {
            Self::InvalidParameterValue
            | Self::ResourceConflict
            | Self::TooManyRequests
            | Self::RequestTooLarge => BodyShape::TypeAndLowerCase,
            Self::ResourceInUse
            | Self::ResourceNotFound
            | Self::Service
            | Self::BadGateway
            | Self::Unavailable => BodyShape::TypeAndCapital,
            Self::Validation
            | Self::MissingAuthenticationToken
            | Self::IncompleteSignature
            | Self::InvalidSignature
            | Self::UnrecognizedClient
            | Self::Misdirected
            | Self::UriTooLong
            | Self::HeadTooLarge
            | Self::BadRequest => BodyShape::LowerCase,
            Self::Serialization | Self::UnknownOperation | Self::AccessDenied => BodyShape::Capital,
        }
    }
}

/// An error that a client gets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", error_type.name())]
pub struct ApiError {
    /// Its type.
    pub error_type: ErrorType,
    /// Its text.
    pub message: String,
    /// When to try again, where that is known.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// An error of this type with this text.
    pub fn new(error_type: ErrorType, message: impl Into<String>) -> Self {
        Self { error_type, message: message.into(), retry_after: None }
    }

    /// A parameter that cannot be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorType::InvalidParameterValue, message)
    }

    /// A mapping that is not there.
    pub fn no_mapping() -> Self {
        Self::new(ErrorType::ResourceNotFound, "The resource you requested does not exist.")
    }

    /// A mapping that is changing just now: `verb` is what cannot be done to it.
    pub fn in_use(verb: &str) -> Self {
        Self::new(
            ErrorType::ResourceInUse,
            format!("Cannot {verb} the event source mapping because it is in use."),
        )
    }

    /// Too much at once; try again after a while.
    pub fn throttled(message: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(ErrorType::TooManyRequests, message) }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.error_type.status()
    }

    /// The headers that say what it is; the caller adds the length and the request id.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-amzn-errortype", self.error_type.name().to_owned()),
        ];
        if let Some(wait) = self.retry_after {
            // Rounded up: a client that comes early is sent away again.
            headers.push(("retry-after", wait.as_millis().div_ceil(1000).to_string()));
        }
        headers
    }

    /// The body.
    pub fn body(&self) -> Vec<u8> {
        let who = if self.status() >= 500 { "Service" } else { "User" };
        let (with_type, key) = match self.error_type.shape() {
            BodyShape::TypeAndLowerCase => (true, "message"),
            BodyShape::TypeAndCapital => (true, "Message"),
            BodyShape::LowerCase => (false, "message"),
            BodyShape::Capital => (false, "Message"),
        };
        let mut body = Map::new();
        // Of all types AWS's model has a reason in this one's body only.
        if self.error_type == ErrorType::TooManyRequests {
            body.insert("Reason".to_owned(), Value::from("CallerRateLimitExceeded"));
        }
        if with_type {
            body.insert("Type".to_owned(), Value::from(who));
        }
        body.insert(key.to_owned(), Value::from(self.message.as_str()));
        Value::Object(body).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_bodies_that_were_recorded() {
        let body = |error: ApiError| String::from_utf8(error.body()).unwrap();
        assert_eq!(
            body(ApiError::invalid("Function does not exist")),
            r#"{"Type":"User","message":"Function does not exist"}"#
        );
        assert_eq!(
            body(ApiError::no_mapping()),
            r#"{"Type":"User","Message":"The resource you requested does not exist."}"#
        );
        assert_eq!(body(ApiError::new(ErrorType::Validation, "1 \"x\"")), r#"{"message":"1 \"x\""}"#);
        assert_eq!(body(ApiError::new(ErrorType::Service, "x")), r#"{"Type":"Service","Message":"x"}"#);
        let throttled = ApiError::throttled("Rate exceeded", Duration::from_millis(1001));
        assert_eq!(throttled.headers()[2], ("retry-after", "2".to_owned()));
        assert_eq!(
            body(throttled),
            r#"{"Reason":"CallerRateLimitExceeded","Type":"User","message":"Rate exceeded"}"#
        );
        assert_eq!(
            ApiError::no_mapping().headers()[1],
            ("x-amzn-errortype", "ResourceNotFoundException".to_owned())
        );
    }
}
