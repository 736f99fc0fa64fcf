//! The secrets of a block of settings, looked up together, and what is read out of them as AWS keeps such secrets.

use std::collections::BTreeMap;

use forebay_config::SecretRef;
use secrecy::{ExposeSecret as _, SecretString};

use crate::Clients;
use crate::secret::{SecretError, look_up};

/// Secrets by their references.
pub(crate) struct SecretBook(BTreeMap<SecretRef, SecretString>);

/// A secret is not in the form of those that AWS keeps. Nothing here repeats a part of it.
#[derive(Debug, thiserror::Error)]
#[error("is no JSON object, as AWS keeps such secrets")]
pub(crate) struct NotAnObject;

impl SecretBook {
    /// Looks all of them up.
    pub(crate) async fn look_up(references: &[&SecretRef], clients: &Clients) -> Result<Self, SecretError> {
        let mut found = BTreeMap::new();
        for reference in references {
            let secret = look_up(reference, |name| std::env::var(name).ok(), clients).await?;
            found.insert((*reference).clone(), secret);
        }
        Ok(Self(found))
    }

    /// One of them.
    pub(crate) fn of(&self, reference: &SecretRef) -> SecretString {
        self.0.get(reference).cloned().expect("all secrets of the settings were looked up")
    }

    /// A text in a secret that is a JSON object; `None` where it has none of that name.
    pub(crate) fn member(
        &self,
        reference: &SecretRef,
        name: &str,
    ) -> Result<Option<SecretString>, NotAnObject> {
        let secret = self.of(reference);
        let members: serde_json::Map<String, serde_json::Value> =
            // The error of the parser may repeat a part of it.
            serde_json::from_str(secret.expose_secret()).map_err(|_| NotAnObject)?;
        Ok(members.get(name).and_then(|it| it.as_str()).map(SecretString::from))
    }

    /// PEM, or JSON whose `certificate` is that; `None` where it has none.
    pub(crate) fn certificate(&self, reference: &SecretRef) -> Result<Option<SecretString>, NotAnObject> {
        let secret = self.of(reference);
        match secret.expose_secret().trim_start().starts_with("-----") {
            true => Ok(Some(secret)),
            false => self.member(reference, "certificate"),
        }
    }
}
