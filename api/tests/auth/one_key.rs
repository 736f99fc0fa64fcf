//! A verifier of one key.

use forebay_api::auth::{Key, Keys, Role, Rules, SigningSecret, Verifier};

use crate::signed::{KEY_ID, SECRET};

/// A verifier that knows one key.
pub(crate) fn verifier(rules: Rules, token: Option<&str>) -> Verifier {
    let mut keys = Keys::default();
    let session_token = token.map(|it| SigningSecret::new(it.to_owned()));
    keys.insert(
        KEY_ID.to_owned(),
        Key { role: Role::Operator, secret: SigningSecret::new(SECRET.to_owned()), session_token },
    );
    Verifier::new(rules, keys)
}
