//! Who may do what.

use crate::error::{ApiError, ErrorType};

/// What a key may do. Each role may do all that the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks: mappings, tags and states; no record's content.
    Reader,
    /// Runs mappings: makes, changes and deletes them, tags them, pauses and replays them, looks into
    /// records.
    Operator,
    /// Everything: beyond that, the calls passed on to Lambda, which may deploy and run code, and the reload
    /// of the config file.
    Admin,
}

/// What a request asks for. Every route has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestedAction {
    /// `lambda:CreateEventSourceMapping`
    CreateMapping,
    /// `lambda:ListEventSourceMappings`
    ListMappings,
    /// `lambda:GetEventSourceMapping`
    GetMapping,
    /// `lambda:UpdateEventSourceMapping`
    UpdateMapping,
    /// `lambda:DeleteEventSourceMapping`
    DeleteMapping,
    /// `lambda:ListTags`
    ListTags,
    /// `lambda:TagResource`
    TagResource,
    /// `lambda:UntagResource`
    UntagResource,
    /// A mapping's state, lag, positions and backlog.
    Inspect,
    /// The content of records.
    Peek,
    /// Pause and resume a mapping.
    Steer,
    /// Set positions, replay.
    Reposition,
    /// Read the config file again.
    Reload,
    /// Any call of Lambda that is not about mappings, passed on.
    PassOn,
}

impl RequestedAction {
    /// Every action.
    pub const ALL: [Self; 14] = [
        Self::CreateMapping,
        Self::ListMappings,
        Self::GetMapping,
        Self::UpdateMapping,
        Self::DeleteMapping,
        Self::ListTags,
        Self::TagResource,
        Self::UntagResource,
        Self::Inspect,
        Self::Peek,
        Self::Steer,
        Self::Reposition,
        Self::Reload,
        Self::PassOn,
    ];

    /// Its name in an error, a policy or an audit line; AWS's where AWS has one.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateMapping => "lambda:CreateEventSourceMapping",
            Self::ListMappings => "lambda:ListEventSourceMappings",
            Self::GetMapping => "lambda:GetEventSourceMapping",
            Self::UpdateMapping => "lambda:UpdateEventSourceMapping",
            Self::DeleteMapping => "lambda:DeleteEventSourceMapping",
            Self::ListTags => "lambda:ListTags",
            Self::TagResource => "lambda:TagResource",
            Self::UntagResource => "lambda:UntagResource",
            Self::Inspect => "forebay:Inspect",
            Self::Peek => "forebay:Peek",
            Self::Steer => "forebay:Steer",
            Self::Reposition => "forebay:Reposition",
            Self::Reload => "forebay:Reload",
            Self::PassOn => "forebay:PassOn",
        }
    }

    /// Whether it changes something here: it is written to the audit, and its signature counts once. What is
    /// passed on is not known; the endpoint behind decides.
    pub fn is_mutating(self) -> bool {
        match self {
            Self::ListMappings
            | Self::GetMapping
            | Self::ListTags
            | Self::Inspect
            | Self::Peek
            | Self::PassOn => false,
            Self::CreateMapping
            | Self::UpdateMapping
            | Self::DeleteMapping
            | Self::TagResource
            | Self::UntagResource
            | Self::Steer
            | Self::Reposition
            | Self::Reload => true,
        }
    }

    /// The least role that may.
    fn needs(self) -> Role {
        match self {
            Self::ListMappings | Self::GetMapping | Self::ListTags | Self::Inspect => Role::Reader,
            Self::CreateMapping
            | Self::UpdateMapping
            | Self::DeleteMapping
            | Self::TagResource
            | Self::UntagResource
            | Self::Peek
            | Self::Steer
            | Self::Reposition => Role::Operator,
            Self::Reload | Self::PassOn => Role::Admin,
        }
    }
}

impl Role {
    /// The role of a name in the config file.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Reader, Self::Operator, Self::Admin].into_iter().find(|it| it.name() == name)
    }

    /// Its name in the config file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Whether it may.
    pub fn may(self, action: RequestedAction) -> bool {
        self >= action.needs()
    }
}

/// Who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The id of the key.
    pub key_id: String,
    /// What it may do.
    pub role: Role,
}

impl Principal {
    /// Lets the action through, or refuses it in AWS's words. `account` is the one that ARNs here carry.
    pub fn authorise(&self, action: RequestedAction, resource: &str, account: &str) -> Result<(), ApiError> {
        if self.role.may(action) {
            return Ok(());
        }
        let message = format!(
            "User: arn:aws:iam::{account}:user/{} is not authorized to perform: {} on resource: {resource} because the key's role is {}",
            self.key_id,
            action.name(),
            self.role.name()
        );
        Err(ApiError::new(ErrorType::AccessDenied, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_its_row_says() {
        let readers = [
            RequestedAction::ListMappings,
            RequestedAction::GetMapping,
            RequestedAction::ListTags,
            RequestedAction::Inspect,
        ];
        let admins = [RequestedAction::Reload, RequestedAction::PassOn];
        for action in RequestedAction::ALL {
            assert_eq!(Role::Reader.may(action), readers.contains(&action), "{action:?}");
            assert_eq!(Role::Operator.may(action), !admins.contains(&action), "{action:?}");
            assert!(Role::Admin.may(action), "{action:?}");
            assert!(!action.is_mutating() || !Role::Reader.may(action), "{action:?} changes something");
        }
        for role in [Role::Reader, Role::Operator, Role::Admin] {
            assert_eq!(Role::parse(role.name()), Some(role));
        }
        assert_eq!(Role::parse("Admin"), None);
    }

    #[test]
    fn a_refusal_names_who_what_and_on_what() {
        let principal = Principal { key_id: "AKID".to_owned(), role: Role::Reader };
        assert!(principal.authorise(RequestedAction::GetMapping, "*", "000000000000").is_ok());
        let error = principal.authorise(RequestedAction::DeleteMapping, "arn:x", "000000000000").unwrap_err();
        assert_eq!((error.error_type, error.status()), (ErrorType::AccessDenied, 403));
        assert_eq!(
            error.message,
            "User: arn:aws:iam::000000000000:user/AKID is not authorized to perform: lambda:DeleteEventSourceMapping on resource: arn:x \
             because the key's role is reader"
        );
    }
}
