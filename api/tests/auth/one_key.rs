//! A verifier of one key.

use forebay_api::auth::{Key, Keys, Role, Rules, SecretString, Verifier};

use crate::signed::{KEY_ID, SECRET};

/// A verifier that knows one key.
pub(crate) fn verifier(rules: Rules, token: Option<&str>) -> Verifier {
    let mut keys = Keys::default();
    let session_token = token.map(|it| SecretString::from(it.to_owned()));
    keys.insert(
        KEY_ID.to_owned(),
        Key { role: Role::Operator, secret: SecretString::from(SECRET.to_owned()), session_token },
    );
    Verifier::new(rules, keys)
}
