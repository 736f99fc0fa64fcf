//! How other accounts are called: `aws.accounts`, by account or by account and region.

use std::collections::BTreeMap;
use std::path::Path;

use super::arn::{is_account, is_region};
use super::{AwsScope, AwsService, AwsSettings};
use crate::error::{Code, Finding, join};
use crate::fields::Item;
use crate::settings;

/// An account, or one region of it; written `123456789012` or `123456789012/eu-west-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AwsPlace {
    /// Twelve digits.
    pub account: String,
    /// `None` for all regions that have no entry of their own.
    pub region: Option<String>,
}

/// A thing whose account is written, in its name or beside it.
#[derive(Debug, Clone, Copy)]
pub struct NamedAccount<'a> {
    /// Twelve digits.
    pub account: &'a str,
    /// The region that its name holds.
    pub region: Option<&'a str>,
    /// What is said beside its name of how it is called.
    pub own: &'a AwsSettings,
}

/// A thing of another account, of which nothing says how it is called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("account `{account}` is not known{}: `aws.account_id` is `{ours}`", self.region.as_ref().map(|it| format!(" in region `{it}`")).unwrap_or_default())]
pub struct UnknownAccount {
    account: String,
    /// Its region, where the account is known in others.
    region: Option<String>,
    ours: String,
}

impl UnknownAccount {
    /// What to do about it.
    pub fn fix(&self) -> String {
        let region = self.region.as_ref().map(|it| format!("/{it}")).unwrap_or_default();
        format!(
            "write `aws.accounts.\"{}{region}\"` with its credentials or its `assume_role`, or with `{{}}` if those that all share are meant",
            self.account
        )
    }
}

impl AwsPlace {
    fn parse(text: &str) -> Option<Self> {
        let (account, region) = match text.split_once('/') {
            Some((account, region)) => (account, Some(region)),
            None => (text, None),
        };
        (is_account(account) && region.is_none_or(is_region))
            .then(|| Self { account: account.to_owned(), region: region.map(str::to_owned) })
    }
}

/// Reads `aws.accounts`.
pub(super) fn read(
    it: Item<'_, '_>,
    services: &[&'static AwsService],
    base: &Path,
) -> Option<BTreeMap<AwsPlace, AwsSettings>> {
    let entries = it.entries(|key, mut it| {
        let place = AwsPlace::parse(&key.name);
        if place.is_none() {
            let message = "is no account and no region of one";
            let finding = Finding::new(Code::NOT_ALLOWED, it.path(), &key.place, message);
            it.extend([finding.fix("write `\"123456789012\"` or `\"123456789012/eu-west-1\"`")]);
        }
        let settings = AwsSettings::read(it.again(), AwsScope { services, names_account: false }, base);
        let (place, settings) = (place?, settings?);
        if place.region.is_some() && settings.region.is_some() {
            let path = join(it.path(), settings::AWS_REGION.key());
            let message = "the entry is that of a region already";
            it.extend([Finding::new(Code::CONFLICT, path, it.place(), message).fix("remove it")]);
        }
        Some((place, settings))
    })?;
    Some(entries.into_values().collect())
}

impl AwsSettings {
    /// What is written of the account of a thing and of its region there, the latter going before; `None` where
    /// neither is.
    pub fn of_account(&self, it: NamedAccount<'_>) -> Option<Self> {
        let find = |region: Option<&str>| {
            let place = AwsPlace { account: it.account.to_owned(), region: region.map(str::to_owned) };
            self.accounts.get(&place)
        };
        let of_account = find(None);
        let region = self.region_of(it);
        match (region.and_then(|it| find(Some(it))), of_account) {
            (Some(nearer), Some(of_account)) => Some(nearer.over(of_account)),
            (Some(it), None) | (None, Some(it)) => Some(it.clone()),
            (None, None) => None,
        }
    }

    /// Refuses a thing of another account of which nothing is written, where one's own is known: it is not
    /// called with credentials that are meant for another.
    ///
    /// # Errors
    /// Which account is not known.
    pub fn check_account(&self, it: NamedAccount<'_>) -> Result<(), UnknownAccount> {
        let NamedAccount { account, own, .. } = it;
        let Some(ours) = self.account_id.as_ref().filter(|it| *it != account) else { return Ok(()) };
        let says_how = own.credentials.is_some()
            || own.assume_role.is_some()
            || own.endpoint.is_some()
            || !own.endpoints.is_empty();
        let mut of_it = self.accounts.keys().filter(|it| it.account == account).peekable();
        let is_known_elsewhere = of_it.peek().is_some();
        let region = self.region_of(it);
        // Where the region is left to the daemon's surroundings, any entry may be the one.
        let is_written =
            of_it.any(|it| it.region.is_none() || region.is_none() || it.region.as_deref() == region);
        if says_how || is_written {
            return Ok(());
        }
        let region = region.filter(|_| is_known_elsewhere).map(str::to_owned);
        Err(UnknownAccount { account: account.to_owned(), region, ours: ours.clone() })
    }

    /// The region that a thing is called in, as far as settings tell.
    fn region_of<'a>(&'a self, it: NamedAccount<'a>) -> Option<&'a str> {
        let place = AwsPlace { account: it.account.to_owned(), region: None };
        let of_account = || self.accounts.get(&place)?.region.as_deref();
        it.own.region.as_deref().or(it.region).or_else(of_account).or(self.region.as_deref())
    }
}
