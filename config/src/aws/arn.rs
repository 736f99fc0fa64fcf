//! Names of things in AWS: `arn:partition:service:region:account:resource`.

/// A name of a thing in AWS, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov` and the like.
    pub partition: String,
    /// `lambda`, `sqs`, `sns`.
    pub service: String,
    /// Its region.
    pub region: String,
    /// Its account: twelve digits.
    pub account: String,
    /// What follows; its form is the service's own.
    pub resource: String,
}

impl Arn {
    /// The name taken apart; `None` when it is no ARN with a region and an account.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().filter(|it| !it.is_empty()).map(str::to_owned);
        let (head, partition, service, region, account, resource) =
            (next()?, next()?, next()?, next()?, next()?, next()?);
        let is_plain =
            |it: &String| it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        let is_arn =
            head == "arn" && partition.starts_with("aws") && [&partition, &service].into_iter().all(is_plain);
        (is_arn && is_region(&region) && is_account(&account)).then_some(Self {
            partition,
            service,
            region,
            account,
            resource,
        })
    }
}

impl std::fmt::Display for Arn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// The partition in which a region lies.
pub fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// A region's name. It goes into host names and signatures, so only what belongs there is taken.
pub fn is_region(text: &str) -> bool {
    let is_name = (1..=32).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
    is_name && !text.starts_with('-') && !text.ends_with('-')
}

/// A queue's or topic's name, with `.fifo` or without.
pub(crate) fn is_resource(name: &str, chars_max: usize) -> bool {
    let bare = name.strip_suffix(".fifo").unwrap_or(name);
    !bare.is_empty()
        && name.len() <= chars_max
        && bare.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_')
}

/// Twelve digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|it| it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_taken_apart_and_put_together_again() {
        for text in [
            "arn:aws:sqs:eu-west-1:123456789012:dead",
            "arn:aws-cn:lambda:cn-north-1:123456789012:function:f:$LATEST",
        ] {
            assert_eq!(Arn::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "arn:aws:",
            "arn:aws:sqs:eu-west-1:123456789012:",
            "arn:aws:s3:::bucket",
            "arn:aws:sqs:eu-west-1:12345678901:q",
            "arn:azure:sqs:eu-west-1:123456789012:q",
            "arn:aws:sqs:EU_WEST:123456789012:q",
            "arn:aws:sqs:-west:123456789012:q",
            "arn:aws:sqs:west-0123456789-0123456789-0123456789:123456789012:q",
            "xarn:aws:sqs:eu-west-1:123456789012:q",
        ] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }
}
