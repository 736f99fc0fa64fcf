//! Looks secrets up where their references say: in a variable, a file, or Secrets Manager.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use forebay_config::secret_ref::SECRETS_MANAGER;
use forebay_config::{Arn, AwsSettings, SecretRef};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName};
use secrecy::SecretString;

use crate::Clients;
use crate::aws::{AwsError, AwsTarget};
use crate::exchange::{BodyError, ExchangeError, Limits};

/// No secret is longer; Secrets Manager has none beyond it either.
const SECRET_BYTES_MAX: usize = 64 << 10;
/// The bits of a file's mode that group and others have.
const OTHERS: u32 = 0o077;
/// One call of Secrets Manager. What it answers is the secret and a few names, escaped.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), answer_bytes: 8 * SECRET_BYTES_MAX };

/// A secret that cannot be had. Nothing here repeats any part of one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// FB-0365
    #[error("the variable {0} is not set, is empty, or is no text")]
    Variable(String),
    /// FB-0365
    #[error("the secret file {path} cannot be read")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// FB-0366
    #[error(
        "the secret file {path} has the mode {mode:04o}: group and others must have no right to it (chmod 600)"
    )]
    Mode {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// FB-0365
    #[error("the secret file {path} {what}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with what it holds.
        what: &'static str,
    },
    /// The code is that of the cause.
    #[error("{arn} cannot be asked for")]
    Access {
        /// Which secret.
        arn: String,
        /// Why.
        #[source]
        cause: AwsError,
    },
    /// FB-0367
    #[error("Secrets Manager at {endpoint} gave no answer about {arn}")]
    NoAnswer {
        /// Which secret.
        arn: String,
        /// Who was asked.
        endpoint: String,
        /// Why.
        #[source]
        cause: ExchangeError,
    },
    /// FB-0367
    #[error("Secrets Manager at {endpoint} refused {arn}: {error_type} ({status})")]
    Refused {
        /// Which secret.
        arn: String,
        /// Who was asked.
        endpoint: String,
        /// The type of its error.
        error_type: String,
        /// Its HTTP status.
        status: u16,
    },
    /// FB-0367
    #[error("what Secrets Manager at {endpoint} answered about {arn} {what}")]
    Answer {
        /// Which secret.
        arn: String,
        /// Who was asked.
        endpoint: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl SecretError {
    /// The page that explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Variable(_) | Self::File { .. } | Self::Content { .. } => "FB-0365",
            Self::Mode { .. } => "FB-0366",
            Self::Access { cause, .. } => cause.code(),
            Self::NoAnswer { .. } | Self::Refused { .. } | Self::Answer { .. } => "FB-0367",
        }
    }

    /// Whether the same may work later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Variable(_)
            | Self::File { .. }
            | Self::Mode { .. }
            | Self::Content { .. }
            | Self::Access { .. }
            | Self::Answer { .. } => false,
        }
    }
}

/// Looks a secret up. `variable` looks a variable of the environment up.
///
/// # Errors
/// It is not there, or not kept as a secret should be.
pub async fn look_up(
    reference: &SecretRef,
    variable: impl Fn(&str) -> Option<String>,
    clients: &Clients,
) -> Result<SecretString, SecretError> {
    match reference {
        SecretRef::Env(name) => variable(name)
            .filter(|it| !it.is_empty())
            .map(SecretString::from)
            .ok_or_else(|| SecretError::Variable(name.clone())),
        SecretRef::File(path) => in_file(path),
        SecretRef::SecretsManager(arn) => in_secrets_manager(arn, clients).await,
    }
}

/// Refuses a file that group or others have a right to.
///
/// # Errors
/// They have, or it cannot be looked at.
pub fn check_mode(path: &Path) -> Result<(), SecretError> {
    let metadata =
        std::fs::metadata(path).map_err(|cause| SecretError::File { path: path.to_owned(), cause })?;
    judge_mode(path, &metadata)
}

fn judge_mode(path: &Path, metadata: &std::fs::Metadata) -> Result<(), SecretError> {
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS == 0 { Ok(()) } else { Err(SecretError::Mode { path: path.to_owned(), mode }) }
}

