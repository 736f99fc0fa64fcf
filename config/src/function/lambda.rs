//! A function of Lambda: how it is named, and where it is called.

use std::path::Path;

use crate::aws::{Arn, AwsService, AwsSettings, NamedAccount, agree};
use crate::error::{Code, Finding, join};
use crate::fields::Item;
use crate::settings::{self, SettingsReader};

/// The most characters of a name of a function in any of its forms.
pub(crate) const NAME_CHARS_MAX: usize = 256;
/// The most characters of the bare name.
const BARE_NAME_CHARS_MAX: usize = 64;
/// The most characters of a version or an alias.
const QUALIFIER_CHARS_MAX: usize = 128;

/// What invokes functions of Lambda.
pub static LAMBDA: AwsService = crate::aws_service!(
    "lambda",
    "LAMBDA",
    "Lambda: functions are invoked there, and the calls of Lambda's API that are not about mappings are passed on to it"
);

/// A function of Lambda, or of a server that speaks its Invoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LambdaSettings {
    /// Which function.
    pub function: LambdaName,
    /// Its version or alias.
    pub qualifier: Option<String>,
    /// What it is called with, where that differs.
    pub aws: Box<AwsSettings>,
}

impl LambdaSettings {
    /// Whose it is, and how it is called; `None` where neither its name nor what stands beside it says so.
    pub fn account(&self) -> Option<NamedAccount<'_>> {
        let account = self.function.account().or(self.aws.account_id.as_deref())?;
        Some(NamedAccount { account, region: self.function.region(), own: &self.aws })
    }
}

/// A function of Lambda without its qualifier, in the form in which it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LambdaName {
    /// `name`
    Bare(String),
    /// `account:function:name`
    Partial {
        /// The account.
        account: String,
        /// The bare name.
        name: String,
    },
    /// `arn:aws:lambda:region:account:function:name`
    Arn(Arn),
}

impl LambdaName {
    /// Takes a name in any of its forms apart: the function and, where the form has one, its qualifier.
    pub fn parse(text: &str) -> Option<(Self, Option<String>)> {
        if text.chars().count() > NAME_CHARS_MAX {
            return None;
        }
        if text.starts_with("arn:") {
            let mut arn = Arn::parse(text).filter(|arn| arn.service == "lambda")?;
            let (name, qualifier) = bare(arn.resource.strip_prefix("function:")?)?;
            // The qualifier is told apart, so that the ARN names the function alone.
            arn.resource = format!("function:{name}");
            return Some((Self::Arn(arn), qualifier));
        }
        if let Some((account, rest)) = text.split_once(":function:") {
            let (name, qualifier) = bare(rest)?;
            let is_account = account.len() == 12 && account.bytes().all(|it| it.is_ascii_digit());
            return is_account.then(|| (Self::Partial { account: account.to_owned(), name }, qualifier));
        }
        let (name, qualifier) = bare(text)?;
        Some((Self::Bare(name), qualifier))
    }

    /// The name alone.
    pub fn bare(&self) -> &str {
        match self {
            Self::Bare(name) | Self::Partial { name, .. } => name,
            Self::Arn(arn) => arn.resource.strip_prefix("function:").unwrap_or(&arn.resource),
        }
    }

    /// The account that the name holds.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Bare(_) => None,
            Self::Partial { account, .. } => Some(account),
            Self::Arn(arn) => Some(&arn.account),
        }
    }

    /// The region that the name holds.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Bare(_) | Self::Partial { .. } => None,
            Self::Arn(arn) => Some(&arn.region),
        }
    }

    /// Whether the region and the account that the name holds are those of `aws`, where both say one.
    pub fn agrees_with(&self, aws: &AwsSettings) -> bool {
        // Where one of the two is silent there is nothing to contradict.
        let agrees =
            |named: Option<&str>, ours: Option<&str>| named.is_none() || ours.is_none() || named == ours;
        agrees(self.region(), aws.region.as_deref()) && agrees(self.account(), aws.account_id.as_deref())
    }

    /// The name as every server takes it: bare, or an ARN where it names an account. Not all know the partial
    /// form.
    pub fn wire(&self, region: &str) -> String {
        match self {
            Self::Bare(name) => name.clone(),
            Self::Partial { account, .. } => self.arn(region, account),
            Self::Arn(arn) => arn.to_string(),
        }
    }

    /// The ARN; region and account fill what the name leaves out.
    pub fn arn(&self, region: &str, account: &str) -> String {
        let partition = crate::aws::partition_of(region);
        match self {
            Self::Bare(name) => format!("arn:{partition}:lambda:{region}:{account}:function:{name}"),
            Self::Partial { account, name } => {
                format!("arn:{partition}:lambda:{region}:{account}:function:{name}")
            }
            Self::Arn(arn) => arn.to_string(),
        }
    }
}

