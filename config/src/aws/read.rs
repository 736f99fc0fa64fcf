//! Reads region, endpoint and credentials.

use std::path::Path;

use super::arn::is_account;
use super::{AwsCredentials, AwsSettings};
use crate::error::Code;
use crate::fields::Item;
use crate::function::read_url;
use crate::settings::{self, Reader};

/// Reads the top level's `aws:`.
pub(crate) fn read_aws(it: Item<'_, '_>, base: &Path) -> Option<AwsSettings> {
    it.fields(|fields| {
        let mut reader = Reader { fields, profile: None };
        let region = reader.written(&settings::AWS_REGION, read_region);
        let account_id = reader.written(&settings::AWS_ACCOUNT, read_account);
        let endpoint = reader.written(&settings::AWS_ENDPOINT, read_endpoint);
        let access_key_id = reader.written(&settings::AWS_KEY_ID, read_word);
        let secret_access_key = reader.written(&settings::AWS_SECRET, read_word);
        let session_token = reader.written(&settings::AWS_TOKEN, read_word);
        let ca_file = reader.written(&settings::AWS_CA_FILE, |it| it.file_path(base));
        let keys = [&settings::AWS_KEY_ID, &settings::AWS_SECRET].map(|spec| spec.key());
        let is_written = keys.map(|key| reader.fields.has(key));
        if reader.fields.has(settings::AWS_TOKEN.key()) || is_written[0] != is_written[1] {
            for (key, _) in keys.into_iter().zip(is_written).filter(|(_, is_written)| !is_written) {
                reader.fields.missing(key, format!("credentials are whole or not there: `{key}` is missing"));
            }
        }
        let credentials = access_key_id.zip(secret_access_key);
        let credentials =
            credentials.map(|(access_key_id, secret_access_key)| AwsCredentials { access_key_id, secret_access_key, session_token });
        Some(AwsSettings { region, account_id, endpoint, credentials, ca_file })
    })
}

/// A region's name goes into host names and signatures, so only what belongs there is taken.
pub(crate) fn read_region(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    let is_name = text.len() <= 32 && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
    if is_name && !text.starts_with('-') && !text.ends_with('-') {
        return Some(text);
    }
    it.wrong(Code::NOT_ALLOWED, "a region has lower-case letters, digits and `-`", Some("write it like `eu-west-1`".to_owned()));
    None
}

/// A server of AWS's services: scheme, host and port, nothing behind them. Given back without the last `/`.
pub(crate) fn read_endpoint(mut it: Item<'_, '_>) -> Option<String> {
    let url = read_url(it.again())?;
    let bare = url.strip_suffix('/').unwrap_or(&url);
    if bare.splitn(4, ['/', '?', '\\']).nth(3).is_none() {
        return Some(bare.to_owned());
    }
    it.wrong(Code::NOT_ALLOWED, "an endpoint has no path and no query", Some("write `http://host:port`".to_owned()));
    None
}

fn read_account(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    if is_account(&text) {
        return Some(text);
    }
    it.wrong(Code::NOT_ALLOWED, "an account has twelve digits", Some("write it in quotes: `\"123456789012\"`".to_owned()));
    None
}

/// Credentials are sent in headers. The message never repeats them.
fn read_word(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    if text.bytes().all(|it| it.is_ascii_graphic()) {
        return Some(text);
    }
    it.wrong(Code::NOT_ALLOWED, "credentials hold printable ASCII without white space only", None);
    None
}
