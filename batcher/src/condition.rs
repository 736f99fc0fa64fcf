//! Why records are given up, in the words of failure records.

/// Why records were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// `RetryAttemptsExhausted`
    RetriesExhausted,
    /// `RecordAgeExceeded`
    AgeExceeded,
    /// `MaximumPayloadSizeExceeded`
    PayloadTooLarge,
    /// `RecordRejected`: the function asked for it. Ours.
    Rejected,
    /// `SCHEMA_NOT_FOUND`: the record names a schema that its registry does not have.
    SchemaNotFound,
    /// `DESERIALIZATION_ERROR`: the record cannot be read by its schema.
    NotDecoded,
}

impl Condition {
    /// The word that stands in a failure record: AWS's, where AWS has one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetriesExhausted => "RetryAttemptsExhausted",
            Self::AgeExceeded => "RecordAgeExceeded",
            Self::PayloadTooLarge => "MaximumPayloadSizeExceeded",
            Self::Rejected => "RecordRejected",
            Self::SchemaNotFound => "SCHEMA_NOT_FOUND",
            Self::NotDecoded => "DESERIALIZATION_ERROR",
        }
    }
}