/// `name` or `name:qualifier`.
fn bare(text: &str) -> Option<(String, Option<String>)> {
    let (name, qualifier) =
        text.split_once(':').map_or((text, None), |(name, qualifier)| (name, Some(qualifier)));
    let is_name = (1..=BARE_NAME_CHARS_MAX).contains(&name.len()) && is_word(name);
    (is_name && qualifier.is_none_or(is_qualifier)).then(|| (name.to_owned(), qualifier.map(str::to_owned)))
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_')
}

fn is_qualifier(text: &str) -> bool {
    matches!(text, "$LATEST" | "$LATEST.PUBLISHED")
        || ((1..=QUALIFIER_CHARS_MAX).contains(&text.len()) && is_word(text))
}

/// Reads what stands under `lambda`.
pub(super) fn read_lambda(it: Item<'_, '_>, base: &Path) -> Option<LambdaSettings> {
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let named = reader.required(&settings::LAMBDA_NAME, read_name);
        let qualifier = reader.written(&settings::LAMBDA_QUALIFIER, read_qualifier);
        let aws: Box<AwsSettings> = reader
            .written(&settings::LAMBDA_AWS, |it| AwsSettings::read(it, settings::LAMBDA_SCOPE, base))
            .unwrap_or_default()
            .into();
        let (function, derived) = named?;
        if let (Some(derived), Some(qualifier), Some(key)) =
            (&derived, &qualifier, reader.fields.key(settings::LAMBDA_QUALIFIER.key()))
            && derived != qualifier
        {
            let message =
                "The derived qualifier from the function name does not match the specified qualifier.";
            let path = join(reader.fields.path(), settings::LAMBDA_QUALIFIER.key());
            reader.fields.push(
                Finding::new(Code::CONFLICT, path, &key.place, message)
                    .fix("write it in one of the two places"),
            );
        }
        agree(&mut reader, &settings::LAMBDA_AWS, &aws, function.region(), function.account())?;
        Some(LambdaSettings { function, qualifier: qualifier.or(derived), aws })
    })
}

fn read_name(mut it: Item<'_, '_>) -> Option<(LambdaName, Option<String>)> {
    let text = it.again().text()?;
    let name = LambdaName::parse(&text);
    if name.is_none() {
        let fix = "write `name`, `name:qualifier`, `account:function:name` or an ARN; the bare name has up to 64 letters, digits, `-` and `_`";
        it.wrong(Code::NOT_ALLOWED, "is no name of a Lambda function", Some(fix.to_owned()));
    }
    name
}

fn read_qualifier(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    if is_qualifier(&text) {
        return Some(text);
    }
    it.wrong(
        Code::NOT_ALLOWED,
        "is no version and no alias",
        Some("write a number in quotes, an alias or `$LATEST`".to_owned()),
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_name_gives_the_wire_name_the_qualifier_and_the_arn() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f";
        for (text, wire, qualifier, full) in [
            ("f", "f", None, "arn:aws:lambda:us-east-1:000000000000:function:f"),
            ("f:7", "f", Some("7"), "arn:aws:lambda:us-east-1:000000000000:function:f"),
            ("f:$LATEST", "f", Some("$LATEST"), "arn:aws:lambda:us-east-1:000000000000:function:f"),
            (
                "123456789012:function:f",
                "arn:aws:lambda:us-east-1:123456789012:function:f",
                None,
                "arn:aws:lambda:us-east-1:123456789012:function:f",
            ),
            (
                "123456789012:function:f:live",
                "arn:aws:lambda:us-east-1:123456789012:function:f",
                Some("live"),
                "arn:aws:lambda:us-east-1:123456789012:function:f",
            ),
            (arn, arn, None, arn),
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST.PUBLISHED",
                arn,
                Some("$LATEST.PUBLISHED"),
                arn,
            ),
        ] {
            let (name, found) = LambdaName::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((name.wire("us-east-1").as_str(), found.as_deref()), (wire, qualifier), "{text}");
            assert_eq!(name.arn("us-east-1", "000000000000"), full, "{text}");
        }
        assert_eq!(
            LambdaName::Bare("f".to_owned()).arn("cn-north-1", "1"),
            "arn:aws-cn:lambda:cn-north-1:1:function:f"
        );
        let long = "x".repeat(65);
        for text in [
            "",
            &long,
            "a b",
            "f:",
            "f:$HEAD",
            "f:1:2",
            "a/b",
            "12:function:f",
            "arn:aws:sqs:eu-west-1:123456789012:f",
            "arn:aws:lambda:eu-west-1:123456789012:layer:f",
            "arn:aws:lambda:eu-west-1:123456789012:function:",
            "../f",
        ] {
            assert_eq!(LambdaName::parse(text), None, "{text}");
        }
    }
}
