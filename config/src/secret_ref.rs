//! Where a secret is, in place of the secret: a variable, a file or Secrets Manager.

use std::path::{Path, PathBuf};

use crate::aws::{Arn, AwsService};
use crate::error::Code;
use crate::fields::Item;

/// What is asked for secrets that an ARN names.
pub static SECRETS_MANAGER: AwsService = crate::aws_service!(
    "secretsmanager",
    "SECRETS_MANAGER",
    "Secrets Manager, for secrets that are named by an ARN"
);

/// Where a secret is. It is looked up when it is needed; what stands in the config tells nobody anything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretRef {
    /// `env:NAME`
    Env(String),
    /// `file:PATH`
    File(PathBuf),
    /// `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME`
    SecretsManager(String),
}

/// A text that says of no secret where it is. The text is not kept: it may be the secret itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must say where the secret is, not the secret itself")]
pub struct NoSecretRef;

impl NoSecretRef {
    /// What to write in its place.
    pub const FIX: &'static str = "write `env:NAME`, `file:PATH` or the ARN of a secret of Secrets Manager";
}

impl SecretRef {
    /// Reads a reference; a relative path begins at `base`.
    ///
    /// # Errors
    /// It is none; it may be a secret, which the error does not repeat.
    pub fn parse(text: &str, base: &Path) -> Result<Self, NoSecretRef> {
        if let Some(name) = text.strip_prefix("env:") {
            let is_name = name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
            let begins = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
            return if is_name && begins { Ok(Self::Env(name.to_owned())) } else { Err(NoSecretRef) };
        }
        if let Some(path) = text.strip_prefix("file:") {
            return if path.is_empty() || path.contains('\0') {
                Err(NoSecretRef)
            } else {
                Ok(Self::File(base.join(path)))
            };
        }
        let is_secret = |it: &Arn| {
            it.service == "secretsmanager"
                && it.resource.strip_prefix("secret:").is_some_and(|it| !it.is_empty())
        };
        Arn::parse(text).filter(is_secret).map(|it| Self::SecretsManager(it.to_string())).ok_or(NoSecretRef)
    }

    /// Reads a reference that stands in a config.
    pub(crate) fn read(mut it: Item<'_, '_>, base: &Path) -> Option<Self> {
        let text = it.again().text()?;
        match Self::parse(&text, base) {
            Ok(reference) => Some(reference),
            Err(error) => {
                it.wrong(Code::NOT_ALLOWED, error.to_string(), Some(NoSecretRef::FIX.to_owned()));
                None
            }
        }
    }
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::SecretsManager(arn) => f.write_str(arn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_says_where_and_is_written_as_it_was_read() {
        let parse = |text: &str| SecretRef::parse(text, Path::new("/base")).map(|it| it.to_string());
        for text in
            ["env:KEY_1", "file:/run/key", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b-x1Y2z3"]
        {
            assert_eq!(parse(text).as_deref(), Ok(text));
        }
        assert_eq!(parse("file:key").as_deref(), Ok("file:/base/key"));
    }

    #[test]
    fn a_secret_in_place_of_a_reference_is_refused_and_not_repeated() {
        for text in [
            "hunter2",
            "",
            "env:",
            "env:1A",
            "env:A-B",
            "file:",
            "file:a\0b",
            "arn:aws:secretsmanager:eu-west-1:123456789012:hunter2",
        ] {
            let error = SecretRef::parse(text, Path::new("/")).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        assert!(SecretRef::parse("arn:aws:sqs:eu-west-1:123456789012:secret:q", Path::new("/")).is_err());
    }
}
