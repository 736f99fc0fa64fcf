//! Reads an `aws:` block: region, endpoints, credentials.

use std::collections::BTreeMap;
use std::path::Path;

use super::arn::{is_account, is_region};
use super::{AwsCredentials, AwsKey, AwsScope, AwsService, AwsSettings, accounts, role};
use crate::error::{Code, Finding, join};
use crate::fields::{Fields, Item};
use crate::settings::{self, SettingSpec, SettingsReader};
use crate::url;

impl AwsSettings {
    /// Reads an `aws:` block, as far as its settings have a meaning where it stands. Relative paths begin at
    /// `base`.
    pub fn read(it: Item<'_, '_>, scope: AwsScope<'_>, base: &Path) -> Option<Self> {
        it.fields(|fields| Some(read_block(&mut SettingsReader { fields }, scope, base)))
    }

    /// Reads that of the top level, which says of other accounts too how they are called.
    pub(crate) fn read_top(it: Item<'_, '_>, services: &[&'static AwsService], base: &Path) -> Option<Self> {
        it.fields(|fields| {
            let mut reader = SettingsReader { fields };
            let block = read_block(&mut reader, AwsScope { services, names_account: true }, base);
            let accounts = reader
                .written(&settings::AWS_ACCOUNTS, |it| accounts::read(it, services, base))
                .unwrap_or_default();
            if !accounts.is_empty() && !reader.fields.has(settings::AWS_ACCOUNT.key()) {
                let message = "without `account_id` nobody can tell which account is another";
                reader.fields.missing(settings::AWS_ACCOUNT.key(), message);
            }
            Some(Self { accounts, ..block })
        })
    }
}

fn read_block(reader: &mut SettingsReader<'_, '_>, scope: AwsScope<'_>, base: &Path) -> AwsSettings {
    AwsSettings {
        region: reader.written(&settings::AWS_REGION, read_region),
        account_id: if scope.names_account {
            reader.written(&settings::AWS_ACCOUNT, read_account)
        } else {
            None
        },
        endpoint: reader.written(&settings::AWS_ENDPOINT, read_endpoint),
        endpoints: reader
            .written(&settings::AWS_ENDPOINTS, |it| read_endpoints(it, scope))
            .unwrap_or_default(),
        credentials: read_credentials(reader),
        assume_role: reader.written(&settings::AWS_ASSUME_ROLE, role::read),
        accounts: BTreeMap::new(),
        ca_file: reader.written(&settings::AWS_CA_FILE, |it| it.file_path(base)),
    }
}

/// Notes when an `aws:` block says something else than the name beside it. AWS has a sentence of its own for
/// functions' regions.
pub(crate) fn agree(
    reader: &mut SettingsReader<'_, '_>,
    spec: &'static SettingSpec,
    own: &AwsSettings,
    region: Option<&str>,
    account: Option<&str>,
) -> Option<()> {
    let differs = |own: &Option<String>, named: Option<&str>| {
        named.is_some() && own.is_some() && own.as_deref() != named
    };
    let mut note = |key: &str, message: String| {
        let place = reader.fields.node(spec.key()).map_or_else(|| reader.fields.place(), |it| &it.place);
        let path = join(&join(reader.fields.path(), spec.key()), key);
        reader
            .fields
            .push(Finding::new(Code::CONFLICT, path, place, message).fix("remove it: the name says it"));
    };
    let (region_differs, account_differs) = (differs(&own.region, region), differs(&own.account_id, account));
    if let (true, Some(named), Some(own)) = (region_differs, region, &own.region) {
        let message = if spec.path == settings::LAMBDA_AWS.path {
            format!("Functions from '{named}' are not reachable in this region ('{own}')")
        } else {
            format!("the ARN is of region `{named}`, not of `{own}`")
        };
        note("region", message);
    }
    if let (true, Some(named), Some(own)) = (account_differs, account, &own.account_id) {
        note("account_id", format!("the name is of account `{named}`, not of `{own}`"));
    }
    (!region_differs && !account_differs).then_some(())
}

fn read_endpoints(it: Item<'_, '_>, scope: AwsScope<'_>) -> Option<BTreeMap<String, String>> {
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let mut endpoints = BTreeMap::new();
        for service in scope.services() {
            let endpoint = reader.written(&service.endpoint, read_endpoint);
            endpoints.extend(endpoint.map(|it| (service.name.to_owned(), it)));
        }
        Some(endpoints)
    })
}

fn read_credentials(reader: &mut SettingsReader<'_, '_>) -> Option<AwsCredentials> {
    let access_key_id = reader.written(&settings::AWS_KEY_ID, read_word);
    let secret_access_key = reader.written(&settings::AWS_SECRET, read_word);
    let session_token = reader.written(&settings::AWS_TOKEN, read_word);
    let profile = reader.written(&settings::AWS_PROFILE, |it| it.text());
    let keys = [&settings::AWS_KEY_ID, &settings::AWS_SECRET].map(|spec| spec.key());
    let is_written = keys.map(|key| reader.fields.has(key));
    // With a part left out another identity would be taken without a word.
    if reader.fields.has(settings::AWS_TOKEN.key()) || is_written[0] != is_written[1] {
        for (key, _) in keys.into_iter().zip(is_written).filter(|(_, is_written)| !is_written) {
            reader.fields.missing(key, format!("credentials are whole or not there: `{key}` is missing"));
        }
    }
    if is_written.contains(&true)
        && let Some(written) = reader.fields.key(settings::AWS_PROFILE.key())
    {
        exclude(reader.fields, written);
    }
    match (access_key_id, secret_access_key) {
        (Some(access_key_id), Some(secret_access_key)) => {
            Some(AwsCredentials::Key(AwsKey { access_key_id, secret_access_key, session_token }))
        }
        (_, _) => profile.map(AwsCredentials::Profile),
    }
}

fn exclude(fields: &mut Fields<'_>, written: &crate::document::DocumentKey) {
    let path = join(fields.path(), settings::AWS_PROFILE.key());
    let message = "a profile and an access key exclude each other";
    fields.push(Finding::new(Code::CONFLICT, path, &written.place, message).fix("keep one of them"));
}

fn read_region(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    if is_region(&text) {
        return Some(text);
    }
    it.wrong(
        Code::NOT_ALLOWED,
        "a region has lower-case letters, digits and `-`",
        Some("write it like `eu-west-1`".to_owned()),
    );
    None
}

/// A server of AWS's services: scheme, host and port, nothing behind them. Given back without the last `/`.
fn read_endpoint(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    match url::endpoint(&text) {
        Ok((_, bare)) => Some(bare.to_owned()),
        Err(mistake) => {
            it.wrong(Code::NOT_ALLOWED, mistake.to_string(), Some(mistake.fix().to_owned()));
            None
        }
    }
}

fn read_account(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    if is_account(&text) {
        return Some(text);
    }
    it.wrong(
        Code::NOT_ALLOWED,
        "an account has twelve digits",
        Some("write it in quotes: `\"123456789012\"`".to_owned()),
    );
    None
}

/// Credentials are sent in headers. The message never repeats them.
fn read_word(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    if text.bytes().all(|it| it.is_ascii_graphic()) {
        return Some(text);
    }
    it.wrong(
        Code::NOT_ALLOWED,
        "credentials hold printable ASCII without white space only",
        Some("copy them again".to_owned()),
    );
    None
}
