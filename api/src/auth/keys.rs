//! The keys that may sign, and what each may do.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;

use super::authorization::CredentialScope;
use super::role::Role;

/// The key for one day, region and service; good for nothing else.
pub(super) fn signing_key(secret: &SecretString, scope: &CredentialScope<'_>) -> Hmac<Sha256> {
    let seed = SecretSlice::from([b"AWS4", secret.expose_secret().as_bytes()].concat());
    let steps = [scope.date, scope.region, scope.service, scope.terminator];
    steps.iter().fold(keyed(seed.expose_secret()), |key, step| {
        keyed(&key.chain_update(step.as_bytes()).finalize().into_bytes())
    })
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length is a key")
}

/// One key.
#[derive(Debug, Clone)]
pub struct Key {
    /// What it may do.
    pub role: Role,
    /// Signs.
    pub secret: SecretString,
    /// The token that must come with it, for temporary keys.
    pub session_token: Option<SecretString>,
}

impl Key {
    /// Whether the token that came is the one of this key. Takes as long for every token of the same length.
    pub(super) fn has_token(&self, token: Option<&[u8]>) -> bool {
        match (&self.session_token, token) {
            (None, None) => true,
            (Some(wanted), Some(token)) => {
                // Compared by their hashes, so that the time tells nothing of where two tokens differ.
                let digest = |bytes: &[u8]| keyed(b"session token").chain_update(bytes);
                digest(wanted.expose_secret().as_bytes())
                    .verify_slice(&digest(token).finalize().into_bytes())
                    .is_ok()
            }
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// All keys, by their id.
#[derive(Debug, Clone, Default)]
pub struct Keys(BTreeMap<String, Key>);

impl Keys {
    /// Adds a key; gives the one back that stood under this id.
    pub fn insert(&mut self, id: String, key: Key) -> Option<Key> {
        self.0.insert(id, key)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, id: &str) -> Option<(&str, &Key)> {
        self.0.get_key_value(id).map(|(id, key)| (id.as_str(), key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let secret = || SecretString::from("canary".to_owned());
        let mut keys = Keys::default();
        assert!(keys.is_empty());
        keys.insert(
            "AKID".to_owned(),
            Key { role: Role::Admin, secret: secret(), session_token: Some(secret()) },
        );
        let shown = format!("{keys:?}");
        assert!(shown.contains("AKID") && !shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a_token_must_be_that_of_the_key() {
        let key = |token: Option<&str>| Key {
            role: Role::Reader,
            secret: SecretString::from(String::new()),
            session_token: token.map(|it| SecretString::from(it.to_owned())),
        };
        assert!(key(None).has_token(None) && key(Some("a")).has_token(Some(b"a")));
        assert!(
            !key(None).has_token(Some(b"a"))
                && !key(Some("a")).has_token(None)
                && !key(Some("a")).has_token(Some(b"b"))
        );
    }
}
