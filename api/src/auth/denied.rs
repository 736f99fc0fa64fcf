//! Why a request is not let in, in AWS's words.

use crate::error::{ApiError, ErrorType};

/// Why a request is not let in.
///
/// | denied | AWS's name | status |
/// | --- | --- | --- |
/// | no signature at all | `MissingAuthenticationTokenException` | 403 |
/// | a part is missing, stands twice or has another form | `IncompleteSignatureException` | 400 |
/// | wrong signature, unknown key, wrong algorithm, wrong scope, wrong time, wrong body | `InvalidSignatureException` | 403 |
/// | the session token is not that of the key | `UnrecognizedClientException` | 403 |
///
/// A signature of an unknown key and a wrong one of a known key are one case, so that nobody learns which
/// keys exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No `Authorization` header and no signature in the query.
    #[error("Missing Authentication Token")]
    Unsigned,
    /// The signature stands in the query.
    #[error("A signature in the query is not accepted; sign with an Authorization header")]
    QueryForm,
    /// A header stands twice, or in both header and query.
    #[error("Header '{0}' must be sent exactly once")]
    Repeated(&'static str),
    /// Another algorithm.
    #[error("Unsupported AWS 'algorithm'; the Authorization header must begin with 'AWS4-HMAC-SHA256'")]
    Algorithm,
    /// The header cannot be taken apart.
    #[error("Authorization header is malformed")]
    Malformed,
    /// A part of the header is missing.
    #[error("Authorization header requires '{}' parameter", .0.name())]
    Missing(HeaderPart),
    /// The path does not begin with a slash.
    #[error("The path of the request must begin with '/'")]
    Path,
    /// The credential is not of five parts.
    #[error("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term")]
    Credential,
    /// The header that says when it was signed is missing or is no time.
    #[error(
        "Authorization header requires existence of an 'X-Amz-Date' header of the form YYYYMMDD'T'HHMMSS'Z'"
    )]
    Date,
    /// A header that must be covered is not.
    #[error("'{0}' must be a 'SignedHeader' in the AWS Authorization")]
    NotCovered(String),
    /// A header that is covered is not there.
    #[error("The signed header '{0}' is not in the request")]
    NotSent(String),
    /// The scope names another day than the header.
    #[error(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{scope}' != '{header}'"
    )]
    ScopeDate {
        /// The day of the scope.
        scope: String,
        /// The day of the header.
        header: String,
    },
    /// The scope names another region.
    #[error("Credential should be scoped to a valid region, not '{0}'")]
    ScopeRegion(String),
    /// The scope names another service.
    #[error("Credential should be scoped to correct service: '{0}'")]
    ScopeService(String),
    /// The scope ends otherwise.
    #[error("Credential should be scoped with a valid terminator: 'aws4_request', not '{0}'")]
    ScopeTerminator(String),
    /// Signed too long ago.
    #[error("Signature expired: {signed} is now earlier than {bound} ({now} - {minutes} min.)")]
    Expired {
        /// When it was signed.
        signed: String,
        /// The earliest that is accepted.
        bound: String,
        /// The time here.
        now: String,
        /// How far clocks may differ.
        minutes: u64,
    },
    /// Signed in the future.
    #[error("Signature not yet current: {signed} is still later than {bound} ({now} + {minutes} min.)")]
    NotYet {
        /// When it was signed.
        signed: String,
        /// The latest that is accepted.
        bound: String,
        /// The time here.
        now: String,
        /// How far clocks may differ.
        minutes: u64,
    },
    /// The payload hash is a placeholder: the body would not be covered.
    #[error(
        "The payload must be signed: 'x-amz-content-sha256' must be the SHA-256 of the body in hexadecimal digits"
    )]
    UnsignedPayload,
    /// The payload hash is of another body.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    PayloadHash,
    /// The signature is not that of this request, or nobody has the key.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. \
         Consult the service documentation for details."
    )]
    Mismatch,
    /// The signature is right, the session token is not that of the key.
    #[error("The security token included in the request is invalid.")]
    Token,
    /// A request that changes something came a second time.
    #[error("The signature of this request was used before; sign a repeated request anew")]
    Replayed,
}

/// A part of the `Authorization` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderPart {
    /// Who signs, and for what.
    Credential,
    /// Which headers are covered.
    SignedHeaders,
    /// The signature.
    Signature,
}

impl HeaderPart {
    fn name(self) -> &'static str {
        match self {
            Self::Credential => "Credential",
            Self::SignedHeaders => "SignedHeaders",
            Self::Signature => "Signature",
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let error_type = match denied {
            Denied::Unsigned => ErrorType::MissingAuthenticationToken,
            Denied::QueryForm
            | Denied::Path
            | Denied::Repeated(_)
            | Denied::Malformed
            | Denied::Missing(_)
            | Denied::Credential
            | Denied::Date => ErrorType::IncompleteSignature,
            Denied::Algorithm
            | Denied::NotCovered(_)
            | Denied::NotSent(_)
            | Denied::ScopeDate { .. }
            | Denied::ScopeRegion(_)
            | Denied::ScopeService(_)
            | Denied::ScopeTerminator(_)
            | Denied::Expired { .. }
            | Denied::NotYet { .. }
            | Denied::UnsignedPayload
            | Denied::PayloadHash
            | Denied::Mismatch
            | Denied::Replayed => ErrorType::InvalidSignature,
            Denied::Token => ErrorType::UnrecognizedClient,
        };
        Self::new(error_type, denied.to_string())
    }
}