/// The text of a file without the line end that editors add.
fn in_file(path: &Path) -> Result<SecretString, SecretError> {
    let wrong = |cause| SecretError::File { path: path.to_owned(), cause };
    let content = |what| SecretError::Content { path: path.to_owned(), what };
    let file = std::fs::File::open(path).map_err(wrong)?;
    // Asked of the open file, so that nobody puts another in its place meanwhile.
    let metadata = file.metadata().map_err(wrong)?;
    if !metadata.is_file() {
        return Err(content("is no file"));
    }
    judge_mode(path, &metadata)?;
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err(content("is larger than 64 KB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| content("is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err(content("is empty")) } else { Ok(SecretString::from(text)) }
}

async fn in_secrets_manager(arn: &str, clients: &Clients) -> Result<SecretString, SecretError> {
    let named = Arn::parse(arn);
    let (region, account) = (named.as_ref().map(|it| &*it.region), named.as_ref().map(|it| &*it.account));
    let own = AwsSettings::default();
    let target = AwsTarget { service: &SECRETS_MANAGER, own: &own, region, account, endpoint: None };
    let client = clients
        .aws_client(target)
        .await
        .map_err(|cause| SecretError::Access { arn: arn.to_owned(), cause })?;
    let (arn, endpoint) = (arn.to_owned(), client.endpoint().to_owned());
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    headers.insert(
        HeaderName::from_static("x-amz-target"),
        HeaderValue::from_static("secretsmanager.GetSecretValue"),
    );
    let body = serde_json::json!({ "SecretId": arn }).to_string();
    let answer = match client.post("/", headers, vec![Bytes::from(body)], LIMITS).await {
        Ok(answer) => answer,
        Err(cause) => return Err(SecretError::NoAnswer { arn, endpoint, cause }),
    };
    let status = answer.head.status;
    let body = match answer.body {
        Ok(body) => body,
        Err(BodyError::TooLarge { .. }) => {
            return Err(SecretError::Answer { arn, endpoint, what: "is too long" });
        }
        Err(BodyError::Broken(_) | BodyError::TimedOut) => {
            return Err(SecretError::NoAnswer { arn, endpoint, cause: ExchangeError::TimedOut });
        }
    };
    // The body may hold the secret whatever else is wrong with it: no error of it is shown.
    let members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&body).unwrap_or_default();
    if !status.is_success() {
        let named =
            members.get("__type").and_then(|it| it.as_str()).map(|it| it.rsplit('#').next().unwrap_or(it));
        let is_name = |it: &&str| it.len() <= 100 && it.bytes().all(|it| it.is_ascii_alphanumeric());
        let error_type = named.filter(is_name).unwrap_or("no type of error").to_owned();
        return Err(SecretError::Refused { arn, endpoint, error_type, status: status.as_u16() });
    }
    match members.get("SecretString").and_then(|it| it.as_str()) {
        Some(secret) if !secret.is_empty() && secret.len() <= SECRET_BYTES_MAX => {
            Ok(SecretString::from(secret))
        }
        Some(_) => Err(SecretError::Answer { arn, endpoint, what: "is empty or too long" }),
        None => Err(SecretError::Answer { arn, endpoint, what: "holds no SecretString" }),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    async fn found(reference: SecretRef) -> Result<String, String> {
        let variable = |name: &str| (name == "KEY").then(|| "hunter2".to_owned());
        let secret = look_up(&reference, variable, &Clients::default()).await;
        secret
            .map(|it| it.expose_secret().to_owned())
            .map_err(|error| format!("{} {error} {error:?}", error.code()))
    }

    #[tokio::test]
    async fn a_variable_gives_its_text() {
        assert_eq!(found(SecretRef::Env("KEY".to_owned())).await.as_deref(), Ok("hunter2"));
        assert!(
            found(SecretRef::Env("OTHER".to_owned()))
                .await
                .unwrap_err()
                .starts_with("FB-0365 the variable OTHER")
        );
    }

    #[tokio::test]
    async fn a_file_gives_its_text_when_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let write = |content: &[u8], mode: u32| {
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            found(SecretRef::File(path.clone()))
        };
        assert_eq!(write(b"hunter2\n", 0o600).await.as_deref(), Ok("hunter2"));
        assert_eq!(write(b" hunter2\r\n", 0o400).await.as_deref(), Ok(" hunter2"));
        for mode in [0o640, 0o604, 0o620, 0o660, 0o666, 0o601] {
            let error = write(b"hunter2", mode).await.unwrap_err();
            assert!(
                error.starts_with("FB-0366")
                    && error.contains(&format!("{mode:04o}"))
                    && !error.contains("hunter2"),
                "{error}"
            );
        }
        let refused = async |content: &[u8], what: &str| {
            let error = write(content, 0o600).await.unwrap_err();
            assert!(
                error.starts_with("FB-0365") && error.contains(what) && !error.contains("hunter2"),
                "{error}"
            );
        };
        refused(b"", "is empty").await;
        refused(b"\n", "is empty").await;
        refused(b"hunter2\xff", "is not UTF-8").await;
        refused(&vec![b'a'; SECRET_BYTES_MAX + 1], "is larger").await;
        assert!(write(&vec![b'a'; SECRET_BYTES_MAX], 0o600).await.is_ok());
        assert!(found(SecretRef::File(folder.path().join("none"))).await.unwrap_err().starts_with("FB-0365"));
        let of_folder = found(SecretRef::File(folder.path().to_owned())).await.unwrap_err();
        assert!(of_folder.starts_with("FB-0365"), "{of_folder}");
    }
}
