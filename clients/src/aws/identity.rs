//! What an `aws:` block makes of what is read: two that call the same with the same share a reader.

use std::fmt::Write as _;

use forebay_config::aws::AwsService;
use forebay_config::{AwsCredentials, AwsSettings};
use sha2::{Digest, Sha256};

/// What a block says of calls to one service, each part with a space before it; nothing where it says
/// nothing. Of a key it holds a digest of the id only.
pub fn aws_identity(own: &AwsSettings, service: &AwsService) -> String {
    let ca_file = own.ca_file.as_ref().map(|it| it.to_string_lossy());
    let digest = match &own.credentials {
        Some(AwsCredentials::Key(key)) => {
            Some(short_digest(&format!("{}\n{}", key.access_key_id, key.session_token.is_some())))
        }
        Some(AwsCredentials::Profile(_)) | None => None,
    };
    let profile = match &own.credentials {
        Some(AwsCredentials::Profile(name)) => Some(name.as_str()),
        Some(AwsCredentials::Key(_)) | None => None,
    };
    let parts = [
        ("endpoint", own.endpoint_of(service)),
        ("region", own.region.as_deref()),
        ("ca_file", ca_file.as_deref()),
        ("account_id", own.account_id.as_deref()),
        ("credentials", digest.as_deref()),
        ("profile", profile),
        ("role", own.assume_role.as_ref().map(|it| it.role_arn.as_str())),
        ("external_id", own.assume_role.as_ref().and_then(|it| it.external_id.as_deref())),
        ("session_name", own.assume_role.as_ref().map(|it| it.session_name.as_str())),
    ];
    let mut text = String::new();
    for (name, value) in parts {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _infallible = write!(text, " {name}={value}");
        }
    }
    text
}

/// Enough to tell two keys apart.
fn short_digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use forebay_config::AwsKey;
    use forebay_config::aws::AwsRole;
    use forebay_config::destination::SQS;
    use forebay_config::function::LAMBDA;

    use super::*;

    fn key(id: &str, token: Option<&str>) -> Option<AwsCredentials> {
        Some(AwsCredentials::Key(AwsKey {
            access_key_id: id.to_owned(),
            secret_access_key: "s3cret".to_owned(),
            session_token: token.map(str::to_owned),
        }))
    }

    #[test]
    fn whatever_a_call_depends_on_is_told_and_nothing_else() {
        let nothing = AwsSettings::default();
        assert_eq!(aws_identity(&nothing, &SQS), "");
        let own = AwsSettings {
            region: Some("eu-west-1".to_owned()),
            account_id: Some("123456789012".to_owned()),
            endpoint: None,
            endpoints: [("sqs".to_owned(), "http://h:1".to_owned())].into(),
            credentials: Some(AwsCredentials::Profile("p".to_owned())),
            assume_role: Some(AwsRole {
                role_arn: "r".to_owned(),
                external_id: Some("x".to_owned()),
                session_name: "s".to_owned(),
            }),
            accounts: [].into(),
            ca_file: Some(PathBuf::from("/roots")),
        };
        assert_eq!(
            aws_identity(&own, &SQS),
            " endpoint=http://h:1 region=eu-west-1 ca_file=/roots account_id=123456789012 profile=p role=r external_id=x session_name=s"
        );
        assert!(!aws_identity(&own, &LAMBDA).contains("endpoint"), "another service's endpoint");
    }

    #[test]
    fn keys_are_told_apart_by_id_and_kind_and_neither_id_nor_secret_is_shown() {
        let of = |credentials| aws_identity(&AwsSettings { credentials, ..AwsSettings::default() }, &SQS);
        let one = of(key("AKIDONE", None));
        assert!(
            one.starts_with(" credentials=") && !one.contains("AKIDONE") && !one.contains("s3cret"),
            "{one}"
        );
        assert_eq!(one, of(key("AKIDONE", None)));
        assert_ne!(one, of(key("AKIDTWO", None)));
        assert_ne!(one, of(key("AKIDONE", Some("token"))));
    }
}
