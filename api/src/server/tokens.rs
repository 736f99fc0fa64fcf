//! Bearer tokens, for clients that do not sign: only their hashes are known here.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::auth::{Principal, Role};

/// How every token begins, so that a lost one is recognised as what it is.
const PREFIX: &str = "fbt_";

/// A bearer token, by its hash.
#[derive(Debug, Clone)]
pub struct Token {
    /// Its name, for the audit.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// The token of an `Authorization` header, if it carries one.
pub(super) fn of_header(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Whose token it is. All are compared, each in constant time.
pub(super) fn find(tokens: &[Token], presented: &[u8]) -> Option<Principal> {
    let has_prefix = presented.starts_with(PREFIX.as_bytes());
    let presented: [u8; 32] = Sha256::digest(presented).into();
    let matching =
        tokens.iter().fold(None, |found, it| if is_equal(&it.sha256, &presented) { Some(it) } else { found });
    // Looked at last, so that what is no token takes as long as one that is wrong.
    matching
        .filter(|_| has_prefix)
        .map(|it| Principal { key_id: format!("token:{}", it.name), role: it.role })
}

fn is_equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let digest = |it: &[u8; 32]| {
        Hmac::<Sha256>::new_from_slice(b"bearer token")
            .expect("a key of any length is a key")
            .chain_update(it)
    };
    digest(one).verify_slice(&digest(other).finalize().into_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash() {
        let token = |name: &str, token: &str| Token {
            name: name.to_owned(),
            role: Role::Reader,
            sha256: Sha256::digest(token).into(),
        };
        let tokens = [token("a", "fbt_one"), token("b", "fbt_two"), token("c", "three")];
        assert_eq!(find(&tokens, b"fbt_two").map(|it| it.key_id).as_deref(), Some("token:b"));
        for other in [&b"fbt_on"[..], b"fbt_three", b"", b"three"] {
            assert_eq!(find(&tokens, other), None);
        }
        // Every byte of the hash counts: one that differs is enough, and one that is right is too little.
        let hash: [u8; 32] = Sha256::digest("fbt_one").into();
        let finds = |sha256: [u8; 32]| find(&[Token { sha256, ..token("a", "") }], b"fbt_one").is_some();
        assert!(finds(hash));
        for idx in 0..32 {
            let (mut differs, mut matches) = (hash, hash.map(|it| !it));
            differs[idx] ^= 1;
            matches[idx] = hash[idx];
            assert!(!finds(differs) && !finds(matches), "byte {idx}");
        }
        assert_eq!(of_header(b"Bearer fbt_one"), Some(&b"fbt_one"[..]));
        assert_eq!((of_header(b"AWS4-HMAC-SHA256 Credential=x"), of_header(b"Bear")), (None, None));
    }
}
