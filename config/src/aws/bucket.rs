//! Names of buckets of S3. A bucket's ARN has neither region nor account: `arn:partition:s3:::bucket`.

/// What buckets of other kinds begin with; S3 keeps these for itself.
const RESERVED_STARTS: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
/// What aliases and buckets of other kinds end with.
const RESERVED_ENDS: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// A bucket of S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    partition: String,
    name: String,
}

impl Bucket {
    /// The bucket that an ARN names; `None` when it is no ARN of a bucket, or the name breaks S3's rules.
    ///
    /// | rule | |
    /// |---|---|
    /// | length | 3 to 63 |
    /// | characters | lower-case letters, digits, `-`, `.`; a letter or a digit at both ends; no two dots in a row |
    /// | never | an IPv4 address, or what S3 keeps for aliases and buckets of other kinds |
    pub fn parse(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let [head, partition, service, region, account, name] = std::array::from_fn(|_| parts.next());
        let partition = partition.filter(|it| {
            it.starts_with("aws") && it.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        })?;
        let is_bucket = head == Some("arn")
            && service == Some("s3")
            && region == Some("")
            && account == Some("")
            && parts.next().is_none();
        let name = name.filter(|it| is_bucket && is_name(it))?;
        Some(Self { partition: partition.to_owned(), name: name.to_owned() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its name may stand in front of S3's host: a certificate covers one name there, without dots.
    pub fn fits_host(&self) -> bool {
        !self.name.contains('.')
    }
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "arn:{}:s3:::{}", self.partition, self.name)
    }
}

fn is_name(name: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let has_ends =
        [name.bytes().next(), name.bytes().last()].iter().all(|it| it.is_some_and(is_alphanumeric));
    (3..=63).contains(&name.len())
        && name.bytes().all(|it| is_alphanumeric(it) || it == b'-' || it == b'.')
        && has_ends
        && !name.contains("..")
        && !is_like_ipv4(name)
        && !RESERVED_STARTS.iter().any(|it| name.starts_with(it))
        && !RESERVED_ENDS.iter().any(|it| name.ends_with(it))
}

/// Four numbers between dots, whatever their size.
fn is_like_ipv4(name: &str) -> bool {
    name.split('.').count() == 4 && name.bytes().all(|it| it.is_ascii_digit() || it == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_taken_by_its_arn_and_shown_by_it() {
        let longest = format!("arn:aws:s3:::{}", "x".repeat(63));
        for arn in ["arn:aws:s3:::abc", "arn:aws-cn:s3:::my.dead-records.1", "arn:aws:s3:::1.2.3", &longest] {
            assert_eq!(Bucket::parse(arn).unwrap().to_string(), *arn);
        }
        assert!(Bucket::parse("arn:aws:s3:::abc").unwrap().fits_host());
        assert!(!Bucket::parse("arn:aws:s3:::a.b").unwrap().fits_host());
    }

    #[test]
    fn what_s3_makes_no_bucket_of_is_refused() {
        let longer = "x".repeat(64);
        let names = [
            "",
            "ab",
            &longer,
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "abc.",
            "a..b",
            "10.0.0.1",
            "999.0.0.1",
            "xn--abc",
            "sthree-abc",
            "abc-s3alias",
            "abc--x-s3",
            "abc/key",
            "a b c",
            "abc:d",
            "ab\u{e9}",
        ];
        for name in names {
            assert_eq!(Bucket::parse(&format!("arn:aws:s3:::{name}")), None, "{name}");
        }
        for arn in [
            "abc",
            "arn:aws:s3:eu-west-1::abc",
            "arn:aws:s3::123456789012:abc",
            "arn:b:s3:::abc",
            "arn:aws:sqs:::abc",
        ] {
            assert_eq!(Bucket::parse(arn), None, "{arn}");
        }
    }
}
