//! Why a call of AWS's failed, whoever made it, told apart by what an operator has to do; each kind of source
//! gives it its own words.

use std::error::Error;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::CredentialsError;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallFailure {
    /// The service answered with an error: its code, and the code with its message.
    Answered(String, String),
    /// What came is no answer of the service.
    Unusable(String),
    /// There are no credentials to sign with.
    NoCredentials(String),
    /// No answer came.
    Unreachable(String),
}

impl CallFailure {
    /// What an error of the SDK says.
    pub fn of<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        match error.code() {
            Some(code) => {
                let text = format!("{code}: {}", error.message().unwrap_or("no message"));
                Self::Answered(code.to_owned(), text)
            }
            None if matches!(error, SdkError::ServiceError(_) | SdkError::ResponseError(_)) => {
                Self::Unusable(with_causes(error))
            }
            None if causes(error).any(|it| it.is::<CredentialsError>()) => {
                Self::NoCredentials(with_causes(error))
            }
            None => Self::Unreachable(with_causes(error)),
        }
    }
}

/// An error with its causes, each said once.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in causes(error).map(ToString::to_string) {
        if !texts.iter().any(|it| it.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |it| Error::source(*it))
}
