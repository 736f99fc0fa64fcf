//! A role that is taken before anything is called: STS gives its credentials for an hour.

use super::AwsService;
use super::arn::is_account;
use crate::error::Code;
use crate::fields::Item;
use crate::settings::{self, SettingsReader};

/// The service that gives credentials of roles.
pub static STS: AwsService = crate::aws_service!("sts", "STS", "STS");

/// The longest ARN of a role.
const ROLE_ARN_CHARS_MAX: usize = 2_048;

/// A role to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsRole {
    /// `arn:partition:iam::account:role/path/name`.
    pub role_arn: String,
    /// What the role's owner asks of whoever takes it.
    pub external_id: Option<String>,
    /// What the session is called in the logs of the role's owner.
    pub session_name: String,
}

/// Reads `assume_role`.
pub(super) fn read(it: Item<'_, '_>) -> Option<AwsRole> {
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let role_arn = reader.required(&settings::AWS_ROLE_ARN, |it| {
            read_text(it, is_role_arn, "is no ARN of a role", "write `arn:aws:iam::123456789012:role/name`")
        });
        let external_id = reader.written(&settings::AWS_EXTERNAL_ID, |it| {
            let fix = "copy it again: 2 to 1,224 letters, digits and `_+=,.@:/-`";
            read_text(
                it,
                |it| (2..=1_224).contains(&it.len()) && has_only(it, b"_+=,.@:/-"),
                "is no external id",
                fix,
            )
        });
        let session_name = reader.written(&settings::AWS_SESSION_NAME, |it| {
            let fix = "write 2 to 64 letters, digits and `_+=,.@-`";
            read_text(
                it,
                |it| (2..=64).contains(&it.len()) && has_only(it, b"_+=,.@-"),
                "is no name of a session",
                fix,
            )
        });
        let default = settings::AWS_SESSION_NAME.default_written(None).unwrap_or_default();
        Some(AwsRole { role_arn: role_arn?, external_id, session_name: session_name.unwrap_or(default) })
    })
}

fn read_text(
    mut it: Item<'_, '_>,
    is_right: impl Fn(&str) -> bool,
    message: &str,
    fix: &str,
) -> Option<String> {
    let text = it.again().text()?;
    if is_right(&text) {
        return Some(text);
    }
    it.wrong(Code::NOT_ALLOWED, message, Some(fix.to_owned()));
    None
}

fn is_role_arn(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let [head, partition, service, region, account, resource] =
        std::array::from_fn(|_| parts.next().unwrap_or_default());
    text.len() <= ROLE_ARN_CHARS_MAX
        && head == "arn"
        && partition.starts_with("aws")
        && service == "iam"
        && region.is_empty()
        && is_account(account)
        && resource
            .strip_prefix("role/")
            .is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_graphic()))
}

fn has_only(text: &str, others: &[u8]) -> bool {
    text.bytes().all(|it| it.is_ascii_alphanumeric() || others.contains(&it))
}
