//! Who a request comes from: nobody asks on loopback, a signature or a token where there are keys, the
//! socket's owner through the socket.

use std::time::SystemTime;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};

use super::tokens::{self, Token};
use crate::auth::{Denied, Head, HeadChecked, Principal, Role, Verified, Verifier, has_query_signature};

/// Whether clients must show who they are.
#[derive(Debug, Clone)]
pub enum Access {
    /// Whoever reaches the listener may do everything. For loopback only.
    Open,
    /// Only who signs with a key or carries a token.
    Keys {
        /// Verifies signatures.
        verifier: Verifier,
        /// The tokens.
        tokens: Vec<Token>,
    },
}

/// Which way a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The Unix socket in the data folder, which only its owner can open.
    Socket,
    /// The listener for Lambda's API.
    Api,
    /// The listener for health, metrics and operators.
    Admin,
}

/// What the head of a request shows of who sent it.
pub(super) enum ShownCaller<'a> {
    /// It is clear.
    Is(Principal),
    /// It is when the body is known.
    Signed(HeadChecked<'a>),
}

impl Access {
    /// Looks at the head. `head` is made by [`head_of`].
    pub(super) fn look<'a>(
        &'a self,
        via: Via,
        head: &'a Head<'a>,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<ShownCaller<'a>, Denied> {
        let everything =
            |name: &str| Ok(ShownCaller::Is(Principal { key_id: name.to_owned(), role: Role::Admin }));
        let (verifier, tokens) = match (via, self) {
            (Via::Socket, _) => return everything("unix socket"),
            (Via::Api | Via::Admin, Self::Open) => return everything("loopback"),
            (Via::Api | Via::Admin, Self::Keys { verifier, tokens }) => (verifier, tokens),
        };
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let token = values.next().and_then(|it| tokens::of_header(it.as_bytes()));
        match token {
            // Of two ways to say who it is only one would be looked at.
            Some(_) if values.next().is_some() || has_query_signature(head.query) => {
                Err(Denied::Repeated("authorization"))
            }
            Some(token) => tokens::find(tokens, token).map(ShownCaller::Is).ok_or(Denied::Token),
            None => verifier.check_head(head, now).map(ShownCaller::Signed),
        }
    }
}

/// Proves a signature when the body is known; the signature is given back, for it counts once where it
/// changes something.
pub(super) fn prove(shown: ShownCaller<'_>, body: &[u8]) -> Result<(Principal, Option<[u8; 32]>), Denied> {
    match shown {
        ShownCaller::Is(principal) => Ok((principal, None)),
        ShownCaller::Signed(head) => {
            let Verified { principal, signature } = head.finish(Sha256::digest(body).into())?;
            Ok((principal, Some(signature)))
        }
    }
}

/// The head as a verifier reads it.
pub(super) fn head_of(parts: &Parts) -> Head<'_> {
    Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
    }
}
