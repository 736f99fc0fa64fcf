//! Credentials of a role that is taken: STS is asked for them with the credentials beneath.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use forebay_config::aws::AwsRole;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::AwsClient;
use super::provider::TRY_MAX;
use crate::exchange::{Answer, ExchangeError, Limits};
use crate::shortened::shortened;
use crate::xml::{element, said, unescaped};

/// So much of an answer is read; a session's token has up to a few thousand bytes.
const ANSWER_BYTES_MAX: usize = 65_536;
/// What a form holds as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Takes a role each time it is asked; whoever keeps what it gives asks before that ends.
#[derive(Debug)]
pub(super) struct RoleTaker {
    pub(super) role: AwsRole,
    pub(super) sts: AwsClient,
}

/// STS gave no credentials.
#[derive(Debug, thiserror::Error)]
enum RoleError {
    #[error("STS at {endpoint} did not answer when role {role} was to be taken")]
    NoAnswer {
        endpoint: String,
        role: String,
        #[source]
        cause: ExchangeError,
    },
    #[error("STS at {endpoint} did not give role {role}: {status}: {said}")]
    Refused { endpoint: String, role: String, status: StatusCode, said: String },
    #[error("STS at {endpoint} answered without the credentials of role {role}")]
    Empty { endpoint: String, role: String },
}

impl RoleTaker {
    async fn take(&self) -> Result<Credentials, RoleError> {
        let (endpoint, role) = (self.sts.endpoint().to_owned(), self.role.role_arn.clone());
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"),
        );
        let limits = Limits { time: TRY_MAX, answer_bytes: ANSWER_BYTES_MAX };
        let answer = match self.sts.post("/", headers, vec![self.form().into()], limits).await {
            Ok(answer) => answer,
            Err(cause) => return Err(RoleError::NoAnswer { endpoint, role, cause }),
        };
        let Answer { head, body } = answer;
        let body = body.unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        if head.status != StatusCode::OK {
            let said = shortened(&said(&text));
            return Err(RoleError::Refused { endpoint, role, status: head.status, said });
        }
        session(&text).ok_or(RoleError::Empty { endpoint, role })
    }

    fn form(&self) -> String {
        let AwsRole { role_arn, external_id, session_name } = &self.role;
        let members = [
            ("RoleArn", Some(role_arn)),
            ("RoleSessionName", Some(session_name)),
            ("ExternalId", external_id.as_ref()),
        ];
        let mut form = "Action=AssumeRole&Version=2011-06-15".to_owned();
        for (name, value) in members {
            if let Some(value) = value {
                form = format!("{form}&{name}={}", utf8_percent_encode(value, ENCODED));
            }
        }
        form
    }
}

/// The credentials of an answer. Those without an end are none of a role.
fn session(answer: &str) -> Option<Credentials> {
    let text = |name| element(answer, name).map(unescaped).filter(|it| !it.is_empty());
    let end: Timestamp = text("Expiration")?.parse().ok()?;
    Some(Credentials::new(
        text("AccessKeyId")?,
        text("SecretAccessKey")?,
        Some(text("SessionToken")?),
        Some(SystemTime::from(end)),
        "role",
    ))
}

impl ProvideCredentials for RoleTaker {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            // Where there are none to take it with, it is that which is told, as it is without a role.
            self.sts.access.credentials.get().await?;
            self.take().await.map_err(CredentialsError::provider_error)
        })
    }
}

#[cfg(test)]
#[path = "role_tests.rs"]
mod tests;
