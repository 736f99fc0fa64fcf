//! The audit: a line for each request that changes something, and for each that is sent away; never anything
//! secret.

use tracing::info;

use super::request_id::RequestId;
use crate::auth::{Principal, RequestedAction};
use crate::error::ApiError;

/// Who asked for what.
#[derive(Debug, Clone)]
pub(super) struct AuditedRequest {
    /// `None` while nobody has shown who it is.
    pub(super) principal: Option<String>,
    /// `None` for a call that does not exist.
    pub(super) action: Option<RequestedAction>,
    pub(super) resource: String,
    pub(super) request_id: RequestId,
}

impl AuditedRequest {
    pub(super) fn by(&self, principal: &Principal) -> Self {
        Self { principal: Some(principal.key_id.clone()), ..self.clone() }
    }

    /// Writes how it ended.
    pub(super) fn ended(&self, status: u16, result: &str) {
        let principal = self.principal.as_deref().unwrap_or("-");
        let action = self.action.map_or("-", RequestedAction::name);
        let Self { resource, request_id, .. } = self;
        info!(target: "forebay::audit", principal, action, resource, result, status, %request_id, "{action} {result}");
    }

    pub(super) fn failed(&self, error: &ApiError) {
        self.ended(error.status(), error.error_type.name());
    }
}

/// What comes from outside, short and without control characters.
pub(super) fn plain(text: &str) -> String {
    text.chars().take(300).map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect()
}
